"""Every setting, its meaning, unit and default: four frozen groups, split by lifetime.

`data` prepares data, `model` rebuilds the network, `training` trains, `search` decodes.
TOML comes in (`load_toml`), JSON goes out (`config.json` in a model folder); `--set KEY=VALUE`
goes through `resolve_settings`. A value of `None` means "decided from the data when training
starts"; the decided values are what `config.json` holds.

What this leaves out: anything that names code. Unknown keys are errors with the nearest key,
and all problems of a config are collected and raised once as a `ConfigError`.
"""

from __future__ import annotations

import difflib
import json
import tomllib
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from seqweave.contradictions import contradictions, model_contradictions
from seqweave.errors import ConfigError

Units = Literal["char", "word", "space", "subword", "byte", "label"]
Cell = Literal["rnn", "gru", "lstm"]
Layers = Literal["recurrent", "transformer"]
Norm = Literal["pre", "post"]
PositionKind = Literal["sinusoidal", "learned", "rotary"]
AttentionKind = Literal["none", "additive", "dot", "scaled_dot", "general", "concat", "location", "location_aware"]
AttentionWindow = Literal["global", "local_m", "local_p"]
AttentionPosition = Literal["before", "after", "between"]
Output = Literal["softmax", "entmax15"]
Metric = Literal["loss", "exact_match", "token_error_rate", "cer", "wer", "bleu", "chrf", "accuracy", "macro_f1"]
PresetName = Literal["tiny", "small", "base"]

# Far above what is of use: beyond them stand typing errors, which would end in overflows or in no memory.
_MOST = 1_000_000_000
_LARGEST_BATCH = 100_000_000
_WIDEST = 65_536
_DEEPEST = 64
LARGEST_BEAM = 1000
LARGEST_MIN_LENGTH = 10_000


