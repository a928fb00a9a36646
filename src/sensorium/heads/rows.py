"""What every head shares: a mean over the rows that have a target, and targets checked before torch sees them."""

import torch
from torch import Tensor

from sensorium.errors import ConfigError

__all__ = ["check_target", "masked_mean"]


def masked_mean(losses: Tensor, mask: Tensor | None, weights: Tensor | None = None) -> Tensor:
    """sum w_i l_i / sum w_i over the rows with mask True; 0, with a gradient of 0, where there is none.

    Shape:
        losses: (B,). mask: (B,) bool or None (all). weights: (B,) or None (all 1). Returns a scalar.

    Example:
        >>> masked_mean(torch.tensor([1.0, 3.0, float("nan")]), torch.tensor([True, True, False]))
        tensor(2.)
    """
    weights = torch.ones_like(losses) if weights is None else weights
    if mask is not None:
        losses, weights = losses.masked_fill(~mask, 0), weights.masked_fill(~mask, 0)
    total = weights.sum()
    return (weights * losses).sum() / total.where(total > 0, torch.ones_like(total))


def check_target(name: str, target: Tensor, mask: Tensor | None, shape: tuple[int, ...]) -> Tensor:
    """The target with rows under a False mask set to 0, whatever they held.

    Raises:
        ConfigError: target or mask of another shape.
    """
    if tuple(target.shape) != shape:
        raise ConfigError(f"{name}'s target must have the shape {shape}; got {tuple(target.shape)}.")
    if mask is None:
        return target
    if mask.dtype != torch.bool or tuple(mask.shape) != shape[:1]:
        raise ConfigError(
            f"{name}'s mask must be bool of shape {shape[:1]}; got {str(mask.dtype)[6:]} of shape {tuple(mask.shape)}."
        )
    return target.masked_fill(~mask.view(-1, *[1] * (target.dim() - 1)), 0)
