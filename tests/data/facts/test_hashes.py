"""Hashes of sources: exact while there are few, and exactly the smallest when there are many."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqweave.data.facts import hashes
from seqweave.data.facts.hashes import SourceHashes, text_hash
from seqweave.errors import ModelFolderError


def remembered(texts: list[str]) -> SourceHashes:
    made = SourceHashes()
    for text in texts:
        made.add(text)
    return made


def test_few_texts_are_all_known(tmp_path: Path) -> None:
    made = remembered(["a", "b", "a", ""])
    assert [made.knows(text) for text in ("a", "b", "", "c", "A")] == [True, True, True, False, False]
    (tmp_path / "hashes").write_bytes(made.to_bytes())
    again = SourceHashes.from_file(tmp_path / "hashes")
    assert len(made.to_bytes()) == 3 * 8
    assert [again.knows(text) for text in ("a", "c")] == [True, False]


def test_the_hash_is_that_of_the_library() -> None:
    digest = hashlib.blake2b("é".encode(), digest_size=8).digest()
    assert text_hash("é") == sum(byte << (8 * place) for place, byte in enumerate(digest))


@given(st.lists(st.text("abc", max_size=4), max_size=60), st.text("abc", max_size=4))
def test_many_texts_leave_the_smallest_hashes(texts: list[str], other: str) -> None:
    most = 5
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hashes, "MOST", most)
        made = remembered(texts)
        kept = sorted({text_hash(text) for text in texts})[:most]
        assert made.to_bytes() == b"".join(one.to_bytes(8, "little") for one in kept)
        every = len({text_hash(text) for text in texts})
        for text in (*texts, other):
            can_tell = every < most or text_hash(text) <= kept[-1]
            assert made.knows(text) == (text in texts if can_tell else None)


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    (tmp_path / "hashes").write_bytes(b"1234567")
    with pytest.raises(ModelFolderError, match="must hold numbers of 8 bytes, but it has 7 bytes: restore"):
        SourceHashes.from_file(tmp_path / "hashes")
    with pytest.raises(ModelFolderError, match="cannot read"):
        SourceHashes.from_file(tmp_path / "nothing")
