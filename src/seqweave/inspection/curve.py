"""Training curves: the teacher-forced and the free-running loss of every validation, and their gap (exposure bias).

A model that is only ever fed the reference does worse once it reads its own outputs (Bengio et al. 2015;
Ranzato et al. 2016). Both losses are logged at each validation (`events.jsonl`): mean negative
log-likelihood of the references in nats per item, `<eos>` counted. What this leaves out: the validation of a
final average of checkpoints, which is no step of the run.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqweave.errors import ModelFolderError
from seqweave.folder import EVENTS, read_rows
from seqweave.wording import RESTORE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BAR = 30  # characters of the longest bar


@dataclass(frozen=True)
class CurvePoint:
    """One validation; losses in nats per item, infinite where a reference had no probability."""

    step: int
    forced: float
    free: float

    @property
    def gap(self) -> float:
        """Free-running minus teacher-forced loss; NaN where both are infinite."""
        return self.free - self.forced


def read_curve(folder: Path) -> list[CurvePoint]:
    """The validations of a run, finished or not, in order.

    Raises:
        ModelFolderError: when the folder has no log of a run, or one without validations.
    """
    if not (folder / EVENTS).is_file():
        raise ModelFolderError(
            f"{folder} must hold {EVENTS}, the log of a run, for a curve, but it cannot be read: "
            "name a folder that `seqweave train` wrote"
        )
    rows = [row for row in read_rows(folder / EVENTS) if row.get("event") == "validation" and "averaged" not in row]
    try:
        points = [_point(row) for row in rows]
    except (KeyError, TypeError, ValueError, OverflowError):
        raise ModelFolderError(
            f"{folder / EVENTS} must hold a step and perplexities for each validation, but one is no number: {RESTORE}"
        ) from None
    if not points:
        raise ModelFolderError(f"{folder / EVENTS} holds no validation yet: wait for the first one")
    return points


def _point(row: dict[str, Any]) -> CurvePoint:
    losses = [
        math.inf if row.get(key) is None else math.log(row[key]) for key in ("perplexity", "free_running_perplexity")
    ]
    return CurvePoint(int(row["step"]), *losses)


def curve_text(points: Sequence[CurvePoint]) -> str:
    """The curve as a table with a bar for the gap, a line for each validation."""
    widest = max((abs(point.gap) for point in points if math.isfinite(point.gap)), default=0.0) or 1.0
    lines = [f"{'step':>10}  {'teacher-forced':>14}  {'free-running':>12}  {'gap':>7}   (nats per item)"]
    for point in points:
        bar = "#" * round(_BAR * max(0.0, point.gap) / widest) if math.isfinite(point.gap) else ""
        line = f"{point.step:>10,}  {point.forced:>14.4f}  {point.free:>12.4f}  {point.gap:>7.4f}   {bar}"
        lines.append(line.rstrip())
    return "\n".join(lines)


def curve_json(points: Sequence[CurvePoint]) -> list[dict[str, Any]]:
    """The curve as plain data; null for what is not finite."""
    return [
        {
            "step": point.step,
            "teacher_forced_loss": _finite(point.forced),
            "free_running_loss": _finite(point.free),
            "gap": _finite(point.gap),
        }
        for point in points
    ]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def plot_curve(points: Sequence[CurvePoint], ax: Axes | None = None) -> Axes:
    """Draw both losses over the steps, the gap between them shaded, and return the axes.

    Save it with `axes.figure.savefig(...)`.
    """
    if ax is None:
        from matplotlib.figure import Figure

        ax = Figure(figsize=(6.4, 4.0), layout="constrained").add_subplot()
    steps = [point.step for point in points]
    forced = [point.forced if math.isfinite(point.forced) else math.nan for point in points]
    free = [point.free if math.isfinite(point.free) else math.nan for point in points]
    ax.plot(steps, forced, marker="o", label="teacher-forced: reads the reference")
    ax.plot(steps, free, marker="s", label="free-running: reads its own output")
    ax.fill_between(steps, forced, free, alpha=0.15)
    ax.set_xlabel("step")
    ax.set_ylabel("loss on dev, nats per item")
    ax.legend()
    return ax
