"""The weights of one model in the network of another run, whose vocabularies may have more entries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from seqweave.config import ModelConfig
from seqweave.errors import ConfigError
from seqweave.model.seq2seq import Seq2Seq

Rows = Sequence[int | None]
_TAGS_TO_ITEMS = "source_input.project.weight"  # of one-hot items, with a row for each entry


@torch.no_grad()
def place_weights(
    network: Seq2Seq, config: ModelConfig, weights: Mapping[str, Tensor], source: Rows, tags: Rows, target: Rows
) -> None:
    """Copy weights into a network that is the same but for more entries; what is new keeps its first values.

    Args:
        network: freshly built, with the sizes of the new vocabularies.
        config: its settings.
        weights: those of the other network, by name.
        source, tags, target: for each entry of the network's vocabularies (items of the source, source tags, items of
            the target) the one of the other network, or None for a new one.

    Raises:
        ConfigError: when the number of entries decides which weights the network has.
    """
    maps = {"source": source, "tags": tags, "target": target}
    tensors = network.state_dict()  # shares its memory with the network
    if tensors.keys() != weights.keys():  # the map of source tags to the width of one-hot items, or of none
        width = config.feature_size or config.embedding_size
        raise ConfigError(
            f"data.extend_vocabulary would give the source {len(source)} one-hot entries, and the network another map "
            f"for its source tags, which are {width} wide: have other new entries with data.source.min_frequency, or "
            "leave --extend-vocabulary out"
        )
    for name, own in tensors.items():
        old = weights[name]
        if own.shape == old.shape:
            own.copy_(old)
            continue
        axis = next(axis for axis, (one, other) in enumerate(zip(own.shape, old.shape, strict=True)) if one != other)
        if name == _TAGS_TO_ITEMS:
            own.zero_()  # else an old tag would have a part of a new item
        rows = maps[_table(name, bool(tags))]
        known = [place for place, row in enumerate(rows) if row is not None]
        taken = [row for row in rows if row is not None]
        begin = _begin(name, config, own.shape[axis] - len(rows)) if axis == 1 else 0
        after = begin + len(rows)
        before = old.shape[axis] - (own.shape[axis] - after)  # where the entries of the other network end
        own.narrow(axis, 0, begin).copy_(old.narrow(axis, 0, begin))
        own.narrow(axis, after, own.shape[axis] - after).copy_(old.narrow(axis, before, old.shape[axis] - before))
        chosen = torch.tensor([begin + row for row in taken])
        own.index_copy_(axis, torch.tensor([begin + place for place in known]), old.index_select(axis, chosen))


def _table(name: str, tagged: bool) -> str:
    """Which vocabulary the tensor of this name has a row or column for each entry of."""
    module = name.split(".")[0]
    if module == "source_input":
        return "tags" if tagged and name == "source_input.weight" else "source"
    return "source" if module == "encoder" else "target"


def _begin(name: str, config: ModelConfig, others: int) -> int:
    """The first column that multiplies a one-hot item, of a matrix with `others` columns for other inputs.

    Cells and encoders read `[item; ...]`, the maxout readout `[state; item; context]`, the gate of a model that
    copies `[context; state; item]`.
    """
    if name.startswith("decoder.readout."):
        return config.decoder_hidden_size
    return others if name.startswith("output.gate.") else 0
