"""The works and variants of the speed bench, and how many operations a token of each costs.

A work is a model size and a batch size that all peers share (see the README of the peers' bench). A
variant says which of our models runs it: parts joined by commas, in any order, each with a default.

    after | after-dot | between | before     where attention sits, and its scorer (default: after)
    transformer                              a Transformer of the embedding's width, about as many parameters
    lstm | gru                               the cell (default: LSTM; `before`: that of the work)
    fp32 | auto                              precision (default: auto, which is what users get)
    own                                      decoding: our own batches in place of the bench's
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

DECODERS: dict[str, dict[str, Any]] = {
    "after": {"attention": "general", "attention_position": "after", "decoder_layers": 1},
    "after-dot": {"attention": "dot", "attention_position": "after", "decoder_layers": 1},
    # Attention between two layers needs a second one, which no peer has: more work a token.
    "between": {"attention": "general", "attention_position": "between", "decoder_layers": 2},
    "before": {"attention": "additive", "attention_position": "before", "decoder_layers": 1},
    "transformer": {"encoder": "transformer", "decoder": "transformer", "decoder_layers": 1},
}
CELLS = ("lstm", "gru")
PRECISIONS = ("auto", "fp32")


@dataclass(frozen=True)
class Work:
    """Sizes that all peers share; `encoder` is units a direction, `forced` the output length in decoding.

    `transformer_layers`, a side, give a Transformer about as many parameters as `after` has without
    embeddings and vocabulary layer.
    """

    name: str
    cell: str
    embedding: int
    encoder: int
    decoder: int
    batch: int
    rate: float
    forced: int
    layers: int = 1
    transformer_layers: int = 1


WORKS = {
    "w1": Work("w1", "gru", 256, 256, 512, 64, 5e-4, 14, transformer_layers=2),
    "w2": Work("w2", "lstm", 256, 256, 256, 256, 1e-3, 6),
}


@dataclass(frozen=True)
class Variant:
    """One of our models on a work."""

    decoder: str = "after"
    cell: str = "lstm"
    precision: str = "auto"
    own_batches: bool = False
    int8: bool = False  # in decoding


def parse_variant(text: str, work: Work) -> Variant:
    """Read a variant such as `before,fp32`.

    Raises:
        ValueError: when a part is unknown, or `after-dot` meets a work whose widths differ.
    """
    decoder, cell, precision, own, int8 = "after", "", "auto", False, False
    for part in filter(None, text.split(",")):
        if part in DECODERS:
            decoder = part
        elif part in CELLS:
            cell = part
        elif part in PRECISIONS:
            precision = part
        elif part == "own":
            own = True
        elif part == "int8":
            int8 = True
        else:
            known = ", ".join([*DECODERS, *CELLS, *PRECISIONS, "own", "int8"])
            raise ValueError(f"a variant is made of {known}, but one part is {part!r}")
    if decoder == "after-dot" and 2 * work.encoder != work.decoder:
        raise ValueError(
            f"after-dot needs as many decoder units as the encoder gives ({2 * work.encoder}), "
            f"but {work.name} has {work.decoder}: use after"
        )
    return Variant(decoder, cell or (work.cell if decoder == "before" else "lstm"), precision, own, int8)


def settings(work: Work, variant: Variant) -> dict[str, Any]:
    """Dotted settings of `seqweave.config` for a variant of a work; no dropout and no smoothing, as the peers."""
    decoder = dict(DECODERS[variant.decoder])
    layers = work.transformer_layers if variant.decoder == "transformer" else work.layers
    decoder["decoder_layers"] = max(decoder["decoder_layers"], layers)
    model = {
        "cell": variant.cell,
        "embedding_size": work.embedding,
        "encoder_hidden_size": work.encoder,
        "decoder_hidden_size": work.decoder,
        "encoder_layers": layers,
        "dropout": 0.0,
        **decoder,
    }
    training = {
        "learning_rate": work.rate,
        "schedule": "constant",
        "warmup_steps": 0,
        "label_smoothing": 0.0,
        "clip_norm": 1.0,
        "max_batch_pairs": work.batch,
        "batch_tokens": 1_000_000,  # the pairs alone limit a batch
        "precision": variant.precision,
    }
    side = {"units": "space", "normalize": "none"}
    return {
        **{f"model.{key}": value for key, value in model.items()},
        **{f"training.{key}": value for key, value in training.items()},
        "search.precision": "int8" if variant.int8 else "fp32",
        **{f"data.source.{key}": value for key, value in side.items()},
        **{f"data.target.{key}": value for key, value in side.items()},
    }


@dataclass(frozen=True)
class Cost:
    """Multiply-adds of a forward pass: for a source position, a target position, and pairs of positions."""

    source: int
    target: int
    pair: int  # a source and a target position
    sources: int = 0  # two source positions
    targets: int = 0  # two target positions


def cost(work: Work, variant: Variant, source_vocabulary: int, target_vocabulary: int) -> Cost:
    """Multiply-adds of the matrix products and of attention; element-wise work is not counted.

    A small vocabulary enters the recurrence as one-hot vectors (`seqweave.model.input.one_hot`), which is less
    work; the tables that this takes are made once a batch and not counted.
    """
    # Both bring torch, which must not come before the threads are set.
    from seqweave.model.cells import cell_named
    from seqweave.model.input.embeddings import pays

    M, H, D = work.embedding, work.encoder, work.decoder
    given, fed = (size if pays(size, M) else M for size in (source_vocabulary, target_vocabulary))
    if variant.decoder == "transformer":  # four projections, a feed-forward layer of 4M; the decoder attends twice
        N = work.transformer_layers
        source, target = N * 12 * M * M + N * 2 * M * M, N * 14 * M * M + M * target_vocabulary
        return Cost(source, target, N * 2 * M, sources=N * 2 * M, targets=N * M)  # causal: half of the pairs
    gates = cell_named(variant.cell).gates
    E = 2 * H
    encoder = 2 * gates * H * (given + H) + (work.layers - 1) * 2 * gates * H * (E + H)
    layers = max(int(DECODERS[variant.decoder]["decoder_layers"]), work.layers)
    upper = gates * D * (D + D)
    generator = D * target_vocabulary
    if variant.decoder == "before":  # keys; query, cell with the context, maxout over two halves
        target = D * D + gates * D * (fed + E + D) + (layers - 1) * upper + (D + fed + E) * 2 * D + generator
        return Cost(encoder + E * D, target, D + E)
    keys = 0 if variant.decoder == "after-dot" else E * D
    readout = (E + D) * D
    if variant.decoder == "between":
        target = gates * D * (fed + D) + gates * D * (D + E + D) + (layers - 2) * upper + readout + generator
    else:
        target = gates * D * (fed + D) + (layers - 1) * upper + readout + generator
    return Cost(encoder + keys, target, D + E)


def training_flops(each: Cost, lengths: Iterable[tuple[int, int]]) -> float:
    """FLOPs of training for a counted token: three forward passes' worth, on real positions.

    Tokens are source and target items without specials, as the bench counts them; the end of a
    target is a position that costs but does not count.
    """
    total = tokens = 0
    for source, target in lengths:
        positions = target + 1
        total += source * each.source + positions * each.target + source * positions * each.pair
        total += source * source * each.sources + positions * positions * each.targets
        tokens += source + target
    return 6.0 * total / tokens
