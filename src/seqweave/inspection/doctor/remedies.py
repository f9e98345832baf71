"""How remedies are written."""

from __future__ import annotations

from collections.abc import Mapping

from seqweave.config import Config
from seqweave.inspection.doctor.run_record import RunRecord


def again(settings: Mapping[str, object]) -> str:
    """The remedy of training again with some settings changed: `train again with --set KEY=VALUE`."""
    return "train again with " + " ".join(f"--set {key}={value}" for key, value in settings.items())


def go_on(run: RunRecord) -> str:
    """The remedy for a run that is not finished."""
    return f"run the same train command again: it resumes, up to step {run.config.training.max_steps or 1:,}"


def in_other_text(config: Config, side: str, key: str, value: object) -> str:
    """The remedy of training again with another setting for one side's text, or for both where they must agree."""
    both = config.data.joint_vocabulary or (config.model.copy and key == "units")
    settings: dict[str, object] = {}
    for one in ("source", "target") if both else (side,):
        settings[f"data.{one}.{key}"] = value
        if key == "units" and value != "subword" and getattr(config.data, one).subword_dropout:
            settings[f"data.{one}.subword_dropout"] = 0
    return again(settings)
