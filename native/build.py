"""Compile the engine with the system's C compiler: `python native/build.py`.

The library goes to src/seqweave/engine/, where `seqweave.engine` looks for it. Installing the package runs this as well
(`hatch_build.py`); after a change in native/ the next run compiles again, else it does nothing. $CC names the compiler.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
COMPILERS = ("cc", "gcc", "clang")
FLAGS = ("-std=c11", "-O3", "-fPIC", "-shared", "-fvisibility=hidden", "-ffp-contract=off")


def library_name() -> str:
    """What the library is called here."""
    return {"win32": "seqweave.dll", "darwin": "libseqweave.dylib"}.get(sys.platform, "libseqweave.so")


def default_place() -> Path:
    """Where the package looks for it."""
    return HERE.parent / "src" / "seqweave" / "engine" / library_name()


def find_compiler() -> list[str] | None:
    """The command of a C compiler, or None where there is none."""
    if os.environ.get("CC"):
        return shlex.split(os.environ["CC"])
    return next(([name] for name in COMPILERS if shutil.which(name)), None)


def sources() -> list[Path]:
    """The C files of the engine."""
    return sorted(path for path in HERE.glob("*.c") if path.name not in ("example.c", "testing.c"))


def build(to: Path, more: Sequence[str] = (), files: Sequence[Path] = ()) -> str | None:
    """Compile the engine where it is not up to date; gives what went wrong in one line, or None.

    Args:
        to: the library's path.
        more: more options of the compiler.
        files: more C files.
    """
    stamp, now = to.with_name(f".{to.name}.stamp"), _fingerprint(more, files)
    if to.is_file() and stamp.is_file() and stamp.read_text(encoding="utf-8") == now:
        return None
    compiler = find_compiler()
    if compiler is None:
        return f"there is no C compiler ({', '.join(COMPILERS)}): install one, or name one with $CC"
    to.parent.mkdir(parents=True, exist_ok=True)
    made = to.with_name(f".{to.name}.{os.getpid()}.tmp")
    command = [*compiler, *FLAGS, *more, *map(str, [*sources(), *files]), "-o", str(made), "-lm"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return f"the C compiler {compiler[0]} does not run: {error}"
    if done.returncode:
        made.unlink(missing_ok=True)
        lines = [line for line in done.stderr.splitlines() if "error" in line] or done.stderr.splitlines() or ["?"]
        return f"{compiler[0]} failed: {lines[0]}"
    made.replace(to)
    stamp.write_text(now, encoding="utf-8")
    return None


def _fingerprint(more: Sequence[str], files: Sequence[Path]) -> str:
    """Of all that decides what the library is."""
    digest = hashlib.sha256("\0".join([*FLAGS, *(find_compiler() or []), *more]).encode())
    for path in [*sorted(HERE.glob("*.[ch]")), *files]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", type=Path, default=default_place(), metavar="FILE", help="the library")
    arguments = parser.parse_args()
    failed = build(arguments.to)
    if failed:
        print(
            f"the engine was not built: {failed}. Everything works without it, predictions more slowly.",
            file=sys.stderr,
        )
        return 1
    print(arguments.to)
    return 0


if __name__ == "__main__":
    sys.exit(main())
