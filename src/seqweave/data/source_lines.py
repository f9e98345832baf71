"""The sources that `seqweave predict` answers: a line each, from a file, or from a pipe as they come.

What cannot be lines of sources is refused in one sentence with the command that was meant; whatever is read gets one
answer a line. Lines before one that is refused are given first.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from seqweave.data.encodings import guessed_encoding
from seqweave.data.foreign import HEAD_BYTES, Asked, binary, structured
from seqweave.data.lines import BOM, count_lines, is_regular, read_blocks
from seqweave.data.pipes import batches_of_lines, blocks_as_they_come, reader_of, reader_of_pipe, transcoded
from seqweave.data.source_columns import Columns
from seqweave.errors import DataError
from seqweave.wording import visible

_SHOWN_CHARACTERS = 60

logger = logging.getLogger("seqweave")


class SourceLines:
    """Sources in batches; iterate over it once.

    Args:
        path: the file; None: stdin.
        asked: how the command was called, for what it should have been.
        encoding: of the bytes; None: UTF-8.
        columns: of a table, to take the sources from; none: a source is a line.
        plain: take lines as they are, even if they look like JSON or CSV.

    Attributes:
        place: the file, for messages.
        asked: how the command was called.
        line: the number of the last line that was given.

    Raises:
        DataError: when the file is missing or unreadable, or stdin is closed.
    """

    def __init__(
        self,
        path: Path | None,
        asked: Asked,
        *,
        encoding: str | None = None,
        columns: Sequence[str] = (),
        plain: bool = False,
    ):
        self.place = Path("<stdin>") if path is None else path
        self.line = 0
        self._path = path
        self.asked, self._plain, self._names = asked, plain, columns
        self._columns: Columns | None = None
        self._strange = self._foreign_letters = 0  # lines that are not UTF-8, and those that show that it is
        self._head = b""
        blocks = self._blocks(path)
        if encoding is not None:
            blocks = transcoded(blocks, encoding, self.place)
        self._batches = batches_of_lines(self._remembered(blocks), self.place)

    def __iter__(self) -> Iterator[list[str]]:
        """The sources of what is there, at most `pipes.MOST_LINES`.

        Raises:
            DataError: at what cannot be a source, after the sources before it.
        """
        for batch in self._batches:
            if self.line == 0:
                self._check_head()
                batch[0] = batch[0].removeprefix(BOM)
            found: list[str] = []
            try:
                self._read(batch, found)
            except DataError:
                if found:
                    yield found
                raise
            if found:
                yield found
        if self._columns is not None:
            self._columns.check_end(self.line)

    @property
    def header(self) -> bool:
        """Whether line 1 was a header, which has no answer."""
        return self._columns is not None and self._columns.header

    def count(self) -> int | None:
        """How many lines the file has; None of what is read as it comes."""
        return None if self._path is None or not is_regular(self._path) else count_lines(self._path)

    def _blocks(self, path: Path | None) -> Iterator[bytes]:
        if path is None:
            if sys.stdin is None:  # closed by whoever started this process
                raise DataError("there must be text on stdin, but it is closed: name a file, or pipe text in")
            return blocks_as_they_come(reader_of(sys.stdin), self.place)
        if is_regular(path):
            return read_blocks(path)
        return blocks_as_they_come(reader_of_pipe(path), self.place)

    def _remembered(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        """The same blocks; the first bytes are kept until they were looked at."""
        for block in blocks:
            if self.line == 0 and len(self._head) < HEAD_BYTES:
                self._head += block[:HEAD_BYTES]
            yield block

    def _check_head(self) -> None:
        if problem := binary(self._head[:HEAD_BYTES], self.asked):
            raise DataError(f"there must be a source on each line, in UTF-8, but {problem}", self.place)

    def _read(self, batch: Sequence[bytes], found: list[str]) -> None:
        """Add the sources of a batch to `found`."""
        texts = self._texts(batch, found)
        if self.line == 0:
            if self._names:
                self._columns = Columns(self._names, texts, self.place)
            elif not self._plain and (problem := structured(texts, self.asked)):
                raise DataError(f"there must be a source on each line, but {problem}", self.place)
        for text in texts:
            self.line += 1
            source: str | None = text
            if self._columns is not None:
                source = self._columns.source(text, self.line)
            if source is not None:
                found.append(source)

    def _texts(self, batch: Sequence[bytes], found: list[str]) -> list[str]:
        """The lines as text. A stray byte that is not UTF-8 becomes U+FFFD, with a warning at the first such line.

        Raises:
            DataError: when most lines that have more than ASCII are not UTF-8, so that it is another encoding.
        """
        texts, wrong = [], []
        first = self.line + 1
        for number, line in enumerate(batch, first):
            try:
                text = line.decode("utf-8")
                self._foreign_letters += not line.isascii()
            except UnicodeDecodeError:
                text = line.decode("utf-8", errors="replace")
                wrong.append(number)
            texts.append(text)
        if not wrong:
            return texts
        self._strange += len(wrong)
        if self._strange > self._foreign_letters:
            if self._columns is None and not self._names:
                found += texts[: wrong[0] - first]
                self.line = wrong[0] - 1
            strange = [batch[number - first] for number in wrong]
            raise DataError(self._other_encoding(strange), self.place, wrong[0])
        if self._strange == len(wrong):
            logger.warning(
                "%s:%d: not valid UTF-8; such bytes are read as U+FFFD, here and below", self.place, wrong[0]
            )
        return texts

    def _other_encoding(self, strange: Sequence[bytes]) -> str:
        """What to say where most of what is not ASCII is not UTF-8."""
        said = "a line must be UTF-8, but this one is not, nor are most others with more than ASCII"
        guess = _guessed(b"\n".join(strange))
        if guess is None:
            option = self.asked.with_option("--encoding cp949")
            return f"{said}: name its encoding, as in {option} (Korean; or shift_jis, latin-1 ...)"
        text = visible(strange[0].decode(guess, errors="replace")[:_SHOWN_CHARACTERS])
        option = self.asked.with_option(f"--encoding {guess}")
        return f"{said}; in {guess} it would read {text!r}: name the right encoding, as in {option}"


def _guessed(content: bytes) -> str | None:
    """The likely encoding of lines; a refusal needs no more to be right, so it does without the library."""
    try:
        return guessed_encoding(content)
    except ModuleNotFoundError:
        return None
