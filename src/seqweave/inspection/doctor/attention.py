"""Attention that does not align: flat, or stuck on a position."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seqweave.config import Config, ModelConfig
from seqweave.inspection.doctor.remedies import again
from seqweave.inspection.doctor.run_record import Asked, Finding, RunRecord

# Of eight models that work (Multi30k, CMUdict, Korean, SCAN, KSS, dates) no sample passed 0.48 and 0.55.
FLAT = 0.95  # mean entropy as a share of that of equal weights
STUCK = 0.95  # of the positions of an answer look mostly at the same source position
LEAST_POSITIONS = 4  # of source and answer each; with fewer there is little to choose from
LEAST_ANSWERS = 3


def flat_attention(run: RunRecord, asked: Asked) -> Finding | None:
    """Attention that looks everywhere equally."""
    weights = _weights(run, asked)
    if len(weights) < LEAST_ANSWERS:
        return None
    flatness = float(np.mean([_flatness(one) for one in weights]))
    if flatness < FLAT:
        return None
    return Finding(
        "attention does not align (flat)",
        f"the entropy of its weights is {100 * flatness:.0f}% of that of equal weights",
        again(_sharper(run.config)),
    )


def stuck_attention(run: RunRecord, asked: Asked) -> Finding | None:
    """Attention that stays in one place while the answer moves on."""
    weights = _weights(run, asked)
    if len(weights) < LEAST_ANSWERS:
        return None
    share = float(np.mean([np.bincount(one.argmax(1)).max() / len(one) for one in weights]))
    if share < STUCK:
        return None
    return Finding(
        "attention does not align (stuck)",
        f"{100 * share:.0f}% of the positions of an answer look at the same source position",
        again(_moving(run.config)),
    )


def _weights(run: RunRecord, asked: Asked) -> list[NDArray[np.float32]]:
    """The weights (T, S) of each answer that is long enough; none of a Transformer, which has several heads."""
    if run.config.model.decoder == "transformer":
        return []
    found = [answer.attention for answer in asked.answers if answer.attention is not None]
    return [one for one in found if min(one.shape) >= LEAST_POSITIONS]


def _flatness(weights: NDArray[np.float32]) -> float:
    """Mean entropy of the rows over log S. Shape: (T, S) -> ()."""
    sums = np.maximum(weights.sum(1, keepdims=True), 1e-30)  # (T, 1); a window's weights may sum to less than 1
    shares = np.maximum(weights / sums, 1e-30)  # (T, S)
    return float(-(shares * np.log(shares)).sum(1).mean() / np.log(weights.shape[1]))


def _sharper(config: Config) -> dict[str, object]:
    """A scorer that learns to compare, asked by the state before the step (Bahdanau et al. 2014)."""
    model = config.model
    compares = model.attention in ("additive", "location_aware")
    if compares and model.attention_position == "before":
        return _moving(config)
    scorer = {} if compares else {"model.attention": "additive", **_left(model)}
    feeding = {"model.input_feeding": "false"} if model.input_feeding else {}
    return {**scorer, "model.attention_position": "before", **feeding}


def _moving(config: Config) -> dict[str, object]:
    """Attention that knows where it looked (Chorowski et al. 2015); that pays for looking there again (See et al.
    2017); that has to go on (Luong et al. 2015), where positions can be counted; that pays more.
    """
    model, weight = config.model, config.training.coverage_weight
    if model.attention != "location_aware":
        return {"model.attention": "location_aware", **_left(model)}
    if not model.coverage:
        return {"model.coverage": "true"}
    if model.attention_window == "global" and not config.data.feature_columns:
        return {"model.attention_window": "local_m"}
    return {"training.coverage_weight": f"{2 * weight or 1:g}"}


def _left(model: ModelConfig) -> dict[str, object]:
    """The default of what only `location` reads."""
    default = type(model).model_fields["location_positions"].default
    return {} if model.location_positions == default else {"model.location_positions": default}
