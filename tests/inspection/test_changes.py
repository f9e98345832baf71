"""What if: forced items, overwritten attention and other starts change the run, and nothing else does."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from architectures import CASES
from quick import slow
from seqweave.config import ModelConfig
from seqweave.errors import ConfigError, DataError
from seqweave.inspection.changes import WhatIf
from seqweave.inspection.trace import Trace
from seqweave.inspection.tracing import trace
from seqweave.predictor import Model
from seqweave.text.vocabulary import BOS, EOS, PAD
from tiny_model import tiny_model

NAMES = (
    "gru-additive-before",
    "lstm-general-feeding",
    "rnn-dot-after",
    "gru-additive-between",
    "transformer-layers",
    "gru-location_aware-after",
    "gru-local_m-before",
    "gru-everything-feeding",
)
attending = pytest.mark.parametrize("name", [name for name in NAMES if name in CASES])
RECURRENT = tuple(name for name in NAMES if name in CASES and not name.startswith("transformer"))
WITHOUT = next(config for name, config in CASES.items() if name.startswith("gru-none"))
SOURCE, TARGET = "abcag", "gfb"


@cache
def model_of(config: ModelConfig) -> Model:
    return tiny_model(config)


def run(config: ModelConfig, what_if: WhatIf | None = None, beam_size: int = 3, target: str | None = None) -> Trace:
    return trace(model_of(config), SOURCE, target, beam_size=beam_size, what_if=what_if)


def ids_of(trace: Trace) -> list[int]:
    return [token.id for token in trace.steps.tokens]


def test_the_names_are_of_cases() -> None:
    assert len(RECURRENT) >= 3
    assert "transformer-layers" in CASES


@attending
@pytest.mark.parametrize("beam_size", [slow(1), 3])
def test_a_forced_step_holds_its_item_and_what_follows_is_the_models(name: str, beam_size: int) -> None:
    config = CASES[name]
    free = ids_of(run(config, beam_size=beam_size))
    other = next(id_ for id_ in range(4, 11) if [id_] != free[1:2])
    forced = run(config, WhatIf(forced={1: other}), beam_size)
    assert ids_of(forced)[1] == other
    if beam_size == 1:
        assert ids_of(forced)[0] == free[0]
    network = model_of(config).single
    source = torch.tensor([[token.id for token in forced.source.tokens]])
    with torch.inference_mode():
        encoded = network.encode(source, torch.tensor([source.shape[1]]))
        given = torch.tensor([[BOS, *ids_of(forced)[:-1]]])
        log_probs = network.decode(given, encoded).logits.log_softmax(-1)[0]
    taken = log_probs.gather(1, torch.tensor(ids_of(forced))[:, None])[:, 0].numpy()
    assert forced.steps.log_probs == pytest.approx(taken, abs=1e-4)
    if beam_size == 1:  # greedy wherever nothing is forced
        best = log_probs.index_fill(1, torch.tensor([PAD, BOS]), float("-inf")).argmax(1).tolist()
        assert [id_ for at, id_ in enumerate(best) if at > 1] == ids_of(forced)[2:]


def test_an_end_can_be_forced_and_put_off() -> None:
    config = CASES[RECURRENT[0]]
    assert ids_of(run(config, WhatIf(forced={2: "<eos>"})))[2:] == [EOS]
    longer = run(config, WhatIf(forced={12: "a"}))
    assert longer.steps.tokens[12].text == "a"
    assert EOS not in ids_of(longer)[:12]


@attending
def test_an_overwritten_row_is_used(name: str) -> None:
    config = CASES[name]
    row = [0.0, 0.0, 1.0, 0.0, 0.0]
    free = run(config, WhatIf(forced=dict(enumerate([5, 6, 7]))), target=TARGET)
    changed = run(config, WhatIf(forced=dict(enumerate([5, 6, 7])), attention={1: row}), target=TARGET)
    assert free.forced is not None
    assert changed.forced is not None
    for before, after in ((free.steps, changed.steps), (free.forced.steps, changed.forced.steps)):
        for old, new in zip(before.attention, after.attention, strict=True):
            assert new.weights[1] == pytest.approx(np.array(row), abs=1e-6)
            assert new.scores is not None
            assert new.scores[1].argmax() == 2
            assert (new.scores[1, [0, 1, 3, 4]] < new.scores[1, 2] - 60).all()  # their softmax is the row
            assert np.abs(old.weights[1] - new.weights[1]).max() > 0.01
        assert after.log_probs[0] == pytest.approx(before.log_probs[0], abs=1e-6)
        assert abs(after.top_log_probs[1] - before.top_log_probs[1]).max() > 1e-4
    if changed.steps.context is not None:
        assert changed.steps.context[1] == pytest.approx(changed.encoder.outputs[2], abs=1e-5)


@pytest.mark.parametrize("name", [name for name in RECURRENT if CASES[name].attention_window != "local_p"])
def test_rows_as_they_were_change_nothing(name: str) -> None:
    free = run(CASES[name])
    rows = {step: row.tolist() for step, row in enumerate(free.steps.attention[0].weights)}
    again = run(CASES[name], WhatIf(forced=dict(enumerate(ids_of(free))), attention=rows))
    assert ids_of(again) == ids_of(free)
    assert again.steps.log_probs == pytest.approx(free.steps.log_probs, abs=1e-5)
    assert again.steps.layers[-1].hidden == pytest.approx(free.steps.layers[-1].hidden, abs=1e-5)


@attending
def test_the_search_itself_uses_the_row(name: str) -> None:
    """The tree's numbers are those of the recorded run."""
    changed = run(CASES[name], WhatIf(attention={0: [0, 0, 0, 0, 1], 1: [0.5, 0.5, 0, 0, 0]}))
    assert changed.output.log_prob == pytest.approx(float(changed.steps.log_probs.sum()), abs=1e-4)