class _Group(BaseModel):
    # Numbers become text where text is asked for: --set data.source_column=3 is a column's number.
    model_config = ConfigDict(
        extra="forbid", frozen=True, protected_namespaces=(), coerce_numbers_to_str=True, allow_inf_nan=False
    )

    @field_validator("*", mode="before")
    @classmethod
    def _truth_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse true and false where a number belongs; they would count as 1 and 0."""
        truths = any(isinstance(part, bool) for part in (value if isinstance(value, list | tuple) else [value]))
        if truths and _is_number(cls.model_fields[str(info.field_name)].annotation):
            raise PydanticCustomError("number", "input should be a number")
        return value


class TextConfig(_Group):
    """How the text of one side becomes items."""

    units: Units | None = Field(None, description="what an item is; unset: guessed from the data and said")
    subword_model: Literal["bpe", "unigram"] = Field("bpe", description="how subwords are learned")
    subword_dropout: float = Field(
        0.0, ge=0, le=1, description="BPE-dropout: probability of leaving out a merge in training (Provilkov et al. 2020)"
    )
    lowercase: bool = Field(False, description="lower-case the text first")
    normalize: Literal["none", "nfc", "nfkc"] = Field("nfc", description="Unicode normal form of the text")
    jamo: bool = Field(False, description="split Hangul syllables into jamo (NFD in, NFC out)")
    max_size: int | None = Field(
        None, ge=5, le=_MOST, description="most entries in the vocabulary; unset: 8000 for subwords, else no limit"
    )
    min_frequency: int = Field(1, ge=1, le=_MOST, description="times an item must occur to enter the vocabulary")


class DataConfig(_Group):
    """How files become batches of ids."""

    source: TextConfig = Field(TextConfig(), description="the source side")
    target: TextConfig = Field(TextConfig(), description="the target side")
    joint_vocabulary: bool = Field(False, description="one tokenizer, made of both sides, for both sides")
    source_column: str = Field("1", description="TSV: column number from 1; JSONL: field name ('1' means `source`)")
    target_column: str = Field("2", description="TSV: column number from 1; JSONL: field name ('2' means `target`)")
    column_names: tuple[str, ...] = Field(
        (), description="TSV: distinct names of all columns, in order; allows extra columns"
    )
    feature_columns: tuple[str, ...] = Field(
        (), description="columns (TSV) or fields (JSONL) with features of the source, such as inflection tags"
    )
    feature_separator: str = Field(
        ";", min_length=1, description="what separates the features of one column; blanks around them do not count"
    )
    max_line_bytes: int = Field(100_000, ge=1, le=_MOST, description="bytes; longer lines are dropped and counted")
    max_source_length: int = Field(
        512, ge=1, le=_MOST, description="items; longer sources are dropped from training and counted"
    )
    max_target_length: int = Field(
        512, ge=1, le=_MOST, description="items; longer targets are dropped from training and counted"
    )
    dev_size: int = Field(
        1000, ge=1, le=_MOST, description="pairs to hold out when no dev file is given (at most a tenth)"
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


# pydantic warns of a field with the name of an old method of its own, which nobody calls here.
warnings.filterwarnings("ignore", 'Field name "copy" in "ModelConfig" shadows an attribute', UserWarning)


class ModelConfig(_Group):
    """What rebuilds the network."""

    encoder: Layers = Field("recurrent", description="layers that read the source")
    decoder: Layers = Field(
        "recurrent", description="layers that write the target; each encoder goes with each decoder"
    )
    cell: Cell = Field("lstm", description="recurrent cell of encoder and decoder")
    input: Literal["embedding", "one_hot"] = Field("embedding", description="learned embeddings, or one-hot vectors")
    feature_size: int | None = Field(
        None, ge=1, le=_WIDEST, description="width of a feature's embedding; unset: embedding_size"
    )
    embedding_size: int = Field(256, ge=1, le=_WIDEST, description="width of an embedding (M), and of a Transformer")
    encoder_hidden_size: int = Field(256, ge=1, le=_WIDEST, description="units of a recurrent encoder, a direction")
    decoder_hidden_size: int = Field(512, ge=1, le=_WIDEST, description="units of a recurrent decoder (H)")
    encoder_layers: int = Field(1, ge=1, le=_DEEPEST, description="layers of the encoder")
    decoder_layers: int = Field(1, ge=1, le=_DEEPEST, description="layers of the decoder")
    bidirectional: bool = Field(True, description="read the source in both directions")
    residual: bool = Field(False, description="add a layer's input to its output where the widths are equal")
    layer_norm: bool = Field(False, description="normalise the output of every recurrent layer")
    reverse_source: bool = Field(False, description="feed the source last item first (Sutskever et al. 2014)")
    bridge: Literal["zero", "copy", "dense"] = Field(
        "dense", description="from the encoder's final to the decoder's first state"
    )
    attention: AttentionKind = Field("general", description="scorer of the attention, or none")
    attention_position: AttentionPosition = Field("after", description="where attention sits in the decoder")
    attention_size: int | None = Field(
        None,
        ge=1,
        le=_WIDEST,
        description="width of additive, concat and location_aware attention (A); unset: decoder_hidden_size",
    )
    attention_normalized: bool = Field(
        False, description="weight-normalise v of additive and location_aware attention (Salimans & Kingma 2016)"
    )
    location_positions: int = Field(
        512, ge=1, le=1_000_000, description="source positions that attention=location knows; it never sees later ones"
    )
    location_filters: int = Field(10, ge=1, le=_WIDEST, description="filters of attention=location_aware")
    location_width: int = Field(
        31, ge=1, le=_WIDEST, description="source positions that a filter of attention=location_aware spans, odd"
    )
    attention_window: AttentionWindow = Field(
        "global", description="where attention may look: anywhere, around the step's own position, or a predicted one"
    )
    window_size: int = Field(
        10, ge=1, le=_WIDEST, description="source positions to each side of the centre of a local window (D)"
    )
    coverage: bool = Field(
        False, description="the sum of earlier weights enters additive, concat and location_aware attention"
    )
    input_feeding: bool = Field(False, description="feed the attentional state to the next step (position after)")
    copy: bool = Field(  # type: ignore[assignment]
        False, description="outputs may also be copied from the source: pointer-generator (See et al. 2017)"
    )
    context: Literal["first", "every_step"] = Field(
        "first", description="without attention: where the context vector goes"
    )
    readout_size: int | None = Field(
        None,
        ge=1,
        le=_WIDEST,
        description="width of the readout before the generator; unset: decoder_hidden_size, or embedding_size when tied",
    )
    tie_embeddings: bool = Field(False, description="the generator shares the target embedding's weights")
    output: Output = Field(
        "softmax", description="from logits to probabilities; entmax15 gives most items exactly 0 (Peters et al. 2019)"
    )
    heads: int = Field(4, ge=1, le=1024, description="Transformer: attention heads, which share embedding_size")
    feed_forward_size: int | None = Field(
        None,
        ge=1,
        le=4 * _WIDEST,
        description="Transformer: inner width of the feed-forward layers; unset: 4 times embedding_size",
    )
    norm: Norm = Field(
        "pre",
        description="Transformer: layer norm before each sub-layer (Xiong et al. 2020), or after (Vaswani et al. 2017)",
    )
    positions: PositionKind = Field("sinusoidal", description="Transformer: how it knows positions")
    max_positions: int = Field(
        1024, ge=1, le=1_000_000, description="Transformer: positions that positions=learned can tell apart"
    )
    dropout: float = Field(0.2, ge=0, lt=1, description="dropout between layers and before the generator")
    variational: bool = Field(
        False, description="one dropout mask for all positions of a sequence (Gal & Ghahramani 2016)"
    )
    embedding_dropout: float = Field(0.0, ge=0, lt=1, description="dropout on the embeddings")
    word_dropout: float = Field(0.0, ge=0, lt=1, description="share of input items replaced by <unk> in training")


class TrainConfig(_Group):
    """How a model is trained. Steps are optimizer updates."""

    seed: int = Field(1, ge=0, le=2**64 - 1, description="seed of initial weights, order, dropout, and the dev split")
    max_steps: int | None = Field(None, ge=1, le=_MOST, description="steps; unset: from max_epochs")
    max_epochs: int = Field(
        30, ge=1, le=_MOST, description="passes over the data, when max_steps is unset (at least 1500 steps)"
    )
    batch_tokens: int = Field(
        4096, ge=8, le=_LARGEST_BATCH, description="source and target positions in a batch, padding counted"
    )
    max_batch_pairs: int = Field(256, ge=1, le=_LARGEST_BATCH, description="most pairs in a batch")
    accumulate: int = Field(1, ge=1, le=1_000_000, description="batches in a step")
    learning_rate: float = Field(1e-3, gt=0, description="highest learning rate of Adam")
    schedule: Literal["constant", "inverse_sqrt", "cosine", "plateau"] = Field(
        "cosine", description="learning rate after the warm-up"
    )
    warmup_steps: int = Field(200, ge=0, le=_MOST, description="steps of linear warm-up")
    plateau_factor: float = Field(0.5, gt=0, lt=1, description="plateau: the rate is multiplied by this")
    plateau_patience: int = Field(2, ge=0, le=_MOST, description="plateau: validations without gain before that")
    min_learning_rate: float = Field(1e-5, ge=0, description="cosine and plateau: the rate never falls below this")
    adam_betas: tuple[float, float] = Field((0.9, 0.999), description="Adam's decay rates, each at least 0 and below 1")
    adam_epsilon: float = Field(1e-8, gt=0, description="Adam's epsilon")
    weight_decay: float = Field(0.0, ge=0, description="decoupled weight decay")
    clip_norm: float = Field(1.0, ge=0, description="largest norm of the gradient; 0: no clipping")
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="share of probability spread over the vocabulary")
    coverage_weight: float = Field(
        1.0, ge=0, le=1000, description="weight of the coverage loss, with model.coverage (See et al. 2017)"
    )
    source_vectors: str | None = Field(
        None,
        min_length=1,
        description="file of pretrained vectors (word2vec, GloVe or fastText text) that source embeddings begin with",
    )
    target_vectors: str | None = Field(None, min_length=1, description="the same for target embeddings")
    freeze_vectors: bool = Field(False, description="keep pretrained vectors as they are; what has none is trained")
    ema_decay: float = Field(0.0, ge=0, lt=1, description="decay of the moving average of the weights; 0: none")
    average_checkpoints: int = Field(
        1, ge=1, le=10_000, description="checkpoints averaged at the end, kept if better on dev; 1: none"
    )
    metric: Metric | None = Field(
        None,
        description="what selects the best weights on dev, of greedy outputs; unset: token_error_rate for short vocabularies, accuracy for labels, else bleu",
    )
    validate_every: int | None = Field(
        None, ge=1, le=_MOST, description="steps between validations; unset: about 20 in a run"
    )
    checkpoint_every: int | None = Field(
        None, ge=1, le=_MOST, description="steps between checkpoints; unset: validate_every"
    )
    keep_checkpoints: int = Field(2, ge=1, le=_MOST, description="checkpoints kept while training")
    patience: int = Field(0, ge=0, le=_MOST, description="validations without gain before stopping early; 0: never")
    max_dev_pairs: int = Field(1000, ge=1, le=_MOST, description="dev pairs decoded at a validation")
    scheduled_sampling: Literal["none", "linear", "exponential", "inverse_sigmoid"] = Field(
        "none",
        description="how the probability of reading the reference falls, a coin for each item (Bengio et al. 2015); none: it stays 1",
    )
    sampling_k: float | None = Field(
        None,
        gt=0,
        le=_MOST,
        description="scheduled sampling: k of the decay: k - slope * i, k ** i, or k / (k + exp(i / k)); unset: from max_steps, one half in the middle of the run",
    )
    sampling_slope: float | None = Field(
        None, ge=0, le=_MOST, description="scheduled_sampling=linear: the fall a step; unset: 1 / max_steps"
    )
    sampling_floor: float = Field(
        0.0, ge=0, le=1, description="scheduled sampling: the probability of reading the reference never falls below this"
    )
    sampling_feed: Literal["sample", "argmax"] = Field(
        "sample", description="scheduled sampling: the model's own item is drawn, or its most probable one"
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="bf16 autocast, or fp32; auto: bf16 where the processor has it"
    )

    @field_validator("adam_betas")
    @classmethod
    def _decays(cls, betas: tuple[float, float]) -> tuple[float, float]:
        if not all(0 <= beta < 1 for beta in betas):
            raise PydanticCustomError("decays", "both should be at least 0 and less than 1")
        return betas


class SearchConfig(_Group):
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
    max_length: int | None = Field(None, ge=1, le=_MOST, description="most target items; unset: from the training data")
    batch_tokens: int = Field(8192, ge=8, le=_LARGEST_BATCH, description="source positions times beam in a batch")
    replace_unknown: bool = Field(
        False, description="each <unk> put out is replaced by the source item with most attention (Luong et al. 2015b)"
    )
    stop: Literal["enough", "proven"] = Field(
        "enough",
        description="when a sentence is done: K have finished and none alive scores better as it stands, or none alive can still win",
    )
    sample: bool = Field(False, description="draw outputs instead of searching the best one")
    temperature: float = Field(
        1.0, ge=0, le=1000, description="sample: below 1 sharper, above 1 flatter; 0: always the most probable item"
    )
    top_k: int = Field(0, ge=0, le=_MOST, description="sample: draw from so many most probable items only; 0: all")
    top_p: float = Field(
        1.0, gt=0, le=1, description="sample: draw from the fewest items that reach this probability only; 1: all"
    )
    seed: int = Field(1, ge=0, le=2**64 - 1, description="sample: other draws")
    min_length: int = Field(0, ge=0, le=LARGEST_MIN_LENGTH, description="fewest items of an output")
    no_repeat_ngram: int = Field(
        0, ge=0, le=LARGEST_MIN_LENGTH, description="no run of so many items occurs twice in an output; 0: none is barred"
    )
    forbid: tuple[str, ...] = Field((), description="items that no output has, as their texts; <unk>: unknown items")


class Config(_Group):
    """All settings of a run."""

    data: DataConfig = Field(DataConfig(), description="how files become batches")
    model: ModelConfig = Field(ModelConfig(), description="what rebuilds the network")
    training: TrainConfig = Field(TrainConfig(), description="how it is trained")
    search: SearchConfig = Field(SearchConfig(), description="how it decodes")


# What a preset changes against the defaults. Measured in docs/benchmarks.md, section "Presets".
PRESETS: dict[PresetName, dict[str, Any]] = {
    "tiny": {
        "model.embedding_size": 64,
        "model.encoder_hidden_size": 64,
        "model.decoder_hidden_size": 128,
        "model.dropout": 0.1,
    },
    "small": {},
    "base": {
        "model.encoder_layers": 2,
        "model.decoder_layers": 2,
        "model.dropout": 0.3,
    },
}


def settings_of(config: BaseModel, prefix: str = "") -> dict[str, Any]:
    """Flatten a config into dotted keys and plain values, in the order of the fields."""
    flat: dict[str, Any] = {}
    for name in type(config).model_fields:
        value = getattr(config, name)
        if isinstance(value, BaseModel):
            flat.update(settings_of(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = value
    return flat


def fields_of(group: type[BaseModel] = Config, prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Yield every dotted key with its field (description, default, type), for help and docs."""
    for name, field in group.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from fields_of(kind, f"{prefix}{name}.")
        else:
            yield prefix + name, field


