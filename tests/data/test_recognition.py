"""What a file is, from its content: the cases people bring, said in one line, or refused with what reads it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from seqweave.config import DataConfig, resolve_settings
from seqweave.data.columns import recorded_columns
from seqweave.data.readers import PairReader
from seqweave.errors import DataError

TEXTS = [
    ("밥 먹었어?", "네, 맛있게 먹었어요."),
    ('"괜찮아"라고 해 줘', '"괜찮아"요.'),
    ("오늘 뭐 해", "집에 있어요; 왜?"),
]


def write(path: Path, content: str) -> Path:
    path.write_bytes(content.encode())
    return path


def read(path: Path, *settings: str) -> tuple[list[tuple[str, str]], PairReader]:
    reader = PairReader(path, None, resolve_settings(settings=list(settings)).data)
    pairs = [(pair.source, pair.target) for pair in reader]
    report = reader.report
    assert report.kept == len(pairs)
    assert report.kept + report.dropped_records == report.records
    return pairs, reader


def rows(separator: str, *first: str, extra: tuple[str, ...] = ()) -> str:
    lines = [*first, *(separator.join((source, target, *extra)) for source, target in TEXTS)]
    return "".join(line + "\n" for line in lines)


def in_csv(table: list[list[str]], **options: Any) -> str:
    file = io.StringIO()
    csv.writer(file, **options).writerows(table)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.tsv", rows("\t"), "TSV"),
        (
            "a.tsv",
            rows("\t", extra=("CC-BY licence",)),
            "TSV; source from column 1, target from column 2, column 3 left out",
        ),
        (
            "a.txt",
            rows("\t", "source\ttarget"),
            "TSV, header source, target; source from source, target from target",
        ),
        (
            "a.txt",
            rows("\t", "Question\tAnswer\tlicence", extra=("by",)),
            "TSV, header Question, Answer, licence; source from Question, target from Answer, licence left out",
        ),
        ("a.txt", rows("\t", "ko\ten"), "TSV, header ko, en; source from ko, target from en"),
        (
            "a.csv",
            in_csv([["Q", "A", "label"], *[[*texts, "0"] for texts in TEXTS]]),
            "CSV, header Q, A, label; source from Q, target from A, label left out",
        ),
        ("a", in_csv([list(texts) for texts in TEXTS], quoting=csv.QUOTE_ALL), "CSV"),
        ("a.csv", in_csv([list(texts) for texts in TEXTS]), "CSV"),
        (
            "a.csv",
            in_csv([["source", "target"], *map(list, TEXTS)], delimiter=";"),
            "CSV, columns between semicolons, header source, target; source from source, target from target",
        ),
        ("a.tsv", in_csv([list(texts) for texts in TEXTS], delimiter="\t"), "TSV, cells in quotes"),
        ("a.jsonl", "\n".join(json.dumps({"source": s, "target": t}) for s, t in TEXTS), "JSON lines"),
        (
            "a",
            "\n".join(json.dumps({"id": 1, "ko": s, "en": t}) for s, t in TEXTS),
            "JSON lines; source from ko, target from en, id left out",
        ),
        (
            "a.json",
            "\n".join(json.dumps({"translation": {"en": s, "ko": t}, "id": "7"}) for s, t in TEXTS),
            "JSON lines; source from translation.en, target from translation.ko, id left out",
        ),
        ("a.json", json.dumps([{"source": s, "target": t} for s, t in TEXTS]), "JSON"),
        ("a.json", json.dumps([{"source": s, "target": t} for s, t in TEXTS], indent=1), "JSON"),
        (
            "a",
            json.dumps({"version": 1, "meta": {"n": [1, 2]}, "data": [{"question": s, "answer": t} for s, t in TEXTS]}),
            "JSON, records of 'data'; source from question, target from answer",
        ),
        (
            "a.json",
            json.dumps({"set": {"rows": [{"ko": s, "en": t} for s, t in TEXTS]}}, indent=2),
            "JSON, records of 'set.rows'; source from ko, target from en",
        ),
    ],
)
def test_each_dialect_is_recognised_and_said(tmp_path: Path, name: str, content: str, words: str) -> None:
    pairs, reader = read(write(tmp_path / name, content))
    assert pairs == TEXTS
    assert reader.dialect.words == words
    assert reader.dialects == f"{tmp_path / name}: {words}"


@pytest.mark.parametrize(
    ("separator", "named"),
    [
        (" ||| ", "' ||| '"),
        ("|", "'|'"),
        (";", "';'"),
        (" : ", "' : '"),
        ("    ", "two or more blanks"),
        ("\\t", r"'\t'"),
        (" = ", "' = '"),
    ],
)
def test_another_separator_is_named_with_the_option_that_reads_it(tmp_path: Path, separator: str, named: str) -> None:
    plain = [(source, target.replace(";", "")) for source, target in TEXTS]
    path = write(tmp_path / "a.txt", "".join(f"{source}{separator}{target}\n" for source, target in plain))
    with pytest.raises(DataError) as refused:
        read(path)
    said = str(refused.value)
    assert f"must have a tab between source and target, but all 3 lines have {named}: read it with --set " in said
    option = said.partition("--set ")[2].partition(", or")[0].strip("'")
    assert read(path, option)[0] == plain


def test_a_separator_that_stands_nowhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"must have ';' between .* all 3 lines have a tab: read it with --set .*=tab"):
        read(write(tmp_path / "a.tsv", rows("\t")), "data.delimiter=semicolon")


def test_lines_of_text_are_no_csv(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "Hello, you.\nWell, well, well.\nno\n")
    pairs, reader = read(path)
    assert (pairs, reader.report.counts) == ([], {"missing_column": 3})


def test_quotes_of_speech_are_text(tmp_path: Path) -> None:
    lines = ['"Look," she said.\t"Regarde", dit-elle.', '"Go away."\t"Va-t\'en."', 'a 3" pipe\tun tuyau de 3"']
    pairs, reader = read(write(tmp_path / "a.tsv", "\n".join(lines)))
    assert [list(pair) for pair in pairs] == [line.split("\t") for line in lines]
    assert not reader.dialect.quoting


@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_cells_over_several_lines_and_their_numbers(tmp_path: Path, delimiter: str) -> None:
    table = [["source", "target"], ['say "go"', "x"], ["two\nlines", "a\tb,c;d"], ["plain", "simple"], ["last", "\n y"]]
    pairs, reader = read(write(tmp_path / "a.csv", in_csv(table, delimiter=delimiter)))
    assert pairs == [('say "go"', "x"), ("two\nlines", "a\tb,c;d"), ("plain", "simple"), ("last", "y")]
    assert [pair.line for pair in reader] == [2, 3, 5, 6]
    assert (reader.report.records, reader.report.lines) == (4, 7)


@pytest.mark.parametrize(
    ("name", "delimiter", "first", "second"),
    [
        ("a.csv", ",", "Hello, you\nand, me", "Hallo, du\nund, ich"),
        ("a.csv", ",", "Hi", "first line\nsecond, line"),
        ("a", ",", "Hello, you\nand me", "Hallo"),
        ("a.csv", ",", "x,1\ny,2\nz,3", "label"),
        ("a.csv", ";", "Hi", "one; two\nthree; four\nfive; six"),
        ("a.csv", ",", "a, b, c\nd, e, f", "one, two, three\nfour, five, six"),
    ],
)
def test_lines_inside_of_cells_may_have_as_many_commas_as_records(
    tmp_path: Path, name: str, delimiter: str, first: str, second: str
) -> None:
    table = [["source", "target"], *[[f"{n} {first}", second] for n in range(9)]]
    pairs, reader = read(write(tmp_path / name, in_csv(table, delimiter=delimiter, lineterminator="\n")))
    assert pairs == [tuple(row) for row in table[1:]]
    assert reader.dialect.quoting


def test_quotes_of_speech_over_several_lines_are_text(tmp_path: Path) -> None:
    lines = ['"Hello.\tHallo.', 'Bye."\tTschüs.', "Yes.\tJa."] * 3
    pairs, reader = read(write(tmp_path / "a.tsv", "\n".join(lines)))
    assert len(pairs) == 9
    assert not reader.dialect.quoting
    needed = [*lines, '"a\tb"\tc', '"say ""go"""\td']  # here other records need their quotes
    assert ('"Hello.', "Hallo.") not in read(write(tmp_path / "b.tsv", "\n".join(needed)))[0]


