"""Does every line get its one answer? Fuzzed lines through `predict FILE`, a pipe, a program that asks, and Python.

    python bench/reliability/fuzz_lines.py --lines 20000
    python bench/reliability/fuzz_lines.py --lines 200 --units char      quick

For each kind of unit a small model is trained on made-up words, and answers its share of the lines greedily, four ways:

- `file`: `seqweave predict MODEL FILE`;
- `pipe`: the same bytes into stdin, in pieces of random sizes that end anywhere, also inside of a letter;
- `asked`: the first lines one by one, each answer waited for before the next line is written;
- `python`: `Model.predict` with the lines as Python reads them.

A fault is a number of answers other than that of the lines, an answer that differs from that of the file, an exit code
that is not 0, or a traceback. The lines are letters the model knows, any other code points (control characters, both
kinds of line ends, marks of direction, half of them outside of the basic plane), bytes that are no UTF-8, blanks of all
kinds, nothing at all, thousands of characters, and text that looks like JSON, CSV, HTML or an escape. A tab is not
among them: a source with one is refused.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

import seqweave
from seqweave.cli.common import one_line

UNITS = ("char", "word", "space", "subword", "byte")
LETTERS = "abcdefgh"
LOOKALIKES = (
    '{"source": "a"}',
    "[1, 2]",
    "a,b,c",
    '"a","b"',
    "&amp;&#20013;",
    "<b>a</b>",
    r"\t\n\x1b",
    "\x1b[2J\x1b]0;a\x07",
    "source",
    "<unk> <eos>",
    "<0xE4>",
    "\ufeffa",
    "a\u2028b\u0085c",
    "\u202eabc",
)
BLANKS = " \u00a0\u3000\u200b\ufeff\r"


@dataclass
class Figures:
    """What came of the lines of one model."""

    units: str
    lines: int
    asked: int
    faults: list[str]


def fuzzed(count: int, draw: random.Random) -> list[bytes]:
    """Lines as bytes, without line ends; the first ones are plain, so that the file is what it is."""
    kinds: list[Callable[[random.Random], bytes]] = [known, anything, broken, blank, look_alike, known, very_long]
    weights = [8, 6, 1, 2, 2, 4, 0.02]
    first = [f"{known(draw).decode()} é".encode() for _ in range(min(count, 20))]
    chosen = draw.choices(kinds, weights, k=max(0, count - len(first)))
    return first + [kind(draw) for kind in chosen]


def known(draw: random.Random) -> bytes:
    """Words of letters that the model knows, perhaps with blanks at the ends."""
    words = " ".join("".join(draw.choices(LETTERS, k=draw.randint(1, 6))) for _ in range(draw.randint(1, 4)))
    ends = ["".join(draw.choices(BLANKS, k=draw.choice([0, 0, 1, 3]))) for _ in range(2)]
    return f"{ends[0]}{words}{ends[1]}".encode()


def anything(draw: random.Random) -> bytes:
    """Any code points but a tab, a line end and halves of pairs."""
    tops = [0x20, 0x80, 0x100, 0x3000, 0xD800, 0x110000]
    signs = [draw.randrange(draw.choice(tops)) for _ in range(draw.randint(1, 20))]
    return "".join(chr(sign) for sign in signs if sign not in (9, 10) and not 0xD800 <= sign < 0xE000).encode()


def broken(draw: random.Random) -> bytes:
    """Bytes that are mostly no UTF-8."""
    return bytes(byte for byte in draw.randbytes(draw.randint(1, 10)) if byte not in (9, 10))


def blank(draw: random.Random) -> bytes:
    """Nothing, or nothing that can be seen."""
    return "".join(draw.choices(BLANKS, k=draw.randint(0, 4))).encode()


def look_alike(draw: random.Random) -> bytes:
    """Text that looks like something else."""
    return draw.choice(LOOKALIKES).encode()


def very_long(draw: random.Random) -> bytes:
    """Far more than a source may have."""
    return "".join(draw.choices(LETTERS + " ", k=20_000)).encode()


def as_read(lines: Sequence[bytes]) -> list[str]:
    """The lines as Python would give them to a model."""
    return [line.rstrip(b"\r").decode("utf-8", errors="replace") for line in lines]


def trained(folder: Path, units: str, draw: random.Random) -> Path:
    """A small model that turns words around."""
    words = [known(draw).decode().strip(BLANKS) for _ in range(300)]
    data = folder / f"{units}.tsv"
    data.write_text("".join(f"{word}\t{word[::-1]}\n" for word in words), encoding="utf-8")
    settings = {
        "data.source.units": units,
        "data.target.units": units,
        "model.embedding_size": 16,
        "model.encoder_hidden_size": 16,
        "model.decoder_hidden_size": 32,
        "training.max_steps": 60,
        "training.precision": "fp32",
        "search.beam_size": 1,
        "search.max_length": 12,
    }
    seqweave.train(data, folder / units, settings=settings, device="cpu")
    return folder / units


def command(model: Path, *more: str) -> list[str]:
    """The words of `seqweave predict`."""
    return [sys.executable, "-m", "seqweave", "predict", str(model), "--device", "cpu", *more]


def from_file(model: Path, content: bytes, folder: Path) -> tuple[list[str], str]:
    """The answers to a file, and what is wrong with how the command ended."""
    path = folder / "lines"
    path.write_bytes(content)
    done = subprocess.run(command(model, str(path)), capture_output=True, check=False)
    return answers_of(done.stdout), ending(done.returncode, done.stderr)


def from_pipe(model: Path, content: bytes, draw: random.Random) -> tuple[list[str], str]:
    """The same through a pipe, in pieces."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command(model), **pipes) as process:
        assert process.stdin is not None
        writer = threading.Thread(target=in_pieces, args=(process.stdin, content, draw))
        writer.start()
        assert process.stdout is not None
        assert process.stderr is not None
        said: list[bytes] = []
        hearer = threading.Thread(target=lambda error: said.append(error.read()), args=(process.stderr,))
        hearer.start()
        found = process.stdout.read()
        writer.join()
        hearer.join()
        return answers_of(found), ending(process.wait(), b"".join(said))


