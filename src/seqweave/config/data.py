"""The settings `data.*`: how files become batches of ids."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from seqweave.config.group import BY_FORMAT, MOST, Group

Units = Literal["char", "word", "space", "subword", "byte", "label"]


class TextConfig(Group):
    """How the text of one side becomes items."""

    units: Units | None = Field(
        None, description="what an item is; unset: guessed from the data, and training says what it chose"
    )
    subword_model: Literal["bpe", "unigram"] = Field("bpe", description="how subwords are learned")
    subword_dropout: float = Field(
        0.0,
        ge=0,
        le=1,
        description="BPE-dropout: probability of leaving out a merge in training (Provilkov et al. 2020)",
    )
    lowercase: bool = Field(False, description="turn the text into lower case first")
    final_sigma: bool = Field(
        True, description="lower-case the Greek sigma that ends a word to its final form", json_schema_extra=BY_FORMAT
    )
    normalize: Literal["none", "nfc", "nfkc"] = Field("nfc", description="Unicode normalisation of the text")
    jamo: bool = Field(False, description="split Hangul syllables into jamo (NFD in, NFC out)")
    max_size: int | None = Field(
        None,
        ge=5,
        le=MOST,
        description="most entries in the vocabulary; unset: 8000 for subwords, no limit for other units",
    )
    min_frequency: int = Field(1, ge=1, le=MOST, description="how often an item must occur to enter the vocabulary")


class DataConfig(Group):
    """How files become batches of ids."""

    source: TextConfig = Field(TextConfig(), description="the source side")
    target: TextConfig = Field(TextConfig(), description="the target side")
    joint_vocabulary: bool = Field(
        False, description="one tokenizer for both sides, learned from both with the settings of data.source"
    )
    source_column: str = Field(
        "1", description="TSV: column number from 1; JSONL: field name ('1' stands for `source`)"
    )
    target_column: str = Field(
        "2", description="TSV: column number from 1; JSONL: field name ('2' stands for `target`)"
    )
    column_names: tuple[str, ...] = Field((), description="TSV: names of all columns, in order; allows extra columns")
    feature_columns: tuple[str, ...] = Field(
        (), description="columns (TSV) or fields (JSONL) with source tags, such as inflection tags or a language code"
    )
    feature_separator: str = Field(
        ";", min_length=1, description="what separates the source tags in one column; blanks around a tag do not count"
    )
    max_line_bytes: int = Field(
        100_000, ge=1, le=MOST, description="longest line in bytes; longer ones are dropped and counted"
    )
    max_source_length: int = Field(
        512, ge=1, le=MOST, description="longest source in items; longer ones are dropped from training and counted"
    )
    max_target_length: int = Field(
        512, ge=1, le=MOST, description="longest target in items; longer ones are dropped from training and counted"
    )
    dev_size: int = Field(
        1000, ge=1, le=MOST, description="pairs to hold out for dev when no dev file is given (at most a tenth)"
    )

    @field_validator("feature_separator")
    @classmethod
    def _inside_a_column(cls, separator: str) -> str:
        if any(sign in separator for sign in "\t\n\r"):
            raise PydanticCustomError("separator", "input should have no tab and no line end, which divide columns")
        return separator

    @field_validator("column_names", "feature_columns")
    @classmethod
    def _distinct(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) < len(names):
            raise PydanticCustomError("distinct", "input should have distinct names")
        return names
