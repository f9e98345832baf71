"""The fixed samples' attention at each validation, out of a model folder's samples.jsonl."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from seqweave.data.readers import read_sources
from seqweave.folder import SAMPLES


def read_timelapse(folder: Path) -> dict[str, Any] | None:
    """The time-lapse of a page (docs/trace-format.md); None where the run kept no attention.

    A line of samples.jsonl that has `attention` (T, S), `source_tokens` and `target_tokens` is a frame.
    """
    path = folder / SAMPLES
    if not path.is_file():
        return None
    samples: dict[str, dict[str, Any]] = {}
    for line in read_sources(path):
        row = json.loads(line) if line else {}
        if row.get("attention") is None:
            continue
        sample = samples.setdefault(
            row["source"], {"source": row["source_tokens"], "target": row["target_tokens"], "frames": []}
        )
        sample["frames"].append({"step": row["step"], "weights": row["attention"], "loss": row.get("loss")})
    return {"samples": list(samples.values())} if samples else None
