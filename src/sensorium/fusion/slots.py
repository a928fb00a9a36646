"""What every fusion shares: one slot a modality, in a fixed order, and who is there."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sensorium.encoders.checks import at_least, fraction
from sensorium.encoders.features import Features
from sensorium.errors import ConfigError, did_you_mean
from sensorium.fusion.pooling import AttentionPool

__all__ = ["AbsentSlots", "Fusion"]


class Fusion(nn.Module):
    """A dict of Features to one vector a row. Subclasses write `build(count)` and `fuse(slots, present)`.

    Each modality is pooled to a slot. An absent one, for a row or for the batch, is a slot of zeros with present False,
    whatever its values were.

    Args:
        width: of the tokens and of the result.
        dropout: on the result, in [0, 1).

    Shape:
        features: (B, T_m, token_width) and (B, T_m) for each modality. Returns (B, width).

    Raises:
        ConfigError: a size can't be used; not connected, or connected twice; an unexpected modality; no modality.
    """

    pool: type[nn.Module] = AttentionPool  # the tokens of a modality to its slot

    def __init__(self, width: int = 256, dropout: float = 0.0):
        super().__init__()
        name = type(self).__name__
        self.width = at_least(f"{name}.width", width)
        self.token_width = self.width  # of the tokens; a subclass may read others
        self.drop = nn.Dropout(fraction(f"{name}.dropout", dropout))
        self.modalities: tuple[str, ...] = ()

    def build(self, count: int) -> None:
        """Creates the parameters that depend on the number of modalities."""

    def fuse(self, slots: Tensor, present: Tensor) -> Tensor:
        """(B, M, token_width) and (B, M) bool -> (B, width). Absent slots are zeros."""
        raise NotImplementedError

    def connect(self, modalities: Sequence[str]) -> None:
        """Fixes the modalities and their order, and creates their parameters. MultimodalModel calls it."""
        name = type(self).__name__
        names = tuple(modalities)
        if isinstance(modalities, str) or not names or len(set(names)) != len(names):
            raise ConfigError(f"{name}.connect must be given one or more different names; got {modalities!r}.")
        if self.modalities == names:
            return
        if self.modalities:
            raise ConfigError(
                f"{name} must be connected once; it has {list(self.modalities)}, got {list(names)}. Make a new {name}."
            )
        self.modalities = names
        self.pools = nn.ModuleList(self.pool(self.token_width) for _ in names)
        self.build(len(names))
        self.train(self.training)  # what was built now is in the mode of the rest

    def forward(self, features: dict[str, Features]) -> Tensor:
        slots, present = self.slots(features)
        return self.drop(self.fuse(slots, present))  # (B, width)

    def slots(self, features: dict[str, Features]) -> tuple[Tensor, Tensor]:
        """Pools each modality: (B, M, token_width) and (B, M) bool, in the order of `.modalities`."""
        name = type(self).__name__
        if not self.modalities:
            raise ConfigError(f"{name} must be connected before use; got no modalities. Call connect(names).")
        for unknown in sorted(set(features) - set(self.modalities)):
            raise ConfigError(f"unknown modality '{unknown}' for {name}. {did_you_mean(unknown, self.modalities)}")
        if not features:
            raise ConfigError(f"{name} must be given at least one of its modalities; got none.")
        pooled, present = {}, {}
        for modality, pool in zip(self.modalities, self.pools, strict=True):
            if modality in features:
                pooled[modality] = pool(features[modality])  # (B, token_width)
                present[modality] = features[modality].mask.any(1)  # (B,)
        if len({len(there) for there in present.values()}) > 1:
            rows = ", ".join(f"'{modality}' has {len(there)}" for modality, there in present.items())
            raise ConfigError(f"{name}'s features must have the same number of rows; {rows}.")
        first = next(iter(pooled))
        nothing, nobody = torch.zeros_like(pooled[first]), torch.zeros_like(present[first])
        return (
            torch.stack([pooled.get(modality, nothing) for modality in self.modalities], dim=1),  # (B, M, token_width)
            torch.stack([present.get(modality, nobody) for modality in self.modalities], dim=1),  # (B, M)
        )


class AbsentSlots(nn.Module):
    """LayerNorm for each modality, and a learned vector in the slot of an absent one, in training and at prediction.

    Args:
        count: modalities.
        width: of a slot.

    Shape:
        slots: (B, M, width). present: (B, M) bool. Returns (B, M, width).

    Example:
        >>> AbsentSlots(2, 4)(torch.zeros(1, 2, 4), torch.tensor([[True, False]])).shape
        torch.Size([1, 2, 4])
    """

    def __init__(self, count: int, width: int):
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(count))
        self.absent = nn.Parameter(torch.randn(count, width) * 0.1)

    def forward(self, slots: Tensor, present: Tensor) -> Tensor:
        slots = torch.stack([norm(slot) for norm, slot in zip(self.norms, slots.unbind(1), strict=True)], dim=1)
        return torch.where(present[..., None], slots, self.absent)
