"""The alignment error of attention, from nothing: train a small model of each direction, measure, compare.

    python bench/alignments/recipe.py -o runs/align-enfr

English and French: the text to learn from is Tatoeba and the training part of Multi30k, written as the gold is
(`hansards.py`). The baselines and the models learn from the same pairs. Writes DIR/pairs.tsv, DIR/reversed.tsv, a model
a direction and seed (DIR/forward-1, DIR/backward-1, ...) and DIR/result.json, and prints the error of every
alignment and a markdown table. The same command again goes on where it was.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path
from typing import Any

from hansards import english, french
from run import Results, attention, baselines, lowered, read_gold_set, read_text, show

import seqweave
from seqweave.config import parse_setting
from seqweave.errors import SeqweaveError
from seqweave.inspection.alignments import SYMMETRIES

sys.path.append(str(Path(__file__).resolve().parents[1]))
from recipe_runs import Progress, find_data

LONGEST = 50  # words of either side; the gold has 30 at most
SETTINGS: dict[str, Any] = {
    **{
        f"data.{side}.{key}": value
        for side in ("source", "target")
        for key, value in {"units": "subword", "subword_model": "bpe", "max_size": 8000}.items()
    },
    "model.embedding_size": 256,
    "model.encoder_hidden_size": 256,
    "model.decoder_hidden_size": 512,
    "model.dropout": 0.3,
    "training.max_epochs": 8,
    "training.batch_tokens": 4096,
    "training.learning_rate": 2e-3,
    "training.metric": "bleu",
}

Pair = tuple[str, str]


def read_pairs(data: Path) -> list[Pair]:
    """English and French as the gold writes them, each pair once, in an order that no file decides."""
    tatoeba = [line.split("\t") for line in read_text(data / "tatoeba-eng-fra" / "eng-fra.tsv.gz")]
    captions = zip(*(read_text(data / "multi30k" / f"train.{side}.gz") for side in ("en", "fr")), strict=True)
    pairs = {(english(one), french(other)) for one, other, *_ in (*tatoeba, *captions)}
    kept = [pair for pair in pairs if all(0 < len(side.split()) <= LONGEST for side in pair)]
    return sorted(kept, key=lambda pair: (blake2b(pair[0].encode(), digest_size=8).digest(), pair))


def write_pairs(pairs: Iterable[Pair], path: Path) -> Path:
    """A TSV file; left as it is where it says the same already, so that a run goes on."""
    text = "".join(f"{source}\t{target}\n" for source, target in pairs)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
    return path


def trained(path: Path, name: str, given: argparse.Namespace) -> list[Path]:
    """A folder a seed; what was trained before is not trained again."""
    settings = {**SETTINGS, **dict(map(parse_setting, given.set))}
    folders = []
    for seed in given.seeds:
        folders.append(given.output / f"{name}-{seed}")
        print(f"training {folders[-1]}", file=sys.stderr, flush=True)
        seqweave.train(path, folders[-1], settings=settings, seed=seed, device=given.device, listen=Progress())
    return folders


def markdown(results: Results) -> str:
    """A row a system: the error of each alignment."""
    ways = ("forward", "backward", *SYMMETRIES)
    lines = [f"| system | {' | '.join(ways)} |", "|---" + "|---:" * len(ways) + "|"]
    lines += [
        f"| {system} | {' | '.join(f'{errors[way].aer:.1f}' for way in ways)} |" for system, errors in results.items()
    ]
    return "\n".join(lines)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", default=Path("runs/align-enfr"))
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="default: $SEQWEAVE_DATA, else ../shared/data")
    parser.add_argument("--limit", type=int, metavar="N", help="learn from so many pairs only")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1], help="attention is averaged over their models")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the training")
    return parser.parse_args()


def run(given: argparse.Namespace) -> Results:
    """Prepare, learn, measure, print, write."""
    begin = time.perf_counter()
    data = find_data(given.data)
    given.output.mkdir(parents=True, exist_ok=True)
    pairs = read_pairs(data)[: given.limit]
    print(f"{len(pairs):,} pairs", file=sys.stderr, flush=True)
    forward = trained(write_pairs(pairs, given.output / "pairs.tsv"), "forward", given)
    turned_pairs = ((target, source) for source, target in pairs)
    backward = trained(write_pairs(turned_pairs, given.output / "reversed.tsv"), "backward", given)
    sentences, gold = read_gold_set(data / "word-alignments", "enfr")
    sentences = lowered(sentences)
    texts = [(" ".join(source), " ".join(target)) for source, target in sentences]
    words = [(source.split(), target.split()) for source, target in pairs]
    results = baselines([*sentences, *words], gold) | attention(forward, backward, texts, gold)
    show(results, given.output / "result.json")
    print(f"\n{shlex.join(['python', *sys.argv])}: {len(pairs):,} pairs, {time.perf_counter() - begin:.0f} s\n")
    print(markdown(results))
    return results


if __name__ == "__main__":
    try:
        run(parse_arguments())
    except SeqweaveError as problem:
        raise SystemExit(str(problem)) from None
