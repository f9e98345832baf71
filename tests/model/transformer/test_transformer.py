"""The Transformer against the paper written down, and against torch's own layers."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from architectures import CASES, TRANSFORMER, TRANSFORMER_SIDES, small_batch, small_model
from naive_entmax import naive_entmax15
from naive_transformer import NaiveTransformer
from processors import need_bf16
from seqweave.config import ModelConfig
from seqweave.config.model import Norm
from seqweave.errors import LimitError
from seqweave.model.build import build_model
from seqweave.model.layers import SequenceDropout
from seqweave.model.seq2seq import Seq2Seq, parameter_count
from seqweave.model.transformer.encoder_decoder import TransformerDecoder, TransformerEncoder
from seqweave.model.transformer.layers import (
    CrossAttention,
    DecoderLayer,
    EncoderLayer,
    Residual,
    SelfAttention,
    attendable,
    explicit_attention,
)

assert_close = partial(torch.testing.assert_close, atol=1e-9, rtol=1e-9)
WHOLE = [name for name, config in CASES.items() if config.encoder == config.decoder == "transformer"]
# The twin reads text alone, first item first; features have tests of their own.
WHOLE = [name for name in WHOLE if not CASES[name].reverse_source and "features" not in name]
HYBRIDS = [name for name, config in CASES.items() if {config.encoder, config.decoder} == {"recurrent", "transformer"}]
HYBRIDS = [name for name in HYBRIDS if not CASES[name].copy and "features" not in name]
MIXED = ["transformer-pre-sinusoidal", "recurrent_encoder-pre-learned", "recurrent_decoder-post-rotary"]


def decoder_of(model: Seq2Seq) -> TransformerDecoder:
    assert isinstance(model.decoder, TransformerDecoder)
    return model.decoder


@pytest.mark.parametrize("name", WHOLE)
def test_it_is_the_paper_written_down(name: str) -> None:
    model = small_model(CASES[name]).double()
    source, lengths, target_in = small_batch()
    output = model.decode(target_in, model.encode(source, lengths), return_attention=True)
    assert output.attention is not None
    naive = NaiveTransformer(CASES[name], {key: value.detach() for key, value in model.state_dict().items()})
    for row, length in enumerate(lengths.tolist()):
        expected = naive.logits(source[row, :length].tolist(), target_in[row].tolist())
        if CASES[name].output == "entmax15":
            assert_close(output.logits[row].exp(), naive_entmax15(expected))
        else:
            assert_close(output.logits[row], expected)
        weights = torch.tensor(naive.cross_looks[-1], dtype=torch.float64)[:, :, 1].mean(0)  # (N, T, 2, S) -> (T, S)
        assert_close(output.attention[row, :, :length], weights)


@pytest.mark.parametrize("name", HYBRIDS)
@torch.no_grad()
def test_one_side_of_a_hybrid_is_the_paper_written_down(name: str) -> None:
    """What reads is given the source, what writes the outputs of the recurrent encoder."""
    model = small_model(CASES[name]).double()
    source, lengths, target_in = small_batch()
    encoded = model.encode(source, lengths)
    logits = model.decode(target_in, encoded).logits
    naive = NaiveTransformer(CASES[name], {key: value.detach() for key, value in model.state_dict().items()})
    for row, length in enumerate(lengths.tolist()):
        outputs = list(encoded.outputs[row, :length])
        if CASES[name].encoder == "transformer":
            assert_close(torch.stack(outputs), torch.stack(naive.read(source[row, :length].tolist())))
        else:
            assert_close(logits[row], naive.write(target_in[row].tolist(), outputs))


@pytest.mark.parametrize("name", ["transformer-layers", "transformer-post-rotary"])
def test_every_layer_and_head_can_be_seen(name: str) -> None:
    config = CASES[name]
    model = small_model(config).double()
    source, lengths, target_in = small_batch()
    assert isinstance(model.encoder, TransformerEncoder)
    encoder = model.encoder.attention(model.source_input(source), lengths)
    state = model.start(model.encode(source, lengths))
    own, cross = decoder_of(model).attention(model.target_input(target_in), state)
    layers, heads = config.decoder_layers, config.heads
    assert (own.weights.shape, cross.weights.shape) == ((4, layers, heads, 6, 6), (4, layers, heads, 6, 7))
    assert encoder.weights.shape == (4, config.encoder_layers, heads, 7, 7)
    naive = NaiveTransformer(config, {key: value.detach() for key, value in model.state_dict().items()})
    for row, length in enumerate(lengths.tolist()):
        naive.logits(source[row, :length].tolist(), target_in[row].tolist())
        for kind in (0, 1):  # scores, weights
            naive_cross = torch.tensor(naive.cross_looks, dtype=torch.float64)[..., kind, :]  # (L, N, T, S)
            naive_encoder = torch.tensor(naive.encoder_looks, dtype=torch.float64)[..., kind, :]  # (L, N, S, S)
            assert_close(cross[kind][row, ..., :length], naive_cross)
            assert_close(encoder[kind][row, ..., :length, :length], naive_encoder)
            for layer, looks in enumerate(naive.own_looks):
                for head, rows in enumerate(looks):
                    for at, look in enumerate(rows):
                        seen = own[kind][row, layer, head, at, : at + 1]
                        assert_close(seen, torch.tensor(look[kind], dtype=torch.float64))
        assert not cross.weights[row, ..., length:].any()
        assert not encoder.weights[row, ..., length:].any()


def fill_attention(theirs: nn.MultiheadAttention, ours: SelfAttention | CrossAttention) -> None:
    """Give torch's attention our weights; its biases to zero."""
    mine = [ours.project.weight]
    if isinstance(ours, CrossAttention):
        mine = [ours.query.weight, ours.project.weight]
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat(mine))
        theirs.in_proj_bias.zero_()
        theirs.out_proj.weight.copy_(ours.output.weight)
        theirs.out_proj.bias.zero_()


