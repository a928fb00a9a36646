"""What is learned from rows without labels."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from sensorium.config import Pretraining
from sensorium.data.batches import Batch
from sensorium.encoders.features import Features, Input
from sensorium.encoders.rows import present_rows
from sensorium.model import MultimodalModel
from sensorium.pretraining.hiding import hide_inputs, hide_parts

__all__ = ["Objective", "rebuilt", "same_content"]


class Objective:
    """The weighted sum of two losses, from one pass through the encoders.

    Contrast: inputs of one row are near, those of other rows far (`heads.alignment`), with parts of them hidden.
    Rebuilding: what every input was, from the fused vector, with parts and whole inputs hidden (`heads.reconstruction`).
    On validation rows nothing is left to chance: each input is rebuilt twice, seen as a whole and hidden as a whole.

    Args:
        options: of the section `pretraining`.
        modalities: of each input.
    """

    def __init__(self, options: Pretraining, modalities: Mapping[str, str]):
        self.options, self.modalities = options, dict(modalities)
        self.begin()

    def begin(self) -> None:
        """Forget what `row` tells."""
        self.sums: dict[str, list[float]] = {}

    def loss(self, model: MultimodalModel, batch: Batch, inputs: Mapping[str, Input], training: bool) -> Tensor:
        """Of a batch as it was read, whose `inputs` are augmented in training."""
        options = self.options
        seen = hide_parts(inputs, self.modalities, options.mask_share) if training else inputs
        features = model.encode(seen)
        losses: dict[str, Tensor] = {}
        if model.aligner is not None:
            same = {name: same_content(batch.inputs[name]) for name in features}
            contrast = model.aligner.loss(model.aligner(features), same)
            if contrast is not None:
                losses["contrast"] = options.contrastive * contrast
        if model.rebuilder is not None:
            if training:
                errors = model.rebuilder(model.fusion(hide_inputs(features, options.hide)), inputs)  # (B, M)
            else:
                errors = torch.stack(rebuilt(model, features, inputs)).nanmean(0)
            present = ~errors.isnan()
            count = present.sum(0)  # (M,)
            of_input = errors.nan_to_num(0.0).sum(0) / count.clamp(min=1)
            losses["rebuild"] = options.reconstruction * of_input.sum() / (count > 0).sum().clamp(min=1)
        if not training:
            for name, loss in losses.items():
                self.sums.setdefault(name, []).append(loss.item())
        nothing = next(iter(features.values())).tokens.sum() * 0.0  # of a batch without any pair
        return torch.stack([nothing, *losses.values()]).sum()

    def row(self) -> dict[str, float]:
        """The mean of each loss over the validation batches since `begin`, for the history."""
        return {f"valid_{name}": float(np.mean(losses)) for name, losses in self.sums.items()}


def rebuilt(
    model: MultimodalModel, features: Mapping[str, Features], inputs: Mapping[str, Input]
) -> tuple[Tensor, Tensor]:
    """The errors (B, M) of each input from all that a row has, and from the row's other inputs, NaN where it has none."""
    whole = model.rebuilder(model.fusion(dict(features)), inputs)
    hidden = []
    for name in model.rebuilder.modalities:
        others = {key: given for key, given in features.items() if key != name}
        if not others:
            hidden.append(torch.full_like(whole[:, 0], torch.nan))
            continue
        some = torch.stack([present_rows(given.mask) for given in others.values()]).any(0)  # (B,)
        errors = model.rebuilder.errors(name, model.fusion(others).float(), inputs)
        hidden.append(errors.masked_fill(~some, torch.nan))
    return whole, torch.stack(hidden, 1)


def same_content(given: Input) -> Tensor:
    """Which rows hold the very same, (B, B) bool."""
    values, mask = given.values.cpu().numpy(), given.mask.cpu().numpy()
    rows = [value.tobytes() + there.tobytes() for value, there in zip(values, mask, strict=True)]
    codes = torch.tensor([rows.index(row) for row in rows], device=given.mask.device)
    return codes[:, None] == codes
