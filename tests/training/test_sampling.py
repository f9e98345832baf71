"""Scheduled sampling: the decays by hand, teacher forcing and free running as its ends, a naive twin, exact resume."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from architectures import CASES, SOURCE_SIZE, TARGET_SIZE, small_model, sources_of
from processors import need_bf16
from seqweave.config import ModelConfig, TrainConfig, config_from_json
from seqweave.data.batch import Batch, make_batch
from seqweave.data.source_batch import SourceBatch
from seqweave.model.output.softmax import summed_loss
from seqweave.model.seq2seq import Seq2Seq
from seqweave.text.vocabulary import BOS, EOS, PAD
from seqweave.training.events import TrainEvent
from seqweave.training.run import train
from seqweave.training.sampling import (
    _chosen,
    default_settings,
    mixed_inputs,
    scheduled_inputs,
    truth_probability,
)
from tiny_run import SETTINGS, train_in_two_processes, write_pairs

ARCHITECTURES: tuple[str, ...] = ("gru-general-after", "lstm-additive-before", "gru-dot-feeding", "lstm-none-first")
ARCHITECTURES += ("transformer-pre-rotary", "recurrent_encoder-post-learned", "lstm-variational", "rnn-general-between")
ARCHITECTURES += ("gru-everything-before", "lstm-local_m-between", "gru-normalized-feeding")
ARCHITECTURES += ("lstm-copies", "gru-copies_before", "lstm-copies_features")
ON = {"training.scheduled_sampling": "linear", "training.sampling_k": 0.6, "training.sampling_slope": 0.02}


def some_batch(name: str | None = None) -> Batch:
    """Pairs for an architecture; where it copies, targets have ids of a sentence's own."""
    draw = torch.Generator().manual_seed(3)

    def ids(length: int, size: int) -> list[int]:
        return torch.randint(4, size, (length,), generator=draw).tolist()

    sources = [ids(length, SOURCE_SIZE) for length in (5, 2, 7, 3)]
    targets = [ids(length, TARGET_SIZE) for length in (6, 1, 4, 5)]
    config = CASES[name] if name is not None else ModelConfig()
    if config.copy:
        targets = [[TARGET_SIZE, *one[1:]] for one in targets]
    return make_batch(sources_of(sources, config), targets)


def alone(source: SourceBatch, row: int) -> SourceBatch:
    """One of the sources without padding."""
    size = int(source.lengths[row])
    copies = None if source.copies is None else source.copies[row : row + 1, :size]
    return SourceBatch(source.values[row : row + 1, :size], source.lengths[row : row + 1], copies)


@torch.no_grad()
def naive_inputs(model: Seq2Seq, batch: Batch, coins: Tensor, draws: Tensor | None) -> list[list[int]]:
    """Bengio et al. 2015, section 2.4, one sentence after the other, without a batch or padding."""
    made = []
    for row, length in enumerate(batch.target_lengths.tolist()):
        state = model.start(model.encode(*alone(batch.source, row)))
        read = [BOS]
        for position in range(1, length):
            output = model.step(torch.tensor(read[-1:]), state)
            state = output.state
            probabilities = output.logits[0].double().softmax(0)
            probabilities[[PAD, BOS]] = 0
            own = int(probabilities.argmax())
            if draws is not None:
                left = float(draws[row, position]) * float(probabilities.sum())
                for own, probability in enumerate(probabilities.tolist()):  # noqa: B007
                    left -= probability
                    if left < 0:
                        break
            read.append(int(batch.target_in[row, position]) if coins[row, position] else own)
        made.append(read)
    return made


def real(batch: Batch, inputs: Tensor) -> list[list[int]]:
    return [row[:length] for row, length in zip(inputs.tolist(), batch.target_lengths.tolist(), strict=True)]


def numbers(batch: Batch, seed: int = 0) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return torch.rand(batch.target_in.shape, generator=draw) < 0.5, torch.rand(batch.target_in.shape, generator=draw)


def test_the_decays_by_hand() -> None:
    linear = TrainConfig(scheduled_sampling="linear", sampling_k=1.0, sampling_slope=0.25, sampling_floor=0.1)
    assert [truth_probability(linear, step) for step in (1, 2, 3, 4, 5, 99)] == [1, 0.75, 0.5, 0.25, 0.1, 0.1]
    exponential = TrainConfig(scheduled_sampling="exponential", sampling_k=0.5)
    assert [truth_probability(exponential, step) for step in (1, 2, 3)] == [1, 0.5, 0.25]
    sigmoid = TrainConfig(scheduled_sampling="inverse_sigmoid", sampling_k=2.0)
    found = [truth_probability(sigmoid, step) for step in (1, 3, 10**9)]
    assert found == pytest.approx([2 / 3, 2 / (2 + math.e), 0.0])
    assert truth_probability(TrainConfig(), 10**6) == 1
    later = TrainConfig(scheduled_sampling="linear", sampling_k=3.0, sampling_slope=0.5)
    assert [truth_probability(later, step) for step in (1, 5, 6)] == [1, 1, 0.5]


