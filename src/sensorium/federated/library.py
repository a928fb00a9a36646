"""Flower, which is loaded for federated learning alone."""

import logging

from sensorium.errors import imported_for

__all__ = ["need_flower"]

SERVER = 1  # the number that the server's messages come from


def need_flower() -> None:
    """Load the library, quiet: a federation tells of its rounds itself.

    Raises:
        ConfigError: it is not installed.
    """
    with imported_for("federated learning", "Flower", "federated"):
        from flwr.supercore.task_identity import TaskIdentity
    logging.getLogger("flwr").setLevel(logging.CRITICAL)
    # A message says who sends it; Flower's own programs set this, and its strategies make no message without.
    TaskIdentity.run_id = TaskIdentity.task_id = 1
    TaskIdentity.node_id = SERVER
