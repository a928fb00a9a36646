"""Small changes to training rows that leave their meaning alone: shifts, light, loudness, forgotten words.

Nothing is mirrored or turned: a digit, a letter or a left hand would become something else.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from sensorium.encoders.features import Input
from sensorium.encoders.rows import present_rows

__all__ = ["augment", "drop_modalities", "kinds", "shift"]


def drop_modalities(inputs: dict[str, Input], probability: float) -> dict[str, Input]:
    """Hide each input of each row with `probability`, never the last one that a row has (Neverova et al. 2016)."""
    if probability <= 0 or len(inputs) < 2:
        return inputs
    present = torch.stack([present_rows(given.mask) for given in inputs.values()], 1)
    keep = present & (torch.rand(present.shape) >= probability)  # (B, M)
    lost = ~keep.any(1) & present.any(1)
    one = torch.multinomial(present[lost].float(), 1) if lost.any() else torch.zeros(0, 1, dtype=torch.long)
    keep[lost] = keep[lost].scatter(1, one, True)
    return {name: given.keep(keep[:, place]) for place, (name, given) in enumerate(inputs.items())}


def kinds(readers: Mapping[str, Any]) -> dict[str, str]:
    """What `augment` varies each input by; ids of a pretrained model's own tokens stay as they are."""
    return {name: "" if getattr(reader, "given", False) else reader.modality for name, reader in readers.items()}


def augment(inputs: dict[str, Input], modalities: dict[str, str]) -> dict[str, Input]:
    """Vary the inputs of a training batch, each by its modality; what a frozen encoder has seen stays as it is."""
    return {
        name: given if given.known is not None else Input(_vary(*given[:2], modalities[name]), given.mask)
        for name, given in inputs.items()
    }


def _vary(values: Tensor, mask: Tensor, modality: str) -> Tensor:
    if modality == "text":
        forgotten = (torch.rand(values.shape) < 0.1) & mask
        return values.masked_fill(forgotten, 1)
    if modality == "audio":
        loudness = torch.exp(0.5 * torch.randn(values.shape[0])).reshape(-1, *[1] * (values.ndim - 1))
        return values * loudness
    if modality in {"image", "video"}:
        flat = values.reshape(len(values), -1, *values.shape[-2:])  # (B, pictures * 3, H, W): a clip moves as one
        moved = shift(flat, share=0.08).reshape(values.shape).float()
        if values.dtype == torch.uint8:
            moved = moved / 255
        shape = (-1, *[1] * (values.ndim - 1))
        contrast = torch.exp(0.15 * torch.randn(len(values))).reshape(shape)
        light = (0.08 * torch.randn(len(values))).reshape(shape)
        return ((moved - 0.5) * contrast + 0.5 + light).clamp(0, 1)
    return values  # motion too: a row of its numbers is no picture to shift


def shift(pictures: Tensor, share: float) -> Tensor:
    """Move each picture (B, C, H, W) by up to `share` of its sides; the edge's pixels fill what comes in."""
    rows, _, height, width = pictures.shape
    down = (torch.rand(rows) * 2 - 1) * share * height
    right = (torch.rand(rows) * 2 - 1) * share * width
    y = (torch.arange(height) + down.round().long()[:, None]).clamp(0, height - 1)  # (B, H)
    x = (torch.arange(width) + right.round().long()[:, None]).clamp(0, width - 1)  # (B, W)
    index = torch.arange(rows)[:, None, None]
    return pictures[index, :, y[:, :, None], x[:, None, :]].permute(0, 3, 1, 2)  # (B, C, H, W)
