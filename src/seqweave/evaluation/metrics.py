"""Metrics of a system's outputs: exact match, error rates, BLEU, chrF, TER, with intervals.

All figures are percent, except perplexities. Rows with the same source are its references:

    exact_match         share of sources whose output equals any reference
    token_error_rate    edit distance over the target's units to the best reference / its length (PER for phones)
    cer, wer            the same over characters and words, as jiwer defines them
    accuracy, macro_f1  only of targets of one label: the share that is right; the mean F1 over labels
    rouge_1, 2, l       only of targets of words or subwords: F1, the best reference, the mean over sources
    distinct_1, 2       the same: distinct words and signs, and pairs of them, of all outputs in percent of all
    bleu, chrf, ter     sacrebleu's corpus metrics with all references, default settings, signature recorded

The best reference has the smallest distance / length. Rates are sums over sources / sums over sources,
not means of rates. Intervals: see intervals.py.

What would mean nothing is left out, with the reason: WER and TER of targets without blanks between words, and BLEU
where no reference has four tokens, for which sacrebleu gives 0 even when every output is right. How texts are cut into
tokens, words or characters is said by `Measures` (measures.py).

What this leaves out: decoding, and perplexity (the caller fills it in, see `Metrics.with_perplexity`).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from seqweave.errors import DataError
from seqweave.evaluation.intervals import intervals, too_few
from seqweave.evaluation.measures import BY_WORDS, OF_WORDS, WORD_METRICS, Measures
from seqweave.evaluation.rouge import distinct_ngrams
from seqweave.evaluation.statistics import (
    HIGHER_IS_BETTER,
    LABEL_METRICS,
    METRICS,
    MOST_LABELS,
    ROUGE_METRICS,
    Examples,
    MetricStatistics,
    collect_statistics,
    group_examples,
    has_bleu,
    metrics_of,
)
from seqweave.text.tokenizers import Tokenizer
from seqweave.text.writing import WritingCounter
from seqweave.wording import CHECK_DATA

BUCKETS = 5
DISTINCT = ("distinct_1", "distinct_2")
"""How varied outputs are; without intervals, because they are no mean over sentences."""
_SOMETIMES = (*LABEL_METRICS, *ROUGE_METRICS, *DISTINCT)
LeftOut = Literal["no blanks between words", "no reference of 4 tokens"]
"""Why a metric is not given."""
Caution = Literal["few sources", "no spread", "measured by words", "perplexity not finite"]
"""What to mind: fewer than 20 distinct sources; metrics without an interval, because every resample gives the same;
targets without blanks that are measured by words; a model for which references are next to impossible."""


@dataclass(frozen=True)
class LengthBucket:
    """Metrics of the sources with `min_length` to `max_length` items (both included), in percent."""

    min_length: int
    max_length: int
    count: int
    exact_match: float
    token_error_rate: float
    bleu: float | None


@dataclass(frozen=True)
class Metrics:
    """All metrics of one system on one data set, in percent except the perplexities.

    `pairs` counts rows, `sources` distinct sources. `perplexity` is teacher-forced;
    `free_running_perplexity` is that of the references when the model reads its own output. `left_out` says why a
    metric that all targets have is None.
    """

    pairs: int
    sources: int
    exact_match: float
    token_error_rate: float
    cer: float
    wer: float | None
    bleu: float | None
    chrf: float
    ter: float | None
    signatures: Mapping[str, str]
    intervals: Mapping[str, tuple[float, float]]
    by_length: tuple[LengthBucket, ...]
    perplexity: float | None = None
    free_running_perplexity: float | None = None
    accuracy: float | None = None  # of targets of one label, as macro_f1
    macro_f1: float | None = None
    rouge_1: float | None = None  # of targets of words or subwords, as all below
    rouge_2: float | None = None
    rouge_l: float | None = None
    distinct_1: float | None = None
    distinct_2: float | None = None
    left_out: Mapping[str, LeftOut] = dataclasses.field(default_factory=dict)
    cautions: tuple[Caution, ...] = ()

    def with_perplexity(self, perplexity: float | None, free_running_perplexity: float | None = None) -> Metrics:
        """The same metrics with the perplexities filled in, and a caution where the first is not finite."""
        cautions = self.cautions
        if perplexity is not None and not math.isfinite(perplexity):
            cautions = (*cautions, "perplexity not finite")
        return dataclasses.replace(
            self, perplexity=perplexity, free_running_perplexity=free_running_perplexity, cautions=cautions
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values for `json.dumps`; a perplexity too large for a float is None."""
        return {
            "pairs": self.pairs,
            "sources": self.sources,
            **{name: value for name in _SOMETIMES if (value := getattr(self, name)) is not None},
            **{name: getattr(self, name) for name in METRICS},
            "perplexity": _finite(self.perplexity),
            "free_running_perplexity": _finite(self.free_running_perplexity),
            "signatures": dict(self.signatures),
            "intervals": {name: list(interval) for name, interval in self.intervals.items()},
            "by_length": [dataclasses.asdict(bucket) for bucket in self.by_length],
            "left_out": dict(self.left_out),
            "cautions": list(self.cautions),
        }


