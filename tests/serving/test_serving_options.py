"""What a server may take."""

import importlib.util

import pytest

from sensorium.errors import ConfigError
from sensorium.serving.options import Options
from sensorium.serving.packages import check_installed


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"queue": 0}, r"serve: queue must be above 0; got 0\."),
        ({"seconds": float("nan")}, r"serve: seconds must be above 0; got nan\."),
        ({"decoders": 0}, r"serve: decoders must be 1 or more; got 0\."),
        ({"watch": -1}, r"serve: watch must be 0 or more seconds; got -1\."),
        ({"examples": -1}, r"serve: examples must be 0 or more; got -1\."),
        ({"api_key": "a\r\nb"}, "serve: the API key must be one line of ASCII"),
        ({"api_key": ""}, "serve: the API key must be one line of ASCII"),
    ],
)
def test_refused(given, message):
    with pytest.raises(ConfigError, match=message):
        Options(**given)


def test_they_reach_other_processes_as_they_are():
    options = Options(queue=3, origins=("https://a.example",), api_key="k")
    assert Options.loads(options.dumps()) == options


def test_a_missing_extra_is_named(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "uvicorn" else found(name))
    with pytest.raises(ConfigError, match=r"serving needs uvicorn\. Install with: pip install 'sensorium\[serve\]'"):
        check_installed()
