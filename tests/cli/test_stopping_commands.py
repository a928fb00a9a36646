"""What `sensorium` says and gives back when a signal stops it."""

import signal
import sys

import pytest

from sensorium.cli import main


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["SIGTERM", "SIGINT"]
)  # fmt: skip
@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["fit", "my table.csv", "--out", "run"], "sensorium fit 'my table.csv' --out run --resume"),
        (["pretrain", "t.csv", "--out", "run", "--resume"], "sensorium pretrain t.csv --out run --resume"),
        (["tune", "t.csv"], "sensorium tune t.csv"),
    ],
)
def test_a_command_that_is_stopped_says_how_to_go_on(number, code, words, line, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["sensorium", *words])
    monkeypatch.setattr("sensorium.cli.app", lambda: signal.raise_signal(number))
    before = signal.getsignal(number)
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == code
    assert capsys.readouterr().err == f"stopped. To go on: {line}\n"
    assert signal.getsignal(number) == before
