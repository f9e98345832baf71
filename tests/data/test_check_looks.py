"""What `check` says of a file: dropped kinds with commands that mend them, what is over-long, what looks wrong."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import pytest

from quick import slow
from seqweave.cli.main import main
from seqweave.config import DataConfig, resolve_settings
from seqweave.data.check import Concern, DataCheck, check_data
from seqweave.data.check.reasons import left_out
from seqweave.data.formats.report import DropReason
from seqweave.training.run import train

PLAIN = [("cat", "Katze"), ("dog", "Hund"), ("cow", "Kuh"), ("hen", "Huhn"), ("pig", "Schwein")]


def write(path: Path, rows: Sequence[tuple[str, ...]]) -> Path:
    path.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
    return path


def concern(found: DataCheck, kind: str) -> Concern:
    assert kind in [one.kind for one in found.concerns], found.concerns
    return next(one for one in found.concerns if one.kind == kind)


def commands(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def run_remedy(remedy: str, folder: Path) -> None:
    """Run the commands of a remedy in a folder: ours in this process, others in a shell."""
    for command in commands(remedy):
        words = shlex.split(command)
        if words[0] == "seqweave":
            assert main(words[1:]) == 0, command
        else:
            subprocess.run(["sh", "-c", command], check=True, cwd=folder)


def test_a_clean_file_concerns_nobody(tmp_path: Path) -> None:
    found = check_data(write(tmp_path / "a.tsv", PLAIN))
    assert (found.concerns, found.over_long, found.reasons, found.ok) == ([], {}, {}, True)
    assert found.units["source"]["units"] == "char"
    assert found.dialect == "TSV"


def test_every_reason_has_words_and_a_command_that_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.tsv", [*PLAIN, ("no tab",), ("", "x"), ("x", ""), ("nul\0", "x"), ("x" * 200_000, "y")])
    found = check_data("a.tsv")
    assert {reason: (one.count, one.lines) for reason, one in found.reasons.items()} == {
        "missing_column": (1, [6]),
        "empty_source": (1, [7]),
        "empty_target": (1, [8]),
        "nul_character": (1, [9]),
        "line_too_long": (1, [10]),
    }
    assert found.reasons["missing_column"].example == "no tab"
    assert "data.max_line_bytes=1000000" in found.reasons["line_too_long"].remedy
    for one in found.reasons.values():
        assert one.words
        for command in commands(one.remedy):
            if command.startswith("seqweave"):
                settings = re.findall(r"--set (\S+)", command)
                resolve_settings(settings=settings)
    run_remedy(f"`{commands(found.reasons['missing_column'].remedy)[-1]}`", tmp_path)
    clean = [(tmp_path / "parts" / f"{name}.tsv").read_text(encoding="utf-8") for name in ("train", "dev", "test")]
    assert sorted("".join(clean).splitlines()) == sorted("\t".join(row) for row in PLAIN)


def test_no_reason_was_forgotten(tmp_path: Path) -> None:
    from seqweave.data.check.place import Place
    from seqweave.data.formats.report import Dropped
    from seqweave.data.readers import PairReader

    reader = PairReader(write(tmp_path / "a.tsv", PLAIN))
    for reason in get_args(DropReason):
        found = left_out(Place(reader, DataConfig()), reason, Dropped(1, [1], "text"))
        assert found.words
        assert commands(found.remedy), reason


@pytest.mark.parametrize(
    ("line", "setting"),
    [("a ||| b", 'data.delimiter=" ||| "'), ("a;b", "data.delimiter=;"), ("a\\tb", "data.delimiter=backslash-t")],
)
def test_another_separator_is_named(tmp_path: Path, line: str, setting: str) -> None:
    found = check_data(write(tmp_path / "a.tsv", [*PLAIN, (line,)]))
    assert shlex.quote(setting) in found.reasons["missing_column"].remedy
    assert resolve_settings(settings=[setting]).data.delimiter
    short = check_data(write(tmp_path / "b.tsv", [*PLAIN[:1], *[(line,)] * 3]))
    assert "3 of 4 records" in concern(short, "wrong_separator").words


def test_a_file_of_single_columns_may_be_one_side_of_two(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", [(f"line {n}",) for n in range(20)])
    found = check_data(path)
    meant = f"give both: `seqweave check {path} TARGETS`"
    assert found.reasons["missing_column"].remedy.endswith(meant)
    assert found.concerns == []


def test_both_sides_of_parallel_files_are_described(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.txt").write_bytes(b"a\nb\n")
    (tmp_path / "b.txt").write_bytes(b"x\ry\r")
    assert main(["check", str(tmp_path / "a.txt"), str(tmp_path / "b.txt")]) == 0
    assert f"{tmp_path / 'b.txt'}: lines of text, lines end with CR alone" in capsys.readouterr().out.split("\n")


@pytest.mark.parametrize("value", ["NaN", "-Infinity", "1e999"])
def test_what_is_no_number_of_json_is_said(tmp_path: Path, value: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(f'{{"source": "a", "target": {value}}}\n{{"source": "b", "target": 1e3}}\n')
    found = check_data(path)
    assert found.dropped == {"invalid_json": [1]}
    assert "NaN or infinity" in found.reasons["invalid_json"].words


def test_fields_of_json_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    records = [*({"source": "a", "target": "b"} for _ in range(9)), {"pair": {"en": "x", "ko": "y"}, "n": [1]}]
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    remedy = check_data(path).reasons["missing_field"].remedy
    assert "its fields are pair.en, pair.ko" in remedy
    assert "data.source_column=pair.en" in remedy


def test_memory_does_not_grow_with_what_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_bytes(b"\n" * 100_000)
    found = check_data(path)
    (left_out_lines,) = found.dropped.values()
    (one,) = found.reasons.values()
    assert len(left_out_lines) == 10
    assert one.count + found.kept == found.records == 100_000


@pytest.mark.parametrize("units", [slow("char"), slow("byte"), slow("space"), slow("word"), "subword", None])
def test_check_and_train_agree_about_over_long_texts(tmp_path: Path, units: str | None) -> None:
    words = [f"word{number % 7} and{number}" for number in range(24)]
    rows = [(" ".join(words[: 1 + number]), " ".join(words[: 24 - number])) for number in range(24)]
    path = write(tmp_path / "a.tsv", [*rows, *((f"short {number}", "x") for number in range(26))])
    settings: dict[str, object] = {"data.max_source_length": 12, "data.max_target_length": 14}
    if units:
        settings |= {"data.source.units": units, "data.target.units": units}
    config = resolve_settings(settings=settings).data
    found = check_data(path, config=config)
    quick = {"training.max_steps": 1, "model.encoder_hidden_size": 2, "model.decoder_hidden_size": 2}
    train(path, tmp_path / "model", settings={**settings, **quick, "model.embedding_size": 2}, device="cpu")
    facts = json.loads((tmp_path / "model" / "run.json").read_text(encoding="utf-8"))["facts"]
    held_out = {
        reason: int(match[1]) if (match := re.search(r"and (\d+) of these", one.words)) else 0
        for reason, one in found.over_long.items()
    }
    left = {reason: one.count - held_out[reason] for reason, one in found.over_long.items()}
    assert {reason: number for reason, number in left.items() if number} == facts["over_long"] != {}
    assert found.units["source"]["units"] == facts["source_units"]
    assert not found.ok
    assert "data.max_source_length=12" in found.over_long["source_too_long"].words
    assert f"(units: {facts['source_units']})" in found.over_long["source_too_long"].words


def test_a_header_that_is_read_as_a_pair(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", [("source", "target"), *PLAIN])
    assert "header" not in [one.kind for one in check_data(path).concerns]
    found = concern(check_data(path, config=DataConfig(header="no")), "header")
    assert (found.lines, found.example) == ([1], "source\ttarget")
    assert "data.header=yes" in found.remedy
    rows = [("source", "target"), *PLAIN * 60, ("source", "target"), *PLAIN]
    assert concern(check_data(write(path, rows)), "header").lines == [302]


def test_cells_in_quotes(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", [*PLAIN, ('"a ""b"""', '"c"')])
    found = concern(check_data(path, config=DataConfig(quoting="no")), "quoted_cells")
    assert found.lines == [6]
    assert "data.quoting=yes" in found.remedy
    kinds = [one.kind for one in check_data(path, config=DataConfig(quoting="yes")).concerns]
    assert "quoted_cells" not in kinds