def metrics_from_json(values: Mapping[str, Any], where: str) -> Metrics:
    """Read what `Metrics.to_json` gave; `where` names the file in errors.

    Raises:
        DataError: when a key is missing or unknown.
    """
    try:
        known = dict(values)
        known["by_length"] = tuple(LengthBucket(**bucket) for bucket in known["by_length"])
        known["intervals"] = {name: (low, high) for name, (low, high) in known["intervals"].items()}
        known["left_out"] = {str(name): _one_of(LeftOut, why) for name, why in known.get("left_out", {}).items()}
        known["cautions"] = tuple(_one_of(Caution, caution) for caution in known.get("cautions", ()))
        if "perplexity not finite" in known["cautions"]:  # JSON has no such number
            unwritten = [name for name in ("perplexity", "free_running_perplexity") if known.get(name) is None]
            known.update(dict.fromkeys(unwritten, math.inf))
        return Metrics(**known)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"{where} must hold metrics written by seqweave, but does not ({error}); evaluate again"
        ) from None


def _one_of(choices: Any, value: object) -> Any:
    """The value, if it is one of a `Literal`: text of a folder never becomes part of a sentence.

    Raises:
        ValueError: when it is another.
    """
    if value not in get_args(choices):
        raise ValueError(f"unknown value {value!r}")
    return value


def evaluate_outputs(
    sources: Sequence[str],
    outputs: Sequence[str],
    targets: Sequence[str],
    tokenizer: Tokenizer,
    *,
    source_lengths: Sequence[int] | None = None,
    samples: int = 1000,
    seed: int = 1,
    measures: Measures = BY_WORDS,
) -> Metrics:
    """Evaluate `outputs` (decoded text) against `targets`, row by row of the data.

    Args:
        sources: source of each row; rows with the same source are its references.
        outputs: output for each row; equal within a source (the first counts).
        targets: target of each row, compared as `tokenizer.normalized` gives it.
        tokenizer: the target side's tokenizer; its items are the units of `token_error_rate`.
        source_lengths: items of each row's source, for the table by length; None: pieces between blanks.
        samples: bootstrap resamples; 0: no intervals.
        seed: of the resamples.
        measures: how texts are cut.

    Raises:
        DataError: when there are no rows, or the sequences differ in length.
    """
    examples = group_examples(sources, outputs, targets, tokenizer, source_lengths, trims=measures.trims)
    every = collect_statistics(examples, tokenizer, _names(examples, tokenizer, measures), measures)
    statistics = {name: item for name, item in every.items() if item.defined}
    signatures = {name: item.signature for name, item in statistics.items()}
    if samples > 0:
        signatures["intervals"] = (
            f"shares:wilson|others:bootstrap-percentile|level:95|samples:{samples}|seed:{seed}|over:sources"
        )
    found = intervals(statistics, samples, seed)
    values: dict[str, Any] = dict.fromkeys(METRICS)
    values.update((name, item.total()) for name, item in statistics.items())
    return Metrics(
        pairs=len(sources),
        sources=len(examples),
        **values,
        **_distinct(examples, statistics, measures),
        signatures=signatures,
        intervals=found,
        by_length=_by_length(examples, every),
        left_out=left_out(statistics),
        cautions=_cautions(examples, measures, samples > 0 and len(found) < len(statistics)),
    )


def left_out(given: Collection[str]) -> dict[str, LeftOut]:
    """Why each metric that all targets have is not among those that are given."""
    reasons: dict[str, LeftOut] = dict.fromkeys(WORD_METRICS, "no blanks between words")
    reasons["bleu"] = "no reference of 4 tokens"
    return {name: reasons[name] for name in METRICS if name not in given}


