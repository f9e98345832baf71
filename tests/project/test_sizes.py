"""Small pieces: no function over 50 lines, no file over 400, in the package, the tests and the benchmarks."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from source_trees import tree_of

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("src", "tests", "bench")
MOST_OF_A_FUNCTION = 50  # lines from `def` to its end, the docstring counted, decorators not
MOST_OF_A_FILE = 400


def too_long(text: str, tree: ast.Module) -> Iterator[str]:
    """What is too long in the text of a module, each with its line and length."""
    lines = len(text.splitlines())
    if lines > MOST_OF_A_FILE:
        yield f"1: the file has {lines} lines, over {MOST_OF_A_FILE}"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            lines = node.end_lineno - node.lineno + 1
            if lines > MOST_OF_A_FUNCTION:
                yield f"{node.lineno}: {node.name} has {lines} lines, over {MOST_OF_A_FUNCTION}"


@pytest.mark.parametrize("folder", FOLDERS)
def test_functions_and_files_are_small(folder: str) -> None:
    paths = sorted((ROOT / folder).rglob("*.py"))
    assert paths
    found = [
        f"{path.relative_to(ROOT)}:{one}"
        for path in paths
        for one in too_long(path.read_text(encoding="utf-8"), tree_of(path))
    ]
    assert not found, "cut these: " + "; ".join(found)


def function(lines: int, head: str = "def f():") -> str:
    return "\n".join([head, *["    pass"] * (lines - 1)]) + "\n"


def found_in(text: str) -> list[str]:
    return list(too_long(text, ast.parse(text)))


def test_what_is_too_long_is_found() -> None:
    assert found_in(function(50) + "@decorated\n" + function(50)) == []
    assert found_in(function(51)) == ["1: f has 51 lines, over 50"]
    assert found_in("@decorated\n" + function(51, "async def g():")) == ["2: g has 51 lines, over 50"]
    inside = "class C:\n" + "".join(f"    {line}\n" for line in function(51, "def m(self):").splitlines())
    assert found_in(inside) == ["2: m has 51 lines, over 50"]
    documented = 'def f():\n    """A.\n' + "\n" * 48 + '    """\n'
    assert found_in(documented) == ["1: f has 51 lines, over 50"]
    assert found_in("x = 1\n" * 400) == []
    assert found_in("x = 1\n" * 401) == ["1: the file has 401 lines, over 400"]
