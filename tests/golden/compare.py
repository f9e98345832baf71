"""Run two checkouts of seqweave on the golden folders, side by side on this machine, and compare what they do.

    python tests/golden/compare.py OLD [NEW] [--wider]

OLD and NEW are checkouts (NEW: the one this file is in); both run with this Python, one thread, and copies of the same
folders. Every folder answers the same questions (greedy, n-best of a beam, forced scores, attention): the outputs must
be the same, and no number may differ by more than 1e-6, relative where it is above 1. Every stopped run goes on to its
end in both: its weights must be the same bit for bit. `--wider` has OLD begin more runs, of other architectures, and
stops them; they are compared likewise. Exit code 1 when anything differs.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).resolve().parent
CHECKOUT = GOLDEN.parents[1]
TOLERANCE = 1e-6
ROW = "{:34} {:>8} {:>12} {:>12} {:>12} {:>12}  {}"


def main() -> int:
    """Compare, print a table, and say by the exit code whether all is the same."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path, nargs="?", default=CHECKOUT)
    parser.add_argument("--wider", action="store_true", help="more architectures, in short runs")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folders = Path(scratch) / "folders"
        shutil.copytree(GOLDEN / "format_0" / "folders", folders)
        if arguments.wider:
            run_side("begin", arguments.old, folders)
        sides = []
        for number, checkout in enumerate((arguments.old, arguments.new)):
            copy = Path(scratch) / str(number)
            shutil.copytree(folders, copy)
            run_side("answer", checkout, copy)
            sides.append(copy)
        return report(*sides)


def run_side(task: str, checkout: Path, folders: Path) -> None:
    """Do a task (`begin` or `answer`) with the seqweave of a checkout, in a process of its own."""
    source = checkout.resolve() / "src"
    path = os.pathsep.join([str(source), str(GOLDEN.parent / "helpers")])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    program = [sys.executable, "-c", f"import compare; compare.{task}_side({str(folders)!r}, {str(source)!r})"]
    subprocess.run(program, env=environment, cwd=GOLDEN, check=True)


def begin_side(folders: str, source: str) -> None:
    """Begin the wider runs and stop them."""
    golden = _golden(source)
    for name in golden.WIDER:
        golden.train(name, golden.FORMAT_0 / "pairs.tsv", Path(folders) / name, golden.WIDER_STOP_STEP)


def answer_side(folders: str, source: str) -> None:
    """Ask every folder, and let the stopped ones go on; `NAME.json` and `NAME.safetensors` beside them say it."""
    import safetensors.torch

    golden = _golden(source)
    for folder in sorted(path for path in Path(folders).iterdir() if path.is_dir()):
        found = {"": golden.answers(folder)}
        if folder.name not in golden.FINISHED:
            golden.train(folder.name, golden.FORMAT_0 / "pairs.tsv", folder)
            found["resumed"] = golden.answers(folder)
            safetensors.torch.save_file(golden.final_weights(folder), folder.with_suffix(".safetensors"))
        folder.with_suffix(".json").write_text(json.dumps(found), encoding="utf-8")


def _golden(source: str) -> Any:
    """The helpers, with the seqweave that was asked for and no other."""
    import torch

    import golden
    import seqweave

    assert Path(str(seqweave.__file__)).is_relative_to(source), f"{seqweave.__file__} is not in {source}"
    torch.set_num_threads(1)
    return golden


def report(old: Path, new: Path) -> int:
    """The table of all differences between the answers in two places; 1 when there is one that counts."""
    print(ROW.format("folder", "outputs", "greedy", "beam", "forced", "attention", "weights after resuming"))
    same = True
    for file in sorted(old.glob("*.json")):
        before, after = (json.loads((side / file.name).read_text(encoding="utf-8")) for side in (old, new))
        weights = compare_weights(old, new, file.stem) if "resumed" in before else ""
        same = same and weights in ("", "equal bit for bit")
        for stage in before:
            outputs, largest = compare_answers(before[stage], after[stage])
            same = same and outputs == 0 and max(largest.values()) <= TOLERANCE
            figures = [f"{largest[kind]:.1e}" for kind in ("greedy", "beam", "forced", "attention")]
            title = f"{file.stem} {stage}".strip()
            print(ROW.format(title, "same" if not outputs else f"{outputs} differ", *figures, stage and weights))
    print("all the same" if same else "DIFFERENT")
    return 0 if same else 1


def compare_answers(before: dict[str, Any], after: dict[str, Any]) -> tuple[int, dict[str, float]]:
    """How many outputs differ, and by kind the largest difference of a number."""
    largest, outputs = {}, 0
    for kind, first in before.items():
        pairs = list(walk(first, after[kind]))
        outputs += sum(one != other for one, other in pairs if not (is_number(one) and is_number(other)))
        gaps = [abs(one - other) / max(1.0, abs(one)) for one, other in pairs if is_number(one) and is_number(other)]
        largest[kind] = max(gaps, default=0.0)
    return outputs, largest


def walk(first: Any, second: Any) -> Iterator[tuple[Any, Any]]:
    """The leaves of two nested values side by side; where their forms differ, the parts that do."""
    if isinstance(first, dict) and isinstance(second, dict) and first.keys() == second.keys():
        for key in first:
            yield from walk(first[key], second[key])
    elif isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        for one, other in zip(first, second, strict=True):
            yield from walk(one, other)
    else:
        yield first, second


def is_number(value: Any) -> bool:
    """Whether a leaf is a score or a weight."""
    return isinstance(value, float)


def compare_weights(old: Path, new: Path, name: str) -> str:
    """In words, how the final weights of a run differ."""
    import safetensors.torch

    sys.path.insert(0, str(GOLDEN.parent / "helpers"))
    from golden import largest_difference

    before, after = (safetensors.torch.load_file(side / f"{name}.safetensors") for side in (old, new))
    difference = largest_difference(after, before)
    if difference:
        return f"differ by {difference:.1e}"
    return "equal bit for bit"


if __name__ == "__main__":
    sys.exit(main())
