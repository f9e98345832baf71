"""Make a trace: `trace`, which is also a method of `Model`.

The search is run once, recorded as a tree; then the decoder is stepped through its best output, and
through the target when there is one, with everything inside kept (`recorder.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from seqweave.data.copying import Coded
from seqweave.data.source_batch import pad_sources
from seqweave.errors import ConfigError, DataError
from seqweave.inspection.beam_tree import found_of, grow_beam
from seqweave.inspection.changes import NO_CHANGES, Changes, WhatIf, changes_of
from seqweave.inspection.recorder import Recording, record_encoder, record_positions, to_array
from seqweave.inspection.trace import Beam, Bridge, Forced, Output, Sentence, Steps, Token, Trace
from seqweave.model.seq2seq import parameter_count
from seqweave.model.state import DecoderState, Encoded
from seqweave.predictor import Model
from seqweave.search.arguments import kind_of
from seqweave.search.filters import IMPOSSIBLE, Filters, filters_of
from seqweave.search.given import Given, items_of
from seqweave.search.lengths import max_lengths
from seqweave.search.options import SearchOptions
from seqweave.search.penalties import coverage_term, length_normalised, no_attention
from seqweave.search.topk import top_k
from seqweave.text.tokenizers import Tokenizer
from seqweave.text.vocabulary import BOS, EOS

TOP = 10  # items of a step's distribution that are kept


def trace(
    model: Model,
    source: Given,
    target: str | None = None,
    beam_size: int = 5,
    *,
    features: str | Sequence[str] | None = None,
    options: SearchOptions | None = None,
    what_if: WhatIf | None = None,
) -> Trace:
    """Everything the model does with one source, to look at; see `seqweave.inspection.trace`.

    Args:
        model: what `seqweave.load` gives.
        source: a text, or frames (S, F) for a model that reads them; what is longer than `data.max_source_length` is
            cut off.
        target: a reference, for the teacher-forced twin.
        beam_size: hypotheses kept; 1: greedy.
        features: of the source, as `Model.predict` takes them of each; they are items before those of the text.
        options: how the beam is searched; None takes `model.options`. `beam_size` goes before them.
        what_if: what to do otherwise; attention and the start change the teacher-forced twin as well.

    Raises:
        ConfigError: when beam_size is out of its range, source is no text, features do not fit the model, or the
            architecture cannot be changed so.
        DataError: when the source has no items, lacks its columns of features, or what_if names what is not there.
        SeqweaveError: when the network gives NaN.
    """
    source = model.sources.one(source)
    if target is not None and not isinstance(target, str):
        raise ConfigError(f"target must be a text, but it is {kind_of(target)}: give one text")
    options = replace(model.options if options is None else options, beam_size=beam_size, n_best=1)
    [source] = model.with_features([source], None if features is None else [features])
    coded = model.encode_sources([source])
    if model.sources.is_empty(source) or not len(coded.sources[0]):
        raise DataError("a source must have an item to be traced, but it is empty: give a text")
    reference = None
    if target is not None:
        target = model.trimmed(target)
        ids = model.encode_targets([target], coded)[0] if target.strip() else []
        reference = _sentence(model.target_tokenizer, target, ids)
    with torch.inference_mode():
        return _traced(model, source, coded, reference, options, what_if)


def _traced(
    model: Model, given: Given, coded: Coded, target: Sentence | None, options: SearchOptions, what_if: WhatIf | None
) -> Trace:
    network, extra = model.single.eval(), coded.extra[0]
    text, items = model.sources.items(given, coded.sources[0])
    source = Sentence(text, [Token(*item) for item in items])
    batch = pad_sources(coded.sources).to(model.device)
    encoded, encoder = record_encoder(network, batch)
    filters = filters_of(options, model.target_tokenizer)
    limit = _limit(batch.width, options, filters)
    changes = NO_CHANGES if what_if is None else changes_of(model, what_if, encoded, limit, extra)
    reference = None if target is None else [*(token.id for token in target.tokens), EOS]
    # Prepared weights search much faster; those in 8 bits would not be the network that is shown.
    own = changes.inside or model.precision != "fp32"
    beam = grow_beam(
        network if own else model.searched(),
        encoded,
        limit,
        options,
        filters=filters.steps,
        reference=reference,
        changes=changes,
    )
    best = found_of(beam)
    output = Output(
        text=model.target_tokenizer.decode(best.ids, extra),
        tokens=output_tokens(model.target_tokenizer, best.ids, extra),
        score=best.score,
        log_prob=best.log_prob,
        finished=best.finished,
    )
    taken = [*best.ids, EOS] if best.finished else best.ids
    entries = model.target_tokenizer.size + len(extra)
    recording = record_positions(network, encoded, taken, changes)
    steps = steps_of(recording, _with_end(output.tokens, best.finished), entries)
    forced = None if target is None else _forced(model, encoded, target, taken, changes, entries)
    return Trace(
        model=description(model),
        source=source,
        target=target,
        output=output,
        encoder=encoder,
        bridge=_bridge(changes.start(network, encoded), model.config.model.bridge),
        steps=steps,
        forced=forced,
        beam=beam,
        attributions=[],
        names=_names(model.target_tokenizer, extra, [steps] if forced is None else [steps, forced.steps], beam),
    )


def _limit(items: int, options: SearchOptions, filters: Filters) -> int:
    """The most positions of an output, `<eos>` counted; filters may ask for more, and those of labels for fewer."""
    limit = max(max_lengths([items], options.max_length_ratio, options.max_length)[0], filters.least_positions)
    return limit if filters.most_positions is None else min(limit, filters.most_positions)


def description(model: Model) -> dict[str, Any]:
    """The architecture, as plain values."""
    settings = model.config.model.model_dump()
    return {
        **settings,
        "source_units": model.sources.units,
        "target_units": model.target_tokenizer.units,
        "source_size": model.sources.size,
        "target_size": model.target_tokenizer.size,
        "parameters": parameter_count(model.single),
    }


def steps_of(recording: Recording, tokens: list[Token], entries: int) -> Steps:
    """What a recording says about the tokens that were taken, of `entries` items there are (V; more when copying)."""
    wide = recording.logits.dtype if recording.logits.dtype == torch.float64 else torch.float32
    log_probs = torch.log_softmax(recording.logits[:, :entries], 1, dtype=wide).clamp(min=IMPOSSIBLE)  # (T, V)
    taken = log_probs.gather(1, torch.tensor([[token.id] for token in tokens], device=log_probs.device))  # (T, 1)
    top_log_probs, top_ids = top_k(log_probs, min(TOP, entries))  # (T, k)
    return Steps(
        tokens=tokens,
        log_probs=to_array(taken[:, 0]),
        entropy=to_array(_entropy(log_probs)),
        ranks=to_array((log_probs > taken).sum(1)),
        top_ids=to_array(top_ids),
        top_log_probs=to_array(top_log_probs),
        embedding_norms=recording.embedding_norms,
        layers=recording.layers,
        attention=recording.attention,
        self_attention=recording.self_attention,
        context=recording.context,
        readout=recording.readout,
        p_gen=recording.p_gen,
    )


def output_tokens(tokenizer: Tokenizer, ids: Sequence[int], extra: Sequence[str] = ()) -> list[Token]:
    """The items of an output, each with the characters of the decoded text that it brought or changed.

    Ids beyond the vocabulary are those of the items `extra`, of a model that copies.
    """
    tokens, text = [], ""
    for place, (id_, name) in enumerate(zip(ids, tokenizer.names(ids, extra), strict=True), 1):
        longer = tokenizer.decode(ids[:place], extra)
        start = next((at for at, pair in enumerate(zip(text, longer, strict=False)) if pair[0] != pair[1]), len(text))
        start = min(start, len(longer))
        while start < len(longer) - 1 and longer[start] == " ":
            start += 1
        tokens.append(Token(name, id_, start, len(longer)))
        text = longer
    return tokens


def _sentence(tokenizer: Tokenizer, text: str, ids: Sequence[int]) -> Sentence:
    """A text and its items, the first of which have `ids`."""
    return Sentence(text, [Token(*item) for item in items_of(tokenizer, text, ids)])


def _with_end(tokens: list[Token], finished: bool) -> list[Token]:
    end = max((token.end for token in tokens), default=0)
    return [*tokens, Token("<eos>", EOS, end, end)] if finished else tokens


def _forced(
    model: Model, encoded: Encoded, target: Sentence, free: Sequence[int], changes: Changes, entries: int
) -> Forced:
    ids = [*(token.id for token in target.tokens), EOS]
    steps = steps_of(record_positions(model.single, encoded, ids, changes), _with_end(target.tokens, True), entries)
    log_prob = math.fsum(steps.log_probs.tolist())
    different = [at for at in range(max(len(ids), len(free))) if ids[at : at + 1] != list(free[at : at + 1])]
    score = length_normalised(log_prob, len(ids), model.config.search.length_penalty) + _coverage(model, encoded, ids)
    return Forced(steps, score, log_prob, different[0] if different else None)


def _coverage(model: Model, encoded: Encoded, ids: Sequence[int]) -> float:
    """What the coverage penalty adds to the score of a target (with `<eos>`), by the network's own attention."""
    beta = model.config.search.coverage_penalty
    if not beta:
        return 0.0
    target_in = torch.tensor([[BOS, *ids[:-1]]], device=model.device)
    attention = model.single.decode(target_in, encoded, return_attention=True).attention
    if attention is None:
        raise no_attention()
    return coverage_term(to_array(attention[0]), beta)


def _bridge(state: DecoderState, kind: str) -> Bridge:
    context = state.memory.context
    return Bridge(
        kind=kind if state.recurrent else "none",
        states=[to_array(part[0]) for part in state.recurrent],
        context=None if context is None else to_array(context[0]),
    )


def _entropy(log_probs: Tensor) -> Tensor:
    """Shape: (T, V) -> (T,), in nats; impossible items add nothing."""
    entropy: Tensor = torch.special.entr(log_probs.exp()).sum(1)
    return entropy


def _names(tokenizer: Tokenizer, extra: Sequence[str], runs: Sequence[Steps], beam: Beam) -> dict[str, str]:
    used: set[int] = {EOS, *beam.ids.tolist()}
    for steps in runs:
        used.update(steps.top_ids.flatten().tolist(), (token.id for token in steps.tokens))
    ids = sorted(used)
    return {str(id_): name for id_, name in zip(ids, tokenizer.names(ids, extra), strict=True)}
