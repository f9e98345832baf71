"""The settings `data.*`: how files become batches of ids."""

from __future__ import annotations

import codecs
from typing import Literal

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from seqweave.config.group import BY_FORMAT, MOST, Group

Units = Literal["char", "word", "space", "subword", "byte", "label"]
Choice = Literal["auto", "yes", "no"]
# What escapes of utf-7, punycode, idna and the like would change.
_ASCII = b"a-\t\\u0041 \\t ~{ +AGE- ab\r\n.xn--bcher-kva"


def is_encoding(name: str) -> bool:
    """Whether Python knows an encoding of text by this name, such as cp949, which keeps letters as they are."""
    try:
        if codecs.lookup(name).name.startswith(("utf-16", "utf-32")):
            return True
        return _ASCII.decode(name) == _ASCII.decode("ascii")
    except (LookupError, ValueError):  # ValueError also for a NUL character in the name
        return False


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
    extend_vocabulary: bool = Field(
        False,
        description="with --from: items of the new pairs that the other model does not know get entries of their own",
    )
    joint_vocabulary: bool = Field(
        False, description="one tokenizer for both sides, learned from both with the settings of data.source"
    )
    format: Literal["auto", "tsv", "csv", "jsonl", "json"] = Field(
        "auto", description="what the files are: auto recognises it from their content; json is one array or object"
    )
    delimiter: str | None = Field(
        None,
        min_length=1,
        max_length=16,
        description="what separates columns, such as ';' or ' ||| '; 'tab'; 'blanks': two or more; "
        "'backslash-t': the two signs; unset: recognised",
    )
    quoting: Choice = Field(
        "auto", description="whether cells stand in double quotes, as CSV has them; auto recognises it"
    )
    header: Choice = Field("auto", description="whether the first row names the columns; auto recognises it")
    encoding: str | None = Field(
        None, description="of files that are not UTF-8, such as cp949, shift_jis or latin-1; UTF-16 is recognised"
    )
    source_column: str | None = Field(
        None,
        description="column number from 1, or name: of the header, or of a JSON field (`translation.en` leads into an "
        "object); unset: recognised by name, else the first",
    )
    target_column: str | None = Field(
        None, description="likewise of the target; unset: recognised by name, else the second"
    )
    column_names: tuple[str, ...] = Field((), description="names of all columns, in order, where no header has them")
    feature_columns: tuple[str, ...] = Field(
        (), description="columns or JSON fields with source tags, such as inflection tags or a language code"
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
    trim_ends: bool = Field(
        True,
        description="blanks and invisible characters at the ends of a text do not count",
        json_schema_extra=BY_FORMAT,
    )
    recognize: bool = Field(
        True,
        description="files are read as what their content shows, not by their names",
        json_schema_extra=BY_FORMAT,
    )
    dev_size: int = Field(
        1000, ge=1, le=MOST, description="pairs to hold out for dev when no dev file is given (at most a tenth)"
    )
    dev_boundary: str | None = Field(
        None,
        pattern="^[0-9a-f]{16}$",
        description="of a run: sources whose place is below it were held out (`seqweave.data.split`); in format 0 unset",
        json_schema_extra=BY_FORMAT,
    )

    @field_validator("feature_separator")
    @classmethod
    def _inside_a_column(cls, separator: str) -> str:
        if any(sign in separator for sign in "\t\n\r"):
            raise PydanticCustomError("separator", "input should have no tab and no line end, which divide columns")
        return separator

    @field_validator("encoding")
    @classmethod
    def _known(cls, encoding: str | None) -> str | None:
        if encoding is not None and not is_encoding(encoding):
            raise PydanticCustomError("encoding", "input should be an encoding that Python knows, such as cp949")
        return encoding

    @field_validator("delimiter")
    @classmethod
    def _inside_a_line(cls, delimiter: str | None) -> str | None:
        if delimiter is not None and any(sign in delimiter for sign in '\n\r"'):
            raise PydanticCustomError("delimiter", "input should have no line end and no double quote")
        return delimiter

    @field_validator("column_names", "feature_columns")
    @classmethod
    def _distinct(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) < len(names):
            raise PydanticCustomError("distinct", "input should have distinct names")
        return names
