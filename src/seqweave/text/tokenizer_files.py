"""Reading a `tokenizer.json`: the vocabulary and the merges are taken from it, the pipeline from the settings.

A file of HF `tokenizers` holds a whole pipeline, which may do anything to a text: replace every character by two,
cut, pad. So the pipeline that runs is made of the settings (`seqweave.text.pipelines`), and what the file says of it is
only compared. The library sees no text of the file before it has been found to be ours: some of its parts panic.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn

import tokenizers
from tokenizers import models

from seqweave.config import TextConfig
from seqweave.errors import ModelFolderError
from seqweave.text.pipelines import assemble
from seqweave.text.vocabulary import ENTRIES, UNK, byte_entries

_SHOWN = 100  # characters of a value in a sentence


def read_pipeline(text: str, where: str, config: TextConfig) -> tokenizers.Tokenizer:
    """The pipeline of the settings around the vocabulary of a `tokenizer.json`.

    Args:
        text: what the file holds.
        where: names the file in errors.
        config: the settings of its side; `units` must be set.

    Raises:
        ModelFolderError: when it is damaged, was not written by seqweave, or means something else than the settings.
    """
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError) as error:
        _refuse(where, f"it is not JSON ({error})")
    if not isinstance(tree, dict) or not isinstance(tree.get("model"), dict):
        _refuse(where, "it is no object with a model")
    kind, model = _kind(config), tree["model"]
    if model.get("type") != kind:
        _refuse(where, f"its model is {_shown(model.get('type'))}, but {kind} belongs to units {config.units}")
    filled = _unigram(model, where) if kind == "Unigram" else _vocabulary(model, where, config)
    pipeline = _assembled(filled, where, config)
    ours = json.loads(_assembled(_Filled(kind), where, config).to_str())
    difference = _difference(_skeleton(ours), _skeleton(tree), "")
    if difference is not None:
        _refuse(where, f"its {difference}: only vocabulary and merges are its own, the rest follows from the settings")
    return pipeline


class _Filled:
    """What a model is filled with: entries in the order of their ids, merges, scores of a unigram model's pieces."""

    def __init__(self, kind: str, entries: list[str] | None = None) -> None:
        self.kind = kind
        self.entries = list(ENTRIES) if entries is None else entries
        self.merges: list[tuple[str, str]] = []
        self.scores: list[float] = [0.0] * len(self.entries)

    def model(self) -> Any:
        """The model of `tokenizers.models`."""
        if self.kind == "Unigram":
            pieces = list(zip(self.entries, self.scores, strict=True))
            return models.Unigram(pieces, unk_id=UNK, byte_fallback=False)
        ids = {entry: id_ for id_, entry in enumerate(self.entries)}
        if self.kind == "BPE":
            return models.BPE(ids, self.merges, unk_token=ENTRIES[UNK])
        return models.WordLevel(ids, unk_token=ENTRIES[UNK])


def _kind(config: TextConfig) -> str:
    if config.units == "byte":
        return "BPE"
    if config.units == "subword":
        return "Unigram" if config.subword_model == "unigram" else "BPE"
    return "WordLevel"


def _assembled(filled: _Filled, where: str, config: TextConfig) -> tokenizers.Tokenizer:
    """The pipeline; a panic of the library, which is no Exception, becomes a sentence too."""
    try:
        return assemble(filled.model(), config)
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:
        _refuse(where, f"its vocabulary cannot be used ({_shown(str(error))})")


def _vocabulary(model: Mapping[str, Any], where: str, config: TextConfig) -> _Filled:
    """Entries and merges of a model that numbers its entries."""
    ids = model.get("vocab")
    if not isinstance(ids, dict) or not all(type(id_) is int for id_ in ids.values()):
        _refuse(where, "its vocabulary does not number its entries")
    entries = sorted(ids, key=ids.__getitem__)
    if [ids[entry] for entry in entries] != list(range(len(entries))):
        _refuse(where, "its vocabulary is another one: ids must count from 0")
    _check_entries(entries, where)
    filled = _Filled(_kind(config), entries)
    if config.units == "byte" and entries[len(ENTRIES) :] != byte_entries():
        _refuse(where, "its vocabulary is another one: units byte has the 256 bytes")
    if filled.kind == "BPE":
        filled.merges = _merges(model.get("merges"), ids, where)
    if config.units == "byte" and filled.merges:
        _refuse(where, "it has merges, but units byte has none")
    return filled


