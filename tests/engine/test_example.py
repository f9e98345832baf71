"""The example in C compiles without warnings, and predicts what the model predicts."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from engine_search import Engine
from id_batches import pad_ids
from native_library import built, library, native_build
from seqweave.config import ModelConfig
from seqweave.search.options import SearchOptions
from tiny_model import tiny_folder, tiny_model


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    """The compiled program."""
    compiler = native_build().find_compiler()
    if compiler is None:
        pytest.skip("there is no C compiler here")
    program = tmp_path_factory.mktemp("example") / "example"
    flags = ["-std=c11", "-O1", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    linked = [str(built()), f"-Wl,-rpath,{built().parent}"]
    subprocess.run([*compiler, *flags, "-o", str(program), str(root / "native" / "example.c"), *linked], check=True)
    return program


def test_it_predicts(example: Path, tmp_path: Path) -> None:
    model = tiny_model(ModelConfig(embedding_size=5, encoder_hidden_size=3, decoder_hidden_size=6))
    folder = tiny_folder(model, tmp_path / "model")
    engine = Engine(library(), (model.single, model.config.model))
    for source in ([4, 5, 6], [9], [7, 7, 4, 10, 5]):
        ((found,),) = engine.search(pad_ids([source]), [3 * len(source) + 10], SearchOptions(beam_size=5))
        ids = [*found.ids, 3] if found.finished else found.ids
        done = subprocess.run([example, folder, *map(str, source)], capture_output=True, text=True, check=True)
        assert done.stdout == f"{' '.join(map(str, ids))} score {found.score:.4f}\n"
    engine.close()


def test_it_says_what_is_wrong(example: Path, tmp_path: Path) -> None:
    model = tiny_model(ModelConfig(embedding_size=5, encoder_hidden_size=3, decoder_hidden_size=6))
    folder = tiny_folder(model, tmp_path / "model")
    for words, said in (
        ([], "give the folder"),
        (["nowhere", "4"], "give the folder"),
        ([folder, "99"], "ids of a source"),
    ):
        done = subprocess.run([example, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 3
        assert said in done.stderr
