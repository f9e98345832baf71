"""Imports point one way (docs/architecture.md), and `seqweave --help` loads nothing heavy."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from source_trees import tree_of

PACKAGE = Path(__file__).resolve().parents[2] / "src" / "seqweave"

PUBLIC = "__init__"  # the names `import seqweave` gives

# From the ground up. A part may import parts of the lines above its own; parts of one line do not import each other.
LEVELS: tuple[frozenset[str], ...] = (
    frozenset({"errors", "files", "wording"}),
    frozenset({"config", "lock", "paths", "system_errors"}),
    frozenset({"text"}),
    frozenset({"data", "device", "folder"}),
    frozenset({"model", "run_status"}),
    frozenset({"search"}),
    frozenset({"backends"}),
    frozenset({"predictor"}),
    frozenset({"loading"}),
    frozenset({"proofs", "evaluation", "inspection"}),
    frozenset({"model_card"}),
    frozenset({"training", "export", "serving"}),
    frozenset({"benchmark"}),
    frozenset({PUBLIC}),
    frozenset({"cli"}),
    frozenset({"__main__"}),
)
# What each part of the package may import, besides itself.
ALLOWED: dict[str, frozenset[str]] = {
    part: frozenset().union(*LEVELS[:level]) for level, parts in enumerate(LEVELS) for part in parts
}
for part in ("backends", "predictor", "loading", "training", "benchmark", "cli"):
    ALLOWED[part] |= {"engine"}
ALLOWED["engine"] = frozenset({"errors", "text", "folder"})
MODULES = sorted(PACKAGE.rglob("*.py"))


def part_of(module: str) -> str:
    """The part a dotted module name belongs to: `seqweave.data.readers` -> `data`."""
    names = module.split(".")
    known = len(names) > 1 and ((PACKAGE / names[1]).is_dir() or (PACKAGE / f"{names[1]}.py").is_file())
    return names[1] if known else PUBLIC


def imported(tree: ast.AST, package: str) -> Iterator[str]:
    """Full names of all modules of seqweave which a module of `package` imports, wherever in the file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, node.module] if node.module else above)
            names = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] == "seqweave")


def test_imports_point_one_way() -> None:
    wrong = []
    for path in MODULES:
        here = path.relative_to(PACKAGE)
        part = here.parts[0].removesuffix(".py")
        package = ".".join(("seqweave", *here.parent.parts))
        for name in imported(tree_of(path), package):
            if part_of(name) != part and part_of(name) not in ALLOWED[part]:
                wrong.append(f"{here} belongs to {part}, which may not import {name}")
    assert wrong == []


def test_kernels_are_a_leaf() -> None:
    """Tensors only: whoever has modules gives their tensors."""
    kernels = "seqweave.model.kernels"
    paths = sorted((PACKAGE / "model" / "kernels").glob("*.py"))
    names = {(path.name, name) for path in paths for name in imported(tree_of(path), kernels)}
    assert [(path, name) for path, name in names if not name.startswith(kernels)] == []


def test_every_part_has_its_place_in_the_table() -> None:
    parts = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in MODULES}
    assert parts <= ALLOWED.keys()


@pytest.mark.parametrize(
    ("source", "package", "expected"),
    [
        ("import seqweave", "seqweave.cli", [PUBLIC]),
        ("from seqweave import config", "seqweave.text", ["config"]),
        ("from seqweave import load", "seqweave.cli", [PUBLIC]),
        ("from . import errors", "seqweave", ["errors"]),
        ("from ..config import Config", "seqweave.text", ["config"]),
        ("def f():\n    import seqweave.errors", "seqweave.text", ["errors"]),
        ("import torch\nfrom json import loads", "seqweave.text", []),
    ],
)
def test_imports_are_found_in_every_form(source: str, package: str, expected: list[str]) -> None:
    assert [part_of(name) for name in imported(ast.parse(source), package)] == expected


HEAVY = ("torch", "matplotlib", "sacrebleu", "jiwer", "babel")


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("seqweave", HEAVY),
        ("seqweave.config", HEAVY),
        ("seqweave.cli.main", HEAVY),
        ("seqweave.text.tokenizers", ("torch",)),  # the runtime tokenises without torch
    ],
)
def test_light_modules_load_nothing_heavy(module: str, forbidden: tuple[str, ...]) -> None:
    program = f"import sys, {module}; print(*sorted(set({forbidden!r}) & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == []
