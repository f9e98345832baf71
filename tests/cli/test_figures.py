"""What `train` and `info` show of a model: one table of figures, and the number of its parameters."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from seqweave.cli.figures import figures
from seqweave.config import build_config
from seqweave.errors import DataError
from seqweave.evaluation.metrics import evaluate_outputs
from seqweave.evaluation.report import metrics_table
from seqweave.folder import save_weights
from seqweave.folder.weights import read_weights
from seqweave.model.build import build_model
from seqweave.model.seq2seq import parameter_count
from seqweave.text.tokenizers import train_tokenizer

SMALL = {"model.embedding_size": 4, "model.encoder_hidden_size": 3, "model.decoder_hidden_size": 6}


def test_the_figures_are_those_of_the_evaluation() -> None:
    tokenizer = train_tokenizer(["abc"], build_config({"data.target.units": "char"}).data.target)
    texts = ["a b", "c"], ["ab b c d", "c"], ["ab b c d", "b"]
    metrics = evaluate_outputs(*texts, tokenizer, samples=10).with_perplexity(2.0, 3.0)
    lines = figures(metrics.to_json())
    assert len(lines) == 11
    assert lines[-1].startswith("  caution: 2 distinct sources are too few")
    table = metrics_table(metrics).split("\n")
    assert [line.removeprefix("  ") in table for line in lines] == [True] * len(lines)


def test_figures_of_something_else_are_refused() -> None:
    with pytest.raises(DataError, match=r"metrics\.json must hold metrics written by seqweave"):
        figures({"accuracy": 1.0})


@pytest.mark.parametrize(
    "settings",
    [{}, {"model.tie_embeddings": True}, {"model.input": "one_hot"}, {"model.cell": "gru", "model.layer_norm": True}],
    ids=lambda settings: "-".join(settings) or "defaults",
)
def test_a_folder_counts_the_parameters_of_its_model(tmp_path: Path, settings: dict[str, object]) -> None:
    torch.manual_seed(1)
    model = build_model(build_config({**SMALL, **settings}).model, 9, 7)
    save_weights(model, tmp_path / "model.safetensors")
    assert read_weights(tmp_path / "model.safetensors").count == parameter_count(model)