@pytest.mark.parametrize("config", [*(CASES[name] for name in RECURRENT), WITHOUT])
def test_a_start_is_taken(config: ModelConfig) -> None:
    free, zero = run(config), run(config, WhatIf(zero_start=True))
    other = run(config, WhatIf(start_source="gab"))
    theirs = model_of(config).trace("gab")
    assert all(not state.any() for state in zero.bridge.states)
    for ours, their in zip(other.bridge.states, theirs.bridge.states, strict=True):
        assert ours == pytest.approx(their, abs=1e-6)
    for changed in (zero, other):
        assert np.abs(changed.steps.top_log_probs[0] - free.steps.top_log_probs[0]).max() > 1e-5
        assert changed.output.log_prob == pytest.approx(float(changed.steps.log_probs.sum()), abs=1e-4)


def test_the_model_itself_stays_as_it_was() -> None:
    for name in NAMES:
        if name in CASES:
            before = run(CASES[name])
            run(CASES[name], WhatIf(attention={0: [0, 0, 0, 0, 1]}, forced={0: 4}))
            assert ids_of(run(CASES[name])) == ids_of(before)


@pytest.mark.parametrize(
    ("what_if", "sentence"),
    [
        (WhatIf(forced={900: 5}), "a position to change must lie between 0 and"),
        (WhatIf(forced={0: 99}), "must have an id from 0 to 10"),
        (WhatIf(forced={0: BOS}), "neither <pad> nor <bos>"),
        (WhatIf(forced={0: "nothing"}), "position 0 has 'nothing'"),
        (WhatIf(forced={0: EOS, 1: 5}), "<eos> must be the last forced item"),
        (WhatIf(attention={0: [1.0]}), "each of the source's 5 items, but that of position 0 has 1"),
        (WhatIf(attention={0: [1.0, 1.0, 0, 0, 0]}), "sum to 1, but those of position 0 are 1, 1, 0, 0, 0"),
        (WhatIf(attention={0: [2.0, -1.0, 0, 0, 0]}), "must be 0 or more"),
        (WhatIf(start_source=" "), "must have an item, but it is empty"),
    ],
)
def test_what_cannot_be_is_told(what_if: WhatIf, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        run(CASES[RECURRENT[0]], what_if)


def test_what_an_architecture_lacks_is_told() -> None:
    with pytest.raises(ConfigError, match="must have attention"):
        run(WITHOUT, WhatIf(attention={0: [1.0, 0, 0, 0, 0]}))
    for what_if in (WhatIf(zero_start=True), WhatIf(start_source="a")):
        with pytest.raises(ConfigError, match="must be recurrent for its start to be changed"):
            run(CASES["transformer-layers"], what_if)
