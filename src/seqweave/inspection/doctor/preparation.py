"""Text that was prepared differently from that of the training."""

from __future__ import annotations

from collections import Counter

from seqweave.data.facts.profile import profile_of
from seqweave.inspection.doctor.remedies import again, in_other_text
from seqweave.inspection.doctor.run_record import Asked, Finding, RunRecord
from seqweave.text.features import FeaturedTokenizer, tags_of
from seqweave.text.tokenizers import Tokenizer, coverage
from seqweave.text.unknown import SHOWN, UnknownItems

# Texts of one convention are near 0 or near 1, so half way between lies a change of convention. Not measured.
DIFFERENT = 0.5
# Chosen, not measured: 1 in 10 more items is lost than in training.
MORE_UNKNOWN = 0.1


def prepared_differently(run: RunRecord, asked: Asked) -> Finding | None:
    """Case, normalisation, jamo or syllables, source tags, or far more unknown items than in training."""
    tokenizer = asked.model.source_tokenizer
    now = profile_of(tokenizer, asked.sources)
    trained = run.facts.get("source_text") or {}

    def differs(key: str, value: float | None) -> bool:
        before = trained.get(key)
        return value is not None and before is not None and abs(value - before) >= DIFFERENT

    if differs("decomposed", now.decomposed):
        what = f"{_percent(now.decomposed)} of the letters that can be are written as several code points"
        return _finding(what, trained["decomposed"], in_other_text(run.config, "source", "normalize", "nfc"))
    if differs("jamo", now.jamo):
        how = "in syllables (한), not in letters (ㅎㅏㄴ)"
        if trained["jamo"] >= DIFFERENT:
            how = "in letters (ㅎㅏㄴ), not in syllables (한)"
        what = f"{_percent(now.jamo)} of the Hangul are single letters"
        return _finding(what, trained["jamo"], f"write Hangul as in training: {how}")
    if differs("upper", now.upper):
        what = f"{_percent(now.upper)} of the letters are upper case"
        return _finding(what, trained["upper"], in_other_text(run.config, "source", "lowercase", "true"))
    if isinstance(tokenizer, FeaturedTokenizer):
        if found := _unknown_features(run, asked, tokenizer):
            return found
        if differs("featureless", now.featureless) and (now.featureless or 0.0) > trained["featureless"]:
            what = f"{_percent(now.featureless)} of the sources have no source tags"
            return _finding(what, trained["featureless"], f"write source tags as in training: {_example(tokenizer)}")
    before = trained.get("unknown")
    if before is None:
        before = (run.facts.get("unknown_rate") or {}).get("source") or 0.0
    if now.unknown < before + MORE_UNKNOWN:
        return None
    what = f"{_percent(now.unknown)} of the items are unknown ({_unknown(tokenizer, asked)})"
    return _finding(what, before, _for_unknown(tokenizer, asked, before))


def _finding(what: str, before: float, remedy: str) -> Finding:
    return Finding("text prepared differently", f"{what}; in training {_percent(before)}", remedy)


def _for_unknown(tokenizer: Tokenizer, asked: Asked, before: float) -> str:
    """What brings back the items that the training knew."""
    if tokenizer.units == "space":
        spaced = coverage(tokenizer, map(_spaced, asked.sources)).rate
        if spaced < before + MORE_UNKNOWN:
            return "put blanks between the items, as in training"
    if tokenizer.units in ("word", "space"):
        config = asked.model.config
        if config.model.copy and config.data.source.min_frequency < 2:
            # What is copied may be unknown, but the training must have had some of it to learn from.
            return again({"data.source.min_frequency": 2, "data.target.min_frequency": 2})
        return in_other_text(config, "source", "units", "subword")
    return "train again with pairs that have these items"


def _spaced(source: str) -> str:
    """The source with a blank between all characters of its text; its tags stay as they are."""
    text, tab, cells = source.partition("\t")
    return " ".join("".join(text.split())) + tab + cells


def _unknown_features(run: RunRecord, asked: Asked, tokenizer: FeaturedTokenizer) -> Finding | None:
    """Far more source tags that the model does not know than in the dev pairs."""
    unknown, total = tokenizer.unknown_features(asked.sources)
    before = (run.facts.get("features") or {}).get("unknown_rate") or 0.0
    if not total or unknown / total < before + MORE_UNKNOWN:
        return None
    features = tokenizer.features
    strange: Counter[str] = Counter()
    for source in asked.sources:
        for known, cell in zip(features.tags, source.split("\t")[1:], strict=False):  # a blank source has no cells
            strange.update(set(tags_of(cell, features.separator)) - set(known))
    names = ", ".join(repr(tag) for tag, _ in strange.most_common(SHOWN))
    what = f"{_percent(unknown / total)} of the source tags are unknown ({names})"
    remedy = f"write source tags as in training: {_example(tokenizer)}; or train again with pairs that have these"
    return _finding(what, before, remedy)


def _example(tokenizer: FeaturedTokenizer) -> str:
    """What cells hold, by their most frequent tags."""
    features = tokenizer.features
    columns = zip(features.columns, features.tags, strict=True)
    shown = ", ".join(f"{', '.join(map(repr, tags[:3]))} in column {name}" for name, tags in columns)
    return f"{shown}, with {features.separator!r} between"


def _unknown(tokenizer: Tokenizer, asked: Asked) -> str:
    """The commonest items that are not in the vocabulary."""
    found = UnknownItems(tokenizer)
    found.add(asked.sources)
    return ", ".join(map(repr, found.examples))


def _percent(share: float | None) -> str:
    return f"{100 * (share or 0.0):.0f}%"
