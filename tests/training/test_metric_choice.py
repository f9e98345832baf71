"""How a run is measured: chosen once from the training targets, and kept in the folder."""

from __future__ import annotations

import importlib.util
import json
import random
from pathlib import Path
from typing import Any

import pytest

import seqweave
from seqweave.cli.main import main
from seqweave.config import build_config
from seqweave.errors import ConfigError
from seqweave.evaluation.evaluate import evaluate_model
from seqweave.training.events import TrainEvent
from seqweave.training.metric_choice import with_metric
from seqweave.training.run import TrainResult, train
from tiny_run import SETTINGS

PIECES = {"a": "请给我", "b": "东西", "c": "谢谢", "d": "图书馆"}
CHINESE = {
    **SETTINGS,
    "model.embedding_size": 16,
    "model.encoder_hidden_size": 16,
    "model.decoder_hidden_size": 48,
    "model.dropout": 0.0,
    "training.seed": 2,
    "training.max_steps": 120,
    "training.accumulate": 1,
    "training.learning_rate": 0.01,
    "training.batch_tokens": 512,
    "training.validate_every": 10,
    "training.checkpoint_every": 60,
    "training.ema_decay": 0.0,
    "training.average_checkpoints": 1,
    "training.schedule": "cosine",
    "training.patience": 6,
    "training.metric": "bleu",
}


