"""Many-to-one: a text whole as one label, from the data to accuracy and macro F1."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import torch

import seqweave
from seqweave.config import TextConfig, build_config
from seqweave.errors import ConfigError, LimitError
from seqweave.evaluation.evaluate import evaluate_model
from seqweave.evaluation.metrics import evaluate_outputs, metrics_from_json, quick_metric
from seqweave.evaluation.report import figures_table
from seqweave.evaluation.tuning import tune_model
from seqweave.search.filtering import filtered
from seqweave.search.filters import constraints
from seqweave.search.options import SearchOptions
from seqweave.text.tokenizers import Tokenizer, train_tokenizer
from seqweave.text.vocabulary import ENTRIES, EOS, UNK
from tiny_run import SETTINGS

LABELS = TextConfig(units="label")


@pytest.fixture(scope="module")
def labels() -> Tokenizer:
    return train_tokenizer(["a b", "c", "a b", "d\u2028e"], LABELS)


def test_a_whole_text_is_one_item(labels: Tokenizer) -> None:
    assert (labels.units, labels.size) == ("label", 7)
    assert labels.encode(" a b ") == [4]
    assert labels.decode([4]) == labels.normalized(" a b ") == "a b"
    assert labels.encode("a") == [UNK]
    assert labels.encode("") == []
    again = Tokenizer.from_json(labels.to_json(), "the tokenizer", labels.config)
    assert again.units == "label"
    assert again.decode(again.encode("d\u2028e")) == "d\u2028e"


def test_a_label_is_never_a_special_item() -> None:
    tokenizer = train_tokenizer([*ENTRIES, "<eos>"], LABELS)
    for text in (*ENTRIES, "<eos>"):
        [item] = tokenizer.encode(text)
        assert item > EOS
        assert tokenizer.decode([item]) == text


def test_an_output_of_one_item_ends_there() -> None:
    log_probs = torch.tensor([[-1.0, -2.0, -3.0, -0.5, -4.0, -5.0]]).repeat(2, 1)
    log_probs = filtered(log_probs, [[], [4]], constraints(min_length=1, max_length=1).steps)
    assert log_probs[0].isfinite().tolist() == [True, True, True, False, True, True]
    assert log_probs[1].isfinite().tolist() == [place == EOS for place in range(6)]
    assert log_probs[1, EOS] == -0.5


def test_figures_by_hand(labels: Tokenizer) -> None:
    # Of x: 2 right, 1 given wrongly; of y: 1 right, 1 missed; z is given once, wrongly, and missed once.
    outputs, targets = ["x", "x", "x", "y", "z"], ["x", "x", "y", "y", "w"]
    sources = [str(place) for place in range(5)]
    found = evaluate_outputs(sources, outputs, targets, labels, samples=200)
    assert found.accuracy == pytest.approx(60)
    assert found.macro_f1 == pytest.approx(100 * (4 / 5 + 2 / 3 + 0 + 0) / 4)
    low, high = found.intervals["macro_f1"]
    assert found.macro_f1 is not None
    assert 0 <= low < found.macro_f1 < high <= 100
    assert quick_metric("macro_f1", sources, outputs, targets, labels) == found.macro_f1
    assert "macro F1" in figures_table(found)
    assert metrics_from_json(json.loads(json.dumps(found.to_json())), "there") == found


def test_figures_are_those_of_the_naive_twin(labels: Tokenizer) -> None:
    draw = random.Random(1)
    names = ["x", "y", "z", "w"]
    targets = draw.choices(names[:3], k=60)
    outputs = [target if draw.random() < 0.6 else draw.choice(names) for target in targets]
    each = []
    for name in names:  # w is only ever given
        both = sum(one == other == name for one, other in zip(outputs, targets, strict=True))
        precision = both / max(1, outputs.count(name))
        recall = both / max(1, targets.count(name))
        each.append(2 * precision * recall / (precision + recall) if both else 0.0)
    found = evaluate_outputs(list(map(str, range(60))), outputs, targets, labels, samples=0)
    assert found.macro_f1 == pytest.approx(100 * sum(each) / 4)
    assert found.accuracy == pytest.approx(100 * sum(map(str.__eq__, outputs, targets)) / 60)


def test_several_right_labels(labels: Tokenizer) -> None:
    found = evaluate_outputs(["s", "s", "t"], ["y", "y", "x"], ["x", "y", "x"], labels, samples=0)
    assert (found.accuracy, found.macro_f1) == (100, 100)


def test_other_targets_have_no_such_figures() -> None:
    characters = train_tokenizer(["ab"], TextConfig(units="char"))
    found = evaluate_outputs(["s"], ["a"], ["a"], characters, samples=0)
    assert found.accuracy is None
    assert "accuracy" not in found.to_json()
    assert "accuracy" not in figures_table(found)


def test_too_many_labels(labels: Tokenizer) -> None:
    texts = [str(place) for place in range(1001)]
    found = evaluate_outputs(texts, texts, texts, labels, samples=0)
    assert (found.accuracy, found.macro_f1) == (100, None)
    with pytest.raises(LimitError, match="at most 1,000 labels, but there are 1,001"):
        quick_metric("macro_f1", texts, texts, texts, labels)


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1"])
def test_a_metric_of_labels_needs_labels(metric: str) -> None:
    with pytest.raises(ConfigError, match=r"is for data\.target\.units=label, but the target's units are char"):
        build_config({"training.metric": metric, "data.target.units": "char"})


def test_a_run_from_texts_to_labels(tmp_path: Path) -> None:
    draw = random.Random(1)
    words = ["".join(draw.choices("abcdef", k=5)) for _ in range(100)]
    lines = [f"{word}\t{'has an a' if 'a' in word else 'none'}\n" for word in words]
    (tmp_path / "pairs.tsv").write_text("".join(lines), encoding="utf-8")
    settings = {**SETTINGS, "data.target.units": "label", "training.max_steps": 4}
    del settings["training.metric"]
    seqweave.train(tmp_path / "pairs.tsv", tmp_path / "model", settings=settings)
    model = seqweave.load(tmp_path / "model")
    assert model.config.training.metric == "accuracy"
    for beam_size in (1, 3):
        for found in model.predict(words[:20], beam_size=beam_size):
            assert found.finished
            assert len(found.tokens) == 1
    with pytest.raises(ConfigError, match="min_length must be at most 1 for a model whose outputs are labels"):
        model.predict(words[:2], options=SearchOptions(min_length=2))
    metrics = evaluate_model(model, words[:20], ["none"] * 20, samples=10)
    assert metrics.accuracy == metrics.exact_match
    assert set(metrics.intervals) >= {"accuracy", "macro_f1"}
    tuned = tune_model(model, words[:20], ["none"] * 20, length_penalties=[0.5], coverage_penalties=[0.0])
    assert (tuned.metric, len(tuned.trials)) == ("accuracy", 2)
