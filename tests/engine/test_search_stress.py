"""Random searches under sanitizers: no memory is misused, whatever is asked for."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from safetensors.torch import save_file

from architectures import CASES, small_model
from native_library import native_build

NAMES = [
    "lstm-general-after",
    "gru-additive-before",
    "lstm-copies_feeding",
    "gru-copies_before",
    "gru-none-first",
    "gru-entmax",
]


@pytest.mark.slow
def test_random_searches_under_sanitizers(tmp_path: Path, root: Path) -> None:
    compiler = native_build().find_compiler()
    if compiler is None:
        pytest.skip("there is no C compiler here")
    program, files = tmp_path / "stress", [root / "tests" / "engine" / "stress.c", *native_build().sources()]
    flags = ["-std=c11", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover", f"-I{root / 'native'}"]
    made = subprocess.run([*compiler, *flags, "-o", program, *files, "-lm"], capture_output=True, check=False)
    if made.returncode:
        pytest.skip("the C compiler here has no sanitizers")
    folders = [tmp_path / name for name in NAMES]
    for name, folder in zip(NAMES, folders, strict=True):
        folder.mkdir()
        weights = {key: tensor.contiguous() for key, tensor in small_model(CASES[name]).state_dict().items()}
        save_file(weights, folder / "model.safetensors")
        (folder / "config.json").write_text(CASES[name].model_dump_json(), encoding="utf-8")
    done = subprocess.run([program, "20000", *folders], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    refused, found = int(done.stdout.split()[0]), int(done.stdout.split()[2])
    assert refused < found
