"""Decode the dev split of a finished recipe with several search settings: how the defaults are chosen.

    python bench/quality/search.py runs/multi30k-de-en --beam-sizes 1 5 --penalties 0 0.5 1 --stops proven

DIR is what run.py wrote. Only dev is read, so that nothing is tuned on a test split.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from splits import read_split

import seqweave
from seqweave.config import build_config
from seqweave.evaluation.evaluate import predict_rows
from seqweave.evaluation.metrics import evaluate_outputs
from seqweave.predictor import Model


def with_search(model: Model, **search: float | str) -> Model:
    """The same model with other search settings."""
    config = build_config({f"search.{key}": value for key, value in search.items()}, model.config)
    return Model(model.network, model.source_tokenizer, model.target_tokenizer, config, model.device)


def main() -> None:
    """Print one markdown row for each combination."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--split", default="dev")
    parser.add_argument("--beam-sizes", type=int, nargs="+", default=[1, 5])
    parser.add_argument("--penalties", type=float, nargs="+", default=[0.0, 0.5, 1.0, 1.5])
    parser.add_argument("--stops", nargs="+", default=["proven"])
    arguments = parser.parse_args()
    model = seqweave.load(arguments.folder / "model", device="cpu")
    sources, targets = zip(*read_split(arguments.folder / "data" / f"{arguments.split}.tsv"), strict=True)
    print("| beam | length penalty | stop | exact match | token error rate | BLEU | chrF | seconds |")
    print("|---|---|---|---|---|---|---|---|")
    for beam_size in arguments.beam_sizes:
        for penalty in arguments.penalties if beam_size > 1 else arguments.penalties[:1]:
            for stop in arguments.stops if beam_size > 1 else arguments.stops[:1]:
                begin = time.perf_counter()
                outputs = predict_rows(with_search(model, length_penalty=penalty, stop=stop), sources, beam_size)
                seconds = time.perf_counter() - begin
                found = evaluate_outputs(sources, outputs, targets, model.target_tokenizer, samples=0).to_json()
                figures = (found[key] for key in ("exact_match", "token_error_rate", "bleu", "chrf"))
                cells = [str(beam_size), str(penalty), stop, *(f"{value:.2f}" for value in figures), f"{seconds:.1f}"]
                print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
