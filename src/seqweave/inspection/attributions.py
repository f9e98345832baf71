"""What attention is not: how much each output item's log-probability depends on each source item.

Attention says where a model looked, which need not be what it used (Jain & Wallace 2019). Three other
measures, all of a source item's embedding x against a baseline x0 (zeros for the gradients, the
embedding of `<unk>` for occlusion):

- `gradient_x_input`: x . d log p / dx (Shrikumar et al. 2017, section 2);
- `integrated_gradients`: (x - x0) . the mean of the gradient on the straight way from x0 to x
  (Sundararajan et al. 2017, eq. 1). A step's values sum up to log p(source) - log p(all x0);
- `occlusion`: log p(source) - log p(source with the item replaced) (Zeiler & Fergus 2014, section 4.1; Li et al. 2016).

Of a model that copies, only what the encoder reads of an item changes; the item can be copied all the same.

They are of the forced decoding of given tokens; `rank_correlation` says how far they order the source
as attention does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from seqweave.data.source import Source
from seqweave.data.source_batch import SourceBatch, pad_sources
from seqweave.errors import ConfigError
from seqweave.inspection.recorder import recording_copy, to_array
from seqweave.inspection.trace import Array, Attribution, Trace, attention_of
from seqweave.model.seq2seq import Seq2Seq
from seqweave.predictor import Model
from seqweave.search.filters import IMPOSSIBLE
from seqweave.text.vocabulary import BOS, UNK

METHODS = ("gradient_x_input", "integrated_gradients", "occlusion")
WAY_POINTS = 32  # of integrated gradients; the midpoint rule's error falls with their square


def with_attributions(
    model: Model, trace: Trace, methods: Sequence[str] = METHODS, *, way_points: int = WAY_POINTS
) -> Trace:
    """The trace with attributions of its free run.

    Args:
        model: the model that was traced.
        trace: what `model.trace` gave.
        methods: of `METHODS`.
        way_points: where integrated gradients are computed, at least 1.

    Raises:
        ConfigError: when there is no such method, or the model reads frames.
    """
    unknown = [method for method in methods if method not in METHODS]
    if unknown:
        raise ConfigError(f"an attribution must be one of {', '.join(METHODS)}, but it is {unknown[0]}: choose one")
    model.check_reads_text()
    [source] = model.encode_sources([trace.source.text]).sources
    ids = [token.id for token in trace.steps.tokens]
    attention = attention_of(trace.steps)
    weights = None if attention is None else attention.weights
    found = []
    for method in methods:
        values = attribute(model.single, source, ids, method, way_points=way_points)
        found.append(Attribution(method, values, None if weights is None else rank_correlation(values, weights)))
    return replace(trace, attributions=[*trace.attributions, *found])


def attribute(
    network: Seq2Seq, source: Source, ids: Sequence[int], method: str, *, way_points: int = WAY_POINTS
) -> Array:
    """One measure of the log-probability of each of `ids` (with `<eos>`), decoded by force.

    Where the network copies, `ids` are of the extended vocabulary.

    Shape: ids (T,) -> (T, S).
    """
    twin = _detached(network)
    device = next(network.parameters()).device
    places, taken = pad_sources([source]).to(device), torch.tensor([list(ids)], device=device)
    if method == "occlusion":
        return _occlusion(twin, places, taken)
    with torch.no_grad():
        read = places.values
        embedded = twin.source_input(read)[0].clone()  # (S, M)
        fixed = twin.source_input.places(read.flip(1) if twin.reverse_source else read)
    if method == "gradient_x_input":
        return to_array((_gradients(twin, embedded, places, taken, fixed) * embedded).sum(-1))  # (T, S, M) -> (T, S)
    total = torch.zeros(len(ids), *embedded.shape, dtype=embedded.dtype, device=device)  # (T, S, M)
    for point in range(way_points):
        total += _gradients(twin, embedded * ((point + 0.5) / way_points), places, taken, fixed)
    return to_array((total / way_points * embedded).sum(-1))


def rank_correlation(values: Array, weights: Array) -> float | None:
    """Spearman's rank correlation of |values| with attention, the mean over rows that have one.

    None where no row has: a single source item, or all equal. Shape: both (T, S).
    """
    found = []
    for ours, theirs in zip(np.abs(values), weights, strict=True):
        one, other = _ranks(ours), _ranks(theirs)
        if one.std() > 0 and other.std() > 0:
            found.append(float(np.corrcoef(one, other)[0, 1]))
    return float(np.mean(found)) if found else None


class _Given(nn.Module):
    """In the place of the source's embedding: vectors that are given, whatever the ids."""

    def __init__(self, vectors: Tensor, turned: bool, fixed: Tensor | None):
        super().__init__()
        self.vectors = vectors.flip(0) if turned else vectors
        self.fixed = fixed

    def forward(self, ids: Tensor) -> Tensor:
        """Shape: ids (B, S) -> (B, S, M)."""
        return self.vectors.expand(ids.shape[0], -1, -1)

    def items(self, ids: Tensor) -> Tensor:
        """The same."""
        return self.forward(ids)

    def places(self, ids: Tensor) -> Tensor | None:
        """As `FeaturedEmbedding.places` of the real ids, in the order they are read in."""
        return self.fixed


