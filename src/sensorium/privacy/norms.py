"""Normalisation by the row itself, in the place of batch norms, whose statistics are of several rows."""

import math

import torch
from torch import Tensor, nn

from sensorium.encoders.norm import MaskedBatchNorm
from sensorium.encoders.pretrained import Pretrained

__all__ = ["MaskedGroupNorm", "group_norms", "without_batch_norm"]

GROUP = 8  # channels; groups of one would make a map of one pixel 0


class MaskedGroupNorm(nn.Module):
    """Group norm over the real positions of each row; masked positions come out 0.

    Reference:
        Wu and He, 2018. Differs: masked.

    Args:
        groups: of channels, each normalised by itself.
        channels: the last dimension, a multiple of groups.

    Shape:
        x: (B, T, ..., C). mask: (B, T) bool. Returns (B, T, ..., C).

    Example:
        >>> MaskedGroupNorm(1, 2)(torch.tensor([[[1.0, 3.0], [9.0, 9.0]]]), torch.tensor([[True, False]]))[0, 0].tolist()
        [-0.9999949932098389, 0.9999949932098389]
    """

    eps = 1e-5

    def __init__(self, groups: int, channels: int):
        super().__init__()
        self.groups = groups
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        real = mask.view(*mask.shape, *[1] * (x.dim() - 1))  # (B, T, 1, ..., 1), one dimension more than x
        parts = x.unflatten(-1, (self.groups, -1)).masked_fill(~real, 0)  # (B, T, ..., groups, C / groups)
        over = [*range(1, parts.dim() - 2), parts.dim() - 1]
        size = math.prod(x.shape[2:]) // self.groups  # numbers of a group at one position
        count = mask.sum(1).clamp(min=1).view(-1, *[1] * (parts.dim() - 1)) * size
        mean = parts.sum(over, keepdim=True) / count
        apart = (parts - mean).masked_fill(~real, 0)
        deviation = (apart.square().sum(over, keepdim=True) / count + self.eps).sqrt()
        y = (apart / deviation).flatten(-2) * self.weight + self.bias  # (B, T, ..., C)
        return y.masked_fill(~real[..., 0], 0)


def without_batch_norm(model: nn.Module) -> list[str]:
    """Put a group norm of the same channels in the place of each batch norm, and say the paths of those.

    Those in the bodies of pretrained encoders stay: they rest, and normalise by numbers that others have learned.
    The first norm of sound (`scale`) takes each coefficient by itself over time, since they differ in size by far.

    Example:
        >>> network = nn.Sequential(nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16))
        >>> without_batch_norm(network), type(network[1]).__name__, network[1].num_groups
        (['1'], 'GroupNorm', 2)
    """
    found = _outside_bodies(model, nn.modules.batchnorm._BatchNorm)
    for path, norm in found:
        parent, _, name = path.rpartition(".")
        channels = norm.num_features
        groups = math.gcd(channels, max(1, channels // GROUP))
        if isinstance(norm, MaskedBatchNorm):
            other: nn.Module = MaskedGroupNorm(channels if name == "scale" else groups, channels)
        else:
            other = nn.GroupNorm(groups, channels)
        setattr(model.get_submodule(parent), name, other)
    return [path for path, _ in found]


def group_norms(model: nn.Module) -> list[str]:
    """The paths of those that stand for batch norms."""
    return [path for path, _ in _outside_bodies(model, (nn.GroupNorm, MaskedGroupNorm))]


def _outside_bodies(model: nn.Module, kinds: type | tuple[type, ...]) -> list[tuple[str, nn.Module]]:
    """Layers of some kinds with their paths, but for those of pretrained bodies."""
    bodies = {
        id(module)
        for encoder in model.modules()
        if isinstance(encoder, Pretrained)
        for module in encoder.body.modules()
    }
    return [(path, part) for path, part in model.named_modules() if isinstance(part, kinds) and id(part) not in bodies]
