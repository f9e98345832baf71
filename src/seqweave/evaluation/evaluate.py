"""Evaluate a model on pairs: decode, compare, and both perplexities."""

from __future__ import annotations

import math
from collections.abc import Sequence

from seqweave.evaluation.coded import coded_pairs
from seqweave.evaluation.measures import Measures, measures_of
from seqweave.evaluation.metrics import Metrics, evaluate_outputs, perplexity
from seqweave.predictor import Model
from seqweave.search.given import Given
from seqweave.search.options import SearchOptions
from seqweave.text.ends import trimmed


def evaluate_model(
    model: Model,
    sources: Sequence[Given],
    targets: Sequence[str],
    *,
    beam_size: int | None = None,
    replace_unknown: bool | None = None,
    options: SearchOptions | None = None,
    samples: int = 1000,
    bleu_tokenize: str | None = None,
) -> Metrics:
    """All metrics of a model on pairs; rows with the same source are its references.

    Args:
        model: what `seqweave.load` gives.
        sources, targets: one text for each row; frames (S, F) as the source of a model that reads them.
        beam_size: hypotheses for each sentence; None: the model's own setting, 1: greedy.
        replace_unknown, options: as in `Model.predict`.
        samples: bootstrap resamples for the intervals; 0: none.
        bleu_tokenize: sacrebleu's tokenizer for BLEU; None: the one that was chosen when the model was trained.

    Raises:
        ConfigError: as `Model.predict`, and when there is no such tokenizer, or its library is not installed.
        DataError: when there are no rows.
    """
    measures = measures_of(model.config, bleu_tokenize)
    targets = references_of(targets, measures)
    outputs = predict_rows(model, sources, beam_size, replace_unknown, options)
    lengths = [len(source) for source in model.sources.coded(sources).sources]
    keys = [model.sources.key(source) for source in sources]
    metrics = evaluate_outputs(
        keys,
        outputs,
        targets,
        model.target_tokenizer,
        source_lengths=lengths,
        samples=samples,
        measures=measures,
    )
    return metrics.with_perplexity(*both_perplexities(model, sources, targets))


def both_perplexities(model: Model, sources: Sequence[Given], targets: Sequence[str]) -> tuple[float, float]:
    """Teacher-forced and free-running perplexity of a model on pairs, through its backend."""
    if model.engine is None:
        from seqweave.evaluation.perplexity import pair_batches, perplexities

        return perplexities(model.network, pair_batches(model, sources, targets))
    pairs = coded_pairs(model, sources, targets)
    items = sum(len(target) + 1 for target in pairs[1])  # with <eos>
    forced, free = (
        math.fsum(one.log_prob for one in model.engine.force(*pairs, model.options, free_running=runs))
        for runs in (False, True)
    )
    return perplexity(forced, items), perplexity(free, items)


def references_of(targets: Sequence[str], measures: Measures) -> list[str]:
    """Targets as the model has to write them: without what is invisible at their ends, where that does not count."""
    return [trimmed(target) for target in targets] if measures.trims else list(targets)


def predict_rows(
    model: Model,
    sources: Sequence[Given],
    beam_size: int | None = None,
    replace_unknown: bool | None = None,
    options: SearchOptions | None = None,
) -> list[str]:
    """The output for each row; each distinct source is decoded once, as `Model.predict` does with these options."""
    keys = [model.sources.key(source) for source in sources]
    distinct = dict(zip(keys, sources, strict=True))
    found = model.predict(
        distinct.values(), options=options, beam_size=beam_size, replace_unknown=replace_unknown, tabs=True
    )
    texts = {key: hypothesis.text for key, hypothesis in zip(distinct, found, strict=True)}
    return [texts[key] for key in keys]
