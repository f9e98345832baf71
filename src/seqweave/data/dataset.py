"""Tokenised pairs on disk, memory-mapped; and the batches made of them.

A dataset folder holds, for each side, the ids of all texts one after the other (`source.bin`:
uint16, or a wider type for 65536 ids or more), their lengths (int32) and where each begins
(int64), and `meta.json` with the counts. A side with BPE-dropout has its texts as single characters, too
(`source_letters`), and how many of them each word has (`source_words`). Byte order is little-endian.
It is written as a stream, chunk by chunk, so memory does not grow with the corpus; reading maps the
files, so the operating system may drop their pages whenever memory is short.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqweave.data.copying import CopyCoder
from seqweave.data.storage import SIDES, SideWriter, new_folder, read_meta, write_meta
from seqweave.errors import DataError
from seqweave.text.tokenizers import Tokenizer
from seqweave.text.vocabulary import BOS, EOS, PAD

# A chunk ends at either; the second bounds the memory of a file with very long texts.
CHUNK_PAIRS = 10_000
CHUNK_CHARACTERS = 4_000_000
_LONGEST_WORD = 2**31  # characters

# A side and indices of pairs to the ids of many texts one after the other, and their lengths: (sum,), (B,).
Flat = Callable[[str, NDArray[np.int64]], tuple[NDArray[np.int64], NDArray[np.int64]]]


class PairDataset:
    """Ids of pairs in a folder, memory-mapped; make one with `write_dataset` or `open`.

    Attributes:
        folder: where the files are.
        source_lengths: items of each source; shape (n,), int32, mapped.
        target_lengths: items of each target without `<eos>`; shape (n,), int32, mapped.
    """

    def __init__(self, folder: Path, arrays: dict[str, NDArray[Any]]):
        self.folder = folder
        self.source_lengths: NDArray[np.int32] = arrays["source_lengths"]
        self.target_lengths: NDArray[np.int32] = arrays["target_lengths"]
        self._arrays = arrays

    def __len__(self) -> int:
        return len(self.source_lengths)

    def source(self, index: int) -> NDArray[np.int64]:
        """The ids of one source; shape (its length,)."""
        return self._item("source", index)

    def target(self, index: int) -> NDArray[np.int64]:
        """The ids of one target, without `<bos>` and `<eos>`; shape (its length,)."""
        return self._item("target", index)

    def flat(self, side: str, indices: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The ids of many texts one after the other, and their lengths; shapes (sum,), (B,).

        `side` is `source` or `target`; with letters kept also `source_letters` (ids of the characters) and
        `source_words` (characters of each word), and likewise for the target.
        """
        lengths = self._arrays[f"{side}_lengths"][indices].astype(np.int64)
        begins = self._arrays[f"{side}_offsets"][indices]
        ends = np.cumsum(lengths)
        # Position p of the result lies in the text whose run covers p; shift each run to its place.
        positions = np.arange(ends[-1] if len(ends) else 0) + np.repeat(begins - (ends - lengths), lengths)
        return self._arrays[side][positions].astype(np.int64), lengths

    def _item(self, side: str, index: int) -> NDArray[np.int64]:
        begin = int(self._arrays[f"{side}_offsets"][index])
        return self._arrays[side][begin : begin + int(self._arrays[f"{side}_lengths"][index])].astype(np.int64)

    @classmethod
    def open(cls, folder: Path) -> PairDataset:
        """Map a folder written by `write_dataset`.

        Raises:
            DataError: when a file is missing, or not as long as `meta.json` says.
        """
        return cls(folder, {name: part.mapped(folder) for name, part in read_meta(folder).items()})


