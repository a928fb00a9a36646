"""Less loss for rows that are answered well already."""

from torch import Tensor

__all__ = ["focal_factor"]

LEAST = 1e-6  # of 1 - p: a power below 1 has no finite slope at 0


def focal_factor(log_probability: Tensor, gamma: float) -> Tensor:
    """(1 - p)^gamma of the probability that a row's own class got.

    Reference:
        Lin et al. 2017, Focal Loss for Dense Object Detection. Their factor a class (alpha) is the head's weights.

    Args:
        log_probability: log p.
        gamma: 0 or more; 0 leaves the loss as it is.

    Shape:
        log_probability: (B,). Returns (B,).

    Example:
        >>> import torch
        >>> focal_factor(torch.tensor([0.5, 0.9]).log(), 2.0)
        tensor([0.2500, 0.0100])
    """
    return (-log_probability.expm1()).clamp_min(LEAST).pow(gamma)
