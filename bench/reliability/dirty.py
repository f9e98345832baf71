"""Is every record of a dirty file kept or dropped with a reason? Generated files in all dialects.

    python bench/reliability/dirty.py --files 2000

Each file is written in a dialect drawn by chance (format, separator, quoting, header, encoding, line ends, container),
then dirtied: bytes changed, lines cut or doubled, quotes opened, NUL characters, blank lines, rows with more or fewer
cells. It must be read with kept + dropped = records, or be refused in a sentence; nothing else may be raised, and
memory (Python's allocations) must stay below `MOST_BYTES`. A seed gives the same files everywhere.
"""

from __future__ import annotations

import argparse
import bz2
import csv
import gzip
import io
import json
import lzma
import random
import sys
import tempfile
import traceback
import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from seqweave.data.readers import PairReader
from seqweave.errors import DataError

MOST_BYTES = 16_000_000
WORDS = ("cat", "밥", "먹었어?", "naïve", "猫", "a,b", '"go"', "x;y", "3", "Привет", "tab", "é", "l'eau", "{", "[1]")
DIRT = (
    b"\0",
    b"\xff",
    b'"',
    b"\n\n",
    b"\r",
    b"\t",
    b"\t\t\t",
    b'""',
    b"{",
    b"]",
    b"NaN",
    b"\xef\xbb\xbf",
    b"x" * 200_000,
)
ENCODINGS = ("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp949", "latin-1")
CONTAINERS: tuple[Callable[[bytes], bytes], ...] = (bytes, bytes, bytes, gzip.compress, bz2.compress, lzma.compress)
Rows = list[tuple[str, str]]


def as_tsv(rows: Rows, chance: random.Random) -> str:
    """Cells between tabs, sometimes with a column more or a header."""
    extra = chance.choice(["", "", "\tCC-BY"])
    header = chance.choice(["", "", "source\ttarget" + ("\tlicence" if extra else "") + "\n"])
    return header + "".join(f"{source}\t{target}{extra}\n" for source, target in rows)


def as_csv(rows: Rows, chance: random.Random) -> str:
    """Cells in quotes between commas, semicolons or tabs, some over two lines."""
    file = io.StringIO()
    quoting = chance.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    writer = csv.writer(file, delimiter=chance.choice(",,;\t"), quoting=quoting, lineterminator="\n")
    if chance.random() < 0.5:
        writer.writerow(["Q", "A"])
    writer.writerows([source, target.replace(" ", "\n", chance.randrange(2))] for source, target in rows)
    return file.getvalue()


def as_other(rows: Rows, chance: random.Random) -> str:
    """Cells between what is no tab, without quotes."""
    separator = chance.choice([" ||| ", "|", "    ", " : ", "\\t"])
    return "".join(f"{source}{separator}{target}\n" for source, target in rows)


def as_json_lines(rows: Rows, chance: random.Random) -> str:
    """An object a line, sometimes with other names, or with an object inside."""
    ascii_only = chance.random() < 0.5
    names = chance.choice([("source", "target"), ("ko", "en"), ("text", "label")])
    records: list[object] = [dict(zip(names, row, strict=True)) for row in rows]
    if chance.random() < 0.3:
        records = [{"id": number, "translation": record} for number, record in enumerate(records)]
    return "".join(json.dumps(record, ensure_ascii=ascii_only) + "\n" for record in records)


def as_json(rows: Rows, chance: random.Random) -> str:
    """One document."""
    records = [{"source": source, "target": target} for source, target in rows]
    value: object = {"version": 1, "data": records} if chance.random() < 0.5 else records
    return json.dumps(value, ensure_ascii=False, indent=chance.choice([None, 1, 2]))


FORMATS = (as_tsv, as_tsv, as_csv, as_csv, as_other, as_json_lines, as_json)


def made(chance: random.Random) -> bytes:
    """The content of one file."""
    rows = [(text(chance), text(chance)) for _ in range(chance.choice([1, 2, 5, 30, 300]))]
    content = chance.choice(FORMATS)(rows, chance)
    content = content.replace("\n", chance.choice(["\n", "\n", "\n", "\r\n", "\r", "\r\r\n"]))
    packed = dirtied(content.encode(chance.choice(ENCODINGS), errors="replace"), chance)
    packed = chance.choice(CONTAINERS)(packed)
    return dirtied(packed, chance) if chance.random() < 0.05 else packed


def text(chance: random.Random) -> str:
    """Some words, with blanks at the ends now and then."""
    words = " ".join(chance.choices(WORDS, k=chance.randrange(1, 6)))
    return chance.choice(["", "", "", " ", "\u200b", "\ufeff"]) + words + chance.choice(["", "", "", "\u00a0", "  "])


def dirtied(content: bytes, chance: random.Random) -> bytes:
    """The content after some accidents."""
    for _ in range(chance.choice([0, 1, 3, 10])):
        place = chance.randrange(len(content) + 1)
        kind = chance.random()
        if kind < 0.6:
            content = content[:place] + chance.choice(DIRT) + content[place:]
        elif kind < 0.8:
            content = content[:place] + content[place + chance.randrange(1, 30) :]
        else:
            content = content[:place] + content[max(0, place - 50) :]
    return content


def outcome(path: Path) -> str:
    """What becomes of a file: `read`, `refused`, or what is wrong."""
    try:
        reader = PairReader(path)
        kept = sum(1 for _ in reader)
    except DataError as error:
        sentence = str(error)
        return "refused" if sentence.startswith(str(path)) and "\n" not in sentence else f"no sentence: {sentence!r}"
    except Exception:
        return "traceback: " + traceback.format_exc(limit=-2)
    report = reader.report
    if kept == report.kept and report.kept + report.dropped_records == report.records:
        return "read"
    return f"kept {report.kept} + dropped {report.dropped_records} != records {report.records}"


def main() -> int:
    """Make the files, read them, print the figures. Returns 1 when one was not as it must be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="50 files")
    args = parser.parse_args()
    files = 50 if args.quick else args.files
    outcomes, most, wrong = Counter[str](), 0, 0
    tracemalloc.start()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(files):
            path = Path(folder) / chance_name(number)
            path.write_bytes(made(random.Random(f"{args.seed} {number}")))
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            found = outcome(path)
            most = max(most, tracemalloc.get_traced_memory()[1] - before)
            outcomes[found.partition(":")[0]] += 1
            if found not in ("read", "refused"):
                wrong += 1
                print(f"file {number} (seed {args.seed}): {found}", file=sys.stderr)
            path.unlink()
    flat = most <= MOST_BYTES
    print(f"{files:,} files: " + ", ".join(f"{count:,} {name}" for name, count in outcomes.items()))
    print(f"most memory for one file: {most / 1e6:.1f} MB (at most {MOST_BYTES / 1e6:.0f})")
    return 0 if flat and not wrong else 1


def chance_name(number: int) -> str:
    """A name with an ending that says nothing of what is inside."""
    return f"f{number}." + ("tsv", "csv", "txt", "json", "jsonl", "gz")[number % 6]


if __name__ == "__main__":
    sys.exit(main())
