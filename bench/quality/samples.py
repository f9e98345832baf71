"""Outputs that nobody picked: greedy beside sampling, for the sources that come first in hash order.

    python bench/quality/samples.py runs/kor-chatbot --count 20

DIR is what run.py wrote. Writes DIR/samples.md: a table of the outputs, and how varied those of the whole
split are (distinct-1 and distinct-2), with the references beside them.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import torch
from splits import hash_order, read_split

import seqweave
from seqweave.evaluation.rouge import distinct_ngrams
from seqweave.predictor import Model
from seqweave.search.options import SearchOptions


def ways_of(model: Model, sources: list[str], options: SearchOptions) -> dict[str, list[str]]:
    """The outputs of each way to decode."""
    drawn = f"sampling, temperature {options.temperature:g}, top-p {options.top_p:g}"
    found = {
        "greedy": model.predict(sources, beam_size=1),
        f"beam {model.config.search.beam_size}": model.predict(sources),
        drawn: model.predict(sources, options=options),
    }
    return {way: [hypothesis.text for hypothesis in hypotheses] for way, hypotheses in found.items()}


def markdown(header: list[str], rows: list[list[str]]) -> str:
    """A table; strokes in texts are escaped."""
    lines = [header, ["---"] * len(header), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """Decode, write and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--split", default="test")
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--temperature", type=float, default=0.8)
    parser.add_argument("--top-p", type=float, default=0.9)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    model = seqweave.load(arguments.folder / "model", device="cpu")
    rows = read_split(arguments.folder / "data" / f"{arguments.split}.tsv")
    sources = hash_order(source for source, _ in rows)
    drawn = replace(
        model.options, sample=True, temperature=arguments.temperature, top_p=arguments.top_p, seed=arguments.seed
    )
    ways = ways_of(model, sources, drawn)
    shown = {way: outputs for way, outputs in ways.items() if not way.startswith("beam")}
    chosen = zip(sources[: arguments.count], *shown.values(), strict=False)
    first = {source: target for source, target in reversed(rows)}
    texts = {**ways, "the references": [first[source] for source in sources]}
    figures = [[way, *(f"{distinct_ngrams(outputs, n):.1f}" for n in (1, 2))] for way, outputs in texts.items()]
    text = "\n\n".join(
        [
            markdown(["source", *shown], [list(row) for row in chosen]),
            markdown([f"{arguments.split}, {len(sources):,} sources", "distinct-1", "distinct-2"], figures),
        ]
    )
    (arguments.folder / "samples.md").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
