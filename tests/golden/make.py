"""Make the golden folders of one model-folder format with the version of seqweave that writes it.

    PYTHONPATH=CHECKOUT/src:tests/helpers OMP_NUM_THREADS=1 python tests/golden/make.py OUT

OUT must not be there. It gets `pairs.tsv`, `folders/NAME` with each run as it ended or was stopped, and in `expected`
what each model answers: `NAME.json`, and for a stopped run `NAME.safetensors` with the weights it ends with when it
goes on. Paths in use are relative, so that no folder names the machine it was made on.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
import tempfile
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

import golden
import seqweave

UNKNOWN = "ñ"  # no pair has it
PAIRS = Path("pairs.tsv")
EXPECTED = Path("expected")


def main(out: Path) -> None:
    """Make every folder in `out`."""
    torch.set_num_threads(1)
    out.mkdir(parents=True)
    os.chdir(out)
    EXPECTED.mkdir()
    golden.write_pairs(PAIRS)
    for name in (*golden.FINISHED, *golden.INTERRUPTED):
        folder = Path("folders") / name
        stopped = name in golden.INTERRUPTED
        golden.train(name, PAIRS, folder, golden.STOP_STEP if stopped else None)
        expected = expected_answers(folder)
        if stopped:
            expected["resumed"] = resumed(name, folder)
        text = json.dumps(expected, ensure_ascii=False, allow_nan=False)
        (EXPECTED / f"{name}.json").write_bytes(text.replace('}, {"text', '},\n{"text').encode() + b"\n")
        print(name, "least margins:", min(expected["greedy_margins"]), min(expected["beam_margins"]))


def resumed(name: str, folder: Path) -> dict[str, Any]:
    """What the run answers once a copy of it has gone on to its end, the weights of which are written."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / name
        shutil.copytree(folder, copy)
        golden.train(name, PAIRS, copy)
        weights = golden.final_weights(copy)
        safetensors.torch.save_file(weights, EXPECTED / f"{name}.safetensors")
        return expected_answers(copy)


def expected_answers(folder: Path) -> dict[str, Any]:
    """The answers of a model, and by how much each was decided."""
    answers = golden.answers(folder)
    del answers["attention"]  # as large as all the rest
    model = seqweave.load(folder, device="cpu")
    answers["greedy_margins"] = [
        greedy_margin(model, source, each) for source, each in zip(golden.questions(), answers["greedy"], strict=True)
    ]
    answers["beam_margins"] = [beam_margin(hypotheses) for hypotheses in answers["beam"]]
    for each in (*chain.from_iterable(answers["beam"]), *answers["forced"]):
        del each["text"], each["finished"]  # small files: the tokens say the same
    return answers


def greedy_margin(model: seqweave.Model, source: str, output: dict[str, Any]) -> float:
    """The least difference in log-probability between the item chosen and the second-best, over an output's positions.

    What the second-best is follows from the forced scores of every other item in its place.
    """
    items = [UNKNOWN if token == "<unk>" else token for token in output["tokens"]]
    letters = sorted({*"abcdefgh", *source, UNKNOWN})
    least = math.inf
    for position in range(len(items) + output["finished"] if source else 0):
        prefix = "".join(items[:position])
        targets = [prefix, *(prefix + letter for letter in letters)]  # the first ends there
        scored = model.score([(source, target) for target in targets])
        found = {tuple(each.tokens[position:]): each.token_log_probs[position] for each in scored}
        chosen = found.pop(tuple(output["tokens"][position : position + 1]))
        assert chosen >= max(found.values()), f"greedy search took no best item of {source!r} at {position}"
        least = min(least, chosen - max(found.values()))
    return _finite(least)


def beam_margin(hypotheses: list[dict[str, Any]]) -> float:
    """The least difference between two outputs of an n-best list that follow each other."""
    scores = [-math.inf if each["score"] is None else each["score"] for each in hypotheses]
    return _finite(min((above - below for above, below in pairwise(scores)), default=math.inf))


def _finite(value: float) -> float:
    """JSON has no infinity."""
    return min(value, sys.float_info.max)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
