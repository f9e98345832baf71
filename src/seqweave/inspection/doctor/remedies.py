"""How remedies are written."""

from __future__ import annotations

from collections.abc import Mapping

from seqweave.inspection.doctor.patient import Patient


def again(settings: Mapping[str, object]) -> str:
    """The remedy of a new training with some settings changed: `train again with --set KEY=VALUE`."""
    return "train again with " + " ".join(f"--set {key}={value}" for key, value in settings.items())


def go_on(patient: Patient) -> str:
    """The remedy of a run that has not come to its end."""
    return f"run the same train command again: it goes on, up to step {patient.config.training.max_steps or 1:,}"
