"""All that a run needs to continue, besides weights and optimizer moments: a few numbers.

Random numbers need no state of their own: torch's generator is seeded anew for each batch from
(seed, step, batch), and the order of the batches is a function of (seed, epoch). So a
resumed run draws exactly what the unbroken one would have drawn.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field


@dataclass
class TrainState:
    """Where a run is.

    Attributes:
        step: optimizer updates done.
        epoch, batch: where in the data the next batch is: batches already taken of this epoch.
        tokens: real source and target positions trained on.
        seconds: time spent training, validation included, over all starts.
        best: the best value of the selecting metric so far, its step, the teacher-forced perplexity
            then, which decides between equal values, and the SHA-256 of the file of those weights
            (empty where an earlier version kept none).
        validations_without_gain: since the best one.
        plateau_drops, plateau_wait: for the plateau schedule.
        stopped: early stopping has ended the run.
        averaged: steps of the checkpoints that a final average would take.
    """

    step: int = 0
    epoch: int = 0
    batch: int = 0
    tokens: int = 0
    seconds: float = 0.0
    best: float | None = None
    best_step: int = 0
    best_perplexity: float | None = None
    best_sum: str = ""
    validations_without_gain: int = 0
    plateau_drops: int = 0
    plateau_wait: int = 0
    stopped: bool = False
    averaged: list[int] = field(default_factory=list)

    def to_json(self) -> str:
        """Indented JSON; floats come back bit for bit."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> TrainState:
        """What `to_json` wrote.

        Raises:
            ValueError: when it is no JSON.
            TypeError: when a value is missing that has no default, is unknown, or of another kind.
        """
        state = cls(**json.loads(text))
        for name, value in asdict(state).items():
            if not isinstance(value, _KINDS[name]) or isinstance(value, bool) != (name == "stopped"):
                raise TypeError(f"{name} is {value!r}")
        return state


_COUNT, _NUMBER = (int,), (int, float)
_KINDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("step", "epoch", "batch", "tokens", "best_step", "validations_without_gain"), _COUNT),
    **dict.fromkeys(("plateau_drops", "plateau_wait"), _COUNT),
    "seconds": _NUMBER,
    **dict.fromkeys(("best", "best_perplexity"), (*_NUMBER, type(None))),
    "best_sum": (str,),
    "stopped": (bool,),
    "averaged": (list,),
}


def batch_seed(seed: int, step: int, batch: int) -> int:
    """The seed of torch's generator for one batch of a step, whichever process takes it."""
    return _hashed(f"{seed} {step} {batch} 0")  # the last number keeps older runs as they were


def coin_seed(seed: int, step: int, batch: int) -> int:
    """The seed of scheduled sampling's numbers for one batch of a step; dropout never sees them."""
    return _hashed(f"{seed} {step} {batch} 1")


def _hashed(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1