def build_config(settings: Mapping[str, Any], base: Config | None = None) -> Config:
    """Make a config from dotted keys over `base` (default: the defaults).

    Raises:
        ConfigError: listing every unknown key (with the nearest one) and every wrong value.
    """
    known = [key for key, _ in fields_of()]
    problems = []
    tree: dict[str, Any] = (base or Config()).model_dump()
    for key, value in settings.items():
        if key not in known:
            problems.append(_unknown_key(key, known))
            continue
        *groups, leaf = key.split(".")
        node = tree
        for group in groups:
            node = node[group]
        node[leaf] = value
    try:
        config = Config.model_validate(tree)
    except ValidationError as error:
        problems += [_wrong_value(item) for item in error.errors()]
        raise ConfigError(_joined(problems)) from None
    if problems:
        raise ConfigError(_joined(problems))
    check_config(config)
    return config


def check_config(config: Config) -> None:
    """Raise one `ConfigError` listing every contradiction between settings (`seqweave.contradictions`)."""
    problems = list(contradictions(config))
    if problems:
        raise ConfigError(_joined(problems))


def check_model(model: ModelConfig) -> None:
    """Raise one `ConfigError` listing every contradiction between the settings of a network."""
    problems = list(model_contradictions(model))
    if problems:
        raise ConfigError(_joined(problems))


