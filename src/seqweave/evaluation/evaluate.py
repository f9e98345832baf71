"""Evaluate a model on pairs: decode, compare, and both perplexities."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from seqweave.data.batching import sequential_batches
from seqweave.data.dataset import Batch, make_batch
from seqweave.evaluation.metrics import Metrics, evaluate_outputs
from seqweave.evaluation.perplexity import perplexities
from seqweave.predictor import Model
from seqweave.search.batches import MOST_LOGITS
from seqweave.search.options import SearchOptions

_BATCH_POSITIONS = 8192
_BATCH_PAIRS = 256


def evaluate_model(
    model: Model,
    sources: Sequence[str],
    targets: Sequence[str],
    *,
    beam_size: int | None = None,
    replace_unknown: bool | None = None,
    samples: int = 1000,
) -> Metrics:
    """All metrics of a model on pairs; rows with the same source are its references.

    Args:
        model: what `seqweave.load` gives.
        sources, targets: one text for each row.
        beam_size: hypotheses for each sentence; None: the model's own setting, 1: greedy.
        replace_unknown: as in `Model.predict`.
        samples: bootstrap resamples for the intervals; 0: none.
    """
    outputs = predict_rows(model, sources, beam_size, replace_unknown)
    lengths = [len(ids) for ids in model.source_tokenizer.encode_batch(list(sources))]
    metrics = evaluate_outputs(
        sources, outputs, targets, model.target_tokenizer, source_lengths=lengths, samples=samples
    )
    return metrics.with_perplexity(*perplexities(model.network, text_batches(model, sources, targets)))


def predict_rows(
    model: Model,
    sources: Sequence[str],
    beam_size: int | None = None,
    replace_unknown: bool | None = None,
    options: SearchOptions | None = None,
) -> list[str]:
    """The output for each row; each distinct source is decoded once, as `Model.predict` does with these options."""
    distinct = list(dict.fromkeys(sources))
    found = model.predict(distinct, options=options, beam_size=beam_size, replace_unknown=replace_unknown)
    texts = {source: hypothesis.text for source, hypothesis in zip(distinct, found, strict=True)}
    return [texts[source] for source in sources]


def text_batches(model: Model, sources: Sequence[str], targets: Sequence[str]) -> Iterator[Batch]:
    """Pairs of texts as batches on the model's device, sorted by length, longest first.

    Sources are cut as `Model.predict` cuts them; pairs without source items are left out.
    """
    coded = model.encode_sources(sources)
    source_ids, target_ids = coded.codes, model.encode_targets(targets, coded)
    kept = [row for row, ids in enumerate(source_ids) if ids]
    lengths = [len(source_ids[row]) + len(target_ids[row]) + 1 for row in kept]  # with <eos>
    positions = max(1, min(_BATCH_POSITIONS, MOST_LOGITS // model.target_tokenizer.size))
    for rows in sequential_batches(np.array(lengths), positions, _BATCH_PAIRS):
        chosen = [kept[row] for row in rows.tolist()]
        yield make_batch([source_ids[row] for row in chosen], [target_ids[row] for row in chosen]).to(model.device)
