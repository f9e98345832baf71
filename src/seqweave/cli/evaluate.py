"""`seqweave evaluate`: a model's figures on a file of pairs."""

from __future__ import annotations

from seqweave.cli.common import (
    BackendChoice,
    BeamSize,
    Data,
    Device,
    Ensemble,
    Folder,
    Json,
    Precision,
    ReplaceUnknown,
    SearchSettings,
    TargetFile,
    load_model,
    note_unknown_pairs,
    print_json,
    read_pairs,
)
from seqweave.cli.options import BleuTokenizer


def evaluate(
    folder: Folder,
    data: Data,
    target_file: TargetFile = None,
    beam_size: BeamSize = None,
    ensemble: Ensemble = None,
    replace_unknown: ReplaceUnknown = None,
    precision: Precision = None,
    backend: BackendChoice = "auto",
    settings: SearchSettings = None,
    bleu_tokenize: BleuTokenizer = None,
    json: Json = False,
    device: Device = "auto",
) -> None:
    """Decode DATA and print exact match, error rates, BLEU, chrF and TER with 95% intervals, in percent.

    Pairs with the same source are its references; the best one counts. Targets of words or subwords also get
    ROUGE-1, ROUGE-2 and ROUGE-L, and distinct-1 and distinct-2 of the outputs. What means nothing for the targets,
    such as WER where there are no blanks between words, is left out with the reason.

    Example: seqweave evaluate model test.tsv --beam-size 5
    """
    from seqweave.evaluation.evaluate import evaluate_model
    from seqweave.evaluation.report import metrics_table
    from seqweave.run_status import unfinished

    model = load_model(folder, device, settings, ensemble=ensemble, precision=precision, backend=backend)
    sources, targets = read_pairs(data, target_file, model.config.data)
    note_unknown_pairs(model, sources, targets)
    metrics = evaluate_model(
        model,
        sources,
        targets,
        beam_size=beam_size,
        replace_unknown=replace_unknown,
        bleu_tokenize=bleu_tokenize,
    )
    if json:
        print_json({**metrics.to_json(), "unfinished": unfinished([folder, *(ensemble or ())]) or None})
    else:
        print(metrics_table(metrics))