def _cautions(examples: Examples, measures: Measures, without_interval: bool) -> tuple[Caution, ...]:
    by_words = measures.units == "words" and measures.bleu_tokenize in OF_WORDS and _without_blanks(examples)
    there: dict[Caution, bool] = {
        "few sources": too_few(len(examples)),
        "no spread": without_interval,
        "measured by words": by_words,
    }
    return tuple(caution for caution, minded in there.items() if minded)


def _without_blanks(examples: Examples) -> bool:
    """Whether the references have no blanks between words."""
    counter = WritingCounter()
    for references in examples.references:
        for reference in references:
            counter.add(reference)
    return counter.found().is_unspaced


def _names(examples: Examples, tokenizer: Tokenizer, measures: Measures) -> list[str]:
    """All metrics that can be computed: macro F1 not of too many labels."""
    distinct = {text for row in (examples.outputs, *examples.references) for text in row}
    return [name for name in metrics_of(tokenizer, measures) if name != "macro_f1" or len(distinct) <= MOST_LABELS]


def _distinct(examples: Examples, statistics: Mapping[str, MetricStatistics], measures: Measures) -> dict[str, float]:
    """How varied outputs are, where they are sentences."""
    if ROUGE_METRICS[0] not in statistics:
        return {}
    by_characters = measures.units == "characters"
    return {
        name: distinct_ngrams(examples.outputs, n, by_characters=by_characters) for n, name in enumerate(DISTINCT, 1)
    }


def quick_metric(
    name: str,
    sources: Sequence[str],
    outputs: Sequence[str],
    targets: Sequence[str],
    tokenizer: Tokenizer,
    measures: Measures = BY_WORDS,
) -> float:
    """One metric of outputs in percent without intervals, for validation while training.

    BLEU without a reference of four tokens, which `evaluate_outputs` leaves out, is 0: sacrebleu gives more only to
    outputs that are too long.

    Raises:
        ConfigError: when `name` is none of `METRICS`, `LABEL_METRICS` and `ROUGE_METRICS` (`loss` and `perplexity`
            need the model), or a metric of words where targets have none.
        DataError: as `evaluate_outputs`.
        LimitError: macro F1 of too many labels.
    """
    examples = group_examples(sources, outputs, targets, tokenizer, trims=measures.trims)
    found = collect_statistics(examples, tokenizer, [name], measures)[name]
    return found.total() if found.defined else 0.0


def higher_is_better(name: str) -> bool:
    """Whether a larger value of the metric is better; False for error rates, `loss` and `perplexity`."""
    return name in HIGHER_IS_BETTER


def perplexity(total_log_prob: float, tokens: int) -> float:
    """exp(-total_log_prob / tokens): `total_log_prob` natural, summed over `tokens`, <eos> counted in both.

    Too large for a float gives infinity.

    Raises:
        DataError: when there are no tokens.
    """
    if tokens < 1:
        raise DataError(f"perplexity needs at least one target token, but there are {tokens}; {CHECK_DATA}")
    try:
        return math.exp(-total_log_prob / tokens)
    except OverflowError:
        return math.inf


def _by_length(examples: Examples, statistics: Mapping[str, MetricStatistics]) -> tuple[LengthBucket, ...]:
    """Up to `BUCKETS` buckets of about equally many sources; sources of one length stay together."""
    shown = {name: statistics[name] for name in ("exact_match", "token_error_rate", "bleu")}
    lengths = np.array(examples.lengths)
    shares = np.arange(1, BUCKETS + 1) / BUCKETS
    upper = np.unique(np.quantile(lengths, shares, method="inverted_cdf"))
    bucket_of = np.searchsorted(upper, lengths, side="left")
    buckets = []
    for bucket in range(len(upper)):
        inside = bucket_of == bucket
        values = {name: item.score(item.rows[inside].sum(axis=0)) for name, item in shown.items()}
        bleu = values.pop("bleu") if has_bleu(shown["bleu"].rows[inside]) else None
        low, high = int(lengths[inside].min()), int(lengths[inside].max())
        buckets.append(
            LengthBucket(low, high, int(inside.sum()), values["exact_match"], values["token_error_rate"], bleu)
        )
    return tuple(buckets)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
