"""A state gives itself as named tensors and takes them back: what is decoded from there on is the same, bit for bit."""

from __future__ import annotations

import pytest
import torch

from architectures import CASES, batch_of, each, small_batch, small_model
from seqweave.config import ModelConfig
from seqweave.model.state import DecoderState


def copied(state: DecoderState) -> DecoderState:
    """The state out of copies of its tensors."""
    tensors = {name: tensor.detach().clone() for name, tensor in state.tensors().items()}
    return DecoderState.from_tensors(tensors, state.width)


@each(plain=False)  # steps have no fast path
@torch.inference_mode()
def test_a_search_goes_on_from_named_tensors(config: ModelConfig) -> None:
    """At the start, with rows that share a sentence's memory, and after rows have moved."""
    model = small_model(config)
    source, lengths, target_in = small_batch(config=config)
    state = model.start(model.encode(*batch_of(source, lengths, config)))
    names = list(state.tensors())
    ids = target_in
    for at in range(5):
        found, expected = model.step(ids[:, at], copied(state)), model.step(ids[:, at], state)
        assert torch.equal(found.logits, expected.logits)
        state = expected.state
        assert list(found.state.tensors()) == list(state.tensors()) == names
        for name, tensor in found.state.tensors().items():
            assert torch.equal(tensor, state.tensors()[name]), name
        if at == 1:
            state, ids = state.expand(2), ids.repeat_interleave(2, 0)
        if at == 2:
            state = copied(state).reorder(torch.tensor([1, 0, 2, 2, 5, 4, 6, 7]))
        if at == 3:
            state, ids = copied(state).keep(torch.tensor([0, 2])), ids[:4]


def test_what_is_no_part_of_a_state_is_refused() -> None:
    model = small_model(CASES["lstm-general-after"])
    state = model.start(model.encode(*small_batch()[:2]))
    with pytest.raises(ValueError, match=r"'memories\.keys' is no tensor of a decoder's state"):
        DecoderState.from_tensors({**state.tensors(), "memories.keys": torch.zeros(1)})
