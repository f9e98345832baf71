"""The page's own tests, in Node and Chromium. They skip, with their reason, where one of them is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))


@pytest.fixture(scope="module")
def page(root: Path) -> Path:
    """The folder of the page's sources, when its packages are installed."""
    folder = root / "page"
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("the page's tests need Node.js with npm, and there is none on the PATH")
    if not (folder / "node_modules" / ".package-lock.json").is_file():  # npm writes it when all is there
        pytest.skip("the page's tests need its npm packages: run `.ci/page-tools` first (tests use no network)")
    return folder


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command and keep what it says."""
    environment = {**os.environ, "NO_COLOR": "1", "CI": "1", "CHROMIUM": str(CHROMIUM)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def vitest(page: Path, name: str) -> None:
    """Run a file of tests; its report is the message when it fails."""
    node = shutil.which("node")
    assert node is not None
    done = run([node, "node_modules/vitest/vitest.mjs", "run", f"tests/{name}"], page)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-4000:]


def test_units(page: Path) -> None:
    vitest(page, "units.test.ts")


def test_types(page: Path) -> None:
    npm = shutil.which("npm")
    assert npm is not None
    done = run([npm, "run", "--silent", "check"], page)
    assert done.returncode == 0, done.stdout[-4000:]


def test_the_sources_build_the_page_that_is_committed(page: Path, root: Path, tmp_path: Path) -> None:
    node = shutil.which("node")
    assert node is not None
    done = run([node, "node_modules/vite/bin/vite.js", "build", "--outDir", str(tmp_path / "page")], page)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    built, committed = tmp_path / "page" / "index.html", root / "src/seqweave/inspection/page/index.html"
    assert built.read_bytes() == committed.read_bytes(), "the built page is not that of its sources: run scripts/page"


def test_the_page_in_chromium(page: Path) -> None:
    if not CHROMIUM.is_file():
        pytest.skip(
            f"the page's tests need Chromium at {CHROMIUM}: install it (Debian: chromium), or name it in CHROMIUM"
        )
    vitest(page, "browser.test.ts")