def _check_entries(entries: list[str], where: str) -> None:
    if tuple(entries[: len(ENTRIES)]) != ENTRIES:
        _refuse(where, "its vocabulary is another one: pad, unk, bos and eos must be ids 0 to 3")
    for entry in entries:
        if not entry or (not entry.isascii() and any("\ud800" <= sign <= "\udfff" for sign in entry)):
            _refuse(where, f"an entry of its vocabulary is {_shown(entry)}, which no text can hold")


def _merges(given: object, ids: Mapping[str, int], where: str) -> list[tuple[str, str]]:
    """Pairs of entries whose text together is an entry."""
    if not isinstance(given, list):
        _refuse(where, "its merges are no list")
    merges = []
    for number, pair in enumerate(given, 1):
        fits = isinstance(pair, list) and len(pair) == 2 and all(isinstance(part, str) for part in pair)
        if not fits or not {pair[0], pair[1], pair[0] + pair[1]} <= ids.keys():
            _refuse(where, f"merge {number} is {_shown(pair)}, which does not join two entries to one")
        merges.append((pair[0], pair[1]))
    return merges


def _unigram(model: Mapping[str, Any], where: str) -> _Filled:
    """Pieces and scores of a unigram model."""
    pieces = model.get("vocab")
    if not isinstance(pieces, list):
        _refuse(where, "its vocabulary is no list of pieces")
    filled = _Filled("Unigram", [])
    for number, piece in enumerate(pieces, 1):
        fits = isinstance(piece, list) and len(piece) == 2 and isinstance(piece[0], str)
        if not fits or type(piece[1]) not in (int, float) or not math.isfinite(piece[1]) or piece[1] > 0:
            _refuse(where, f"piece {number} is {_shown(piece)}, not a text with the logarithm of its probability")
        filled.entries.append(piece[0])
        filled.scores.append(float(piece[1]))
    _check_entries(filled.entries, where)
    if len(set(filled.entries)) < len(filled.entries):
        _refuse(where, "a piece of its vocabulary is there twice")
    return filled


def _skeleton(tree: Mapping[str, Any]) -> dict[str, Any]:
    """All that is neither vocabulary nor merges."""
    model = {key: value for key, value in tree["model"].items() if key not in ("vocab", "merges")}
    return {**tree, "model": model}


def _difference(ours: Any, theirs: Any, path: str) -> str | None:
    """The first place where a file says something else than the settings, as a phrase; None where there is none.

    What one side lacks must be empty on the other: versions of the library write different keys.
    """
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in [*ours, *(key for key in theirs if key not in ours)]:
            there, here = theirs.get(key), ours.get(key)
            if (key in ours and key in theirs) or there not in (None, False, []) or here not in (None, False, []):
                found = _difference(here, there, f"{path}.{key}" if path else key)
                if found is not None:
                    return found
        return None
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        found_in = (
            _difference(a, b, f"{path}[{place}]") for place, (a, b) in enumerate(zip(ours, theirs, strict=True))
        )
        return next((found for found in found_in if found is not None), None)
    if type(ours) is type(theirs) and ours == theirs:
        return None
    return f"{_cut(path)} is {_shown(theirs)}, but the settings make it {_shown(ours)}"


def _shown(value: object) -> str:
    """A value from the file, cut, and with nothing raw in it."""
    try:
        return _cut(json.dumps(value))
    except RecursionError:
        return "nested too deep"


def _cut(text: str) -> str:
    text = text if text.isprintable() else ascii(text)[1:-1]
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _refuse(where: str, why: str) -> NoReturn:
    raise ModelFolderError(f"{where} must be a tokenizer written by seqweave, but {why}; restore the file") from None
