"""The processes that train one network together, each with its part of every step's rows."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

__all__ = ["ALONE", "Team", "ddp"]

FAR = 998_244_353  # from one process's seeds to the next one's


class Team:
    """Process number `rank` of `size`. What is asked of all of them waits for all of them.

    A step's rows are the same whatever the size, in the same order: process r has every size-th of them, from the r-th on.

    Args:
        rank, size: of the processes.
        options: of `lightning.Trainer`, such as its strategy; plugins are added to its own.
        kept: called by each process when the first has written a checkpoint to go on from.
    """

    def __init__(
        self,
        rank: int = 0,
        size: int = 1,
        options: dict[str, Any] | None = None,
        kept: Callable[[], None] = lambda: None,
    ):
        self.rank, self.size, self.several, self.kept = rank, size, size > 1, kept
        self.options = {"accelerator": "auto", "devices": 1} if options is None else dict(options)

    def own(self, places: np.ndarray) -> np.ndarray:
        """Of the places of a step's rows, those that this process has."""
        return places[self.rank :: self.size]

    def seed(self, seed: int) -> int:
        """A process's own, so that no two of them hide the same of their rows."""
        return seed + FAR * self.rank

    def total(self, values: Tensor) -> Tensor:
        """The sum over all processes."""
        if not self.several:
            return values
        values = values.detach().clone()
        dist.all_reduce(values)
        return values

    def sizes(self, own: int, device: torch.device) -> list[int]:
        """How many each process has."""
        if not self.several:
            return [own]
        found = torch.zeros(self.size, dtype=torch.int64, device=device)
        found[self.rank] = own
        return self.total(found).tolist()

    def mean_statistics(self, module: nn.Module) -> None:
        """Give the batch norms that are being trained the mean of what the processes' rows made of their statistics."""
        if self.several:
            norms = [part for part in module.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
            running = [kept for part in norms if part.training for kept in (part.running_mean, part.running_var)]
            if running := [kept for kept in running if kept is not None]:
                together = self.total(torch.cat([kept.flatten() for kept in running])) / self.size
                for kept, mean in zip(running, together.split([kept.numel() for kept in running]), strict=True):
                    kept.copy_(mean.view_as(kept))

    def first(self, value: float, device: torch.device) -> float:
        """What the first process says."""
        if not self.several:
            return value
        told = torch.tensor([value], dtype=torch.float64 if device.type != "mps" else torch.float32, device=device)
        dist.broadcast(told, 0)
        return told.item()

    def joined(self, own: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
        """Lists by name, each with those of the others."""
        found = self.together(dict(own))
        return {name: [one for part in found for one in part[name]] for name in own}

    def summed(self, own: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Arrays by name, each with those of the others added."""
        found = self.together(dict(own))
        return {name: np.sum([part[name] for part in found], axis=0) for name in own}

    def together(self, own: Any) -> list[Any]:
        """What each process has."""
        if not self.several:
            return [own]
        found: list[Any] = [None] * self.size
        dist.all_gather_object(found, own)
        return found


ALONE = Team()


def ddp(kind: type) -> Any:
    """Lightning's strategy for a team: every process has the whole network.

    Args:
        kind: Lightning's DDPStrategy, or one that stands for it.
    """
    # An input that none of a process's rows has gives its encoder no gradient there.
    return kind(find_unused_parameters=True, broadcast_buffers=False)
