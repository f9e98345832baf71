"""What must not stand in the code or in any published file."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import seqweave
from source_trees import tree_of

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "seqweave"
MODULES = sorted(PACKAGE.rglob("*.py"))

UNSAFE_MODULES = {"pickle", "shelve", "marshal", "dill", "joblib", "cloudpickle"}
# `csv` honours quotes and str.splitlines splits at eleven characters: a line of data ends at "\n" only.
INEXACT_MODULES = {"csv"}
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:tmp|work|root|home|Users|mnt)/\w")
REGISTRY = re.compile(
    r"(?:--|PIP_)(?:extra-)?index-url|--find-links|pypi\.org|pythonhosted|download\.pytorch\.org|registry\.npmjs", re.I
)


def forbidden(tree: ast.AST, may_print: bool = False) -> Iterator[str]:
    """Every forbidden construct of a module, as `line: what`."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    if alias.name.split(".")[0] in UNSAFE_MODULES | INEXACT_MODULES:
                        yield f"{node.lineno}: import {alias.name}"
            case ast.ImportFrom(module=str(module), level=0):
                if module.split(".")[0] in UNSAFE_MODULES | INEXACT_MODULES:
                    yield f"{node.lineno}: from {module} import"
            case ast.Name(id="eval" | "exec" as name) | ast.Attribute(attr="splitlines" as name):
                yield f"{node.lineno}: {name}"
            case ast.Name(id="print") if not may_print:
                yield f"{node.lineno}: print"
            case ast.Attribute(value=ast.Name(id="torch"), attr="load" | "save" as name):
                yield f"{node.lineno}: torch.{name}"
            case ast.keyword(arg="allow_pickle", value=ast.Constant(value=True)):
                yield f"{node.value.lineno}: allow_pickle=True"


def test_nothing_forbidden_in_the_package() -> None:
    found = []
    for path in MODULES:
        here = path.relative_to(PACKAGE)
        found += [f"{here}:{what}" for what in forbidden(tree_of(path), may_print=here.parts[0] == "cli")]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "import csv",
        "eval('1')",
        "exec('1')",
        "text.splitlines()",
        "print(1)",
        "torch.load(path)",
        "np.load(path, allow_pickle=True)",
    ],
)
def test_forbidden_constructs_are_found(source: str) -> None:
    assert len(list(forbidden(ast.parse(source)))) == 1


def test_allowed_constructs_pass() -> None:
    assert list(forbidden(ast.parse("network.eval(); text.split('\\n'); np.load(path, mmap_mode='r')"))) == []


def published_files() -> list[Path]:
    """Files under version control, or about to be; all files where there is no git."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in sorted(set(listing.stdout.split("\0"))) if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("pattern", [MACHINE_PATH, REGISTRY], ids=["machine-path", "registry"])
def test_no_address_of_a_machine_in_published_files(pattern: re.Pattern[str]) -> None:
    found = []
    for path in published_files():
        if path == Path(__file__).resolve():
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a picture
        found += [f"{path.relative_to(ROOT)}: {match.group()}" for match in pattern.finditer(text)]
    assert found == []


def test_scripts_can_be_run() -> None:
    scripts = [path for path in published_files() if path.parent.name in ("scripts", ".ci")]
    assert scripts
    for path in scripts:
        runs = path.read_bytes().startswith(b"#!")
        assert runs == bool(path.stat().st_mode & 0o100), f"{path.name}: has #! and no x bit, or the reverse"


def test_the_source_distribution_has_all_that_is_published() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packed = settings["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    published = {path.relative_to(ROOT).parts[0] for path in published_files()}
    assert published - {name.removeprefix("/") for name in packed} == {"pyproject.toml"}  # always packed


def test_public_names_exist_and_are_sorted() -> None:
    assert list(seqweave.__all__) == sorted(set(seqweave.__all__))
    for name in seqweave.__all__:
        assert getattr(seqweave, name) is not None
