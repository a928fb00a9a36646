"""`sensorium fit` on a Ray cluster: workers train the network together; all else of a fit is done by this process."""

import hashlib
import os
import pickle
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sensorium.cluster.connect import LOCAL, cluster, load_ray
from sensorium.errors import ConfigError, SensoriumError, TrainingError
from sensorium.fitting import fit as fit_here
from sensorium.media.loader import processors
from sensorium.predictor import Predictor
from sensorium.training.spread import Job, Outcome, Report, spread

__all__ = ["Workers", "fit", "resources"]

FAILURES = 3  # times that workers may be lost: training then goes on from the last checkpoint
OFTEN = 0.2  # s


def fit(
    table: Any,
    target: str | Sequence[str] | None = None,
    *,
    address: str = LOCAL,
    workers: int | None = None,
    fewest: int | None = None,
    storage: str | os.PathLike[str] | None = None,
    **given: Any,
) -> Predictor:
    """`sensorium.fit`, with the network trained on a Ray cluster by several workers, each on its part of every step's rows.

    The workers read the table's media by the same paths as this process. One that is lost is replaced, and training goes
    on from the last checkpoint.

    Args:
        table, target, given: as for `sensorium.fit`.
        address: see `sensorium.cluster.connect.cluster`.
        workers: processes; None: one a GPU of the cluster, else one a machine.
        fewest: of them, that training goes on with where the cluster has become smaller; None: it waits for all.
        storage: for checkpoints, a folder that all machines share or an address such as s3://bucket/path; None: `out`,
            which all machines must share.

    Raises:
        SensoriumError: whatever is wrong with the cluster, the table, the options or the media.
    """
    cpus = max(processors(), workers or 1) if address == LOCAL else None
    launch = Workers(workers, fewest, storage)
    with cluster(address, cpus), spread(launch):
        return fit_here(table, target, **given)


@dataclass(frozen=True)
class Workers:
    """Has a job done by Ray Train.

    Args: as of `fit`.

    Raises:
        ConfigError: `fewest` is more than `workers`.
    """

    workers: int | None = None
    fewest: int | None = None
    storage: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        if self.fewest is not None and not 1 <= self.fewest <= (self.workers or self.fewest):
            raise ConfigError(f"the fewest workers must be from 1 to all of them ({self.workers}); got {self.fewest}.")

    def __call__(self, job: Job, report: Report, say: Callable[[str], None]) -> Outcome:
        """
        Raises:
            TrainingError: workers were lost too often, or can't read or write what they have to.
        """
        ray = load_ray()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Ray's imports
            from ray.train import CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
            from ray.train.torch import TorchConfig, TorchTrainer
            from ray.train.v2.api.exceptions import TrainingFailedError

            count, cpus, gpu = resources(ray.nodes(), self.workers)
            say(f"{count} workers of {cpus} processors{' and a GPU' * gpu} each train the network.")
            filesystem, path = _place(self.storage if self.storage is not None else job.folder / "ray")
            name = f"{job.folder.name}-{hashlib.sha256(str(job.folder.absolute()).encode()).hexdigest()[:12]}"
            if not job.resume:
                _forget(filesystem, f"{path}/{name}")
            mail = ray.remote(num_cpus=0)(Mail).remote()
            trainer = TorchTrainer(
                _work,
                train_loop_config={"job": [ray.put(job)], "mail": mail, "threads": cpus},
                scaling_config=ScalingConfig(
                    num_workers=count if self.fewest is None else (self.fewest, count), use_gpu=gpu,
                    resources_per_worker={"CPU": cpus, **({"GPU": 1} if gpu else {})},
                ),
                torch_config=TorchConfig(backend="nccl" if gpu else "gloo"),
                run_config=RunConfig(
                    name=name, storage_path=path, storage_filesystem=filesystem,
                    failure_config=FailureConfig(max_failures=FAILURES),
                    checkpoint_config=CheckpointConfig(num_to_keep=2),
                ),
            )  # fmt: skip
            try:
                with _told(ray, mail, report, say):
                    outcome = pickle.loads(trainer.fit().return_value)
            except TrainingFailedError as error:
                failed = ray.get(mail.error.remote())
                if failed is not None:
                    raise failed from None
                reason = " ".join(str(error).split())
                raise TrainingError(
                    f"the workers failed {FAILURES + 1} times: {reason[-300:]}. Once the reason is gone, the same command "
                    "with --resume goes on from the last checkpoint."
                ) from error
        _forget(filesystem, f"{path}/{name}")
        return outcome


