"""What another model says of the rows that are learned from, to be learned beside what is true of them."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["Taught", "soft_loss"]


class Taught(NamedTuple):
    """A teacher's answers to training and validation rows.

    Reference:
        Hinton, Vinyals and Dean 2015, Distilling the Knowledge in a Neural Network.

    Args:
        train, valid: logits by target, a row each, in the rows' order.
        tasks: of each target.
        temperature: what both models' logits are divided by, 1 or more: the higher, the more is told of unlikely classes.
        share: of the teacher in the loss, from 0 to 1; the truth has the rest.
    """

    train: Mapping[str, Tensor]
    valid: Mapping[str, Tensor]
    tasks: Mapping[str, str]
    temperature: float
    share: float

    def mix(
        self, truth: Tensor, outputs: Mapping[str, Tensor], rows: Tensor, training: bool, weights: Mapping[str, float]
    ) -> Tensor:
        """The whole loss.

        Args:
            truth: the loss by the targets.
            outputs: the learning model's logits.
            rows: places of the batch's rows; those without a target learn from the teacher alone.
            training: whether they are training rows.
            weights: of each target's loss.
        """
        told = self.train if training else self.valid
        losses = [
            weights.get(name, 1.0)
            * soft_loss(self.tasks[name], logits.float(), told[name][rows.long()].to(logits.device), self.temperature)
            for name, logits in outputs.items()
        ]
        return (1 - self.share) * truth + self.share * torch.stack(losses).sum()


def soft_loss(task: str, logits: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """How far logits are from a teacher's: T^2 KL(teacher / T || own / T), the mean over rows; of numbers the square error.

    T^2 keeps the gradient as large as that of the truth, whatever T is.
    """
    if task == "regression":
        return F.mse_loss(logits, teacher)
    if task == "classification":
        own, theirs = (part.div(temperature).log_softmax(1) for part in (logits, teacher))
        return temperature**2 * F.kl_div(own, theirs, reduction="batchmean", log_target=True)
    # Each label is yes or no; its KL is the cross-entropy less the teacher's own entropy.
    own, theirs = logits / temperature, (teacher / temperature).sigmoid()
    entropy = F.binary_cross_entropy(theirs, theirs)
    return temperature**2 * (F.binary_cross_entropy_with_logits(own, theirs) - entropy)
