"""Resemblyzer's voice encoder: a small network of recorded speech, whose weights come inside a package."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sensorium.pretrained.converted import converted_weights

__all__ = ["VoiceEncoder", "voice_weights"]

MELS, HIDDEN, LAYERS = 40, 256, 3


class VoiceEncoder(nn.Module):
    """Three LSTMs, each of which reads what the one before says; learned to tell 8,000 speakers apart.

    Reference:
        Wan et al. 2018, Generalized end-to-end loss for speaker verification; weights of Resemblyzer 0.1.4 (Apache-2.0).
        Differs: a frame is the states of all layers side by side, since the middle one knows best what is said and the
        last one who says it; the projection of the last state, by which voices were compared, is left out.

    Shape:
        mels: (B, frames, 40) power. Returns (B, frames, 768).
    """

    def __init__(self):
        super().__init__()
        widths = (MELS, *[HIDDEN] * (LAYERS - 1))
        self.layers = nn.ModuleList(nn.LSTM(width, HIDDEN, batch_first=True) for width in widths)

    def forward(self, mels: Tensor) -> Tensor:
        states, x = [], mels
        for layer in self.layers:
            x, _ = layer(x)  # (B, frames, 256)
            states.append(x)
        return torch.cat(states, 2)


def voice_weights(folder: Path) -> dict[str, Tensor]:
    """The package's weights, without its projection.

    Raises:
        ConfigError: its file is damaged.
    """
    return converted_weights(folder / "pretrained.pt", "resemblyzer", _convert)


def _convert(found: Any) -> dict[str, Tensor]:
    weights = {}
    for name, value in found["model_state"].items():
        if name.startswith("lstm."):  # such as lstm.weight_ih_l2
            what, layer = name.removeprefix("lstm.").rsplit("_l", 1)
            weights[f"layers.{layer}.{what}_l0"] = value.contiguous()
    return weights