def in_pieces(stream: BinaryIO, content: bytes, draw: random.Random) -> None:
    """Write everything, a random number of bytes at a time."""
    start = 0
    while start < len(content):
        size = draw.choice([1, 7, 300, 5000, 70_000])
        stream.write(content[start : start + size])
        stream.flush()
        start += size
    stream.close()


def from_questions(model: Path, lines: Sequence[bytes]) -> list[str]:
    """The answers to lines that are asked one by one."""
    found = []
    with subprocess.Popen(
        command(model), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for line in lines:
            process.stdin.write(line + b"\n")
            process.stdin.flush()
            found.append(process.stdout.readline().decode("utf-8").removesuffix("\n"))
        process.stdin.close()
    return found


def answers_of(output: bytes) -> list[str]:
    """Lines of an output; the last one must have ended."""
    *lines, rest = output.decode("utf-8").split("\n")
    return [*lines, f"{rest} (no line end)"] if rest else lines


def ending(code: int, said: bytes) -> str:
    """What is wrong with how a command ended; "": nothing."""
    text = said.decode("utf-8", errors="replace")
    wrong = f"exit code {code}: {text[-300:]}" if code else ""
    return f"{wrong} a traceback" if "Traceback" in text else wrong


def differing(name: str, found: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """What is wrong with some answers, in a sentence or none."""
    if len(found) != len(wanted):
        return [f"{name}: {len(found):,} answers to {len(wanted):,} lines"]
    rows = [number for number, (one, other) in enumerate(zip(found, wanted, strict=True), 1) if one != other]
    return [f"{name}: {len(rows):,} answers differ, the first to line {rows[0]}"] if rows else []


def measure(units: str, count: int, asked: int, seed: int, folder: Path) -> Figures:
    """All four ways with a model of one kind of unit."""
    draw = random.Random(f"{seed} {units}")
    model = trained(folder, units, draw)
    lines = fuzzed(count, draw)
    content = b"".join(line + draw.choice([b"\n", b"\r\n"]) for line in lines)
    wanted = [one_line(one.text) for one in seqweave.load(model, "cpu").predict(as_read(lines))]
    faults = [] if len(wanted) == len(lines) else [f"python: {len(wanted):,} answers to {len(lines):,} lines"]
    for name, (found, wrong) in (
        ("file", from_file(model, content, folder)),
        ("pipe", from_pipe(model, content, draw)),
    ):
        faults += [f"{name}: {wrong}"] if wrong else []
        faults += differing(name, found, wanted)
    faults += differing("asked", from_questions(model, lines[:asked]), wanted[:asked])
    return Figures(units, len(lines), min(asked, len(lines)), faults)


def main() -> None:
    """Measure, and print a line for each kind of unit; exit code 1 where there is a fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=20_000, help="of all kinds of units together")
    parser.add_argument("--asked", type=int, default=100, help="lines that are asked one by one, of each kind")
    parser.add_argument("--units", nargs="+", default=list(UNITS), choices=UNITS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        share = -(-given.lines // len(given.units))
        figures = []
        for units in given.units:
            one = measure(units, share, given.asked, given.seed, Path(folder))
            print(
                f"{units:8} {one.lines:,} lines, {one.asked} asked: {'; '.join(one.faults) or 'no fault'}", flush=True
            )
            figures.append(one)
    faults = sum(len(one.faults) for one in figures)
    print(f"{sum(one.lines for one in figures):,} lines: {faults} faults")
    if given.json is not None:
        given.json.write_text(json.dumps([asdict(one) for one in figures], indent=2) + "\n", encoding="utf-8")
    raise SystemExit(faults > 0)


if __name__ == "__main__":
    main()