def fill(theirs: nn.Module, ours: nn.Module) -> None:
    theirs.load_state_dict(ours.state_dict())


@pytest.mark.parametrize("pre", [True, False], ids=["pre", "post"])
def test_the_encoder_layer_is_that_of_torch(pre: bool) -> None:
    config = ModelConfig(**TRANSFORMER, **TRANSFORMER_SIDES["transformer"], norm="pre" if pre else "post")
    encoder = small_model(config).double().encoder
    assert isinstance(encoder, TransformerEncoder)
    [layer] = encoder.layers
    assert isinstance(layer, EncoderLayer)
    theirs = nn.TransformerEncoderLayer(8, 2, 7, 0.0, batch_first=True, norm_first=pre, dtype=torch.float64)
    fill_attention(theirs.self_attn, layer.attention)
    fill(theirs.linear1, layer.feed_forward.inner)
    fill(theirs.linear2, layer.feed_forward.output)
    fill(theirs.norm1, layer.around_attention.norm)
    fill(theirs.norm2, layer.around_feed_forward.norm)
    values = torch.randn(3, 5, 8, dtype=torch.float64)
    mask = torch.arange(5) < torch.tensor([5, 2, 4])[:, None]
    outputs, _ = layer(values, attendable(mask), None)
    assert_close(outputs[mask], theirs(values, src_key_padding_mask=~mask)[mask])


@pytest.mark.parametrize("pre", [True, False], ids=["pre", "post"])
def test_the_decoder_layer_is_that_of_torch(pre: bool) -> None:
    config = ModelConfig(**TRANSFORMER, **TRANSFORMER_SIDES["transformer"], norm="pre" if pre else "post")
    [layer] = decoder_of(small_model(config).double()).layers
    assert isinstance(layer, DecoderLayer)
    theirs = nn.TransformerDecoderLayer(8, 2, 7, 0.0, batch_first=True, norm_first=pre, dtype=torch.float64)
    fill_attention(theirs.self_attn, layer.own)
    fill_attention(theirs.multihead_attn, layer.cross)
    fill(theirs.linear1, layer.feed_forward.inner)
    fill(theirs.linear2, layer.feed_forward.output)
    fill(theirs.norm1, layer.around_own.norm)
    fill(theirs.norm2, layer.around_cross.norm)
    fill(theirs.norm3, layer.around_feed_forward.norm)
    values, outputs = torch.randn(3, 4, 8, dtype=torch.float64), torch.randn(3, 5, 8, dtype=torch.float64)
    mask = torch.arange(5) < torch.tensor([5, 2, 4])[:, None]
    made, _ = layer(values, layer.cross.memory(outputs, mask), attendable(mask), None)
    later = nn.Transformer.generate_square_subsequent_mask(4, dtype=torch.float64)
    assert_close(made, theirs(values, outputs, tgt_mask=later, memory_mask=None, memory_key_padding_mask=~mask))


