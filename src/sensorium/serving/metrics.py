"""What is counted and timed, for Prometheus."""

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

__all__ = ["SHARED", "Metrics"]

SHARED = "PROMETHEUS_MULTIPROC_DIR"  # the folder by which the processes of a server share their counts

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """The counts of one process, or of all processes of a server where they share a folder."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "sensorium_requests", "Requests by path and status.", ["path", "status"], registry=registry
        )
        self.seconds = Histogram(
            "sensorium_request_seconds", "First byte to answer.", ["path"], buckets=SECONDS, registry=registry
        )
        self.active = Gauge(
            "sensorium_requests_active", "Requests at work.", registry=registry, multiprocess_mode="livesum"
        )
        self.rows = Counter("sensorium_rows", "Rows answered, by path.", ["path"], registry=registry)
        self.problems = Counter(
            "sensorium_problems", "Files and cells not used as they are, by kind.", ["kind"], registry=registry
        )
        self.read_seconds = Histogram(
            "sensorium_read_seconds", "Decoding of a request's rows.", buckets=SECONDS, registry=registry
        )
        self.model_seconds = Histogram(
            "sensorium_model_seconds", "The network, a batch.", buckets=SECONDS, registry=registry
        )
        self.explain_seconds = Histogram(
            "sensorium_explain_seconds", "Explanations of a request.", buckets=SECONDS, registry=registry
        )
        self.batch_rows = Histogram("sensorium_batch_rows", "Rows of a batch.", buckets=ROWS, registry=registry)
        self.reloads = Counter("sensorium_reloads", "Runs loaded anew, by result.", ["result"], registry=registry)

    def text(self) -> bytes:
        """In Prometheus' format."""
        if SHARED not in os.environ:
            return generate_latest(self.registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
        return generate_latest(registry)
