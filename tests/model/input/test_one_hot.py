"""`OneHotInput` against the embeddings they stand for: same outputs, same gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from seqweave.config import build_config
from seqweave.model.build import build_model
from seqweave.model.input.embeddings import Embedding
from seqweave.model.input.one_hot import OneHotInput, linear
from seqweave.model.seq2seq import Seq2Seq

LENGTHS = torch.tensor([7, 3, 5, 1, 6])
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "after": {},
    "gru after": {"cell": "gru"},
    "rnn, one direction": {"cell": "rnn", "bidirectional": False},
    "between": {"attention_position": "between", "decoder_layers": 2},
    "before": {"attention": "additive", "attention_position": "before"},
    "gru before": {"attention": "additive", "attention_position": "before", "cell": "gru"},
    "before, normalised": {"attention": "general", "attention_position": "before", "layer_norm": True},
    "feeding": {"input_feeding": True},
    "no attention": {"attention": "none"},
    "copying": {"copy": True},
    "reversed, deep": {"reverse_source": True, "encoder_layers": 2, "decoder_layers": 2, "layer_norm": True},
}
architectures = pytest.mark.parametrize("name", ARCHITECTURES)


def model_of(name: str, **settings: Any) -> Seq2Seq:
    sizes = {"embedding_size": 32, "encoder_hidden_size": 8, "decoder_hidden_size": 16, "dropout": 0.0}
    config = build_config(
        {f"model.{key}": value for key, value in {**sizes, **ARCHITECTURES[name], **settings}.items()}
    )
    torch.manual_seed(0)
    return build_model(config.model, 11, 13).double()


def by_table(model: Seq2Seq, wanted: bool) -> Seq2Seq:
    for part in (model.source_input, model.target_input):
        assert isinstance(part, Embedding)
        part.by_table = wanted
    return model


def run(model: Seq2Seq) -> tuple[Tensor, list[Tensor]]:
    torch.manual_seed(1)
    source, target = torch.randint(4, 11, (5, 7)), torch.randint(4, 13, (5, 6))
    copies = source if model.output.attends else None  # each item stands for the one with its id
    model.zero_grad()
    logits = model(source, LENGTHS, target, copies)
    logits[logits.isfinite()].square().sum().backward()
    grads = [part.grad for part in model.parameters() if part.grad is not None]
    assert len(grads) == len(list(model.parameters()))
    return logits.detach(), grads


@architectures
def test_same_outputs_and_gradients_as_embeddings(name: str) -> None:
    model = model_of(name)
    for part in (model.source_input, model.target_input):
        assert isinstance(part, Embedding)
        assert part.by_table
    logits, grads = run(model)
    expected, expected_grads = run(by_table(model, False))
    torch.testing.assert_close(logits, expected)
    for one, other in zip(grads, expected_grads, strict=True):
        torch.testing.assert_close(one, other)


def test_word_dropout_replaces_the_same_items() -> None:
    model = model_of("after", word_dropout=0.5).train()
    torch.testing.assert_close(run(model)[0], run(by_table(model, False))[0])


def test_dropout_of_embeddings_needs_the_embeddings() -> None:
    model = model_of("after", embedding_dropout=0.5)
    ids = torch.tensor([[4, 5]])
    assert isinstance(model.train().source_input.items(ids), Tensor)
    assert isinstance(model.eval().source_input.items(ids), OneHotInput)


@pytest.mark.parametrize(
    "settings",
    [{"model.embedding_size": 16}, {"model.residual": True, "model.embedding_size": 32}, {"model.input": "one_hot"}],
)
def test_where_they_do_not_pay_or_fit_there_are_none(settings: dict[str, Any]) -> None:
    model = build_model(build_config({"model.dropout": 0.0, **settings}).model, 11, 13)
    assert isinstance(model.source_input.items(torch.tensor([[4, 5]])), Tensor)


def test_linear_is_the_linear_map_of_the_embeddings() -> None:
    torch.manual_seed(0)
    items = OneHotInput.of(torch.tensor([[1, 2, 0]]), torch.randn(3, 4))
    weight, bias = torch.randn(5, 4), torch.randn(5)
    torch.testing.assert_close(linear(items, weight, bias), linear(items.embedded(), weight, bias))
