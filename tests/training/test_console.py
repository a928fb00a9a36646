"""What is seen while a model trains: plain lines, and a picture on a terminal."""

import io
import re
import sys
from types import SimpleNamespace

import pytest

from sensorium.training import console
from sensorium.training.console import Progress
from sensorium.training.parts import part_of


@pytest.fixture
def clock(monkeypatch):
    now = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(console, "time", SimpleNamespace(monotonic=lambda: now.seconds))
    return now


class Terminal(io.StringIO):
    def isatty(self):
        return True


def step(number, steps=40, epochs=4, **more):
    """As the loop tells it: 8 rows and half a second a step, a tenth of which is waiting."""
    each = steps // epochs
    here = (number - 1) % each + 1
    told = {"step": number, "steps": steps, "epoch": (number - 1) // each + 1, "epochs": epochs, "loss": 2 / number}
    return {**told, "learning_rate": 0.1, "rows": 8 * here, "seconds": 0.5 * here, "waited": 0.05 * here, **more}


def trained(progress, clock, losses=(0.9, 0.6, 0.8, 0.7), part=None):
    """Forty steps, and after every ten of them the row of an epoch."""
    report = progress if part is None else part_of(progress, part)
    for number in range(1, 41):
        clock.seconds += 0.5
        report(step(number))
        if number % 10 == 0:
            epoch = number // 10
            row = {"epoch": epoch, "valid_loss": losses[epoch - 1], "valid_accuracy": epoch / 8, "valid_loss a": 5.0}
            report(step(number, row=row))


def test_plain_lines_come_every_tenth_of_the_way(clock, capsys):
    with Progress() as progress:
        trained(progress, clock)
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert [int(re.search(r"step (\d+)/40", line)[1]) for line in lines] == [1, *range(4, 41, 4)]
    assert lines[0] == "epoch 1/4  step 1/40  loss 2.000  16 rows/s  10% of the time waiting for data"
    # Half a second a step: 28 steps are left of 40 at step 12, and the last epoch that is over was the best.
    assert lines[3] == (
        "epoch 2/4  step 12/40  loss 0.167  0:14 left at most  validation loss 0.900 (the best)  accuracy 0.125  "
        "16 rows/s  10% of the time waiting for data"
    )
    assert "validation loss 0.800 (best 0.600 in epoch 2)  accuracy 0.375" in lines[-1]
    assert "\r" not in err
    assert "\x1b" not in err


def test_each_training_begins_anew(clock, capsys):
    with Progress() as progress:
        trained(progress, clock, part="fold 1 of 2")
        trained(progress, clock, part="fold 2 of 2")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 22
    assert lines[11].startswith("fold 2 of 2  epoch 1/4  step 1/40  loss 2.000  16 rows/s")


def test_a_resumed_training_counts_from_where_it_goes_on(clock, capsys):
    with Progress() as progress:
        for number in (31, 32, 33):
            clock.seconds += 10
            progress(step(number))
    assert "step 31/40" in capsys.readouterr().err
    for seconds, left in ((80, "0:10"), (479.9, "1:00"), (5000, "10:25")):  # 8 steps took so many, and one is left
        with Progress() as progress:
            progress(step(31))
            clock.seconds += seconds
            progress(step(39))
        assert f"  {left} left at most" in capsys.readouterr().err


def test_a_terminal_shows_a_picture_drawn_over_itself(clock, monkeypatch):
    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(sys, "stderr", terminal)
    with Progress() as progress:
        for number in range(1, 21):
            clock.seconds += 0.001
            progress(step(number))
            progress(step(number, row={"epoch": number, "valid_loss": 1.0}))
        quick = terminal.getvalue()
        print("a line of somebody else's", file=sys.stderr)
        trained(progress, clock)
    assert sys.stderr is terminal
    assert quick.count("epoch") == 1  # 20 steps and epochs in 20 ms are drawn once
    text = terminal.getvalue()
    assert "a line of somebody else's" in text
    last = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text[text.rindex("epoch 4/4") :])
    for words in ("step 40/40", "loss 0.050", "0:00 left at most", "validation loss 0.700 (best 0.600 in epoch 2)",
                  "accuracy 0.500", "16 rows/s", "10% of the time waiting for data"):  # fmt: skip
        assert words in last


@pytest.mark.parametrize("term", ["dumb", "unknown"])
def test_a_terminal_that_cannot_draw_gets_lines(clock, monkeypatch, term):
    terminal = Terminal()
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr(sys, "stderr", terminal)
    with Progress() as progress:
        trained(progress, clock)
    assert len(terminal.getvalue().splitlines()) == 11


def test_nothing_told_nothing_shown(monkeypatch):
    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", terminal)
    with Progress():
        pass
    assert terminal.getvalue() == ""
