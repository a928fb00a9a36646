"""A number, or several."""

from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.encoders.checks import at_least, fraction
from sensorium.heads.rows import check_target, masked_mean

__all__ = ["Regression"]


class Regression(nn.Module):
    """One linear layer and the Huber loss, for a standardised number.

    The loss is half the squared error up to one standard deviation and linear beyond it, so that a few wild targets
    don't rule the fit.

    Reference:
        Huber, 1964, with delta = 1.

    Args:
        width: of the fused vector.
        dropout: before the layer, in [0, 1).
        outputs: numbers to predict.

    Shape:
        fused: (B, width). logits and target: (B,) for one output, else (B, outputs), float, standardised.
        mask: (B,) bool, the row has a target.

    Raises:
        ConfigError: a size can't be used; a target of another shape.

    Example:
        >>> import torch
        >>> Regression(width=4).loss(torch.zeros(2), torch.tensor([1.0, 3.0]))
        tensor(1.5000)
    """

    def __init__(self, width: int = 256, dropout: float = 0.0, outputs: int = 1):
        super().__init__()
        self.width = at_least("Regression.width", width)
        self.outputs = at_least("Regression.outputs", outputs)
        self.drop = nn.Dropout(fraction("Regression.dropout", dropout))
        self.linear = nn.Linear(width, outputs)

    def forward(self, fused: Tensor) -> Tensor:
        x = self.linear(self.drop(fused))  # (B, outputs)
        return x[:, 0] if self.outputs == 1 else x

    def loss(self, logits: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
        """Mean Huber loss over the outputs and the rows with mask True."""
        target = check_target("Regression", target, mask, tuple(logits.shape)).float()
        losses = F.smooth_l1_loss(logits.float(), target, reduction="none")  # (B,) or (B, outputs)
        return masked_mean(losses.view(len(losses), -1).mean(1), mask)

    def predict(self, logits: Tensor) -> Tensor:
        """The predicted numbers, standardised as the targets are: the logits themselves."""
        return logits
