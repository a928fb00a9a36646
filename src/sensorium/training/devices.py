"""Training by several processes of this machine, one a device; run as a module, one of them."""

import logging
import os
import pickle
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sensorium.data.table import write_atomically
from sensorium.errors import ConfigError, SensoriumError, TrainingError
from sensorium.training.spread import Job, Outcome, Report
from sensorium.training.team import Team, ddp

__all__ = ["Devices"]

JOB, TOLD, DONE, FAILED = "job.pickle", "told.pickle", "done.pickle", "failed.pickle"
OFTEN = 0.1  # s


@dataclass(frozen=True)
class Devices:
    """Starts `count` processes, each of which trains on a device of its own, or on a part of the processors.

    Args:
        count: 2 or more; a machine with GPUs must have as many.
        strategy: ddp: each has the whole network.

    Raises:
        ConfigError: there is no such strategy, or not so many devices.
    """

    count: int
    strategy: str = "ddp"

    def __post_init__(self) -> None:
        if self.strategy == "fsdp":
            raise ConfigError(
                "strategy fsdp is not supported: it would give each process a part of every weight, and weight decay, "
                "clipping and checkpoints take whole ones. Take ddp; frozen or low-rank encoders (tune: lora) need less room."
            )
        if self.strategy != "ddp":
            raise ConfigError(f"strategy: unknown value '{self.strategy}'. There is: ddp.")
        gpus = torch.cuda.device_count()
        if gpus and self.count > gpus:
            raise ConfigError(f"devices must be at most the machine's GPUs ({gpus}); got {self.count}.")

    def __call__(self, job: Job, report: Report, say: Callable[[str], None]) -> Outcome:
        """
        Raises:
            TrainingError: a process ended before its work was done.
        """
        with tempfile.TemporaryDirectory(prefix="sensorium-") as place:
            folder = Path(place)
            write_atomically(folder / JOB, pickle.dumps(job))
            own = {
                "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port()), "NODE_RANK": "0",
                "WORLD_SIZE": str(self.count), "TORCH_CPP_LOG_LEVEL": "ERROR",
            }  # fmt: skip
            processes = [
                subprocess.Popen(
                    [sys.executable, "-P", "-m", "sensorium.training.devices", place],
                    env={**os.environ, **own, "LOCAL_RANK": str(rank)},
                    stdin=subprocess.PIPE,
                    start_new_session=True,  # Ctrl-C is for this process
                )
                for rank in range(self.count)
            ]
            try:
                self._watch(processes, folder / TOLD, report, say)
            finally:
                for process in processes:
                    process.kill()
                    process.wait()
                    process.stdin.close()
            for name in (FAILED, DONE):
                if (folder / name).exists():
                    return pickle.loads((folder / name).read_bytes())
        codes = ", ".join(str(process.returncode) for process in processes)
        raise TrainingError(
            f"a process of the training ended before its work was done (exit codes {codes}). "
            "The same command with --resume goes on from the last checkpoint."
        )

    def _watch(self, processes: list[subprocess.Popen], told: Path, report: Report, say: Callable[[str], None]) -> None:
        """Pass on what is told until all have ended, or one has ended badly."""
        with open(told, "a+b") as file:
            file.seek(0)
            while True:
                codes = [process.poll() for process in processes]
                while (line := _next(file)) is not None:
                    (say if isinstance(line, str) else report)(line)
                if any(codes) or None not in codes:
                    return
                time.sleep(OFTEN)


def _next(file: Any) -> Any:
    """What was told next, once it is there as a whole."""
    start = file.tell()
    try:
        return pickle.load(file)
    except (EOFError, pickle.UnpicklingError):
        file.seek(start)
        return None


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def _end_with_parent() -> None:
    """The pipe from it ends when it does, however that comes."""
    while os.read(0, 1024):
        pass
    os._exit(1)


def _work(folder: Path) -> None:
    """One of the processes."""
    from lightning.pytorch.plugins.environments import LightningEnvironment
    from lightning.pytorch.strategies import DDPStrategy

    logging.getLogger("lightning.fabric").setLevel(logging.ERROR)  # its notes on who is who
    job = pickle.loads((folder / JOB).read_bytes())
    rank, size = int(os.environ["LOCAL_RANK"]), int(os.environ["WORLD_SIZE"])
    if torch.cuda.is_available():
        torch.cuda.set_device(rank)
    torch.set_num_threads(job.given["options"].threads or max(1, torch.get_num_threads() // size))
    options = {
        "accelerator": "auto", "devices": size, "strategy": ddp(DDPStrategy),
        "plugins": [LightningEnvironment()],
    }  # fmt: skip
    with open(folder / TOLD, "ab", buffering=0) as file:

        def tell(told: Any) -> None:
            file.write(pickle.dumps(told))

        try:
            outcome = job.run(Team(rank, size, options), job.folder, tell, tell)
        except SensoriumError as error:
            write_atomically(folder / FAILED, pickle.dumps(Outcome(error=error)))
            sys.exit(2)
    if rank == 0:
        write_atomically(folder / DONE, pickle.dumps(outcome))


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _work(Path(sys.argv[1]))
