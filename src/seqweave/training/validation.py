"""What a validation looks at: the task's metric, both perplexities, and five fixed samples."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from seqweave.config import Metric
from seqweave.data.batch import Batch
from seqweave.evaluation.evaluate import references_of
from seqweave.evaluation.measures import measures_of
from seqweave.evaluation.metrics import higher_is_better, quick_metric
from seqweave.evaluation.perplexity import pair_batches, perplexities
from seqweave.predictor import Model
from seqweave.search.hypothesis import Hypothesis
from seqweave.training.prepare import DevPairs

SAMPLES = 5
Ties = Literal["perplexity", "wait"]
_MOST_WEIGHTS = 10_000  # of a sample's attention, about 60 kB of JSON; what is larger is left out


@dataclass(frozen=True)
class Validation:
    """The figures of one validation, of greedy outputs; `samples` are the same sources every time."""

    metric: Metric
    value: float
    perplexity: float
    free_running_perplexity: float
    samples: list[dict[str, Any]]

    def better_than(self, best: float | None) -> bool:
        """Whether this is a gain over the best value so far; what is not finite never is."""
        if best is None or not math.isfinite(self.value):
            return math.isfinite(self.value)
        return self.value > best if metric_rises(self.metric) else self.value < best

    def gains(self, best: float | None, best_perplexity: float | None, ties: Ties = "perplexity") -> bool:
        """Whether early stopping and the plateau are to take this for a gain.

        A better value is one. While the metric says nothing yet, because no output is right, less perplexity is one,
        too (unless the format of the folder is from before, `ties=wait`): else a metric that takes long to say
        anything would end a training that goes on learning.
        """
        if self.better_than(best):
            return True
        nothing = self.value == 0 if metric_rises(self.metric) else self.metric != "loss" and self.value >= 100
        return ties == "perplexity" and nothing and self.replaces(best, best_perplexity)

    def replaces(self, best: float | None, best_perplexity: float | None) -> bool:
        """Whether these weights are to be kept: a gain, or as good a value with less teacher-forced perplexity.

        Equal values are common (all of a small dev set right), and the weights go on improving there.
        """
        tie = self.value == best and best_perplexity is not None and self.perplexity < best_perplexity
        return tie or self.better_than(best)


def metric_rises(metric: Metric) -> bool:
    """Whether more of a selecting metric is better."""
    return metric != "loss" and higher_is_better(metric)


def _nobody(done: int, total: int) -> None:
    """Hears nothing."""


class _Count:
    """Counts what is done of a total, and tells it; the first time that nothing is."""

    def __init__(self, total: int, tell: Callable[[int, int], None]):
        self.done, self.total, self.tell = 0, total, tell
        tell(0, total)

    def __call__(self, more: int) -> None:
        self.done += more
        self.tell(self.done, self.total)

    def passed(self, batch: Batch) -> Batch:
        """The batch, counted when it is handed out: one batch ahead of the work."""
        self(len(batch.target_in))
        return batch


def validate(model: Model, dev: DevPairs, metric: Metric, tell: Callable[[int, int], None] = _nobody) -> Validation:
    """Measure a model on dev: greedy outputs (of each source once), and both perplexities.

    `tell` hears how much is done, and of how much; pairs measured and sources decoded count alike.
    """
    measures = measures_of(model.config)
    targets = references_of(dev.targets, measures)
    distinct = list(dict.fromkeys(dev.sources))
    shown = distinct[:SAMPLES]
    # `loss` needs no outputs, so only the samples are decoded.
    sources = shown if metric == "loss" else distinct
    done = _Count(len(dev.sources) + len(sources), tell)
    batches = pair_batches(model, dev.sources, targets)
    forced, free = perplexities(model.network, (done.passed(batch) for batch in batches))
    model.tell_done = done
    hypotheses = model.predict(sources, beam_size=1, tabs=True)
    model.tell_done = None
    texts = {source: found.text for source, found in zip(sources, hypotheses, strict=True)}
    if metric == "loss":
        value = math.log(forced)
    else:
        outputs = [texts[source] for source in dev.sources]
        value = quick_metric(metric, dev.sources, outputs, targets, model.target_tokenizer, measures)
    rows = sample_rows(model, dev, [texts[text] for text in shown])
    looks = sample_attention(model, dev)
    return Validation(metric, value, forced, free, [{**row, **look} for row, look in zip(rows, looks, strict=True)])


def sample_rows(model: Model, dev: DevPairs, outputs: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """The fixed samples: source, target and output, by default as `model` decodes it with its own settings.

    The target is normalised, as metrics compare it; of several, the one that is the output if there is one.
    """
    sources = list(dict.fromkeys(dev.sources))[:SAMPLES]
    if outputs is None:
        outputs = [found.text for found in model.predict(sources, tabs=True)]
    rows = []
    references = references_of(dev.targets, measures_of(model.config))
    for source, output in zip(sources, outputs, strict=True):
        pairs = zip(dev.sources, references, strict=True)
        targets = [model.target_tokenizer.normalized(target) for one, target in pairs if one == source]
        rows.append({"source": source, "target": output if output in targets else targets[0], "output": output})
    return rows


def sample_attention(model: Model, dev: DevPairs) -> list[dict[str, Any]]:
    """What the page's time-lapse shows of each fixed sample; nothing where there is no attention.

    Decoded by force along the sample's first target, so that the rows mean the same at every validation:
    `source_tokens`, `target_tokens` (with `<eos>`), `attention` (T, S) to three decimals, and `loss`, the
    mean over the target's items in nats.
    """
    targets = dict(zip(reversed(dev.sources), reversed(dev.targets), strict=True))  # the first of each source
    sources = list(dict.fromkeys(dev.sources))[:SAMPLES]
    settings = model.config.model
    if settings.decoder != "transformer" and settings.attention == "none":
        return [{} for _ in sources]
    read = [source for source in sources if source.strip() and model.source_tokenizer.encode(source)]
    scored = model.score([(source, targets[source]) for source in read], return_attention=True)
    found = dict(zip(read, scored, strict=True))
    return [_look(found[source]) if source in found else {} for source in sources]


def _look(found: Hypothesis) -> dict[str, Any]:
    if found.attention is None or found.attention.size > _MOST_WEIGHTS:
        return {}
    loss = -found.log_prob / len(found.token_log_probs)
    return {
        "source_tokens": found.source_tokens,
        "target_tokens": [*found.tokens, "<eos>"],
        "attention": [[round(float(weight), 3) for weight in row] for row in found.attention],
        "loss": round(loss, 4) if math.isfinite(loss) else None,
    }


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
