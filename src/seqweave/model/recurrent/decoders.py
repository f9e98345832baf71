"""Recurrent decoders: where the context comes from, and where it enters.

`forward` takes a whole teacher-forced sequence. Where attention has no path back into the first recurrence (no
attention, `after` without input feeding, `between`), the sequence goes through fused kernels; else it steps, in one
function with a derivative written by hand (`seqweave.model.kernels.loops`). `looped` repeats `step`: it is the readable
twin that tests the fast forms, and runs what they leave out (residual connections or layer normalisation in a decoder
that steps).
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from seqweave.model.attention.base import Scorer, Window
from seqweave.model.decoder import Step, looped
from seqweave.model.input.one_hot import OneHotInput
from seqweave.model.recurrent.attending import Attending
from seqweave.model.recurrent.encoder import RecurrentStack
from seqweave.model.recurrent.fused import before_features, feeding_features, loop_applies
from seqweave.model.recurrent.readouts import MaxoutReadout, TanhReadout
from seqweave.model.state import Decoded, DecoderState, Encoded, Memory


class ContextDecoder(nn.Module):
    """No attention: the context vector is the last encoder layer's final hidden state.

    It only starts the decoder (`every_step=False`: Sutskever et al. 2014), or also enters every
    step and the readout (Cho et al. 2014, section 2.2 and appendix A.1.2). Unlike there, the context
    is the final state itself and not tanh(V h), and it enters a cell as an input: in a GRU's candidate
    the reset gate does not act on it.
    """

    def __init__(self, stack: RecurrentStack, readout: nn.Module, every_step: bool, final_index: int):
        super().__init__()
        self.stack = stack
        self.readout = readout
        self.every_step = every_step
        self.final_index = final_index  # where in Encoded.final the last layer's hidden state lies

    def start(self, encoded: Encoded, recurrent: tuple[Tensor, ...]) -> DecoderState:
        """With the context vector, where it is used at every step."""
        context = encoded.final[self.final_index] if self.every_step else None
        return DecoderState(recurrent, Memory(context=context, copies=encoded.copies))

    def forward(self, embedded: Tensor | OneHotInput, state: DecoderState, return_attention: bool = True) -> Decoded:
        """Fused: the context is known before the first step."""
        context = state.memory.context
        if context is None:
            outputs, _ = self.stack(embedded, state.recurrent)
            return Decoded(self.readout(outputs), outputs)
        assert isinstance(embedded, Tensor)
        repeated = context[:, None].expand(-1, embedded.shape[1], -1).to(embedded.dtype)  # (B, T, E)
        outputs, _ = self.stack(torch.cat([embedded, repeated], -1), state.recurrent)  # (B, T, H)
        features = torch.cat([outputs, embedded.to(outputs.dtype), repeated.to(outputs.dtype)], -1)  # (B, T, H + M + E)
        return Decoded(self.readout(features), outputs)

    def step(self, embedded: Tensor, state: DecoderState, return_attention: bool = True) -> Step:
        """One position: (1) update the state, (2) read out."""
        context = state.memory.context
        if context is None:
            output, recurrent = self.stack.step(embedded, state.recurrent)
            return Decoded(self.readout(output), output), replace(state, recurrent=recurrent)
        repeated = context.repeat_interleave(state.width, 0)  # (R, E)
        output, recurrent = self.stack.step(torch.cat([embedded, repeated], -1), state.recurrent)  # (R, H)
        readout = self.readout(torch.cat([output, embedded, repeated], -1))  # (R, size)
        return Decoded(readout, output), replace(state, recurrent=recurrent)


class BeforeDecoder(Attending):
    """The previous state queries, the context enters the cell (Bahdanau et al. 2014, A.2.2)."""

    def __init__(
        self,
        stack: RecurrentStack,
        scorer: Scorer,
        readout: MaxoutReadout,
        query_index: int,
        window: Window | None = None,
    ):
        super().__init__(scorer, window)
        self.stack = stack
        self.readout = readout
        self.query_index = query_index  # where in the state the last layer's hidden state lies

    def forward(self, embedded: Tensor | OneHotInput, state: DecoderState, return_attention: bool = True) -> Decoded:
        """The context depends on the previous state, so the sequence must step: in one function where it can."""
        if not loop_applies(self.stack, self.scorer, embedded, state, self.window):
            return looped(self, embedded, state)
        output, context, weights = before_features(self.stack, self.scorer, embedded, state)
        return Decoded(self.readout.of(output, embedded, context), output, weights)

    def step(self, embedded: Tensor, state: DecoderState, return_attention: bool = True) -> Step:
        """One position: (1) attend with the old state, (2) update it with input and context, (3) read out."""
        context, weights, attention_state = self.look_up_rows(
            state.recurrent[self.query_index], state
        )  # (R, E), (R, S)
        context = context.to(embedded.dtype)
        output, recurrent = self.stack.step(torch.cat([embedded, context], -1), state.recurrent)  # (R, H)
        readout = self.readout.of(output, embedded, context)  # (R, size)
        return Decoded(readout, output, weights), replace(state, recurrent=recurrent, attention_state=attention_state)


class AfterDecoder(Attending):
    """The new state queries; context and state make the attentional state (Luong et al. 2015, eq. 5).

    With `input_feeding` the attentional state is also fed to the next step (section 3.3).
    """

    def __init__(
        self,
        stack: RecurrentStack,
        scorer: Scorer,
        readout: nn.Module,
        size: int,
        input_feeding: bool,
        window: Window | None = None,
    ):
        super().__init__(scorer, window)
        self.stack = stack
        self.readout = readout
        self.size = size
        self.input_feeding = input_feeding

    def start(self, encoded: Encoded, recurrent: tuple[Tensor, ...]) -> DecoderState:
        """With input feeding, zeros are fed to the first step."""
        state = super().start(encoded, recurrent)
        outputs = encoded.outputs
        return replace(state, feed=outputs.new_zeros(outputs.shape[0], self.size)) if self.input_feeding else state

    def forward(self, embedded: Tensor | OneHotInput, state: DecoderState, return_attention: bool = True) -> Decoded:
        """Fused, unless the attentional state is fed back: then in one function where it can."""
        if self.input_feeding:
            if not isinstance(self.readout, TanhReadout) or not loop_applies(
                self.stack, self.scorer, embedded, state, self.window
            ):
                return looped(self, embedded, state)
            readout = self.readout.linear.weight
            return Decoded(*feeding_features(self.stack, self.scorer, readout, embedded, state))
        outputs, _ = self.stack(embedded, state.recurrent)  # (B, T, H)
        context, weights = self.look_up_all(outputs, state)  # (B, T, E), (B, T, S)
        return Decoded(self.readout(torch.cat([context, outputs.to(context.dtype)], -1)), outputs, weights)

    def step(self, embedded: Tensor, state: DecoderState, return_attention: bool = True) -> Step:
        """One position: (1) update the state with the input and what is fed, (2) attend with it, (3) read out."""
        if state.feed is not None:
            embedded = torch.cat([embedded, state.feed.to(embedded.dtype)], -1)  # (R, M + size)
        output, recurrent = self.stack.step(embedded, state.recurrent)  # (R, H)
        context, weights, attention_state = self.look_up_rows(output, state)  # (R, E), (R, S)
        readout = self.readout(torch.cat([context, output.to(context.dtype)], -1))  # (R, size)
        feed = readout if self.input_feeding else None
        return Decoded(readout, output, weights), replace(
            state, recurrent=recurrent, feed=feed, attention_state=attention_state
        )


class BetweenDecoder(Attending):
    """The first layer's state queries; the context enters the layers above and the readout.

    Wu et al. 2016 (GNMT), section 3: attention from the bottom layer alone keeps the layers
    parallel. They query with the bottom layer's state of the position before (eq. 4), here its new
    state queries. The first recurrence sees no context, which lets the whole sequence run fused.
    """

    def __init__(
        self,
        bottom: RecurrentStack,
        above: RecurrentStack,
        scorer: Scorer,
        readout: nn.Module,
        window: Window | None = None,
    ):
        super().__init__(scorer, window)
        self.bottom = bottom
        self.above = above
        self.readout = readout

    def forward(self, embedded: Tensor | OneHotInput, state: DecoderState, return_attention: bool = True) -> Decoded:
        """Fused: bottom layer, attention, layers above."""
        lower, upper = self._split(state)
        queries, _ = self.bottom(embedded, lower)  # (B, T, H)
        context, weights = self.look_up_all(queries, state)  # (B, T, E), (B, T, S)
        given = torch.cat([self.above.dropout(queries), context.to(queries.dtype)], -1)  # (B, T, H + E)
        outputs, _ = self.above(given, upper)  # (B, T, H)
        return Decoded(self.readout(torch.cat([context, outputs.to(context.dtype)], -1)), outputs, weights)

    def step(self, embedded: Tensor, state: DecoderState, return_attention: bool = True) -> Step:
        """One position: (1) update the bottom layer, (2) attend with it, (3) update the layers above, (4) read out."""
        lower, upper = self._split(state)
        query, lower = self.bottom.step(embedded, lower)  # (R, H)
        context, weights, attention_state = self.look_up_rows(query, state)  # (R, E), (R, S)
        given = torch.cat([self.above.dropout(query[:, None])[:, 0], context.to(query.dtype)], -1)  # (R, H + E)
        output, upper = self.above.step(given, upper)  # (R, H)
        readout = self.readout(torch.cat([context, output.to(context.dtype)], -1))  # (R, size)
        return Decoded(readout, output, weights), replace(
            state, recurrent=lower + upper, attention_state=attention_state
        )

    def _split(self, state: DecoderState) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        parts = self.bottom.state_parts
        return state.recurrent[:parts], state.recurrent[parts:]
