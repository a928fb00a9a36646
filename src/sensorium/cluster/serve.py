"""A run behind HTTP on a cluster: the application of `sensorium serve` in as many processes as the load needs."""

import logging
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from sensorium.cluster.connect import LOCAL, cluster
from sensorium.errors import ConfigError
from sensorium.predictor import load
from sensorium.serving.options import Options

__all__ = ["NAME", "serve", "serving"]

NAME = "sensorium"  # of the application on the cluster
HEALTH = 2.0  # s between looks whether a process still answers


@contextmanager
def serving(
    run: Path,
    address: str = LOCAL,
    host: str = "127.0.0.1",
    port: int = 8000,
    options: Options | None = None,
    least: int = 1,
    most: int = 1,
) -> Iterator[None]:
    """A run that is served by Ray Serve for the while of a `with`.

    Each process has one processor, a copy of the run and the limits of `options`. More are started while each has more
    requests at work than half a batch on average, and ended when there are fewer.

    Args:
        run: its folder, or its one file, which all machines see under the same path.
        address: see `sensorium.cluster.connect.cluster`.
        host, port: where each machine that has such a process listens; of a Serve that runs already, its own stay.
        options: of each process; decoders and threads become 1.
        least, most: processes.

    Raises:
        ConfigError: least or most can't be; no Ray; another application is at the same path.
        DataError: no run that can answer.
    """
    if not 1 <= least <= most:
        raise ConfigError(f"serve: replicas must be at least 1 and at most --max-replicas ({most}); got {least}.")
    load(run)._answering()  # a mistake is told here, before there are processes
    given = replace(options or Options(), decoders=1, threads=1)
    with cluster(address, cpus=most):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Ray's own imports
            from ray import serve as ray_serve
            from ray.serve.exceptions import RayServeException

        from sensorium.cluster.replica import Replica

        deployed = ray_serve.deployment(
            ray_serve.ingress()(Replica),
            name=NAME,
            ray_actor_options={"num_cpus": 1},
            autoscaling_config={
                "min_replicas": least,
                "initial_replicas": least,
                "max_replicas": most,
                "target_ongoing_requests": max(1, given.batch // 2),
            },
            max_ongoing_requests=2 * given.queue,  # what is too much is refused by the application, in its own form
            health_check_period_s=HEALTH,
            graceful_shutdown_wait_loop_s=0.5,
            graceful_shutdown_timeout_s=given.seconds + 5,
        )
        logging.getLogger("ray.serve").setLevel(logging.ERROR)  # `begins` tells when it answers
        ray_serve.start(http_options={"host": host, "port": port})
        try:
            ray_serve.run(deployed.bind(str(run.absolute()), given.dumps()), name=NAME, route_prefix="/")
        except (RayServeException, RuntimeError) as error:
            reason = " ".join(str(error).split())[:300]
            raise ConfigError(f"Ray Serve can't serve {run}: {reason}") from error
        try:
            yield
        finally:
            ray_serve.delete(NAME)
            if not ray_serve.status().applications:
                ray_serve.shutdown()


def serve(
    run: Path,
    address: str,
    host: str,
    port: int,
    options: Options,
    least: int,
    most: int,
    begins: Callable[[], None] = lambda: None,
) -> None:
    """Answer requests until a signal (SIGTERM, SIGINT) ends it; see `serving`. `begins`: called once it answers."""
    with serving(run, address, host, port, options, least, most):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        begins()
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            pass
