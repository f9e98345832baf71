"""Options of single verbs that take many; what several verbs share stands in `common.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