def load_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file into dotted keys (unknown keys are found by `build_config`).

    Raises:
        ConfigError: when the file is missing or is not TOML.
    """
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"cannot read the config file {path}: {error.strerror}; check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from None
    return _flatten(tree)


def parse_setting(text: str) -> tuple[str, Any]:
    """Turn `KEY=VALUE` into a key and a value.

    The value is a TOML literal (number, boolean, array, quoted text) where it is one; `unset` and
    `null` mean None, as in `data.source.max_size=unset`; anything else is text, `none` too.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set takes KEY=VALUE, such as --set model.cell=gru, but got {text!r}")
    return key.strip(), _literal(value.strip())


def resolve_settings(
    preset: PresetName | None = None,
    config_file: Path | None = None,
    settings: Iterable[str] | Mapping[str, Any] = (),
) -> Config:
    """Combine preset, TOML file and settings; later ones win."""
    merged: dict[str, Any] = {}
    if preset is not None:
        if preset not in PRESETS:
            raise ConfigError(f"preset must be one of {', '.join(PRESETS)}, but it is {preset!r}")
        merged.update(PRESETS[preset])
    if config_file is not None:
        merged.update(load_toml(config_file))
    pairs = settings.items() if isinstance(settings, Mapping) else map(parse_setting, settings)
    merged.update(pairs)
    return build_config(merged)


