"""Names and shapes of a network's tensors, from its settings and vocabularies alone: no torch, nothing built.

What a header of weights is compared with before anything is made of a folder. Without this, the settings of a
stranger's folder would decide how much memory the first look at it takes. `seqweave.model.build` is what the shapes
are those of; a test compares the two over every architecture, so a new cell or scorer also has its line here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from seqweave.config import AttentionKind, ModelConfig

Shape = tuple[int, ...]
Shapes = dict[str, Shape]

GATES = {"rnn": 1, "gru": 3, "lstm": 4, "irnn": 1}
"""Blocks of rows in the weights of a recurrent cell."""
STATE_PARTS = {"lstm": 2}
"""Tensors in the state of a cell, where they are more than one."""


@dataclass(frozen=True)
class Vocabularies:
    """Entries on each side; the last `features` of the source's are source tags. A source of frames has none."""

    source: int
    target: int
    features: int = 0


def tensor_shapes(config: ModelConfig, entries: Vocabularies) -> Shapes:
    """The tensors of the network that `build_model` makes of the same settings and vocabularies."""
    source_size = config.embedding_size
    if config.input == "one_hot" and not config.frame_size:
        source_size = entries.source - entries.features
    target_size = entries.target if config.input == "one_hot" else config.embedding_size
    encoder_size = _encoder_size(config)
    parts = {
        "source_input": _source_input(config, entries),
        "target_input": _table(config, entries.target),
        "encoder": _transformer_encoder(config) if config.encoder == "transformer" else _encoder(config, source_size),
        "bridge": _bridge(config, encoder_size),
        "decoder": _decoder(config, target_size, encoder_size),
        "output": _output(config, entries.target, target_size, encoder_size),
    }
    return {f"{part}.{name}": shape for part, shapes in parts.items() for name, shape in shapes.items()}


def _encoder_size(config: ModelConfig) -> int:
    """Width of the encoder's outputs (E)."""
    if config.encoder == "transformer":
        return config.embedding_size
    return config.encoder_hidden_size * (2 if config.bidirectional else 1)


def _readout_size(config: ModelConfig) -> int:
    if config.tie_embeddings or config.decoder == "transformer":
        return config.embedding_size
    return config.readout_size or config.decoder_hidden_size


def _under(prefix: str, shapes: Mapping[str, Shape]) -> Shapes:
    return {f"{prefix}.{name}": shape for name, shape in shapes.items()}


def _linear(input_size: int, size: int, bias: bool = True) -> Shapes:
    return {"weight": (size, input_size), **({"bias": (size,)} if bias else {})}


def _norm(size: int) -> Shapes:
    return {"weight": (size,), "bias": (size,)}


def _table(config: ModelConfig, entries: int) -> Shapes:
    return {} if config.input == "one_hot" else {"weight": (entries, config.embedding_size)}


def _source_input(config: ModelConfig, entries: Vocabularies) -> Shapes:
    if config.frame_size:
        return _under("project", _linear(config.frame_size, config.embedding_size))
    if not entries.features:
        return _table(config, entries.source)
    text = entries.source - entries.features
    size = text if config.input == "one_hot" else config.embedding_size
    width = config.feature_size or config.embedding_size
    project = {} if width == size else _under("project", _linear(width, size, bias=False))
    return {"weight": (entries.features, width), **_under("text", _table(config, text)), **project}


def _layers(cell: str, sizes: list[int], hidden: int) -> Iterator[tuple[str, Shape]]:
    """Recurrent layers on top of each other, by the widths of what they read."""
    rows = GATES[cell] * hidden
    for layer, size in enumerate(sizes):
        yield f"{layer}.weight_ih", (rows, size)
        yield f"{layer}.weight_hh", (rows, hidden)
        yield f"{layer}.bias_ih", (rows,)
        yield f"{layer}.bias_hh", (rows,)


def _norms(config: ModelConfig, layers: int, size: int) -> Shapes:
    if not config.layer_norm:
        return {}
    return {f"norms.{layer}.{name}": shape for layer in range(layers) for name, shape in _norm(size).items()}


def _encoder(config: ModelConfig, source_size: int) -> Shapes:
    size = _encoder_size(config)
    sizes = [source_size] + [size] * (config.encoder_layers - 1)
    shapes = _norms(config, config.encoder_layers, size)
    for direction in ("forwards", "backwards") if config.bidirectional else ("forwards",):
        shapes |= _under(direction, dict(_layers(config.cell, sizes, config.encoder_hidden_size)))
    return shapes


def _stack(config: ModelConfig, input_size: int, layers: int) -> Shapes:
    hidden = config.decoder_hidden_size
    made = dict(_layers(config.cell, [input_size] + [hidden] * (layers - 1), hidden))
    return {**_under("layers", made), **_norms(config, layers, hidden)}


def _bridge(config: ModelConfig, encoder_size: int) -> Shapes:
    if config.decoder == "transformer" or config.bridge != "dense":
        return {}
    maps = config.decoder_layers * STATE_PARTS.get(config.cell, 1)
    each = _linear(encoder_size, config.decoder_hidden_size)
    return {f"maps.{number}.{name}": shape for number in range(maps) for name, shape in each.items()}


