"""Fusion by feature-wise modulation."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.fusion.slots import AbsentSlots, Fusion, others

__all__ = ["Film"]


class Film(Fusion):
    """Each modality scales and shifts every feature of the others, feature by feature; then the mean.

    For a modality that says how another is to be read: a question and a picture, a language and a sentence.

    Reference:
        Perez et al., 2018 (FiLM): h = (1 + gamma) * x + beta. The paper has one modality modulated by one other. Here
        every modality makes a gamma and a beta, and is modulated by the mean of the others' (by its own, if it is the
        only one), so that parameters grow with the modalities, not with their pairs. GELU after it, where the paper has
        ReLU; a learned vector stands for an absent modality.

    Args:
        width: of the tokens and of the result.
        dropout: on the result, in [0, 1).

    Shape:
        dict of Features -> (B, width).

    Raises:
        ConfigError: as in Fusion.

    Example:
        >>> from sensorium.encoders.features import Features
        >>> fusion = Film(width=4)
        >>> fusion.connect(["a", "b"])
        >>> fusion({"b": Features(torch.ones(1, 2, 4), torch.ones(1, 2, dtype=torch.bool))}).shape
        torch.Size([1, 4])
    """

    def build(self, count: int) -> None:
        self.fill = AbsentSlots(count, self.width)
        self.modulate = nn.ModuleList(nn.Linear(self.width, 2 * self.width) for _ in range(count))

    def fuse(self, slots: Tensor, present: Tensor) -> Tensor:
        x = self.fill(slots, present)  # (B, M, width)
        said = [layer(slot) for layer, slot in zip(self.modulate, x.unbind(1), strict=True)]  # each (B, 2 * width)
        heard = torch.stack([torch.stack([said[n] for n in rest]).mean(0) for rest in others(len(said))], dim=1)
        gamma, beta = heard.chunk(2, dim=-1)  # each (B, M, width)
        return F.gelu((1 + gamma) * x + beta).mean(1)  # (B, width)
