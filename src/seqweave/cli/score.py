"""`seqweave score`: how probable given targets are."""

from __future__ import annotations

from seqweave.cli.common import (
    BackendChoice,
    Data,
    Device,
    Ensemble,
    Folder,
    Json,
    SearchSettings,
    TargetFile,
    load_model,
    note_unknown_pairs,
    one_cell,
    print_json,
    usable_pairs,
)


def score(
    folder: Folder,
    data: Data,
    target_file: TargetFile = None,
    ensemble: Ensemble = None,
    backend: BackendChoice = "auto",
    settings: SearchSettings = None,
    json: Json = False,
    device: Device = "auto",
) -> None:
    """Print line, score, log-probability, source and target of each pair, in columns, by forced decoding.

    Lines that are no pair have no row, and are counted on stderr.

    Example: seqweave score model pairs.tsv --json
    """
    model = load_model(folder, device, settings, ensemble=ensemble, backend=backend)
    pairs = usable_pairs(data, target_file, model.config.data)
    texts = [(pair.whole, pair.target) for pair in pairs]
    for pair, (source, target), found in zip(pairs, texts, model.score(texts), strict=True):
        if json:
            row = {
                "line": pair.line,
                "source": source,
                "target": target,
                "score": found.score,
                "log_prob": found.log_prob,
                "tokens": found.tokens,
                "token_log_probs": found.token_log_probs,
            }
            print_json(row, indent=None)
        else:
            figures = f"{found.score:.4f}", f"{found.log_prob:.4f}"
            print(pair.line, *figures, one_cell(source), one_cell(target), sep="\t")
    note_unknown_pairs(model, *zip(*texts, strict=True))
