"""Any number of labels at once."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.encoders.checks import at_least, fraction
from sensorium.heads.rows import check_target, masked_mean
from sensorium.heads.weights import positive_numbers

__all__ = ["Multilabel"]


class Multilabel(nn.Module):
    """One linear unit a label and binary cross-entropy, for targets of which several can hold.

    Reference:
        binary relevance (Tsoumakas and Katakis, 2007).

    Args:
        labels: how many.
        width: of the fused vector.
        dropout: before the layer, in [0, 1).
        positive_weights: factor on the loss where a label holds, one a label, above 0; None: all 1.

    Shape:
        fused: (B, width). logits: (B, labels). target: (B, labels) float, 0 or 1.
        mask: (B,) bool, the row has a target.

    Raises:
        ConfigError: a size can't be used; weights of another count; a target of another shape.

    Example:
        >>> import torch
        >>> Multilabel(labels=3, width=4).loss(torch.zeros(1, 3), torch.ones(1, 3))
        tensor(0.6931)
    """

    def __init__(
        self,
        labels: int,
        width: int = 256,
        dropout: float = 0.0,
        positive_weights: Sequence[float] | None = None,
    ):
        super().__init__()
        self.labels = at_least("Multilabel.labels", labels)
        self.width = at_least("Multilabel.width", width)
        self.drop = nn.Dropout(fraction("Multilabel.dropout", dropout))
        self.linear = nn.Linear(width, labels)
        weights = positive_numbers("Multilabel.positive_weights", positive_weights, labels)
        self.register_buffer("positive_weights", weights, persistent=False)

    def forward(self, fused: Tensor) -> Tensor:
        return self.linear(self.drop(fused))  # (B, labels)

    def loss(self, logits: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
        """Mean binary cross-entropy over the labels and the rows with mask True."""
        target = check_target("Multilabel", target, mask, (len(logits), self.labels)).float()
        losses = F.binary_cross_entropy_with_logits(
            logits.float(), target, pos_weight=self.positive_weights, reduction="none"
        )  # (B, labels)
        return masked_mean(losses.mean(1), mask)

    def probabilities(self, logits: Tensor) -> Tensor:
        """(B, labels) -> (B, labels), each between 0 and 1."""
        return logits.float().sigmoid()
