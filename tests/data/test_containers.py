"""Files by how they begin: unpacked whatever their names are, or refused by name with the remedy."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import random
import tarfile
import tracemalloc
import wave
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from seqweave.data import containers
from seqweave.data.readers import PairReader
from seqweave.errors import DataError

CONTENT = b"a\tb\nc\td\n"


def pairs(path: Path) -> list[tuple[str, str]]:
    return [(pair.source, pair.target) for pair in PairReader(path)]


@pytest.mark.parametrize("name", ["a.tsv", "a.gz", "a"])
@pytest.mark.parametrize(
    "pack",
    [
        bytes,
        gzip.compress,
        bz2.compress,
        lzma.compress,
        lambda content: gzip.compress(content[:4]) + gzip.compress(content[4:]),
        lambda content: lzma.compress(content[:4]) + b"\0" * 8 + lzma.compress(content[4:]),
    ],
    ids=["plain", "gzip", "bzip2", "xz", "two of gzip", "two of xz"],
)
def test_content_says_how_a_file_is_packed(tmp_path: Path, name: str, pack: Callable[[bytes], bytes]) -> None:
    (tmp_path / name).write_bytes(pack(CONTENT))
    assert pairs(tmp_path / name) == [("a", "b"), ("c", "d")]


def tar(mode: str, form: int = tarfile.USTAR_FORMAT) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode, format=form) as archive:  # type: ignore[call-overload]
        for name in ("train.tsv", "dev.tsv"):
            entry = tarfile.TarInfo(name)
            entry.size = len(CONTENT)
            archive.addfile(entry, io.BytesIO(CONTENT))
    return file.getvalue()


def old_tar() -> bytes:
    """A tar archive from before `ustar`: without its mark, with a checksum that fits."""
    content = bytearray(tar("w"))
    content[257:265] = bytes(8)
    content[148:156] = b" " * 8
    content[148:156] = b"%06o\0 " % sum(content[:512])
    return bytes(content)


def zipped(name: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, CONTENT)
    return file.getvalue()


def sound() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(8000)
        wav.writeframes(bytes(100))
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (zipped("a.tsv"), "a zip archive: unpack it"),
        (zipped("[Content_Types].xml"), "an Office file, such as .xlsx or .docx: save its table as TSV or CSV"),
        (zipped("xl/workbook.xml"), "an Excel file (.xlsx): save its table"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "an old Office file, such as .xls: save its table"),
        (tar("w"), "a tar archive: unpack it"),
        (old_tar(), "a tar archive: unpack it"),
        (tar("w:gz"), "inside of gzip it is a tar archive: unpack it and give one of its files"),
        (tar("w:xz"), "inside of xz it is a tar archive"),
        (tar("w:bz2"), "inside of bzip2 it is a tar archive"),
        (
            gzip.compress(gzip.compress(CONTENT, mtime=0), mtime=0),
            "inside of gzip it is gzip once more: unpack it once",
        ),
        (b"PAR1" + bytes(20), "Parquet: convert it, as in `python -c"),
        (pickle.dumps({"a": 1}, 2), "a pickle: write its pairs"),
        (pickle.dumps({"a": 1}, 4), "a pickle: write its pairs"),
        (sound(), "WAV audio: seqweave reads files of texts"),
        (b"\x89PNG\r\n\x1a\n" + bytes(20), "a PNG image: seqweave reads files of texts"),
        (b"%PDF-1.7\n", "a PDF: copy its text"),
        (b"\x93NUMPY\x01\0", "a NumPy array"),
        (b"SQLite format 3\0", "an SQLite database: export"),
        (b"ab\0\1\2\3\4\5" * 20, "binary: write its pairs"),
    ],
)
def test_what_is_no_text_is_refused_by_name(tmp_path: Path, content: bytes, what: str) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_bytes(content)
    with pytest.raises(DataError) as refused:
        PairReader(path)
    assert str(refused.value).startswith(f"{path}: must be text")
    assert what in str(refused.value)


@pytest.mark.slow
def test_a_bomb_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(b"\n" * 200_000))
    reader = PairReader(path)
    tracemalloc.start()
    assert list(reader) == []
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (reader.report.records, reader.report.counts) == (200_000, {"empty_line": 200_000})
    assert peak < 2_000_000


def test_xz_that_asks_for_much_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "XZ_MEMORY_BYTES", 1 << 20)
    path = tmp_path / "a.xz"
    path.write_bytes(lzma.compress(CONTENT, preset=9))
    with pytest.raises(DataError, match=r"must be a xz file, but it is damaged .*emory"):
        PairReader(path)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_damaged_file_is_refused(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    packed = pack(random.Random(1).randbytes(5000))
    path = tmp_path / "a"
    for damaged in (packed[:-9], packed[:60] + b"\xff" * 10 + packed[70:]):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"damaged .* again"), containers.opened(path) as file:
            file.read()


def test_zstd_is_read_or_refused_by_name(tmp_path: Path) -> None:
    library = containers.zstd_library()
    path = tmp_path / "a.zst"
    path.write_bytes(b"\x28\xb5\x2f\xfd" + bytes(10) if library is None else library.compress(CONTENT))
    if library is None:
        with pytest.raises(DataError, match=r"with zstd, which this Python cannot unpack: unpack it") as refusal:
            PairReader(path)
        assert "pip install backports.zstd" in str(refusal.value)
    else:
        assert pairs(path) == [("a", "b"), ("c", "d")]


def test_a_cut_file_of_zstd_is_refused(tmp_path: Path) -> None:
    if (library := containers.zstd_library()) is None:
        pytest.skip("nothing here unpacks zstd: Python 3.14 does, or backports.zstd")
    path = tmp_path / "a.zst"
    draw = random.Random(1)
    content = "".join(f"{draw.random()}\t{draw.random()}\n" for _ in range(20_000)).encode()
    packed = library.compress(content)
    path.write_bytes(packed + library.compress(CONTENT))  # of two frames
    assert len(pairs(path)) == 20_002
    for cut in (packed[: len(packed) // 2], packed[:-1]):
        path.write_bytes(cut)
        with pytest.raises(DataError, match=r"must be a zstd file, but it is damaged"):
            pairs(path)
