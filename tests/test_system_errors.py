"""What the system refuses, in sentences that name the file of the user."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from seqweave.errors import LimitError, ModelFolderError
from seqweave.system_errors import is_out_of_memory, memory_sentence, refusals_of_system, system_sentence, user_path

NUMBERS = {
    errno.ENOSPC: (LimitError, "make room, and run the same command again"),
    errno.EDQUOT: (LimitError, "make room, and run the same command again"),
    errno.EMFILE: (LimitError, "allow more open files, as with `ulimit -n 1024`"),
    errno.EROFS: (ModelFolderError, "check its permissions, or choose another place"),
    errno.EACCES: (ModelFolderError, "check its permissions, or choose another place"),
    errno.EIO: (ModelFolderError, "check the path, its permissions and the free space"),
}


@pytest.mark.parametrize(
    ("written", "known"),
    [
        ("m/.run.json.123.tmp", "m/run.json"),
        ("m/.cache.7.tmp/source.bin", "m/cache/source.bin"),
        (
            "m/checkpoints/step_00000006.writing/.model.safetensors.9.tmp",
            "m/checkpoints/step_00000006/model.safetensors",
        ),
        ("m/.hidden", "m/.hidden"),
        ("/data/pairs.tmp", "/data/pairs.tmp"),
    ],
)
def test_a_file_is_named_as_the_user_knows_it(written: str, known: str) -> None:
    assert user_path(written) == Path(known)


@pytest.mark.parametrize("number", NUMBERS)
def test_each_refusal_has_its_kind_and_remedy(number: int) -> None:
    kind, remedy = NUMBERS[number]
    with pytest.raises(kind) as caught, refusals_of_system(Path("model")):
        raise OSError(number, os.strerror(number), "model/.run.json.1.tmp")
    assert str(caught.value) == f"{Path('model/run.json')}: {os.strerror(number)}; {remedy}"
    with pytest.raises(kind, match=r"^model: "), refusals_of_system(Path("model")):
        raise OSError(number, os.strerror(number))


def test_what_is_no_matter_of_files_passes() -> None:
    for error in (BrokenPipeError(), ValueError("a bug")):
        with pytest.raises(type(error)), refusals_of_system(Path("model")):
            raise error


def test_an_error_without_a_number_says_what_it_says() -> None:
    assert system_sentence(OSError("strange")) == "strange; check the path, its permissions and the free space"


@pytest.mark.parametrize(
    ("error", "is_memory"),
    [
        (MemoryError(), True),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:114] . DefaultCPUAllocator: can't allocate memory: you tried"),
            True,
        ),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (ImportError("libtorch_cpu.so: failed to map segment from shared object"), True),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), True),
        (RuntimeError("shapes do not fit"), False),
        (LimitError("not enough memory, as somebody said already"), False),
    ],
)
def test_memory_is_known_by_its_words(error: Exception, is_memory: bool) -> None:
    assert is_out_of_memory(error) == is_memory


def test_the_sentence_of_memory() -> None:
    error = RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
    assert memory_sentence(error, "lower it") == (
        "the computation must fit into memory, but it does not (CUDA out of memory): lower it"
    )
    assert "(memory ran out): lower it" in memory_sentence(MemoryError(), "lower it")
