"""Illnesses that show in the training curves.

Perplexities are left out where probabilities may be 0 (model.output=entmax15): there they are infinite as soon as
one item of the dev pairs is impossible, whether anything is wrong with the run or not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from seqweave.config import TrainConfig
from seqweave.inspection.doctor.remedies import again, go_on
from seqweave.inspection.doctor.run_record import Finding, RunRecord

# The numbers of runs are those of 23 recorded ones on CMUdict, Korean, Multi30k, KSS and SCAN (docs/doctor.md).
# Of these none passed 1.10.
SPIKE = 1.5  # times the loss of a uniform guess
DEFAULT_RATE = 1e-3
# Where the teacher-forced perplexity is below 2, the gap was at most 1.92 times on the way, and 1.23 in the end.
GOOD_PERPLEXITY = 2.0
GAP = 2.0  # times the teacher-forced perplexity
# Three on Multi30k that were ended at a third of the steps fell by 28% to 45%, the others by at most 24%.
FALLING = 0.26  # of the perplexity, in the second half of the run
# Chosen, not measured: half of what a model has that knows nothing.
LEARNED = 0.5  # of the perplexity of a uniform guess
# None passed 1.14, and that one still gained in BLEU.
RISEN = 1.3  # times the lowest perplexity
LEAST_VALIDATIONS = 5


def rate_too_high(run: RunRecord) -> Finding | None:
    """Training loss far above that of a guess, or not even a number."""
    losses = [row.get("loss", 0.0) for row in run.steps]
    figures = [*losses, *(row.get("perplexity", 1.0) for row in _judged(run))]
    lost = sum(one is None for one in figures)
    guess = _guess(run)
    highest = max((loss for loss in losses if loss is not None), default=0.0)
    if not lost and highest < SPIKE * guess:
        return None
    training = run.config.training
    shown = f"loss or perplexity was not finite {lost:,} times" if lost else f"the loss rose to {highest:.2f}"
    lower = DEFAULT_RATE if training.learning_rate > DEFAULT_RATE else training.learning_rate / 4
    return Finding(
        "learning rate too high",
        f"{shown} (a uniform guess has {guess:.2f}), with model.cell={run.config.model.cell} and "
        f"training.learning_rate={training.learning_rate:g}",
        again({"training.learning_rate": f"{lower:g}"}),
    )


def under_trained(run: RunRecord) -> Finding | None:
    """Perplexity on dev that stayed near that of a guess, or still fell a lot in the second half of the run."""
    values = _perplexities(run)
    if not values:
        return None
    middle, last, guess = values[(len(values) - 1) // 2], values[-1], math.exp(_guess(run))
    if min(values) > LEARNED * guess and not _risen(values):
        shown = f"dev perplexity is {min(values):.2f} at best, and a uniform guess has {guess:.2f}"
    elif len(values) >= LEAST_VALIDATIONS and last <= (1 - FALLING) * middle:
        shown = f"dev perplexity fell from {middle:.2f} to {last:.2f} in the second half of the run"
    else:
        return None
    longer = f"go on: the same train command with --set training.max_steps={3 * (run.config.training.max_steps or 1)}"
    return Finding("under-trained", shown, longer if run.finished else go_on(run))


def over_fitted(run: RunRecord) -> Finding | None:
    """Perplexity on dev that rose again."""
    values = _perplexities(run)
    if not _risen(values):
        return None
    dropout = run.config.model.dropout
    remedy = again({"model.dropout": 0.5}) if dropout < 0.5 else "train again with more pairs"
    return Finding(
        "over-fitted", f"dev perplexity was {min(values):.2f} at best and {values[-1]:.2f} at the end", remedy
    )


def _risen(values: Sequence[float]) -> bool:
    return len(values) >= LEAST_VALIDATIONS and values[-1] >= RISEN * min(values)


def exposure_bias(run: RunRecord) -> Finding | None:
    """Good when it reads the reference, bad when it reads its own output."""
    best = _best(run)
    forced, free = best.get("perplexity"), best.get("free_running_perplexity", 1.0)
    if forced is None or forced > GOOD_PERPLEXITY or (free is not None and free < GAP * forced):
        return None
    return Finding(
        "teacher-forced good, free-running bad",
        f"perplexity {forced:.2f} when it reads the reference, {'infinite' if free is None else f'{free:.2f}'} when it "
        "reads its own output",
        again(_own_inputs(run.config.training)),
    )


def _own_inputs(training: TrainConfig) -> dict[str, object]:
    """Training that reads the model's own output (Bengio et al. 2015); that reads what decoding would; more of it."""
    if training.scheduled_sampling == "none":
        return {"training.scheduled_sampling": "inverse_sigmoid"}
    if training.sampling_feed == "sample":
        return {"training.sampling_feed": "argmax"}
    return {"training.max_steps": 2 * (training.max_steps or 1)}


def _best(run: RunRecord) -> Mapping[str, Any]:
    """The validation of the weights that the folder has."""
    kept = [row for row in _judged(run) if row.get("best")]
    return kept[-1] if kept else {}


def _perplexities(run: RunRecord) -> list[float]:
    return [row["perplexity"] for row in _judged(run) if row.get("perplexity") is not None]


def _judged(run: RunRecord) -> Sequence[Mapping[str, Any]]:
    """The validations whose perplexities say something."""
    return () if run.config.model.output == "entmax15" else run.validations


def _guess(run: RunRecord) -> float:
    """The loss of a uniform guess: log V, or that of entmax-1.5, (1 - 1 / sqrt(V)) / 0.75."""
    size = run.facts.get("target_vocabulary") or math.inf
    return (1 - size**-0.5) / 0.75 if run.config.model.output == "entmax15" else math.log(size)
