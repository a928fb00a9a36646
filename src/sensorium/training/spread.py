"""Trainings that other processes do: what they are given, and what comes back."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from sensorium.errors import ConfigError, SensoriumError
from sensorium.training.team import Team

__all__ = ["Job", "Launch", "Outcome", "launcher", "spread"]

Report = Callable[[dict[str, Any]], None]
ALONE = {
    "objective": "pretraining",
    "alignment": "the alignment of domains (section domain)",
    "private": "private training (section privacy)",
}


class Outcome(NamedTuple):
    """What a training came to, for the process that wants it.

    error: why it came to nothing. weights: the best epoch's. balance: the balancer's weights and state, where there is
    one. problems: what could not be read.
    """

    trained: dict[str, Any] | None = None
    weights: dict[str, Tensor] | None = None
    balance: tuple[dict[str, Tensor], dict[str, Any]] | None = None
    problems: tuple[set[Any], set[Any]] = (set(), set())
    error: SensoriumError | None = None


@dataclass
class Job:
    """A training that can be done by any process, or by several together.

    Args:
        given: what `sensorium.training.loop.train` is given, but for `folder`, `started`, `resume` and what is called.
        folder: for checkpoints, where the process that wants it is.
        resume: go on from what is in it.
        spent: s of the time limit that are over.
    """

    given: dict[str, Any]
    folder: Path
    resume: bool
    spent: float
    begun: float = field(default_factory=time.time)

    def __post_init__(self) -> None:
        for name, words in ALONE.items():
            if self.given.get(name) is not None:
                raise ConfigError(
                    f"{words} can't be spread over several processes. Fit without --cluster and --devices, or without it."
                )

    def run(self, team: Team, folder: Path, report: Report, say: Callable[[str], None]) -> Outcome:
        """Train, in each process of a team; what comes back from the first counts.

        Args:
            team: of this process.
            folder: for checkpoints; what is there is gone on with.
            report, say: as `train` takes them.
        """
        from sensorium.training.loop import train

        started = time.monotonic() - self.spent - (time.time() - self.begun)
        given, first = self.given, team.rank == 0
        with spread(None):
            trained = train(
                **given, folder=folder, started=started, resume=True, team=team,
                report=report if first else lambda _: None, say=say if first else lambda _: None,
            )  # fmt: skip
        found = team.together((given["rows"].problems.found, given["valid"].problems.found))
        problems = tuple(set().union(*part) for part in zip(*found, strict=True))
        balancer = given["balancer"]
        return Outcome(
            {"reason": trained.reason, "history": trained.history, "warnings": trained.warnings},
            given["model"].state_dict(),
            None if balancer is None else (balancer.state_dict(), balancer.state),
            problems,
        )

    def take(self, outcome: Outcome) -> dict[str, Any]:
        """Make what came back that of the model here; the rest is for `sensorium.training.loop.Trained`.

        Raises:
            SensoriumError: the training came to nothing.
        """
        if outcome.error is not None:
            raise outcome.error
        given, balancer = self.given, self.given["balancer"]
        given["model"].load_state_dict(outcome.weights)
        given["model"].eval()
        if balancer is not None:
            weights, balancer.state = outcome.balance
            balancer.load_state_dict(weights)
            balancer.eval()
        for rows, problems in zip((given["rows"], given["valid"]), outcome.problems, strict=True):
            rows.problems.found |= problems
        return {**outcome.trained, "heads": None if balancer is None else balancer.heads}


Launch = Callable[[Job, Report, Callable[[str], None]], Outcome]
_launch: ContextVar[Launch | None] = ContextVar("launch", default=None)


@contextmanager
def spread(launch: Launch | None) -> Iterator[None]:
    """While it lasts, networks are trained by what `launch` starts; None: by this process."""
    token = _launch.set(launch)
    try:
        yield
    finally:
        _launch.reset(token)


def launcher() -> Launch | None:
    """What trains networks; None: this process."""
    return _launch.get()