def _detached(network: Seq2Seq) -> Seq2Seq:
    """The same weights, of which no gradients are wanted."""
    twin = recording_copy(network)
    for module in twin.modules():
        for name, part in list(module._parameters.items()):
            if part is not None:
                module._parameters[name] = nn.Parameter(part.detach(), requires_grad=False)
    return twin


def _gradients(twin: Seq2Seq, embedded: Tensor, source: SourceBatch, ids: Tensor, fixed: Tensor | None) -> Tensor:
    """Of each item's log-probability with respect to the source's vectors.

    Shape: embedded (S, M), one source, ids (1, T) -> (T, S, M).
    """
    with torch.enable_grad():
        vectors = embedded.detach().requires_grad_()
        network = _with_source(twin, vectors, fixed)
        log_probs = _log_probs(network, source, ids)[0]
        rows = [torch.autograd.grad(one, vectors, retain_graph=True)[0] for one in log_probs]
    return torch.stack(rows)


def _with_source(twin: Seq2Seq, vectors: Tensor, fixed: Tensor | None) -> Seq2Seq:
    network = recording_copy(twin)
    network.source_input = _Given(vectors, network.reverse_source, fixed)
    return network


@torch.no_grad()
def _occlusion(twin: Seq2Seq, source: SourceBatch, ids: Tensor) -> Array:
    size = source.width
    whole = _log_probs(twin, source, ids)  # (1, T)
    parts = []
    for places in torch.arange(size, device=source.device).split(64):
        changed = source.repeated(len(places))
        changed.values[torch.arange(len(places)), places] = UNK  # (P, S)
        parts.append(_log_probs(twin, changed, ids.expand(len(places), -1)))
    return to_array((whole - torch.cat(parts)).T)  # (S, T) -> (T, S)


def _log_probs(network: Seq2Seq, source: SourceBatch, ids: Tensor) -> Tensor:
    """Of given items, decoded by force. Shape: ids (B, T) -> (B, T)."""
    target_in = functional.pad(ids[:, :-1], (1, 0), value=BOS)  # (B, T)
    logits = network.decode(target_in, network.encode(*source)).logits
    log_probs = logits.log_softmax(-1).gather(2, ids[..., None])[..., 0]  # (B, T, V) -> (B, T)
    return log_probs.clamp(min=IMPOSSIBLE)


def _ranks(values: Any) -> Array:
    """Ranks from 0, the mean of them for ties."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = counts.cumsum()
    return np.asarray((ends - (counts + 1) / 2)[inverse])
