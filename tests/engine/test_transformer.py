"""What the engine's Transformer has of its own: long outputs, limits of learned positions, tags, weights of its layers.

That its logits are torch's, `test_parity` shows for every architecture.
"""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
import torch
from safetensors.torch import save

from architectures import CASES, FEATURES, SOURCE_SIZE, TRANSFORMER_SIDES, small_model
from engine_calls import (
    BAD_MODEL,
    TOO_LONG,
    Call,
    RefusedError,
    opened,
    opened_model,
    settings_of,
    stepping_library,
)
from engine_oracle import Inputs, assert_near, check_exchanged_rows, inputs_of, torch_forced
from seqweave.config import ModelConfig
from seqweave.errors import LimitError

POSITIONS = ("sinusoidal", "learned", "rotary")
SIDES = [*TRANSFORMER_SIDES]


def learned(name: str, count: int) -> ModelConfig:
    """A network of `CASES` that has learned `count` positions."""
    return CASES[name].model_copy(update={"positions": "learned", "max_positions": count})


@pytest.mark.parametrize("name", [f"transformer-pre-{kind}" for kind in POSITIONS])
def test_long_sources_and_outputs(name: str, engine_library: ctypes.CDLL) -> None:
    # Beyond the positions whose sines the engine keeps, and through several blocks of keys and values.
    model = small_model(CASES[name])
    inputs = inputs_of(CASES[name], [300, 5], [3, 290])
    with opened_model(engine_library, CASES[name], model) as network:
        logits, weights = network.force(inputs.call(), inputs.targets)
    torchs, looks = torch_forced(model, inputs)
    assert weights is not None
    assert looks is not None
    assert_near(logits, np.concatenate(torchs))
    assert_near(weights, np.concatenate(looks))


@pytest.mark.parametrize("name", ["transformer-layers", "transformer-post_layers", "recurrent_encoder-post-rotary"])
def test_exchanged_rows_of_many_steps(name: str) -> None:
    random = np.random.default_rng(4)
    sizes = [3, *random.integers(1, 12, 60).tolist()]
    check_exchanged_rows(CASES[name], small_model(CASES[name]), sizes, seed=7)


def test_tags_take_no_positions(engine_library: ctypes.CDLL) -> None:
    # Attention knows places from positions alone, so where a tag stands changes nothing.
    config = CASES["transformer-features_learned"]
    model = small_model(config)
    tag = SOURCE_SIZE - FEATURES
    inputs = Inputs([[tag, 5, 6, tag + 1, 7], [5, tag + 1, 6, 7, tag], [tag] * 4], None, [[4, 5], [4, 5], []])
    with opened_model(engine_library, config, model) as network:
        logits, _ = network.force(inputs.call(), inputs.targets)
    torchs, _ = torch_forced(model, inputs)
    assert_near(logits, np.concatenate(torchs))
    np.testing.assert_allclose(logits[:3], logits[3:6], atol=2e-5)


def refused_as_in_torch(library: ctypes.CDLL, config: ModelConfig, fits: Inputs, too_long: Inputs) -> str:
    """What the engine says of inputs that are too long, which is what torch says; those that fit pass."""
    model = small_model(config)
    with opened_model(library, config, model) as network:
        network.force(fits.call(), fits.targets)
        with pytest.raises(RefusedError) as ours:
            network.force(too_long.call(), too_long.targets)
    with pytest.raises(LimitError) as torchs:
        torch_forced(model, too_long)
    assert str(ours.value) == str(torchs.value)
    assert ours.value.status == TOO_LONG
    return str(ours.value)


@pytest.mark.parametrize(("name", "room"), [("transformer-pre-learned", 0), ("transformer-features_learned", 1)])
def test_the_longest_source_of_learned_positions(name: str, room: int, engine_library: ctypes.CDLL) -> None:
    config = learned(name, 6)
    fits, too_long = inputs_of(config, [2, 6 - room], [1, 1]), inputs_of(config, [2, 7 - room], [1, 1])
    said = refused_as_in_torch(engine_library, config, fits, too_long)
    assert "a source must have no more than 6 positions" in said


