"""Encodings: UTF-16 and UTF-32 are read, others named with the option that reads them; line ends."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from seqweave.config import DataConfig, resolve_settings
from seqweave.data.encodings import guessed_encoding, wide_without_mark
from seqweave.data.pipes import transcoded
from seqweave.data.readers import PairReader
from seqweave.errors import ConfigError, DataError

KOREAN = [("밥 먹었어?", "네, 맛있게 먹었어요."), ("가", "각"), ("오늘 뭐 해", "집에 있어요.")]
FRENCH = [("café", "CAFÉ"), ("hello", "HELLO"), ("naïve", "NAÏVE"), ("déjà vu", "DÉJÀ VU")]
JAPANESE = [("今日は", "Hello"), ("猫が好きです", "I like cats"), ("これは何ですか", "What is this")]


def write(path: Path, rows: list[tuple[str, str]], encoding: str, end: str = "\n") -> Path:
    path.write_bytes("".join(f"{source}\t{target}{end}" for source, target in rows).encode(encoding))
    return path


def pairs(path: Path, config: DataConfig | None = None) -> list[tuple[str, str]]:
    return [(pair.source, pair.target) for pair in PairReader(path, None, config or DataConfig())]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\r\r\n"])
@pytest.mark.parametrize("rows", [KOREAN, FRENCH], ids=["korean", "french"])
def test_unicode_is_recognised_with_any_line_end(
    tmp_path: Path, encoding: str, end: str, rows: list[tuple[str, str]]
) -> None:
    assert pairs(write(tmp_path / "a.txt", rows, encoding, end)) == rows


@pytest.mark.parametrize(
    ("rows", "encoding", "named"),
    [
        (KOREAN, "cp949", "CP949 (Korean of Windows, EUC-KR)"),
        (KOREAN, "euc_kr", "CP949 (Korean of Windows, EUC-KR)"),
        (FRENCH, "latin-1", "Latin-1 (Windows-1252)"),
        (JAPANESE, "shift_jis", "Shift-JIS (CP932)"),
        (JAPANESE, "euc_jp", "euc_jp"),
        ([("我喜欢猫", "I like cats"), ("你叫什么名字", "What is your name")], "gb18030", "gb18030"),
        ([("Привет мир", "Hello world"), ("Как дела", "How are you")], "cp1251", "cp1251"),
    ],
)
def test_another_encoding_is_named_with_the_option_that_reads_it(
    tmp_path: Path, rows: list[tuple[str, str]], encoding: str, named: str
) -> None:
    pytest.importorskip("charset_normalizer")
    path = write(tmp_path / "a.tsv", rows, encoding)
    with pytest.raises(DataError) as refused:
        PairReader(path)
    said = str(refused.value)
    assert f"must be UTF-8, but it looks like {named}, in which a line reads {rows[0][0]!r}"[:-1] in said
    option = said.partition("--set ")[2].partition(",")[0]
    assert pairs(path, resolve_settings(settings=[option]).data) == rows


def test_an_encoding_is_for_files_that_are_not_utf8(tmp_path: Path) -> None:
    config = DataConfig(encoding="cp949")
    assert pairs(write(tmp_path / "a.tsv", KOREAN, "utf-8"), config) == KOREAN
    assert pairs(write(tmp_path / "b.tsv", KOREAN, "utf-16"), config) == KOREAN
    assert "CP949" in PairReader(write(tmp_path / "c.tsv", KOREAN, "cp949"), None, config).dialect.words


def test_a_byte_outside_the_encoding_drops_its_line(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", KOREAN, "cp949")
    path.write_bytes(path.read_bytes() + b"a\xff\tb\n")
    reader = PairReader(path, None, DataConfig(encoding="cp949"))
    assert [(pair.source, pair.target) for pair in reader] == KOREAN
    assert reader.report.counts == {"invalid_encoding": 1}


def test_a_few_wrong_lines_are_dropped_not_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", FRENCH, "utf-8")
    path.write_bytes(path.read_bytes() + b"caf\xe9\tCAF\xc9\n")
    reader = PairReader(path)
    assert [(pair.source, pair.target) for pair in reader] == FRENCH
    assert reader.report.dropped["invalid_encoding"].lines == [5]
    assert reader.report.dropped["invalid_encoding"].text == "caf\ufffd\tCAF\ufffd"


@pytest.mark.parametrize(
    "name",
    ["rot13", "utf-7", "punycode", "base64", "no-such", "cp037", "idna", "raw_unicode_escape", "unicode_escape", "hex"],
)
def test_what_is_no_encoding_of_text_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"data\.encoding: input should be an encoding that Python knows"):
        resolve_settings(settings=[f"data.encoding={name}"])
    with pytest.raises(DataError, match=r"--encoding must be one that Python knows"):
        list(transcoded(iter([b"a"]), name, Path("a")))


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize(
    "text", ["cat", "\u732b\u5728\u8fd9\u91cc\n\u72d7\n", "\uace0\uc591\uc774\uac00 \uac04\ub2e4\n\uac1c\n"]
)
def test_wide_text_without_a_mark_in_a_few_bytes(encoding: str, text: str) -> None:
    assert wide_without_mark(text.encode(encoding), whole=True) == encoding
    assert wide_without_mark(text.encode(), whole=True) is None


@pytest.mark.parametrize(
    ("lines", "encoding"),
    [
        (["caf\u00e9", "\u00e0 la carte", "o\u00f9"], "cp1252"),
        (["sch\u00f6n", "gr\u00fc\u00dfe"], "cp1252"),
        (["ma\u00f1ana", "\u00bfqu\u00e9?"], "cp1252"),
        (["\u043f\u0440\u0438\u0432\u0435\u0442", "\u043a\u0430\u043a \u0434\u0435\u043b\u0430"], "cp1251"),
        (["\u03ba\u03b1\u03bb\u03b7\u03bc\u03ad\u03c1\u03b1"], "cp1253"),
        (["\uc548\ub155", "\uc798 \uac00"], "cp949"),
        (["\u3053\u3093\u306b\u3061\u306f", "\u732b\u3067\u3059"], "cp932"),
    ],
)
def test_a_few_short_lines_are_enough_to_guess(lines: list[str], encoding: str) -> None:
    assert guessed_encoding("\n".join(lines).encode(encoding)) == encoding


def test_the_library_is_not_loaded_for_utf8(tmp_path: Path) -> None:
    sys.modules.pop("charset_normalizer", None)
    pairs(write(tmp_path / "a.tsv", KOREAN, "utf-8"))
    assert "charset_normalizer" not in sys.modules


def test_byte_order_marks_of_joined_files_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_bytes(b"\xef\xbb\xbfa\tb\n\xef\xbb\xbfc\t\xef\xbb\xbfd\n")
    assert pairs(path) == [("a", "b"), ("c", "d")]
