"""What torch says where the engine is asked the same: logits and attention, and how near they must be."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from architectures import SOURCE_SIZE, TARGET_SIZE
from engine_calls import BEGIN, Call, opened_model, padded, stepping_library
from seqweave.config import ModelConfig
from seqweave.model.seq2seq import Seq2Seq

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Inputs:
    """Sources, what their positions stand for in a network that copies, and outputs."""

    sources: list[list[int]]
    copies: list[list[int]] | None
    targets: list[list[int]]

    def call(self) -> Call:
        return Call.of(self.sources, self.copies)


def inputs_of(config: ModelConfig, lengths: Sequence[int], steps: Sequence[int], seed: int = 1) -> Inputs:
    """Some ids; where a network copies, positions stand for items of the vocabulary or of the source alone, some for
    the same one."""
    random = np.random.default_rng(seed)
    sources = [random.integers(4, SOURCE_SIZE, length).tolist() for length in lengths]
    targets = [random.integers(3, TARGET_SIZE, length).tolist() for length in steps]
    if not config.copy:
        return Inputs(sources, None, targets)
    copies = []
    for length in lengths:
        own, known = TARGET_SIZE + np.arange(length), random.integers(0, TARGET_SIZE, length)
        places = np.where(random.random(length) < 0.3, own, known)
        places[length // 2 :: 3] = places[:1]
        copies.append(places.tolist())
    own_ids = [TARGET_SIZE + length - 1 if length else TARGET_SIZE - 1 for length in lengths]  # of sources that copy
    mixed = [
        [own if random.random() < 0.2 else item for item in target]
        for own, target in zip(own_ids, targets, strict=True)
    ]
    return Inputs(sources, copies, mixed)


def torch_forced(model: Seq2Seq, inputs: Inputs) -> tuple[list[Floats], list[Floats] | None]:
    """For each source, logits (steps, columns) and attention (steps, S) of its output and the end."""
    lengths = torch.tensor([len(source) for source in inputs.sources])
    with torch.inference_mode():
        copies = None if inputs.copies is None else padded(inputs.copies)
        encoded = model.encode(padded(inputs.sources), lengths, copies)
        begun = padded([[BEGIN, *target] for target in inputs.targets])
        out = model.decode(begun, encoded, return_attention=True)
    logits = [one[: len(target) + 1] for one, target in zip(out.logits.float().numpy(), inputs.targets, strict=True)]
    if out.attention is None:
        return logits, None
    weights = out.attention.float().numpy()
    return logits, [one[: len(target) + 1] for one, target in zip(weights, inputs.targets, strict=True)]


def assert_near(ours: Floats, torchs: Floats, config: ModelConfig | None = None) -> None:
    """Within 2e-5, and where logits are in the hundreds within the rounding of such numbers. The logarithms of entmax
    end in infinity, and near it small differences are large: there probabilities are compared."""
    if config is not None and config.output == "entmax15":
        ours, torchs = np.exp(ours), np.exp(torchs)
    assert ours.shape == torchs.shape
    np.testing.assert_array_equal(np.isfinite(ours), np.isfinite(torchs))
    finite = torchs[np.isfinite(torchs)]
    bound = 2e-5 + 4e-6 * float(np.abs(finite).max(initial=0))
    assert float(np.abs(ours[np.isfinite(ours)] - finite).max(initial=0)) <= bound


def check_exchanged_rows(config: ModelConfig, model: Seq2Seq, sizes: Sequence[int], seed: int = 5) -> None:
    """Rows that begin as three sources, are exchanged before every step, any with any, and fed anything: each is near
    what torch gives for all that it and its ancestors were fed. `sizes` are the rows of each step, 3 in the first."""
    inputs = inputs_of(config, [4, 0, 7], [0, 0, 0])
    random = np.random.default_rng(seed)
    ids = TARGET_SIZE + (7 if config.copy else 0)
    parents = [[0, 1, 2]]
    parents += [random.integers(0, was, now).tolist() for was, now in itertools.pairwise(sizes)]
    fed = [[BEGIN] * 3, *[random.integers(3, ids, size).tolist() for size in sizes[1:]]]
    with opened_model(stepping_library(), config, model) as network:
        logits, weights = network.steps(inputs.call(), parents, fed)
    every = [row for step in _lineages(parents, fed) for row in step]
    copies = None if inputs.copies is None else [inputs.copies[source] for source, _ in every]
    rows = Inputs([inputs.sources[source] for source, _ in every], copies, [written for _, written in every])
    torchs, looks = torch_forced(model, rows)
    assert_near(np.concatenate(logits), np.stack([row[-1] for row in torchs]), config)
    if looks is not None:
        assert_near(np.concatenate(weights), np.stack([row[-1] for row in looks]))


def _lineages(parents: list[list[int]], fed: list[list[int]]) -> list[list[tuple[int, list[int]]]]:
    """For each row of each step its source, and what it was fed after the begin."""
    rows: list[tuple[int, list[int]]] = [(source, []) for source in parents[0]]
    steps = [rows]
    for chosen, ids in zip(parents[1:], fed[1:], strict=True):
        rows = [(rows[parent][0], [*rows[parent][1], item]) for parent, item in zip(chosen, ids, strict=True)]
        steps.append(rows)
    return steps
