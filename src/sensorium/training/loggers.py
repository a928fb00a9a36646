"""Curves for other tools while a model trains: CSV files, TensorBoard."""

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from sensorium.data.table import write_atomically
from sensorium.errors import ConfigError, did_you_mean, imported_for
from sensorium.training.parts import Report

__all__ = ["LOGGERS", "CsvLogger", "Logger", "TensorBoardLogger", "check_loggers", "logged"]

RECORDS = 300  # of steps, about, in a whole training: each takes a millisecond at most
NAME = 60  # characters of a folder


class Logger(Protocol):
    """Writes the curves of one training. `folder`: its own; `step`: the first to come, what is there of it is replaced."""

    def __init__(self, folder: Path, step: int): ...
    def write(self, kind: str, step: int, values: dict[str, float]) -> None: ...
    def close(self) -> None: ...


class CsvLogger:
    """steps.csv and epochs.csv, whose lines are there as soon as they are written."""

    def __init__(self, folder: Path, step: int):
        self.folder, self.step = folder, step
        self.files: dict[str, Any] = {}

    def write(self, kind: str, step: int, values: dict[str, float]) -> None:
        """kind: steps or epochs. The first values of a kind decide its columns."""
        if kind not in self.files:
            self.files[kind] = self._open(self.folder / f"{kind}.csv", ["step", *values])
        file, writer = self.files[kind]
        writer.writerow({"step": step, **values})
        file.flush()

    def close(self) -> None:
        for file, _ in self.files.values():
            file.close()

    def _open(self, path: Path, columns: list[str]) -> tuple[Any, csv.DictWriter]:
        """Behind what a training that is gone on with has left; lines of steps that are taken anew are dropped."""
        kept = []
        if path.exists():
            with path.open(encoding="utf-8", newline="") as old:
                kept = [row for row in csv.DictReader(old) if (row["step"] or "").isdecimal()]
        content = io.StringIO()
        writer = csv.DictWriter(content, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(row for row in kept if int(row["step"]) < self.step)
        write_atomically(path, content.getvalue().encode())
        file = path.open("a", encoding="utf-8", newline="")
        return file, csv.DictWriter(file, columns, extrasaction="ignore")


class TensorBoardLogger:
    """A file of TensorBoard's: `tensorboard --logdir RUN/logs` shows it."""

    def __init__(self, folder: Path, step: int):
        self.writer = _tensorboard()(folder, purge_step=step, flush_secs=10)

    def write(self, kind: str, step: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            self.writer.add_scalar(f"{kind}/{name}", value, step)

    def close(self) -> None:
        self.writer.close()


LOGGERS: dict[str, type[Logger]] = {"csv": CsvLogger, "tensorboard": TensorBoardLogger}


def check_loggers(names: Sequence[str], out: Any) -> None:
    """Refuse what can't be logged before anything is read.

    Raises:
        ConfigError: an unknown logger, one that is not installed, or no run folder to write to.
    """
    for name in names:
        if name not in LOGGERS:
            raise ConfigError(f"log: unknown logger '{name}'. {did_you_mean(name, LOGGERS)}")
    if names and out is None:
        raise ConfigError("log writes to the run folder, and there is none. Give out (--out), or leave log out.")
    if "tensorboard" in names:
        _tensorboard()


@contextmanager
def logged(names: Sequence[str], folder: Path, report: Report) -> Iterator[Report]:
    """A report that also writes to loggers: about RECORDS steps of a training, and every epoch.

    Args:
        names: of LOGGERS.
        folder: for their files; trainings with a `part` have folders in it.
        report: is told everything.
    """
    logs: dict[str | None, _Log] = {}  # by training

    def tell(told: dict[str, Any]) -> None:
        part = told.get("part")
        if part not in logs:
            own = folder if part is None else folder / _file_name(part)
            logs[part] = _Log([LOGGERS[name](own, told["step"]) for name in names])
        logs[part].note(told)
        report(told)

    try:
        yield tell if names else report
    finally:
        for log in logs.values():
            log.close()


class _Log:
    """Steps and epochs of one training to its loggers."""

    def __init__(self, loggers: list[Logger]):
        self.loggers, self.loss, self.steps = loggers, 0.0, 0

    def note(self, told: dict[str, Any]) -> None:
        if "row" in told:
            self._write("epochs", told["step"], told["row"])
            return
        self.loss, self.steps = self.loss + told["loss"], self.steps + 1
        if told["step"] % max(1, told["steps"] // RECORDS) == 0:
            seconds = max(told["seconds"], 1e-9)
            self._write("steps", told["step"], {
                "epoch": told["epoch"],
                "loss": self.loss / self.steps,  # the mean since the last record
                "learning_rate": told["learning_rate"],
                "rows_per_second": told["rows"] / seconds,
                "waiting_share": min(1.0, told["waited"] / seconds),
            })  # fmt: skip
            self.loss, self.steps = 0.0, 0

    def close(self) -> None:
        for logger in self.loggers:
            logger.close()

    def _write(self, kind: str, step: int, values: dict[str, float]) -> None:
        for logger in self.loggers:
            logger.write(kind, step, values)


def _file_name(part: str) -> str:
    """What a training is called, as a folder may be; of long words, which may hold a cell's, both ends."""
    name = re.sub(r"[^\w-]+", "-", part).strip("-")
    return name if len(name) <= NAME else f"{name[: NAME // 2]}-{name[-NAME // 2 :]}"


def _tensorboard() -> Callable[..., Any]:
    """torch's writer of TensorBoard's files.

    Raises:
        ConfigError: TensorBoard is not installed.
    """
    with imported_for("log tensorboard", "tensorboard", "tensorboard"):
        from torch.utils.tensorboard import SummaryWriter
    return SummaryWriter
