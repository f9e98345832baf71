"""Sufficient statistics: what each metric needs to know about one sentence, as rows of numbers.

Every metric here is a function of the *sum* of such rows, so a bootstrap resample costs one product
of a count matrix with the rows, and no text is looked at twice.

    exact_match       (match, 1)
    error rates       (edit distance, reference length)      token_error_rate, cer, wer through jiwer
    bleu, chrf, ter   what sacrebleu sums over sentences
    rouge_1, 2, l     (F1 of the sentence, 1)                for targets of words or subwords
    accuracy          as exact_match; for targets of one label
    macro_f1          of each label, whether it is right, given wrongly, missed

How texts are cut into words or characters is said by `Measures` (measures.py).

Rows that have the same source are its references. Sources and references are sorted, so no result
depends on the order of the input.
"""

from __future__ import annotations

import importlib.metadata
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqweave.errors import ConfigError, DataError, LimitError
from seqweave.evaluation.measures import BY_WORDS, WORD_METRICS, Measures
from seqweave.evaluation.rouge import characters_of, rouge_l, rouge_n, words_of
from seqweave.text.ends import trimmed
from seqweave.text.tokenizers import Tokenizer
from seqweave.wording import CHECK_DATA

Numbers = NDArray[np.float64]

METRICS = ("exact_match", "token_error_rate", "cer", "wer", "bleu", "chrf", "ter")
LABEL_METRICS = ("accuracy", "macro_f1")
"""What a target of one label (units `label`) has besides."""
ROUGE_METRICS = ("rouge_1", "rouge_2", "rouge_l")
"""What targets of words or subwords, which are sentences, have besides."""
HIGHER_IS_BETTER = frozenset(("exact_match", "bleu", "chrf", *LABEL_METRICS, *ROUGE_METRICS))
BLEU_ORDER = 4
"""The longest n-grams of BLEU: without a reference of as many tokens there is no BLEU."""
MOST_LABELS = 1000
"""With more distinct labels there is no macro F1: its intervals would need too much memory."""


@dataclass(frozen=True)
class Examples:
    """Distinct sources in sorted order; `outputs` and `references` are normalised by the tokenizer."""

    sources: tuple[str, ...]
    outputs: tuple[str, ...]
    references: tuple[tuple[str, ...], ...]
    lengths: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.sources)


@dataclass(frozen=True)
class MetricStatistics:
    """Rows (N, width) of one metric, what turns sums of rows into percent, and how it was computed.

    `share`: the metric is a number of sources in percent of all. `defined`: it means something for these references.
    """

    rows: Numbers
    score: Callable[[Numbers], float]
    signature: str
    share: bool = False
    defined: bool = True

    def total(self) -> float:
        """The metric over all sentences, in percent."""
        return self.score(self.rows.sum(axis=0))


def group_examples(
    sources: Sequence[str],
    outputs: Sequence[str],
    targets: Sequence[str],
    tokenizer: Tokenizer,
    source_lengths: Sequence[int] | None = None,
    *,
    trims: bool = True,
) -> Examples:
    """Group rows by source: their targets are its references, the first of their outputs counts.

    Outputs and targets go through `tokenizer.normalized`, so that lower-casing is not an error; `trims`: what is
    invisible at their ends does not count.
    `source_lengths` are items of each row; None: pieces between blanks.

    Raises:
        DataError: when there are no rows, or the sequences differ in length.
    """
    counts = {"sources": len(sources), "outputs": len(outputs), "targets": len(targets)}
    if source_lengths is not None:
        counts["source lengths"] = len(source_lengths)
    if len(set(counts.values())) > 1:
        found = ", ".join(f"{count} {name}" for name, count in counts.items())
        raise DataError(f"sources, outputs and targets must be equally many to be evaluated, but there are {found}")
    if not sources:
        raise DataError(f"there must be at least one pair to evaluate, but there are none; {CHECK_DATA}")

    def compared(text: str) -> str:
        return tokenizer.normalized(trimmed(text) if trims else text)

    first: dict[str, int] = {}
    references: dict[str, set[str]] = {}
    for index, (source, target) in enumerate(zip(sources, targets, strict=True)):
        first.setdefault(source, index)
        references.setdefault(source, set()).add(compared(target))
    order = sorted(first)
    lengths = source_lengths if source_lengths is not None else [len(source.split()) for source in sources]
    return Examples(
        sources=tuple(order),
        outputs=tuple(compared(outputs[first[source]]) for source in order),
        references=tuple(tuple(sorted(references[source])) for source in order),
        lengths=tuple(int(lengths[first[source]]) for source in order),
    )


