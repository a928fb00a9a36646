"""Fusion by concatenation."""

from torch import Tensor, nn

from sensorium.fusion.slots import AbsentSlots, Fusion

__all__ = ["Concat"]


class Concat(Fusion):
    """All slots side by side, then one layer. A learned vector stands for an absent modality.

    A good first choice: modalities can combine, and what is missing is itself a sign.

    Reference:
        concatenation ("early") fusion, as in Baltrusaitis et al., 2019. LayerNorm for each modality before it.

    Args:
        width: of the tokens and of the result.
        dropout: on the result, in [0, 1).

    Shape:
        dict of Features -> (B, width).

    Raises:
        ConfigError: as in Fusion.

    Example:
        >>> import torch
        >>> from sensorium.encoders.features import Features
        >>> fusion = Concat(width=4)
        >>> fusion.connect(["a", "b"])
        >>> fusion({"b": Features(torch.ones(1, 2, 4), torch.ones(1, 2, dtype=torch.bool))}).shape
        torch.Size([1, 4])
    """

    def build(self, count: int) -> None:
        self.fill = AbsentSlots(count, self.width)
        self.mix = nn.Sequential(nn.Linear(count * self.width, self.width), nn.LayerNorm(self.width), nn.GELU())

    def fuse(self, slots: Tensor, present: Tensor) -> Tensor:
        return self.mix(self.fill(slots, present).flatten(1))  # (B, width)
