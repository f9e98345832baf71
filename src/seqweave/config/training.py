"""The settings `training.*`: how a model is trained."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from seqweave.config.group import BY_FORMAT, LARGEST_BATCH, MOST, Group

Metric = Literal["loss", "exact_match", "token_error_rate", "cer", "wer", "bleu", "chrf", "accuracy", "macro_f1"]
BleuTokenize = Literal["13a", "intl", "zh", "char", "ja-mecab", "ko-mecab", "none"]
MetricUnits = Literal["words", "characters"]


class TrainConfig(Group):
    """How a model is trained. Steps are optimizer updates."""

    seed: int = Field(
        1,
        ge=0,
        le=2**64 - 1,
        description="random seed for initial weights, order of batches, dropout and the dev split",
    )
    max_steps: int | None = Field(
        None,
        ge=0,
        le=MOST,
        description="number of steps; unset: from max_epochs; 0, with --from: the other model as it is; a larger one "
        "goes on with a finished run",
    )
    max_epochs: int = Field(
        30,
        ge=1,
        le=MOST,
        description="passes over the data, when max_steps is unset (at least 1500 steps, with --from at least 300)",
    )
    batch_tokens: int = Field(
        4096, ge=8, le=LARGEST_BATCH, description="source and target positions in a batch, padding counted"
    )
    max_batch_pairs: int = Field(256, ge=1, le=LARGEST_BATCH, description="most pairs in a batch")
    accumulate: int = Field(1, ge=1, le=1_000_000, description="batches that make one step together")
    learning_rate: float = Field(1e-3, gt=0, description="highest learning rate of Adam")
    schedule: Literal["constant", "inverse_sqrt", "cosine", "plateau"] = Field(
        "cosine", description="learning rate after the warm-up"
    )
    warmup_steps: int = Field(200, ge=0, le=MOST, description="steps of linear warm-up")
    plateau_factor: float = Field(0.5, gt=0, lt=1, description="plateau: what the rate is multiplied by when it falls")
    plateau_patience: int = Field(
        2, ge=0, le=MOST, description="plateau: validations without improvement before the rate falls"
    )
    min_learning_rate: float = Field(1e-5, ge=0, description="cosine and plateau: the rate never falls below this")
    adam_betas: tuple[float, float] = Field((0.9, 0.999), description="Adam's decay rates, each at least 0 and below 1")
    adam_epsilon: float = Field(1e-8, gt=0, description="Adam's epsilon")
    weight_decay: float = Field(0.0, ge=0, description="decoupled weight decay")
    clip_norm: float = Field(1.0, ge=0, description="largest norm of the gradient; 0: no clipping")
    label_smoothing: float = Field(
        0.1, ge=0, lt=1, description="share of the probability that is spread over the whole vocabulary"
    )
    coverage_weight: float = Field(
        1.0, ge=0, le=1000, description="weight of the coverage loss, with model.coverage (See et al. 2017)"
    )
    source_vectors: str | None = Field(
        None,
        min_length=1,
        description="file of pretrained vectors that source embeddings start from (text format of word2vec, GloVe or "
        "fastText)",
    )
    target_vectors: str | None = Field(None, min_length=1, description="the same for target embeddings")
    freeze_vectors: bool = Field(
        False, description="keep pretrained vectors as they are; all other embeddings are trained"
    )
    freeze: tuple[str, ...] = Field(
        (), description="parts that stay as they are, by the names that `seqweave info` lists, such as encoder"
    )
    mix_share: float = Field(
        0.2, gt=0, lt=1, description="share of every batch that comes from the pairs of --mix, against forgetting"
    )
    ema_decay: float = Field(0.0, ge=0, lt=1, description="decay of the moving average of the weights; 0: none")
    average_checkpoints: int = Field(
        1,
        ge=1,
        le=10_000,
        description="checkpoints whose average is tried at the end, and kept if better on dev; 1: none",
    )
    metric: Metric | None = Field(
        None,
        description="what chooses the best weights, measured on greedy outputs of dev; unset: accuracy for labels, "
        "token_error_rate for small vocabularies and short texts, bleu for others",
    )
    bleu_tokenize: BleuTokenize | None = Field(
        None,
        description="sacrebleu's tokenizer for BLEU; unset: zh for targets in Chinese, char for others without blanks "
        "between words (Japanese, Thai, Khmer, Lao, Burmese), 13a for all others",
    )
    metric_units: MetricUnits | None = Field(
        None,
        description="what ROUGE counts; by characters there is no WER and no TER, and CER takes their place; unset: "
        "characters for targets without blanks between words, words for others",
    )
    validate_every: int | None = Field(
        None, ge=1, le=MOST, description="steps between validations; unset: about 20 in a run"
    )
    checkpoint_every: int | None = Field(
        None, ge=1, le=MOST, description="steps between checkpoints; unset: validate_every"
    )
    keep_checkpoints: int = Field(2, ge=1, le=MOST, description="checkpoints kept while training")
    patience: int = Field(
        0, ge=0, le=MOST, description="validations without improvement before training stops early; 0: it never does"
    )
    ties: Literal["perplexity", "wait"] = Field(
        "perplexity",
        description="while the metric says nothing yet (no output right), less perplexity is a gain for early stopping "
        "and the plateau (perplexity), or is not (wait)",
        json_schema_extra=BY_FORMAT,
    )
    max_dev_pairs: int = Field(1000, ge=1, le=MOST, description="dev pairs decoded at a validation")
    scheduled_sampling: Literal["none", "linear", "exponential", "inverse_sigmoid"] = Field(
        "none",
        description="how the probability falls with which the decoder reads the reference and not its own output "
        "(Bengio et al. 2015); none: it always reads the reference",
    )
    sampling_k: float | None = Field(
        None,
        gt=0,
        le=MOST,
        description="scheduled sampling: k in k - slope * i, k ** i, or k / (k + exp(i / k)) at step i; unset: the "
        "probability is one half in the middle of the run",
    )
    sampling_slope: float | None = Field(
        None,
        ge=0,
        le=MOST,
        description="scheduled_sampling=linear: how much the probability falls with each step; unset: 1 / max_steps",
    )
    sampling_floor: float = Field(
        0.0,
        ge=0,
        le=1,
        description="scheduled sampling: the probability of reading the reference never falls below this",
    )
    sampling_feed: Literal["sample", "argmax"] = Field(
        "sample",
        description="scheduled sampling: draw the model's own item from its distribution (sample), or take its most "
        "probable one (argmax)",
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto",
        description="train in bf16 (autocast) or fp32; auto: bf16 where the processor is fast in it; may change when "
        "a run is resumed",
    )

    @field_validator("freeze", mode="before")
    @classmethod
    def _after_commas(cls, names: object) -> object:
        return tuple(filter(None, map(str.strip, names.split(",")))) if isinstance(names, str) else names

    @field_validator("freeze")
    @classmethod
    def _distinct(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) < len(names):
            raise PydanticCustomError("distinct", "input should have distinct names")
        return names

    @field_validator("adam_betas")
    @classmethod
    def _decays(cls, betas: tuple[float, float]) -> tuple[float, float]:
        if not all(0 <= beta < 1 for beta in betas):
            raise PydanticCustomError("decays", "both should be at least 0 and less than 1")
        return betas
