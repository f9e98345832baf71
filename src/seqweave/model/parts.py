"""The parts of a network by the names that people call them: `seqweave info` lists them, `training.freeze` takes them.

A part is told from the names of tensors alone, so a folder's parts are known without torch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from seqweave.errors import ConfigError

PARTS = ("source_embedding", "target_embedding", "encoder", "bridge", "decoder", "attention", "output")
_EMBEDDINGS = {"source_input": "source_embedding", "target_input": "target_embedding"}
_LOOKS = ("scorer", "window", "cross")  # what a decoder looks into the source with


def part_of(tensor: str) -> str:
    """The part that a tensor of a network belongs to, such as `attention` for `decoder.scorer.query.weight`."""
    module, *path = tensor.split(".")
    if module == "decoder" and any(name in _LOOKS for name in path):
        return "attention"
    return _EMBEDDINGS.get(module, module)


def sizes_of_parts(shapes: Mapping[str, Sequence[int]]) -> dict[str, int]:
    """How many numbers each part has, of the shapes of all tensors by their names; parts that are not there are not."""
    sizes = dict.fromkeys(PARTS, 0)
    for name, shape in shapes.items():
        sizes[part_of(name)] += math.prod(shape)
    return {part: size for part, size in sizes.items() if size}


def check_frozen(freeze: Sequence[str], shapes: Mapping[str, Sequence[int]]) -> None:
    """Raise a `ConfigError` when a name is no part of a network with these shapes, or nothing is left to train."""
    there = sizes_of_parts(shapes)
    wrong = [name for name in freeze if name not in there]
    if wrong:
        raise ConfigError(
            f"training.freeze must name parts of the network, which are {', '.join(there)}, but it names "
            f"{', '.join(wrong)}: correct it, or leave it out"
        )
    if freeze and set(there) <= set(freeze):
        raise ConfigError(
            f"training.freeze must leave a part to train, but it names all: {', '.join(there)}; leave one out, or set "
            "training.max_steps=0 to train nothing"
        )
