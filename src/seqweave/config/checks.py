"""Settings that contradict each other: each wrong combination has its sentence.

A sentence says which setting, what it needs, what it is, and what to do. `seqweave.config` collects
them and raises them at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from seqweave.config.data_checks import data_contradictions, unread_of_data
from seqweave.config.frame_checks import data_frames, model_frames
from seqweave.config.model import ModelConfig
from seqweave.config.schema import Config
from seqweave.config.search import SearchConfig
from seqweave.config.training import TrainConfig
from seqweave.wording import CHOOSE_ATTENTION, shown

# What only one kind of layers reads. Widths, layer counts and dropout of the presets are not here:
# a preset must go with every architecture.
RECURRENT = ("cell", "residual", "layer_norm")
RECURRENT_ENCODER = ("bidirectional",)
OF_ATTENTION = (
    "attention_normalized",
    "location_positions",
    "location_filters",
    "location_width",
    "attention_window",
    "window_size",
    "coverage",
)
# Settings that only a recurrent decoder reads, and why a Transformer decoder does not.
RECURRENT_DECODER = (
    (("bridge",), "which has no recurrent state"),
    (
        ("attention", "attention_position", "attention_size", *OF_ATTENTION, "input_feeding", "context"),
        "which has its own attention",
    ),
    (("copy",), "which attends in every head of every layer, so that there is no single attention to copy by"),
    (("readout_size",), "whose readout is as wide as model.embedding_size"),
)
DRAWING = ("temperature", "top_k", "top_p", "seed")
ADDITIVE = ("additive", "concat", "location_aware")  # what coverage may enter
NORMALIZED = ("additive", "location_aware")
TRANSFORMER = ("heads", "feed_forward_size", "norm", "positions", "max_positions")


def contradictions(config: Config) -> Iterator[str]:
    """All contradictions of a whole config."""
    yield from model_contradictions(config.model)
    yield from _scheduled_sampling(config.training)
    yield from _too_long(config)
    yield from _coverage_weight(config)
    yield from _coverage_penalty(config)
    yield from _decoding(config.search)
    yield from _entmax(config)
    yield from data_contradictions(config)
    yield from data_frames(config)


def unread(config: Config) -> Iterator[str]:
    """Settings that were changed, but that nothing reads; harmless, so that folders which have them are still loaded."""
    model = config.model
    kind = model.attention
    if model.decoder == "recurrent" and kind == "none":
        names = ("attention_position", "attention_size")
        yield from _changed(model, names, "needs attention, but model.attention=none")
    elif model.decoder == "recurrent" and kind not in ADDITIVE:
        why = f"is the width inside the tanh of model.attention={_either(ADDITIVE)}, but it is {kind}"
        yield from _changed(model, ("attention_size",), why)
    if "transformer" in (model.encoder, model.decoder) and model.positions != "learned":
        yield from _changed(model, ("max_positions",), f"is for model.positions=learned, but it is {model.positions}")
    yield from unread_of_data(config)


def model_contradictions(model: ModelConfig) -> Iterator[str]:
    """All contradictions between the settings of a network."""
    yield from _of_other_layers(model)
    yield from _items(model)
    yield from model_frames(model)
    if model.decoder == "recurrent":
        yield from _recurrent_decoder(model)
    if "transformer" in (model.encoder, model.decoder):
        yield from _transformer(model)


def encoder_width(model: ModelConfig) -> int:
    """Width of what the encoder gives (E)."""
    if model.encoder == "transformer":
        return model.embedding_size
    return (2 if model.bidirectional else 1) * model.encoder_hidden_size


def _items(model: ModelConfig) -> Iterator[str]:
    """How items enter and leave the network."""
    if model.copy and model.output == "entmax15":
        yield (
            "model.copy=true mixes softmax probabilities with attention and learns from their logarithms, but "
            "model.output=entmax15 gives probabilities of 0: set model.output=softmax, or model.copy=false"
        )
    if model.tie_embeddings and model.input != "embedding":
        yield "model.tie_embeddings=true needs model.input=embedding, but it is one_hot: change one of them"
    if model.tie_embeddings and model.readout_size not in (None, model.embedding_size):
        yield (
            f"model.tie_embeddings=true needs model.readout_size equal to model.embedding_size ({model.embedding_size}), "
            f"but it is {model.readout_size}: leave model.readout_size unset"
        )


def _of_other_layers(model: ModelConfig) -> Iterator[str]:
    """Settings of layers that the network does not have; refused in folders too, unlike what `unread` finds."""
    if "recurrent" not in (model.encoder, model.decoder):
        yield from _changed(
            model, RECURRENT, "is for recurrent layers, but model.encoder and model.decoder are transformer"
        )
    if model.encoder == "transformer":
        yield from _changed(model, RECURRENT_ENCODER, "is for a recurrent encoder, but model.encoder=transformer")
    if model.decoder == "transformer":
        for names, why in RECURRENT_DECODER:
            yield from _changed(model, names, f"is for a recurrent decoder, but model.decoder=transformer, {why}")
    if "transformer" not in (model.encoder, model.decoder):
        yield from _changed(
            model, TRANSFORMER, "is for a Transformer, but model.encoder and model.decoder are recurrent"
        )


def _changed(
    settings: ModelConfig | TrainConfig | SearchConfig, names: Sequence[str], why: str, group: str = "model"
) -> Iterator[str]:
    for name in names:
        value, default = getattr(settings, name), type(settings).model_fields[name].default
        if value != default:
            remedy = "leave it unset" if default is None else f"leave it at {shown(default)}"
            yield f"{group}.{name}={shown(value)} {why}: {remedy}"


def _recurrent_decoder(model: ModelConfig) -> Iterator[str]:
    size = encoder_width(model)
    if model.attention in ("dot", "scaled_dot") and size != model.decoder_hidden_size:
        yield (
            f"model.attention={model.attention} needs queries and keys of one width, but the decoder has "
            f"{model.decoder_hidden_size} units and the encoder gives {size}: set "
            f"model.decoder_hidden_size={size}, or use model.attention=general"
        )
    if model.bridge == "copy" and size != model.decoder_hidden_size:
        yield (
            f"model.bridge=copy needs states of one width, but the encoder gives {size} and the decoder has "
            f"{model.decoder_hidden_size}: set model.decoder_hidden_size={size}, or use model.bridge=dense"
        )
    if model.attention == "none":
        yield from _without_attention(model)
    else:
        yield from _with_attention(model)
        yield from _kind_of_attention(model)


def _without_attention(model: ModelConfig) -> Iterator[str]:
    yield from _changed(model, OF_ATTENTION, "needs attention, but model.attention=none")
    if model.input_feeding:
        yield f"model.input_feeding=true needs attention, but {CHOOSE_ATTENTION}"
    if model.copy:
        yield f"model.copy=true copies by attention, but {CHOOSE_ATTENTION}"
    if model.bridge == "zero" and model.context == "first":
        yield (
            "model.bridge=zero with model.attention=none and model.context=first leaves the decoder blind to the source: "
            "set model.bridge=dense, choose an attention, or set model.context=every_step"
        )


def _kind_of_attention(model: ModelConfig) -> Iterator[str]:
    """What only some scorers and windows have."""
    kind = model.attention
    if model.coverage and kind not in ADDITIVE:
        yield (
            "model.coverage=true adds earlier weights inside the tanh of additive scores and needs model.attention="
            f"{_either(ADDITIVE)}, but it is {kind}: change one of them"
        )
    if model.attention_normalized and kind not in NORMALIZED:
        more = " (concat with a bias is additive)" if kind == "concat" else ""
        yield (
            "model.attention_normalized=true normalises the vector of additive scores and needs model.attention="
            f"{_either(NORMALIZED)}, but it is {kind}{more}: change one of them"
        )
    if kind != "location":
        yield from _changed(model, ("location_positions",), f"is for model.attention=location, but it is {kind}")
    if kind != "location_aware":
        names = ("location_filters", "location_width")
        yield from _changed(model, names, f"is for model.attention=location_aware, but it is {kind}")
    elif model.location_width % 2 == 0:
        yield (
            "model.location_width must be odd, so that a filter has a middle, but it is "
            f"{model.location_width}: set it to {model.location_width + 1}"
        )
    if model.attention_window == "global":
        yield from _changed(model, ("window_size",), "is for a local window, but model.attention_window=global")


def _either(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _with_attention(model: ModelConfig) -> Iterator[str]:
    if model.input_feeding and model.attention_position != "after":
        yield (
            "model.input_feeding=true goes with model.attention_position=after (Luong et al. 2015), but it is "
            f"{model.attention_position}: change one of them"
        )
    if model.context != "first":
        yield (
            f"model.context={model.context} is for models without attention, but model.attention={model.attention}: "
            "set model.attention=none or leave model.context=first"
        )
    if model.attention_position == "between" and model.decoder_layers < 2:
        yield "model.attention_position=between needs model.decoder_layers of 2 or more, but it is 1: raise it"


def _transformer(model: ModelConfig) -> Iterator[str]:
    if model.input != "embedding":
        yield (
            f"model.input={model.input} has no width that a Transformer could work in: "
            "set model.input=embedding, or make model.encoder and model.decoder recurrent"
        )
    if model.embedding_size % model.heads:
        yield (
            f"model.embedding_size must be a multiple of model.heads ({model.heads}), but it is {model.embedding_size}: "
            "change one of them"
        )
    elif model.positions == "rotary" and model.embedding_size // model.heads % 2:
        yield (
            "model.positions=rotary rotates pairs of numbers and needs heads of even width, but model.embedding_size="
            f"{model.embedding_size} over model.heads={model.heads} gives {model.embedding_size // model.heads}: "
            "change one of them"
        )


def _coverage_weight(config: Config) -> Iterator[str]:
    weight, default = config.training.coverage_weight, type(config.training).model_fields["coverage_weight"].default
    if weight != default and not config.model.coverage:
        yield (
            f"training.coverage_weight={weight:g} needs model.coverage=true, but it is false: "
            f"set it, or leave training.coverage_weight at {default:g}"
        )


def _coverage_penalty(config: Config) -> Iterator[str]:
    model, penalty = config.model, config.search.coverage_penalty
    if penalty and model.decoder == "recurrent" and model.attention == "none":
        yield f"search.coverage_penalty={penalty:g} needs attention, but model.attention=none: leave it at 0"


def _decoding(search: SearchConfig) -> Iterator[str]:
    """Settings that only sampling reads, and lengths that leave no room."""
    if not search.sample:
        yield from _changed(search, DRAWING, "is for sampling and needs search.sample=true, but it is false", "search")
    if search.max_length is not None and search.min_length >= search.max_length:
        yield (
            f"search.min_length={search.min_length} needs search.max_length={search.min_length + 1} or more, <eos> "
            f"counted, but it is {search.max_length}: change one of them"
        )


def _scheduled_sampling(training: TrainConfig) -> Iterator[str]:
    kind, k = training.scheduled_sampling, training.sampling_k
    if kind == "none":
        names = ("sampling_k", "sampling_slope", "sampling_floor", "sampling_feed")
        why = "is for scheduled sampling, but training.scheduled_sampling=none"
        yield from _changed(training, names, why, "training")
    elif kind != "linear":
        why = f"is for training.scheduled_sampling=linear, but it is {kind}"
        yield from _changed(training, ("sampling_slope",), why, "training")
    if kind == "exponential" and k is not None and k >= 1:
        yield (
            f"training.scheduled_sampling=exponential falls as k ** i and needs training.sampling_k below 1, but it is "
            f"{k:g}: lower it or leave it unset"
        )
    if kind == "inverse_sigmoid" and k is not None and k < 1:
        yield (
            "training.scheduled_sampling=inverse_sigmoid falls as k / (k + exp(i / k)) and needs training.sampling_k of "
            f"1 or more, but it is {k:g}: raise it or leave it unset"
        )


def _entmax(config: Config) -> Iterator[str]:
    """What does not go with probabilities of 0 and a loss that is no log-likelihood."""
    if config.model.output != "entmax15":
        return
    if config.training.label_smoothing:
        yield (
            f"training.label_smoothing={config.training.label_smoothing:g} spreads probability over all items, but "
            "model.output=entmax15 gives most of them none: set training.label_smoothing=0"
        )
    if config.training.metric == "loss":
        yield (
            "training.metric=loss is the mean of -log p over the dev items, which is infinite where "
            "model.output=entmax15 gives one of them probability 0: choose a metric of outputs, or leave it unset"
        )


def _too_long(config: Config) -> Iterator[str]:
    """Texts longer than learned positions reach, or than attention can see."""
    model, data = config.model, config.data
    if model.attention == "location" and data.max_source_length > model.location_positions:
        yield (
            f"data.max_source_length={data.max_source_length} needs as many positions, but model.attention=location "
            f"knows only model.location_positions={model.location_positions}: raise it, or lower data.max_source_length"
        )
    if model.positions != "learned":
        return
    sides = []
    if model.encoder == "transformer":
        sides.append(("data.max_source_length", data.max_source_length, 1 if data.feature_columns else 0))
    if model.decoder == "transformer":
        sides.append(("data.max_target_length", data.max_target_length, 1))  # and <bos>
        sides.append(("search.max_length", config.search.max_length or 0, 0))
        sides.append(("search.min_length", config.search.min_length, 1))  # and <eos>
    for key, length, more in sides:
        if length + more > model.max_positions:
            yield (
                f"{key}={length} needs {length + more} positions, but model.positions=learned knows only "
                f"model.max_positions={model.max_positions}: raise it, lower {key}, or use model.positions=sinusoidal"
            )
