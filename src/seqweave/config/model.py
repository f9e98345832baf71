"""The settings `model.*`: what rebuilds the network."""

from __future__ import annotations

import warnings
from typing import Literal

from pydantic import Field

from seqweave.config.group import BY_FORMAT, DEEPEST, WIDEST, Group

Cell = Literal["rnn", "gru", "lstm", "irnn"]
Layers = Literal["recurrent", "transformer"]
Norm = Literal["pre", "post"]
PositionKind = Literal["sinusoidal", "learned", "rotary"]
AttentionKind = Literal[
    "none", "additive", "dot", "scaled_dot", "general", "concat", "cosine", "location", "location_aware"
]
AttentionWindow = Literal["global", "local_m", "local_p"]
AttentionPosition = Literal["before", "after", "between"]
Output = Literal["softmax", "entmax15"]

# pydantic warns of a field with the name of an old method of its own, which nobody calls here.
warnings.filterwarnings("ignore", 'Field name "copy" in "ModelConfig" shadows an attribute', UserWarning)


class ModelConfig(Group):
    """What rebuilds the network."""

    encoder: Layers = Field("recurrent", description="what reads the source")
    decoder: Layers = Field("recurrent", description="what writes the target; any encoder goes with any decoder")
    cell: Cell = Field("lstm", description="recurrent cell of encoder and decoder")
    input: Literal["embedding", "one_hot"] = Field("embedding", description="learned embeddings, or one-hot vectors")
    frame_size: int = Field(
        0,
        ge=0,
        le=WIDEST,
        description="floats in a frame, for sources of float vectors (from Python only); 0: sources of items",
    )
    feature_size: int | None = Field(
        None, ge=1, le=WIDEST, description="width of a source tag's embedding; unset: embedding_size"
    )
    embedding_size: int = Field(256, ge=1, le=WIDEST, description="width of an embedding (M) and of a Transformer")
    encoder_hidden_size: int = Field(256, ge=1, le=WIDEST, description="units of a recurrent encoder in each direction")
    decoder_hidden_size: int = Field(512, ge=1, le=WIDEST, description="units of a recurrent decoder (H)")
    encoder_layers: int = Field(1, ge=1, le=DEEPEST, description="layers of the encoder")
    decoder_layers: int = Field(1, ge=1, le=DEEPEST, description="layers of the decoder")
    bidirectional: bool = Field(True, description="read the source in both directions")
    residual: bool = Field(False, description="add a layer's input to its output where the widths are equal")
    layer_norm: bool = Field(False, description="normalise the output of every recurrent layer")
    reverse_source: bool = Field(False, description="read the source last item first (Sutskever et al. 2014)")
    bridge: Literal["zero", "copy", "dense"] = Field(
        "dense", description="how the encoder's final state becomes the decoder's first state"
    )
    attention: AttentionKind = Field(
        "general", description="how attention scores a source position; none: no attention"
    )
    attention_position: AttentionPosition = Field(
        "after",
        description="which state of the decoder asks where to look: the previous one (before), the new one (after), "
        "or the bottom layer's (between)",
    )
    attention_size: int | None = Field(
        None,
        ge=1,
        le=WIDEST,
        description="width of additive, concat and location_aware attention (A); unset: decoder_hidden_size",
    )
    attention_normalized: bool = Field(
        False, description="weight-normalise v of additive and location_aware attention (Salimans & Kingma 2016)"
    )
    location_positions: int = Field(
        512,
        ge=1,
        le=1_000_000,
        description="source positions that attention=location knows; it cannot look at later ones",
    )
    location_filters: int = Field(10, ge=1, le=WIDEST, description="filters of attention=location_aware")
    location_width: int = Field(
        31, ge=1, le=WIDEST, description="source positions that a filter of attention=location_aware spans, odd"
    )
    attention_window: AttentionWindow = Field(
        "global",
        description="where attention may look: anywhere (global), around the target's own position (local_m), or "
        "around a predicted one (local_p)",
    )
    window_size: int = Field(
        10, ge=1, le=WIDEST, description="source positions to each side of the centre of a local window (D)"
    )
    coverage: bool = Field(
        False,
        description="the sum of earlier weights enters the scores of additive, concat and location_aware attention",
    )
    input_feeding: bool = Field(
        False, description="feed the attentional state to the next position (attention_position=after)"
    )
    copy: bool = Field(  # type: ignore[assignment]
        False, description="outputs may also be copied from the source: pointer-generator (See et al. 2017)"
    )
    copy_gate: Literal["state", "readout"] = Field(
        "state",
        description="what p_gen of a model that copies reads beside context and input",
        json_schema_extra=BY_FORMAT,
    )
    context: Literal["first", "every_step"] = Field(
        "first",
        description="without attention: give the encoder's final state to the decoder's first state only (first), or "
        "to every position as well (every_step)",
    )
    readout_size: int | None = Field(
        None,
        ge=1,
        le=WIDEST,
        description="width of the readout before the output layer; unset: decoder_hidden_size, or embedding_size "
        "when tied",
    )
    tie_embeddings: bool = Field(False, description="the output layer shares the target embedding's weights")
    output: Output = Field(
        "softmax",
        description="how logits become probabilities; entmax15 gives most items exactly 0 (Peters et al. 2019)",
    )
    heads: int = Field(
        4, ge=1, le=1024, description="Transformer: attention heads, which divide embedding_size among them"
    )
    feed_forward_size: int | None = Field(
        None,
        ge=1,
        le=4 * WIDEST,
        description="Transformer: inner width of the feed-forward layers; unset: 4 times embedding_size",
    )
    norm: Norm = Field(
        "pre",
        description="Transformer: layer norm before each sub-layer (Xiong et al. 2020), or after (Vaswani et al. 2017)",
    )
    positions: PositionKind = Field("sinusoidal", description="Transformer: how positions are encoded")
    max_positions: int = Field(
        1024, ge=1, le=1_000_000, description="Transformer: most positions that positions=learned can encode"
    )
    dropout: float = Field(0.2, ge=0, lt=1, description="dropout between layers and before the output layer")
    variational: bool = Field(
        False,
        description="one dropout mask for a whole sequence, on inputs and outputs of layers but not on recurrent "
        "states (after Gal & Ghahramani 2016)",
    )
    embedding_dropout: float = Field(0.0, ge=0, lt=1, description="dropout on the embeddings")
    word_dropout: float = Field(0.0, ge=0, lt=1, description="share of input items replaced by <unk> in training")
