"""The comparison of the instruction sets that needs no Python, under sanitizers: it is what other machines run."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from native_library import ROOT, native_build


@pytest.mark.slow
def test_every_instruction_set_gives_what_scalar_gives_and_touches_nothing_else(tmp_path: Path) -> None:
    compiler = native_build().find_compiler()
    if compiler is None:
        pytest.skip("there is no C compiler here")
    native, program = ROOT / "native", tmp_path / "compare"
    files = [ROOT / "tests" / "engine" / "compare_kernels.c", *sorted(native.glob("kernels*.c"))]
    options = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", f"-I{native}"]
    made = subprocess.run(
        [*compiler, *options, *map(str, files), "-o", str(program), "-lm"], capture_output=True, text=True, check=False
    )
    if "cannot find" in made.stderr:
        pytest.skip("this compiler has no sanitizers")
    assert made.returncode == 0, made.stderr
    ran = subprocess.run([program], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.startswith("the best here: ")
