"""`seqweave tune`: settings of decoding chosen on dev pairs, and kept in the model folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from seqweave.cli.common import (
    Device,
    Folder,
    Json,
    SearchSettings,
    TargetFile,
    load_model,
    note,
    note_unknown_pairs,
    print_json,
    read_pairs,
)
from seqweave.cli.options import (
    BeamsTried,
    CoveragePenalties,
    DevPairs,
    LengthPenalties,
    TunedMetric,
    Write,
)
from seqweave.wording import count

if TYPE_CHECKING:
    from seqweave.evaluation.tuning import Tuning

HEADER = ("beam", "length penalty", "coverage penalty", "95% interval", "p", "")


def tune(
    folder: Folder,
    dev: DevPairs,
    target_file: TargetFile = None,
    metric: TunedMetric = None,
    beams: BeamsTried = None,
    length_penalties: LengthPenalties = None,
    coverage_penalties: CoveragePenalties = None,
    write: Write = False,
    settings: SearchSettings = None,
    json: Json = False,
    device: Device = "auto",
) -> None:
    """Decode DEV with every combination of penalties, and print the metric of each.

    Example: seqweave tune model dev.tsv --beams 1,5,10 --write
    """
    from seqweave.cli.progress import duration
    from seqweave.evaluation.tuning import LENGTH_PENALTIES, tune_model

    model = load_model(folder, device, settings)
    if write:
        _check_finished(folder)
    sources, targets = read_pairs(dev, target_file, model.config.data)
    note_unknown_pairs(model, sources, targets)

    def progress(done: int, every: int, seconds: float | None) -> None:
        left = "" if seconds is None or done == every else f", {duration(seconds)} left"
        note(f"{done} of {every} settings tried{left}")

    found = tune_model(
        model,
        sources,
        targets,
        metric=metric,
        beam_sizes=[int(number) for number in _numbers("beams", beams, whole=True) or ()],
        length_penalties=_numbers("length-penalties", length_penalties) or LENGTH_PENALTIES,
        coverage_penalties=_numbers("coverage-penalties", coverage_penalties),
        progress=progress,
    )
    if json:
        print_json(found.to_json())
    else:
        print(_report(found))
    if write:
        _write(folder, found)


def _numbers(option: str, text: str | None, whole: bool = False) -> list[float] | None:
    from seqweave.errors import ConfigError

    if text is None:
        return None
    try:
        return [int(part) if whole else float(part) for part in text.split(",")]
    except ValueError:
        example = "1,5,10" if whole else "0,0.5,1"
        raise ConfigError(
            f"--{option} takes numbers separated by commas, such as {example}, but got {text!r}"
        ) from None


def _check_finished(folder: Path) -> None:
    """Raise a `ConfigError` where a training may still write the folder."""
    from seqweave.errors import ConfigError
    from seqweave.training.record import read_run

    run = read_run(folder)
    if run is not None and run["status"] != "finished":
        raise ConfigError(
            f"--write needs a finished run, but the training of {folder} is not finished: let it finish first, or "
            "leave --write out"
        )


def _write(folder: Path, found: Tuning) -> None:
    from seqweave.config import build_config
    from seqweave.folder import read_config, replace_config

    own = read_config(folder)
    best = build_config(found.best.choice.settings(), own)
    if best == own:
        note(f"{folder} has the best settings already; nothing was written")
        return
    replace_config(folder, best)
    note(f"{folder}/config.json has the best settings now; README.md and metrics.json keep the figures from before")


def _report(found: Tuning) -> str:
    rows = [[*HEADER[:3], found.metric, *HEADER[3:]]]
    for trial in found.trials:
        choice = trial.choice
        mark = ", ".join(name for name, one in (("now", found.now), ("best", found.best)) if one is trial)
        interval = "" if trial.low is None else f"{trial.low:.2f} to {trial.high:.2f}"
        p = "" if trial is found.now else f"{trial.p:.3f}"
        numbers = [f"{choice.beam_size}", f"{choice.length_penalty:g}", f"{choice.coverage_penalty:g}"]
        rows.append([*numbers, f"{trial.value:.2f}", interval, p, mark])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    best = found.best
    verdict = "The present settings are the best."
    if best is not found.now:
        shown = "more than chance" if best.p < 0.05 else "not shown to be more than chance"
        gain = best.value - found.now.value
        verdict = f"The best differs by {gain:+.2f} from the present settings, which is {shown} (p {best.p:.3f})."
    return "\n".join([f"{found.metric} on {count(found.pairs, 'pair')}, in percent", "", *lines, "", verdict])
