"""`training.freeze`: frozen parts keep every bit, whatever is done to weights; the others move as without it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from architectures import batch_of, each, quick_cases, small_batch, small_model
from seqweave.cli.main import main
from seqweave.config import ModelConfig, TrainConfig
from seqweave.data.source_batch import SourceBatch
from seqweave.errors import ConfigError
from seqweave.folder.shapes import Vocabularies, tensor_shapes
from seqweave.model.parts import PARTS, check_frozen, part_of, sizes_of_parts
from seqweave.model.seq2seq import Seq2Seq
from seqweave.training.freezing import freeze_parts
from seqweave.training.optimizer import MovingAverage, Optimizer
from seqweave.training.run import train
from starting import OLD, old_model, start, weights, write_new, write_old

HARD = TrainConfig(learning_rate=0.1, weight_decay=0.3, clip_norm=0.5)
PLAIN = TrainConfig(learning_rate=0.1, weight_decay=0.3, clip_norm=0.0)


def reads_text(config: ModelConfig) -> bool:
    return not config.frame_size


def parts_of(network: Seq2Seq) -> list[str]:
    return list(sizes_of_parts({name: tuple(part.shape) for name, part in network.named_parameters()}))


def stepped(network: Seq2Seq, config: ModelConfig, training: TrainConfig, steps: int) -> dict[str, Tensor]:
    """The weights after some steps with dropout, moving averages as `average/NAME`, first gradients as `grad/NAME`."""
    optimizer, average = Optimizer(network, training), MovingAverage(network, 0.7)
    ids, lengths, target_in = small_batch(config=config)
    batch: SourceBatch = batch_of(ids, lengths, config)
    found: dict[str, Tensor] = {}
    network.train()
    for step in range(steps):
        torch.manual_seed(step)
        output = network.decode(target_in, network.encode(*batch))
        network.output.loss(output.logits, target_in).backward()
        if step == 0:
            named = network.named_parameters()
            found = {f"grad/{name}": each.grad.clone() for name, each in named if each.grad is not None}
        optimizer.update(training.learning_rate)
        average.update()
    found |= {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    return found | {f"average/{name}": tensor for name, tensor in average.tensors().items()}


def frozen(config: ModelConfig, parts: list[str], training: TrainConfig, steps: int) -> dict[str, Tensor]:
    network = small_model(config)
    freeze_parts(network, parts)
    return stepped(network, config, training, steps)


@pytest.mark.slow
@each(reads_text, plain=False)
def test_frozen_parts_keep_every_bit_and_the_others_move(config: ModelConfig) -> None:
    before = dict(small_model(config).named_parameters())
    everything = parts_of(small_model(config))
    free = stepped(small_model(config), config, PLAIN, 1)
    for parts in (everything[::2], everything[1::2]):
        after = frozen(config, parts, HARD, 2)
        for name, tensor in before.items():
            if part_of(name) in parts:
                assert torch.equal(after[name], tensor), name
                assert torch.equal(after[f"average/{name}"], tensor), name
                assert f"grad/{name}" not in after
            elif f"grad/{name}" in free:
                torch.testing.assert_close(after[f"grad/{name}"], free[f"grad/{name}"], atol=1e-5, rtol=1e-4)
                assert not torch.equal(after[name], tensor)


@pytest.mark.parametrize("config", list(quick_cases(reads_text).values())[::14])
def test_any_part_may_be_frozen_alone_and_left_alone(config: ModelConfig) -> None:
    before = dict(small_model(config).named_parameters())
    everything = parts_of(small_model(config))
    for part in everything:
        for parts in ([part], [other for other in everything if other != part]):
            after = frozen(config, parts, PLAIN, 1)
            changed = {part_of(name) for name, tensor in before.items() if not torch.equal(after[name], tensor)}
            assert changed == set(everything) - set(parts)


def test_every_tensor_is_of_a_part() -> None:
    for config in quick_cases(reads_text).values():
        shapes = tensor_shapes(config, Vocabularies(11, 9, 3 if config.feature_size else 0))
        found = {part_of(name) for name in shapes}
        assert found <= set(PARTS)
        sizes = sizes_of_parts(shapes)
        assert sum(sizes.values()) == sum(torch.zeros(shape).numel() for shape in shapes.values())
        attends = config.decoder == "transformer" or config.attention not in ("none", "dot", "scaled_dot")
        assert ("attention" in sizes) == (attends or config.attention_window == "local_p")


SHAPES = {"encoder.x": (2, 3), "decoder.stack.y": (4,), "decoder.scorer.query.weight": (5, 1), "output.bias": (9,)}


def test_a_wrong_name_is_refused_with_the_list() -> None:
    with pytest.raises(ConfigError) as error:
        check_frozen(["encoder", "enocder", "bridge"], SHAPES)
    assert str(error.value) == (
        "training.freeze must name parts of the network, which are encoder, decoder, attention, output, but it names "
        "enocder, bridge: correct it, or leave it out"
    )
    with pytest.raises(ConfigError, match=r"must leave a part to train, but it names all: encoder, decoder, atten.*=0"):
        check_frozen(["output", "encoder", "attention", "decoder"], SHAPES)
    check_frozen([], SHAPES)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("freezing")
    old_model(place, {"training.max_steps": 20, "training.validate_every": 20})
    write_new(place)
    return place


@pytest.mark.parametrize("extends", [False, True])
def test_a_run_with_frozen_parts(place: Path, tmp_path: Path, extends: bool) -> None:
    """Through weight decay, clipping, moving average and the average of checkpoints."""
    settings: dict[str, Any] = {
        "training.freeze": "encoder, source_embedding",
        "training.weight_decay": 0.3,
        "training.clip_norm": 0.1,
        "training.ema_decay": 0.5,
        "training.average_checkpoints": 3,
        "training.learning_rate": 0.02,
        "training.warmup_steps": 1,
        "data.extend_vocabulary": extends,
        "training.metric": "loss",
    }
    start(place / "new.tsv", tmp_path / "new", place / "old", settings)
    own, other = weights(tmp_path / "new"), weights(place / "old")
    assert json.loads((tmp_path / "new" / "run.json").read_text())["facts"]["best_step"] > 0
    for name, tensor in other.items():
        rows = own[name][: len(tensor)] if tensor.dim() else own[name]
        assert torch.equal(rows, tensor) == (part_of(name) in ("encoder", "source_embedding")), name


def test_a_run_refuses_a_wrong_name(place: Path, tmp_path: Path) -> None:
    listed = "source_embedding, target_embedding, encoder, bridge, decoder, attention, output"
    with pytest.raises(ConfigError, match=rf"parts of the network, which are {listed}, but it names embedding"):
        start(place / "new.tsv", tmp_path / "new", place / "old", {"training.freeze": "embedding"})
    assert not (tmp_path / "new").exists()
    with pytest.raises(ConfigError, match=r"training\.freeze: input should have distinct names"):
        start(place / "new.tsv", tmp_path / "new", place / "old", {"training.freeze": "encoder,encoder"})


def test_info_lists_the_parts(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(place / "old"), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert list(facts["parts"]) == [
        "source_embedding", "target_embedding", "encoder", "bridge", "decoder", "attention", "output",
    ]  # fmt: skip
    assert sum(facts["parts"].values()) == facts["parameters"]
    assert main(["info", str(place / "old")]) == 0
    said = capsys.readouterr().out
    assert f"  parts     source_embedding {facts['parts']['source_embedding']:,}, target_embedding" in said


def test_a_new_run_may_freeze_too(tmp_path: Path) -> None:
    settings = {**OLD, "training.max_steps": 2, "training.freeze": ["encoder"]}
    train(write_old(tmp_path), tmp_path / "a", settings=settings, device="cpu")
    train(tmp_path / "old.tsv", tmp_path / "b", settings={**settings, "training.max_steps": 3}, device="cpu")
    one, other = weights(tmp_path / "a"), weights(tmp_path / "b")
    for name, tensor in one.items():
        assert torch.equal(tensor, other[name]) == name.startswith("encoder.")