@pytest.mark.parametrize(("norm", "expected"), [("pre", [-2.0, 6.0]), ("post", [-1.0, 1.0])])
def test_norms_by_hand(norm: Norm, expected: list[float]) -> None:
    # (1, 3) has mean 2 and deviation 1, so its norm is (-1, 1). The sub-layer makes 3 x of its x:
    # before: (1, 3) + 3 (-1, 1); after: the norm of (1, 3) + 3 (1, 3) = (4, 12).
    around = Residual(2, norm, SequenceDropout(0.0))
    values = torch.tensor([[[1.0, 3.0]]])
    assert around.after(values, 3 * around.before(values))[0, 0].tolist() == pytest.approx(expected, abs=1e-4)


def test_weights_by_hand() -> None:
    # Scores 0 and ln 3 over sqrt(4): e^0 to e^(ln 3) is 1 to 3.
    query = torch.tensor([[[[1.0, 0.0, 0.0, 0.0]]]])
    keys = torch.zeros(1, 1, 3, 4)
    keys[0, 0, 1, 0] = 2 * torch.tensor(3.0).log()
    keys[0, 0, 2, 0] = 100.0
    seen = torch.tensor([True, True, False])
    looks = explicit_attention(query, keys, seen)
    torch.testing.assert_close(looks.scores, torch.tensor([[[[0.0, math.log(3), 50.0]]]]))  # the mask comes later
    torch.testing.assert_close(looks.weights, torch.tensor([[[[0.25, 0.75, 0.0]]]]))
    assert not explicit_attention(query, keys, torch.zeros(3, dtype=torch.bool)).weights.any()


@pytest.mark.parametrize("name", MIXED)
def test_asking_for_attention_changes_nothing(name: str) -> None:
    model = small_model(CASES[name])
    source, lengths, target_in = small_batch()
    encoded = model.encode(source, lengths)
    plain, asked = model.decode(target_in, encoded), model.decode(target_in, encoded, return_attention=True)
    assert plain.attention is None
    assert asked.attention is not None
    assert torch.equal(plain.logits, asked.logits)
    state = model.start(encoded)
    with_weights = model.step(target_in[:, 0], state, return_attention=True)
    assert torch.equal(model.step(target_in[:, 0], state).logits, with_weights.logits)
    assert with_weights.attention is not None
    torch.testing.assert_close(with_weights.attention, asked.attention[:, 0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", MIXED)
def test_an_empty_source_is_zeros_to_look_at(name: str) -> None:
    model = small_model(CASES[name])
    source, _, target_in = small_batch()
    lengths = torch.tensor([7, 0, 5, 1])
    logits = model(source, lengths, target_in)
    logits.square().sum().backward()
    assert logits.isfinite().all()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in model.parameters())
    rubbish = source.clone()
    rubbish[1] = 5
    torch.testing.assert_close(model(rubbish, lengths, target_in), logits)
    output = model.decode(target_in, model.encode(source, lengths), return_attention=True)
    assert output.attention is not None
    assert not output.attention[1].any()


def test_the_final_state_is_the_mean_over_real_positions() -> None:
    model = small_model(CASES["recurrent_decoder-pre-sinusoidal"])  # an LSTM: hidden and cell
    source, _, _ = small_batch()
    encoded = model.encode(source, torch.tensor([7, 0, 5, 1]))
    hidden, cell = encoded.final
    assert torch.equal(hidden, cell)
    torch.testing.assert_close(hidden[2], encoded.outputs[2, :5].mean(0))
    torch.testing.assert_close(hidden[3], encoded.outputs[3, 0])
    assert not hidden[1].any()


def test_a_transformer_has_no_recurrent_state() -> None:
    model = small_model(CASES["transformer-pre-sinusoidal"])
    source, lengths, _ = small_batch()
    encoded = model.encode(source, lengths)
    assert encoded.final == ()
    state = model.start(encoded)
    assert (state.recurrent, state.feed, state.rows) == ((), None, 4)
    assert [part.length for part in state.cache] == [0]


def test_dropout_is_where_the_paper_has_it() -> None:
    """On the sums of embeddings and positions, and on each sub-layer's output; not before the generator."""
    config = ModelConfig(**TRANSFORMER, **TRANSFORMER_SIDES["transformer"], dropout=0.3)
    model = build_model(config, 11, 9)
    found = {
        name for name, part in model.named_modules(remove_duplicate=False) if getattr(part, "probability", 0.0) == 0.3
    }
    around = ("own", "cross", "feed_forward")
    expected = {"encoder.dropout", "decoder.dropout"}
    expected |= {f"decoder.layers.0.around_{part}.dropout" for part in around}
    expected |= {f"encoder.layers.0.around_{part}.dropout" for part in ("attention", "feed_forward")}
    assert found == expected
    source, lengths, target_in = small_batch()
    model.train()
    torch.manual_seed(1)
    first = model(source, lengths, target_in)
    assert not torch.equal(first, model(source, lengths, target_in))
    torch.manual_seed(1)
    assert torch.equal(first, model(source, lengths, target_in))
    assert torch.equal(model.eval()(source, lengths, target_in), model(source, lengths, target_in))


M, F, SOURCE, TARGET = 256, 1024, 7000, 8000
FEED_FORWARD = M * F + F + F * M + M
NORM = 2 * M
ENCODER_LAYER = 4 * M * M + FEED_FORWARD + 2 * NORM
DECODER_LAYER = 8 * M * M + FEED_FORWARD + 3 * NORM
SIZE = (SOURCE + TARGET) * M + TARGET  # embeddings, and the generator's bias


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, SIZE + TARGET * M + ENCODER_LAYER + NORM + DECODER_LAYER + NORM),
        ({"norm": "post", "tie_embeddings": True}, SIZE + ENCODER_LAYER + DECODER_LAYER),
        (
            {"positions": "learned", "max_positions": 100, "tie_embeddings": True},
            SIZE + ENCODER_LAYER + DECODER_LAYER + 2 * NORM + 2 * 100 * M,
        ),
        (
            {"encoder_layers": 3, "decoder_layers": 2, "tie_embeddings": True, "positions": "rotary", "heads": 8},
            SIZE + 3 * ENCODER_LAYER + 2 * DECODER_LAYER + 2 * NORM,
        ),
    ],
)
def test_parameter_count(settings: dict[str, Any], expected: int) -> None:
    with torch.device("meta"):
        model = build_model(ModelConfig(**TRANSFORMER_SIDES["transformer"], **settings), SOURCE, TARGET)
    assert parameter_count(model) == expected


