"""One function that turns a config into modules: `build_model`."""

from __future__ import annotations

from torch import nn

from seqweave.config import ModelConfig, check_model
from seqweave.model.attention.base import Scorer
from seqweave.model.attention.scorers import ScorerSettings, build_scorer
from seqweave.model.attention.windows import build_window
from seqweave.model.cells import cell_named
from seqweave.model.decoder import Decoder
from seqweave.model.input.embeddings import Embedding, FeaturedEmbedding, OneHot, pays
from seqweave.model.input.frames import FrameInput
from seqweave.model.layers import SequenceDropout
from seqweave.model.output.base import Output
from seqweave.model.output.entmax import EntmaxOutput, entmax_library
from seqweave.model.output.pointer_generator import GateInput, PointerGenerator
from seqweave.model.output.softmax import SoftmaxOutput
from seqweave.model.recurrent.bridges import CopyBridge, DenseBridge, ZeroBridge
from seqweave.model.recurrent.decoders import AfterDecoder, BeforeDecoder, BetweenDecoder, ContextDecoder
from seqweave.model.recurrent.encoder import RecurrentEncoder, RecurrentLayer, RecurrentStack
from seqweave.model.recurrent.readouts import MaxoutReadout, PlainReadout, TanhReadout
from seqweave.model.seq2seq import Seq2Seq
from seqweave.model.transformer.encoder_decoder import TransformerDecoder, TransformerEncoder
from seqweave.model.transformer.layers import DecoderLayer, EncoderLayer
from seqweave.model.transformer.positions import Positions, build_positions


def build_model(config: ModelConfig, source_size: int, target_size: int, features: int = 0) -> Seq2Seq:
    """Build the network of a config, with fresh weights from torch's global generator.

    Args:
        config: which network.
        source_size, target_size: entries in the vocabularies; of a source of frames nothing asks for it.
        features: how many of the source's entries, the last ones, are features.

    Raises:
        ConfigError: when settings contradict each other (all contradictions at once), or need a library that
            is not installed.
    """
    check_model(config)
    check_libraries(config)
    source_input = _source_input(config, source_size, features)
    target_input = _input(config, target_size, _decoder_takes_items(config))
    encoder = _encoder(config, source_input.size)
    return Seq2Seq(
        source_input=source_input,
        encoder=encoder,
        bridge=_bridge(config, encoder.output_size),
        decoder=_decoder(config, target_input.size, encoder.output_size, _readout_size(config)),
        target_input=target_input,
        output=_output(config, target_input, encoder.output_size, target_size),
        reverse_source=config.reverse_source,
    )


def check_libraries(config: ModelConfig) -> None:
    """Raise a `ConfigError` when the network needs an optional library that is not installed."""
    if config.output == "entmax15":
        entmax_library()


def _output(config: ModelConfig, target_input: Embedding | OneHot, encoder_size: int, entries: int) -> Output:
    """The output of a config; `entries` are those of the target vocabulary."""
    size = _readout_size(config)
    dropout = _dropout(config) if config.decoder == "recurrent" else SequenceDropout(0.0)
    tied = target_input if config.tie_embeddings and isinstance(target_input, Embedding) else None
    if config.copy:
        state_size = config.decoder_hidden_size if config.copy_gate == "state" else size
        gate = GateInput(config.copy_gate, encoder_size, state_size, target_input.size)
        return PointerGenerator(size, entries, dropout, gate, tied)
    kind = EntmaxOutput if config.output == "entmax15" else SoftmaxOutput
    return kind(size, entries, dropout, tied)


def _dropout(config: ModelConfig) -> SequenceDropout:
    return SequenceDropout(config.dropout, config.variational)


def _input(config: ModelConfig, vocabulary_size: int, takes_items: bool) -> Embedding | OneHot:
    dropout = SequenceDropout(config.embedding_dropout, config.variational)
    if config.input == "one_hot":
        return OneHot(vocabulary_size, dropout, config.word_dropout)
    by_table = takes_items and pays(vocabulary_size, config.embedding_size)
    return Embedding(vocabulary_size, config.embedding_size, dropout, config.word_dropout, by_table)


def _encoder_takes_items(config: ModelConfig) -> bool:
    return config.encoder == "recurrent" and not config.residual


def _decoder_takes_items(config: ModelConfig) -> bool:
    if config.decoder != "recurrent" or config.residual:
        return False
    return config.attention != "none" or config.context == "first"


def _source_input(config: ModelConfig, size: int, features: int) -> Embedding | OneHot | FeaturedEmbedding | FrameInput:
    if config.frame_size:
        dropout = SequenceDropout(config.embedding_dropout, config.variational)
        return FrameInput(config.frame_size, config.embedding_size, dropout)
    takes_items = _encoder_takes_items(config)
    if not features:
        return _input(config, size, takes_items)
    text = _input(config, size - features, takes_items=False)
    by_table = takes_items and config.input == "embedding" and pays(size, config.embedding_size)
    dropout = SequenceDropout(config.embedding_dropout, config.variational)
    width = config.feature_size or config.embedding_size
    return FeaturedEmbedding(text, size - features, features, width, dropout, by_table)


