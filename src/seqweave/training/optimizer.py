"""Adam, clipping, the moving average of the weights; and their tensors by name, for checkpoints.

Updates with a gradient that is not finite are skipped inside the fused kernel (the way gradient
scaling skips them), so a NaN never reaches a weight and the host need not wait for the norm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from seqweave.config import TrainConfig
from seqweave.errors import ModelFolderError
from seqweave.wording import TRAIN_ANEW

_MOMENTS = ("exp_avg", "exp_avg_sq", "step")


@dataclass(frozen=True)
class FrozenRows:
    """Rows of a parameter that no update changes, by a single bit.

    Attributes:
        parameter: Shape: (V, M).
        rows: which ones; shape (N,).
        values: what they are; shape (N, M).
    """

    parameter: Tensor
    rows: Tensor
    values: Tensor

    def forget_gradient(self) -> None:
        """As if nothing depended on the rows; so they take no part in the norm that clips the others."""
        if self.parameter.grad is not None:
            self.parameter.grad.index_fill_(0, self.rows, 0)

    @torch.no_grad()
    def restore(self) -> None:
        """Take back what weight decay did."""
        self.parameter.index_copy_(0, self.rows, self.values)


class Optimizer:
    """Adam with decoupled weight decay (Kingma & Ba 2015; Loshchilov & Hutter 2019).

    Args:
        model: its parameters are updated; those of frozen parts, which need no gradient, are not.
        config: the settings of updates.
        frozen: rows of them that stay as they are.
    """

    def __init__(self, model: nn.Module, config: TrainConfig, frozen: Sequence[FrozenRows] = ()):
        self.frozen = frozen
        trained = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
        self.names = [name for name, _ in trained]
        self.parameters = [parameter for _, parameter in trained]
        self.clip_norm = config.clip_norm
        self._adam = torch.optim.AdamW(
            self.parameters,
            lr=config.learning_rate,
            betas=config.adam_betas,
            eps=config.adam_epsilon,
            weight_decay=config.weight_decay,
            fused=True,
        )
        device = self.parameters[0].device
        self.skipped_in_a_row = torch.zeros((), device=device)

    def update(self, rate: float) -> None:
        """Clip the gradients to `clip_norm` (Pascanu et al. 2013), update the weights, forget the gradients."""
        for rows in self.frozen:
            rows.forget_gradient()
        gradients = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        bad = (~norm.isfinite()).float()
        if self.clip_norm > 0:
            torch._foreach_mul_(gradients, (self.clip_norm / (norm + 1e-6)).clamp(max=1.0))
        for group in self._adam.param_groups:
            group["lr"] = rate
        self._adam.found_inf = bad  # type: ignore[attr-defined]  # read by the fused kernel
        self._adam.step()
        self._adam.zero_grad(set_to_none=True)
        for rows in self.frozen:
            rows.restore()
        self.skipped_in_a_row = (self.skipped_in_a_row + 1) * bad

    def tensors(self) -> dict[str, Tensor]:
        """Moments and counts by `MOMENT/PARAMETER`; empty before the first update."""
        state = self._adam.state
        return {
            f"{moment}/{name}": state[parameter][moment]
            for name, parameter in zip(self.names, self.parameters, strict=True)
            if parameter in state
            for moment in _MOMENTS
        }

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what `tensors` gave.

        Raises:
            ModelFolderError: when a tensor of a parameter is missing.
        """
        if not tensors:
            return
        for name, parameter in zip(self.names, self.parameters, strict=True):
            missing = [moment for moment in _MOMENTS if f"{moment}/{name}" not in tensors]
            if missing:
                raise ModelFolderError(
                    f"the checkpoint's optimizer.safetensors lacks {missing[0]}/{name}: {TRAIN_ANEW}"
                )
            self._adam.state[parameter] = {
                moment: tensors[f"{moment}/{name}"].to(parameter.device) for moment in _MOMENTS
            }


class MovingAverage:
    """Exponential moving average of the weights (Polyak & Juditsky 1992)."""

    def __init__(self, model: nn.Module, decay: float):
        self.decay = decay
        self.names = [name for name, _ in model.named_parameters()]
        self._current: list[Tensor] = list(model.parameters())
        self.values = [parameter.detach().clone() for parameter in self._current]

    @torch.no_grad()
    def update(self) -> None:
        """Move towards the current weights by 1 - decay."""
        torch._foreach_lerp_(self.values, self._current, 1.0 - self.decay)

    def tensors(self) -> dict[str, Tensor]:
        """Averages by parameter name."""
        return dict(zip(self.names, self.values, strict=True))

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what `tensors` gave."""
        for name, value in zip(self.names, self.values, strict=True):
            value.copy_(tensors[name])