@pytest.mark.parametrize(
    ("header", "source", "target"),
    [
        ("label,question,answer", "question", "answer"),
        ("answer,category,question", "question", "answer"),
        ("label,text,summary", "text", "summary"),
        ("label,en,de", "en", "de"),
        ("id,context,question,answer", "question", "answer"),
        ("title,instruction,input,output", "instruction", "output"),
        ("answer,reference,question", "question", "answer"),
        ("text,label", "text", "label"),
        ("label,text,category", "text", "label"),
        ("id,sentence1,sentence2,label", "sentence1", "sentence2"),
        ("score,premise,hypothesis", "premise", "hypothesis"),
        ("label,review,url", "review", "label"),
    ],
)
def test_names_of_a_header_choose_the_columns(tmp_path: Path, header: str, source: str, target: str) -> None:
    names = header.split(",")
    lines = [",".join(f"{name} {n}" for name in names) for n in range(9)]
    pairs, reader = read(write(tmp_path / "a.csv", "\n".join([header, *lines])))
    assert pairs[0] == (f"{source} 0", f"{target} 0")
    assert reader.dialect.words.startswith("CSV, header")


def test_a_quote_that_is_never_closed_drops_its_record_alone(tmp_path: Path) -> None:
    content = 'source,target\n"a","b"\n"c,d\ne,f\n"g","h ""i"""\nj,"k"l\nm,n\n'
    pairs, reader = read(write(tmp_path / "a.csv", content))
    assert pairs == [("a", "b"), ("e", "f"), ("g", 'h "i"'), ("m", "n")]
    assert {reason: (found.lines, found.text) for reason, found in reader.report.dropped.items()} == {
        "malformed_quotes": ([3, 6], '"c,d'),
    }


