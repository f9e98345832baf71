"""The built page is that of its sources: checked without Node, by the hash that the build writes into it."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import pytest

SINGLE = ("index.html", "package.json", "package-lock.json", "sources.ts", "tsconfig.json", "vite.config.ts")


@pytest.fixture(scope="module")
def built(root: Path) -> str:
    return (root / "src/seqweave/inspection/page/index.html").read_text(encoding="utf-8")


def sources_hash(folder: Path) -> str:
    """As page/sources.ts has it: sha256 over `name NUL content NUL`, by name."""
    names = [*SINGLE, *(path.relative_to(folder).as_posix() for path in (folder / "src").rglob("*") if path.is_file())]
    digest = hashlib.sha256()
    for name in sorted(names):
        digest.update(name.encode() + b"\0" + (folder / name).read_bytes() + b"\0")
    return digest.hexdigest()


def test_the_built_page_is_fresh(root: Path, built: str) -> None:
    found = re.search(r'<meta name="seqweave-page-sources" content="([0-9a-f]{64})">', built)
    assert found, "the built page does not say what it was built from: run scripts/page"
    assert found[1] == sources_hash(root / "page"), "page/ has changed since the page was built: run scripts/page"


def test_the_built_page_needs_nothing_else(built: str) -> None:
    assert not re.search(r'<(?:script|img|iframe)\b[^>]*\bsrc=|<link\b|@import|url\((?!["\']?data:)', built)
    addresses = set(re.findall(r"https?://[^\s\"'`)<>]+", built))
    assert addresses <= {"http://www.w3.org/2000/svg"}  # the name of SVG, never asked for


def test_the_policy_names_the_script_and_nothing_outside(built: str) -> None:
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', built)
    assert policy
    script = re.search(r'<script type="module">(.*?)</script>', built, re.DOTALL)
    assert script
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy[1]
    assert policy[1].startswith("default-src 'none'")
    assert "http" not in policy[1]


def test_the_page_has_one_place_for_a_trace(built: str) -> None:
    assert built.count('<script type="application/json" id="trace">null</script>') == 1


def test_no_registry_address_in_the_lock_file(root: Path) -> None:
    lock = (root / "page" / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in lock
    assert "node_modules" in (root / "page" / ".gitignore").read_text(encoding="utf-8")