@pytest.mark.parametrize("sign", ["\u200b", "\u00ad", "\ufeff", "\u202e", "\x1b", "\u2060"])
def test_invisible_characters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sign: str) -> None:
    monkeypatch.chdir(tmp_path)
    found = concern(check_data(write(Path("a.tsv"), [*PLAIN, (f"a{sign}b", "x")])), "invisible_characters")
    assert (found.lines, found.count) == ([6], 1)
    assert f"U+{ord(sign):04X}" in found.words
    run_remedy(found.remedy, tmp_path)
    assert Path("mended.tsv").read_text(encoding="utf-8").endswith("pig\tSchwein\nab\tx\n")
    Path("a.jsonl").write_text("".join(json.dumps({"source": f"a{sign}{n}", "target": "b"}) + "\n" for n in range(5)))
    run_remedy(concern(check_data(Path("a.jsonl")), "invisible_characters").remedy, tmp_path)
    assert [json.loads(line)["source"] for line in Path("mended.jsonl").read_text().splitlines()] == [
        f"a{n}" for n in range(5)
    ]
    for harmless in ("می‌خواهم", "👩‍💻", "e\u0301"):  # joiners have a meaning
        assert check_data(write(Path("a.tsv"), [*PLAIN, (harmless, "x")])).concerns == []


