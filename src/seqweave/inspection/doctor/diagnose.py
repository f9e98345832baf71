"""All illnesses, in the order of cause and effect: one that another explains is not named."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from seqweave.inspection.doctor.answers import all_unknown, same_answer
from seqweave.inspection.doctor.attention import flat_attention, stuck_attention
from seqweave.inspection.doctor.data import leakage, over_long_lines
from seqweave.inspection.doctor.preparation import prepared_differently
from seqweave.inspection.doctor.remedies import go_on
from seqweave.inspection.doctor.run_record import Asked, Finding, RunRecord
from seqweave.inspection.doctor.training_curves import exposure_bias, over_fitted, rate_too_high, under_trained

OfRun = Callable[[RunRecord], Finding | None]
OfAnswers = Callable[[RunRecord, Asked], Finding | None]

# In each of these the first one that is found explains those behind it.
CAUSES: tuple[OfRun, ...] = (rate_too_high, under_trained)
ANSWERS: tuple[OfAnswers, ...] = (all_unknown, same_answer, flat_attention, stuck_attention)
CURVES: tuple[OfRun, ...] = (over_fitted, exposure_bias)
# These explain nothing and are explained by nothing.
DATA: tuple[OfRun, ...] = (leakage, over_long_lines)


def diagnose(run: RunRecord) -> list[Finding]:
    """What is wrong with a run, causes only; nothing when it is healthy.

    Sources that were prepared differently explain bad answers. So does a run that diverged or ended too early, which
    also explains the rest of its training curves. Bad answers explain a bad free-running perplexity. While a run is
    not finished, the first remedy for bad answers is to finish it.
    """
    cause = _first(illness(run) for illness in CAUSES)
    prepared: Finding | None = None
    answers: Finding | None = None
    curves: Finding | None = None
    if run.asked is not None:
        asked = run.asked
        prepared = prepared_differently(run, asked)
        if cause is None and prepared is None:
            answers = _first(illness(run, asked) for illness in ANSWERS)
            if answers is not None and not run.finished:
                answers = replace(answers, remedy=go_on(run))
    if cause is None:
        curves = _first(illness(run) for illness in (CURVES if answers is None else (over_fitted,)))
    found = (prepared, cause, answers, curves, *(illness(run) for illness in DATA))
    return [one for one in found if one is not None]


def _first(findings: Iterable[Finding | None]) -> Finding | None:
    return next((one for one in findings if one is not None), None)
