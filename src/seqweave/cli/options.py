"""Options of verbs that have many of them; those that several verbs share are in `common.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, get_args

import typer

from seqweave.config import BleuTokenize, PresetName, Units

_UNITS = "|".join(get_args(Units))

# train, and demo
Out = Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Model folder to write.")]
Seed = Annotated[int | None, typer.Option(metavar="N", help="Random seed; short for --set training.seed=N.")]
Restart = Annotated[bool, typer.Option("--restart", help="Delete what is in DIR and start over.")]
DevFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE [TARGET_FILE]", help="Dev pairs. Default: some of DATA are held out."),
]
DevTarget = Annotated[Path | None, typer.Option(hidden=True)]
Preset = Annotated[
    str | None, typer.Option(metavar="|".join(get_args(PresetName)), help="Size of the model. Default: small.")
]
StartFrom = Annotated[
    Path | None,
    typer.Option(
        "--from", metavar="OLD", help="Model folder to start from: weights, vocabularies, settings. It stays as it is."
    ),
]
ExtendVocabulary = Annotated[
    bool,
    typer.Option(
        "--extend-vocabulary", help="With --from: items that OLD does not know get entries (of subwords: characters)."
    ),
]
Mix = Annotated[
    Path | None,
    typer.Option(metavar="OLD_DATA", help="Pairs of which every batch gets a share, so that they are not forgotten."),
]
MixShare = Annotated[
    float | None,
    typer.Option(metavar="X", help="That share, above 0 and below 1; short for --set training.mix_share=X."),
]
SourceUnits = Annotated[
    str | None, typer.Option(metavar=_UNITS, help="What an item of the source is. Default: guessed.")
]
TargetUnits = Annotated[
    str | None, typer.Option(metavar=_UNITS, help="What an item of the target is. Default: guessed.")
]
SettingsFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="File of settings: TOML, or a run's config.json.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A setting from the list below; repeatable."),
]

# align
Method = Annotated[
    str,
    typer.Option(
        metavar="argmax|threshold|mutual|monotone",
        help="How weights become links: the best source of each target; all above the threshold; pairs that are "
        "each other's best; the best path that never goes back.",
    ),
]
Threshold = Annotated[float, typer.Option(metavar="W", help="Smallest weight of a link, 0 to 1.")]
Shift = Annotated[
    bool,
    typer.Option("--shift", help="Use the weights of the position that reads an item, not of the one that writes it."),
]
Words = Annotated[bool, typer.Option("--words", help="Align words, as blanks divide them, not the model's items.")]
Also = Annotated[
    list[Path] | None, typer.Option(metavar="DIR", help="Another model to average attention with; repeatable.")
]
Reverse = Annotated[
    Path | None, typer.Option(metavar="DIR", help="A model of the opposite direction, to combine with.")
]
Symmetrise = Annotated[
    str,
    typer.Option(metavar="union|intersection|grow-diag|grow-diag-final-and", help="How to combine the two directions."),
]
GoldFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="The right links, one line for each pair: i-j sure, ipj possible."),
]
GoldFirst = Annotated[int, typer.Option(metavar="N", help="The number of the first word in the file of --gold.")]
Pharaoh = Annotated[
    bool,
    typer.Option("--pharaoh", help="Print the links alone, one line for each line of DATA, as other tools read them."),
]

# evaluate, compare
BleuTokenizer = Annotated[
    str | None,
    typer.Option(
        "--bleu-tokenize",
        metavar="|".join(get_args(BleuTokenize)),
        help="Tokenizer of BLEU (sacrebleu's). Default: the one chosen when the model was trained.",
    ),
]

# inspect
InspectedText = Annotated[
    str | None,
    typer.Argument(metavar="[TEXT]", help="The source. Default with --serve: a sample of the training."),
]
Reference = Annotated[
    str | None, typer.Option(metavar="TEXT", help="A reference, to compare with the model's own output.")
]
TraceFile = Annotated[
    Path,
    typer.Option(
        "-o", "--output", metavar="FILE", help="File to write; .html: a page that works offline, .json: the data."
    ),
]
Attributions = Annotated[
    bool, typer.Option("--attributions", help="Add gradients and occlusion, to compare with attention.")
]
Corpus = Annotated[Path | None, typer.Option(metavar="DATA", help="Pairs to decode for the page's table of outputs.")]
Full = Annotated[bool, typer.Option("--full", help="Add cell states, contexts and readouts; about twice the size.")]
Serve = Annotated[
    bool, typer.Option("--serve", help="Serve the page to a browser on this machine, with the model behind it.")
]
Port = Annotated[int, typer.Option(metavar="N", help="With --serve: the port; 0 for any free one.")]

# predict
SourceFile = Annotated[
    Path | None,
    typer.Argument(
        metavar="[FILE]",
        help="One source on each line; source tags follow in columns, after tabs. Default: stdin.",
    ),
]
OutputFile = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="FILE", help="File to write, which must not exist. Default: stdout."),
]
Column = Annotated[
    str | None,
    typer.Option(
        metavar="N|NAME",
        help="The input is a table (TSV, CSV or JSON lines), and this column has the sources; with source tags, those "
        "columns follow after commas.",
    ),
]
Encoding = Annotated[str | None, typer.Option(metavar="NAME", help="Encoding of the input. Default: utf-8.")]
Plain = Annotated[bool, typer.Option("--plain", help="Take lines as they are, even if they look like a table.")]
NBest = Annotated[
    int,
    typer.Option(metavar="N", help="Outputs for each line. Above 1: line number, rank, score and text, in columns."),
]
Sample = Annotated[bool, typer.Option("--sample", help="Sample outputs instead of searching for the best.")]
Temperature = Annotated[
    float | None,
    typer.Option(metavar="X", help="With --sample: below 1 makes the distribution sharper, above 1 flatter."),
]
TopK = Annotated[int | None, typer.Option(metavar="N", help="With --sample: only from the N most probable items.")]
TopP = Annotated[
    float | None,
    typer.Option(metavar="P", help="With --sample: only from the fewest items whose probabilities add up to P."),
]
SampleSeed = Annotated[int | None, typer.Option(metavar="N", help="Random seed for sampling.")]
MinLength = Annotated[int | None, typer.Option(metavar="N", help="Least number of items in an output.")]
NoRepeatNgram = Annotated[
    int | None, typer.Option(metavar="N", help="No run of N items occurs twice in an output; 0: no limit.")
]
Prefix = Annotated[str, typer.Option(metavar="TEXT", help="Text that every output begins with.")]
Forbid = Annotated[
    list[str] | None,
    typer.Option(metavar="ITEM", help="An item that never occurs in an output; <unk>: unknown items; repeatable."),
]

# verify
SourcesOrPairs = Annotated[
    Path | None,
    typer.Argument(metavar="[DATA]", help="Pairs whose sources are used. Default: the run's samples."),
]
Samples = Annotated[int, typer.Option(metavar="N", help="Most sources to use, drawn from the distinct ones.")]
SourceSeed = Annotated[int, typer.Option(metavar="N", help="Random seed for drawing the sources.")]
BeamsCompared = Annotated[str, typer.Option(metavar="K,K,...", help="Beam sizes to compare, ascending.")]
Tolerance = Annotated[float, typer.Option(metavar="X", help="Largest difference of log-probabilities that passes.")]

# tune
DevPairs = Annotated[Path, typer.Argument(metavar="DEV", help="Dev pairs, or the source side of two files.")]
TunedMetric = Annotated[str | None, typer.Option(metavar="NAME", help="Metric to tune. Default: the run's metric.")]
BeamsTried = Annotated[str | None, typer.Option(metavar="K,K,...", help="Beam sizes to try. Default: the model's.")]
LengthPenalties = Annotated[
    str | None, typer.Option(metavar="A,A,...", help="Length penalties to try. Default: 0, 0.2 and so on up to 1.2.")
]
CoveragePenalties = Annotated[
    str | None,
    typer.Option(metavar="B,B,...", help="Coverage penalties to try. Default: 0, 0.2, 0.4 with attention, else 0."),
]
Write = Annotated[bool, typer.Option("--write", help="Write the best settings to DIR.")]
