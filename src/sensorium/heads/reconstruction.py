"""What every input was, from the fused vector."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sensorium.encoders.features import Input
from sensorium.encoders.rows import present_rows

__all__ = ["Reconstruction"]


class Reconstruction(nn.Module):
    """A decoder an input; how far each is off tells how well a row is understood, and how strange it is.

    Reference:
        He et al. 2022 and Bachmann et al. 2022 (masked autoencoders, of several modalities). Differs: from one fused
        vector, at low size, the inputs that were shown included.

    Args:
        decoders: one an input, of sensorium.decoders, each as wide as the fusion.

    Shape:
        fused: (B, width). Returns errors (B, inputs), NaN where a row misses the input.
    """

    def __init__(self, decoders: Mapping[str, nn.Module]):
        super().__init__()
        self.modalities = tuple(decoders)
        self.decoders = nn.ModuleList(decoders.values())
        # Of the log errors of rows nobody learned from: with the input in sight, and without. See pretraining.anomaly.
        self.register_buffer("centre", torch.zeros(len(self.modalities), 2))
        self.register_buffer("spread", torch.ones(len(self.modalities), 2))

    def forward(self, fused: Tensor, inputs: Mapping[str, Input]) -> Tensor:
        with torch.autocast(fused.device.type, enabled=False):  # small, and bf16 is not right for all convolutions
            return torch.stack([self.errors(name, fused.float(), inputs) for name in self.modalities], 1)

    def errors(self, name: str, fused: Tensor, inputs: Mapping[str, Input]) -> Tensor:
        """Of one input, (B,)."""
        found = fused.new_full((len(fused),), torch.nan)
        if name not in inputs:
            return found
        values, mask = inputs[name].values, inputs[name].mask
        present = present_rows(mask)
        if present.any():
            decoder = self.decoders[self.modalities.index(name)]
            found[present] = decoder.errors(decoder(fused[present]), values[present], mask[present])
        return found