def write_dataset(
    pairs: Iterable[tuple[str, str]],
    source_tokenizer: Tokenizer,
    target_tokenizer: Tokenizer,
    folder: Path,
    max_source_length: int,
    max_target_length: int,
    letters: Sequence[str] = (),
    copying: bool = False,
) -> tuple[PairDataset, dict[str, int]]:
    """Tokenise pairs into a dataset folder, as a stream; the folder appears complete or not at all.

    An older dataset at `folder` is replaced.

    Args:
        pairs: source and target texts.
        max_source_length: items; a pair with a longer source is dropped and counted.
        max_target_length: items, without `<eos>`; likewise.
        letters: sides whose texts are kept as single characters, too, for BPE-dropout.
        copying: for a model that copies: sources as codes, targets as extended ids (`seqweave.data.copying`).

    Returns:
        The mapped dataset, and how many pairs were dropped for each reason: `source_too_long`,
        `target_too_long`, `source_without_items`, `target_without_items` (only what occurred).

    Raises:
        DataError: when the files cannot be written, or `folder` holds something else.
    """
    dropped: Counter[str] = Counter()
    limits = {"source": max_source_length, "target": max_target_length}
    tokenizers = {"source": source_tokenizer, "target": target_tokenizer}
    coder = CopyCoder(source_tokenizer, target_tokenizer) if copying else None
    every = (source_tokenizer.size, target_tokenizer.size) if coder is None else coder.sizes(max_source_length)
    sizes = dict(zip(SIDES, every, strict=True))
    for side in letters:
        sizes |= {f"{side}_letters": sizes[side], f"{side}_words": _LONGEST_WORD}
    with new_folder(folder) as temporary:
        with ExitStack() as stack:
            writers = {name: stack.enter_context(SideWriter(temporary, name, size)) for name, size in sizes.items()}
            for chunk in _chunks(pairs):
                texts = dict(zip(SIDES, chunk, strict=True))
                ids = _ids(texts, tokenizers, coder)
                kept = [row for row, reason in enumerate(_drop_reasons(ids, limits, dropped)) if reason is None]
                for side in SIDES:
                    writers[side].append(*_flatten([ids[side][row] for row in kept]))
                for side in letters:
                    _append_letters(writers, side, tokenizers[side], [texts[side][row] for row in kept])
        write_meta(temporary, *writers.values())
    return PairDataset.open(folder), dict(dropped)


def _append_letters(writers: Mapping[str, SideWriter], side: str, tokenizer: Tokenizer, texts: list[str]) -> None:
    """Write the single characters of some texts, and how many each word has."""
    found = tokenizer.letters_batch(texts)
    writers[f"{side}_letters"].append(*_flatten([characters for characters, _ in found]))
    writers[f"{side}_words"].append(*_flatten([words for _, words in found]))


def _ids(
    texts: dict[str, list[str]], tokenizers: dict[str, Tokenizer], coder: CopyCoder | None
) -> dict[str, list[list[int]]]:
    """The ids of some texts, by side; with a coder codes, and extended ids."""
    if coder is None:
        return {side: tokenizers[side].encode_batch(texts[side]) for side in SIDES}
    coded = coder.sources(texts["source"])
    return {"source": coded.codes, "target": coder.targets(texts["target"], coded.extra)}


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


def _drop_reasons(
    ids: dict[str, list[list[int]]], limits: dict[str, int], dropped: Counter[str]
) -> Iterator[str | None]:
    """The reason why each pair cannot be used, or None; counts the reasons."""
    for row in zip(*(ids[side] for side in SIDES), strict=True):
        reason = None
        for side, items in zip(SIDES, row, strict=True):
            if not items:
                reason = f"{side}_without_items"
            elif len(items) > limits[side]:
                reason = f"{side}_too_long"
            if reason is not None:
                dropped[reason] += 1
                break
        yield reason