@pytest.mark.parametrize("kind", ["linear", "exponential", "inverse_sigmoid"])
@pytest.mark.parametrize("steps", [1, 2, 300, 40_000])
def test_unset_numbers_make_it_one_half_in_the_middle(kind: Any, steps: int) -> None:
    training = TrainConfig(scheduled_sampling=kind)
    found = {key.removeprefix("training."): value for key, value in default_settings(training, steps).items()}
    decided = training.model_copy(update=found)
    before, after = (truth_probability(decided, 1 + place) for place in (steps // 2, -(-steps // 2)))
    assert after - 1e-9 <= 0.5 <= before + 1e-9
    assert truth_probability(decided, 1) > 0.5 or steps == 1
    # What is set stays.
    given = TrainConfig(scheduled_sampling=kind, sampling_k=0.9)
    assert default_settings(given, steps)["training.sampling_k"] == 0.9
    assert default_settings(TrainConfig(), steps) == {}


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("feed", ["sample", "argmax"])
def test_mixed_inputs_are_those_of_the_naive_twin(name: str, feed: str) -> None:
    model, batch = small_model(CASES[name]), some_batch(name)
    coins, draws = numbers(batch)
    given = draws if feed == "sample" else None
    found = real(batch, mixed_inputs(model, batch, coins, given))
    assert found == naive_inputs(model, batch, coins, given)
    assert found != real(batch, batch.target_in)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_ends_are_teacher_forcing_and_free_running(name: str) -> None:
    model, batch = small_model(CASES[name]), some_batch(name)
    always = torch.ones(batch.target_in.shape, dtype=torch.bool)
    assert torch.equal(mixed_inputs(model, batch, always, None), batch.target_in)
    free = mixed_inputs(model, batch, ~always, None)
    logits = model.decode(free, model.encode(*batch.source)).logits
    logits[..., [PAD, BOS]] = -math.inf
    # Reading its own outputs, what it writes is what it reads next.
    for row, length in enumerate(batch.target_lengths.tolist()):
        assert logits[row, : length - 1].argmax(-1).tolist() == free[row, 1:length].tolist()


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_loss_and_gradient_are_those_of_a_single_pass(name: str) -> None:
    """The paper's form: one pass with gradients that reads as it goes, and none through a choice."""
    # Variational or not, dropout is what the two forms do not share.
    config = CASES[name].model_copy(update={"dropout": 0.0, "embedding_dropout": 0.0, "word_dropout": 0.0})
    model, batch = small_model(config).train(), some_batch(name)
    coins, draws = numbers(batch)
    state = model.start(model.encode(*batch.source))
    ids, logits = batch.target_in[:, 0], []
    for position in range(batch.target_in.shape[1]):
        output = model.step(ids, state)
        state = output.state
        logits.append(output.logits)
        if position + 1 < batch.target_in.shape[1]:
            own = _chosen(output.logits.detach(), draws[:, position + 1])
            ids = torch.where(coins[:, position + 1], batch.target_in[:, position + 1], own)
    expected = summed_loss(torch.stack(logits, 1), batch.target_out)
    expected.backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    model.zero_grad()
    inputs = mixed_inputs(model, batch, coins, draws)
    assert model.training
    loss = summed_loss(model.decode(inputs, model.encode(*batch.source)).logits, batch.target_out)
    loss.backward()
    torch.testing.assert_close(loss, expected, atol=1e-4, rtol=1e-5)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients[name], atol=1e-3, rtol=1e-4)


def test_an_item_is_drawn_as_often_as_it_is_probable() -> None:
    logits = torch.tensor([[5.0, 0.3, 9.0, -1.0, 1.2, 0.0]])  # <pad> and <bos> are the largest
    size = 20_000
    draws = (torch.arange(size) + 0.5) / size
    found = torch.bincount(_chosen(logits.expand(size, -1), draws), minlength=6) / size
    expected = logits[0].clone()
    expected[[PAD, BOS]] = -math.inf
    torch.testing.assert_close(found, expected.softmax(0), atol=2e-4, rtol=0)
    ends = torch.tensor([0.0, 1.0 - 2**-24])
    assert _chosen(logits.expand(2, -1), ends).tolist() == [1, 5]
    assert _chosen(logits, None).tolist() == [4]


def test_every_item_of_every_sentence_has_its_own_coin() -> None:
    model, batch = small_model(CASES["gru-general-after"]), some_batch()
    training = TrainConfig(scheduled_sampling="linear", sampling_k=0.5, sampling_slope=0.0, sampling_feed="argmax")
    columns: set[tuple[bool, ...]] = set()
    rows: set[tuple[bool, ...]] = set()
    for step in range(1, 30):
        kept = scheduled_inputs(model, batch, training, step, 0)[[0, 2, 3], 1:5] == batch.target_in[[0, 2, 3], 1:5]
        columns.update(map(tuple, kept.T.tolist()))
        rows.update(map(tuple, kept.tolist()))
    assert any(len(set(column)) == 2 for column in columns)  # sentences differ at a position
    assert any(len(set(row)) == 2 for row in rows)  # positions differ in a sentence
    one, same = (scheduled_inputs(model, batch, training, 3, 1) for _ in range(2))
    assert torch.equal(one, same)
    others = [scheduled_inputs(model, batch, training, 3, index) for index in range(2, 12)]
    assert any(not torch.equal(one, other) for other in others)


def test_epsilon_of_one_changes_nothing() -> None:
    batch = some_batch()
    training = TrainConfig(scheduled_sampling="linear", sampling_k=1.0, sampling_slope=0.0)
    model = small_model(CASES["gru-general-after"])
    assert scheduled_inputs(model, batch, training, 7, 0) is batch.target_in


def weights_of(folder: Path) -> dict[str, Tensor]:
    path = folder / "checkpoints" / "step_00000012" / "model.safetensors"
    return safetensors.torch.load_file(path)


@pytest.mark.slow
def test_a_run_with_epsilon_one_is_an_ordinary_run(tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "pairs.tsv")
    train(data, tmp_path / "plain", settings=SETTINGS, device="cpu")
    always = {**SETTINGS, **ON, "training.sampling_floor": 1.0}
    train(data, tmp_path / "always", settings=always, device="cpu")
    train(data, tmp_path / "mixed", settings={**SETTINGS, **ON}, device="cpu")
    plain, same, mixed = (weights_of(tmp_path / name) for name in ("plain", "always", "mixed"))
    assert all(torch.equal(plain[name], same[name]) for name in plain)
    assert not all(torch.equal(plain[name], mixed[name]) for name in plain)


@pytest.mark.parametrize(
    "extra",
    [
        {},
        {"model.encoder": "transformer", "model.decoder": "transformer"},
        {"model.attention": "additive", "model.coverage": True},
    ],
)
@pytest.mark.slow
def test_resume_equals_never_having_stopped(tmp_path: Path, extra: dict[str, Any]) -> None:
    settings = {**SETTINGS, "training.scheduled_sampling": "inverse_sigmoid", **extra}
    data = write_pairs(tmp_path / "pairs.tsv")

    def kill(event: TrainEvent) -> None:
        if event.kind == "batch" and event.values == {"step": 8, "batch": 1}:
            raise KeyboardInterrupt

    train(data, tmp_path / "unbroken", settings=settings, device="cpu")
    with pytest.raises(KeyboardInterrupt):
        train(data, tmp_path / "resumed", settings=settings, device="cpu", listen=kill)
    assert train(data, tmp_path / "resumed", settings=settings, device="cpu").status == "finished"
    one, other = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("unbroken", "resumed"))
    assert one == other
    config = config_from_json((tmp_path / "resumed" / "config.json").read_text(encoding="utf-8"), "config.json")
    k = config.training.sampling_k
    assert k is not None
    assert k * math.log(k) == pytest.approx(6)
    events = (tmp_path / "resumed" / "events.jsonl").read_text(encoding="utf-8").split("\n")
    rows = [json.loads(line) for line in events if '"step"' in line and "truth_probability" in line]
    assert rows[-1]["truth_probability"] == pytest.approx(truth_probability(config.training, 12))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["recurrent", "transformer"])
