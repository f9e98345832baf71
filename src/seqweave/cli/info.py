"""`seqweave info`: what is in a model folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from seqweave.cli.common import Folder, Json, print_json
from seqweave.wording import FINISH_IT, shown

PICTURES = (".png", ".pdf", ".svg")


def info(
    folder: Folder,
    curve: Annotated[
        bool,
        typer.Option(
            "--curve", help="Print the training curves instead: both losses at each validation, and their gap."
        ),
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the training curves as a picture instead (PNG, PDF or SVG)."),
    ] = None,
    json: Json = False,
) -> None:
    """Check a model folder against its manifest, and print how far its training is, its figures, settings and sizes.

    The training curves are the loss with teacher forcing and the loss while the model reads its own output.
    --curve and --plot work while it trains, too.

    Example: seqweave info model --curve
    """
    if curve or plot is not None:
        _curve(folder, plot, json)
        return
    facts = describe(folder)
    if json:
        print_json(facts)
    else:
        print(_text(facts))


def _curve(folder: Path, plot: Path | None, json: bool) -> None:
    """Print the training curves, or write them as a picture.

    Raises:
        ConfigError: when the name of the picture says no format, or it cannot be written.
    """
    from seqweave.errors import ConfigError
    from seqweave.inspection.curve import curve_json, curve_text, plot_curve, read_curve

    points = read_curve(folder)
    if plot is not None:
        if plot.suffix.lower() not in PICTURES:
            raise ConfigError(f"the name of a picture must end in {', '.join(PICTURES)}, but it is {plot}: rename it")
        figure = plot_curve(points).get_figure(root=True)
        assert figure is not None
        try:
            figure.savefig(plot, dpi=150)
        except OSError as error:
            raise ConfigError(f"cannot write {plot}: {error.strerror or error}; choose another place") from None
    elif json:
        print_json(curve_json(points))
    else:
        print(curve_text(points))


def describe(folder: Path) -> dict[str, Any]:
    """What `seqweave info --json` prints.

    Raises:
        ModelFolderError: when it is no model folder, or a file is missing, changed or damaged.
    """
    from seqweave.config import Config, differing_keys, settings_of
    from seqweave.folder import (
        METRICS,
        read_json,
        read_model,
    )
    from seqweave.model.parts import sizes_of_parts
    from seqweave.run_status import run_status

    found = read_model(folder)
    config, source, target = found.config, found.source, found.target
    run = run_status(folder)
    return {
        "folder": str(folder),
        "run": None if run is None else run.to_json(),
        "parameters": found.weights.count,
        "source_vocabulary": None if source is None else source.size - source.feature_count,
        "target_vocabulary": target.size,
        "features": 0 if source is None else source.feature_count,
        "parts": sizes_of_parts({name: entry.shape for name, entry in found.weights.entries.items()}),
        "start_from": _start_from(folder),
        "changed": list(differing_keys(Config(), config)),
        "config": settings_of(config),
        "metrics": read_json(folder / METRICS) if (folder / METRICS).is_file() else None,
        "files": {name: (folder / name).stat().st_size for name in found.names},
    }


def _text(facts: dict[str, Any]) -> str:
    config, changed = facts["config"], facts["changed"]
    lines = [
        f"{facts['folder']}: {facts['parameters']:,} parameters; every file is as it was written",
        *_run_lines(facts["run"], facts["start_from"] is not None),
        *_start_lines(facts["start_from"]),
        *_side_lines(facts),
        "  parts     " + ", ".join(f"{part} {size:,}" for part, size in facts["parts"].items()),
    ]
    if facts["metrics"] is not None:
        from seqweave.cli.figures import figures

        lines += ["", "on the dev pairs, in percent, with 95% intervals:", *figures(facts["metrics"])]
    lines += ["", "settings that differ from the defaults:", *_setting_lines(config, changed)]
    lines += ["", "as the defaults have it:", *_setting_lines(config, [key for key in config if key not in changed])]
    lines += ["", *(f"  {size:>12,} bytes  {name}" for name, size in facts["files"].items())]
    return "\n".join(lines)


def _run_lines(run: dict[str, Any] | None, started: bool) -> list[str]:
    """How far the training is, and which step the weights are of; `started`: from a model, so 0 is a step, too."""
    if run is None:
        return []
    weights = f"; the weights are those of step {run['best_step']:,}" if run["best_step"] or started else ""
    remedy = f"; {FINISH_IT}" if run["status"] == "stopped" else ""
    return [f"  training  {run['text']}{weights}{remedy}"]


def _start_lines(start: dict[str, Any] | None) -> list[str]:
    """The model that this one started from."""
    return [] if start is None else [f"  started from {start['folder']}, weights with SHA-256 {start['sha256']}"]


def _start_from(folder: Path) -> dict[str, Any] | None:
    """The model that this one started from, as run.json has it."""
    from seqweave.folder import RUN, read_object

    facts = read_object(folder / RUN).get("facts") if (folder / RUN).is_file() else None
    found = facts.get("start_from") if isinstance(facts, dict) else None
    if not isinstance(found, dict) or not all(isinstance(found.get(key), str) for key in ("folder", "sha256")):
        return None
    return {"folder": found["folder"], "sha256": found["sha256"]}


def _side_lines(facts: dict[str, Any]) -> list[str]:
    """What the model reads and writes."""
    config = facts["config"]
    source = f"frames of {config['model.frame_size']} floats"
    if facts["source_vocabulary"] is not None:
        source = f"{config['data.source.units']} units, {facts['source_vocabulary']:,} entries"
    lines = [f"  source    {source}"]
    if facts["features"]:
        lines.append(f"  source tags  {facts['features']:,}, of column {', '.join(config['data.feature_columns'])}")
    return [*lines, f"  target    {config['data.target.units']} units, {facts['target_vocabulary']:,} entries"]


def _setting_lines(config: dict[str, Any], keys: Sequence[str]) -> list[str]:
    return [f"  {key} = {shown(config[key])}" for key in keys]