def test_an_open_quote_swallows_no_file(tmp_path: Path) -> None:
    content = "source,target\na,b\n" + 'c,"d\n' + "e,f\n" * 3000
    pairs, reader = read(write(tmp_path / "a.csv", content))
    assert len(pairs) == 3001
    assert reader.report.counts == {"unclosed_quote": 1}


@given(
    st.lists(
        st.lists(st.text(st.sampled_from('ab ",\n\té'), max_size=5), min_size=2, max_size=3), min_size=1, max_size=6
    ),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
@example([["\n\t", "\n\t"]], csv.QUOTE_ALL)
def test_cells_are_those_of_the_module_csv(
    tmp_path_factory: pytest.TempPathFactory, table: list[list[str]], quoting: int
) -> None:
    path = write(tmp_path_factory.mktemp("csv") / "a.csv", in_csv(table, quoting=quoting, lineterminator="\n"))
    config = DataConfig(format="csv", delimiter=",", quoting="yes", header="no", trim_ends=False)
    expected = [row for row in table if len(row) >= 2 and row[0].strip() and row[1].strip()]
    found = [[pair.source, pair.target] for pair in PairReader(path, None, config)]
    widths = [len(row) for row in table]
    if all(width == widths[0] for width in widths):
        assert found == [row[:2] for row in expected]


def test_numbers_and_booleans_are_labels(tmp_path: Path) -> None:
    values = [3, True, 0.5, "x", None, {"y": 1}, [1]]
    content = "\n".join(json.dumps({"text": "a", "label": value}) for value in values)
    pairs, reader = read(write(tmp_path / "a.jsonl", content))
    assert pairs == [("a", "3"), ("a", "true"), ("a", "0.5"), ("a", "x")]
    assert reader.report.counts == {"missing_field": 3}


def test_a_damaged_record_of_a_document_is_dropped_alone(tmp_path: Path) -> None:
    good = '{"source": "a]}\\"", "target": "b"}'
    bad = [
        '{"source": "a", "target": NaN}',
        '{"source": "a", "source": "b", "target": "c"}',
        "{1: 2}",
        '{"source" "x"}',
    ]
    content = f"[{good}, {', '.join(bad)}, 7, {{}}, {good}, {'[' * 5000 + ']' * 5000}, {good}"
    pairs, reader = read(write(tmp_path / "a.json", content))
    assert pairs == [('a]}"', "b")] * 3
    assert sum(reader.report.counts.values()) == 8
    assert reader.report.counts["repeated_field"] == 1
    assert reader.report.dropped["invalid_json"].text == '{"source": "a", "target": NaN}'


def test_a_long_record_of_a_document_is_not_held(tmp_path: Path) -> None:
    long = json.dumps({"source": "x" * 300_000, "target": 'y"]}' * 9})
    path = write(tmp_path / "a.json", f'[{{"source": "a", "target": "b"}}, {long}, {{"source": "c", "target": "d"}}]')
    pairs, reader = read(path)
    assert pairs == [("a", "b"), ("c", "d")]
    assert reader.report.dropped["line_too_long"].lines == [2]


def test_other_fields_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"uno": "a", "due": "b", "tre": "c"}\n')
    with pytest.raises(
        DataError, match=r"must have fields source and target, but its records have uno, due, tre: name"
    ):
        read(path)
    assert read(path, "data.source_column=uno", "data.target_column=tre")[0] == [("a", "c")]