def differing_keys(old: Config, new: Config) -> dict[str, tuple[Any, Any]]:
    """The dotted keys whose values differ, with the old and the new value."""
    before, after = settings_of(old), settings_of(new)
    return {key: (before[key], after[key]) for key in before if before[key] != after[key]}


def config_from_json(text: str, where: str) -> Config:
    """Read a config written by `config_to_json`; `where` names the file in errors."""
    try:
        return Config.model_validate(json.loads(text))
    except json.JSONDecodeError as error:
        raise ConfigError(f"{where} is not valid JSON: {error}") from None
    except ValidationError as error:
        raise ConfigError(f"{where}: " + _joined([_wrong_value(item) for item in error.errors()])) from None


def config_to_json(config: Config) -> str:
    """The whole config as indented JSON with a final newline."""
    return json.dumps(config.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            flat.update(_flatten(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = value
    return flat


def _literal(value: str) -> Any:
    if value.lower() in ("unset", "null"):
        return None
    try:
        return tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return value


def _is_number(annotation: Any) -> bool:
    return annotation in (int, float) or any(map(_is_number, get_args(annotation)))


def _unknown_key(key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.4)
    leaf = [name for name in known if name.rsplit(".", 1)[-1] == key.rsplit(".", 1)[-1]]
    nearest = leaf[:1] or near
    hint = f": did you mean {nearest[0]}?" if nearest else ": see `seqweave train --help` for all keys"
    return f"unknown key {key}{hint}"


def _wrong_value(item: Any) -> str:
    key = ".".join(str(part) for part in item["loc"])
    return f"{key}: {item['msg'][0].lower()}{item['msg'][1:]}, but it is {item['input']!r}"


def _joined(problems: list[str]) -> str:
    if len(problems) == 1:
        return problems[0]
    return f"{len(problems)} problems with the settings: " + "; ".join(problems)
