"""`optimized`: a network for decoding, with weights optimized for it.

The result is the network's own to within the rounding of its type (fp32): the same products,
some of them done once instead of at every step.
"""

from __future__ import annotations

from typing import overload

import torch
from torch import Tensor

from seqweave.model.ensemble import Ensemble
from seqweave.model.input.embeddings import Embedding, OneHot
from seqweave.model.optimized.cells import has_bounded_states, supported
from seqweave.model.optimized.decoders import OptimizedDecoder, optimized_decoder
from seqweave.model.optimized.encoder import optimized_encoder
from seqweave.model.optimized.int8 import int8_works
from seqweave.model.optimized.linear import linear, packing_works
from seqweave.model.optimized.lookup import shown
from seqweave.model.optimized.state import OptimizedState
from seqweave.model.output.softmax import SoftmaxOutput
from seqweave.model.recurrent.bridges import CopyBridge
from seqweave.model.recurrent.decoders import BetweenDecoder
from seqweave.model.recurrent.encoder import RecurrentEncoder, RecurrentLayer
from seqweave.model.seq2seq import Seq2Seq
from seqweave.model.state import DecoderOutput, Encoded, StepOutput

_SHORT = 8  # positions


class OptimizedSeq2Seq:
    """A network behind the same contract, with optimized steps; it does not follow later changes of weights.

    Attributes:
        precision: of its matrix products, fp32 or int8.
    """

    def __init__(self, network: Seq2Seq, decoder: OptimizedDecoder, *, int8: bool):
        self.precision = "int8" if int8 else "fp32"
        self._network = network
        self._decoder = decoder
        self._encoder = (
            None if network.reverse_source else optimized_encoder(network.encoder, network.source_input, int8=int8)
        )
        weight, bias = network.output.table().detach(), network.output.bias.detach()
        if decoder.shift:
            bias = bias + decoder.shift * weight.sum(1)
        self._output = linear(weight * decoder.scale, bias, decoder.span, int8=int8)

    def encode(self, source: Tensor, source_lengths: Tensor, source_copies: Tensor | None = None) -> Encoded:
        """Read the sources; shapes as in `Seq2Seq.encode`."""
        rows, positions = source.shape[:2]
        # One long row is faster through torch's own kernels.
        own = rows == 1 and positions > _SHORT and self.precision == "fp32"
        if self._encoder is None or own:
            return self._network.encode(source, source_lengths, source_copies)
        return self._encoder(source, source_lengths)

    def decode(self, target_in: Tensor, encoded: Encoded, return_attention: bool = False) -> DecoderOutput:
        """Teacher forcing, by the network itself."""
        return self._network.decode(target_in, encoded, return_attention)

    def start(self, encoded: Encoded) -> OptimizedState:
        """The state before the first step, one row for each sentence."""
        return self._decoder.start(encoded, self._network.bridge(encoded))

    def step(self, ids: Tensor, state: OptimizedState, return_attention: bool = False) -> StepOutput[OptimizedState]:
        """One item for each row. Shape: ids (R,) -> logits (R, V), attention (R, S)."""
        readout, after, weights = self._decoder.step(ids, state)
        attention = None if weights is None or not return_attention else shown(weights, state.memory)
        return StepOutput(self._output(readout), after, attention)


@overload
def optimized(network: Seq2Seq, *, int8: bool = False) -> Seq2Seq | OptimizedSeq2Seq: ...


@overload
def optimized(network: Seq2Seq | Ensemble, *, int8: bool = False) -> Seq2Seq | OptimizedSeq2Seq | Ensemble: ...


@torch.inference_mode()
def optimized(network: Seq2Seq | Ensemble, *, int8: bool = False) -> Seq2Seq | OptimizedSeq2Seq | Ensemble:
    """The network with optimized weights where that is possible, else the network as it is.

    Possible: recurrent decoders on a processor, in fp32, with a softmax, unless a residual connection
    reads the input of the first layer. Of an ensemble each member is optimized for itself.

    Args:
        int8: matrix products in 8 bits (`seqweave.model.optimized.int8`), where the processor is fast at them;
            `precision_of` tells.
    """
    int8 = int8 and int8_works()
    if isinstance(network, Ensemble):
        members = [optimized(member, int8=int8) for member in network.networks]
        return network if members == list(network.networks) else Ensemble(members)
    embedding = network.target_input
    if not isinstance(embedding, Embedding | OneHot) or not _is_plain(network) or not packing_works():
        return network
    int8 = int8 and _has_bounded_states(network) and _is_finite(network)
    vectors = embedding.weight.detach() if isinstance(embedding, Embedding) else None
    decoder = optimized_decoder(network.decoder, vectors, embedding.size, int8=int8)
    return network if decoder is None else OptimizedSeq2Seq(network, decoder, int8=int8)


def _has_bounded_states(network: Seq2Seq) -> bool:
    """Whether hidden states lie between -1 and 1, as 8 bits want it: not those copied from a Transformer."""
    if not all(has_bounded_states(layer) for layer in network.modules() if isinstance(layer, RecurrentLayer)):
        return False
    return isinstance(network.encoder, RecurrentEncoder) or not isinstance(network.bridge, CopyBridge)


def _is_finite(network: Seq2Seq) -> bool:
    """Whether all weights are numbers: NaN has no 8 bits, and would become an output like any other."""
    return all(bool(part.isfinite().all()) for part in network.parameters())


def precision_of(network: object) -> str:
    """The precision of the matrix products of what `optimized` gave, or of a network: fp32, int8, and so on."""
    if isinstance(network, Ensemble):
        return ", ".join(dict.fromkeys(precision_of(member) for member in network.networks))
    return network.precision if isinstance(network, OptimizedSeq2Seq) else "fp32"


def _is_plain(network: Seq2Seq) -> bool:
    """Whether the optimized steps know what this network does."""
    if any(part.dtype != torch.float32 or part.device.type != "cpu" for part in network.parameters()):
        return False
    if not isinstance(network.output, SoftmaxOutput):
        return False
    decoder = network.decoder
    stacks = (
        [decoder.bottom, decoder.above] if isinstance(decoder, BetweenDecoder) else [getattr(decoder, "stack", None)]
    )
    scorer = getattr(decoder, "scorer", None)
    if (scorer is not None and scorer.form() is None) or getattr(decoder, "window", None) is not None:
        return False
    return all(stack is not None and supported(stack, stack.stack_layers()[0].input_size) for stack in stacks)
