"""Files by how they begin: what is unpacked on the way, and what is no text at all and refused with a remedy.

Only content counts, never a name: `a.tsv` may be gzip and `a.gz` plain text. Nothing is held but a buffer, so a small
file that unpacks to gigabytes is read like any other stream.
"""

from __future__ import annotations

import bz2
import gzip
import importlib
import io
import lzma
import stat
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from seqweave.data.dialect import Container
from seqweave.errors import DataError

HEAD_BYTES = 1 << 10
XZ_MEMORY_BYTES = 1 << 27  # `xz -9` needs half of it
_BLOCK_BYTES = 1 << 16
_PACKED: dict[bytes, Container] = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
}
_SAVE = "save its table as TSV or CSV first (in UTF-8)"
_UNPACK = "unpack it and give one of its files"
_PYTHON = "write its pairs as TSV or JSON lines with the program that made it"
_FRAMES = "seqweave reads files of texts; there is no reader of sounds or images yet"
FOREIGN: dict[bytes, tuple[str, str]] = {  # how it begins: what it is, and what to do
    b"PK\x03\x04": ("a zip archive", _UNPACK),
    b"PK\x05\x06": ("an empty zip archive", _UNPACK),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", _UNPACK),
    b"Rar!\x1a\x07": ("a RAR archive", _UNPACK),
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": ("an old Office file, such as .xls", _SAVE),
    b"PAR1": ("Parquet", 'convert it, as in `python -c "import pandas; pandas.read_parquet(\'FILE\')'
                         ".to_json('pairs.jsonl', orient='records', lines=True)\"`"),
    b"ARROW1": ("Arrow", _PYTHON),
    b"ORC": ("ORC", _PYTHON),
    b"Obj\x01": ("Avro", _PYTHON),
    b"\x93NUMPY": ("a NumPy array", _PYTHON),
    b"\x89HDF": ("HDF5", _PYTHON),
    b"SQLite format 3\0": ("an SQLite database", "export its table as CSV, as in `sqlite3 -csv -header FILE`"),
    b"\x89PNG\r\n": ("a PNG image", _FRAMES),
    b"\xff\xd8\xff": ("a JPEG image", _FRAMES),
    b"GIF8": ("a GIF image", _FRAMES),
    b"OggS": ("Ogg audio", _FRAMES),
    b"fLaC": ("FLAC audio", _FRAMES),
    b"ID3": ("MP3 audio", _FRAMES),
    b"%PDF-": ("a PDF", "copy its text into a TSV file first"),
    b"{\\rtf": ("rich text (RTF)", "save it as plain text in UTF-8"),
    b"\x7fELF": ("a program", "name a file of texts"),
}  # fmt: skip
_ZIPS = {  # names of files inside a zip archive: what it is, and what to do
    b"[Content_Types].xml": ("an Office file, such as .xlsx or .docx", _SAVE),
    b"xl/": ("an Excel file (.xlsx)", _SAVE),
    b"word/": ("a Word file (.docx)", "save it as plain text in UTF-8"),
    b"mimetypeapplication/vnd.oasis": ("a LibreOffice file", _SAVE),
    b".npy": ("NumPy arrays (.npz)", _PYTHON),
    b"data.pkl": ("a PyTorch file", _PYTHON),
}
# Of one interface. The library `zstandard` is not among them: it takes a file that was cut for a whole one.
_ZSTD_MODULES = ("compression.zstd", "backports.zstd")


def container_of(head: bytes) -> Container:
    """What a file is packed in, by its first bytes."""
    return next((name for begin, name in _PACKED.items() if head.startswith(begin)), "plain")


def foreign(head: bytes) -> tuple[str, str] | None:
    """What a file is that is no text, with the remedy, by its first `HEAD_BYTES`; None: it may be text."""
    if head[257:262] == b"ustar" or _is_old_tar(head):
        return "a tar archive", _UNPACK
    if head.startswith(b"RIFF") and head[8:12] in (b"WAVE", b"AVI ", b"WEBP"):
        return {b"WAVE": "WAV audio", b"WEBP": "a WebP image"}.get(head[8:12], "a video"), _FRAMES
    if head[4:8] == b"ftyp":
        return "a video or MP4 audio", _FRAMES
    if len(head) > 2 and head[0] == 0x80 and head[1] in range(2, 6):
        return "a pickle", f"{_PYTHON}; a pickle is never opened, because it can run any code"
    for begin, found in FOREIGN.items():
        if head.startswith(begin):
            inside = (known for name, known in _ZIPS.items() if begin == b"PK\x03\x04" and name in head)
            return next(inside, found)
    return None


@contextmanager
def opened(path: Path, container: Container | None = None) -> Iterator[BinaryIO]:
    """Open a file, unpacked; whatever goes wrong until it is closed becomes a `DataError`.

    Args:
        path: the file.
        container: what it is packed in; None: what its first bytes say.

    Raises:
        DataError: when it is missing, unreadable, damaged, or packed with what cannot be unpacked here.
    """
    packed = container
    try:
        with ExitStack() as stack:
            file = cast(BinaryIO, stack.enter_context(path.open("rb")))
            packed = container or container_of(_head(file))
            yield file if packed == "plain" else stack.enter_context(_unpacked(file, packed, path))
    except (gzip.BadGzipFile, EOFError, zlib.error, lzma.LZMAError) as error:
        raise _damaged(path, packed, error) from None
    except OSError as error:
        if error.errno is None and packed not in (None, "plain"):  # by bz2, which has no error of its own
            raise _damaged(path, packed, error) from None
        raise unreadable(path, error) from None
    except Exception as error:  # each library of zstd has its own
        if type(error).__name__ != "ZstdError":
            raise
        raise _damaged(path, packed, error) from None


