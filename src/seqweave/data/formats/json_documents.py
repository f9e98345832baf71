"""One JSON document for the whole file, read as a stream: an array of objects, or an object that holds one.

Memory is bounded by the longest record (`data.max_line_bytes`), whatever the file holds. Records are numbered from 1.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from seqweave.config import DataConfig
from seqweave.data.dialect import Dialect
from seqweave.data.encodings import opened_text
from seqweave.data.formats.json_fields import STRICT, RepeatedFieldError, record_parser
from seqweave.data.formats.records import Found, Refused
from seqweave.data.formats.report import EXAMPLE_CHARACTERS, ReadReport

_BLOCK_BYTES = 1 << 16
_DEEPEST = 50
_NEAR_END = 16  # characters before the end of what is there, where an error may be for want of the rest
_SPACE = re.compile(r"[ \t\r\n\ufeff]*")
_STRUCTURE = re.compile(r'["{}\[\],]')
_STRING_END = re.compile(r'[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_IN_STRING = re.compile(r'[^"\\]*(?:\\.[^"\\]*)*', re.DOTALL)


def json_document_records(
    path: Path, dialect: Dialect, config: DataConfig, report: ReadReport
) -> Iterator[tuple[int, Found]]:
    """The records of a document.

    Raises:
        DataError: when the file cannot be read.
    """
    parse = record_parser(dialect, config)
    with opened_text(path, dialect.container, dialect.encoding, dialect.line_ends) as file:
        for value in _Document(file, config.max_line_bytes).records():
            report.lines += 1
            found = value if isinstance(value, Refused) else parse(value)
            if isinstance(found, Refused) and not found.text:
                found = Refused(found.reason, _beginning(value))
            yield report.lines, found


def first_records(path: Path, dialect: Dialect, longest: int, most: int) -> tuple[str | None, list[Any]]:
    """The dotted name of the array of records ("" for the whole document, None without one), and the first of them."""
    with opened_text(path, dialect.container, dialect.encoding, dialect.line_ends) as file:
        document = _Document(file, longest)
        found = list(islice(document.records(), most))
        return document.name, [value for value in found if not isinstance(value, Refused)]


class _Document:
    """A document of which only the record at hand is in memory.

    Attributes:
        name: of the array of records, once it is found.
    """

    def __init__(self, file: BinaryIO, longest: int):
        self.name: str | None = None
        self._file, self._longest = file, longest
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._text, self._position, self._ended = "", 0, False

    def records(self) -> Iterator[Any]:
        """The value of each record, or why there is none."""
        self.name = self._find()
        while self.name is not None:
            sign = self._next_sign()
            if sign == "]":
                return
            if not sign:  # no array ends so: the file was cut
                yield Refused("invalid_json", "(the end of the file)")
                return
            if sign == ",":
                self._position += 1
            else:
                yield self._value()

    def _find(self) -> str | None:
        """Go to the first record of the first array of objects."""
        sign, names = self._next_sign(), list[str]()
        if sign == "[":
            self._position += 1
            return ""
        if sign != "{":
            return None
        self._position += 1
        while sign := self._next_sign():
            if sign == "}":
                if not names:
                    return None
                names.pop()
                self._position += 1
            elif sign == ",":
                self._position += 1
            elif (key := self._key()) is None:
                return None
            elif self._next_sign() == "{" and len(names) < _DEEPEST:
                names.append(key)
                self._position += 1
            elif self._next_sign() != "[":
                self._skip()
            else:
                self._position += 1
                if self._next_sign() == "{":
                    return ".".join([*names, key])
                self._skip(depth=1)
        return None

    def _key(self) -> str | None:
        """The name of a field and its colon."""
        key = self._value() if self._next_sign() == '"' else None
        if not isinstance(key, str) or self._next_sign() != ":":
            return None
        self._position += 1
        return key

    def _fill(self, least: int) -> None:
        """Have so many characters from here on, or all there are."""
        parts, size = [self._text[self._position :]], len(self._text) - self._position
        while size < least and not self._ended:
            block = self._file.read(_BLOCK_BYTES)
            self._ended = not block
            parts.append(self._decoder.decode(block, final=self._ended))
            size += len(parts[-1])
        self._text, self._position = "".join(parts), 0

    def _next_sign(self) -> str:
        """The next character that is no white space; "" at the end."""
        while True:
            found = _SPACE.match(self._text, self._position)
            self._position = found.end() if found else self._position
            if self._position < len(self._text):
                return self._text[self._position]
            if self._ended:
                return ""
            self._fill(1)

    def _value(self) -> Any:
        """The value that begins here, or why it cannot be used."""
        while True:
            there = len(self._text) - self._position
            try:
                value, end = STRICT.raw_decode(self._text, self._position)
                if end < len(self._text) or self._ended:
                    too_long = end - self._position > self._longest
                    self._position = self._position if too_long else end
                    return self._skipped("line_too_long") if too_long else value
            except RepeatedFieldError:
                return self._skipped("repeated_field")
            except json.JSONDecodeError as error:
                cut = error.pos >= len(self._text) - _NEAR_END or error.msg.startswith("Unterminated")
                if not cut or self._ended:
                    return self._skipped("invalid_json")
            except (ValueError, RecursionError):
                return self._skipped("invalid_json")
            if self._ended or there > self._longest:
                return self._skipped("line_too_long")
            self._fill(2 * there + _BLOCK_BYTES)

    def _skipped(self, reason: Any) -> Refused:
        text = self._text[self._position : self._position + EXAMPLE_CHARACTERS]
        size = self._skip()
        return Refused("line_too_long" if size > self._longest else reason, text[:size])

    def _skip(self, depth: int = 0) -> int:
        """Go behind the value that begins here, by its brackets alone; gives its characters."""
        size = 0
        while True:
            found = _STRUCTURE.search(self._text, self._position)
            size += (found.start() if found else len(self._text)) - self._position
            self._position = found.start() if found else len(self._text)
            if found is None:
                if self._ended:
                    return size
                self._fill(1)
                continue
            sign = found[0]
            if depth == 0 and (sign in ",]" or (sign == "}" and size)):
                return size
            self._position += 1
            size += 1
            if sign == '"':
                size += self._skip_string()
            elif sign in "{[":
                depth += 1
            elif sign in "}]":
                depth = max(0, depth - 1)
                if depth == 0:
                    return size

    def _skip_string(self) -> int:
        """Go behind the string that has begun."""
        size = 0
        while (found := _STRING_END.match(self._text, self._position)) is None:
            inside = _IN_STRING.match(self._text, self._position)
            assert inside is not None  # it may be empty
            size += inside.end() - self._position
            self._position = inside.end()
            if self._ended:
                self._position = len(self._text)
                return size
            self._fill(len(self._text) - self._position + 1)
        size += found.end() - self._position
        self._position = found.end()
        return size


def _beginning(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)[:EXAMPLE_CHARACTERS]
