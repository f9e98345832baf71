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
    note,
    note_unknown_pairs,
    print_json,
    read_pairs,
)
from seqweave.cli.options import BleuTokenizer

FirstFolder = Annotated[Path, typer.Argument(metavar="DIR1", help="The first model folder.")]
SecondFolder = Annotated[Path, typer.Argument(metavar="DIR2", help="The second model folder.")]


def compare(
    first_folder: FirstFolder,
    second_folder: SecondFolder,
    data: Data,
    target_file: TargetFile = None,
    beam_size: BeamSize = None,
    settings: SearchSettings = None,
    bleu_tokenize: BleuTokenizer = None,
    json: Json = False,
    device: Device = "auto",
) -> None:
    """Compare two models on DATA in every metric, by the paired bootstrap over sources; p is two-sided.

    Both are measured alike: the token error rate in the target units of the first model, BLEU with its tokenizer.

    Example: seqweave compare model other-model test.tsv
    """
    from seqweave.evaluation.evaluate import predict_rows
    from seqweave.evaluation.intervals import too_few
    from seqweave.evaluation.measures import measures_of, measures_of_both, measures_text
    from seqweave.evaluation.metrics import left_out
    from seqweave.evaluation.report import comparison_table, few_sources, left_out_lines
    from seqweave.evaluation.significance import compare_outputs

    folders = (first_folder, second_folder)
    first, second = (load_model(folder, device, settings) for folder in folders)
    check_same_columns(folders, [first, second])
    ways = [measures_of(model.config, bleu_tokenize) for model in (first, second)]
    measures = measures_of_both(*ways)
    if ways[0] != ways[1]:
        others = " and ".join(f"{folder} by {measures_text(way)}" for folder, way in zip(folders, ways, strict=True))
        note(f"{others}: both are measured here by {measures_text(measures)}")
    sources, targets = read_pairs(data, target_file, first.config.data)
    for model in (first, second):
        note_unknown_pairs(model, sources, targets)
    outputs = [predict_rows(model, sources, beam_size) for model in (first, second)]
    comparisons = compare_outputs(sources, outputs[0], outputs[1], targets, first.target_tokenizer, measures=measures)
    distinct, missing = len(set(sources)), left_out([comparison.metric for comparison in comparisons])
    if json:
        rows = [comparison.to_json() for comparison in comparisons]
        print_json({"pairs": len(sources), "sources": distinct, "metrics": rows, "left_out": missing})
    else:
        print(f"first: {first_folder}, second: {second_folder}, {len(sources):,} pairs of {data}\n")
        print("\n".join([comparison_table(comparisons), *left_out_lines(missing)]))
    if too_few(distinct):
        note(few_sources(distinct))