def metrics_of(tokenizer: Tokenizer, measures: Measures = BY_WORDS) -> tuple[str, ...]:
    """The names of all metrics of a target: those of labels where its text is one, ROUGE where it is sentences.

    Those of words are left out where words have no blanks between them.
    """
    names: tuple[str, ...] = METRICS
    if measures.units == "characters":
        names = tuple(name for name in names if name not in WORD_METRICS)
    if tokenizer.units == "label":
        return (*LABEL_METRICS, *names)
    return (*names, *ROUGE_METRICS) if tokenizer.units in ("word", "subword") else names


def collect_statistics(
    examples: Examples, tokenizer: Tokenizer, names: Iterable[str] = METRICS, measures: Measures = BY_WORDS
) -> dict[str, MetricStatistics]:
    """Statistics of the named metrics, of texts that are cut as `measures` says.

    Raises:
        ConfigError: when a name is not one of `METRICS`, `LABEL_METRICS` and `ROUGE_METRICS`, or of a metric of words
            where there are none.
    """
    return {name: _collect(name, examples, tokenizer, measures) for name in names}


def _collect(name: str, examples: Examples, tokenizer: Tokenizer, measures: Measures) -> MetricStatistics:
    if name in WORD_METRICS and measures.units == "characters":
        raise ConfigError(f"{name} counts words between blanks, but these targets are measured by characters: use cer")
    if name in ("exact_match", "accuracy"):
        return _exact_match(examples)
    if name == "macro_f1":
        return _macro_f1(examples)
    if name in ("token_error_rate", "cer", "wer"):
        return _error_rate(name, examples, tokenizer)
    if name in ("bleu", "chrf", "ter"):
        return _sacrebleu(name, examples, measures)
    if name in ROUGE_METRICS:
        return _rouge(name, examples, measures)
    known = ", ".join((*METRICS, *LABEL_METRICS, *ROUGE_METRICS))
    raise ConfigError(f"a metric must be one of {known}, but it is {name!r}")


def _exact_match(examples: Examples) -> MetricStatistics:
    pairs = zip(examples.outputs, examples.references, strict=True)
    rows = np.array([(output in references, 1) for output, references in pairs], dtype=np.float64)  # (N, 2)
    return MetricStatistics(rows, _share, "refs:any", share=True)


def _macro_f1(examples: Examples) -> MetricStatistics:
    """The mean over labels of F1 = 2 tp / (2 tp + fp + fn), as scikit-learn's macro average defines it.

    Labels that neither an output nor a reference has do not count. Where a source has several
    references, the output if it is one of them, else the first, is the right one.
    """
    pairs = [
        (output, output if output in references else references[0])
        for output, references in zip(examples.outputs, examples.references, strict=True)
    ]
    labels = {label: place for place, label in enumerate(sorted({label for pair in pairs for label in pair}))}
    if len(labels) > MOST_LABELS:
        raise LimitError(
            f"macro F1 is for at most {MOST_LABELS:,} labels, but there are {len(labels):,}: use accuracy instead"
        )
    rows = np.zeros((len(pairs), 2, len(labels)))  # right; given wrongly or missed
    for row, (output, right) in zip(rows, pairs, strict=True):
        if output == right:
            row[0, labels[right]] = 1
        else:
            row[1, labels[output]] += 1
            row[1, labels[right]] += 1

    def score(sums: Numbers) -> float:
        right, wrong = sums.reshape(2, -1)  # (labels,) each
        there = 2 * right + wrong > 0
        return float(100 * np.mean(2 * right[there] / (2 * right[there] + wrong[there]))) if there.any() else 0.0

    return MetricStatistics(rows.reshape(len(pairs), -1), score, "average:macro|labels:occurring|refs:any")


def _share(sums: Numbers) -> float:
    """The first sum in percent of the second; errors against nothing but empty references are 100%."""
    distance, length = float(sums[0]), float(sums[1])
    if length == 0:
        return 100.0 if distance > 0 else 0.0
    return 100.0 * distance / length


def _error_rate(name: str, examples: Examples, tokenizer: Tokenizer) -> MetricStatistics:
    outputs = [output for output, refs in zip(examples.outputs, examples.references, strict=True) for _ in refs]
    references = [reference for refs in examples.references for reference in refs]
    distances = _edit_distances(name, references, outputs, tokenizer)
    rows, start = [], 0
    for refs in examples.references:
        rows.append(min(distances[start : start + len(refs)], key=_rate_first))
        start += len(refs)
    units = {"token_error_rate": tokenizer.units, "cer": "char", "wer": "word"}[name]
    signature = f"units:{units}|refs:best|version:jiwer-{importlib.metadata.version('jiwer')}"
    return MetricStatistics(np.array(rows, dtype=np.float64), _share, signature)  # rows (N, 2)


def _rate_first(pair: tuple[int, int]) -> tuple[float, int]:
    distance, length = pair
    rate = distance / length if length else (math.inf if distance else 0.0)
    return rate, distance


