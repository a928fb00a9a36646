"""What is seen while a model trains: a live display on a terminal, plain lines elsewhere."""

import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Group

__all__ = ["Progress"]

AGAIN = 0.5  # s from one picture to the next, each of which takes one or two milliseconds
LINES = 10  # of a training, and one at its start


class Progress:
    """Tells epoch, step, time left, losses, the validation metric, rows a second and the share of time spent waiting.

    Give it to `fit`, `pretrain` or `adapt` as `report`. It draws on stderr when it is told something, in no thread.

    Args:
        live: draw over what was drawn before; None: where stderr is a terminal that can.

    Example:
        >>> with Progress(live=False) as progress:
        ...     progress({"step": 1, "steps": 20, "epoch": 1, "epochs": 2, "loss": 0.7})
    """

    def __init__(self, live: bool | None = None):
        from rich.console import Console
        from rich.live import Live

        console = Console(stderr=True)
        self.live = console.is_terminal and not console.is_dumb_terminal if live is None else live
        # Lines that are printed meanwhile come above it.
        self.display = Live(console=console, auto_refresh=False, redirect_stdout=False) if self.live else None
        self.part: str | None = None
        self.first, self.start, self.told_at = 0, 0.0, float("-inf")
        self.last: dict[str, Any] = {}
        self.row: dict[str, float] = {}
        self.best: dict[str, float] | None = None

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the last state on the screen."""
        if self.display is not None and self.display.is_started:
            self.display.update(self._picture(), refresh=True)
            self.display.stop()

    def __call__(self, told: dict[str, Any]) -> None:
        """Take note of a step, or of the end of an epoch; see `sensorium.training.loop.train`."""
        now = time.monotonic()
        if not self.first or told.get("part") != self.part:  # another training
            self.part, self.first, self.start = told.get("part"), told["step"], now
            self.told_at, self.row, self.best = float("-inf"), {}, None
        self.last = told
        if "row" in told:
            self.row = told["row"]
            if self.best is None or _choice(self.row) < _choice(self.best):
                self.best = self.row
        if self.display is not None:
            if now >= self.told_at + AGAIN:
                self.told_at = now
                self.display.start()
                self.display.update(self._picture(), refresh=True)
        elif "row" not in told and (share := LINES * told["step"] // max(1, told["steps"])) > self.told_at:
            self.told_at = share
            line = [self._place(), f"loss {told['loss']:.3f}", self._left(), *self._validation(), *self._speed()]
            print("  ".join(filter(None, line)), file=sys.stderr, flush=True)

    def _place(self) -> str:
        told = self.last
        place = f"epoch {told['epoch']}/{told['epochs']}  step {told['step']}/{told['steps']}"
        return place if self.part is None else f"{self.part}  {place}"

    def _left(self) -> str:
        """At most: training may stop before its last epoch."""
        done = self.last["step"] - self.first
        if not done:
            return ""
        left = round((time.monotonic() - self.start) / done * (self.last["steps"] - self.last["step"]))
        return f"{left // 60}:{left % 60:02} left at most"

    def _validation(self) -> list[str]:
        """Of the last epoch that is over: the loss beside the best one's, and the metrics."""
        if self.best is None:
            return []
        best = f"best {self.best['valid_loss']:.3f} in epoch {self.best['epoch']}"
        best = "the best" if self.best is self.row else best
        scores = [name for name in self.row if name.startswith("valid_") and not name.startswith("valid_loss")]
        return [
            f"validation loss {self.row['valid_loss']:.3f} ({best})",
            *(f"{name.removeprefix('valid_')} {self.row[name]:.3f}" for name in scores),
        ]

    def _speed(self) -> list[str]:
        seconds = self.last.get("seconds")
        if not seconds:
            return []
        waiting = min(1.0, self.last["waited"] / seconds)
        return [f"{self.last['rows'] / seconds:,.0f} rows/s", f"{waiting:.0%} of the time waiting for data"]

    def _picture(self) -> "Group":
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        head = Table.grid(padding=(0, 2))
        bar = ProgressBar(total=max(1, self.last["steps"]), completed=self.last["step"], width=30)
        head.add_row(Text(self._place(), style="bold"), bar, Text(self._left()))
        losses = [f"loss {self.last['loss']:.3f}", *self._validation()]
        return Group(head, *(Text("  " + "   ".join(parts)) for parts in (losses, self._speed()) if parts))


def _choice(row: dict[str, float]) -> float:
    """What the best epoch is the least of: where domains are aligned it is not the validation loss alone."""
    return row.get("choice", row["valid_loss"])
