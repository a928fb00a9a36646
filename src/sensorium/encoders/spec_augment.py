"""Training on sound with bits of time and pitch hidden."""

import torch
from torch import Tensor, nn

from sensorium.encoders.checks import fraction

__all__ = ["SpecAugment"]


class SpecAugment(nn.Module):
    """Hides one stretch of time and one band of coefficients in each row, in training only.

    Reference:
        Park et al., 2019. Differs: no time warping; stretches are a part of the row's own length; hidden = 0.

    Args:
        time: longest stretch, as a part of the row's real frames, in [0, 1).
        band: widest band, as a part of the coefficients, in [0, 1).

    Shape:
        x: (B, T, C), normalised. mask: (B, T) bool. Returns (B, T, C).

    Raises:
        ConfigError: a part outside [0, 1).

    Example:
        >>> SpecAugment().eval()(torch.ones(1, 2, 3), torch.ones(1, 2, dtype=torch.bool)).min()
        tensor(1.)
    """

    def __init__(self, time: float = 0.15, band: float = 0.15):
        super().__init__()
        self.time = fraction("SpecAugment.time", time)
        self.band = fraction("SpecAugment.band", band)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        if not self.training:
            return x
        hidden_time = self._stretch(mask.sum(1), x.shape[1], self.time)  # (B, T)
        whole = torch.full((x.shape[0],), x.shape[2], device=x.device)
        hidden_band = self._stretch(whole, x.shape[2], self.band)  # (B, C)
        return x.masked_fill(hidden_time[:, :, None] | hidden_band[:, None, :], 0)

    @staticmethod
    def _stretch(length: Tensor, size: int, part: float) -> Tensor:
        """One random stretch a row, at most `part` of its length: (B, size) bool."""
        draw = torch.rand(2, len(length), device=length.device)
        wide = (draw[0] * part * length).floor()  # (B,)
        start = (draw[1] * (length - wide)).floor()
        step = torch.arange(size, device=length.device)
        return (step >= start[:, None]) & (step < (start + wide)[:, None])
