"""How far the rows of two domains are apart, as losses."""

import torch
from torch import Tensor

__all__ = ["coral", "mmd"]

BANDWIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)  # of the mean squared distance of two rows


def coral(first: Tensor, second: Tensor) -> Tensor:
    """The squared distance of two covariances, |C1 - C2|^2 / (4 width^2).

    Reference:
        Sun and Saenko, 2016, eq. 1 to 3.

    Shape:
        first: (N, width), second: (M, width); 2 rows at least of each. Returns a scalar.

    Example:
        >>> coral(torch.tensor([[0.0], [2.0]]), torch.tensor([[0.0], [4.0]]))  # variances 2 and 8
        tensor(9.)
    """
    return (torch.cov(first.T) - torch.cov(second.T)).square().sum() / (4 * first.shape[1] ** 2)


def mmd(first: Tensor, second: Tensor) -> Tensor:
    """The squared maximum mean discrepancy under the mean of several Gaussian kernels; by chance it may be negative.

    Reference:
        Long et al., 2015, with even weights of the kernels, whose widths go from a quarter to four times the mean squared
        distance of the batch; Gretton et al., 2012, eq. 3: the estimate without bias, since of a few rows a domain the bias
        would outweigh the distance.

    Shape:
        first: (N, width), second: (M, width); 2 rows at least of each. Returns a scalar.
    """
    count, others = len(first), len(second)
    rows = torch.cat([first, second])
    norms = rows.square().sum(1)
    apart = (norms[:, None] + norms - 2 * rows @ rows.T).clamp(min=0)  # (N + M, N + M), squared
    scale = apart.detach().sum() / ((count + others) * (count + others - 1))
    scale = scale.clamp(min=torch.finfo(scale.dtype).tiny)
    kernel = torch.stack([torch.exp(-apart / (share * scale)) for share in BANDWIDTHS]).mean(0)
    own, other, between = kernel[:count, :count], kernel[count:, count:], kernel[:count, count:]

    def pairs(block: Tensor) -> Tensor:
        """The mean over pairs of different rows."""
        return (block.sum() - block.diagonal().sum()) / (len(block) * (len(block) - 1))

    return pairs(own) + pairs(other) - 2 * between.mean()
