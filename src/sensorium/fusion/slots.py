"""What every fusion shares: one slot a modality, in a fixed order, and who is there."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sensorium.encoders.checks import at_least, fraction
from sensorium.encoders.features import Features
from sensorium.errors import ConfigError, did_you_mean
from sensorium.fusion.pooling import AttentionPool

__all__ = ["AbsentSlots", "AbsentTokens", "Fusion", "others"]


class Fusion(nn.Module):
    """A dict of Features to one vector a row. Subclasses write `build(count)` and `fuse(slots, present)`.

    Each modality is pooled to a slot. An absent one, for a row or for the batch, is a slot of zeros with present False,
    whatever its values were. A subclass in which tokens meet before they are pooled writes `exchange(features)`, too.

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

    def exchange(self, features: dict[str, Features]) -> dict[str, Features]:
        """The tokens that are pooled and fused, after they saw those of other modalities; here as they came."""
        return features

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
        self._check(features)
        slots, present = self.slots(self.exchange(features))
        return self.drop(self.fuse(slots, present))  # (B, width)

    def slots(self, features: dict[str, Features]) -> tuple[Tensor, Tensor]:
        """Pools each modality: (B, M, token_width) and (B, M) bool, in the order of `.modalities`."""
        self._check(features)
        pooled, present = {}, {}
        for modality, pool in zip(self.modalities, self.pools, strict=True):
            if modality in features:
                pooled[modality] = pool(features[modality])  # (B, token_width)
                present[modality] = features[modality].mask.any(1)  # (B,)
        first = next(iter(pooled))
        nothing, nobody = torch.zeros_like(pooled[first]), torch.zeros_like(present[first])
        return (
            torch.stack([pooled.get(modality, nothing) for modality in self.modalities], dim=1),  # (B, M, token_width)
            torch.stack([present.get(modality, nobody) for modality in self.modalities], dim=1),  # (B, M)
        )

    def _check(self, features: dict[str, Features]) -> None:
        name = type(self).__name__
        if not self.modalities:
            raise ConfigError(f"{name} must be connected before use; got no modalities. Call connect(names).")
        for unknown in sorted(set(features) - set(self.modalities)):
            raise ConfigError(f"unknown modality '{unknown}' for {name}. {did_you_mean(unknown, self.modalities)}")
        if not features:
            raise ConfigError(f"{name} must be given at least one of its modalities; got none.")
        rows = {modality: features[modality].mask.shape[0] for modality in self.modalities if modality in features}
        if any(count != next(iter(rows.values())) for count in rows.values()):
            found = ", ".join(f"'{modality}' has {count}" for modality, count in rows.items())
            raise ConfigError(f"{name}'s features must have the same number of rows; {found}.")


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


class AbsentTokens(nn.Module):
    """AbsentSlots for tokens: LayerNorm for each modality, then one more token, real where the modality is absent.

    So no row of any modality is without a real token, in training and at prediction.

    Args:
        count: modalities.
        width: of a token.

    Shape:
        features: (B, T_m, width) and (B, T_m) for each modality, or None. Returns (B, T_m + 1, width), (B, T_m + 1).

    Example:
        >>> one = Features(torch.ones(1, 2, 4), torch.tensor([[True, False]]))
        >>> [mask.tolist() for _, mask in AbsentTokens(2, 4)([one, None])]
        [[[True, False, False]], [[True]]]
    """

    def __init__(self, count: int, width: int):
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(count))
        self.absent = nn.Parameter(torch.randn(count, width) * 0.1)

    def forward(self, features: Sequence[Features | None]) -> list[Features]:
        some = next(given for given in features if given is not None)
        nothing = Features(some.tokens[:, :0], some.mask[:, :0])
        found = []
        for given, norm, absent in zip(features, self.norms, self.absent, strict=True):
            tokens, mask = nothing if given is None else given
            tokens = norm(tokens.masked_fill(~mask[..., None], 0))  # (B, T, width)
            tokens = torch.cat([tokens, absent.expand(mask.shape[0], 1, -1)], dim=1)  # (B, T + 1, width)
            found.append(Features(tokens, torch.cat([mask, ~mask.any(1, keepdim=True)], dim=1)))
        return found


def others(count: int) -> list[list[int]]:
    """For each of `count` modalities, the places of the others; of the only one, its own.

    Example:
        >>> others(3)
        [[1, 2], [0, 2], [0, 1]]
        >>> others(1)
        [[0]]
    """
    return [[n for n in range(count) if n != m or count == 1] for m in range(count)]
