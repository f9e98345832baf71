"""The settings `search.*`: how a trained model decodes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from seqweave.config.group import LARGEST_BATCH, MOST, Group

LARGEST_BEAM = 1000
LARGEST_MIN_LENGTH = 10_000


class SearchConfig(Group):
    """How a trained model decodes."""

    beam_size: int = Field(
        5, ge=1, le=LARGEST_BEAM, description="hypotheses kept for each sentence (K); 1: greedy search"
    )
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
        None, gt=0, le=1_000_000, description="most target items for each source item; unset: from the training data"
    )
    max_length: int | None = Field(
        None, ge=1, le=MOST, description="most items in an output; unset: from the training data"
    )
    batch_tokens: int = Field(
        8192, ge=8, le=LARGEST_BATCH, description="source positions in a batch, times the beam size"
    )
    replace_unknown: bool = Field(
        False, description="replace each <unk> in an output by the source item with most attention (Luong et al. 2015b)"
    )
    precision: Literal["fp32", "int8"] = Field(
        "fp32",
        description="number type of the products in recurrent decoders on a processor; int8 is faster, and changes scores by "
        "hundredths",
    )
    stop: Literal["enough", "proven"] = Field(
        "enough",
        description="when a sentence is done: when K hypotheses have finished and none alive scores better as it "
        "stands (enough), or when none alive can still win (proven)",
    )
    sample: bool = Field(False, description="sample outputs instead of searching for the best one")
    temperature: float = Field(
        1.0,
        ge=0,
        le=1000,
        description="sampling: below 1 makes the distribution sharper, above 1 flatter; 0: always the most probable "
        "item",
    )
    top_k: int = Field(0, ge=0, le=MOST, description="sampling: only from the N most probable items; 0: from all")
    top_p: float = Field(
        1.0,
        gt=0,
        le=1,
        description="sampling: only from the fewest items whose probabilities add up to this; 1: from all",
    )
    seed: int = Field(1, ge=0, le=2**64 - 1, description="random seed for sampling")
    min_length: int = Field(0, ge=0, le=LARGEST_MIN_LENGTH, description="least number of items in an output")
    no_repeat_ngram: int = Field(
        0,
        ge=0,
        le=LARGEST_MIN_LENGTH,
        description="no run of this many items occurs twice in an output; 0: no limit",
    )
    forbid: tuple[str, ...] = Field(
        (), description="items that never occur in an output, written as text; <unk> forbids unknown items"
    )