def test_the_longest_target_of_learned_positions(engine_library: ctypes.CDLL) -> None:
    config = learned("recurrent_encoder-pre-learned", 6)
    fits, too_long = inputs_of(config, [9, 2], [5, 1]), inputs_of(config, [9, 2], [1, 8])
    said = refused_as_in_torch(engine_library, config, fits, too_long)
    assert "a target must have no more than 6 positions" in said


def test_a_step_beyond_the_learned_positions() -> None:
    config = learned("transformer-pre-learned", 6)
    call = Call.of([[4, 5]])
    with opened_model(stepping_library(), config, small_model(config)) as network:
        network.steps(call, [[0]] * 6, [[5]] * 6)
        with pytest.raises(RefusedError, match=r"a target must have no more than 6 positions, .* but it has 7"):
            network.steps(call, [[0]] * 7, [[5]] * 7)


@pytest.mark.parametrize("name", [f"{side}-{norm}-learned" for side in SIDES for norm in ("pre", "post")])
def test_every_weight_must_be_there_and_fit(name: str, engine_library: ctypes.CDLL) -> None:
    config = CASES[name]
    tensors = {name: tensor.contiguous() for name, tensor in small_model(config).state_dict().items()}
    for name, tensor in tensors.items():
        if name.startswith(
            (
                "encoder.layers",
                "decoder.layers",
                "encoder.positions",
                "decoder.positions",
                "encoder.norm",
                "decoder.norm",
            )
        ):
            for wrong in (tensor[1:], torch.cat([tensor, tensor]), tensor[None], tensor[..., 1:]):
                changed = tensors | {name: wrong.contiguous()}
                assert_refused(engine_library, config, changed, f"the weights do not fit the settings: {name} must be")
            missing = {other: there for other, there in tensors.items() if other != name}
            assert_refused(engine_library, config, missing, f"the weights do not fit the settings: {name} is missing")


def assert_refused(library: ctypes.CDLL, config: ModelConfig, tensors: dict[str, torch.Tensor], sentence: str) -> None:
    with pytest.raises(RefusedError) as refused, opened(library, settings_of(config), save(tensors)):
        pass
    assert str(refused.value).startswith(sentence)
    assert refused.value.status == BAD_MODEL


@pytest.mark.parametrize("name", ["transformer-layers", "recurrent_encoder-post-sinusoidal", "transformer-entmax"])
def test_int8_is_near(name: str, engine_library: ctypes.CDLL) -> None:
    config = CASES[name].model_copy(update={"embedding_size": 32, "feed_forward_size": 64})
    model, inputs = small_model(config), inputs_of(config, [4, 1, 7], [3, 0, 9])
    with opened_model(engine_library, config, model, precision=1) as network:
        rough, _ = network.force(inputs.call(), inputs.targets)
    torchs = np.concatenate(torch_forced(model, inputs)[0])
    if config.output == "entmax15":
        rough, torchs = np.exp(rough), np.exp(torchs)
    assert float(np.abs(rough - torchs).max()) < 0.1 * float(np.abs(torchs).max())
    assert float(np.abs(rough - torchs).max()) > 1e-5  # it is int8


def test_a_limit_takes_no_room_before_it_is_reached() -> None:
    config = CASES["transformer-layers"]
    with opened_model(stepping_library(), config, small_model(config)) as network:
        few, _ = network.steps(Call.of([[4, 5]] * 4), [[0, 1, 2, 3]] * 4, [[5] * 4] * 4)
        many, _ = network.steps(Call.of([[4, 5]] * 4), [[0, 1, 2, 3]] * 4, [[5] * 4] * 4, room=2**60)
        np.testing.assert_array_equal(few, many)
        with pytest.raises(RefusedError, match="there is room for 3 steps"):
            network.steps(Call.of([[4, 5]]), [[0]] * 4, [[5]] * 4, room=3)
