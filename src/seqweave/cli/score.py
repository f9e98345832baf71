"""`seqweave score`: how probable given targets are."""

from __future__ import annotations

from seqweave.cli.common import (
    Data,
    Device,
    Ensemble,
    Folder,
    Json,
    SearchSettings,
    TargetFile,
    load_model,
    one_line,
    print_json,
    read_pairs,
)


def score(
    folder: Folder,
    data: Data,
    target_file: TargetFile = None,
    ensemble: Ensemble = None,
    settings: SearchSettings = None,
    json: Json = False,
    device: Device = "auto",
) -> None:
    """Print score, log-probability, source and target of each pair, by forced decoding.

    Example: seqweave score model pairs.tsv --json
    """
    model = load_model(folder, device, settings, ensemble=ensemble)
    sources, targets = read_pairs(data, target_file, model.config.data)
    pairs = list(zip(sources, targets, strict=True))
    for (source, target), found in zip(pairs, model.score(pairs), strict=True):
        if json:
            row = {
                "source": source,
                "target": target,
                "score": found.score,
                "log_prob": found.log_prob,
                "tokens": found.tokens,
                "token_log_probs": found.token_log_probs,
            }
            print_json(row, indent=None)
        else:
            print(f"{found.score:.4f}", f"{found.log_prob:.4f}", one_line(source), one_line(target), sep="\t")
