"""Alignment error rates of IBM model 1, of a diagonal prior, and of models, on the gold of word-alignments.

    python bench/alignments/run.py enfr --data FOLDER --train pairs.tsv [--limit N]
        [--model DIR ...] [--reverse DIR ...]

`--data` is the folder word-alignments (PAIR.src-tgt.gz, PAIR.gold.gz). `--train` is text to learn from, as TSV in the
gold's direction; the gold's own sentences are always learned from too, without their links, as all
published figures of such aligners are. Words are lower-cased and divided by blanks. Models see the same
sentences; train them on `--train` as well (see README.md here).
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from baselines import Array, Cells, diagonal, ibm1, links_of, make_cells

from seqweave.evaluation.alignment_error import AlignmentError, Gold, alignment_error, read_gold
from seqweave.inspection.alignments import SYMMETRIES, Links, hard_links, symmetrise, turned

Words = tuple[list[str], list[str]]
Results = dict[str, dict[str, AlignmentError]]  # of each system, of each way to put its directions together


def read_text(path: Path) -> list[str]:
    """Lines of a file, plain or gzip."""
    content = path.read_bytes()
    text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8")
    return text.removesuffix("\n").split("\n")


def read_gold_set(folder: Path, name: str) -> tuple[list[Words], list[Gold]]:
    """The sentences of a gold set, as words, and their links."""
    pairs, gold = [], []
    lines = zip(read_text(folder / f"{name}.src-tgt.gz"), read_text(folder / f"{name}.gold.gz"), strict=True)
    for text, links in lines:
        source, _, target = text.partition(" ||| ")
        pairs.append((source.split(), target.split()))
        gold.append(read_gold(links, lengths=(len(pairs[-1][0]), len(pairs[-1][1]))))
    return pairs, gold


def read_training(path: Path | None, limit: int | None) -> list[Words]:
    """Pairs to learn from, lower-cased; words are what blanks divide."""
    if path is None:
        return []
    rows = (line.lower().split("\t") for line in read_text(path)[:limit])
    return [(row[0].split(), row[1].split()) for row in rows if len(row) > 1 and row[0].strip() and row[1].strip()]


def baseline_links(pairs: Sequence[Words], count: int, learn: Callable[[Cells], Array]) -> dict[str, list[Links]]:
    """Links of the first `count` pairs in both directions, and put together."""
    forward_cells = make_cells(pairs)
    forward = links_of(forward_cells, learn(forward_cells))[:count]
    backward_cells = make_cells([(target, source) for source, target in pairs])
    backward = [turned(one) for one in links_of(backward_cells, learn(backward_cells))[:count]]
    return {"forward": forward, "backward": backward, **both_directions(forward, backward)}


def both_directions(forward: Sequence[Links], backward: Sequence[Links]) -> dict[str, list[Links]]:
    """Every way of putting two directions together."""
    pairs = list(zip(forward, backward, strict=True))
    return {method: [symmetrise(one, other, method) for one, other in pairs] for method in SYMMETRIES}


def model_links(folders: Sequence[Path], texts: list[tuple[str, str]], shift: bool) -> list[Links]:
    """Links of words by the attention of models, averaged."""
    import seqweave
    from seqweave.inspection.aligning import pair_weights

    models = [seqweave.load(folder) for folder in folders]
    return [hard_links(weights) for weights in pair_weights(models, texts, shift=shift, words=True)]


def figures(found: dict[str, list[Links]], gold: Sequence[Gold]) -> dict[str, AlignmentError]:
    """The error of each alignment, with its interval."""
    return {name: alignment_error(links, gold, samples=1000) for name, links in found.items()}


def baselines(corpus: Sequence[Words], gold: Sequence[Gold]) -> Results:
    """The error of both aligners without networks; the corpus begins with the gold's sentences."""
    results: Results = {}
    for name, learn in {"IBM 1": ibm1, "diagonal prior": diagonal}.items():
        started = time.perf_counter()
        results[name] = figures(baseline_links(corpus, len(gold), learn), gold)
        print(f"{name}: {time.perf_counter() - started:.0f} s, {len(corpus):,} pairs", flush=True)
    return results


def attention(
    models: Sequence[Path], reverse: Sequence[Path], texts: list[tuple[str, str]], gold: Sequence[Gold]
) -> Results:
    """The error of the attention of models: of the step that writes a word, and of the step that reads it."""
    results: Results = {}
    for name, shift in (("attention", False), ("attention, shifted", True)):
        found = {"forward": model_links(models, texts, shift)}
        if reverse:
            back = model_links(reverse, [(b, a) for a, b in texts], shift)
            found |= {"backward": [turned(one) for one in back]}
            found |= both_directions(found["forward"], found["backward"])
        results[name] = figures(found, gold)
    return results


def lowered(sentences: Sequence[Words]) -> list[Words]:
    """The sentences in lower case."""
    return [([word.lower() for word in s], [word.lower() for word in t]) for s, t in sentences]


def main() -> None:
    """Print a table, and JSON with --json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pair", choices=["enfr", "roen", "jaen", "encs"])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--train", type=Path)
    parser.add_argument("--limit", type=int, help="lines of --train")
    parser.add_argument("--model", type=Path, action="append", default=[], help="repeat to average")
    parser.add_argument("--reverse", type=Path, action="append", default=[], help="a model of the opposite direction")
    parser.add_argument("--lowercase", action="store_true", help="lower-case what the models see")
    parser.add_argument("--no-baselines", action="store_true")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    sentences, gold = read_gold_set(given.data, given.pair)
    results: Results = {}
    if not given.no_baselines:
        results |= baselines([*lowered(sentences), *read_training(given.train, given.limit)], gold)
    if given.model:
        shown = lowered(sentences) if given.lowercase else sentences
        texts = [(" ".join(source), " ".join(target)) for source, target in shown]
        results |= attention(given.model, given.reverse, texts, gold)
    show(results, given.json)


def show(results: Results, path: Path | None) -> None:
    """A row an alignment."""
    print(f"{'':20}{'':22}{'AER':>6}{'95% interval':>16}{'precision':>11}{'recall':>8}")
    plain: dict[str, Any] = {}
    for system, alignments in results.items():
        plain[system] = {name: error.to_json() for name, error in alignments.items()}
        for name, error in alignments.items():
            low, high = error.interval or (error.aer, error.aer)
            interval = f"[{low:.1f}, {high:.1f}]"
            print(f"{system:20}{name:22}{error.aer:6.1f}{interval:>16}{error.precision:11.1f}{error.recall:8.1f}")
    if path is not None:
        path.write_text(json.dumps(plain, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
