"""Cached keys and values: a list that grows, and whose older forms stay what they were."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from architectures import CASES, small_batch, small_model
from quick import quick_are
from seqweave.model.seq2seq import Seq2Seq
from seqweave.model.state import DecoderState, Memory
from seqweave.model.transformer.cache import ROOM, KeyValues

SHAPE = (4, 2, 3, 2)  # R, keys and values, N, D


def pair(number: int) -> Tensor:
    return torch.arange(48.0).reshape(SHAPE) + 100 * number


@dataclass
class Twin:
    """The same list as plain tensors, copied at each turn."""

    pairs: list[Tensor]

    def check(self, cache: KeyValues) -> None:
        whole = torch.stack(self.pairs, -2)  # (R, 2, N, length, D)
        assert cache.length == len(self.pairs)
        assert torch.equal(cache.keys(), whole[:, 0])
        assert torch.equal(cache.values(), whole[:, 1])


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 40), st.sampled_from(["append", "select", "keep"])), max_size=60))
def test_every_state_stays_what_it_was(turns: list[tuple[int, str]]) -> None:
    """Any state, also an old one, may go on at any time: none of the others notices."""
    states = [(KeyValues.of(pair(0)[..., None, :]), Twin([pair(0)]))]
    for number, (index, turn) in enumerate(turns, 1):
        cache, twin = states[index % len(states)]
        if turn == "append":
            states.append((cache.append(pair(number)), Twin([*twin.pairs, pair(number)])))
        elif turn == "select":
            rows = torch.tensor([3, 1, 1, 0])
            states.append((cache.select(rows), Twin([one[rows] for one in twin.pairs])))
        else:
            rows = torch.tensor([2, 3, 0, 1])
            states.append((cache.keep(torch.tensor([1, 0]), 2), Twin([one[rows] for one in twin.pairs])))
    for cache, twin in states:
        twin.check(cache)


def test_the_usual_case_copies_only_when_the_room_is_used_up() -> None:
    cache, buffers = KeyValues.of(pair(0)[..., None, :]), []
    for number in range(1, 3 * ROOM):
        cache = cache.append(pair(number))
        buffers.append(cache.buffer)  # held, so that no other gets its place in memory
    assert len({buffer.data_ptr() for buffer in buffers}) == 3
    assert cache.buffer.shape[-2] == 3 * ROOM


def test_rows_are_repeated_next_to_each_other() -> None:
    cache = KeyValues.of(pair(0)[..., None, :]).append(pair(1)).expand(2)
    Twin([pair(0).repeat_interleave(2, 0), pair(1).repeat_interleave(2, 0)]).check(cache)


@pytest.mark.parametrize("name", ["transformer-pre-rotary", "recurrent_encoder-pre-learned"])
@pytest.mark.parametrize("learning", [True, False])
def test_a_state_can_be_stepped_twice(name: str, learning: bool) -> None:
    """Two continuations of one state, step by step in turn, are what each is alone."""
    model = small_model(CASES[name])
    source, lengths, target_in = small_batch()
    other = target_in.flip(0)
    with torch.set_grad_enabled(learning):
        encoded = model.encode(source, lengths)
        whole = [model.decode(torch.cat([target_in[:, :2], rest], 1), encoded).logits for rest in (target_in, other)]
        state = model.start(encoded)
        for ids in target_in[:, :2].unbind(1):
            state = model.step(ids, state).state
        states = [state, state]
        for at in range(6):
            for branch, rest in enumerate((target_in, other)):
                output = model.step(rest[:, at], states[branch])
                states[branch] = output.state
                torch.testing.assert_close(output.logits, whole[branch][:, at + 2], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["transformer-layers", "recurrent_encoder-pre-rotary"])
def test_gradients_through_steps_are_those_of_decode(name: str) -> None:
    """Training may run by steps as well: nothing that autograd keeps is written over."""
    model = small_model(CASES[name]).double()
    source, lengths, target_in = small_batch()
    model(source, lengths, target_in).square().sum().backward()
    expected = {key: parameter.grad for key, parameter in model.named_parameters()}
    model.zero_grad()
    state = model.start(model.encode(source, lengths))
    loss = torch.zeros((), dtype=torch.float64)
    for ids in target_in.unbind(1):
        output = model.step(ids, state)
        state = output.state
        loss = loss + output.logits.square().sum()
    loss.backward()
    for key, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[key], atol=1e-9, rtol=1e-9, msg=key)


class ExportedStep(nn.Module):
    """A step over plain tensors, as a graph takes them."""

    def __init__(self, model: Seq2Seq):
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor, mask: Tensor, memory: list[Tensor], past: list[Tensor]) -> list[Tensor]:
        length = past[0].shape[-2]
        cache = tuple(KeyValues(part, length, [length]) for part in past)
        output = self.model.step(ids, DecoderState((), Memory(mask=mask, layers=tuple(memory)), cache=cache))
        return [output.logits, *(part.buffer[..., : part.length, :] for part in output.state.cache)]


@pytest.mark.parametrize(
    "name", quick_are(["transformer-pre-rotary"], ["transformer-layers", "transformer-pre-rotary"])
)
def test_an_exported_step_holds_for_every_length(name: str) -> None:
    model = small_model(CASES[name])
    source, lengths, target_in = small_batch()
    with torch.no_grad():
        encoded = model.encode(source, lengths)
        expected = model.decode(target_in, encoded).logits
        state = model.start(encoded)
        for ids in target_in[:, :3].unbind(1):
            state = model.step(ids, state).state
        past = [torch.stack([part.keys(), part.values()], 1) for part in state.cache]
        memory = list(state.memory.layers)
        given = (target_in[:, 3], encoded.mask, memory, past)
        length = torch.export.Dim("length", min=2, max=500)
        shapes = (None, None, [None] * len(memory), [{3: length}] * len(past))
        graph = torch.export.export(ExportedStep(model), given, dynamic_shapes=shapes).module()
        for at in range(3, 6):
            logits, *past = graph(target_in[:, at], encoded.mask, memory, past)
            torch.testing.assert_close(logits, expected[:, at], atol=1e-5, rtol=1e-5)
