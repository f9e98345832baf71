"""Folders of strangers, and folders that still train: refused in a sentence before anything is built, or one model."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import seqweave
from architectures import CASES, each
from seqweave.config import ModelConfig
from seqweave.errors import ModelFolderError
from seqweave.files import write_atomic
from seqweave.folder import (
    CONFIG,
    EVENTS,
    MANIFEST,
    METRICS,
    RUN,
    SOURCE_TOKENIZER,
    TARGET_TOKENIZER,
    WEIGHTS,
    check_manifest,
    opening,
    read_model,
    read_rows,
    replace_file,
    weights_bytes,
    write_manifest,
)
from seqweave.folder.shapes import Vocabularies, tensor_shapes
from seqweave.model.build import build_model
from tiny_model import tiny_folder, tiny_model

SMALL = ModelConfig(embedding_size=4, encoder_hidden_size=3, decoder_hidden_size=6)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_folder(tiny_model(SMALL), tmp_path_factory.mktemp("whole") / "model")


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    shutil.copytree(whole, tmp_path / "model")
    return tmp_path / "model"


def seal(folder: Path) -> None:
    """Make the sums fit, as whoever made the folder up would."""
    write_manifest(folder, [path.name for path in folder.iterdir() if path.name != MANIFEST])


def refusal(folder: Path) -> str:
    with pytest.raises(ModelFolderError) as caught:
        read_model(folder)
    sentence = str(caught.value)
    assert len(sentence) < 3000
    assert sentence.isprintable()
    return sentence


@each(plain=False)  # shapes have no fast path
@pytest.mark.parametrize("features", [0, 3])
def test_shapes_are_those_of_the_network(config: ModelConfig, features: int) -> None:
    source = 11 + features
    built = build_model(config, source, 9, features).state_dict()
    assert tensor_shapes(config, Vocabularies(source, 9, features)) == {
        name: tuple(part.shape) for name, part in built.items()
    }
    assert {part.dtype for part in built.values()} == {torch.float32}


@pytest.mark.parametrize("name", ["encoder_hidden_size", "decoder_hidden_size", "embedding_size", "encoder_layers"])
def test_settings_that_the_weights_contradict_build_nothing(folder: Path, name: str) -> None:
    tree = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    tree["model"][name] = 60
    (folder / CONFIG).write_text(json.dumps(tree), encoding="utf-8")
    seal(folder)
    assert "do not fit the network of config.json and the tokenizers" in refusal(folder)


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="memory is read from /proc")
def test_a_bomb_is_refused_before_torch_and_in_little_memory(folder: Path) -> None:
    tree = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    tree["model"] |= {"encoder_hidden_size": 65_536, "decoder_hidden_size": 65_536, "embedding_size": 65_536}
    (folder / CONFIG).write_text(json.dumps(tree), encoding="utf-8")
    seal(folder)
    program = r"""
import re, sys
from pathlib import Path
import seqweave
try:
    seqweave.load(sys.argv[1])
except seqweave.ModelFolderError as error:
    used = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    print("torch" in sys.modules, int(used[1]) < 150 * 1024)
