"""Formats of model folders: the number of today's, and what older folders mean in its terms.

`config.json` carries the number as `format`, and so does what `run.json` holds of the settings; without one it is
format 0. An older folder keeps what it was trained with: its settings and the names of its tensors are translated
when they are read, and nothing else asks for the number.

- Format 0: `p_gen` of a model that copies reads the readout (`copy_gate`), tensors are named after the parts of
  then (`FORMER_NAMES`), blanks at the ends of a text count (`trim_ends`), lower-casing knows no final sigma
  (`final_sigma`), and files are TSV or JSON lines by their names, without quotes and header (`recognize`). What is held
  out for dev depends on `training.seed` (`data.dev_boundary` is unset). While no output is right, less perplexity is no
  gain for early stopping (`ties`). BLEU's tokenizer and the units of ROUGE are unset, which means 13a and words.
- Format 1: `p_gen` reads the decoder's state, as See et al. (2017), eq. 8, have it; blanks and invisible characters at
  the ends of a text do not count (`seqweave.text.ends`); lower-casing is Python's; files are what their content shows
  (`seqweave.data.dialect`). What is held out depends on the sources alone, and `data.dev_boundary` says which. Ties of
  nothing right fall to the perplexity, and how metrics cut the targets is decided from the training targets
  (`seqweave.evaluation.measures`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seqweave.errors import ConfigError

FORMAT = 1

FORMER_NAMES = {
    "source_embedding": "source_input",
    "target_embedding": "target_input",
    "generator": "output",
    "copier": "output",
}
"""What parts of the network were called in format 0, and what they are called now."""


def translated_settings(tree: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Settings as they are written in a folder, in today's terms and without the number.

    Args:
        tree: the groups of settings, with `format` or without it.
        where: names the file in errors.

    Raises:
        ConfigError: when the number is none, or that of a later seqweave.
    """
    groups = dict(tree)
    number = groups.pop("format", 0)
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= FORMAT:
        raise ConfigError(
            f"{where} must be of a format from 0 to {FORMAT}, but it is of format {number!r}: "
            "use the seqweave that wrote it, or a later one"
        )
    if number < 1:
        _decide(groups, "model", "copy_gate", "readout")
        _decide(groups, "data", "trim_ends", False)
        _decide(groups, "training", "ties", "wait")
        _decide(groups, "data", "recognize", False)
        _unset(groups, "data", "source_column", "1")
        _unset(groups, "data", "target_column", "2")
        data = groups.get("data", {})
        if isinstance(data, Mapping):
            groups["data"] = dict(data)
            for side in ("source", "target"):
                _decide(groups["data"], side, "final_sigma", False)
    return groups


def _decide(groups: dict[str, Any], group: str, key: str, value: object) -> None:
    """Set what the format decides; what is no group of settings is refused later."""
    settings = groups.get(group, {})
    if isinstance(settings, Mapping):
        groups[group] = {**settings, key: value}


def _unset(groups: dict[str, Any], group: str, key: str, usual: object) -> None:
    """Leave a setting unset that has the value which was the default."""
    settings = groups.get(group, {})
    if isinstance(settings, Mapping) and settings.get(key) == usual:
        groups[group] = {**settings, key: None}


def tensor_name(name: str) -> str:
    """Today's name of a tensor in a file of weights, or of an optimizer's (`exp_avg/NAME`), of any format."""
    kind, slash, parameter = name.rpartition("/")
    part, dot, rest = parameter.partition(".")
    return f"{kind}{slash}{FORMER_NAMES.get(part, part)}{dot}{rest}"
