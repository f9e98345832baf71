"""Metrics and comparisons as text tables for the terminal, and as markdown for the model card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from seqweave.evaluation.intervals import FEW_SOURCES
from seqweave.evaluation.metrics import DISTINCT, Caution, LeftOut, Metrics
from seqweave.evaluation.significance import Comparison
from seqweave.evaluation.statistics import HIGHER_IS_BETTER, LABEL_METRICS, METRICS, ROUGE_METRICS
from seqweave.wording import count, figure

LABELS = {
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "exact_match": "exact match",
    "token_error_rate": "token error rate",
    "cer": "CER",
    "wer": "WER",
    "bleu": "BLEU",
    "chrf": "chrF",
    "ter": "TER",
    "rouge_1": "ROUGE-1",
    "rouge_2": "ROUGE-2",
    "rouge_l": "ROUGE-L",
    "distinct_1": "distinct-1",
    "distinct_2": "distinct-2",
}
REASONS: Mapping[LeftOut, str] = {
    "no blanks between words": "these targets have no blanks between words, so characters are counted (CER)",
    "no reference of 4 tokens": "every reference is shorter than the runs of 4 tokens that BLEU counts, so right "
    "outputs would get 0",
}
METRIC_HEADER = ("metric", "value", "95% interval")
_FIGURES = (*LABEL_METRICS, *METRICS, *ROUGE_METRICS, *DISTINCT)
BUCKET_HEADER = ("source length", "sources", "exact match", "token error rate", "BLEU")
COMPARISON_HEADER = ("metric", "first", "second", "difference", "95% interval", "p", "better")


def metrics_table(metrics: Metrics) -> str:
    """Metrics with intervals, perplexities, the table by length and sacrebleu's signatures, as plain text."""
    shown = [name for name in ("bleu", "chrf", "ter") if name in metrics.signatures]
    parts = [
        f"{_counted(metrics)}; percent, with 95% intervals",
        figures_table(metrics),
        *(["\n".join(remarks(metrics))] if remarks(metrics) else []),
        _plain(BUCKET_HEADER, _bucket_rows(metrics)),
        "\n".join(f"{LABELS[name]}: {metrics.signatures[name]}" for name in shown),
    ]
    return "\n\n".join(parts)


def remarks(metrics: Metrics) -> list[str]:
    """What is to be said beside the figures: what was left out and why, and what to mind; a sentence each."""
    return [
        *left_out_lines(metrics.left_out),
        *(f"caution: {_caution(caution, metrics)}" for caution in metrics.cautions),
    ]


def few_sources(sources: int) -> str:
    """What to say of intervals over so few distinct sources."""
    verb = "is" if sources == 1 else "are"
    there = count(sources, "distinct source")
    return f"{there} {verb} too few for intervals to be relied on: evaluate on {FEW_SOURCES} or more"


def left_out_lines(left_out: Mapping[str, LeftOut]) -> list[str]:
    """Why metrics were left out, a sentence for each reason."""
    reasons: dict[LeftOut, list[str]] = {}
    for name in METRICS:
        if name in left_out:
            reasons.setdefault(left_out[name], []).append(LABELS[name])
    return [f"left out: {' and '.join(names)}, because {REASONS[reason]}" for reason, names in reasons.items()]


def _caution(caution: Caution, metrics: Metrics) -> str:
    if caution == "few sources":
        return few_sources(metrics.sources)
    if caution == "no spread":
        given = [name for name in _FIGURES if getattr(metrics, name) is not None and name not in DISTINCT]
        names = [LABELS[name] for name in given if name not in metrics.intervals]
        return f"{', '.join(names)}: no interval, because every resample of these sources gives the same figure"
    if caution == "measured by words":
        return (
            "these targets have no blanks between words, but this model is measured by words, so BLEU and WER mean "
            "little: give --bleu-tokenize zh for Chinese, or char for others"
        )
    return (
        "the perplexity is not finite: for the model some references are next to impossible, as when training has "
        "diverged; lower training.learning_rate and train again"
    )


def figures_table(metrics: Metrics) -> str:
    """The figures alone, with their intervals, as plain text."""
    return _plain(METRIC_HEADER, _metric_rows(metrics))


def metrics_markdown(metrics: Metrics) -> str:
    """The same for a model card, with all signatures."""
    parts = [
        f"{_counted(metrics)}. Percent, except perplexities.",
        _markdown(METRIC_HEADER, _metric_rows(metrics)),
        _markdown(BUCKET_HEADER, _bucket_rows(metrics)),
        *(["\n".join(f"- {line}" for line in remarks(metrics))] if remarks(metrics) else []),
        "\n".join(f"- {LABELS.get(name, name)}: `{text}`" for name, text in metrics.signatures.items()),
    ]
    return "\n\n".join(parts)


def comparison_table(comparisons: Sequence[Comparison]) -> str:
    """A paired comparison as plain text; `better` names a side only when p < 0.05."""
    return _plain(COMPARISON_HEADER, _comparison_rows(comparisons))


def comparison_markdown(comparisons: Sequence[Comparison]) -> str:
    """The same as markdown."""
    return _markdown(COMPARISON_HEADER, _comparison_rows(comparisons))


def _counted(metrics: Metrics) -> str:
    return f"{count(metrics.pairs, 'pair')}, {count(metrics.sources, 'distinct source')}"


def _metric_rows(metrics: Metrics) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for name in _FIGURES:
        if getattr(metrics, name) is None:
            continue
        interval = metrics.intervals.get(name)
        shown = "" if interval is None else f"{interval[0]:.2f} to {interval[1]:.2f}"
        rows.append((LABELS[name], f"{getattr(metrics, name):.2f}", shown))
    perplexities = {
        "perplexity (teacher-forced)": metrics.perplexity,
        "perplexity (free-running)": metrics.free_running_perplexity,
    }
    rows += [(label, figure(value), "") for label, value in perplexities.items() if value is not None]
    return rows


def _bucket_rows(metrics: Metrics) -> list[tuple[str, ...]]:
    return [
        (
            f"{bucket.min_length} to {bucket.max_length}",
            f"{bucket.count:,}",
            f"{bucket.exact_match:.2f}",
            f"{bucket.token_error_rate:.2f}",
            "" if bucket.bleu is None else f"{bucket.bleu:.2f}",
        )
        for bucket in metrics.by_length
    ]


def _comparison_rows(comparisons: Sequence[Comparison]) -> list[tuple[str, ...]]:
    return [
        (
            LABELS[item.metric],
            f"{item.first:.2f}",
            f"{item.second:.2f}",
            f"{item.difference:+.2f}",
            f"{item.low:+.2f} to {item.high:+.2f}",
            f"{item.p_value:.3f}",
            _better(item),
        )
        for item in comparisons
    ]


def _better(item: Comparison) -> str:
    if item.p_value >= 0.05 or item.difference == 0:
        return "not shown"
    return "second" if (item.difference > 0) == (item.metric in HIGHER_IS_BETTER) else "first"


def _plain(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns two blanks apart, the first to the left, numbers to the right."""
    table = [header, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    lines = []
    for row in table:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    ruler = ["---", *("---:" for _ in header[1:])]
    return "\n".join("| " + " | ".join(row) + " |" for row in (header, ruler, *rows))
