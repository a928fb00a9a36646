"""Yes or no."""

from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.encoders.checks import at_least, fraction
from sensorium.heads.focal import focal_factor
from sensorium.heads.rows import check_target, masked_mean
from sensorium.heads.weights import finite_numbers, focus, positive_numbers

__all__ = ["Binary"]


class Binary(nn.Module):
    """One linear unit and binary cross-entropy, for a target of two classes.

    Reference:
        logistic regression; of rare classes, the focal loss (Lin et al. 2017) by `gamma` and logit adjustment (Menon et
        al. 2021) by `shift`.

    Args:
        width: of the fused vector.
        dropout: before the layer, in [0, 1).
        positive_weight: factor on the loss of positive rows, above 0; None: 1.
        gamma: a row's loss is times (1 - p)^gamma, p its answer's probability; 0 or more.
        shift: added to the logit in the loss alone, such as the log odds of yes among the rows.

    Shape:
        fused: (B, width). logits: (B,). target: (B,) float, 0 or 1. mask: (B,) bool, the row has a target.

    Raises:
        ConfigError: a size can't be used; a target of another shape.

    Example:
        >>> import torch
        >>> Binary(width=4).loss(torch.zeros(1), torch.ones(1))
        tensor(0.6931)
    """

    def __init__(
        self,
        width: int = 256,
        dropout: float = 0.0,
        positive_weight: float | None = None,
        gamma: float = 0.0,
        shift: float = 0.0,
    ):
        super().__init__()
        self.width = at_least("Binary.width", width)
        self.drop = nn.Dropout(fraction("Binary.dropout", dropout))
        self.linear = nn.Linear(width, 1)
        weight = positive_numbers("Binary.positive_weight", None if positive_weight is None else [positive_weight], 1)
        self.register_buffer("positive_weight", weight, persistent=False)
        self.gamma = focus("Binary.gamma", gamma)
        self.register_buffer("shift", finite_numbers("Binary.shift", [shift], 1), persistent=False)

    def forward(self, fused: Tensor) -> Tensor:
        return self.linear(self.drop(fused))[:, 0]  # (B,)

    def loss(self, logits: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
        """Mean binary cross-entropy over the rows with mask True."""
        target = check_target("Binary", target, mask, (len(logits),)).float()
        logits = logits.float() + self.shift
        losses = F.binary_cross_entropy_with_logits(
            logits, target, pos_weight=self.positive_weight, reduction="none"
        )  # (B,)
        if self.gamma:
            losses = losses * focal_factor(F.logsigmoid(logits * (2 * target - 1)), self.gamma)
        return masked_mean(losses, mask)

    def probabilities(self, logits: Tensor) -> Tensor:
        """(B,) -> (B, 2): of no, and of yes."""
        both = F.pad(logits.float()[:, None], (1, 0))  # (B, 2): 0 and the logit
        return both.softmax(1)
