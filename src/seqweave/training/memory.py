"""When memory runs out in training: which settings decide how much is needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from seqweave.config import Config
from seqweave.errors import LimitError
from seqweave.system_errors import is_out_of_memory, memory_sentence


@contextmanager
def memory_of_network(config: Config) -> Iterator[None]:
    """While a network is built: its sizes decide.

    Raises:
        LimitError: when it does not fit into memory.
    """
    model = config.model
    sizes = {
        "model.embedding_size": model.embedding_size,
        "model.encoder_hidden_size": model.encoder_hidden_size,
        "model.decoder_hidden_size": model.decoder_hidden_size,
    }
    listed = ", ".join(f"{key} (now {size:,})" for key, size in sizes.items() if size is not None)
    with _refused(f"the network is too large: lower {listed}, the layers, or data.target.max_size"):
        yield


@contextmanager
def memory_of_steps(config: Config) -> Iterator[None]:
    """While steps are trained: the size of a batch decides.

    Raises:
        LimitError: when one does not fit into memory.
    """
    tokens, parts = config.training.batch_tokens, config.training.accumulate
    smaller = f"--set training.batch_tokens={max(1, tokens // 2)} --set training.accumulate={2 * parts} --restart"
    with _refused(
        f"lower training.batch_tokens (now {tokens:,}); {smaller} keeps the pairs of a step; one very long pair is "
        f"left out by data.max_source_length (now {config.data.max_source_length:,}) and data.max_target_length "
        f"(now {config.data.max_target_length:,}); the last checkpoint is kept"
    ):
        yield


@contextmanager
def memory_of_validation(config: Config) -> Iterator[None]:
    """While dev pairs are decoded: how long outputs may be, and how many sources are decoded together, decide.

    Raises:
        LimitError: when a batch does not fit into memory.
    """
    search = config.search
    length = "unset" if search.max_length is None else f"now {search.max_length:,}"
    with _refused(
        f"a validation is too large: lower search.batch_tokens (now {search.batch_tokens:,}) or search.max_length "
        f"({length}), with --restart; the last checkpoint is kept"
    ):
        yield


@contextmanager
def _refused(remedy: str) -> Iterator[None]:
    try:
        yield
    except (MemoryError, RuntimeError) as error:  # torch's own are RuntimeErrors
        if not is_out_of_memory(error):
            raise
        raise LimitError(memory_sentence(error, remedy)) from None
