"""Each form of each cell against its equations, and a cell that has nothing but equations."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

import seqweave.model.cells
from architectures import CELLS, PLACES, SMALL, SOURCE_SIZE, TARGET_SIZE, small_batch
from quick import quick_are
from seqweave.config import ModelConfig
from seqweave.inspection.gates import cell_states, gate_values
from seqweave.model.build import build_model
from seqweave.model.cells import cell_named
from seqweave.model.cells.base import Cell, States, tell_slow_path
from seqweave.model.layers import mask_of
from seqweave.model.optimized import network, optimized, precision_of
from seqweave.model.optimized.cells import OptimizedLayer
from seqweave.model.recurrent.encoder import RecurrentLayer

LENGTHS = torch.tensor([6, 2, 4, 1])
DECODERS = {**PLACES, "none": {"attention": "none"}, "every_step": {"attention": "none", "context": "every_step"}}


def cells_with(form: str | None = None) -> pytest.MarkDecorator:
    """The cells that have a form, by the name of its attribute; or all."""
    found = [cell for cell in map(cell_named, CELLS) if form is None or getattr(cell, form) is not None]
    return pytest.mark.parametrize("cell", found, ids=[cell.name for cell in found])


cells = cells_with()


def layer_of(cell: Cell, dtype: torch.dtype = torch.float64) -> RecurrentLayer:
    torch.manual_seed(3)
    layer = RecurrentLayer(cell, 3, 5)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.5)
    return layer.to(dtype)


def run_of(layer: RecurrentLayer) -> tuple[Tensor, States]:
    """Inputs (B, T, M), and a first state as the cell may make it."""
    state = layer.zero_state(4, layer.weight_hh)
    for inputs in torch.randn(2, 4, 3, dtype=layer.weight_hh.dtype):
        state = layer.cell.step(*layer.sums(inputs, state[0]), state)
    return torch.randn(4, 6, 3, dtype=layer.weight_hh.dtype), tuple(part.detach() for part in state)


def test_every_name_of_the_config_is_a_file_and_every_file_a_name() -> None:
    folder = Path(seqweave.model.cells.__file__).parent
    assert {path.stem for path in folder.glob("*.py")} - {"__init__", "base"} == set(CELLS)
    assert [cell.name for cell in map(cell_named, CELLS)] == list(CELLS)


def test_an_unknown_cell_is_named_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"there is no recurrent cell 'nosuch'; there are: rnn, gru, lstm"):
        cell_named("nosuch")


@cells
def test_step_kernel_is_the_equations(cell: Cell) -> None:
    layer = layer_of(cell)
    inputs, state = run_of(layer)
    expected = cell.step(*layer.sums(inputs[:, 0], state[0]), state)
    assert len(expected) == cell.state_parts
    for one, other in zip(layer.step(inputs[:, 0], state), expected, strict=True):
        torch.testing.assert_close(one, other)


@cells_with("kernel")
@pytest.mark.parametrize("padded", [False, True])
def test_fused_kernel_is_the_repeated_equations(cell: Cell, padded: bool) -> None:
    layer, slow = layer_of(cell), layer_of(replace(cell, kernel=None))
    inputs, state = run_of(layer)
    padding = ~mask_of(LENGTHS, 6) if padded else None
    outputs, after = layer(inputs, state, padding)
    expected, expected_after = slow(inputs, state, padding)
    real = torch.ones(4, 6, 1) if padding is None else ~padding[..., None]
    torch.testing.assert_close(outputs * real, expected * real)
    for one, other in zip(after[padded:], expected_after[padded:], strict=True):
        torch.testing.assert_close(one, other)


@cells_with("kernel")
@pytest.mark.parametrize("fused", [True, False])
def test_padding_changes_no_result(cell: Cell, fused: bool) -> None:
    layer = layer_of(cell if fused else replace(cell, kernel=None))
    inputs, state = run_of(layer)
    outputs, after = layer(inputs, state, ~mask_of(LENGTHS, 6))
    for row, length in enumerate(LENGTHS.tolist()):
        one = slice(row, row + 1)
        alone, alone_after = layer(inputs[one, :length], tuple(part[one] for part in state))
        torch.testing.assert_close(outputs[one, :length], alone)
        for part, alone_part in zip(after[fused:], alone_after[fused:], strict=True):
            torch.testing.assert_close(part[one], alone_part)


def test_a_state_that_the_kernel_cannot_freeze_takes_the_equations() -> None:
    """An LSTM whose kernel would run on over padding."""
    lstm = cell_named("lstm")
    layer, right = layer_of(replace(lstm, padding_sums=None)), layer_of(lstm)
    inputs, state = run_of(layer)
    padding = ~mask_of(LENGTHS, 6)
    torch.testing.assert_close(layer(inputs, state, padding)[1][1], right(inputs, state, padding)[1][1])


@cells_with("loop")
def test_written_derivative_is_that_of_autograd(cell: Cell) -> None:
    assert cell.loop is not None
    layer = layer_of(cell)
    _, state = run_of(layer)
    wide, size = cell.gates * 5, 5
    given, recurrent = (torch.randn(3, 4, wide, dtype=torch.float64, requires_grad=True) for _ in range(2))
    first = tuple(part.requires_grad_() for part in state)
    directions = torch.randn(3, 4, size, dtype=torch.float64)

    # The recurrence is cut, so that the gradient of each hidden state is known: `direct` is all that goes on.
    loop = cell.loop(tuple(part.detach() for part in first))
    hidden, outputs = first, []
    for position in range(3):
        before = hidden[0]
        hidden = cell.step(given[position], recurrent[position], hidden)
        outputs.append(hidden[0])
        fast = loop.forward(position, given[position].detach(), recurrent[position].detach(), before.detach())
        torch.testing.assert_close(fast, hidden[0])
    torch.stack(outputs).backward(directions)
    through = torch.zeros(4, size, dtype=torch.float64)
    for position in reversed(range(3)):
        found, found_recurrent, direct = loop.backward(position, directions[position] + through)
        through = torch.zeros_like(through) if direct is None else direct
        assert given.grad is not None
        assert recurrent.grad is not None
        torch.testing.assert_close(found, given.grad[position])
        torch.testing.assert_close(found_recurrent, recurrent.grad[position])
    for part, grad in zip(first, (through, *loop.state_grads()), strict=True):
        torch.testing.assert_close(torch.zeros_like(part) if part.grad is None else part.grad, grad)


@cells
def test_gates_lie_where_they_belong(cell: Cell) -> None:
    layer = layer_of(cell)
    inputs, state = run_of(layer)
    gates = gate_values(layer, inputs[:, 0], state[0])
    assert cell.candidates <= gates.keys()
    for name, values in gates.items():
        assert values.shape == (4, 5)
        assert values.abs().max() < 1
        assert bool((values < 0).any()) == (name in cell.candidates)


@cells
def test_second_part_of_the_state_is_found_again(cell: Cell) -> None:
    layer = layer_of(cell)
    inputs, _ = run_of(layer)
    state, hidden, kept = layer.zero_state(1, inputs), [], []
    for vector in inputs[0].split(1):
        state = layer.step(vector, state)
        hidden.append(state[0])
        kept.append(state[-1])
    found = cell_states(layer, inputs[0], torch.cat(hidden))
    assert (found is None) == (cell.state_parts == 1)
    if found is not None:
        torch.testing.assert_close(found, torch.cat(kept))


@cells_with("optimized")
@torch.inference_mode()
def test_prepared_step_is_the_equations(cell: Cell) -> None:
    layer = layer_of(cell, torch.float32)
    fast = OptimizedLayer(layer, int8=False)
    inputs, state = run_of(layer)
    carried = fast.first(state)
    for vector in inputs.unbind(1):
        state = cell.step(*layer.sums(vector, state[0]), state)
        carried = fast.step(vector @ fast.input_weight.T + fast.input_bias, carried)
        for ours, theirs in zip(carried, fast.first(state), strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


@cells_with("optimized")
def test_states_that_are_called_bounded_are(cell: Cell) -> None:
    layer = layer_of(cell)
    sums = torch.linspace(-30, 30, 7, dtype=torch.float64)[:, None].expand(-1, cell.gates * 5)
    state = tuple(torch.full((7, 5), 0.9, dtype=torch.float64) for _ in range(layer.state_parts))
    assert cell.optimized is not None
    for _ in range(5):
        state = cell.step(sums, sums, state)
    assert cell.optimized.bounded == (state[0].abs().max() <= 1)


def toy_step(given: Tensor, recurrent: Tensor, state: States) -> States:
    """A leaky sum of what comes in, and a gate that lets it out."""
    entry, leave = (given + recurrent).chunk(2, -1)
    total = 0.5 * state[1] + entry.tanh()
    return leave.sigmoid() * total.tanh(), total


TOY = Cell(name="toy", gates=2, step=toy_step, state_parts=2)


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Cell:
    monkeypatch.setitem(seqweave.model.cells.CELLS, "toy", TOY)
    tell_slow_path.cache_clear()
    return TOY


def toy_config(**settings: object) -> ModelConfig:
    return ModelConfig(**{**SMALL, "dropout": 0.0, **settings}).model_copy(update={"cell": "toy"})


def toy_lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "seqweave"]


@pytest.mark.parametrize("place", DECODERS)
@torch.no_grad()
def test_a_cell_of_equations_alone_decodes_as_it_steps(toy: Cell, place: str) -> None:
    torch.manual_seed(1)
    model = build_model(toy_config(encoder_layers=2, **DECODERS[place]), SOURCE_SIZE, TARGET_SIZE).double().eval()
    assert optimized(model.float()) is model
    model.double()
    source, lengths, target_in = small_batch()
    encoded = model.encode(source, lengths)
    logits, state = model.decode(target_in, encoded).logits, model.start(encoded)
    for position, ids in enumerate(target_in.unbind(1)):
        output = model.step(ids, state)
        state = output.state
        torch.testing.assert_close(output.logits, logits[:, position])
    for row, length in enumerate(lengths.tolist()):
        alone = model.encode(source[row : row + 1, :length], lengths[row : row + 1])
        torch.testing.assert_close(model.decode(target_in[row : row + 1], alone).logits, logits[row : row + 1])


def test_a_cell_of_equations_alone_has_their_numbers(toy: Cell) -> None:
    layer = layer_of(toy)
    inputs, (hidden, total) = run_of(layer)
    outputs, after = layer(inputs, (hidden, total))
    for position, vector in enumerate(inputs.unbind(1)):
        sums = vector @ layer.weight_ih.T + layer.bias_ih + hidden @ layer.weight_hh.T + layer.bias_hh
        total = 0.5 * total + sums[:, :5].tanh()
        hidden = sums[:, 5:].sigmoid() * total.tanh()
        torch.testing.assert_close(outputs[:, position], hidden)
    torch.testing.assert_close(after, (hidden, total))


@pytest.mark.parametrize("place", quick_are(["before", "after"], DECODERS))
def test_a_cell_of_equations_alone_learns_and_says_once_that_it_is_slow(
    toy: Cell, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    torch.manual_seed(2)
    model = build_model(toy_config(embedding_size=24, **DECODERS[place]), SOURCE_SIZE, TARGET_SIZE)
    source, lengths, target_in = small_batch()
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    losses = []
    with caplog.at_level(logging.WARNING, "seqweave"):
        for _ in range(40):
            loss = torch.nn.functional.cross_entropy(model(source, lengths, target_in[:, :-1]).mT, target_in[:, 1:])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
        assert optimized(model.eval()) is model
        assert optimized(model) is model
    assert losses[-1] < 0.5 * losses[0]
    slow = ["fused kernel for whole sequences", "optimized step for search"]
    if place in ("before", "feeding"):
        slow.insert(1, "derivative written out for a decoder that steps")
    said = "the cell toy has no {}: it runs position by position, which is slower"
    assert toy_lines(caplog) == [said.format(form) for form in slow]


@pytest.mark.parametrize(("bounded", "precision"), [(True, "int8"), (False, "fp32")])
def test_only_bounded_states_are_multiplied_in_8_bits(
    bounded: bool, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lstm = cell_named("lstm")
    assert lstm.optimized is not None
    other = replace(lstm, name="toy", optimized=replace(lstm.optimized, bounded=bounded))
    monkeypatch.setitem(seqweave.model.cells.CELLS, "toy", other)
    monkeypatch.setattr(network, "int8_works", lambda: True)
    model = build_model(toy_config(), SOURCE_SIZE, TARGET_SIZE).eval()
    assert precision_of(optimized(model, int8=True)) == precision
