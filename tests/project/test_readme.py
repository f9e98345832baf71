"""What the documents show can be typed: commands parse, snippets compile or run, links lead somewhere."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
import typer

from seqweave.cli.main import app, each_ensemble_folder
from seqweave.config import resolve_settings

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "bench").rglob("*.md")]
)
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHELLS = ("console", "bash", "sh", "shell")
ENDS_A_COMMAND = {"|", "||", "&&", ";", "&", "<", ">", ">>", "2>", "(", ")"}


class Block(NamedTuple):
    """A fenced block of a document."""

    place: str  # "README.md:12", the line of its first content
    language: str
    lines: list[str]


def blocks(text: str, name: str) -> Iterator[Block]:
    """Every fenced block of a markdown text."""
    language, start, lines = None, 0, list[str]()
    for number, line in enumerate(text.split("\n"), 1):
        fence = line.strip().startswith("```")
        if fence and language is None:
            language, start, lines = line.strip().removeprefix("```").strip(), number + 1, []
        elif fence and language is not None:
            yield Block(f"{name}:{start}", language, lines)
            language = None
        elif language is not None:
            lines.append(line)
    assert language is None, f"{name}:{start}: a fence that is never closed"


def commands(block: Block) -> Iterator[list[str]]:
    """Every command of a shell block as its words; of a console block only lines after a `$`."""
    text = "\n".join(block.lines).replace("\\\n", " ")
    for line in text.split("\n"):
        line = line.strip()
        if block.language == "console" and not line.startswith("$ "):
            continue  # what the command prints
        lexer = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if word in ENDS_A_COMMAND:
                yield words
                words = []
            else:
                words.append(word)


ALL_BLOCKS = [
    block for path in DOCUMENTS for block in blocks(path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix())
]
COMMANDS = [
    pytest.param(words, id=f"{block.place} {shlex.join(words)}"[:100])
    for block in ALL_BLOCKS
    if block.language in SHELLS
    for words in commands(block)
    if words and words[0] in ("seqweave", ".venv/bin/seqweave")
]
SCRIPTS = {
    words[0]: block.place
    for block in ALL_BLOCKS
    if block.language in SHELLS
    for words in commands(block)
    if words and "/" in words[0] and not words[0].startswith(".venv/")
}
SNIPPETS = [pytest.param(block, id=block.place) for block in ALL_BLOCKS if block.language == "python"]


def parse_command(words: list[str]) -> None:
    """Check a `seqweave ...` command line against the real commands, without running it."""
    group = typer.main.get_command(app)
    known: dict[str, typer.core.TyperCommand] = group.commands  # type: ignore[attr-defined]
    if words[1:] in (["--help"], ["--version"]):
        return
    verb, *arguments = words[1:]
    assert verb in known, f"there is no `seqweave {verb}`, only {', '.join(known)}"
    if arguments == ["--help"]:
        return
    context = known[verb].context_class(known[verb], info_name=verb)
    values, extra, _ = known[verb].make_parser(context).parse_args(each_ensemble_folder(arguments))
    assert len(extra) <= ("--dev" in arguments), f"too many arguments: {extra}"  # --dev takes one file or two
    missing = [param.name for param in known[verb].params if param.required and values.get(str(param.name)) is None]
    assert not missing, f"`seqweave {verb}` also needs {', '.join(map(str, missing))}"
    settings = [after for before, after in pairwise(arguments) if before == "--set"]
    resolve_settings(settings=settings)


@pytest.mark.parametrize("words", COMMANDS)
def test_commands_parse(words: list[str]) -> None:
    parse_command(words)


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("seqweave trian data.tsv", "trian"),
        ("seqweave predict model --nosuch", "nosuch"),
        ("seqweave predict model --beam-size", "beam-size"),
        ("seqweave info model other", "other"),
        ("seqweave compare model other", "also needs"),
        ("seqweave train data.tsv -o model --set model.cel=gru", "model.cel"),
    ],
)
def test_wrong_commands_are_found(line: str, wrong: str) -> None:
    with pytest.raises(Exception, match=wrong):
        parse_command(line.split())


def test_scripts_named_in_documents_exist() -> None:
    missing = [f"{place}: {name}" for name, place in SCRIPTS.items() if not (ROOT / name).is_file()]
    assert missing == []


@pytest.mark.parametrize("block", SNIPPETS)
def test_snippets_compile_and_run(block: Block, tmp_path: Path) -> None:
    source = "\n".join(block.lines) + "\n"
    compile(source, block.place, "exec")
    if block.lines[0].strip() == "# run":
        result = subprocess.run(
            [sys.executable, "-c", source], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, f"{block.place}: {result.stderr}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(path: Path) -> None:
    text = re.sub(r"```.*?```|`[^`\n]*`|<!--.*?-->", "", path.read_text(encoding="utf-8"), flags=re.S)
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    local = [target.partition("#")[0] for target in targets if "://" not in target and not target.startswith("#")]
    assert [target for target in local if not (path.parent / target).exists()] == []


def test_the_readme_needs_no_file_beside_it() -> None:
    """A package index shows the README alone, so a relative link or picture would be broken there."""
    text = re.sub(r"```.*?```|`[^`\n]*`", "", README, flags=re.S)
    targets = re.findall(r"\]\(([^)\s]+)\)|<img[^>]*src=.([^\s>]+)", text)
    assert [target for pair in targets for target in pair if target and not target.startswith(("https://", "#"))] == []


def test_the_readme_names_every_document() -> None:
    named = set(re.findall(r"`((?:docs/)?[\w.-]+\.md)`", README))
    there = {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md")}
    assert {name for name in named if name.startswith("docs/")} == there
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []


def test_the_readme_is_short_and_its_first_screen_has_the_result() -> None:
    lines = README.split("\n")
    assert len(lines) <= 120
    assert any("exactly right: " in line for line in lines[:25])


def test_the_table_of_settings_is_fresh() -> None:
    result = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "config-docs"), "--check"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
