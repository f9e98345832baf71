"""Whether a processor can run a precision is found by trying, and leaves no trace."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from seqweave import device as devices
from seqweave.config import Cell, ModelConfig, build_config
from seqweave.model import precision
from seqweave.model.cells import CELLS, cell_named
from seqweave.model.precision import best_precision, runs_in, runs_in_bf16

CPU = torch.device("cpu")
FUSED = [name for name, cell in CELLS.items() if cell.kernel is not None and cell.step_kernel is not None]


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    """What was found under a broken torch is not remembered."""
    runs_in.cache_clear()
    yield
    runs_in.cache_clear()


def model_config(cell: Cell, layers: str = "recurrent") -> ModelConfig:
    if layers == "transformer":
        return build_config({"model.encoder": layers, "model.decoder": layers}).model
    return build_config({"model.cell": cell}).model


def refused(*arguments: Any, **options: Any) -> Tensor:
    raise RuntimeError("could not create a primitive descriptor for the LSTM forward propagation primitive")


class _NoWayBack(torch.autograd.Function):
    """Outputs whose gradient no primitive computes."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return values.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return refused()


def with_forms(monkeypatch: pytest.MonkeyPatch, **forms: Any) -> None:
    """Cells that are tried have these forms in place of their own."""
    monkeypatch.setattr(precision, "cell_named", lambda name: replace(cell_named(name), **forms))


@pytest.mark.parametrize("cell", FUSED)
@pytest.mark.parametrize("form", ["kernel", "step_kernel"])
def test_a_primitive_that_is_refused_is_found(monkeypatch: pytest.MonkeyPatch, cell: Cell, form: str) -> None:
    with_forms(monkeypatch, **{form: refused})
    assert not runs_in(torch.bfloat16, cell, CPU)
    assert not runs_in_bf16(model_config(cell), CPU)


@pytest.mark.parametrize("cell", FUSED)
def test_a_derivative_that_is_refused_is_found(monkeypatch: pytest.MonkeyPatch, cell: Cell) -> None:
    real = cell_named(cell).kernel
    assert real is not None

    def one_way(*arguments: Any) -> tuple[Tensor, ...]:
        outputs, *state = real(*arguments)
        stuck: Tensor = _NoWayBack.apply(outputs)  # type: ignore[no-untyped-call]
        return stuck, *state

    with_forms(monkeypatch, kernel=one_way)
    assert not runs_in(torch.bfloat16, cell, CPU)


@pytest.mark.parametrize("cell", FUSED)
def test_what_torch_trains_by_itself_runs(cell: Cell) -> None:
    """Else tests that skip for want of bf16 would hide that it is ours which fails."""
    kinds = {"irnn": torch.nn.RNN, "rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}
    module = kinds[cell](32, 32).bfloat16()
    try:
        module(torch.ones(4, 16, 32, dtype=torch.bfloat16))[0].sum().backward()
    except RuntimeError as error:
        pytest.skip(f"torch cannot train {cell} in bf16 here: {error}")
    assert runs_in(torch.bfloat16, cell, CPU)


def test_networks_without_recurrence_need_no_recurrent_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    with_forms(monkeypatch, kernel=refused)
    assert runs_in_bf16(model_config("lstm", "transformer"), CPU) == runs_in(torch.bfloat16, None, CPU)
    mixed = build_config({"model.encoder": "transformer", "model.decoder": "recurrent"}).model
    assert not runs_in_bf16(mixed, CPU)


def test_a_type_that_autocast_does_not_know_does_not_run() -> None:
    assert not runs_in(torch.float64, None, CPU)
    assert not runs_in(torch.int8, None, CPU)


def test_it_is_tried_once_and_takes_no_random_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[torch.device] = []

    def product(device: torch.device) -> Tensor:
        calls.append(device)
        return torch.ones(1)

    monkeypatch.setattr(precision, "_product", product)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    for _ in range(3):
        runs_in(torch.bfloat16, "gru", CPU)
    assert len(calls) == 1
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("works", [True, False])
def test_auto_is_bf16_only_where_it_is_fast_and_runs(monkeypatch: pytest.MonkeyPatch, fast: bool, works: bool) -> None:
    monkeypatch.setattr(precision, "has_fast_bf16", lambda device: fast)
    monkeypatch.setattr(precision, "runs_in", lambda dtype, cell, device: works)
    assert best_precision(model_config("lstm"), CPU) == ("bf16" if fast and works else "fp32")


def test_what_onednn_may_not_use_is_not_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with ONEDNN_MAX_CPU_ISA=AVX2 on a processor with bf16 instructions."""
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    supported = bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    assert devices.has_fast_bf16(CPU) == supported
