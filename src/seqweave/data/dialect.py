"""What a file of pairs is: container, encoding, line ends, format, separator, quotes, header, and its columns.

`seqweave.data.recognition` finds it from the content, `seqweave.data.readers` read by it, and `words` says it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Format = Literal["tsv", "csv", "jsonl", "json", "lines"]
"""`lines` is one side of two parallel files; `json` is one array or object for the whole file."""
Container = Literal["plain", "gzip", "bzip2", "xz", "zstd"]
LineEnds = Literal["lf", "crlf", "cr", "crcrlf"]

BLANKS = "blanks"
"""A delimiter: two or more blanks."""
_DELIMITERS = {"\t": "tabs", BLANKS: "two or more blanks", ",": "commas", ";": "semicolons", "|": "bars"}
_FORMATS = {"tsv": "TSV", "csv": "CSV", "jsonl": "JSON lines", "json": "JSON", "lines": "lines of text"}
_LINE_ENDS = {"lf": "", "crlf": "", "cr": "lines end with CR alone", "crcrlf": "lines end with CR CR LF"}


def delimiter_in_words(delimiter: str, *, one: bool = False) -> str:
    """`tabs`, or one of them: `a tab`; signs that have no name stand in quotes."""
    if one:
        return {"\t": "a tab", BLANKS: "two or more blanks"}.get(delimiter, f"{delimiter!r}".replace("\\\\", "\\"))
    return _DELIMITERS.get(delimiter, repr(delimiter))


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one file is read.

    Attributes:
        encoding: a codec's name; `utf-8` also with a byte order mark.
        delimiter: of TSV and CSV: what separates columns, or `BLANKS`.
        quoting: whether cells may stand in double quotes, over several lines, with `""` for a quote.
        header: the names in the first row, which is no record; empty: there is no such row.
        columns: of TSV and CSV: how many a record has at most; None: any number.
        source, target: columns from 0 as numbers in text, or names of JSON fields, dots leading into objects.
        features: likewise, of source tags.
        left_out: what is in the file and not read, by name, or by number from 1.
        records: of JSON: the dotted name of the array whose objects are the records; "" for the whole file.
        former: read as folders of format 0 were made: nothing trimmed, no numbers as texts, no quotes.
    """

    format: Format
    container: Container = "plain"
    encoding: str = "utf-8"
    line_ends: LineEnds = "lf"
    delimiter: str = "\t"
    quoting: bool = False
    header: tuple[str, ...] = ()
    columns: int | None = None
    source: str = "0"
    target: str = "1"
    features: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    records: str = ""
    former: bool = False

    @property
    def counts(self) -> str:
        """What a number of a record counts: the line that it begins on, or, in one JSON document, records."""
        return "record" if self.format == "json" else "line"

    @property
    def words(self) -> str:
        """All of it on one line: `CSV, header Q, A, label; source from Q, target from A, label left out`."""
        first = [_FORMATS[self.format]]
        first += [self.container] if self.container != "plain" else []
        first += [self.encoding.upper()] if self.encoding != "utf-8" else []
        first += [_LINE_ENDS[self.line_ends]] if _LINE_ENDS[self.line_ends] else []
        if self.format in ("tsv", "csv"):
            usual = "\t" if self.format == "tsv" else ","
            other = self.delimiter != usual
            first += [f"columns between {delimiter_in_words(self.delimiter)}"] if other else []
            first += ["cells in quotes"] if self.quoting and self.format == "tsv" else []
            first += ["no quotes"] if not self.quoting and self.format == "csv" else []
            first += [f"header {', '.join(name or '(no name)' for name in self.header)}"] if self.header else []
        if self.records:
            first.append(f"records of {self.records!r}")
        return "; ".join(filter(None, (", ".join(first), self._columns_in_words())))

    def to_json(self) -> dict[str, Any]:
        """Plain values for run.json."""
        return {**asdict(self), "words": self.words}

    def column_name(self, column: str) -> str:
        """What people call a column: its name in the header or in JSON, or `column 2`."""
        if self.format not in ("tsv", "csv"):
            return column
        number = int(column)
        name = self.header[number] if number < len(self.header) else ""
        return name or f"column {number + 1}"

    def _columns_in_words(self) -> str:
        if self.format == "lines" or self.former:
            return ""
        usual = ("source", "target") if self.format in ("jsonl", "json") else ("0", "1")
        said = []
        if (self.source, self.target) != usual or self.header or self.left_out:
            said += [f"source from {self.column_name(self.source)}", f"target from {self.column_name(self.target)}"]
        if self.left_out:
            few, more = self.left_out[:4], len(self.left_out) - 4
            names = ", ".join(few) + (f" and {more:,} more" if more > 0 else "")
            said.append(f"{names} left out")
        return ", ".join(said)