def test_html_entities(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = concern(
        check_data(write(Path("a.tsv"), [*PLAIN, ("a &amp; b", "x &#39;y"), ("R&D", "&c;")])), "html_entities"
    )
    assert found.lines == [6]
    run_remedy(found.remedy, tmp_path)
    assert Path("mended.tsv").read_text(encoding="utf-8").splitlines()[5:] == ["a & b\tx 'y", "R&D\t&c;"]


def test_sources_with_tabs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    records = [{"source": source, "target": target} for source, target in [*PLAIN, ("a\tb", "x")]]
    Path("a.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    found = concern(check_data("a.jsonl"), "tabs_in_sources")
    assert found.lines == [6]
    run_remedy(found.remedy, tmp_path)
    assert check_data("mended.jsonl").concerns == []


def test_sources_equal_to_their_targets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = concern(check_data(write(Path("a.tsv"), [*PLAIN, ("same", "same")])), "source_equals_target")
    assert found.lines == [6]
    run_remedy(found.remedy, tmp_path)
    assert Path("mended.tsv").read_text(encoding="utf-8").count("\n") == 5


KOREAN = [("고양이", "cat"), ("개", "dog"), ("소", "cow"), ("닭", "hen"), ("돼지", "pig"), ("새", "bird")]


def test_swapped_columns_by_their_scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = concern(check_data(write(Path("a.tsv"), [*KOREAN, ("fish", "물고기")])), "swapped_columns")
    assert (found.lines, found.count) == ([7], 1)
    run_remedy(found.remedy, tmp_path)
    assert Path("mended.tsv").read_text(encoding="utf-8").splitlines()[6] == "물고기\tfish"
    write(Path("dev.tsv"), [(target, source) for source, target in KOREAN])
    write(Path("a.tsv"), KOREAN)
    found = concern(check_data("a.tsv", splits={"dev": Path("dev.tsv")}), "swapped_columns")
    assert "dev looks as if its columns were swapped" in found.words
    run_remedy(found.remedy, tmp_path)
    assert Path("mended.tsv").read_text(encoding="utf-8") == Path("a.tsv").read_text(encoding="utf-8")
    assert check_data(write(Path("b.tsv"), [*KOREAN, ("K-pop", "K-pop music"), ("10", "십")])).concerns == []


def test_labels_before_texts(tmp_path: Path) -> None:
    rows = [(("good", "bad")[number % 2], f"review {number} of it") for number in range(40)]
    found = concern(check_data(write(tmp_path / "a.tsv", rows)), "swapped_columns")
    assert "2 distinct sources for 40 distinct targets" in found.words
    assert "--set data.source_column=2 --set data.target_column=1" in found.remedy
    assert not [one for one in check_data(write(tmp_path / "b.tsv", [row[::-1] for row in rows])).concerns]


def test_paths_to_sounds_and_images_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "a.wav").touch()
    rows = [("clips/a.wav", "hello"), ("clips/b.wav", "gone"), ("see c.png", "text"), *PLAIN]
    found = concern(check_data(write(tmp_path / "a.tsv", rows)), "media_paths")
    assert (found.lines, found.count) == ([1], 1)
    assert "the words that were spoken or shown" in found.remedy


def test_what_files_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    dev = write(Path("dev.tsv"), [("cat ", "Kater"), ("new", "neu")])
    found = concern(check_data(write(Path("a.tsv"), PLAIN), splits={"dev": dev}), "overlap")
    assert "1 pair of dev (50.0%)" in found.words
    run_remedy(found.remedy, tmp_path)
    files = {name: Path("parts") / f"{name}.tsv" for name in ("dev", "test")}
    assert check_data("parts/train.tsv", splits=files).leakage[0].pairs == 0


@pytest.mark.parametrize(
    ("rows", "said"), [(PLAIN[:1], "1 distinct source:"), ([*PLAIN[:3], ("cat", "Kater")], "3 dis")]
)
def test_too_few_sources_for_a_dev_split(tmp_path: Path, rows: Sequence[tuple[str, ...]], said: str) -> None:
    assert said in concern(check_data(write(tmp_path / "a.tsv", rows)), "too_few_sources").words


def test_targets_that_are_all_the_same(tmp_path: Path) -> None:
    rows = [(str(number), "yes") for number in range(40)]
    found = concern(check_data(write(tmp_path / "a.tsv", rows)), "one_target")
    assert (found.count, found.remedy) == (0, "give other data")  # there is no third column
    more = [(*row, f"n{row[0]}") for row in rows]
    assert "`seqweave check" in (remedy := concern(check_data(write(tmp_path / "b.tsv", more)), "one_target").remedy)
    assert "--set data.target_column=3`" in remedy


def test_nothing_raw_reaches_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [("a\x1b[31mb", "x\x07y"), ("no tab \x1b]0;title\x07",), *PLAIN]
    assert main(["check", str(write(tmp_path / "a.tsv", rows))]) == 1
    shown = capsys.readouterr().out
    assert "\\x1b[31m" in shown
    assert "\x1b" not in shown
    assert "\x07" not in shown
