"""How long an output may become."""

from __future__ import annotations

import math
from collections.abc import Sequence

DEFAULT_RATIO = 3.0
"""Most target items for a source item, where the config says nothing."""
DEFAULT_LONGEST = 512
"""Most target items, where the config says nothing."""
SLACK = 10
"""Items allowed beyond the ratio, so that short sources are not cut."""


def max_lengths(source_lengths: Sequence[int], ratio: float | None, longest: int | None) -> list[int]:
    """The most positions, `<eos>` counted, of the outputs of sources of the given lengths.

    min(ceil(ratio * S) + 10, longest); None takes the defaults of this module.
    """
    ratio = DEFAULT_RATIO if ratio is None else ratio
    longest = DEFAULT_LONGEST if longest is None else longest
    return [min(math.ceil(ratio * length) + SLACK, longest) for length in source_lengths]
