"""A network with more entries gives old items the logits that they had, in every architecture."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from architectures import FEATURES, SOURCE_SIZE, TARGET_SIZE, batch_of, each, quick_cases, small_batch, small_model
from seqweave.config import ModelConfig
from seqweave.data.source_batch import SourceBatch
from seqweave.errors import ConfigError
from seqweave.folder.shapes import Vocabularies, tensor_shapes
from seqweave.model.build import build_model
from seqweave.model.seq2seq import Seq2Seq
from seqweave.training.placing import place_weights

MORE_SOURCE, MORE_TARGET = 4, 3
TAG_PLACES = [0, 2, 4]  # of the old tags among five: new ones of the first column move those of the second
Rows = list[int | None]


def reads_frames(config: ModelConfig) -> bool:
    return config.frame_size > 0


def not_frames(config: ModelConfig) -> bool:
    return not reads_frames(config)


def rows_of(config: ModelConfig, source: int, target: int, tags: list[int]) -> tuple[Rows, Rows, Rows]:
    """Where each entry of the larger network comes from: `source` and `target` new items, old tags at `tags`."""
    items = SOURCE_SIZE - FEATURES if config.feature_size else SOURCE_SIZE
    found: Rows = [tags.index(place) if place in tags else None for place in range(max(tags) + 1)]
    return (
        [*range(items), *[None] * source],
        found if config.feature_size else [],
        [*range(TARGET_SIZE), *[None] * target],
    )


def larger(old: Seq2Seq, config: ModelConfig, rows: tuple[Rows, Rows, Rows]) -> Seq2Seq:
    """A network with more entries, of the weights of another one and fresh ones, with its dropout off."""
    source, tags, target = rows
    torch.manual_seed(7)
    network = build_model(config, len(source) + len(tags), len(target), len(tags))
    place_weights(network, config, old.state_dict(), *rows)
    return network.eval()


def moved(batch: SourceBatch, target_in: Tensor, config: ModelConfig, rows: tuple[Rows, Rows, Rows]) -> SourceBatch:
    """The same source with the ids that its tags and copies have in the larger network."""
    source, tags, target = rows
    values = batch.values.clone()
    if tags:
        items = SOURCE_SIZE - FEATURES
        for tag in range(FEATURES):
            values[batch.values == items + tag] = len(source) + tags.index(tag)
    copies = None
    if batch.copies is not None:
        more = len(target) - TARGET_SIZE
        copies = torch.where(batch.copies >= TARGET_SIZE, batch.copies + more, batch.copies)
    return SourceBatch(values, batch.lengths, copies)


def old_columns(logits: Tensor, more: int) -> Tensor:
    """Without the columns of new entries."""
    return torch.cat([logits[..., :TARGET_SIZE], logits[..., TARGET_SIZE + more :]], -1)


def without_new_entries(network: Seq2Seq) -> None:
    """Where logits are normalised (copies, entmax), new entries get no share of the probability."""
    with torch.no_grad():
        network.output.bias[TARGET_SIZE:] = -1e9


@torch.no_grad()
def check(config: ModelConfig, source: int, target: int, tags: list[int]) -> None:
    old = small_model(config)
    rows = rows_of(config, source, target, tags)
    new = larger(old, config, rows)
    without_new_entries(new)
    ids, lengths, target_in = small_batch(config=config)
    batch = batch_of(ids, lengths, config)
    wider = torch.where(target_in >= TARGET_SIZE, target_in + target, target_in)
    expected = old.decode(target_in, old.encode(*batch)).logits
    other = moved(batch, target_in, config, rows)
    found = new.decode(wider, new.encode(*other)).logits
    torch.testing.assert_close(old_columns(found, target), expected, atol=1e-5, rtol=1e-4)
    state, old_state = new.start(new.encode(*other)), old.start(old.encode(*batch))
    for position in range(2):
        step = new.step(wider[:, position], state)
        old_step = old.step(target_in[:, position], old_state)
        torch.testing.assert_close(old_columns(step.logits, target), old_step.logits, atol=1e-5, rtol=1e-4)
        state, old_state = step.state, old_step.state


@each(not_frames)
def test_old_items_have_the_logits_they_had(config: ModelConfig) -> None:
    check(config, MORE_SOURCE, MORE_TARGET, TAG_PLACES)


@pytest.mark.parametrize("source", [0, 1])
@pytest.mark.parametrize("target", [0, 2])
@pytest.mark.parametrize("input_", ["embedding", "one_hot"])
@pytest.mark.parametrize("place", ["before", "after", "feeding", "between", "every_step", "copy", "maxout_before"])
def test_one_side_alone(place: str, input_: str, source: int, target: int) -> None:
    """Every place where one-hot items enter a decoder, and each side with and without new entries."""
    places: dict[str, dict[str, object]] = {
        "before": {"attention_position": "before", "attention": "additive"},
        "maxout_before": {"attention_position": "before", "attention": "additive", "readout_size": 4},
        "after": {},
        "feeding": {"input_feeding": True},
        "between": {"attention_position": "between", "decoder_layers": 2},
        "every_step": {"attention": "none", "context": "every_step"},
        "copy": {"copy": True},
    }
    sizes = {"embedding_size": 5, "encoder_hidden_size": 3, "decoder_hidden_size": 6}
    check(ModelConfig.model_validate({**sizes, **places[place], "input": input_}), source, target, TAG_PLACES)


CASES = [config for config in quick_cases(not_frames).values() if config.output != "entmax15"]


@settings(max_examples=20)
@given(
    st.sampled_from(CASES),
    st.integers(0, 9),
    st.integers(0, 9),
    st.lists(st.integers(0, 7), min_size=FEATURES, max_size=FEATURES, unique=True).map(sorted),
)
def test_any_number_of_new_entries(config: ModelConfig, source: int, target: int, tags: list[int]) -> None:
    check(config, source, target, tags)


@each(not_frames, plain=False)
def test_old_weights_are_the_same_bit_for_bit(config: ModelConfig) -> None:
    """Each number of the old network is in the new one, and no other of its numbers has changed."""
    old = small_model(config)
    same = larger(old, config, rows_of(config, 0, 0, [0, 1, 2]))
    for name, tensor in old.state_dict().items():
        assert torch.equal(same.state_dict()[name], tensor)
    rows = rows_of(config, MORE_SOURCE, MORE_TARGET, TAG_PLACES)
    torch.manual_seed(7)
    fresh = build_model(config, len(rows[0]) + len(rows[1]), len(rows[2]), len(rows[1])).state_dict()
    new = larger(old, config, rows).state_dict()
    assert new.keys() == fresh.keys() == old.state_dict().keys()
    for name, tensor in old.state_dict().items():
        if tensor.dim() and new[name].shape != tensor.shape:
            kept = (new[name] != fresh[name]) & (new[name] != 0)  # what tags have of new one-hot items is 0
            assert int(kept.sum()) == tensor.numel()
            assert torch.equal(new[name][kept].sort().values, tensor.flatten().sort().values)
    entries = Vocabularies(len(rows[0]) + len(rows[1]), len(rows[2]), len(rows[1]))
    assert {name: tuple(tensor.shape) for name, tensor in new.items()} == tensor_shapes(config, entries)


@pytest.mark.parametrize("width", [SOURCE_SIZE - FEATURES, SOURCE_SIZE - FEATURES + 2])
def test_a_number_of_entries_that_gives_tags_another_map_is_refused(width: int) -> None:
    """One-hot items are as wide as the vocabulary; tags of just that width have no map."""
    config = ModelConfig(input="one_hot", feature_size=width, attention="none")
    old = small_model(config)
    with pytest.raises(
        ConfigError, match=rf"give the source 10 one-hot entries, .* which are {width} wide: have other"
    ):
        larger(old, config, rows_of(config, 2, 0, TAG_PLACES))
