"""What a validation looks at: the task's metric, both perplexities, and five fixed samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from seqweave.config import Metric
from seqweave.evaluation.evaluate import text_batches
from seqweave.evaluation.metrics import higher_is_better, quick_metric
from seqweave.evaluation.perplexity import perplexities
from seqweave.search.predictor import Model
from seqweave.training.prepare import DevPairs

SAMPLES = 5


@dataclass(frozen=True)
class Validation:
    """The figures of one validation; `samples` are the same sources every time."""

    metric: Metric
    value: float
    perplexity: float
    free_running_perplexity: float
    samples: list[dict[str, Any]]

    def better_than(self, best: float | None) -> bool:
        """Whether this is a gain over the best value so far."""
        if best is None:
            return True
        return self.value > best if metric_rises(self.metric) else self.value < best


def metric_rises(metric: Metric) -> bool:
    """Whether more of a selecting metric is better."""
    return metric != "loss" and higher_is_better(metric)


def validate(model: Model, dev: DevPairs, metric: Metric) -> Validation:
    """Measure a model on dev: greedy outputs (of each source once), and both perplexities."""
    forced, free = perplexities(model.network, text_batches(model, dev.sources, dev.targets))
    distinct = list(dict.fromkeys(dev.sources))
    shown = distinct[:SAMPLES]
    # `loss` needs no outputs, so only the samples are decoded.
    sources = shown if metric == "loss" else distinct
    hypotheses = model.predict(sources, beam_size=1)
    texts = {source: found.text for source, found in zip(sources, hypotheses, strict=True)}
    if metric == "loss":
        value = float(torch.tensor(forced).log())
    else:
        outputs = [texts[source] for source in dev.sources]
        value = quick_metric(metric, dev.sources, outputs, dev.targets, model.target_tokenizer)
    first = dict(zip(reversed(dev.sources), reversed(dev.targets), strict=True))
    samples = [{"source": text, "target": first[text], "output": texts[text]} for text in shown]
    return Validation(metric, value, forced, free, samples)


@contextmanager
def weights_of(model: nn.Module, tensors: Mapping[str, Tensor]) -> Iterator[None]:
    """Lend a model other weights (none: its own) and put it into evaluation mode for a while."""
    parameters = dict(model.named_parameters())
    own = {name: parameters[name].detach().clone() for name in tensors}
    was_training = model.training
    with torch.no_grad():
        for name, value in tensors.items():
            parameters[name].copy_(value)
    model.eval()
    try:
        yield
    finally:
        with torch.no_grad():
            for name, value in own.items():
                parameters[name].copy_(value)
        model.train(was_training)
