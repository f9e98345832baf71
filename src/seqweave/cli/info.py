"""`seqweave info`: what is in a model folder."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from seqweave.cli.common import Folder, Json, print_json


def info(folder: Folder, json: Json = False) -> None:
    """Check a model folder against its manifest, and print its settings, sizes and figures.

    Example: seqweave info model --json
    """
    facts = describe(folder)
    if json:
        print_json(facts)
    else:
        print(_text(facts))


def describe(folder: Path) -> dict[str, Any]:
    """What `seqweave info --json` prints.

    Raises:
        ModelFolderError: when it is no model folder, or a file is missing, changed or damaged.
    """
    from seqweave.config import settings_of
    from seqweave.folder import (
        METRICS,
        SOURCE_TOKENIZER,
        TARGET_TOKENIZER,
        WEIGHTS,
        check_manifest,
        read_config,
        read_json,
    )
    from seqweave.text.tokenizers import Tokenizer

    names = check_manifest(folder)
    config = read_config(folder)
    return {
        "folder": str(folder),
        "parameters": parameters_of(folder / WEIGHTS),
        "source_vocabulary": Tokenizer.from_file(folder / SOURCE_TOKENIZER).size,
        "target_vocabulary": Tokenizer.from_file(folder / TARGET_TOKENIZER).size,
        "config": settings_of(config),
        "metrics": read_json(folder / METRICS) if (folder / METRICS).is_file() else None,
        "files": {name: (folder / name).stat().st_size for name in names},
    }


def parameters_of(weights: Path) -> int:
    """Numbers in a safetensors file, from its header.

    Raises:
        ModelFolderError: when it is not such a file.
    """
    from safetensors import SafetensorError, safe_open

    from seqweave.errors import ModelFolderError

    try:
        with safe_open(weights, framework="numpy") as file:
            return sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise ModelFolderError(f"cannot read the weights {weights} ({error}): restore the folder from a copy") from None


def _text(facts: dict[str, Any]) -> str:
    config = facts["config"]
    vocabularies = (facts["source_vocabulary"], facts["target_vocabulary"])
    lines = [
        f"{facts['folder']}: {facts['parameters']:,} parameters; every file is as it was written",
        f"  source  {config['data.source.units']} units, {vocabularies[0]:,} entries",
        f"  target  {config['data.target.units']} units, {vocabularies[1]:,} entries",
        "",
        *(f"  {key} = {_shown(value)}" for key, value in config.items()),
    ]
    metrics = facts["metrics"]
    if metrics is not None:
        from seqweave.cli.figures import figures

        lines += ["", *figures(metrics)]
    lines += ["", *(f"  {size:>12,} bytes  {name}" for name, size in facts["files"].items())]
    return "\n".join(lines)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "unset" if value is None else str(value)