@pytest.mark.parametrize("side", ["source", "target"])
def test_more_positions_than_learned_are_refused(side: str) -> None:
    config = ModelConfig(
        **TRANSFORMER,
        **TRANSFORMER_SIDES["transformer"],
        positions="learned",
        max_positions=6 if side == "source" else 5,
    )
    model = build_model(config, 11, 9).eval()
    source, lengths, target_in = small_batch()  # 7 source items, 6 target items
    short = source[:, :5], lengths.clamp(max=5)
    with pytest.raises(LimitError) as caught:
        model(*((source, lengths) if side == "source" else short), target_in)
    known, needed = (6, 7) if side == "source" else (5, 6)
    assert str(caught.value) == (
        f"a {side} must have no more than {known} positions, which is what this model has learned "
        f"(model.max_positions), but it has {needed}: shorten it, or train a model with a larger "
        "model.max_positions or with model.positions=sinusoidal"
    )
    if side == "target":
        state = model.start(model.encode(*short))
        for at in range(5):
            state = model.step(target_in[:, at], state).state
        with pytest.raises(LimitError, match="a target must have no more than 5 positions"):
            model.step(target_in[:, 5], state)


@pytest.mark.parametrize("name", WHOLE + MIXED[1:])
def test_it_runs_in_bf16(name: str) -> None:
    need_bf16(CASES[name].cell if name in MIXED else None)
    model = small_model(CASES[name])
    source, lengths, target_in = small_batch()

    def results(dtype: torch.dtype, autocast: bool) -> tuple[Tensor, Tensor]:
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            encoded = model.to(dtype).encode(source, lengths)
            output = model.decode(target_in, encoded)
            state, logits = model.start(encoded), []
            for ids in target_in.unbind(1):
                step = model.step(ids, state)
                state = step.state.reorder(torch.arange(4))
                logits.append(step.logits)
        found = output.logits.double(), torch.stack(logits, 1).double()
        return (found[0].exp(), found[1].exp()) if model.output.sparse else found  # logarithms of 0 are infinite

    expected, _ = results(torch.float64, False)
    scale = expected.abs().max()
    for made in (*results(torch.float32, True), *results(torch.bfloat16, False)):
        assert (made - expected).abs().max() / scale < 0.1
