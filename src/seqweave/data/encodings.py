"""Which encoding a file is in, and its text as a stream of UTF-8 lines that end with the newline byte.

UTF-8 and UTF-16 or UTF-32 are told from the content. An encoding that only a person can be sure of (CP949, Latin-1,
Shift-JIS) is guessed with charset-normalizer, named in the refusal with a line as it would read, and never taken
without having been asked for.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from seqweave.data.containers import opened
from seqweave.data.dialect import Container, LineEnds
from seqweave.errors import DataError
from seqweave.wording import visible

_BLOCK_BYTES = 1 << 16
MARKS = {
    b"\xff\xfe\0\0": "utf-32",
    b"\0\0\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
"""Byte order marks of what is not UTF-8, the longer ones first."""
# In the order of preference where several fit as well: those of the most files first.
_CANDIDATES = [
    "cp949", "cp932", "gb18030", "big5", "euc_jp", "cp1252", "cp1251", "koi8_r", "cp1250", "cp1253", "cp1254",
    "cp1255", "cp1256", "cp874",
]  # fmt: skip
# Letters that most texts of a language have, how much their share weighs, and an encoding that has only common ones.
_COMMON = {
    "cp949": (re.compile("[\uac00-\ud7a3]"), 1.0),
    "cp932": (re.compile("[\u3041-\u30fe]"), 2.0),
    "euc_jp": (re.compile("[\u3041-\u30fe]"), 2.0),
    "gb18030": (re.compile("[\u4e00-\u9fff]"), 0.9),
    "big5": (re.compile("[\u4e00-\u9fff]"), 0.9),
    "cp1252": (
        re.compile(
            "[\u00c0-\u00cf\u00d1-\u00d6\u00d9-\u00dc\u00df-\u00ef\u00f1-\u00f6\u00f9-\u00fc\u0153\u00a1\u00bf]"
        ),
        0.6,
    ),
    "cp1250": (re.compile("[^\\W\\d_]"), 0.6),
    "cp1254": (re.compile("[^\\W\\d_]"), 0.6),
    "cp1251": (re.compile("[\u0430-\u044f]"), 1.0),
    "koi8_r": (re.compile("[\u0430-\u044f]"), 1.0),
    "cp1253": (re.compile("[\u03ac-\u03ce]"), 1.0),
    "cp1255": (re.compile("[\u05d0-\u05ea]"), 1.0),
    "cp1256": (re.compile("[\u0621-\u064a]"), 1.0),
}
_COMMON_SETS = {"cp949": "euc_kr", "cp932": "cp932", "euc_jp": "euc_jp", "gb18030": "gb2312", "big5": "big5"}
_LATIN = ("cp1250", "cp1252", "cp1254")  # whose letters stand among those of ASCII, as others' do not
_COMMON_ROWS = {"gb2312": 0xD7, "big5": 0xC6}  # the characters behind this first byte are rare ones
_TWO_BYTES = "utf-8"  # letters of alphabets have two there
_NAMES = {
    "cp949": "CP949 (Korean of Windows, EUC-KR)",
    "cp932": "Shift-JIS (CP932)",
    "cp1252": "Latin-1 (Windows-1252)",
}
_GUESSED_LINES = 2000
_CLOSE = 0.2  # of the library's measure of mess: no difference
_ALIKE = 0.15  # of what fits: no difference
_LOOKED_AT_BYTES = 4096
_LEAST_BYTES = 64  # fewer are too few to call binary
_MOST_CONTROLS = 0.1  # of the bytes; text has nearly none
_PRINTABLE = 0.97
_SHOWN_CHARACTERS = 60


def recognized_encoding(head: bytes, whole: bool, asked: str | None, path: Path) -> str:
    """The encoding of a file by its first bytes.

    Args:
        head: the beginning, unpacked.
        whole: whether that is all of it.
        asked: `data.encoding`, for what is not UTF-8 or UTF-16.
        path: names the file in errors.

    Raises:
        DataError: when it is binary, or most of what is not ASCII is not UTF-8 either; names the likely encoding.
    """
    for mark, encoding in MARKS.items():
        if head.startswith(mark):
            return encoding
    if wide := wide_without_mark(head, whole):
        return wide
    lines = re.split(rb"[\r\n]+", head)
    if not whole and len(lines) > 1:
        lines.pop()  # cut, perhaps inside of a letter
    strange = [line for line in lines if not line.isascii()]
    wrong = [line for line in strange if not _is_utf8(line)]
    if len(wrong) <= len(strange) - len(wrong):
        _check_text(head, path)
        return "utf-8"
    if asked is not None:
        return asked
    _check_text(head, path)
    raise _other_encoding(wrong, path)


def recognized_line_ends(head: bytes) -> LineEnds:
    """How lines end, by the first bytes in UTF-8."""
    newlines, returns = head.count(b"\n"), head.count(b"\r")
    if not newlines:
        return "cr" if returns else "lf"
    if head.count(b"\r\r\n") == newlines:
        return "crcrlf"
    return "crlf" if returns and head.count(b"\r\n") == newlines else "lf"


@contextmanager
def opened_text(
    path: Path, container: Container | None = None, encoding: str = "utf-8", line_ends: LineEnds = "lf"
) -> Iterator[BinaryIO]:
    """Open a file as UTF-8 bytes with lines that end with the newline byte, whatever it is packed and written in.

    A byte that is not of the encoding becomes one that is not UTF-8, so that its line can be told.

    Raises:
        DataError: as `seqweave.data.containers.opened`.
    """
    with opened(path, container) as file:
        if encoding == "utf-8" and line_ends != "cr":
            yield file
        else:
            yield cast(BinaryIO, io.BufferedReader(_Converted(file, encoding, line_ends)))


class _Converted(io.RawIOBase):
    """Another encoding as UTF-8, and other line ends as newlines."""

    def __init__(self, file: BinaryIO, encoding: str, line_ends: LineEnds):
        self._file = file
        made = codecs.getincrementaldecoder(encoding)
        self._decoder = None if encoding == "utf-8" else made(errors=_ERRORS)
        self._returns = line_ends == "cr"
        self._ready = b""

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer."""
        ended = False
        while not self._ready and not ended:
            block = self._file.read(_BLOCK_BYTES)
            ended = not block
            self._ready = self._converted(block)
        view = memoryview(buffer).cast("B")
        count = min(len(view), len(self._ready))
        view[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def _converted(self, block: bytes) -> bytes:
        if self._decoder is not None:
            block = self._decoder.decode(block, final=not block).encode("utf-8", errors="surrogatepass")
        return block.replace(b"\r", b"\n") if self._returns else block


def _mark_error(error: UnicodeError) -> tuple[str, int]:
    """Half a surrogate pair for what cannot be decoded: no UTF-8 has it."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\udcff", error.end


_ERRORS = "seqweave.mark"
codecs.register_error(_ERRORS, _mark_error)


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def wide_without_mark(head: bytes, whole: bool) -> str | None:
    """UTF-16 or UTF-32 without a byte order mark.

    Blanks, tabs and line ends have zero bytes in UTF-16, all on one side, and hardly anything else is UTF-32.

    Args:
        head: the beginning of a file.
        whole: whether that is all of it.
    """
    if len(head) < 4 or 0 not in head or (whole and len(head) % 2):
        return None
    if wider := next(filter(lambda name: _is_utf32(head, name), ("utf-32-le", "utf-32-be")), None):
        return wider
    even = len(head) - len(head) % 2
    for encoding, first in (("utf-16-le", 1), ("utf-16-be", 0)):
        zeros, others = head[first:even:2].count(0), head[1 - first : even : 2].count(0)
        text = head[:even].decode(encoding, errors="replace")
        readable = sum(sign.isprintable() or sign in "\t\r\n\u3000" for sign in text)
        marked = "\n" in text or "\t" in text  # where some letters have zero bytes, too, as the Hangul U+AC00
        latin = zeros > len(text) / 2 and not others
        one_side = (marked and zeros > others) or latin
        if one_side and zeros > len(text) / 50 and readable >= _PRINTABLE * len(text):
            return encoding
    return None


def _is_utf32(head: bytes, encoding: str) -> bool:
    try:
        text = head[: len(head) - len(head) % 4].decode(encoding)
    except UnicodeDecodeError:
        return False
    return all(sign.isprintable() or sign in "\t\r\n\u3000" for sign in text)


def is_binary(head: bytes) -> bool:
    """Whether a file that begins so has more control characters than a text in any encoding of bytes."""
    head = head[:_LOOKED_AT_BYTES]
    controls = sum(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in head)
    return len(head) >= _LEAST_BYTES and controls > _MOST_CONTROLS * len(head)


def _check_text(head: bytes, path: Path) -> None:
    if is_binary(head):
        raise DataError("must be text, but it is binary: write its pairs as TSV, CSV or JSON lines first", path)


def _other_encoding(wrong: list[bytes], path: Path) -> DataError:
    """What to say of a file that is not UTF-8, by its lines that are not."""
    encoding = guessed_encoding(b"\n".join(wrong[:_GUESSED_LINES]))
    example = visible(repr(wrong[0][:_SHOWN_CHARACTERS])[2:-1])
    if encoding is None:
        return DataError(
            f"must be UTF-8, but it is not, as in {example!r}, and no usual encoding fits: save it as UTF-8, or name "
            "its encoding, as in --set data.encoding=cp949",
            path,
        )
    text = visible(wrong[0].decode(encoding, errors="replace")[:_SHOWN_CHARACTERS])
    return DataError(
        f"must be UTF-8, but it looks like {_NAMES.get(encoding, encoding)}, in which a line reads {text!r}: read it "
        f"with --set data.encoding={encoding}, or save it as UTF-8",
        path,
    )


def guessed_encoding(content: bytes) -> str | None:
    """The likely encoding of bytes that are not UTF-8; None: no usual one fits."""
    from charset_normalizer import from_bytes  # late: slow to import, and hardly ever needed

    found = list(from_bytes(content, cp_isolation=_CANDIDATES))
    if not found:
        return None
    least = min(match.chaos for match in found)
    near = [match for match in found if match.chaos <= least + _CLOSE]
    fits = {
        name: max(match.coherence, _familiar(content, name))
        for match in near
        for name in match.could_be_from_charset
        if name in _CANDIDATES
    }
    best = max(fits.values(), default=0.0)
    return next((name for name in _CANDIDATES if fits.get(name, -1.0) >= best - _ALIKE), near[0].encoding)


def _familiar(content: bytes, encoding: str) -> float:
    """The share of what is not ASCII that is common in the language of an encoding; 0 where no language is known."""
    if encoding not in _COMMON:
        return 0.0
    text = content.decode(encoding, errors="replace")
    places = [place for place, sign in enumerate(text) if not sign.isascii()]
    common, weight = _COMMON[encoding]
    among = encoding in _LATIN
    found = sum(
        bool(common.match(text[place]))
        and _is_in(text[place], _COMMON_SETS.get(encoding, _TWO_BYTES))
        and _is_among_ascii(text, place) == among
        for place in places
    )
    return min(1.0, weight * found / max(1, len(places)))


def _is_among_ascii(text: str, place: int) -> bool:
    """Whether a letter of ASCII stands beside a place."""
    return any(
        sign.isascii() and sign.isalpha() for sign in (text[max(0, place - 1) : place], text[place + 1 : place + 2])
    )


def _is_in(sign: str, encoding: str) -> bool:
    """Whether an encoding has a letter in two bytes, among its common ones; EUC-KR writes rare syllables as eight."""
    try:
        found = sign.encode(encoding)
        return len(found) == 2 and found[0] <= _COMMON_ROWS.get(encoding, 0xFF)
    except UnicodeEncodeError:
        return False
