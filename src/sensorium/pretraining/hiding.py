"""Parts of inputs, and whole inputs, hidden from a network that is to find out what they were."""

from collections.abc import Mapping

import torch
from torch import Tensor

from sensorium.data.text import UNKNOWN
from sensorium.encoders.features import Features, Input
from sensorium.training.augment import drop_modalities

__all__ = ["hide_inputs", "hide_parts"]

GRID = 4  # patches along each side of a picture


def hide_parts(inputs: Mapping[str, Input], modalities: Mapping[str, str], share: float) -> dict[str, Input]:
    """Each input without about `share` of its parts: patches, a span of time, words, numbers, cells.

    Reference:
        He et al. 2022 (patches); Park et al. 2019 (a span of time); Devlin et al. 2019 (words).
    """
    if share <= 0:
        return dict(inputs)
    return {name: _hide(given, modalities[name], share) for name, given in inputs.items()}


def _hide(given: Input, modality: str, share: float) -> Input:
    values, mask = given.values, given.mask
    device = values.device
    if modality == "text":
        words = (torch.rand(values.shape, device=device) < share) & mask
        return given._replace(values=values.masked_fill(words, UNKNOWN))
    if modality in {"image", "video"}:
        lead = values.shape[:1] + (1,) * (values.ndim - 3)  # the same patches in all pictures of a row
        patches = torch.rand(*lead, GRID, GRID, device=device) < share
        height, width = values.shape[-2:]
        rows, columns = (torch.arange(side) * GRID // side for side in (height, width))
        grey = 127 if values.dtype == torch.uint8 else 0.5
        return given._replace(values=values.masked_fill(patches[..., rows[:, None], columns], grey))
    if modality == "audio":
        length = mask.sum(-1, keepdim=True)  # real samples come first
        start = torch.rand(length.shape, device=device) * (1 - share) * length
        at = torch.arange(values.shape[-1], device=device)
        return given._replace(values=values.masked_fill((at >= start) & (at < start + share * length), 0))
    if modality == "tabular":
        return given._replace(mask=mask & _some_left(mask, share))
    if modality == "vector":
        numbers = torch.rand(values.shape, device=device) < share
        return given._replace(values=values.masked_fill(numbers, 0))  # the mean of each
    return given  # motion: what is hidden at one step is seen at the next


def _some_left(mask: Tensor, share: float) -> Tensor:
    """Which cells stay, (B, columns): each with the chance 1 - share, but one of each row in any case."""
    chance = torch.rand(mask.shape, device=mask.device).masked_fill(~mask, -1)
    return (chance >= share) | (chance == chance.amax(-1, keepdim=True))


def hide_inputs(features: Mapping[str, Features], probability: float) -> dict[str, Features]:
    """Each modality of each row absent with `probability`, never the last one: a mask without any True says so."""
    given = {name: Input(tokens, mask) for name, (tokens, mask) in features.items()}
    return {name: Features(left.values, left.mask) for name, left in drop_modalities(given, probability).items()}