@pytest.mark.parametrize(
    ("record", "options"),
    [
        ({"a": {"source": "x"}, "b": {"source": "y"}}, ["a.source", "b.source"]),
        ({"instruction": "x", "input": "y", "output": "z"}, ["instruction", "output"]),
    ],
)
def test_fields_that_could_be_either_are_not_guessed(
    tmp_path: Path, record: dict[str, Any], options: list[str]
) -> None:
    source, target = options
    with pytest.raises(DataError) as refused:
        read(write(tmp_path / "a.json", json.dumps(record)))
    assert f"--set data.source_column={source} --set data.target_column={target}" in str(refused.value)


def test_a_column_of_row_numbers_is_no_text(tmp_path: Path) -> None:
    pairs, reader = read(write(tmp_path / "a.csv", ",source,target\n0,a,b\n1,c,d\n"))
    assert pairs == [("a", "b"), ("c", "d")]
    assert reader.dialect.words == (
        "CSV, header (no name), source, target; source from source, target from target, column 1 left out"
    )


def test_a_header_can_be_asked_for_or_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", "source\ttarget\na\tb\n")
    assert read(path)[0] == [("a", "b")]
    assert read(path, "data.header=no")[0] == [("source", "target"), ("a", "b")]
    plain = write(tmp_path / "b.tsv", "mot\tword\na\tb\n")
    assert read(plain)[0] == [("mot", "word"), ("a", "b")]
    assert read(plain, "data.header=yes")[0] == [("a", "b")]
    assert read(plain, "data.source_column=word", "data.target_column=mot")[0] == [("b", "a")]
    assert read(plain, "data.source_column=2", "data.header=yes")[0] == [("b", "a")]


@pytest.mark.parametrize("first", ["it\tes", "a\tAH", "cat\tchat", "in\tout of it", "source\tsource"])
def test_words_are_no_header(tmp_path: Path, first: str) -> None:
    pairs, _ = read(write(tmp_path / "a.tsv", first + "\ncat\tgato\nox\tvaca\n"))
    assert len(pairs) == 3


def test_what_names_chose_is_recorded_for_other_files(tmp_path: Path) -> None:
    content = "id,answer,question\n" + "".join(f"{n},yes {n},why {n}\n" for n in range(3))
    pairs, reader = read(write(tmp_path / "a.csv", content))
    assert pairs[0] == ("why 0", "yes 0")
    recorded = recorded_columns(reader.dialect, reader.config)
    assert recorded == {"data.source_column": "question", "data.target_column": "answer"}
    settings = [f"{key}={value}" for key, value in recorded.items()]
    assert read(write(tmp_path / "b.tsv", "why\tyes\n"), *settings)[0] == [("why", "yes")]
    with pytest.raises(DataError, match=r"data\.source_column must be a column number from 1, but it is 'question'"):
        read(write(tmp_path / "c.tsv", "why\tyes\tx\n"), *settings)


def test_examples_of_what_is_dropped_take_bounded_memory(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", "a\tb\n" * 100 + ("x" * 500 + "\n") * 90)
    _, reader = read(path)
    dropped = reader.report.dropped["missing_column"]
    assert (dropped.count, dropped.lines, len(dropped.text)) == (90, list(range(101, 111)), 120)
