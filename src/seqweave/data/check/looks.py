"""The looks at a file: each sees every kept pair, and may say at the end what concerns it.

`LOOKS` is the list; a new one is a class with `see` and `concern`, and its place there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from seqweave.data.check.place import Place
from seqweave.data.check.reasons import separator_setting, the_other_side
from seqweave.data.check.result import Concern
from seqweave.data.check.scripts import Scripts
from seqweave.data.formats.report import Dropped
from seqweave.data.headers import could_be_header
from seqweave.data.readers import Pair
from seqweave.wording import count


class Look(Protocol):
    """A look at all kept pairs."""

    def see(self, pair: Pair) -> None:
        """Take a pair in."""

    def concern(self, place: Place) -> Concern | None:
        """What is not right, after the last pair; None: nothing."""


_ENTITY = re.compile(r"&(?:amp|lt|gt|quot|apos|nbsp|#[0-9]{1,7}|#x[0-9a-fA-F]{1,6});")
_INVISIBLE = re.compile(
    "[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u180e\u200b\u200e\u200f\u202a-\u202e\u2028\u2029\u2060\u2066-\u2069\ufeff]"
)
_MEDIA = re.compile(r"\.(?:wav|flac|mp3|ogg|m4a|png|jpe?g|gif|bmp|tiff?|webp)$", re.IGNORECASE)
_LONGEST_NAME = 40  # characters of the name of a column
_MOST_NAMES = 50
_MOST_FILES = 200  # paths looked up


class Sightings:
    """Pairs that a look has found, as many as there are, with the first few lines."""

    def __init__(self) -> None:
        self._found = Dropped()

    def add(self, pair: Pair, text: str) -> None:
        """Count a pair."""
        self._found.add(pair.line, text)

    def concern(self, kind: str, words: str, remedy: str) -> Concern | None:
        """What was seen; `{}` in the words stands for the number of pairs. None: nothing was seen."""
        found = self._found
        if not found.count:
            return None
        said = words.format(count(found.count, "pair"))
        return Concern(kind, said, remedy, found.count, list(found.lines), found.text)


class HeaderLook:
    """Names of columns among the pairs, which would be trained on: at the start, or where files were joined."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Sightings] = {}
        self._first: tuple[str, str] | None = None

    def see(self, pair: Pair) -> None:
        """Names of columns, and whether they come first."""
        names = pair.source, pair.target
        self._first = self._first or names
        if len(pair.source) <= _LONGEST_NAME and could_be_header(names):
            if names not in self._found and len(self._found) < _MOST_NAMES:
                self._found[names] = Sightings()
            if names in self._found:
                self._found[names].add(pair, "\t".join(names))

    def concern(self, place: Place) -> Concern | None:
        """Those of the first row alone: elsewhere such words may be what they are."""
        reader = place.reader
        if reader.target_path is not None or reader.dialect.format not in ("tsv", "csv"):
            return None
        first = self._first
        if reader.dialect.header:
            source, target = (reader.dialect.column_name(one) for one in (reader.dialect.source, reader.dialect.target))
            first = source, target
        found = self._found.get(first) if first else None
        if found is None:
            return None
        words = "{} with the names of the columns, which would be trained on"
        if reader.dialect.header:
            return found.concern("header", words, "join files without the first row of each, as in `tail -n +2 FILE`")
        return found.concern("header", words, f"read the first row as a header: {place.again('data.header=yes')}")


class QuoteLook:
    """Cells in double quotes where quotes are read as text."""

    def __init__(self) -> None:
        self._found = Sightings()

    def see(self, pair: Pair) -> None:
        """A cell that a quote begins and ends, or that has doubled quotes behind its first."""
        for cell in (pair.source, pair.target):
            if len(cell) > 1 and cell[0] == '"' and (cell[-1] == '"' or '""' in cell[1:]):
                self._found.add(pair, cell)
                return

    def concern(self, place: Place) -> Concern | None:
        """Only where quotes count as text."""
        if place.reader.dialect.quoting or place.reader.dialect.format not in ("tsv", "csv"):
            return None
        remedy = f"if the quotes only enclose the cells: {place.again('data.quoting=yes')}"
        return self._found.concern("quoted_cells", "{} with a cell in double quotes, which are read as text", remedy)


class InvisibleLook:
    """Characters inside of texts that nobody sees, and a model learns."""

    def __init__(self) -> None:
        self._found = Sightings()
        self._characters: set[str] = set()

    def see(self, pair: Pair) -> None:
        """The ends of texts do not count, and are gone already."""
        for text in (pair.source, pair.target):
            if found := _INVISIBLE.findall(text):
                self._characters.update(found[:20])
                self._found.add(pair, text)
                return

    def concern(self, place: Place) -> Concern | None:
        """With the characters by their numbers."""
        signs = sorted(self._characters)
        shown = ", ".join(f"U+{ord(sign):04X}" for sign in signs[:8])
        pattern = "".join(f"\\x{{{ord(sign):04X}}}" for sign in signs)
        program = f"s/[{pattern}]//g"
        if place.reader.dialect.format in ("jsonl", "json"):  # which may write them as escapes
            program = f"s/[{pattern}]|\\\\u(?:{'|'.join(f'{ord(sign):04x}' for sign in signs)})//gi"
        remedy = "take them away: " + place.piped(f"perl -CSD -pe '{program}'")
        return self._found.concern("invisible_characters", f"{{}} with invisible characters inside ({shown})", remedy)


