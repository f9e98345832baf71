"""The pairs of an evaluation as ids."""

from __future__ import annotations

from collections.abc import Sequence

from seqweave.data.source import Source
from seqweave.predictor import Model
from seqweave.search.given import Given


def coded_pairs(model: Model, sources: Sequence[Given], targets: Sequence[str]) -> tuple[list[Source], list[list[int]]]:
    """Sources, cut as `Model.predict` cuts them, and targets as ids; pairs without source items are left out."""
    coded = model.encode_sources(sources)
    ids = model.encode_targets(targets, coded)
    kept = [row for row, source in enumerate(coded.sources) if len(source)]
    return [coded.sources[row] for row in kept], [ids[row] for row in kept]
