"""Unknown items of an output, replaced by what the model looked at.

Each `<unk>` gives its place to the source item with the largest attention weight of its step (Jean et al. 2015;
Luong et al. 2015b, who first look the aligned word up in a dictionary, which is left out here).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqweave.config import Config
from seqweave.errors import ConfigError
from seqweave.text.tokenizers import Tokenizer
from seqweave.text.vocabulary import UNK


def check_replaces_unknown(config: Config) -> None:
    """Raise a `ConfigError` where `<unk>` cannot be replaced: no attention to follow, or outputs that are labels."""
    model = config.model
    if model.frame_size:
        raise ConfigError(
            "replace_unknown puts items of the source into the output, but the model reads frames: leave it out"
        )
    if config.data.target.units == "label":
        raise ConfigError(
            "replace_unknown puts items of the source into the output, but an output of this model is one label: "
            "leave it out"
        )
    if model.decoder == "recurrent" and model.attention == "none":
        raise ConfigError(
            "replace_unknown must have attention to follow, but the model has model.attention=none: "
            "leave it out, or train a model with attention"
        )


def replaced_unknown(
    ids: Sequence[int], attention: NDArray[np.floating[Any]], first: int, features: int = 0
) -> list[int]:
    """The ids, with `first + s` in the place of each `<unk>` that looked most at source position s.

    Of equal weights the first counts. The first `features` positions are source tags, which never replace
    anything. Shape: attention (T, S), T at least `len(ids)`.
    """
    text = attention[:, features:]  # (T, S - features)
    if not text.shape[1]:
        return list(ids)
    return [
        first + features + int(weights.argmax()) if id_ == UNK else id_ for id_, weights in zip(ids, text, strict=False)
    ]


def target_items(source: Tokenizer, target: Tokenizer, text: str) -> list[str]:
    """The items of a source as the target's tokenizer would hold them."""
    items = source.items(text)
    if source.units == target.units:
        return items
    blank = " " if target.units in ("word", "subword") else ""
    return [blank + source.joined([item]).strip() for item in items]
