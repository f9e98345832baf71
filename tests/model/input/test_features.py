"""Features in the network: their embedding by hand, positions that do not count them, nothing changed without."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from architectures import CASES, FEATURES, SOURCE_SIZE, small_model
from seqweave.config import ModelConfig
from seqweave.model.build import build_model
from seqweave.model.input.embeddings import Embedding, FeaturedEmbedding
from seqweave.model.input.one_hot import OneHotInput
from seqweave.model.layers import SequenceDropout
from seqweave.model.transformer.positions import build_positions

assert_close = partial(torch.testing.assert_close, atol=1e-5, rtol=1e-5)
NONE = SequenceDropout(0.0)


def by_hand(embedding: FeaturedEmbedding, ids: torch.Tensor) -> torch.Tensor:
    """The readable twin: an id at a time."""
    rows = []
    for id_ in ids.flatten().tolist():
        if id_ < embedding.first:
            rows.append(embedding.text(torch.tensor([[id_]]))[0, 0])
        else:
            vector = embedding.weight[id_ - embedding.first]
            rows.append(vector if embedding.project is None else embedding.project.weight @ vector)
    return torch.stack(rows).view(*ids.shape, -1)


def test_vectors_of_features_are_mapped_to_the_width_of_items() -> None:
    embedding = FeaturedEmbedding(Embedding(4, 2, NONE), 4, 2, 3, NONE)
    assert embedding.project is not None
    with torch.no_grad():
        embedding.text.weight.copy_(torch.arange(8.0).view(4, 2))  # type: ignore[operator]
        embedding.weight.copy_(torch.tensor([[1.0, 0.0, 2.0], [0.0, 1.0, 0.0]]))
        embedding.project.weight.copy_(torch.tensor([[1.0, 10.0, 100.0], [0.0, 3.0, 0.5]]))
    found = embedding(torch.tensor([[4, 5, 3, 0]]))
    assert found.tolist() == [[[201.0, 1.0], [10.0, 3.0], [6.0, 7.0], [0.0, 1.0]]]


@pytest.mark.parametrize("name", ["lstm-features", "gru-features_as_wide", "lstm-features_one_hot"])
def test_the_embedding_equals_its_twin(name: str) -> None:
    embedding = small_model(CASES[name]).source_input
    assert isinstance(embedding, FeaturedEmbedding)
    assert (embedding.project is None) == (name == "gru-features_as_wide")
    ids = torch.arange(SOURCE_SIZE).view(1, -1)
    assert_close(embedding(ids), by_hand(embedding, ids))


@pytest.mark.parametrize("size", [3, 32])
@pytest.mark.parametrize("word_dropout", [0.0, 0.5])
def test_a_table_of_both_gives_the_same_vectors(size: int, word_dropout: float) -> None:
    torch.manual_seed(1)
    text = Embedding(SOURCE_SIZE - FEATURES, 32, NONE, word_dropout)
    embedding = FeaturedEmbedding(text, SOURCE_SIZE - FEATURES, FEATURES, size, NONE, by_table=True).train()
    ids = torch.arange(SOURCE_SIZE).repeat(6, 1)
    torch.manual_seed(2)
    items = embedding.items(ids)
    assert isinstance(items, OneHotInput)
    assert items.one_hot.shape == (6, SOURCE_SIZE, SOURCE_SIZE)
    assert items.vectors.shape == (SOURCE_SIZE, 32)
    torch.manual_seed(2)
    vectors = embedding(ids)
    assert_close(items.embedded(), vectors)
    found = torch.autograd.grad(items.embedded().square().sum(), list(embedding.parameters()))
    expected = torch.autograd.grad(vectors.square().sum(), list(embedding.parameters()))
    for one, other in zip(found, expected, strict=True):
        assert_close(one, other)


def test_a_table_counts_the_rows_of_features() -> None:
    config = ModelConfig(embedding_size=2 * SOURCE_SIZE, dropout=0.0)
    wide = build_model(config, SOURCE_SIZE, 9, FEATURES).eval()
    ids, lengths = torch.tensor([[10, 8, 4, 5], [9, 7, 6, 0]]), torch.tensor([4, 3])
    assert isinstance(wide.source_input.items(ids), OneHotInput)
    by_table = wide.encode(ids, lengths).outputs
    assert isinstance(wide.source_input, FeaturedEmbedding)
    wide.source_input.by_table = False
    assert_close(by_table, wide.encode(ids, lengths).outputs)
    narrow = build_model(config, SOURCE_SIZE + 1, 9, FEATURES)
    assert isinstance(narrow.source_input.items(ids), torch.Tensor)


def test_word_dropout_leaves_features_alone() -> None:
    torch.manual_seed(1)
    items = Embedding(8, 4, NONE, word_dropout=0.999999)
    embedding = FeaturedEmbedding(items, 8, 3, 4, NONE).train()
    ids = torch.tensor([[8, 10, 5, 6]]).repeat(50, 1)
    found = embedding(ids)
    assert_close(found[:, :2], embedding.weight[[0, 2]].expand(50, -1, -1))
    assert_close(found[:, 2:], items.weight[1].expand(50, 2, -1))  # <unk>


def test_positions_count_items_alone() -> None:
    embedding = FeaturedEmbedding(Embedding(8, 4, NONE), 8, 3, 4, NONE)
    assert embedding.places(torch.tensor([[8, 9, 4, 5, 0], [4, 5, 10, 6, 7]])).tolist() == [
        [0, 0, 1, 2, 3],
        [1, 2, 0, 3, 4],
    ]


@pytest.mark.parametrize("kind", ["sinusoidal", "learned", "rotary"])
def test_given_places_are_those_of_counting(kind: str) -> None:
    torch.manual_seed(1)
    positions = build_positions(kind, 6, 1, 12, "source")  # type: ignore[arg-type]
    embedded = torch.randn(2, 5, 6)
    places = torch.arange(5).expand(2, -1)
    assert_close(positions(embedded, places=places), positions(embedded))
    moved = torch.tensor([[3, 0, 0, 5, 1], [0, 1, 2, 3, 4]])
    one, other = positions(embedded, places=moved), positions(embedded[:, :1].expand(-1, 6, -1))
    assert_close(one[0, 3] - embedded[0, 3], other[0, 5] - embedded[0, 0])
    rotation, counted = positions.rotation(0, 5, embedded, moved), positions.rotation(0, 6, embedded)
    assert (rotation is None) == (counted is None) == (kind != "rotary")
    if rotation is not None and counted is not None:
        assert_close(rotation[0][0, 0], counted[0][moved[0]])
        assert_close(rotation[1][1, 0], counted[1][moved[1]])


@pytest.mark.parametrize(
    "name", ["transformer-features", "transformer-features_learned", "transformer-features_rotary"]
)
def test_a_transformer_reads_features_as_a_set(name: str) -> None:
    model = small_model(CASES[name])
    source = torch.tensor([[8, 10, 4, 5, 6], [10, 8, 4, 5, 6]])
    out = model.encode(source, torch.tensor([5, 5])).outputs
    assert_close(out[0, 2:], out[1, 2:])
    assert_close(out[0, [1, 0]], out[1, :2])
    assert (out[0, 0] - out[0, 1]).abs().max() > 1e-3


def test_a_feature_changes_the_output() -> None:
    for name in ("lstm-features", "gru-features_one_hot", "transformer-features", "transformer-gru-features"):
        model = small_model(CASES[name])
        source, lengths = torch.tensor([[8, 4, 5], [9, 4, 5]]), torch.tensor([3, 3])
        logits = model(source, lengths, torch.tensor([[2, 4], [2, 4]]))
        assert (logits[0] - logits[1]).abs().max() > 1e-3, name


def test_models_without_features_have_the_same_parameters_as_ever() -> None:
    names = [name for name, _ in small_model(CASES["lstm-general-after"]).named_parameters()]
    assert names[:2] == ["source_input.weight", "target_input.weight"]
    featured = dict(small_model(CASES["lstm-features"]).named_parameters())
    assert featured["source_input.weight"].shape == (FEATURES, 4)
