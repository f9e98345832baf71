"""Sources without targets: a line each, for verbs that read a whole file of them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from seqweave.data.lines import check_file, read_lines
from seqweave.errors import DataError

MAX_PREDICT_LINE_BYTES = 10_000_000

logger = logging.getLogger("seqweave")


def read_sources(path: Path) -> Iterator[str]:
    """Stream a file of sources, one item for every line, empty ones too.

    A byte that is not UTF-8 becomes U+FFFD, with a warning at the first such line, so that
    output lines stay aligned with input lines.

    Raises:
        DataError: when the file cannot be read, or a line has more than `MAX_PREDICT_LINE_BYTES` bytes.
    """
    check_file(path)
    return _decoded(read_lines(path, MAX_PREDICT_LINE_BYTES), path)


def _decoded(lines: Iterator[bytes | None], place: Path) -> Iterator[str]:
    warned = False
    for number, line in enumerate(lines, start=1):
        if line is None:
            limit = MAX_PREDICT_LINE_BYTES
            raise DataError(f"a line must have at most {limit} bytes, but this one has more; cut it", place, number)
        try:
            yield line.decode("utf-8")
        except UnicodeDecodeError:
            if not warned:
                logger.warning("%s:%d: not valid UTF-8; such bytes are read as U+FFFD, here and below", place, number)
            warned = True
            yield line.decode("utf-8", errors="replace")
