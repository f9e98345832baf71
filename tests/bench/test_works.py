"""Variants of the speed bench: what they are called, which settings they give, what they cost."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest

from seqweave.config import build_config
from seqweave.model.build import build_model

Load = Callable[[str], ModuleType]
VARIANTS = ["after", "after,gru,fp32", "between", "before", "before,lstm", "transformer"]


@pytest.mark.parametrize("work", ["w1", "w2"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_is_a_valid_config(speed: Load, work: str, variant: str) -> None:
    works = speed("works")
    config = build_config(works.settings(works.WORKS[work], works.parse_variant(variant, works.WORKS[work])))
    assert config.training.label_smoothing == config.model.dropout == 0
    assert config.training.max_batch_pairs == works.WORKS[work].batch


def test_a_variant_in_any_order(speed: Load) -> None:
    works = speed("works")
    work = works.WORKS["w1"]
    assert works.parse_variant("fp32,before", work) == works.Variant("before", "gru", "fp32")
    assert works.parse_variant("", work) == works.Variant("after", "lstm", "auto")
    assert works.parse_variant("after,own", work).own_batches


def test_wrong_variants_are_refused(speed: Load) -> None:
    works = speed("works")
    with pytest.raises(ValueError, match="behind"):
        works.parse_variant("behind", works.WORKS["w1"])
    with pytest.raises(ValueError, match="decoder units"):
        works.parse_variant("after-dot", works.WORKS["w2"])
    assert works.parse_variant("after-dot", works.WORKS["w1"]).decoder == "after-dot"


@pytest.mark.parametrize("variant", ["after", "after-dot", "after,gru", "between", "before", "transformer"])
@pytest.mark.parametrize("layers", [1, 3])
def test_counted_operations_are_those_of_the_network(speed: Load, variant: str, layers: int) -> None:
    """Every weight matrix is used once a position: those of encoder and keys for the source, others for the target."""
    works = speed("works")
    work = works.Work("toy", "gru", 8, 6, 12, 4, 1e-3, 3, layers=layers, transformer_layers=layers)
    parsed = works.parse_variant(variant, work)
    network = build_model(build_config(works.settings(work, parsed)).model, 20, 30)
    once = ("source_input", "target_input", "bridge")  # or looked up
    sizes = {
        name: parameter.numel()
        for name, parameter in network.named_parameters()
        if parameter.dim() == 2 and not name.startswith(once) and "direction" not in name
    }
    cost = works.cost(work, parsed, 20, 30)
    assert cost.source + cost.target == sum(sizes.values())
    encoder = sum(size for name, size in sizes.items() if name.startswith("encoder"))
    keys = {"after-dot": 0, "transformer": layers * 2 * 8 * 8}.get(parsed.decoder, 12 * 12)
    assert cost.source == encoder + keys


def test_a_small_vocabulary_costs_its_own_size(speed: Load) -> None:
    works = speed("works")
    work = works.Work("toy", "gru", 8, 6, 12, 4, 1e-3, 3)
    parsed = works.parse_variant("after", work)
    small, large = works.cost(work, parsed, 4, 3), works.cost(work, parsed, 5, 5)
    assert large.source - small.source == 2 * 4 * 6 * (8 - 4)
    assert large.target - small.target == 4 * 12 * (8 - 3) + 12 * (5 - 3)


def test_training_costs_three_passes_on_real_positions(speed: Load) -> None:
    works = speed("works")
    cost = works.Cost(source=10, target=100, pair=1)
    # One pair of 2 and 3 items: 2 sources, 4 target positions, 8 pairs; 5 tokens are counted.
    assert works.training_flops(cost, [(2, 3)]) == 6 * (2 * 10 + 4 * 100 + 8) / 5