@dataclass(frozen=True)
class Batch:
    """Padded ids of B pairs. Padding is `PAD`; what is real follows from the lengths.

    Attributes:
        source: (B, S) int64.
        source_lengths: (B,) int64.
        target_in: `<bos> y`; (B, T) int64.
        target_out: `y <eos>`; (B, T) int64.
        target_lengths: real positions of `target_out`, `<eos>` counted; (B,) int64.
        indices: which pairs of the dataset; (B,), on the host.
        source_tokens: sum of `source_lengths`, known on the host.
        target_tokens: sum of `target_lengths`, known on the host.
    """

    source: Tensor
    source_lengths: Tensor
    target_in: Tensor
    target_out: Tensor
    target_lengths: Tensor
    indices: NDArray[np.int64]
    source_tokens: int
    target_tokens: int

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on a device; to a GPU from pinned memory, without waiting for the copy."""
        device = torch.device(device)

        def move(tensor: Tensor) -> Tensor:
            # Only a copy from pinned memory runs beside the host's work.
            return (tensor.pin_memory() if device.type == "cuda" and not tensor.is_cuda else tensor).to(
                device, non_blocking=True
            )

        return Batch(
            source=move(self.source),
            source_lengths=move(self.source_lengths),
            target_in=move(self.target_in),
            target_out=move(self.target_out),
            target_lengths=move(self.target_lengths),
            indices=self.indices,
            source_tokens=self.source_tokens,
            target_tokens=self.target_tokens,
        )


def collate(dataset: PairDataset, indices: NDArray[np.int64], flat: Flat | None = None) -> Batch:
    """Make the batch of these pairs of a dataset, on the CPU; `flat` gives other ids than `dataset.flat` does."""
    flat = dataset.flat if flat is None else flat
    return _batch(*flat("source", indices), *flat("target", indices), indices)


def make_batch(sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]) -> Batch:
    """Make a batch of lists of ids (targets without `<bos>` and `<eos>`), on the CPU."""
    if len(sources) != len(targets):
        raise DataError(f"a batch needs as many targets as sources, but got {len(sources)} and {len(targets)}")
    return _batch(*_flatten(sources), *_flatten(targets), np.arange(len(sources), dtype=np.int64))


def pad_sources(sources: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Padded sources (B, S) and their lengths (B,), both int64; S is at least 1."""
    ids, lengths = _flatten(sources)
    return torch.from_numpy(_padded(ids, lengths)), torch.from_numpy(lengths)


def _flatten(rows: Sequence[Sequence[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    lengths = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
    return np.fromiter(chain.from_iterable(rows), dtype=np.int64, count=int(lengths.sum())), lengths


def _batch(
    source_ids: NDArray[np.int64],
    source_lengths: NDArray[np.int64],
    target_ids: NDArray[np.int64],
    target_lengths: NDArray[np.int64],
    indices: NDArray[np.int64],
) -> Batch:
    lengths = target_lengths + 1  # with <eos>
    target_out = _padded(target_ids, target_lengths, room=1)  # (sum,) -> (B, T)
    target_in = np.full_like(target_out, PAD)
    target_in[:, 0] = BOS
    target_in[:, 1:] = target_out[:, :-1]  # target_out has no <eos> yet
    target_out[np.arange(len(lengths)), target_lengths] = EOS
    return Batch(
        source=torch.from_numpy(_padded(source_ids, source_lengths)),
        source_lengths=torch.from_numpy(source_lengths),
        target_in=torch.from_numpy(target_in),
        target_out=torch.from_numpy(target_out),
        target_lengths=torch.from_numpy(lengths),
        indices=indices,
        source_tokens=int(source_lengths.sum()),
        target_tokens=int(lengths.sum()),
    )


def _padded(ids: NDArray[np.int64], lengths: NDArray[np.int64], room: int = 0) -> NDArray[np.int64]:
    """Rows of flat ids, padded to the longest row plus `room`, at least one position wide."""
    width = max(1, int(lengths.max(initial=0)) + room)
    padded = np.full((len(lengths), width), PAD, dtype=np.int64)  # (B, width)
    padded[np.arange(width) < lengths[:, None]] = ids  # (sum,) -> the real positions, row by row
    return padded
