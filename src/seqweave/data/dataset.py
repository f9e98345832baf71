"""Tokenised pairs on disk, memory-mapped.

A dataset folder holds, for each side, the ids of all texts one after the other (`source.bin`:
uint16, or a wider type for 65536 ids or more), their lengths (int32) and where each begins
(int64), and `meta.json` with the counts and the SHA-256 of each file. For a model that copies,
`source_copies` has what each source item stands for in an output. A side with BPE-dropout has its texts
as single characters, too (`source_letters`), and how many of them each word has (`source_words`). Byte
order is little-endian.
It is written as a stream, chunk by chunk, so memory does not grow with the corpus; reading maps the
files, so the operating system may drop their pages whenever memory is short.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqweave.data.copying import CopyCoder, plain_sources
from seqweave.data.limits import unusable
from seqweave.data.source import Ids, Source, flattened
from seqweave.data.storage import SIDES, SideWriter, check_sums, new_folder, read_meta, write_meta
from seqweave.errors import DataError
from seqweave.text.tokenizers import Tokenizer

# A chunk ends at either; the second bounds the memory of a file with very long texts.
CHUNK_PAIRS = 10_000
CHUNK_CHARACTERS = 4_000_000
_LONGEST_WORD = 2**31  # characters


class PairDataset:
    """Sources and ids of targets: in a folder, memory-mapped (`write_dataset`, `open`), or in memory (`of`).

    Attributes:
        copying: whether sources say what each position stands for in an output.
        own, mixed: how many pairs are the run's own, and how many, after them, are mixed in (`seqweave.data.mixing`).
        source_lengths: positions of each source; shape (n,), int32, mapped.
        target_lengths: items of each target without `<eos>`; shape (n,), int32, mapped.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]], mixed: int = 0):
        self.source_lengths: NDArray[np.int32] = arrays["source_lengths"]
        self.target_lengths: NDArray[np.int32] = arrays["target_lengths"]
        self.own, self.mixed = len(self.source_lengths) - mixed, mixed
        self.copying = "source_copies" in arrays
        self._arrays = dict(arrays)
        if self.copying:
            for what in ("lengths", "offsets"):
                self._arrays[f"source_copies_{what}"] = arrays[f"source_{what}"]

    def __len__(self) -> int:
        return len(self.source_lengths)

    def source(self, index: int) -> Source:
        """One source."""
        return Source(self._item("source", index), self._item("source_copies", index) if self.copying else None)

    def target(self, index: int) -> Ids:
        """The ids of one target, without `<bos>` and `<eos>`; shape (its length,)."""
        return self._item("target", index)

    def flat(self, side: str, indices: Ids) -> tuple[NDArray[Any], Ids]:
        """The values of many rows one after the other, and their lengths; shapes (sum, ...), (B,).

        `side` is `source` or `target`, or `source_copies` of a data set with copies; with letters kept also
        `source_letters` (ids of the characters) and `source_words` (characters of each word), and likewise for
        the target.
        """
        lengths = self._arrays[f"{side}_lengths"][indices].astype(np.int64)
        begins = self._arrays[f"{side}_offsets"][indices]
        ends = np.cumsum(lengths)
        # Position p of the result lies in the text whose run covers p; shift each run to its place.
        positions = np.arange(ends[-1] if len(ends) else 0) + np.repeat(begins - (ends - lengths), lengths)
        return _values(self._arrays[side][positions]), lengths

    def _item(self, side: str, index: int) -> NDArray[Any]:
        begin = int(self._arrays[f"{side}_offsets"][index])
        return _values(self._arrays[side][begin : begin + int(self._arrays[f"{side}_lengths"][index])])

    @classmethod
    def of(cls, sources: Sequence[Source], targets: Sequence[Sequence[int]]) -> PairDataset:
        """Pairs in memory, none of them empty: at least one source, all of one kind, and a target for each.

        Raises:
            DataError: when there are not as many targets as sources, or none.
        """
        if len(sources) != len(targets) or not sources:
            raise DataError(f"a data set needs a target for each source, but got {len(sources)} and {len(targets)}")
        arrays: dict[str, NDArray[Any]] = {"source": np.concatenate([source.values for source in sources])}
        copies = [source.copies for source in sources if source.copies is not None]
        if copies:
            arrays["source_copies"] = np.concatenate(copies)
        arrays["target"], target_lengths = flattened(targets)
        source_lengths = np.fromiter(map(len, sources), dtype=np.int64, count=len(sources))
        for side, lengths in (("source", source_lengths), ("target", target_lengths)):
            arrays |= {f"{side}_lengths": lengths.astype(np.int32), f"{side}_offsets": np.cumsum(lengths) - lengths}
        return cls(arrays)

    @classmethod
    def open(cls, folder: Path, check: bool = False) -> PairDataset:
        """Map a folder written by `write_dataset`; `check` reads every file once, and compares its sum.

        Raises:
            DataError: when a file is missing, or not as long as `meta.json` says, or was changed.
        """
        meta = read_meta(folder)
        if check:
            check_sums(folder, meta.parts.values())
        return cls({name: part.mapped(folder) for name, part in meta.parts.items()}, meta.mixed)


