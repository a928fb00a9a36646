"""Checkpoints: whole or not there, checked before they are used, and never the end of a training."""

import hashlib
import io
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.io import CheckpointIO

from sensorium.data.table import write_atomically
from sensorium.errors import DataError
from sensorium.stopping import Watcher
from sensorium.training.team import ALONE, Team
from sensorium.training.unfinished import BEFORE, LAST

__all__ = ["BEST", "CheckedFiles", "Checkpoints", "latest", "read_checkpoint"]

BEST = "best.ckpt"
HEX = 64  # digits of a hash
SIZE = HEX.to_bytes(2, "little")
OFTEN = 300.0  # s from one checkpoint to the next within an epoch
SOMETIMES = 16  # steps after which several processes look whether it is time, which they have to agree on


class CheckedFiles(CheckpointIO):
    """Files as torch writes and reads them, in a folder: zip archives, with a hash for a comment.

    A last checkpoint takes the place of the one before, which is kept until the next. A file that can't be written is
    noted in `failure`, and no error.
    """

    def __init__(self) -> None:
        self.failure: str | None = None

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        path, content = Path(path), io.BytesIO()
        torch.save(checkpoint, content)
        self.failure = None
        try:
            if path.name == LAST and path.exists():
                path.replace(path.with_name(BEFORE))
            archive = content.getbuffer()[: -len(SIZE)]  # torch writes no comment
            write_atomically(path, [archive, _comment(archive)])
        except (DataError, OSError) as error:
            self.failure = str(error)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        return read_checkpoint(Path(path))

    def remove_checkpoint(self, path: Any) -> None:
        Path(path).unlink(missing_ok=True)


class Checkpoints(Checkpoint):
    """Writes one after each epoch, one every OFTEN seconds within it, and one where a signal has come.

    Args:
        folder: of LAST, BEFORE and BEST, the weights of the best epoch by `choice`.
        files: that write them.
        watcher: of signals.
        ended: why the training ends with this epoch, if it does.
        say: called with lines of text.
        team: the processes that train together, of which the first writes.
    """

    def __init__(
        self,
        folder: Path,
        files: CheckedFiles,
        watcher: Watcher,
        ended: Callable[[Any], str | None],
        say: Callable[[str], None],
        team: Team = ALONE,
    ):
        self.folder, self.files, self.watcher, self.ended, self.say = folder, files, watcher, ended, say
        self.team = team
        self.best: float | None = None
        self.reason: str | None = None
        self.held: dict[str, Any] | None = None  # the best weights, where there is no place for them on disk
        self.failed = False
        self.written = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "reason": self.reason}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best, self.reason = state["best"], state["reason"]

    def on_train_start(self, trainer: Any, module: Any) -> None:
        self.watcher.again()  # Lightning has put its own handler in the place of ours

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, index: int) -> None:
        # Not after an epoch's last step: the validation belongs to it.
        if trainer.fit_loop.epoch_loop.batch_progress.is_last_batch or trainer.should_stop:
            return
        signalled, due = self.watcher.number is not None, time.monotonic() - self.written > OFTEN
        if self.team.several:
            due = index % SOMETIMES == 0 and bool(self.team.first(due, module.device))
        if signalled or due:
            self._write(trainer, LAST)
        self.watcher.check()

    def on_train_epoch_end(self, trainer: Any, module: Any) -> None:
        """After early stopping, which Lightning calls before."""
        choice = float(trainer.callback_metrics["choice"])
        choice = math.inf if math.isnan(choice) else choice
        self.reason = self.ended(trainer)
        if self.best is None or choice < self.best:
            self.best = choice
            self._write(trainer, BEST)
            self.held = None
            if self.files.failure is not None:
                self.held = {name: value.cpu().clone() for name, value in module.state_dict().items()}
        self._write(trainer, LAST)
        self.watcher.check()

    def _write(self, trainer: Any, name: str) -> None:
        if name == LAST and self.held is not None:
            return  # it would go with the best weights of before
        trainer.save_checkpoint(self.folder / name, weights_only=name == BEST)
        self.written = time.monotonic()
        if name == LAST:
            self.team.kept()
        if self.files.failure is not None and not self.failed:
            self.failed = True
            self.say(
                f"{self.files.failure} Training goes on, and checkpoints are tried again; "
                "what is learned meanwhile is lost if it is stopped."
            )


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint whose hash is right.

    Raises:
        DataError: it is damaged.
    """
    content = path.read_bytes()
    if not content.endswith(_comment(memoryview(content)[: -len(SIZE) - HEX])):
        raise DataError(f"{path} is damaged.")
    return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)


def _comment(archive: memoryview) -> bytes:
    """The end of a zip archive, which is its length and a comment: the SHA-256 of all before it."""
    return SIZE + hashlib.sha256(archive).hexdigest().encode()


def latest(folder: Path, say: Callable[[str], None]) -> tuple[Path, dict[str, Any]] | None:
    """The last checkpoint in `folder` that is whole, and that goes with a whole one of the best epoch; None: begin anew.

    One that is damaged is said; the one before gives the same weights in the end, and so does a new beginning.
    """
    best = folder / BEST
    for path in (folder / LAST, folder / BEFORE):
        if not path.exists():
            continue
        try:
            state = read_checkpoint(path)
            if state["callbacks"][Checkpoints.__qualname__]["best"] is not None:
                read_checkpoint(best)
        except DataError as error:
            say(f"{error} An earlier one is looked for.")
            continue
        return path, state
    return None
