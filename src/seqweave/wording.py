"""How numbers, settings and texts are written in sentences, and sentences that several parts say."""

from __future__ import annotations

import re

# What a terminal obeys instead of showing: control characters but for tab and line end, and marks that turn the
# direction of what follows them, so that it reads as something else.
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")

# By the name they are imported by; pyproject.toml has them in its extra `train`.
TRAIN_LIBRARIES = ("torch", "sacrebleu", "jiwer", "babel", "matplotlib")

# What to do about it.
RESTORE = "restore the folder from a copy"
RESTORE_OR_TRAIN = f"{RESTORE}, or train again"
TRAIN_ANEW = "train again with --restart"
RUN_AGAIN = "saved; run the same command to resume"
FINISH_IT = "the same train command finishes it"
MORE_DATA = "give more data, or dev pairs of their own with --dev"
CHOOSE_ATTENTION = "model.attention=none: choose an attention or switch it off"
CHECK_DATA = "check the data file"


def count(number: int, noun: str) -> str:
    """A number with its noun: `1 pair`, `2,000 pairs`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def stopped_text(step: int, max_steps: int) -> str:
    """Where a training was stopped: `stopped at step 24 of 300`."""
    return f"stopped at step {step:,} of {max_steps:,}"


def figure(value: float) -> str:
    """A perplexity or another figure with two decimals, or, from a million on, by its size: `7.2e+200`."""
    return f"{value:.2f}" if abs(value) < 1e6 else f"{value:.3g}"


def shown(value: object) -> str:
    """The value of a setting as `--set` takes it: `true`, `unset`, `general`, `0.1`."""
    if isinstance(value, bool):
        return str(value).lower()
    return "unset" if value is None else str(value)


def visible(text: str) -> str:
    r"""The text with what a terminal would obey written out: `\x1b[31m`, `\r`, `\u202e`. Tabs and line ends stay."""
    return _OBEYED.sub(lambda found: repr(found[0])[1:-1], text)


def missing_library(error: ModuleNotFoundError, what: str) -> str | None:
    """What to do where `what` cannot run without a library of the extra `train`; None when another one is missing."""
    library = (error.name or "").split(".")[0]
    if library not in TRAIN_LIBRARIES:
        return None
    return f'{what} needs the library {library}, which is not installed: install it with pip install "seqweave[train]"'


def without_attention(purpose: str, remedy: str) -> str:
    """What to say of a model without attention where it is needed for `purpose`: `to align with it`."""
    return f"a model must have attention {purpose}, but this one has none (model.attention=none): {remedy}"
