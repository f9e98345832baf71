"""All illnesses, in the order of cause and effect: what is explained by another is not named."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from seqweave.inspection.doctor.answers import all_unknown, same_answer
from seqweave.inspection.doctor.attention import flat_attention, stuck_attention
from seqweave.inspection.doctor.data import leakage, over_long_lines
from seqweave.inspection.doctor.preparation import prepared_differently
from seqweave.inspection.doctor.remedies import go_on
from seqweave.inspection.doctor.run_record import Asked, Finding, Patient
from seqweave.inspection.doctor.training_curves import exposure_bias, over_fitted, rate_too_high, under_trained

OfPatient = Callable[[Patient], Finding | None]
OfAnswers = Callable[[Patient, Asked], Finding | None]

# In each of these the first one that is found explains those behind it.
CAUSES: tuple[OfPatient, ...] = (rate_too_high, under_trained)
ANSWERS: tuple[OfAnswers, ...] = (all_unknown, same_answer, flat_attention, stuck_attention)
COURSE: tuple[OfPatient, ...] = (over_fitted, exposure_bias)
# These explain nothing and are explained by nothing.
DATA: tuple[OfPatient, ...] = (leakage, over_long_lines)


def diagnose(patient: Patient) -> list[Finding]:
    """What ails a patient, causes only; nothing when healthy.

    Bad answers are explained by sources that were prepared differently, and by a run that diverged or ended too
    early; so is the rest of that run's course. Weights that answer badly explain a bad free-running perplexity.
    While a run has not come to its end, that is the first thing to do about bad answers.
    """
    cause = _first(illness(patient) for illness in CAUSES)
    prepared: Finding | None = None
    answers: Finding | None = None
    course: Finding | None = None
    if patient.asked is not None:
        asked = patient.asked
        prepared = prepared_differently(patient, asked)
        if cause is None and prepared is None:
            answers = _first(illness(patient, asked) for illness in ANSWERS)
            if answers is not None and not patient.finished:
                answers = replace(answers, remedy=go_on(patient))
    if cause is None:
        course = _first(illness(patient) for illness in (COURSE if answers is None else (over_fitted,)))
    found = (prepared, cause, answers, course, *(illness(patient) for illness in DATA))
    return [one for one in found if one is not None]


def _first(findings: Iterable[Finding | None]) -> Finding | None:
    return next((one for one in findings if one is not None), None)
