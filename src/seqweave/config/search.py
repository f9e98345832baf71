"""The settings `search.*`: how a trained model decodes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from seqweave.config.group import LARGEST_BATCH, MOST, Group

LARGEST_BEAM = 1000
LARGEST_MIN_LENGTH = 10_000


class SearchConfig(Group):
    """How a trained model decodes."""

    beam_size: int = Field(5, ge=1, le=LARGEST_BEAM, description="hypotheses kept a sentence (K); 1: greedy")
    length_penalty: float = Field(
        1.0, ge=0, le=10, description="exponent alpha of the length normalisation (Wu et al. 2016, eq. 14); 0: none"
    )
    coverage_penalty: float = Field(
        0.0,
        ge=0,
        le=10,
        description="weight beta of the coverage penalty (Wu et al. 2016, eq. 14), for models with attention; 0: none",
    )
    max_length_ratio: float | None = Field(
        None, gt=0, le=1_000_000, description="most target items for a source item; unset: from the training data"
    )
    max_length: int | None = Field(None, ge=1, le=MOST, description="most target items; unset: from the training data")
    batch_tokens: int = Field(8192, ge=8, le=LARGEST_BATCH, description="source positions times beam in a batch")
    replace_unknown: bool = Field(
        False, description="each <unk> put out is replaced by the source item with most attention (Luong et al. 2015b)"
    )
    precision: Literal["fp32", "int8"] = Field(
        "fp32",
        description="of the matrix products of recurrent decoders on a processor; int8 is faster, and its scores move by hundredths",
    )
    stop: Literal["enough", "proven"] = Field(
        "enough",
        description="when a sentence is done: K have finished and none alive scores better as it stands, or none alive can still win",
    )
    sample: bool = Field(False, description="draw outputs instead of searching the best one")
    temperature: float = Field(
        1.0, ge=0, le=1000, description="sample: below 1 sharper, above 1 flatter; 0: always the most probable item"
    )
    top_k: int = Field(0, ge=0, le=MOST, description="sample: draw from so many most probable items only; 0: all")
    top_p: float = Field(
        1.0, gt=0, le=1, description="sample: draw from the fewest items that reach this probability only; 1: all"
    )
    seed: int = Field(1, ge=0, le=2**64 - 1, description="sample: other draws")
    min_length: int = Field(0, ge=0, le=LARGEST_MIN_LENGTH, description="fewest items of an output")
    no_repeat_ngram: int = Field(
        0,
        ge=0,
        le=LARGEST_MIN_LENGTH,
        description="no run of so many items occurs twice in an output; 0: none is barred",
    )
    forbid: tuple[str, ...] = Field((), description="items that no output has, as their texts; <unk>: unknown items")
