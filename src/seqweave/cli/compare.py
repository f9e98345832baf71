"""`seqweave compare`: is one model better than another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seqweave.cli.common import (
    BeamSize,
    Data,
    Device,
    Json,
    SearchSettings,
    TargetFile,
    check_same_columns,
    load_model,
    note_unknown_pairs,
    print_json,
    read_pairs,
)

FirstFolder = Annotated[Path, typer.Argument(metavar="DIR1", help="The first model folder.")]
SecondFolder = Annotated[Path, typer.Argument(metavar="DIR2", help="The second model folder.")]


def compare(
    first_folder: FirstFolder,
    second_folder: SecondFolder,
    data: Data,
    target_file: TargetFile = None,
    beam_size: BeamSize = None,
    settings: SearchSettings = None,
    json: Json = False,
    device: Device = "auto",
) -> None:
    """Compare two models on DATA in every metric, by the paired bootstrap over sources; p is two-sided.

    The token error rate is measured in the target units of the first model.

    Example: seqweave compare model other-model test.tsv
    """
    from seqweave.evaluation.evaluate import predict_rows
    from seqweave.evaluation.report import comparison_table
    from seqweave.evaluation.significance import compare_outputs

    first, second = (load_model(folder, device, settings) for folder in (first_folder, second_folder))
    check_same_columns([first_folder, second_folder], [first, second])
    sources, targets = read_pairs(data, target_file, first.config.data)
    for model in (first, second):
        note_unknown_pairs(model, sources, targets)
    outputs = [predict_rows(model, sources, beam_size) for model in (first, second)]
    comparisons = compare_outputs(sources, outputs[0], outputs[1], targets, first.target_tokenizer)
    if json:
        print_json({"pairs": len(sources), "metrics": [comparison.to_json() for comparison in comparisons]})
    else:
        print(f"first: {first_folder}, second: {second_folder}, {len(sources):,} pairs of {data}\n")
        print(comparison_table(comparisons))
