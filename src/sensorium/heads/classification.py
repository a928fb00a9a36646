"""One of several classes."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.encoders.checks import at_least, fraction
from sensorium.encoders.graph import in_graph
from sensorium.errors import ConfigError
from sensorium.heads.focal import focal_factor
from sensorium.heads.rows import check_target, masked_mean
from sensorium.heads.weights import finite_numbers, focus, positive_numbers

__all__ = ["Classification"]


class Classification(nn.Module):
    """One linear layer and cross-entropy, for a target that is exactly one of two or more classes.

    Reference:
        softmax regression. Differs from torch's weighted loss with label smoothing: the weight is that of the row's
        class, the whole loss is sum_i w_i l_i / sum_i w_i. Without smoothing they are the same. Of rare classes: the focal
        loss (Lin et al. 2017) by `gamma`, which scales the smoothed loss; logit adjustment (Menon et al. 2021) by `shift`.

    Args:
        classes: 2 or more.
        width: of the fused vector.
        dropout: before the layer, in [0, 1).
        weights: one a class, above 0; None: all 1.
        label_smoothing: in [0, 1).
        gamma: a row's loss is times (1 - p)^gamma, p its class' probability; 0 or more.
        shift: one a class, added to the logits in the loss alone, such as the log of the classes' shares; None: 0.

    Shape:
        fused: (B, width). logits: (B, classes). target: (B,) int64, 0..classes - 1.
        mask: (B,) bool, the row has a target.

    Raises:
        ConfigError: a size can't be used; weights of another count; a target of another shape or not a class.

    Example:
        >>> import torch
        >>> head = Classification(classes=2, width=4)
        >>> head.loss(torch.zeros(1, 2), torch.tensor([1]))
        tensor(0.6931)
    """

    def __init__(
        self,
        classes: int,
        width: int = 256,
        dropout: float = 0.0,
        weights: Sequence[float] | None = None,
        label_smoothing: float = 0.0,
        gamma: float = 0.0,
        shift: Sequence[float] | None = None,
    ):
        super().__init__()
        self.classes = at_least("Classification.classes", classes, 2)
        self.width = at_least("Classification.width", width)
        self.label_smoothing = fraction("Classification.label_smoothing", label_smoothing)
        self.drop = nn.Dropout(fraction("Classification.dropout", dropout))
        self.linear = nn.Linear(width, classes)
        self.register_buffer("weights", positive_numbers("Classification.weights", weights, classes), persistent=False)
        self.gamma = focus("Classification.gamma", gamma)
        self.register_buffer("shift", finite_numbers("Classification.shift", shift, classes), persistent=False)

    def forward(self, fused: Tensor) -> Tensor:
        return self.linear(self.drop(fused))  # (B, classes)

    def loss(self, logits: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
        """Mean weighted cross-entropy over the rows with mask True."""
        target = check_target("Classification", target, mask, (len(logits),)).long()
        wrong = (target < 0) | (target >= self.classes)
        if not in_graph() and wrong.any():
            raise ConfigError(
                f"Classification's target must be from 0 to {self.classes - 1}; got {int(target[wrong][0])}."
            )
        logits = logits.float() if self.shift is None else logits.float() + self.shift
        losses = F.cross_entropy(logits, target, reduction="none", label_smoothing=self.label_smoothing)  # (B,)
        if self.gamma:
            own = logits.log_softmax(1).gather(1, target[:, None])[:, 0]  # (B,)
            losses = losses * focal_factor(own, self.gamma)
        return masked_mean(losses, mask, None if self.weights is None else self.weights[target])

    def amount(self, target: Tensor, mask: Tensor) -> Tensor:
        """What `loss` is the mean over: the rows with mask True, by the weights of their classes."""
        return mask.sum() if self.weights is None else self.weights[target.long()[mask]].sum()

    def probabilities(self, logits: Tensor) -> Tensor:
        """(B, classes) -> (B, classes), each row adds up to 1."""
        return logits.float().softmax(1)
