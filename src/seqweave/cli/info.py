"""`seqweave info`: what is in a model folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from seqweave.cli.common import Folder, Json, print_json
from seqweave.wording import shown

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
    """Check a model folder against its manifest, and print its settings, sizes and figures.

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
    from seqweave.config import settings_of
    from seqweave.folder import (
        METRICS,
        read_json,
        read_model,
    )

    found = read_model(folder)
    source, target = found.source, found.target
    return {
        "folder": str(folder),
        "parameters": found.weights.count,
        "source_vocabulary": None if source is None else source.size - source.feature_count,
        "target_vocabulary": target.size,
        "features": 0 if source is None else source.feature_count,
        "config": settings_of(found.config),
        "metrics": read_json(folder / METRICS) if (folder / METRICS).is_file() else None,
        "files": {name: (folder / name).stat().st_size for name in found.names},
    }


def _text(facts: dict[str, Any]) -> str:
    config = facts["config"]
    source = f"frames of {config['model.frame_size']} floats"
    if facts["source_vocabulary"] is not None:
        source = f"{config['data.source.units']} units, {facts['source_vocabulary']:,} entries"
    lines = [
        f"{facts['folder']}: {facts['parameters']:,} parameters; every file is as it was written",
        f"  source  {source}",
        *(
            [f"  source tags  {facts['features']:,}, of column {', '.join(config['data.feature_columns'])}"]
            if facts["features"]
            else []
        ),
        f"  target  {config['data.target.units']} units, {facts['target_vocabulary']:,} entries",
        "",
        *(f"  {key} = {shown(value)}" for key, value in config.items()),
    ]
    metrics = facts["metrics"]
    if metrics is not None:
        from seqweave.cli.figures import figures

        lines += ["", *figures(metrics)]
    lines += ["", *(f"  {size:>12,} bytes  {name}" for name, size in facts["files"].items())]
    return "\n".join(lines)
