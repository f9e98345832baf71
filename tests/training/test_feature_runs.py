"""Features from a file of pairs to a trained folder, and what `predict`, `evaluate`, `score`, `check` do with them."""

from __future__ import annotations

import json
import logging
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

import seqweave
from seqweave.cli.main import app
from seqweave.config import DataConfig, build_config
from seqweave.data.readers import PairReader
from seqweave.errors import ConfigError, DataError, ModelFolderError
from seqweave.evaluation.tuning import tune_model
from seqweave.folder import FEATURES, MANIFEST
from seqweave.predictor import Model
from seqweave.search.ensembles import check_vocabularies
from seqweave.text.tokenizers import Tokenizer
from tiny_run import SETTINGS, write_tagged_pairs

FEATURED = {**SETTINGS, "data.feature_columns": ["3", "4"], "model.feature_size": 4, "training.max_steps": 4}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of words, forwards or backwards as a feature says."""
    where = tmp_path_factory.mktemp("features")
    pairs = write_tagged_pairs(where / "pairs.tsv", more="\ten")
    seqweave.train(pairs, where / "model", settings=FEATURED)
    return where


@pytest.fixture(scope="module")
def model(folder: Path) -> Model:
    return seqweave.load(folder / "model")


@pytest.fixture(scope="module")
def plain(folder: Path) -> Path:
    """A model of the same pairs that reads no features."""
    settings = {**SETTINGS, "data.column_names": ["source", "target", "tags", "language"], "training.max_steps": 1}
    seqweave.train(folder / "pairs.tsv", folder / "plain", settings=settings)
    return folder / "plain"


def test_the_folder_holds_the_features(folder: Path, model: Model) -> None:
    saved = json.loads((folder / "model" / FEATURES).read_text(encoding="utf-8"))
    assert [column["name"] for column in saved["columns"]] == ["3", "4"]
    assert FEATURES in json.loads((folder / "model" / MANIFEST).read_text(encoding="utf-8"))["files"]
    assert model.source_tokenizer.feature_count == 4
    facts = json.loads((folder / "model" / "run.json").read_text(encoding="utf-8"))["facts"]
    assert facts["features"] == {"columns": {"3": 3, "4": 1}, "unknown_rate": 0.0}
    assert "column" in (folder / "model" / "README.md").read_text(encoding="utf-8")


def test_python_takes_features_apart_or_in_the_text(model: Model) -> None:
    apart = model.predict(["abc", "fed"], features=[("V;KEEP", "en"), ("V;TURN", "en")], return_attention=True)
    inside = model.predict(["abc\tKEEP;V\ten", "fed\tV;TURN\ten"], return_attention=True)
    assert [one.text for one in apart] == [one.text for one in inside]
    assert apart[0].source_tokens == inside[0].source_tokens == ["[V]", "[KEEP]", "[en]", "a", "b", "c"]
    assert apart[0].attention is not None
    assert apart[0].attention.shape[1] == 6
    [scored] = model.score([("abc", "abc")], features=[("V;KEEP", "en")])
    assert scored.log_prob == pytest.approx(model.score([("abc\tV;KEEP\ten", "abc")])[0].log_prob)
    assert model.predict(["", " ", "\tV\ten"])[2].text == ""


def test_a_trace_labels_features_and_text(model: Model) -> None:
    text = "abc\t V ;KEEP;NEW\ten"  # NEW is not known
    trace = model.trace(text, "abc")
    assert [token.text for token in trace.source.tokens] == ["[V]", "[KEEP]", "[en]", "a", "b", "c"]
    spans = {token.text: text[token.start : token.end] for token in trace.source.tokens}
    assert spans == {"[V]": "V", "[KEEP]": "KEEP", "[en]": "en", "a": "a", "b": "b", "c": "c"}
    assert trace.steps.attention[0].weights.shape[1] == 6
    [found] = model.predict([text], beam_size=5, return_attention=True)
    assert found.attention is not None
    assert trace.steps.attention[0].weights == pytest.approx(found.attention, abs=1e-5)
    apart = model.trace("abc", features=("KEEP;V", "en"))
    assert [token.id for token in apart.source.tokens] == [token.id for token in trace.source.tokens]
    with pytest.raises(ConfigError, match="features must be a list with a list of 2 texts"):
        model.trace("abc", features="V")
    with pytest.raises(DataError, match="which is 3 columns, but it has 1"):
        model.trace("abc")


def test_alone_or_in_a_batch_gives_the_same(model: Model) -> None:
    texts = ["abc\tV;KEEP\ten", "fedcba\tV\t", "a\t\t", "bb\tTURN\ten"]
    together = model.predict(texts)
    for text, one in zip(texts, together, strict=True):
        [alone] = model.predict([text])
        assert alone.tokens == one.tokens
        assert alone.score == pytest.approx(one.score, abs=1e-4)


def test_unknown_features_are_counted(model: Model, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "seqweave"):
        [found] = model.predict(["abc\tV;FUT\ten"])
    assert "1 of 3 source tags are not known to the model, and were left out" in caplog.text
    assert found.text == model.predict(["abc\tV\ten"])[0].text


@pytest.mark.parametrize(
    ("features", "sentence"),
    [
        ("V", "features must be a list with a list of 2 texts .* but they are one text"),
        (["V"], "number 1 is 'V'"),
        ([("V",)], "number 1 is"),
        ([("V", "e\tn")], "without tabs"),
        ([("V", 3)], "number 1 is"),
        ([("V", "en")] * 2, "there are 2 of them for 1 texts"),
    ],
)
def test_features_that_do_not_fit_are_refused(model: Model, features: list[tuple[str, str]], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        model.predict(["abc"], features=features)


def test_a_text_without_its_columns_is_refused(model: Model) -> None:
    with pytest.raises(DataError, match="which is 3 columns, but it has 1"):
        model.predict(["abc"])


def test_the_commands_know_features(folder: Path, model: Model) -> None:
    run, where, data = CliRunner(), str(folder / "model"), str(folder / "pairs.tsv")
    found = run.invoke(app, ["predict", where], input="abc\tV;KEEP\ten\n\nfed\t\ten\n")
    assert found.exit_code == 0
    lines = found.stdout.split("\n")
    assert lines[:3] == [model.predict(["abc\tV;KEEP\ten"])[0].text, "", model.predict(["fed\t\ten"])[0].text]
    wrong = run.invoke(app, ["predict", where], input="abc\tV\ten\nabc\tV\n")
    assert wrong.exit_code == 2
    assert "<stdin>:2: a line must have 3 columns (source, 3, 4)" in " ".join(wrong.output.split())
    evaluated = run.invoke(app, ["evaluate", where, data, "--json"])
    assert json.loads(evaluated.stdout)["pairs"] == 80
    scored = run.invoke(app, ["score", where, data])
    assert len(scored.stdout.split("\n")) == 81
    checked = run.invoke(app, ["check", data, "--set", 'data.feature_columns=["3", "4"]'])
    assert "source tags of column 3: 3 distinct, 2.0 in a pair, 0 pairs without" in checked.stdout
    assert "4" in run.invoke(app, ["info", where]).stdout


def test_lines_without_features_are_refused_with_the_command_that_looks_at_them(folder: Path, tmp_path: Path) -> None:
    run, plain = CliRunner(), tmp_path / "plain.tsv"
    plain.write_text("abc\tabc\n", encoding="utf-8")
    said = " ".join(run.invoke(app, ["evaluate", str(folder / "model"), str(plain)]).output.split())
    assert "none of 1 line is usable: missing_column (1), with source tags from column 3, 4; see `" in said
    command = shlex.split(said.split("`")[1])
    assert command[3:] == ["--set", 'data.feature_columns=["3", "4"]']
    assert "missing_column: 1 line" in run.invoke(app, command[1:]).output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["compare", "{folder}", "{other}", "{data}"], "data.feature_columns is 3, 4 in {folder} and empty in {other}"),
        (["compare", "{other}", "{folder}", "{data}"], "data.feature_columns is empty in {other} and 3, 4 in {folder}"),
        (["align", "{folder}", "{data}", "--also", "{other}"], "is 3, 4 in {folder} and empty in {other}"),
        (["align", "{folder}", "{data}", "--reverse", "{other}"], "--reverse reads targets as sources"),
        (["align", "{other}", "{data}", "--reverse", "{folder}"], "--reverse reads targets as sources"),
    ],
)
def test_models_that_read_other_columns_are_refused(folder: Path, plain: Path, words: list[str], said: str) -> None:
    places = {"folder": str(folder / "model"), "other": str(plain), "data": str(folder / "pairs.tsv")}
    found = CliRunner().invoke(app, [word.format(**places) for word in words])
    assert found.exit_code == 2
    assert said.format(**places) in " ".join(found.output.split())


def test_tuning_counts_unknown_features_once(model: Model, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "seqweave"):
        tune_model(model, ["abc\tNEW\ten"], ["abc"], length_penalties=[0, 1], coverage_penalties=[0])
    assert caplog.text.count("1 of 2 source tags are not known") == 1
    assert not model.quiet


def test_a_folder_without_its_features_is_refused(folder: Path, tmp_path: Path) -> None:
    manifest = folder / "model" / MANIFEST
    before = manifest.read_text(encoding="utf-8")
    content = json.loads(before)
    del content["files"][FEATURES]
    manifest.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ModelFolderError, match=r"must list features\.json"):
        seqweave.load(folder / "model")
    manifest.write_text(before, encoding="utf-8")
    (folder / "model" / FEATURES).rename(tmp_path / FEATURES)
    with pytest.raises(ModelFolderError, match=r"features\.json is missing"):
        seqweave.load(folder / "model")
    (tmp_path / FEATURES).rename(folder / "model" / FEATURES)


def test_an_ensemble_needs_the_same_features(folder: Path, model: Model, tmp_path: Path) -> None:
    text = model.source_tokenizer.to_json()
    plain = Tokenizer.from_json(text, "the tokenizer", model.config.data.source)
    pair = (model.source_tokenizer, model.target_tokenizer)
    check_vocabularies([tmp_path, folder], [pair, pair])
    with pytest.raises(ConfigError, match="has other source tags"):
        check_vocabularies([tmp_path, folder], [pair, (plain, pair[1])])


def test_json_lines_take_texts_and_lists(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    rows = [
        {"source": "a", "target": "b", "tags": "V;PST"},
        {"source": "a", "target": "b", "tags": ["V", "PST"]},
        {"source": "a", "target": "b"},
        {"source": "a", "target": "b", "tags": ["V", 3]},
        {"source": "a\tb", "target": "b", "tags": "V"},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    reader = PairReader(path, None, DataConfig(feature_columns=("tags",)))
    assert [pair.whole for pair in reader] == ["a\tV;PST", "a\tV;PST"]
    assert reader.report.counts == {"missing_field": 2, "tab_in_field": 1}


def test_columns_of_a_table(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text("lemma\tV;PST\tform\nlemma\t\tform\nlemma\tform\n", encoding="utf-8")
    reader = PairReader(path, None, DataConfig(target_column="3", feature_columns=("2",)))
    assert [pair.features for pair in reader] == [("V;PST",), ("",)]
    assert reader.report.counts == {"missing_column": 1}
    named = DataConfig(
        column_names=("lemma", "tags", "form"), source_column="lemma", target_column="form", feature_columns=("tags",)
    )
    assert [pair.whole for pair in PairReader(path, None, named)] == ["lemma\tV;PST", "lemma\t"]
    with pytest.raises(DataError, match=r"data\.feature_columns must be a column number from 1"):
        PairReader(path, None, DataConfig(feature_columns=("tags",)))
    with pytest.raises(DataError, match="two parallel files were given"):
        PairReader(path, path, DataConfig(feature_columns=("3",)))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"data.feature_columns": ["2"]}, r"other columns than data\.target_column, but both name 2"),
        ({"data.feature_columns": ["3", "3"]}, "distinct"),
        (
            {"data.feature_columns": 3},
            r'data\.feature_columns: input should be a list, such as \["a", "b"\], but it is 3',
        ),
        ({"data.feature_columns": ["3"], "data.feature_separator": "\t"}, "no tab"),
        ({"data.feature_columns": ["3"], "data.feature_separator": ""}, "at least 1"),
        ({"model.feature_size": 8}, r"is for models with data\.feature_columns"),
        ({"data.feature_columns": ["3"], "model.attention_window": "local_m"}, "local_m counts .*: set .*=global"),
        ({"data.feature_columns": ["3"], "model.attention_window": "local_p"}, "local_p counts .*: set .*=global"),
        ({"data.feature_columns": ["3"], "model.attention": "location"}, "location counts .*: use another attention"),
        ({"model.feature_size": 0, "data.feature_columns": ["3"]}, "greater than or equal to 1"),
    ],
)
def test_settings_that_contradict_each_other(settings: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        build_config(settings)


def test_attention_that_counts_no_positions_goes_with_features() -> None:
    for kind in ("location_aware", "additive"):
        settings = {"data.feature_columns": ["3"], "model.attention": kind, "model.coverage": True}
        assert build_config(settings).model.attention == kind


def test_a_model_without_features_refuses_them() -> None:
    from architectures import CASES
    from tiny_model import tiny_model

    with pytest.raises(ConfigError, match=r"trained with data\.feature_columns, but this one was not"):
        tiny_model(CASES["gru-general-after"]).predict(["abc"], features=["V"])
