"""Files written whole or not at all, and what a kill leaves behind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from seqweave.files import remove_temporary, write_atomic


def test_write_atomic_replaces_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomic(path, b"old")
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("refused", ["fsync", "replace"])
def test_write_atomic_keeps_the_old_file_when_the_disk_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    path = tmp_path / "file"
    write_atomic(path, b"old")

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os if refused == "fsync" else Path, refused, refuse)
    with pytest.raises(OSError, match="No space left") as caught:
        write_atomic(path, b"new")
    assert caught.value.filename == str(path)  # not the temporary one
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_what_a_killed_process_left_is_removed_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kept").write_bytes(b"")
    (tmp_path / ".hidden").write_bytes(b"")
    (tmp_path / ".cache.123.tmp").mkdir()
    (tmp_path / ".cache.123.tmp" / "source.bin").write_bytes(b"ids")

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", killed)
    monkeypatch.setattr(Path, "unlink", killed)  # a killed process tidies nothing
    with pytest.raises(KeyboardInterrupt):
        write_atomic(tmp_path / "config.json", b"{}")
    monkeypatch.undo()
    assert len(list(tmp_path.iterdir())) == 4
    remove_temporary(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".hidden", "kept"]
