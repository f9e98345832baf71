"""What `check_data` gives."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from seqweave.data.readers import Pair


@dataclass(frozen=True)
class Lengths:
    """How long the texts of one side are, in one measure."""

    mean: float
    quantiles: dict[str, int]  # "0.5" -> length; "0" is the shortest and "1" the longest
    edges: list[int]  # bin i counts lengths from edges[i] up to, not including, edges[i + 1]
    counts: list[int]


@dataclass(frozen=True)
class Conflict:
    """One source which has several targets."""

    targets: int  # distinct
    lines: list[int]  # the first few


@dataclass(frozen=True)
class Leakage:
    """Sources which two files share; `share` is of the pairs of `second`."""

    first: str
    second: str
    pairs: int  # pairs of `second` whose source is in `first`
    share: float
    lines: list[tuple[int, int]]  # the first few: line in `first`, line in `second`


@dataclass(frozen=True)
class FeatureColumn:
    """The source tags in one column of the kept pairs."""

    name: str
    distinct: int
    mean: float  # a pair
    without: int  # pairs with none
    frequent: dict[str, int]  # the most frequent, and the pairs that have them


@dataclass(frozen=True)
class LeftOut:
    """Records that training would leave out for one reason."""

    count: int
    lines: list[int]  # the first few
    example: str  # how the first one begins, as it is in the file
    words: str  # what is wrong with them
    remedy: str  # what to do, with the command


@dataclass(frozen=True)
class Concern:
    """What is probably not as it was meant, though the pairs can be used."""

    kind: str
    words: str
    remedy: str  # what to do, with the command
    count: int  # pairs that it is about; 0: the whole file
    lines: list[int]  # the first few
    example: str  # the first one; "" where there is none


@dataclass(frozen=True)
class DataCheck:
    """What `check_data` found.

    `dropped` maps each reason to the first line numbers, `reasons` to all about it (`LeftOut`), and `over_long`
    likewise for pairs that have more items than training takes. `units` are the items `train` would take, a side at
    a time, each with the reason. `dialect` says in words what the file is, `target_dialect` that of parallel files.
    """

    path: str
    target_path: str | None
    dialect: str
    target_dialect: str | None
    counts: str  # what a number of a record counts: `line`, or `record` of a JSON document
    lines: int
    records: int
    kept: int
    dropped: dict[str, list[int]]
    reasons: dict[str, LeftOut]
    units: dict[str, dict[str, str]]  # side -> "units" and "because"
    over_long: dict[str, LeftOut]
    concerns: list[Concern]
    lengths: dict[str, dict[str, Lengths]]  # side -> "characters" and "items" (separated by blanks)
    duplicates: int  # pairs equal to an earlier pair
    duplicate_lines: list[int]  # the first few
    distinct_sources: int
    conflicting_sources: int  # distinct sources with several targets
    conflicts: list[Conflict]  # the first few
    leakage: list[Leakage]
    median_ratio: float  # target characters for a source character
    ratio_outliers: int  # pairs whose ratio is far above or below the median
    ratio_outlier_lines: list[int]  # the first few
    samples: list[Pair]
    features: list[FeatureColumn]  # of each of data.feature_columns

    @property
    def ok(self) -> bool:
        """Whether every record can be used."""
        return not self.dropped and not self.over_long

    def to_json(self) -> dict[str, Any]:
        """Plain values, ready for `json.dumps`."""
        found = {**asdict(self), "ok": self.ok}
        if not self.features:
            del found["features"]
            for sample in found["samples"]:
                del sample["features"]
        return found
