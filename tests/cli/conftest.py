"""Commands as a user types them."""

import sys

import pytest

from sensorium.cli import main


@pytest.fixture
def sensorium(capsys, monkeypatch):
    """Runs a command in this process; returns exit code, stdout, stderr."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # Typer puts its own there; this puts the old one back

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["sensorium", *map(str, words)])
        with pytest.raises(SystemExit) as end:  # any other exception would be a traceback
            main()
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return end.value.code, out, err

    return run