def _edit_distances(
    name: str, references: list[str], outputs: list[str], tokenizer: Tokenizer
) -> list[tuple[int, int]]:
    """Distance to, and length of, each reference, in the metric's units.

    The units of cer and wer are made by jiwer's own default transforms.
    """
    import jiwer  # here, because importing seqweave stays quick

    if name == "cer":
        found: Any = jiwer.process_characters(references, outputs)
    elif name == "wer":
        found = jiwer.process_words(references, outputs)
    else:
        units: list[Any] = [[tokenizer.tokens(text) for text in texts] for texts in (references, outputs)]
        ready: Any = list  # jiwer splits texts with a transform; these are split already
        found = jiwer.process_words(units[0], units[1], ready, ready)
    return [
        (sum(_edits(chunk) for chunk in chunks), len(reference))
        for chunks, reference in zip(found.alignments, found.references, strict=True)
    ]


def _edits(chunk: Any) -> int:
    if chunk.type == "equal":
        return 0
    return int(max(chunk.ref_end_idx - chunk.ref_start_idx, chunk.hyp_end_idx - chunk.hyp_start_idx))


def _sacrebleu(name: str, examples: Examples, measures: Measures) -> MetricStatistics:
    """Statistics and signature of a sacrebleu metric with its default settings but for BLEU's tokenizer.

    Sentences may have different numbers of references: the missing ones are None for sacrebleu.
    """
    from sacrebleu.metrics.bleu import BLEU  # here, because importing seqweave stays quick
    from sacrebleu.metrics.chrf import CHRF
    from sacrebleu.metrics.ter import TER

    metric: Any = CHRF() if name == "chrf" else TER()
    if name == "bleu":
        # force: sacrebleu's warning about tokenized text is about a final " .", which may be right here.
        metric = BLEU(force=True, tokenize=measures.bleu_tokenize)
    most = max(len(references) for references in examples.references)
    streams = [[refs[i] if i < len(refs) else None for refs in examples.references] for i in range(most)]
    # Not public, but what sacrebleu's own paired bootstrap uses; the tests compare it with corpus_score.
    rows = np.array(metric._extract_corpus_statistics(list(examples.outputs), streams), dtype=np.float64)  # (N, width)

    def score(sums: Numbers) -> float:
        return float(metric._compute_score_from_stats(sums.tolist()).score)

    return MetricStatistics(rows, score, str(metric.get_signature()), defined=name != "bleu" or has_bleu(rows))


def has_bleu(rows: Numbers) -> bool:
    """Whether BLEU means something for sentences with these statistics (N, width): some reference is long enough.

    The second column has the length of the reference that is nearest in length to the output.
    """
    return bool(rows[:, 1].max() >= BLEU_ORDER)


def is_long_enough(reference: str, measures: Measures) -> bool:
    """Whether BLEU means something for a reference: whether it has four tokens."""
    from sacrebleu.metrics.bleu import BLEU  # here, because importing seqweave stays quick

    tokenizer = BLEU(tokenize=measures.bleu_tokenize).tokenizer
    return len(tokenizer(reference).split()) >= BLEU_ORDER


def _rouge(name: str, examples: Examples, measures: Measures) -> MetricStatistics:
    """The best F1 over the references of each source, as `rouge-score` takes it, averaged over sources."""
    by_words = measures.units == "words"
    cut = words_of if by_words else characters_of

    def score(output: str, reference: str) -> float:
        items = cut(output), cut(reference)
        return rouge_l(*items) if name == "rouge_l" else rouge_n(*items, int(name[-1]))

    pairs = zip(examples.outputs, examples.references, strict=True)
    rows = np.array([(max(score(output, one) for one in references), 1) for output, references in pairs])  # (N, 2)
    items = "words:letters and digits" if by_words else "characters:of scripts without blanks, else words"
    return MetricStatistics(rows, _share, f"measure:f1|{items}|case:lc|stem:no|refs:best")


def bootstrap_scores(
    statistics: Sequence[MetricStatistics], samples: int, seed: int, *, chunk: int = 64
) -> NDArray[np.float64]:
    """Scores (samples, metrics) of resamples with replacement over sentences; the same resamples for all.

    Memory is `chunk` times N numbers.
    """
    rows = np.concatenate([item.rows for item in statistics], axis=1)  # (N, sum of widths)
    edges = np.cumsum([item.rows.shape[1] for item in statistics])[:-1]
    generator = np.random.default_rng(seed)
    size = len(rows)
    scores = np.empty((samples, len(statistics)))
    for start in range(0, samples, chunk):
        drawn = generator.integers(0, size, size=(min(chunk, samples - start), size))  # (chunk, N)
        counts = np.stack([np.bincount(draw, minlength=size) for draw in drawn])  # (chunk, N)
        for offset, sums in enumerate(counts.astype(np.float64) @ rows):  # sums (sum of widths,)
            parts = np.split(sums, edges)
            scores[start + offset] = [item.score(part) for item, part in zip(statistics, parts, strict=True)]
    return scores
