"""One step's rows in portions, for want of memory or in several processes: together they have the loss and the gradient
of all rows at once."""

from collections.abc import Callable, Mapping

from torch import Tensor, nn

from sensorium.data.batches import Batch
from sensorium.data.joining import rows_of

__all__ = ["divided", "share_of", "shares_of"]

Total = Callable[[Tensor], Tensor]


def divided(batch: Batch, count: int) -> list[Batch]:
    """A batch as `count` of them, each with every `count`-th row."""
    return [rows_of(batch, slice(start, None, count)) for start in range(count)]


def share_of(
    head: nn.Module, own: tuple[Tensor, Tensor], whole: tuple[Tensor, Tensor], total: Total = lambda n: n
) -> Tensor:
    """What a portion's mean loss counts for in that of the whole: its part of the rows, as the head weighs them.

    Args:
        head: whose loss it is.
        own, whole: targets (values, mask of the rows that have it).
        total: of what several processes have of the whole.
    """
    part, found = (head.amount(*given) if hasattr(head, "amount") else given[1].sum() for given in (own, whole))
    found = total(found)
    return part / found if found else part * 0.0


def shares_of(
    heads: Mapping[str, nn.Module], part: Batch, whole: Batch, total: Total = lambda n: n
) -> dict[str, Tensor]:
    """The same for each target of a batch."""
    return {name: share_of(head, part.targets[name], whole.targets[name], total) for name, head in heads.items()}
