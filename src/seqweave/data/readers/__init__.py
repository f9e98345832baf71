"""Pairs from files of any dialect (`seqweave.data.dialect`), and sources to predict from.

A file for each format: `tables` (TSV and CSV; `quoted` puts cells in quotes together), `json_lines`, `json_documents`,
`parallel`. A record is used, or it is dropped with one of `DROP_REASONS`; kept + dropped = records, always. Nothing is
held but the record at hand, and a few examples of each reason.
"""

from seqweave.data.columns import column_options
from seqweave.data.readers.pairs import DEFAULT_CONFIG, Pair, PairReader
from seqweave.data.readers.report import DROP_REASONS, Dropped, DropReason, ReadReport
from seqweave.data.readers.sources import MAX_PREDICT_LINE_BYTES, read_sources

__all__ = [
    "DEFAULT_CONFIG",
    "DROP_REASONS",
    "MAX_PREDICT_LINE_BYTES",
    "DropReason",
    "Dropped",
    "Pair",
    "PairReader",
    "ReadReport",
    "column_options",
    "read_sources",
]
