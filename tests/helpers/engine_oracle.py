"""What torch says where the engine is asked the same: logits and attention, teacher forced, and how near they must be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from architectures import SOURCE_SIZE, TARGET_SIZE
from engine_calls import BEGIN, Call, padded
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
        [own if random.random() < 0.2 else item for item in target] for own, target in zip(own_ids, targets, strict=True)
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