class EntityLook:
    """Texts with HTML entities such as `&amp;`."""

    def __init__(self) -> None:
        self._found = Sightings()

    def see(self, pair: Pair) -> None:
        """One of the usual names, or a number."""
        for text in (pair.source, pair.target):
            if "&" in text and _ENTITY.search(text):
                self._found.add(pair, text)
                return

    def concern(self, place: Place) -> Concern | None:
        """With the program that resolves them."""
        program = "python3 -c 'import html, sys; sys.stdout.writelines(map(html.unescape, sys.stdin))'"
        remedy = f"put the characters in their place: {place.piped(program)}"
        return self._found.concern("html_entities", "{} with HTML entities, such as &amp; for &", remedy)


class TabLook:
    """Sources with a tab inside, which no line of `predict` can hold."""

    def __init__(self) -> None:
        self._found = Sightings()

    def see(self, pair: Pair) -> None:
        """Only JSON, cells in quotes and parallel files can hold one."""
        if "\t" in pair.source:
            self._found.add(pair, pair.source)

    def concern(self, place: Place) -> Concern | None:
        """With what to put in its place."""
        programs = {"jsonl": r"sed 's/\\t/ /g'", "json": r"sed 's/\\t/ /g'", "lines": "tr '\\t' ' '"}
        program = programs.get(place.reader.dialect.format)
        remedy = "put blanks in their place" + (f": {place.piped(program)}" if program else "")
        words = "{} with a tab in the source, which `predict` reads as the end of the source"
        return self._found.concern("tabs_in_sources", words, remedy)


class EqualLook:
    """Pairs whose target is the source."""

    def __init__(self) -> None:
        self._found = Sightings()

    def see(self, pair: Pair) -> None:
        """Letter by letter."""
        if pair.source == pair.target:
            self._found.add(pair, pair.source)

    def concern(self, place: Place) -> Concern | None:
        """In some tasks it is as it should be."""
        remedy = "right where a task leaves texts as they are; where they were never translated, leave them out"
        if place.reader.dialect.format == "tsv" and place.reader.dialect.delimiter == "\t":
            source, target = (int(column) + 1 for column in (place.reader.dialect.source, place.reader.dialect.target))
            remedy += ": " + place.piped(f"awk -F'\\t' '${source} != ${target}'")
        return self._found.concern("source_equals_target", "{} whose target is equal to the source", remedy)


class MediaLook:
    """Sources or targets that are paths to sounds or images."""

    def __init__(self) -> None:
        self._paths: list[tuple[Pair, str]] = []

    def see(self, pair: Pair) -> None:
        """Whether there is such a file is asked at the end."""
        if len(self._paths) < _MOST_FILES:
            for text in (pair.source, pair.target):
                if len(text) < 1000 and _MEDIA.search(text):
                    self._paths.append((pair, text))

    def concern(self, place: Place) -> Concern | None:
        """Where the files are there, from here or from the folder of the data."""
        found = Sightings()
        for pair, text in self._paths:
            if any(_is_file(folder / text) for folder in (Path(), place.reader.path.parent)):
                found.add(pair, text)
        return found.concern(
            "media_paths",
            "{} with a path to a file of sound or an image, of which a model would read the letters of the name",
            "seqweave trains on texts: give the words that were spoken or shown, not the path; frames are read from "
            "Python only (model.frame_size)",
        )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


class SeparatorLook:
    """Most records without a second column: the separator is another one."""

    def see(self, pair: Pair) -> None:
        """What was dropped says it."""

    def concern(self, place: Place) -> Concern | None:
        """Where at least half of the records have too few columns."""
        report = place.reader.report
        short = report.dropped.get("missing_column")
        if short is None or 2 * short.count < report.records:
            return None
        setting = separator_setting(short.text)
        if setting is None and the_other_side(place):
            return None  # which the reason says
        remedy = "name what separates the columns, as in " + place.again(setting or "data.delimiter=';'")
        words = f"{short.count:,} of {count(report.records, 'record')} have a single column: the separator is another"
        return Concern("wrong_separator", words, remedy, short.count, list(short.lines), short.text)


LOOKS: tuple[Callable[[], Look], ...] = (
    HeaderLook,
    SeparatorLook,
    QuoteLook,
    InvisibleLook,
    EntityLook,
    TabLook,
    EqualLook,
    Scripts,
    MediaLook,
)
"""What makes each look, in the order in which concerns are said."""
