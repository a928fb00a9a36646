"""A browser; a run whose table tries to get scripts into a page."""

from pathlib import Path

import pytest
from chromium import browsing
from evil import EVIL, fit_evil, write_evil

import sensorium as sm


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    with browsing(tmp_path_factory.mktemp("chromium")) as found:
        yield found


@pytest.fixture(scope="session")
def evil_table(tmp_path_factory) -> Path:
    return write_evil(tmp_path_factory.mktemp("evil"))


@pytest.fixture(scope="session")
def evil_run(evil_table, tmp_path_factory) -> Path:
    return fit_evil(evil_table, tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture(scope="session")
def evil_report(evil_run, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("reports") / "report.html"
    sm.load(evil_run).report(title=f"run {EVIL}").save(path)
    return path
