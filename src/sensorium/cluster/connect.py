"""The Ray cluster that a command runs on: one that is there, or one of this machine's processes for as long as it lasts."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from sensorium.errors import ConfigError, SensoriumError, imported_for

__all__ = ["LOCAL", "cluster", "load_ray"]

LOCAL = "local"
# Tasks see what the driver sees: Ray would hide all GPUs from what asks for none, and name each line's process.
QUIET = {"RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0", "RAY_DEDUP_LOGS": "0", "RAY_TRAIN_V2_ENABLED": "1"}
OWN = ("SENSORIUM_CACHE", "OMP_NUM_THREADS")  # of this program's environment, for processes on other machines too


def load_ray() -> ModuleType:
    """The library, quiet, and without telling anybody of its use.

    Raises:
        ConfigError: it is not installed.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    with warnings.catch_warnings(), imported_for("--cluster", "ray", "cluster"):
        warnings.simplefilter("ignore")  # of its own imports
        import ray
    return ray


@contextmanager
def cluster(address: str, cpus: int | None = None, **options: Any) -> Iterator[ModuleType]:
    """Ray, connected: use it in a `with`. What was connected before stays so afterwards.

    Args:
        address: local, for processes of this machine; auto, for the cluster that this machine is part of; HOST:PORT, or
            ray://HOST:PORT.
        cpus: that a local cluster is to have, whatever the machine has; None: the machine's.
        options: more for `ray.init`.

    Raises:
        ConfigError: Ray is not installed.
        SensoriumError: nothing answers at the address.
    """
    ray = load_ray()
    if ray.is_initialized():
        yield ray
        return
    if not address:
        raise ConfigError("--cluster must be local, auto, or the address of a Ray cluster, HOST:PORT; got nothing.")
    environment = {"env_vars": {name: os.environ[name] for name in OWN if name in os.environ}}
    chosen: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "runtime_env": environment}
    if address == LOCAL:
        chosen |= {"address": "local", "include_dashboard": False, "num_cpus": cpus}
    else:
        chosen |= {"address": address}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Ray's own
            ray.init(**{**chosen, **options})
    except (ConnectionError, TimeoutError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise SensoriumError(
            f"--cluster {address}: no Ray cluster answers there ({reason}). Start one with `ray start --head`, "
            "or take --cluster local."
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()