def write_dataset(
    pairs: Iterable[tuple[str, str]],
    source_tokenizer: Tokenizer,
    target_tokenizer: Tokenizer,
    folder: Path,
    max_source_length: int,
    max_target_length: int,
    letters: Sequence[str] = (),
    copying: bool = False,
    mix: Iterable[tuple[str, str]] = (),
) -> tuple[PairDataset, dict[str, int]]:
    """Tokenise pairs into a dataset folder, as a stream; the folder appears complete or not at all.

    An older dataset at `folder` is replaced.

    Args:
        pairs: source and target texts.
        max_source_length: items; a pair with a longer source is dropped and counted.
        max_target_length: items, without `<eos>`; likewise.
        letters: sides whose texts are kept as single characters, too, for BPE-dropout.
        copying: for a model that copies: what source items stand for, and targets as extended ids
            (`seqweave.data.copying`).
        mix: pairs of texts to mix in, which follow the others.

    Returns:
        The mapped dataset, and how many of `pairs` were dropped for each reason: `source_too_long`,
        `target_too_long`, `source_without_items`, `target_without_items` (only what occurred).

    Raises:
        DataError: when the files cannot be written, or `folder` holds something else.
    """
    dropped: Counter[str] = Counter()
    limits = {"source": max_source_length, "target": max_target_length}
    tokenizers = {"source": source_tokenizer, "target": target_tokenizer}
    coder = CopyCoder(source_tokenizer, target_tokenizer) if copying else None
    with new_folder(folder) as temporary:
        with ExitStack() as stack:
            writers = {
                writer.side: stack.enter_context(writer)
                for writer in _writers(temporary, tokenizers, letters, coder, max_source_length)
            }
            coding = _Coding(tokenizers, coder, limits, letters)
            _append(writers, _chunks(pairs), coding, dropped)
            own = writers["target"].texts
            _append(writers, _chunks(mix), coding, Counter())
            mixed = writers["target"].texts - own
        write_meta(temporary, *writers.values(), mixed=mixed)
    return PairDataset.open(folder), dict(dropped)


@dataclass(frozen=True)
class _Coding:
    """How texts become ids: with which tokenizers, which length they may have, and which sides keep their letters."""

    tokenizers: dict[str, Tokenizer]
    coder: CopyCoder | None
    limits: dict[str, int]
    letters: Sequence[str]


def _append(
    writers: Mapping[str, SideWriter],
    chunks: Iterable[tuple[list[str], list[str]]],
    coding: _Coding,
    dropped: Counter[str],
) -> None:
    """Write the pairs of some chunks; those that cannot be used are counted in `dropped`."""
    for chunk in chunks:
        texts = dict(zip(SIDES, chunk, strict=True))
        sources, targets = _encoded(texts, coding.tokenizers, coding.coder)
        kept = _usable_rows(sources, targets, coding.limits, dropped)
        _append_sources(writers["source"], [sources[row] for row in kept])
        writers["target"].append(*flattened([targets[row] for row in kept]))
        for side in coding.letters:
            _append_letters(writers, side, coding.tokenizers[side], [texts[side][row] for row in kept])


def _writers(
    folder: Path, tokenizers: dict[str, Tokenizer], letters: Sequence[str], coder: CopyCoder | None, longest: int
) -> Iterator[SideWriter]:
    """What writes the arrays of each side; sources have at most `longest` items."""
    outputs = tokenizers["target"].size if coder is None else coder.outputs(longest)
    yield SideWriter(folder, "source", tokenizers["source"].size, None if coder is None else outputs)
    yield SideWriter(folder, "target", outputs)
    for side in letters:
        yield SideWriter(folder, f"{side}_letters", tokenizers[side].size)
        yield SideWriter(folder, f"{side}_words", _LONGEST_WORD)


def _append_sources(writer: SideWriter, sources: list[Source]) -> None:
    """Write some sources, and what their items stand for."""
    if not sources:
        return
    lengths = np.fromiter(map(len, sources), dtype=np.int64, count=len(sources))
    copies = [source.copies for source in sources if source.copies is not None]
    writer.append(
        np.concatenate([source.values for source in sources]), lengths, np.concatenate(copies) if copies else None
    )


def _append_letters(writers: Mapping[str, SideWriter], side: str, tokenizer: Tokenizer, texts: list[str]) -> None:
    """Write the single characters of some texts, and how many each word has."""
    found = tokenizer.letters_batch(texts)
    writers[f"{side}_letters"].append(*flattened([characters for characters, _ in found]))
    writers[f"{side}_words"].append(*flattened([words for _, words in found]))


def _encoded(
    texts: dict[str, list[str]], tokenizers: dict[str, Tokenizer], coder: CopyCoder | None
) -> tuple[list[Source], list[list[int]]]:
    """Some sources and the ids of their targets; with a coder extended ids."""
    if coder is None:
        sources = plain_sources(tokenizers["source"], texts["source"]).sources
        return sources, tokenizers["target"].encode_batch(texts["target"])
    coded = coder.sources(texts["source"])
    return coded.sources, coder.targets(texts["target"], coded.extra)


def _chunks(pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[list[str], list[str]]]:
    sources: list[str] = []
    targets: list[str] = []
    characters = 0
    for source, target in pairs:
        sources.append(source)
        targets.append(target)
        characters += len(source) + len(target)
        if len(sources) >= CHUNK_PAIRS or characters >= CHUNK_CHARACTERS:
            yield sources, targets
            sources, targets, characters = [], [], 0
    if sources:
        yield sources, targets


def _usable_rows(
    sources: list[Source], targets: list[list[int]], limits: dict[str, int], dropped: Counter[str]
) -> list[int]:
    """Which pairs can be used; counts the reasons why the others cannot."""
    usable = []
    for row, (source, target) in enumerate(zip(sources, targets, strict=True)):
        reason = unusable(len(source), len(target), limits["source"], limits["target"])
        if reason is None:
            usable.append(row)
        else:
            dropped[reason] += 1
    return usable


def _values(stored: NDArray[Any]) -> NDArray[Any]:
    """Stored values as batches have them: ids are int64, frames stay float32."""
    return stored.astype(np.int64) if np.issubdtype(stored.dtype, np.integer) else np.array(stored)