def _decoder(config: ModelConfig, target_size: int, encoder_size: int) -> Shapes:
    if config.decoder == "transformer":
        return _transformer_decoder(config, encoder_size)
    hidden, layers, size = config.decoder_hidden_size, config.decoder_layers, _readout_size(config)
    maxout = _under("readout.linear", _linear(hidden + target_size + encoder_size, 2 * size))
    if config.attention == "none":
        if config.context == "every_step":
            return {**_under("stack", _stack(config, target_size + encoder_size, layers)), **maxout}
        plain = {} if hidden == size else _under("readout.linear", _linear(hidden, size))
        return {**_under("stack", _stack(config, target_size, layers)), **plain}
    looks = {**_under("scorer", SCORERS[config.attention](config, encoder_size)), **_window(config)}
    if config.attention_position == "before":
        return {**_under("stack", _stack(config, target_size + encoder_size, layers)), **maxout, **looks}
    tanh = _under("readout.linear", _linear(encoder_size + hidden, size, bias=False))
    if config.attention_position == "between":
        above = _stack(config, hidden + encoder_size, layers - 1)
        return {**_under("bottom", _stack(config, target_size, 1)), **_under("above", above), **tanh, **looks}
    fed = size if config.input_feeding else 0
    return {**_under("stack", _stack(config, target_size + fed, layers)), **tanh, **looks}


def _window(config: ModelConfig) -> Shapes:
    if config.attention_window != "local_p":
        return {}
    hidden = config.decoder_hidden_size
    return {"window.project.weight": (hidden, hidden), "window.direction.weight": (1, hidden)}


def _additive(config: ModelConfig, encoder_size: int, *, bias: bool) -> Shapes:
    """The scores of Bahdanau; with coverage they are a part of a scorer."""
    size = config.attention_size or config.decoder_hidden_size
    shapes = {
        **_under("query", _linear(config.decoder_hidden_size, size, bias=False)),
        **_under("key", _linear(encoder_size, size, bias)),
        "direction.weight": (1, size),
        **({"gain": ()} if config.attention_normalized else {}),
    }
    if config.attention == "location_aware" or config.coverage:
        shapes = _under("additive", shapes)
    return {**shapes, **({"coverage.weight": (size, 1)} if config.coverage else {})}


def _location_aware(config: ModelConfig, encoder_size: int) -> Shapes:
    size, filters = config.attention_size or config.decoder_hidden_size, config.location_filters
    return {
        **_additive(config, encoder_size, bias=True),
        "convolution.weight": (filters, 1, config.location_width),
        "features.weight": (size, filters),
    }


SCORERS: dict[AttentionKind, Callable[[ModelConfig, int], Shapes]] = {
    "additive": lambda config, size: _additive(config, size, bias=True),
    "dot": lambda config, size: {},
    "scaled_dot": lambda config, size: {},
    "general": lambda config, size: {"project.weight": (config.decoder_hidden_size, size)},
    "concat": lambda config, size: _additive(config, size, bias=False),
    "cosine": lambda config, size: {"project.weight": (size, config.decoder_hidden_size), "strength": ()},
    "location": lambda config, size: {"project.weight": (config.location_positions, config.decoder_hidden_size)},
    "location_aware": _location_aware,
}
"""The tensors of a scorer, by its name, from the settings and the encoder's width."""


def _transformer_layer(config: ModelConfig, attentions: Mapping[str, Shapes]) -> Shapes:
    """One layer: its attentions by name, the feed-forward part, and a norm around each."""
    size = config.embedding_size
    inner = config.feed_forward_size or 4 * size
    shapes = {
        **_under("feed_forward.inner", _linear(size, inner)),
        **_under("feed_forward.output", _linear(inner, size)),
    }
    for name, attention in attentions.items():
        shapes |= {**_under(name, attention), f"{name}.output.weight": (size, size)}
    for name in (*attentions, "feed_forward"):
        shapes |= _under(f"around_{name}.norm", _norm(size))
    return shapes


def _transformer(config: ModelConfig, layers: int, layer: Shapes) -> Shapes:
    shapes = {f"layers.{number}.{name}": shape for number in range(layers) for name, shape in layer.items()}
    if config.norm == "pre":
        shapes |= _under("norm", _norm(config.embedding_size))
    if config.positions == "learned":
        shapes["positions.weight"] = (config.max_positions, config.embedding_size)
    return shapes


def _transformer_encoder(config: ModelConfig) -> Shapes:
    size = config.embedding_size
    return _transformer(config, config.encoder_layers, _transformer_layer(config, {"attention": _own(size)}))


def _transformer_decoder(config: ModelConfig, encoder_size: int) -> Shapes:
    size = config.embedding_size
    cross: Shapes = {"query.weight": (size, size), "project.weight": (2 * size, encoder_size)}
    return _transformer(config, config.decoder_layers, _transformer_layer(config, {"own": _own(size), "cross": cross}))


def _own(size: int) -> Shapes:
    return {"project.weight": (3 * size, size)}


def _output(config: ModelConfig, entries: int, target_size: int, encoder_size: int) -> Shapes:
    size = _readout_size(config)
    shapes: Shapes = {"bias": (entries,)}
    if not config.tie_embeddings or config.input == "one_hot":
        shapes["weight"] = (entries, size)
    if config.copy:
        state_size = config.decoder_hidden_size if config.copy_gate == "state" else size
        shapes |= _under("gate", _linear(encoder_size + state_size + target_size, 1))
    return shapes