class Mail:
    """Takes what the first worker tells, and why a worker can't go on, to the process that waits for it."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.failed: SensoriumError | None = None

    def put(self, told: Any) -> None:
        self.told.append(told)

    def take(self) -> list[Any]:
        told, self.told = self.told, []
        return told

    def fail(self, error: SensoriumError) -> None:
        self.failed = self.failed or error

    def error(self) -> SensoriumError | None:
        return self.failed


@contextmanager
def _told(ray: Any, mail: Any, report: Report, say: Callable[[str], None]) -> Iterator[None]:
    """While it lasts, what is told is passed on."""
    over, wrong = threading.Event(), []

    def pass_on() -> None:
        try:
            while True:
                last = over.wait(OFTEN)
                for told in ray.get(mail.take.remote()):
                    (say if isinstance(told, str) else report)(told)
                if last:
                    return
        except Exception as error:  # raised again below
            wrong.append(error)

    thread = threading.Thread(target=pass_on, name="sensorium-mail", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    if wrong:
        raise wrong[0]


def _work(config: dict[str, Any]) -> bytes:
    """One of the workers; what comes of it is pickled, since Ray takes no tensors here."""
    import ray
    import ray.train
    import torch
    from ray.train.lightning import RayDDPStrategy, RayLightningEnvironment

    from sensorium.training.team import Team, ddp

    mail = config["mail"]
    if (error := ray.get(mail.error.remote())) is not None:
        return pickle.dumps(Outcome(error=error))  # it would come to the same again
    job = ray.get(config["job"][0])
    torch.set_num_threads(job.given["options"].threads or config["threads"])
    context = ray.train.get_context()
    rank, size = context.get_world_rank(), context.get_world_size()
    options = {
        "accelerator": "auto", "devices": "auto", "strategy": ddp(RayDDPStrategy),
        "plugins": [RayLightningEnvironment()],
    }  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="sensorium-") as place:
        folder = Path(place)
        if (checkpoint := ray.train.get_checkpoint()) is not None:
            checkpoint.to_directory(place)

        def kept() -> None:
            written = ray.train.Checkpoint.from_directory(place) if rank == 0 else None
            ray.train.report({}, checkpoint=written)

        def tell(told: Any) -> None:
            mail.put.remote(told)

        try:
            outcome = job.run(Team(rank, size, options, kept), folder, tell, tell)
            return pickle.dumps(outcome if rank == 0 else None)
        except TrainingError as error:  # all workers come to it
            return pickle.dumps(Outcome(error=error))
        except SensoriumError as error:  # of a file that this one reads
            ray.get(mail.fail.remote(error))
            raise


def resources(nodes: Sequence[dict[str, Any]], workers: int | None) -> tuple[int, int, bool]:
    """How many workers there are, the processors of each, and whether each has a GPU.

    Args:
        nodes: as `ray.nodes` tells of them.
        workers: that are wanted; None: one a GPU, else one a machine.
    """
    alive = [node["Resources"] for node in nodes if node["Alive"] and node["Resources"].get("CPU", 0) >= 1]
    gpus = [int(node.get("GPU", 0)) for node in alive]
    count = workers or sum(gpus) or len(alive) or 1
    gpu = sum(gpus) >= count
    for cpus in range(max([1, *(int(node["CPU"]) for node in alive)]), 1, -1):
        places = [int(node["CPU"]) // cpus for node in alive]
        if sum(min(pair) if gpu else pair[0] for pair in zip(places, gpus, strict=True)) >= count:
            return count, cpus, gpu
    return count, 1, gpu


def _place(storage: str | os.PathLike[str]) -> tuple[Any, str]:
    """The file system of a folder or an address, and the path there.

    Raises:
        ConfigError: there is no such file system, or what it needs is not installed.
    """
    import pyarrow as pa
    from pyarrow.fs import FileSystem, FSSpecHandler, LocalFileSystem, PyFileSystem

    if "://" not in str(storage):
        return LocalFileSystem(), str(Path(storage).absolute())
    try:
        return FileSystem.from_uri(str(storage))
    except pa.ArrowInvalid:
        pass  # not one of Arrow's own
    import fsspec

    try:
        system, path = fsspec.core.url_to_fs(str(storage))
    except (ImportError, ValueError) as error:
        raise ConfigError(f"--storage {storage}: {error}.") from error
    return PyFileSystem(FSSpecHandler(system)), path


def _forget(filesystem: Any, path: str) -> None:
    from pyarrow.fs import FileType

    if filesystem.get_file_info(path).type == FileType.Directory:
        filesystem.delete_dir(path)
