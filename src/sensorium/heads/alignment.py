"""One space in which what several modalities say of one row lies close together."""

import math
from collections.abc import Mapping, Sequence
from itertools import combinations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.encoders.checks import at_least
from sensorium.encoders.features import Features
from sensorium.errors import ConfigError, did_you_mean

__all__ = ["Alignment", "contrast"]

SHARPEST = 100.0  # the largest inverse temperature, as in the paper


class Alignment(nn.Module):
    """Each modality's tokens as one unit vector, trained so that those of one row are near and those of others far.

    Reference:
        Radford et al. 2021 (CLIP): symmetric InfoNCE with a learned temperature. Differs: the mean over real tokens and an
        MLP a modality; all pairs of modalities, each over the rows that have both; see `contrast` for negatives left out.

    Args:
        modalities: names, in order.
        width: of the tokens.
        size: of the unit vectors.
        temperature: that training starts with; above 0.

    Shape:
        dict of Features (B, T, width) -> dict of (B, size), a zero vector for a row in which that modality is missing.

    Raises:
        ConfigError: a size can't be used; an unknown modality.

    Example:
        >>> aligner = Alignment(["photo", "text"], width=4, size=2)
        >>> vectors = aligner({"text": Features(torch.rand(3, 5, 4), torch.ones(3, 5, dtype=torch.bool))})
        >>> vectors["text"].shape
        torch.Size([3, 2])
    """

    def __init__(self, modalities: Sequence[str], width: int, size: int = 128, temperature: float = 0.1):
        super().__init__()
        at_least("Alignment.width", width)
        self.modalities, self.size = tuple(modalities), at_least("Alignment.size", size)
        if not temperature > 0:
            raise ConfigError(f"Alignment.temperature must be above 0; got {temperature}.")
        self.projections = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, size))
            for _ in self.modalities
        )
        self.sharpness = nn.Parameter(torch.tensor(-math.log(temperature)))

    def forward(self, features: Mapping[str, Features]) -> dict[str, Tensor]:
        found = {}
        for name, (tokens, mask) in features.items():
            if name not in self.modalities:
                raise ConfigError(f"unknown modality '{name}'. {did_you_mean(name, self.modalities)}")
            count = mask.sum(1, keepdim=True)  # (B, 1)
            mean = tokens.float().masked_fill(~mask[..., None], 0).sum(1) / count.clamp(min=1)  # (B, width)
            vector = F.normalize(self.projections[self.modalities.index(name)](mean).float(), dim=1)  # (B, size)
            found[name] = vector.masked_fill(count == 0, 0)
        return found

    def loss(self, vectors: Mapping[str, Tensor], same: Mapping[str, Tensor] | None = None) -> Tensor | None:
        """The mean over all pairs of modalities that two rows or more have; None where no pair is in the batch.

        Args:
            vectors: as `forward` gives.
            same: by modality (B, B) bool, True where two rows hold the very same content.
        """
        scale = self.sharpness.exp().clamp(max=SHARPEST)
        losses = []
        for a, b in combinations([name for name in self.modalities if name in vectors], 2):
            both = (vectors[a] != 0).any(1) & (vectors[b] != 0).any(1)  # (B,)
            if both.sum() < 2:
                continue
            alike = None if same is None else (same[a] | same[b])[both][:, both]
            losses.append(contrast(vectors[a][both], vectors[b][both], scale, alike))
        return torch.stack(losses).mean() if losses else None


def contrast(a: Tensor, b: Tensor, scale: Tensor | float, same: Tensor | None = None) -> Tensor:
    """Symmetric InfoNCE of unit vectors (B, size), row i of `a` belonging to row i of `b`.

    Reference:
        van den Oord et al. 2018; Radford et al. 2021. Differs: a pair (i, j) marked in `same` is no negative of i, since
        what belongs to j belongs to i, too.

    Args:
        scale: one through the temperature.
        same: (B, B) bool, symmetric; its diagonal does not matter.
    """
    with torch.autocast(a.device.type, enabled=False):  # bf16 has too few digits to tell near ones apart
        logits = scale * a @ b.T  # (B, B)
    if same is not None:
        diagonal = torch.eye(len(a), dtype=torch.bool, device=a.device)
        logits = logits.masked_fill(same & ~diagonal, -math.inf)
    own = torch.arange(len(a), device=a.device)
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2
