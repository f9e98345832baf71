"""Illnesses that show in the texts of the answers."""

from __future__ import annotations

from collections import Counter

from seqweave.config import Config
from seqweave.inspection.doctor.remedies import again, in_other_text
from seqweave.inspection.doctor.run_record import Asked, Finding, RunRecord
from seqweave.text.vocabulary import SPECIALS, UNK

# Chosen, not measured: most of the output says nothing.
UNKNOWN_SHARE = 0.5
# Chosen, not measured: nine of ten answers are one text, which is right for less than half of the sources.
SAME_SHARE = 0.9
RIGHT_SHARE = 0.5
# With fewer answers, equal ones show nothing.
LEAST_ANSWERS = 4


def all_unknown(run: RunRecord, asked: Asked) -> Finding | None:
    """Most output items are <unk>."""
    tokens = [token for answer in asked.answers for token in answer.tokens]
    share = tokens.count(SPECIALS[UNK]) / len(tokens) if tokens else 0.0
    if share < UNKNOWN_SHARE:
        return None
    return Finding(
        "unknown output", f"{100 * share:.0f}% of the output items are {SPECIALS[UNK]}", _vocabulary(run.config)
    )


def _vocabulary(config: Config) -> str:
    """The setting that leaves fewer items of the targets out of the vocabulary."""
    side = "source" if config.data.joint_vocabulary else "target"
    text = config.data.source if config.data.joint_vocabulary else config.data.target
    if text.min_frequency > 1:
        return in_other_text(config, side, "min_frequency", 1)
    if text.units in ("word", "space"):
        return in_other_text(config, side, "units", "subword")
    if text.max_size is not None:
        return in_other_text(config, side, "max_size", "unset")
    return in_other_text(config, side, "units", "byte")


def same_answer(run: RunRecord, asked: Asked) -> Finding | None:
    """The same text for everything."""
    rows = zip(asked.sources, asked.targets, asked.answers, strict=True)
    answered = [(answer.text, target) for source, target, answer in rows if source.strip()]
    if len(answered) < LEAST_ANSWERS:
        return None
    (text, count), *_ = Counter(answer for answer, _ in answered).most_common(1)
    share = count / len(answered)
    normalized = asked.model.target_tokenizer.normalized
    right = sum(normalized(target) == text for _, target in answered) / len(answered)
    if share < SAME_SHARE or right > RIGHT_SHARE:
        return None
    model = run.config.model
    remedy = again({"training.max_steps": 4 * (run.config.training.max_steps or 1)})
    if model.decoder == "recurrent" and model.attention == "none":
        context = {"model.context": "first"} if model.context != "first" else {}
        remedy = again({"model.attention": "general", **context})
    return Finding(
        "the same answer for everything", f"{100 * share:.0f}% of {len(answered):,} answers are {text!r}", remedy
    )
