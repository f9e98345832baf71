"""Options of single verbs that take many; what several verbs share stands in `common.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, get_args

import typer

from seqweave.config import PresetName, Units

_UNITS = "|".join(get_args(Units))

# train, and demo
Out = Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="The model folder to make.")]
Seed = Annotated[int | None, typer.Option(metavar="N", help="Same as --set training.seed=N.")]
Restart = Annotated[bool, typer.Option("--restart", help="Throw away what is in DIR and begin anew.")]
DevFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE [TARGET_FILE]", help="Dev pairs; when left out, some of DATA are held out."),
]
DevTarget = Annotated[Path | None, typer.Option(hidden=True)]
Preset = Annotated[
    str | None, typer.Option(metavar="|".join(get_args(PresetName)), help="Size of the model. Default: small.")
]
SourceUnits = Annotated[
    str | None, typer.Option(metavar=_UNITS, help="What an item of the source is. Default: guessed.")
]
TargetUnits = Annotated[str | None, typer.Option(metavar=_UNITS, help="The same for the target.")]
SettingsFile = Annotated[Path | None, typer.Option(metavar="FILE.toml", help="Settings from a file.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A setting from the list below; may be given again."),
]

# align
Method = Annotated[
    str,
    typer.Option(
        metavar="argmax|threshold|mutual|monotone",
        help="Links from weights: each target's best source; all above the threshold; pairs that are each "
        "other's best; the best path that never goes back.",
    ),
]
Threshold = Annotated[float, typer.Option(metavar="W", help="Least weight of a link, 0 to 1.")]
Shift = Annotated[
    bool, typer.Option("--shift", help="Weights of the step that reads an item, not of that which writes it.")
]
Words = Annotated[bool, typer.Option("--words", help="Align words (what blanks divide), not the model's items.")]
Also = Annotated[
    list[Path] | None, typer.Option(metavar="DIR", help="One more model to average attention with; repeatable.")
]
Reverse = Annotated[
    Path | None, typer.Option(metavar="DIR", help="A model of the opposite direction, to put both together.")
]
Symmetrise = Annotated[
    str,
    typer.Option(
        metavar="union|intersection|grow-diag|grow-diag-final-and", help="How to put two directions together."
    ),
]
GoldFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Right links, a line a pair: i-j sure, ipj possible. Prints figures only."),
]
GoldFirst = Annotated[int, typer.Option(metavar="N", help="The number of the first word in the gold.")]

# inspect
InspectedText = Annotated[
    str | None,
    typer.Argument(metavar="[TEXT]", help="The source. With --serve, by default a sample of the training."),
]
Reference = Annotated[str | None, typer.Option(metavar="TEXT", help="A reference, to compare with the free run.")]
TraceFile = Annotated[
    Path, typer.Option("-o", "--output", metavar="FILE", help=".html: a page that works offline; .json: data.")
]
Attributions = Annotated[
    bool, typer.Option("--attributions", help="Also gradients and occlusion, to compare with attention.")
]
Corpus = Annotated[
    Path | None, typer.Option(metavar="DATA", help="Pairs to decode for the page's table of an evaluation.")
]
Full = Annotated[bool, typer.Option("--full", help="Also cell states, contexts and readouts: about twice the size.")]
Serve = Annotated[
    bool, typer.Option("--serve", help="Show the page to this machine's browser, with the model behind it.")
]
Port = Annotated[int, typer.Option(metavar="N", help="With --serve: where; 0 for any free port.")]

# predict
SourceFile = Annotated[
    Path | None,
    typer.Argument(
        metavar="[FILE]",
        help="One source a line, with features: source, tab, a column each; stdin when left out, or -.",
    ),
]
NBest = Annotated[
    int, typer.Option(metavar="N", help="Outputs a line. Above 1: line number, rank, score, text, tab-separated.")
]
Sample = Annotated[bool, typer.Option("--sample", help="Draw outputs instead of searching the best.")]
Temperature = Annotated[
    float | None, typer.Option(metavar="X", help="With --sample: below 1 sharper, above 1 flatter.")
]
TopK = Annotated[int | None, typer.Option(metavar="N", help="With --sample: draw from the N most probable items only.")]
TopP = Annotated[
    float | None, typer.Option(metavar="P", help="With --sample: draw from the fewest items that reach P only.")
]
SampleSeed = Annotated[int | None, typer.Option(metavar="N", help="Random seed for --sample.")]
MinLength = Annotated[int | None, typer.Option(metavar="N", help="Fewest items of an output.")]
NoRepeatNgram = Annotated[
    int | None, typer.Option(metavar="N", help="No run of N items twice in an output; 0: none is barred.")
]
Prefix = Annotated[str, typer.Option(metavar="TEXT", help="What every output begins with.")]
Forbid = Annotated[
    list[str] | None, typer.Option(metavar="ITEM", help="An item that no output may have, also <unk>; repeatable.")
]

# verify
SourcesOrPairs = Annotated[
    Path | None,
    typer.Argument(metavar="[DATA]", help="Pairs, whose sources are used. Default: those in samples.jsonl of DIR."),
]
Samples = Annotated[int, typer.Option(metavar="N", help="Most sources, drawn from the distinct ones.")]
SourceSeed = Annotated[int, typer.Option(metavar="N", help="Random seed for the draw.")]
BeamsCompared = Annotated[str, typer.Option(metavar="K,K,...", help="Beam sizes compared, ascending.")]
Tolerance = Annotated[float, typer.Option(metavar="X", help="Largest deviation of a log-probability that passes.")]

# tune
DevPairs = Annotated[Path, typer.Argument(metavar="DEV", help="Dev pairs, or the source side of two files.")]
TunedMetric = Annotated[str | None, typer.Option(metavar="NAME", help="What to tune. Default: the run's metric.")]
BeamsTried = Annotated[str | None, typer.Option(metavar="K,K,...", help="Beam sizes to try. Default: the model's.")]
LengthPenalties = Annotated[str | None, typer.Option(metavar="A,A,...", help="Default: 0, 0.2 and so on up to 1.2.")]
CoveragePenalties = Annotated[
    str | None, typer.Option(metavar="B,B,...", help="Default: 0, 0.2, 0.4 with attention, else 0.")
]
Write = Annotated[bool, typer.Option("--write", help="Keep the best settings in DIR.")]