def _encoder(config: ModelConfig, input_size: int) -> RecurrentEncoder | TransformerEncoder:
    if config.encoder == "transformer":
        return _transformer_encoder(config)
    directions = 2 if config.bidirectional else 1
    sizes = [input_size] + [directions * config.encoder_hidden_size] * (config.encoder_layers - 1)
    cell = cell_named(config.cell)
    layers = [[RecurrentLayer(cell, s, config.encoder_hidden_size) for s in sizes] for _ in range(directions)]
    backwards = layers[1] if config.bidirectional else []
    return RecurrentEncoder(layers[0], backwards, _dropout(config), config.residual, config.layer_norm)


def _transformer_encoder(config: ModelConfig) -> TransformerEncoder:
    size = config.embedding_size
    made = [
        EncoderLayer(size, config.heads, _feed_forward_size(config), config.norm, _dropout(config))
        for _ in range(config.encoder_layers)
    ]
    parts = _state_parts(config) if config.decoder == "recurrent" else 0
    return TransformerEncoder(made, _positions(config, "source"), _last_norm(config), _dropout(config), size, parts)


def _transformer_decoder(config: ModelConfig, encoder_size: int) -> TransformerDecoder:
    size = config.embedding_size
    made = [
        DecoderLayer(size, encoder_size, config.heads, _feed_forward_size(config), config.norm, _dropout(config))
        for _ in range(config.decoder_layers)
    ]
    return TransformerDecoder(made, _positions(config, "target"), _last_norm(config), _dropout(config))


def _feed_forward_size(config: ModelConfig) -> int:
    return config.feed_forward_size or 4 * config.embedding_size


def _last_norm(config: ModelConfig) -> nn.Module:
    return nn.LayerNorm(config.embedding_size) if config.norm == "pre" else nn.Identity()


def _positions(config: ModelConfig, side: str) -> Positions:
    return build_positions(config.positions, config.embedding_size, config.heads, config.max_positions, side)


def _readout_size(config: ModelConfig) -> int:
    if config.tie_embeddings or config.decoder == "transformer":
        return config.embedding_size
    return config.readout_size or config.decoder_hidden_size


def _state_parts(config: ModelConfig) -> int:
    return cell_named(config.cell).state_parts


def _final_layers(config: ModelConfig) -> int:
    """Layers whose final states the encoder gives."""
    return config.encoder_layers if config.encoder == "recurrent" else 1


def _bridge(config: ModelConfig, encoder_size: int) -> nn.Module:
    if config.decoder == "transformer":
        return ZeroBridge(0, 0)
    parts = _state_parts(config)
    layers = (_final_layers(config), config.decoder_layers)
    if config.bridge == "zero":
        return ZeroBridge(parts * config.decoder_layers, config.decoder_hidden_size)
    if config.bridge == "copy":
        return CopyBridge(*layers, parts)
    return DenseBridge(encoder_size, config.decoder_hidden_size, *layers, parts)


def _stack(config: ModelConfig, input_size: int, layers: int) -> RecurrentStack:
    hidden = config.decoder_hidden_size
    sizes = [input_size] + [hidden] * (layers - 1)
    made = [RecurrentLayer(cell_named(config.cell), size, hidden) for size in sizes]
    return RecurrentStack(made, _dropout(config), config.residual, config.layer_norm)


def _scorer(config: ModelConfig, encoder_size: int) -> Scorer:
    settings = ScorerSettings(
        config.decoder_hidden_size,
        encoder_size,
        config.attention_size or config.decoder_hidden_size,
        normalized=config.attention_normalized,
        coverage=config.coverage,
        positions=config.location_positions,
        filters=config.location_filters,
        width=config.location_width,
    )
    return build_scorer(config.attention, settings)


def _decoder(config: ModelConfig, embedded: int, encoder_size: int, size: int) -> Decoder:
    """The decoder of a config; `embedded` is M, `encoder_size` E, `size` the readout's width."""
    if config.decoder == "transformer":
        return _transformer_decoder(config, encoder_size)
    hidden, layers = config.decoder_hidden_size, config.decoder_layers
    parts = _state_parts(config)
    if config.attention == "none":
        final_index = parts * (_final_layers(config) - 1)
        if config.context == "first":
            return ContextDecoder(_stack(config, embedded, layers), PlainReadout(hidden, size), False, final_index)
        maxout = MaxoutReadout(hidden + embedded + encoder_size, size)
        return ContextDecoder(_stack(config, embedded + encoder_size, layers), maxout, True, final_index)
    scorer, window = _scorer(config, encoder_size), build_window(config.attention_window, hidden, config.window_size)
    if config.attention_position == "before":
        maxout = MaxoutReadout(hidden + embedded + encoder_size, size)
        return BeforeDecoder(
            _stack(config, embedded + encoder_size, layers), scorer, maxout, parts * (layers - 1), window
        )
    tanh = TanhReadout(encoder_size + hidden, size)
    if config.attention_position == "between":
        bottom = _stack(config, embedded, 1)
        return BetweenDecoder(bottom, _stack(config, hidden + encoder_size, layers - 1), scorer, tanh, window)
    fed = size if config.input_feeding else 0
    return AfterDecoder(_stack(config, embedded + fed, layers), scorer, tanh, size, config.input_feeding, window)