def is_regular(path: Path) -> bool:
    """Whether a path is that of a regular file; a pipe and a device are none.

    Raises:
        DataError: when it is missing, or a folder.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
        raise unreadable(path, error) from None
    if stat.S_ISDIR(mode):
        raise DataError("must be a file, but it is a folder; name a file in it", path)
    return stat.S_ISREG(mode)


def check_file(path: Path) -> None:
    """Refuse a path which cannot be read again and again as a file of text.

    Raises:
        DataError: when it is missing, a folder, a pipe or a device, may not be read, or is, also inside of what it is
            packed in, a kind of file that holds no text (`foreign`).
    """
    if not is_regular(path):
        raise DataError("must be a regular file, because it is read more than once; save it as a file first", path)
    with opened(path, "plain") as file:
        head = file.read(HEAD_BYTES)
    packed = container_of(head)
    if found := foreign(head):
        raise DataError(f"must be text, but it is {found[0]}: {found[1]}", path)
    if packed == "plain":
        return
    with opened(path, packed) as file:
        head = file.read(HEAD_BYTES)
    found = foreign(head)
    if found is None and (inner := container_of(head)) != "plain":
        found = f"{inner} once more", "unpack it once"
    if found:
        raise DataError(f"must be text, plain or compressed, but inside of {packed} it is {found[0]}: {found[1]}", path)


def zstd_library() -> Any:
    """What unpacks zstd: the standard library of Python 3.14, or what brings it to earlier ones; None: nothing."""
    for name in _ZSTD_MODULES:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None


def unreadable(path: Path, error: OSError | ValueError) -> DataError:
    """What to say of a file that cannot be opened or read."""
    if isinstance(error, FileNotFoundError):
        return DataError("must be a file, but there is no such file; check the path", path)
    why = getattr(error, "strerror", None) or error
    return DataError(f"cannot be read ({why}); check the path and its permissions", path)


def _head(file: BinaryIO) -> bytes:
    head = file.read(HEAD_BYTES)
    file.seek(0)
    return head


def _unpacked(file: BinaryIO, container: Container, path: Path) -> BinaryIO:
    if container == "gzip":
        return cast(BinaryIO, gzip.GzipFile(fileobj=file))
    if container == "bzip2":
        return cast(BinaryIO, bz2.BZ2File(file))
    return cast(BinaryIO, io.BufferedReader(_Xz(file))) if container == "xz" else _unpacked_zstd(file, path)


class _Xz(io.RawIOBase):
    """What `lzma.LZMAFile` reads, with a bound on memory, which a file asks for in its header."""

    def __init__(self, file: BinaryIO):
        self._file = file
        self._unpacker = lzma.LZMADecompressor(memlimit=XZ_MEMORY_BYTES)

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, of several streams one after the other.

        Raises:
            EOFError: when the file ends inside of a stream.
            lzma.LZMAError: when it is damaged, or needs more memory than `XZ_MEMORY_BYTES`.
        """
        view = memoryview(buffer).cast("B")
        while True:
            more = b""
            if self._unpacker.eof:
                more = self._unpacker.unused_data.lstrip(b"\0")  # padding
                while not more:
                    block = self._file.read(_BLOCK_BYTES)
                    if not block:
                        return 0
                    more = block.lstrip(b"\0")
                self._unpacker = lzma.LZMADecompressor(memlimit=XZ_MEMORY_BYTES)
            elif self._unpacker.needs_input:
                more = self._file.read(_BLOCK_BYTES)
                if not more:
                    raise EOFError("it ends before its end-of-stream marker")
            if content := self._unpacker.decompress(more, len(view)):
                view[: len(content)] = content
                return len(content)


def _unpacked_zstd(file: BinaryIO, path: Path) -> BinaryIO:
    """Through `zstd_library`, which refuses a file that was cut, as those of the other containers do."""
    if (library := zstd_library()) is not None:
        return cast(BinaryIO, library.open(file, "rb"))
    raise DataError(
        "is compressed with zstd, which this Python cannot unpack: unpack it, as in `zstd -d FILE`, or install the "
        "library with `pip install backports.zstd`",
        path,
    )


def _damaged(path: Path, container: Container | None, error: Exception) -> DataError:
    return DataError(f"must be a {container} file, but it is damaged ({error}); download or compress it again", path)


def _is_old_tar(head: bytes) -> bool:
    """A tar archive from before `ustar`: a name with NUL bytes behind it, and a checksum that fits."""
    if len(head) < 512 or head[0] == 0 or 0 not in head[:100]:
        return False
    try:
        said = int(head[148:156].strip(b" \0") or b"-", 8)
    except ValueError:
        return False
    return said == sum(head[:148]) + 8 * 32 + sum(head[156:512])
