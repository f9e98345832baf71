"""Illnesses of the data: leakage, and lines that cost most of the padding."""

from __future__ import annotations

from seqweave.data.columns import column_options
from seqweave.inspection.doctor.remedies import again
from seqweave.inspection.doctor.run_record import Finding, RunRecord

# Chosen, not measured. With 1 known source of 20, exact match can be up to 5 points too good.
LEAKED = 0.05
# Chosen, not measured: a fifth of the positions that are computed are wasted.
PADDING = 0.2
# By definition: "most of it".
MOST_OF_IT = 0.5


def leakage(run: RunRecord) -> Finding | None:
    """Sources of DATA, or of the run's dev pairs, that were trained on."""
    known = [run.trained_on.knows(source) for source in run.data] if run.trained_on else []
    told = [one for one in known if one is not None]  # of very many sources only some can be checked
    if told and sum(told) >= LEAKED * len(told):
        which = "" if len(told) == len(known) else " that can be checked"
        return Finding(
            "train/test leakage",
            f"{sum(told):,} of {len(told):,} sources of DATA{which} were trained on",
            f"measure on other pairs; `seqweave check TRAIN --split test=DATA{column_options(run.config.data)}` "
            "names the lines that two files share",
        )
    shared, pairs = run.facts.get("dev_sources_shared") or 0, run.facts.get("dev_pairs") or 0
    if shared and shared >= LEAKED * pairs:
        return Finding(
            "train/test leakage",
            f"{shared:,} sources of the {pairs:,} dev pairs were trained on, so the best weights were chosen by them",
            "train again without --dev: then pairs are held out by distinct source",
        )
    return None


def over_long_lines(run: RunRecord) -> Finding | None:
    """A few pairs so long that they cause most of the padding in the batches."""
    padding = run.facts.get("padding") or {}
    share, rest = padding.get("share", 0.0), padding.get("share_without", 0.0)
    if share < PADDING or rest > (1 - MOST_OF_IT) * share:
        return None
    return Finding(
        "over-long lines",
        f"{100 * share:.0f}% of the positions of a batch are padding, but {100 * rest:.0f}% without the "
        f"{padding['longest']:,} longest pairs",
        again({f"data.max_{padding['side']}_length": padding["length"]}),
    )
