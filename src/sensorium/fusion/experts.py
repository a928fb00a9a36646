"""Fusion by a product of Gaussian experts."""

import math

import torch
from torch import Tensor, nn

from sensorium.fusion.slots import Fusion

__all__ = ["Experts"]


class Experts(Fusion):
    """Each modality says a value and how sure it is, feature by feature; the surer counts more.

    For modalities that are evidence of the same thing, each good in other rows, and for many that are absent. An answer
    that no modality has alone (XOR) is within its reach, since the sum of the precisions divides; it isn't made for it.

    Reference:
        Wu and Goodman, 2018 (MVAE): a product of Gaussians N(mu_m, 1 / T_m) and of the prior N(0, 1) has the mean
        sum_m T_m mu_m / (1 + sum_m T_m), over the modalities present; a layer gives mu_m and log T_m, the log-variance's
        negative. Differs: the result is that mean, nothing is drawn from the Gaussian, and nothing is reconstructed;
        LayerNorm for each modality. Where nothing is present, the prior's mean, 0, which leaves it to the head's bias.

    Args:
        width: of the tokens and of the result.
        dropout: on the result, in [0, 1).

    Shape:
        dict of Features -> (B, width).

    Raises:
        ConfigError: as in Fusion.

    Example:
        >>> from sensorium.encoders.features import Features
        >>> fusion = Experts(width=4)
        >>> fusion.connect(["a", "b"])
        >>> there = torch.zeros(1, 2, dtype=torch.bool)
        >>> fusion({"b": Features(torch.ones(1, 2, 4), there)}).tolist()
        [[0.0, 0.0, 0.0, 0.0]]
    """

    def build(self, count: int) -> None:
        self.say = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(self.width), nn.Linear(self.width, 2 * self.width)) for _ in range(count)
        )

    def fuse(self, slots: Tensor, present: Tensor) -> Tensor:
        said = torch.stack([part(slot) for part, slot in zip(self.say, slots.unbind(1), strict=True)], dim=1)
        mean, log_precision = said.chunk(2, dim=-1)  # each (B, M, width)
        log_precision = log_precision.masked_fill(~present[..., None], -math.inf)
        prior = torch.zeros_like(log_precision[:, :1])  # the log of precision 1
        share = torch.cat([prior, log_precision], dim=1).softmax(1)  # (B, 1 + M, width): precisions over their sum
        return (share[:, 1:] * mean).sum(1)  # (B, width)
