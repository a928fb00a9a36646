"""A run so small that a thousand copies of it are read in seconds, and a watch on what reading does."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import sensorium as sm
from sensorium.export.pack import pack

CONFIG = {
    "inputs": {
        "note": {"modality": "text", "encoder": {"type": "bag"}},
        "pose": {"modality": "vector"},
        "columns": {"columns": ["age", "shop"]},
    },
    "fusion": {"type": "concat", "width": 4},
    "training": {"epochs": 1, "precision": "32", "probes": False, "wide": False},
}
# What no archive may bring about: code from a pickle or a text, another program, the network.
WATCHED = (
    "compile", "exec", "os.exec", "os.fork", "os.posix_spawn", "os.system", "pickle.find_class", "socket.connect",
    "socket.getaddrinfo", "subprocess.Popen",
)  # fmt: skip
_seen: list[str] | None = None


def _hook(event: str, _: tuple) -> None:
    if _seen is not None and event in WATCHED:
        _seen.append(event)


sys.addaudithook(_hook)  # for as long as the process lives; it looks up only inside `watched`


@contextmanager
def watched() -> Iterator[list[str]]:
    """What of WATCHED happens meanwhile, as Python's own audit tells it."""
    global _seen
    _seen = found = []
    try:
        yield found
    finally:
        _seen = None


@pytest.fixture(scope="session")
def watch():
    return watched


@pytest.fixture(scope="session")
def rows() -> dict:
    random = np.random.default_rng(0)
    yes = [row % 2 == 0 for row in range(60)]
    return {
        "age": [2.0 * here + random.normal() for here in yes],
        "shop": [("north", "south", "west")[row % 3] for row in range(60)],
        "note": [f"{'a fine bright' if here else 'a dark gloomy'} day, number {row}" for row, here in enumerate(yes)],
        "pose": [[float(here), 1.0] for here in yes],
        "label": ["yes" if here else "no" for here in yes],
    }


@pytest.fixture(scope="session")
def small(rows, tmp_path_factory) -> Path:
    """The folder of the run."""
    folder = tmp_path_factory.mktemp("small") / "run"
    sm.fit(rows, "label", config=CONFIG, out=folder)
    return folder


@pytest.fixture(scope="session")
def packed(small, tmp_path_factory) -> Path:
    """The same as one file."""
    file = tmp_path_factory.mktemp("packed") / "model.sensorium"
    pack(small, file, card="# a card\n")
    return file
