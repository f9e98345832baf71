"""The trace: everything a model did with one source, as one plain object.

`trace_model` (tracing.py) makes it, `trace_json.py` writes and reads it, `trace_page.py` shows it and
`trace_plots.py` draws it; docs/trace-format.md says what each field is. Nothing here depends on the
architecture: a recurrent model has layers with gates and one attention matrix a step, another one may
have layers without gates and many matrices.

Arrays are numpy, in the model's own precision; their `Pack` says how they are written. Rows are
positions: S of the source, T of the target (`<eos>` counted).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Pack:
    """How an array is written in JSON: its type, and whether only when all is asked for."""

    kind: str
    full: bool = False


F16 = Annotated[Array, Pack("f16")]
F32 = Annotated[Array, Pack("f32")]
I32 = Annotated[Array, Pack("i32")]
U8 = Annotated[Array, Pack("u8")]
Gate = Annotated[Array, Pack("q8")]
FullF16 = Annotated[Array, Pack("f16", full=True)]


@dataclass(frozen=True)
class Token:
    """An item: its name for people, its id, and the characters [start, end) of the text it stands for."""

    text: str
    id: int
    start: int
    end: int


@dataclass(frozen=True)
class Sentence:
    """A text and its items, without specials."""

    text: str
    tokens: list[Token]


@dataclass(frozen=True)
class Output:
    """The best output of the search; `tokens` without `<eos>`, log-probabilities natural, `score` normalised."""

    text: str
    tokens: list[Token]
    score: float
    log_prob: float
    finished: bool


@dataclass(frozen=True)
class Layer:
    """A layer over all N positions (S in the encoder, T in the decoder).

    Attributes:
        hidden: the state after each position. Shape: (N, H); in an encoder of two directions the
            forward units come first, then the backward ones, (N, 2H).
        cell: an LSTM's cell state, else None. Shape: as `hidden`.
        gates: LSTM `i f g o`, GRU `r z n`, others none. Shape: each as `hidden`.
    """

    hidden: F16
    cell: FullF16 | None
    gates: dict[str, Gate]


@dataclass(frozen=True)
class Attention:
    """One attention matrix: of a recurrent decoder, or of a layer and head.

    Attributes:
        layer, head: from 0; None where there is only one.
        scores: before the softmax. Shape: (T, S); None where the model does not show them.
        weights: after it; each row sums to one. Shape: (T, S).
    """

    layer: int | None
    head: int | None
    scores: F16 | None
    weights: F16


@dataclass(frozen=True)
class Encoder:
    """What the encoder did.

    Attributes:
        directions: 1 or 2.
        embedding_norms: Euclidean norm of each source item's embedding. Shape: (S,).
        layers: first to last.
        attention: self-attention, a matrix (S, S) for each layer and head; empty in recurrent models.
        outputs: what attention looks up. Shape: (S, E).
        final: the states at the end of the source, first layer to last (LSTM: hidden, cell). Shape: each (E,).
    """

    directions: int
    embedding_norms: F32
    layers: list[Layer]
    attention: list[Attention]
    outputs: F16
    final: list[F16]


@dataclass(frozen=True)
class Bridge:
    """From the encoder's final states to the decoder's first; `states` in the order of its layers, each (H,)."""

    kind: str
    states: list[F16]
    context: F16 | None  # (E,) the fixed context vector, without attention


@dataclass(frozen=True)
class Steps:
    """What the decoder did, one row for each step.

    Step t reads token t-1 (`<bos>` first) and gives a distribution, of which `tokens[t]` was taken.

    Attributes:
        tokens: the item of each step, `<eos>` included when there is one (its span is empty).
        log_probs: of these items; of one with probability 0 it is -10000, here and below. Shape: (T,).
        entropy: of the whole distribution, in nats. Shape: (T,).
        ranks: place of the item in the distribution, from 0. Shape: (T,).
        top_ids, top_log_probs: the likeliest items, best first. Shape: (T, k).
        embedding_norms: norm of the embedding of what each step reads. Shape: (T,).
        layers: first to last.
        attention: one matrix (T, S) for each layer and head; empty without attention.
        self_attention: one matrix (T, T) for each layer and head; empty in recurrent models.
        context: what attention brought, `weights @ encoder.outputs`. Shape: (T, E), or None.
        readout: what the generator maps to logits. Shape: (T, size).
        p_gen: of a model that copies, the probability of generating; the rest is copied. Shape: (T,), or None.
    """

    tokens: list[Token]
    log_probs: F32
    entropy: F32
    ranks: I32
    top_ids: I32
    top_log_probs: F32
    embedding_norms: F32
    layers: list[Layer]
    attention: list[Attention]
    self_attention: list[Attention]
    context: FullF16 | None
    readout: FullF16 | None
    p_gen: F32 | None = None


@dataclass(frozen=True)
class Beam:
    """Every expansion of the beam search, as columns; node n continues node `parents[n]` (-1: `<bos>`).

    Attributes:
        beam_size, length_penalty, stop, max_length: how was searched.
        steps: the step at which the node was made, from 0. Shape: (N,), rising.
        parents, ids: the node continued and the item added.
        log_probs: of the item. `totals`: sum from the start. `scores`: total, length-normalised.
        statuses: 0 alive (lived on to the next step), 1 finished, 2 pruned.
        reasons: why, as an index into `REASONS`.
        ranking: nodes of the results, best first.
        reference_left: with a target, the step at which the beam lost it; None when it never did or
            there is no target.
    """

    beam_size: int
    length_penalty: float
    stop: str
    max_length: int
    steps: I32
    parents: I32
    ids: I32
    log_probs: F32
    totals: F32
    scores: F32
    statuses: U8
    reasons: U8
    ranking: list[int]
    reference_left: int | None


STATUSES = ("alive", "finished", "pruned")
REASONS = (
    "among_the_best",  # alive
    "ended",  # finished: took <eos>
    "cut",  # finished: at its maximum length
    "not_among_the_best",  # pruned: as many better ones live on as the beam is wide
    "end_not_among_the_best",  # pruned: an <eos> which came after the first beam_size candidates
    "better_finished",  # pruned: finished, but so did beam_size better ones
    "cannot_win",  # pruned: alive when no live hypothesis could pass the best finished one any more
    "enough_finished",  # pruned: alive when beam_size hypotheses had finished
)


@dataclass(frozen=True)
class Forced:
    """The teacher-forced twin: the decoder reads the target, whatever it would have said itself.

    Attributes:
        steps: as in free running; `-steps.log_probs` is each item's loss.
        score, log_prob: of the target, with `<eos>`.
        first_divergence: first step at which output and target differ; None when they are the same.
    """

    steps: Steps
    score: float
    log_prob: float
    first_divergence: int | None


@dataclass(frozen=True)
class Attribution:
    """How much each source item matters to each output item, by another measure than attention.

    Attributes:
        method: `gradient_x_input`, `integrated_gradients` or `occlusion`.
        values: signed; what they sum up to depends on the method. Shape: (T, S).
        rank_correlation: Spearman's of |values| with the attention weights, the mean over the steps;
            None without attention.
    """

    method: str
    values: F16
    rank_correlation: float | None


@dataclass(frozen=True)
class Trace:
    """All of it.

    Attributes:
        model: the architecture: settings of `config.model`, units, vocabulary sizes, parameters.
        source: the source as the encoder reads it.
        target: the given target, or None.
        output: the best output of the search.
        encoder, bridge: what came before the first step.
        steps: the decoder, free running: the steps of `output`.
        forced: the teacher-forced twin, with a target.
        beam: the search.
        attributions: empty unless asked for.
        names: names of all target ids that occur.
    """

    model: dict[str, Any]
    source: Sentence
    target: Sentence | None
    output: Output
    encoder: Encoder
    bridge: Bridge
    steps: Steps
    forced: Forced | None
    beam: Beam
    attributions: list[Attribution]
    names: dict[str, str]


def attention_of(steps: Steps, layer: int | None = None, head: int | None = None) -> Attention | None:
    """The attention matrix of a layer and head; the mean over all when none is named; None without attention."""
    chosen = [
        one for one in steps.attention if (layer is None or one.layer == layer) and (head is None or one.head == head)
    ]
    if len(chosen) < 2:
        return chosen[0] if chosen else None
    return Attention(layer, head, None, np.mean([one.weights for one in chosen], axis=0))