def write_chinese(path: Path, pairs: int = 80, end: str = "") -> Path:
    """Letters, and the Chinese that each of them stands for, without blanks."""
    draw = random.Random(1)
    sources = sorted({"".join(draw.choices("abcd", k=draw.randint(2, 4))) for _ in range(3 * pairs)})[:pairs]
    lines = [f"{source}\t{''.join(PIECES[letter] for letter in source)}。{end}\n" for source in sources]
    path.write_text("".join(lines), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def chinese(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainResult]:
    """A finished run on Chinese targets, whose folder is only read."""
    place = tmp_path_factory.mktemp("chinese")
    data = write_chinese(place / "pairs.tsv")
    return place / "model", train(data, place / "model", dev=data, settings=CHINESE)


@pytest.mark.slow
def test_right_outputs_have_a_bleu_of_100_and_training_goes_on(chinese: tuple[Path, TrainResult]) -> None:
    _, result = chinese
    assert (result.status, result.step) == ("finished", 120)
    metrics = result.metrics
    assert metrics is not None
    assert metrics["exact_match"] == 100
    assert metrics["bleu"] == pytest.approx(100)
    assert (metrics["wer"], metrics["ter"]) == (None, None)
    assert metrics["left_out"] == dict.fromkeys(("wer", "ter"), "no blanks between words")
    assert metrics["intervals"]["exact_match"] == pytest.approx([95.42, 100], abs=0.01)  # 80 of 80


def test_the_choice_is_kept_in_the_folder(chinese: tuple[Path, TrainResult], capsys: Any) -> None:
    folder, _ = chinese
    training = seqweave.load(folder, "cpu").config.training
    assert (training.bleu_tokenize, training.metric_units) == ("zh", "characters")
    facts = json.loads((folder / "run.json").read_text(encoding="utf-8"))["facts"]
    assert facts["target_writing"] == {
        "scripts_without_blanks": ["Han"],
        "share_of_letters": 1.0,
        "metric_units": "characters",
        "bleu_tokenize": "zh",
    }
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "left out: WER and TER, because these targets have no blanks between words" in card
    assert "tok:zh" in card
    assert main(["info", str(folder)]) == 0
    assert "left out: WER and TER" in capsys.readouterr().out


def evaluated(folder: Path, capsys: Any, *more: str) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["evaluate", str(folder), *more, "--json", "--device", "cpu"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_test_files_never_change_how_a_model_is_measured(
    chinese: tuple[Path, TrainResult], tmp_path: Path, capsys: Any
) -> None:
    folder, result = chinese
    english = tmp_path / "english.tsv"
    english.write_text("ab\tplease give me things\ncd\tthank you library\n", encoding="utf-8")
    own = evaluated(folder, capsys, str(write_chinese(tmp_path / "chinese.tsv")))
    other = evaluated(folder, capsys, str(english))
    assert result.metrics is not None
    assert own["signatures"] == other["signatures"] == result.metrics["signatures"]
    assert own["bleu"] == pytest.approx(100)


def test_another_tokenizer_can_be_asked_for(chinese: tuple[Path, TrainResult], tmp_path: Path, capsys: Any) -> None:
    folder, _ = chinese
    data = str(write_chinese(tmp_path / "chinese.tsv", 30))
    assert "tok:char|" in evaluated(folder, capsys, data, "--bleu-tokenize", "char")["signatures"]["bleu"]
    for words in (["evaluate", str(folder), data], ["compare", str(folder), str(folder), data]):
        assert main([*words, "--bleu-tokenize", "moses", "--device", "cpu"]) == 2
        assert "--bleu-tokenize must be one of 13a, intl, zh, char" in capsys.readouterr().err


def test_two_models_are_compared_alike(chinese: tuple[Path, TrainResult], tmp_path: Path, capsys: Any) -> None:
    folder, _ = chinese
    data = write_chinese(tmp_path / "pairs.tsv", 40)
    other = {**CHINESE, "training.max_steps": 2, "training.bleu_tokenize": "char", "training.metric": "cer"}
    train(data, tmp_path / "other", dev=data, settings=other)
    words = ["compare", str(folder), str(tmp_path / "other"), str(data), "--json", "--device", "cpu"]
    assert main(words) == 0
    shown = capsys.readouterr()
    rows = {row["metric"]: row for row in json.loads(shown.out)["metrics"]}
    assert "tok:zh|" in rows["bleu"]["signature"]
    assert "wer" not in rows
    assert f"{folder} by characters, BLEU with the tokenizer zh and {tmp_path / 'other'} by characters" in shown.err
    assert "both are measured here by characters, BLEU with the tokenizer zh" in shown.err
    assert main([*words, "--bleu-tokenize", "char"]) == 0
    shown = capsys.readouterr()
    assert "measured here" not in shown.err
    assert "tok:char|" in {row["metric"]: row for row in json.loads(shown.out)["metrics"]}["bleu"]["signature"]


def test_few_sources_are_said_when_models_are_compared(
    chinese: tuple[Path, TrainResult], tmp_path: Path, capsys: Any
) -> None:
    folder, _ = chinese
    data = write_chinese(tmp_path / "pairs.tsv", 3)
    assert main(["compare", str(folder), str(folder), str(data), "--device", "cpu"]) == 0
    assert "3 distinct sources are too few for intervals to be relied on" in capsys.readouterr().err


def test_ends_of_references_do_not_count(chinese: tuple[Path, TrainResult]) -> None:
    model = seqweave.load(chinese[0], "cpu")
    sources = ["abc", "dda", "bcd"]
    targets = ["".join(PIECES[letter] for letter in source) + "。" for source in sources]
    plain = evaluate_model(model, sources, targets, samples=0)
    assert plain.exact_match == 100
    for end in (" ", "\u00a0", "\u200b", "\ufeff"):
        assert evaluate_model(model, sources, [text + end for text in targets], samples=0) == plain


def test_a_metric_of_words_is_refused_before_training(tmp_path: Path) -> None:
    settings = {**CHINESE, "training.metric": "wer"}
    with pytest.raises(ConfigError, match=r"training\.metric=wer counts words .* set training\.metric=cer"):
        train(write_chinese(tmp_path / "pairs.tsv", 40), tmp_path / "model", settings=settings)
    assert not (tmp_path / "model").exists()


def test_a_missing_library_is_said_before_the_data_are_read(tmp_path: Path) -> None:
    if importlib.util.find_spec("MeCab") is not None:
        pytest.skip("the library is installed")
    settings = {**CHINESE, "training.bleu_tokenize": "ja-mecab"}
    with pytest.raises(ConfigError, match=r'pip install "sacrebleu\[ja\]"'):
        train(tmp_path / "missing.tsv", tmp_path / "model", settings=settings)


def test_what_chooses_the_weights_is_not_bleu_where_it_would_be_0() -> None:
    config = build_config({"data.target.units": "subword", "training.bleu_tokenize": "zh"})
    assert with_metric(config, ["北京", "上海 "]).training.metric == "token_error_rate"
    assert with_metric(config, ["北京", "乌鲁木齐"]).training.metric is None  # bleu, as for all subwords
    chosen = build_config({"training.metric": "bleu"}, config)
    assert with_metric(chosen, ["北京"]).training.metric == "bleu"
    by_words = build_config({"training.bleu_tokenize": "13a"}, config)
    assert with_metric(by_words, ["one two three"]).training.metric == "token_error_rate"
    assert with_metric(by_words, ["one two three four"]).training.metric is None
    characters = build_config({"data.target.units": "char"})
    assert with_metric(characters, ["ab"]) == characters


def test_nothing_right_yet_does_not_end_what_still_learns(tmp_path: Path) -> None:
    """All validations tie at 0, and the perplexity falls: with a patience of 1 training goes on to its last step."""
    settings = {**CHINESE, "training.metric": "exact_match", "training.patience": 1, "training.max_steps": 12}
    settings |= {"training.validate_every": 2, "training.learning_rate": 0.001}
    rows: list[dict[str, float]] = []

    def listen(event: TrainEvent) -> None:
        if event.kind == "validation":
            rows.append(event.values)

    result = train(write_chinese(tmp_path / "pairs.tsv"), tmp_path / "model", settings=settings, listen=listen)
    assert {row["value"] for row in rows} == {0.0}
    assert (result.status, result.step, len(rows)) == ("finished", 12, 6)
    state = json.loads((tmp_path / "model" / "checkpoints" / "step_00000012" / "state.json").read_text())
    assert (state["validations_without_gain"], state["best_step"]) == (0, 12)