def test_half_precision_learns_as_ever_from_what_was_mixed(tmp_path: Path, kind: str) -> None:
    """Epsilon below 1, yet every coin True: two passes, the first without gradients, and the result of one."""
    need_bf16("lstm" if kind == "recurrent" else None)
    data = write_pairs(tmp_path / "pairs.tsv")
    plain = {**SETTINGS, "training.precision": "bf16", "model.encoder": kind, "model.decoder": kind}
    nearly = {"training.scheduled_sampling": "linear", "training.sampling_slope": 0.0, "training.sampling_k": 1 - 1e-9}
    train(data, tmp_path / "plain", settings=plain, device="cpu")
    train(data, tmp_path / "nearly", settings={**plain, **nearly}, device="cpu")
    train(data, tmp_path / "mixed", settings={**plain, **ON}, device="cpu")
    one, same, mixed = (weights_of(tmp_path / name) for name in ("plain", "nearly", "mixed"))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], mixed[name]) for name in one)


@pytest.mark.slow
def test_two_processes_equal_one(tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "pairs.tsv")
    same = {**SETTINGS, **ON, "model.dropout": 0.0, "training.validate_every": 12, "training.max_steps": 12}
    train(data, tmp_path / "one", settings={**same, "training.accumulate": 2}, device="cpu")
    train_in_two_processes(data, tmp_path / "two", {**same, "training.accumulate": 1})
    one, two = (weights_of(tmp_path / name) for name in ("one", "two"))
    for name, expected in one.items():
        torch.testing.assert_close(two[name], expected, atol=1e-5, rtol=1e-5)


def test_an_end_in_the_middle_is_read_like_any_item() -> None:
    """A model that always ends feeds `<eos>`, and the reference goes on."""
    model, batch = small_model(CASES["gru-general-after"]), some_batch()
    with torch.no_grad():
        model.output.bias[EOS] += 100
    never = torch.zeros(batch.target_in.shape, dtype=torch.bool)
    assert real(batch, mixed_inputs(model, batch, never, None))[0] == [BOS] + [EOS] * 6
