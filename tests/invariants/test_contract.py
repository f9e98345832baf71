"""The contract every architecture keeps: decode = repeated step, and padding never matters."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from architectures import CASES, CELLS, SOURCE_SIZE, batch_of, each, small_batch, small_model
from seqweave.config import ModelConfig
from seqweave.model.seq2seq import Seq2Seq
from seqweave.model.state import DecoderState
from seqweave.proofs.deviations import comparable

architectures = each()
assert_close = partial(torch.testing.assert_close, atol=1e-5, rtol=1e-5)


def stepped(model: Seq2Seq, state: DecoderState, target_in: torch.Tensor) -> torch.Tensor:
    """Logits by repeated step, as `shown`. Shape: (R, T) -> (R, T, V)."""
    return looked_up(model, state, target_in)[0]


def looked_up(model: Seq2Seq, state: DecoderState, target_in: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The same with where attention looked. Shape: (R, T) -> (R, T, V), (R, T, S) or None."""
    logits, rows = [], []
    for ids in target_in.unbind(1):
        output = model.step(ids, state, return_attention=True)
        state = output.state
        logits.append(output.logits)
        rows += [] if output.attention is None else [output.attention]
    return shown(model, torch.stack(logits, 1)), torch.stack(rows, 1) if rows else None


def forced(
    model: Seq2Seq, config: ModelConfig, source: torch.Tensor, lengths: torch.Tensor, target_in: torch.Tensor
) -> torch.Tensor:
    """Logits by `decode`, as `shown`. Shape: (B, S), (B,), (B, T) -> (B, T, V)."""
    return shown(model, model.decode(target_in, model.encode(*batch_of(source, lengths, config))).logits)


def shown(model: Seq2Seq, logits: torch.Tensor) -> torch.Tensor:
    """What rounding changes little: of log-probabilities that may be -inf not these themselves."""
    return comparable(logits, model.output.sparse)


@architectures
def test_decode_equals_repeated_step(config: ModelConfig) -> None:
    model = small_model(config)
    source, lengths, target_in = small_batch(config=config)
    encoded = model.encode(*batch_of(source, lengths, config))
    output = model.decode(target_in, encoded, return_attention=True)
    logits, attention = looked_up(model, model.start(encoded), target_in)
    assert_close(logits, shown(model, output.logits))
    assert (output.attention is None) == (attention is None) == (config.attention == "none")
    if output.attention is not None:
        assert_close(attention, output.attention)
        if config.attention_window == "local_p":  # the Gaussian takes some away
            assert (output.attention.sum(-1) <= 1 + 1e-5).all()
            assert (output.attention.sum(-1) > 0).all()
        else:
            assert_close(output.attention.sum(-1), torch.ones(4, 6))
        assert not output.attention.masked_select(~encoded.mask[:, None]).any()


@architectures
def test_alone_equals_padded_equals_permuted(config: ModelConfig) -> None:
    model = small_model(config).double()  # in fp32 rounding alone, of large weights, may be more than the bound
    source, lengths, target_in = small_batch(config=config)
    batched = forced(model, config, source, lengths, target_in)
    order = torch.tensor([2, 0, 3, 1])
    assert_close(forced(model, config, source[order], lengths[order], target_in[order]), batched[order])
    # Whatever stands in the padding, and however much of it there is, changes nothing.
    rubbish = torch.randint(4, SOURCE_SIZE, (4, 12), generator=torch.Generator().manual_seed(5))
    rubbish[:, :7] = torch.where(torch.arange(7) < lengths[:, None], source, rubbish[:, :7])
    # A model that copies has a column more for each source position.
    wider = forced(model, config, rubbish, lengths, target_in)
    assert_close(wider[..., : batched.shape[2]], batched)
    assert wider[..., batched.shape[2] :].isneginf().all()
    for row, length in enumerate(lengths.tolist()):
        one = slice(row, row + 1)
        alone = forced(model, config, source[one, :length], lengths[one], target_in[one])
        assert_close(alone, batched[row : row + 1, :, : alone.shape[2]])
        assert batched[row, :, alone.shape[2] :].isneginf().all()


@each(plain=False)  # steps have no fast path
def test_state_moves_rows_and_nothing_else(config: ModelConfig) -> None:
    model = small_model(config)
    source, lengths, target_in = small_batch(config=config)
    target_in = target_in[:, :4]  # three steps after the first tell all states apart
    state = model.start(model.encode(*batch_of(source, lengths, config)))
    state = model.step(target_in[:, 0], state).state
    expected = stepped(model, state, target_in[:, 1:])  # (4, 3, V)
    rows = torch.tensor([3, 3, 0, 1, 2])
    assert_close(stepped(model, state.select(rows), target_in[rows, 1:]), expected[rows])
    wide = state.expand(2)
    assert wide.rows == 8
    twice = target_in[:, 1:].repeat_interleave(2, 0)
    assert_close(stepped(model, wide, twice), expected.repeat_interleave(2, 0))
    # After a step with different items the two rows of a sentence differ, and may trade places.
    wide = model.step(torch.tensor([4, 5, 6, 7, 8, 4, 5, 6]), wide).state
    ahead = stepped(model, wide, twice)
    swap = torch.tensor([1, 0, 2, 3, 5, 4, 7, 7])
    assert_close(stepped(model, wide.reorder(swap), twice), ahead[swap])
    assert_close(stepped(model, wide.select(swap), twice), ahead[swap])
    keep = torch.tensor([1, 3])
    kept = torch.tensor([2, 3, 6, 7])
    assert_close(stepped(model, wide.keep(keep), twice[kept]), ahead[kept])


@pytest.mark.parametrize("cell", CELLS)
def test_empty_source_gives_finite_logits(cell: str) -> None:
    for attention in ("none", "general"):
        model = small_model(CASES[f"{cell}-{attention}-{'first' if attention == 'none' else 'after'}"])
        source, _, target_in = small_batch()
        encoded = model.encode(source, torch.tensor([7, 0, 5, 1]))
        output = model.decode(target_in, encoded, return_attention=True)
        assert output.logits.isfinite().all()
        assert not any(part[1].any() for part in encoded.final)
        if output.attention is not None:
            assert not output.attention[1].any()


@architectures
def test_every_parameter_learns(config: ModelConfig) -> None:
    model = small_model(config).train()
    source, lengths, target_in = small_batch(config=config)
    logits = model.decode(target_in, model.encode(*batch_of(source, lengths, config))).logits
    logits[logits.isfinite()].square().sum().backward()  # copying has columns that are impossible
    # A zero bridge needs no final state; everything else must get a gradient, but for the norm of outputs that no
    # attention reads.
    unread = config.layer_norm and config.decoder == "recurrent" and config.attention == "none"
    last = f"encoder.norms.{config.encoder_layers - 1}." if unread and config.encoder == "recurrent" else "none"
    missing = [name for name, part in model.named_parameters() if part.grad is None or not part.grad.isfinite().all()]
    assert [name for name in missing if not name.startswith(last)] == []
