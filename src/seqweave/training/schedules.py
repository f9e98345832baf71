"""The learning rate as a function of the step (counted from 1), after a linear warm-up.

`inverse_sqrt` is Vaswani et al. 2017, section 5.3, scaled so that the warm-up ends at the highest
rate; `cosine` is Loshchilov & Hutter 2017, eq. 5, without restarts; `plateau` multiplies the rate by
`plateau_factor` when validations bring no gain.
"""

from __future__ import annotations

import math

from seqweave.config import TrainConfig


def learning_rate(config: TrainConfig, step: int, max_steps: int, plateau_drops: int = 0) -> float:
    """The rate of one step.

    Args:
        config: highest rate, schedule, warm-up.
        step: 1 for the first update.
        max_steps: where a cosine ends.
        plateau_drops: how often a plateau was met so far.
    """
    highest, warmup = config.learning_rate, min(config.warmup_steps, max_steps)
    if step <= warmup:
        return highest * step / warmup
    match config.schedule:
        case "inverse_sqrt":
            return highest * math.sqrt(max(warmup, 1) / step)
        case "cosine":
            done = (step - warmup) / max(1, max_steps - warmup)
            floor = min(config.min_learning_rate, highest)
            return floor + 0.5 * (highest - floor) * (1 + math.cos(math.pi * min(1.0, done)))
        case "plateau":
            return max(min(config.min_learning_rate, highest), highest * config.plateau_factor**plateau_drops)
        case _:
            return highest