"""
    done = subprocess.run([sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=True)
    assert done.stdout == "False True\n"


def header_with(folder: Path, change: Callable[[dict[str, Any]], Any], *, length: int | None = None) -> None:
    content = (folder / WEIGHTS).read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.dumps(change(json.loads(content[8:end]))).encode()
    size = len(header) if length is None else length
    (folder / WEIGHTS).write_bytes(size.to_bytes(8, "little") + header + content[end:])
    seal(folder)


def tensor(name: str, **changed: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda header: {**header, name: {**header[name], **changed}}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda header: [], "no JSON object"),
        (lambda header: {**header, "x": 1}, "in another way"),
        (tensor("output.bias", shape=[-1]), "in another way"),
        (tensor("output.bias", shape=[1.0]), "in another way"),
        (tensor("output.bias", shape=[True]), "in another way"),
        (tensor("output.bias", shape=[10**30]), "in another way"),
        (tensor("output.bias", shape=[1] * 1000), "in another way"),
        (tensor("output.bias", dtype="\x1b[31m"), "in another way"),
        (tensor("output.bias", dtype=["F32"]), "in another way"),
        (tensor("output.bias", data_offsets=[0]), "in another way"),
        (tensor("output.bias", data_offsets=[8, 4]), "not as many bytes"),
        (tensor("output.bias", shape=[1 << 40]), "not as many bytes"),
        (lambda header: {**header, "a\x1b": header["output.bias"]}, "do not fill the file"),
        (lambda header: {**header, "generator.bias": header["output.bias"]}, "is there twice"),
        (lambda header: {**header, "a": {"dtype": "F32", "shape": [0, 1 << 40], "data_offsets": [0, 0]}}, "unexpected"),
        (lambda header: {name: part for name, part in header.items() if name != "output.bias"}, "do not fill"),
    ],
)
def test_headers_of_weights_that_lie_are_refused(folder: Path, change: Any, why: str) -> None:
    header_with(folder, change)
    assert why in refusal(folder)


@pytest.mark.parametrize("length", [0, 1, 1 << 20, (1 << 63) - 1, (1 << 64) - 1])
def test_headers_of_other_lengths_are_refused(folder: Path, length: int) -> None:
    header_with(folder, lambda header: header, length=length)
    assert "cannot read the weights" in refusal(folder)


def test_tensors_at_odd_places_are_read_all_the_same(folder: Path) -> None:
    before = seqweave.load(folder, "cpu").predict(["abc"])
    header_with(folder, lambda header: {"__metadata__": {"a": "b"}, **header})
    assert seqweave.load(folder, "cpu").predict(["abc"]) == before


def test_a_vocabulary_larger_than_any_tensor_is_not_even_parsed(folder: Path) -> None:
    tree = json.loads((folder / SOURCE_TOKENIZER).read_text(encoding="utf-8"))
    tree["model"]["vocab"] |= {str(number): number for number in range(11, 200_000)}
    (folder / SOURCE_TOKENIZER).write_text(json.dumps(tree), encoding="utf-8")
    seal(folder)
    assert "bytes, but it has more" in refusal(folder)


def test_units_must_be_set(folder: Path) -> None:
    tree = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    tree["data"]["target"]["units"] = None
    (folder / CONFIG).write_text(json.dumps(tree), encoding="utf-8")
    seal(folder)
    assert "must have data.target.units" in refusal(folder)


def _outside(path: Path) -> None:
    path.rename(path.parent.with_name("outside"))
    path.symlink_to(path.parent.with_name("outside"))


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


@pytest.mark.skipif(os.name == "nt", reason="no pipes and devices in folders there")
@pytest.mark.parametrize("name", [MANIFEST, CONFIG, WEIGHTS, TARGET_TOKENIZER])
@pytest.mark.parametrize(
    ("change", "why"), [(_outside, "lies outside"), (_pipe, "is not a file"), (_device, "outside")]
)
def test_links_and_pipes_are_no_files(folder: Path, name: str, change: Callable[[Path], None], why: str) -> None:
    change(folder / name)
    assert why in refusal(folder)


@pytest.mark.parametrize("name", [METRICS, RUN])
@pytest.mark.parametrize(
    "content", ["3", "null", "[1]", "[" * 5000 + "]" * 5000, '{"a": ' * 70 + "1" + "}" * 70, "\ud800"]
)
def test_records_of_odd_kinds_are_refused(folder: Path, name: str, content: str) -> None:
    (folder / name).write_bytes(content.encode("utf-8", "surrogatepass"))
    seal(folder)
    assert name in refusal(folder)


def test_what_is_too_large_is_not_read(tmp_path: Path) -> None:
    (tmp_path / RUN).write_bytes(b" " * (opening.MOST_JSON + 1))
    with pytest.raises(ModelFolderError, match=r"must have at most 1,048,576 bytes, but it has more"):
        opening.read_json(tmp_path / RUN)


def test_a_log_has_an_object_on_every_line(tmp_path: Path) -> None:
    path = tmp_path / EVENTS
    assert read_rows(path) == []
    path.write_text('{"a": 1}\n\n{"b": 2}\n{"c', encoding="utf-8")
    assert read_rows(path) == [{"a": 1}, {"b": 2}]
    path.write_bytes(b'{"a": 1}\n{"b": "\xc3')
    assert read_rows(path) == [{"a": 1}]
    for odd in (b"3", b"[", b"\xff", b"[" * 100_000, b'{"a":' * 500 + b"1" + b"}" * 500):
        path.write_bytes(b"{}\n" + odd + b"\n{}\n")
        with pytest.raises(ModelFolderError, match=r"events\.jsonl must hold a JSON object on every line, but line 2"):
            read_rows(path)


class KilledError(BaseException):
    """Stands for a kill."""


def numbers_of(folder: Path) -> set[float]:
    """All numbers in the weights of the model that a load gives now."""
    network = build_model(SMALL, 11, 11)
    read_model(folder).weights.into(network)
    return {float(one) for part in network.state_dict().values() for one in part.flatten()}


def filled(number: float) -> bytes:
    network = build_model(SMALL, 11, 11)
    return weights_bytes({name: torch.full_like(part, number) for name, part in network.state_dict().items()})


@pytest.mark.parametrize("kill_at", [0, 1, 2, 3])
def test_every_moment_of_new_weights_has_one_model(folder: Path, kill_at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before and after each of the three renames; and a kill there harms nobody, nor what is written later."""
    replace_file(folder, WEIGHTS, filled(1))
    seen: list[set[float]] = []

    def watched(path: Path, content: bytes) -> None:
        seen.append(numbers_of(folder))
        if len(seen) == kill_at:
            raise KilledError
        write_atomic(path, content)
        seen[-1] = seen[-1] | {-1.0} if numbers_of(folder) not in ({1.0}, {2.0}) else seen[-1]

    monkeypatch.setattr("seqweave.folder.manifest.write_atomic", watched)
    if kill_at:
        with pytest.raises(KilledError):
            replace_file(folder, WEIGHTS, filled(2))
        assert numbers_of(folder) == ({1.0} if kill_at < 3 else {2.0})
    else:
        replace_file(folder, WEIGHTS, filled(2))
        assert seen == [{1.0}, {1.0}, {2.0}]
    monkeypatch.undo()
    replace_file(folder, WEIGHTS, filled(3))
    assert numbers_of(folder) == {3.0}
    assert "next" not in json.loads((folder / MANIFEST).read_text(encoding="utf-8"))


def test_a_look_that_is_overtaken_begins_anew(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """New weights, whole, after the manifest was read and before the weights are opened."""
    replace_file(folder, WEIGHTS, filled(1))
    overtaken: list[Path] = []

    def overtaking(path: Path, inside: Path) -> Any:
        if not overtaken:
            overtaken.append(path)
            replace_file(folder, WEIGHTS, filled(2))
        return opening.open_file(path, inside)

    monkeypatch.setattr("seqweave.folder.manifest.open_file", overtaking)
    assert numbers_of(folder) == {2.0}
    (folder / TARGET_TOKENIZER).write_text("{}", encoding="utf-8")
    with pytest.raises(ModelFolderError, match=r"target\.tokenizer\.json was changed"):
        check_manifest(folder)


def test_weights_that_are_read_stay_what_they_were(folder: Path) -> None:
    replace_file(folder, WEIGHTS, filled(1))
    found = read_model(folder)
    replace_file(folder, WEIGHTS, filled(2))
    network = build_model(SMALL, 11, 11)
    found.weights.into(network)
    assert bool((network.output.bias == 1).all())


def test_every_architecture_is_among_the_cases() -> None:
    assert {config.attention for config in CASES.values()} >= {"none", "location_aware", "cosine"}
