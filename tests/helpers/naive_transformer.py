"""The Transformer written down from the paper, one sentence and one position after the other.

The oracle of `seqweave.model.transformer.encoder_decoder`: no batches, no masks, no cache and no fused kernel. It takes
the weights of a model and nothing else of it. Sections and equations: Vaswani et al. 2017; Su et al. 2021.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from seqweave.config import ModelConfig

Weights = dict[str, Tensor]
Looks = list[list[list[list[float]]]]  # for each head and each position that looks: its scores, its weights
Sublayer = Callable[[list[Tensor]], tuple[list[Tensor], Looks]]


class NaiveTransformer:
    """Logits and attention of one pair, from a config and a state dict."""

    def __init__(self, config: ModelConfig, weights: Weights):
        self.config = config
        self.weights = weights
        self.cross_looks: list[Looks] = []  # a layer after the other, of the last call
        self.own_looks: list[Looks] = []
        self.encoder_looks: list[Looks] = []

    def logits(self, source: list[int], target_in: list[int]) -> Tensor:
        """Shape: (T, V)."""
        return self.write(target_in, self.read(source))

    def read(self, source: list[int]) -> list[Tensor]:
        """The encoder's outputs, one vector a source item."""
        self.encoder_looks = []
        values = self.placed("source_input", "encoder", source)
        for layer in range(self.config.encoder_layers):
            name = f"encoder.layers.{layer}"
            values, looks = self.around(f"{name}.around_attention", values, self.self_attention(f"{name}.attention"))
            self.encoder_looks.append(looks)
            values, _ = self.around(f"{name}.around_feed_forward", values, self.feed_forward(f"{name}.feed_forward"))
        return self.last_norm("encoder", values)

    def write(self, target_in: list[int], outputs: list[Tensor]) -> Tensor:
        """Logits of a whole target. Shape: (T, V)."""
        self.cross_looks, self.own_looks = [], []
        values = self.placed("target_input", "decoder", target_in)
        for layer in range(self.config.decoder_layers):
            name = f"decoder.layers.{layer}"
            values, looks = self.around(f"{name}.around_own", values, self.self_attention(f"{name}.own", causal=True))
            self.own_looks.append(looks)
            values, looks = self.around(f"{name}.around_cross", values, self.cross_attention(f"{name}.cross", outputs))
            self.cross_looks.append(looks)
            values, _ = self.around(f"{name}.around_feed_forward", values, self.feed_forward(f"{name}.feed_forward"))
        matrix = self.weights["target_input.weight" if self.config.tie_embeddings else "output.weight"]
        return torch.stack(
            [matrix @ value + self.weights["output.bias"] for value in self.last_norm("decoder", values)]
        )

    def placed(self, table: str, side: str, ids: list[int]) -> list[Tensor]:
        """Section 3.4: embeddings times sqrt(d_model); section 3.5: plus positions."""
        size = self.config.embedding_size
        values = [self.weights[f"{table}.weight"][item] * math.sqrt(size) for item in ids]
        if self.config.positions == "learned":
            return [value + self.weights[f"{side}.positions.weight"][at] for at, value in enumerate(values)]
        if self.config.positions == "sinusoidal":
            return [value + self.sinusoid(at, size).to(value) for at, value in enumerate(values)]
        return values

    @staticmethod
    def sinusoid(position: int, size: int) -> Tensor:
        """PE(pos, 2i) = sin(pos / 10000^(2i / d)), PE(pos, 2i + 1) = cos(the same)."""
        numbers = []
        for index in range(size):
            angle = position / 10000 ** ((index - index % 2) / size)
            numbers.append(math.cos(angle) if index % 2 else math.sin(angle))
        return torch.tensor(numbers, dtype=torch.float64)

    def turned(self, value: Tensor, position: int) -> Tensor:
        """Su et al. 2021, eq. 12: each pair of numbers is a complex number, times e^(i m theta)."""
        if self.config.positions != "rotary":
            return value
        numbers = value.tolist()
        made: list[float] = []
        for pair in range(len(numbers) // 2):
            theta = 10000 ** (-2 * pair / len(numbers))
            number = complex(numbers[2 * pair], numbers[2 * pair + 1])
            number *= complex(math.cos(position * theta), math.sin(position * theta))
            made += [number.real, number.imag]
        return torch.tensor(made, dtype=value.dtype)

    def self_attention(self, name: str, causal: bool = False) -> Sublayer:
        """Section 3.2.3: queries, keys and values come from the same place."""

        def run(given: list[Tensor]) -> tuple[list[Tensor], Looks]:
            query, key, value = self.weights[f"{name}.project.weight"].chunk(3)
            made: list[Tensor] = []
            looks: Looks = [[] for _ in range(self.config.heads)]
            for at, item in enumerate(given):
                seen = given[: at + 1] if causal else given
                joined = self.heads(query @ item, [key @ s for s in seen], [value @ s for s in seen], looks, at)
                made.append(self.weights[f"{name}.output.weight"] @ joined)
            return made, looks

        return run

    def cross_attention(self, name: str, outputs: list[Tensor]) -> Sublayer:
        """Section 3.2.3: queries come from the decoder, keys and values from the encoder."""

        def run(given: list[Tensor]) -> tuple[list[Tensor], Looks]:
            key, value = self.weights[f"{name}.project.weight"].chunk(2)
            made: list[Tensor] = []
            looks: Looks = [[] for _ in range(self.config.heads)]
            for item in given:
                query = self.weights[f"{name}.query.weight"] @ item
                joined = self.heads(query, [key @ s for s in outputs], [value @ s for s in outputs], looks, None)
                made.append(self.weights[f"{name}.output.weight"] @ joined)
            return made, looks

        return run

    def heads(
        self, query: Tensor, keys: list[Tensor], values: list[Tensor], looks: Looks, position: int | None
    ) -> Tensor:
        """Section 3.2.2 and eq. 1, for one query; `position` is None where positions do not enter."""
        size = len(query) // self.config.heads
        parts = []
        for head in range(self.config.heads):
            mine = slice(head * size, (head + 1) * size)
            asked = query[mine] if position is None else self.turned(query[mine], position)
            offered = [k[mine] if position is None else self.turned(k[mine], at) for at, k in enumerate(keys)]
            scores = [float(asked @ k) / math.sqrt(size) for k in offered]
            total = sum(math.exp(score) for score in scores)
            weights = [math.exp(score) / total for score in scores]
            looks[head].append([scores, weights])
            parts.append(sum((w * v[mine] for w, v in zip(weights, values, strict=True)), torch.zeros(size).to(query)))
        return torch.cat(parts)

    def feed_forward(self, name: str) -> Sublayer:
        """Eq. 2."""

        def run(given: list[Tensor]) -> tuple[list[Tensor], Looks]:
            w1, b1 = self.weights[f"{name}.inner.weight"], self.weights[f"{name}.inner.bias"]
            w2, b2 = self.weights[f"{name}.output.weight"], self.weights[f"{name}.output.bias"]
            return [w2 @ (w1 @ item + b1).clamp(min=0) + b2 for item in given], []

        return run

    def around(self, name: str, values: list[Tensor], sublayer: Sublayer) -> tuple[list[Tensor], Looks]:
        """Section 5.4, or with the norm first (Xiong et al. 2020)."""
        pre = self.config.norm == "pre"
        made, looks = sublayer([self.norm(f"{name}.norm", value) for value in values] if pre else values)
        joined = [value + one for value, one in zip(values, made, strict=True)]
        return (joined if pre else [self.norm(f"{name}.norm", value) for value in joined]), looks

    def last_norm(self, side: str, values: list[Tensor]) -> list[Tensor]:
        return values if self.config.norm == "post" else [self.norm(f"{side}.norm", value) for value in values]

    def norm(self, name: str, value: Tensor) -> Tensor:
        """Ba et al. 2016, eq. 4."""
        centred = value - value.mean()
        scaled = centred / torch.sqrt((centred**2).mean() + 1e-5)
        return scaled * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]
