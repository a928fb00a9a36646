"""Smaller models from a run, and what each costs and is worth."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from sensorium.compression.distill import check_teacher, distill
from sensorium.compression.front import front_plot, measured
from sensorium.compression.smaller import smaller
from sensorium.data.table import read_table, write_atomically, write_table
from sensorium.errors import ConfigError
from sensorium.predictor import Predictor, load

__all__ = ["compress"]

SHARES = (0.5, 0.25)


def compress(
    run: str | os.PathLike[str] | Predictor,
    table: Any,
    *,
    out: str | os.PathLike[str],
    shares: Sequence[float] = SHARES,
    valid: Any = None,
    unlabelled: Any = None,
    test: Any = None,
    media_root: str | os.PathLike[str] | None = None,
    temperature: float = 4.0,
    soft: float = 0.7,
    pruned: bool = True,
    epochs: int | None = None,
    seed: int | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> pd.DataFrame:
    """Students of a run that learn from its answers, saved as runs, beside what they and the run are worth and cost.

    Args:
        run: that is to be made smaller; it stays as it is.
        table: rows to learn from, best those that the run learned from; those without a target are of use, too.
        out: the folder for the students' runs, front.csv and front.svg.
        shares: of the run's width, feature maps and layers that each student has.
        valid: rows to validate with; where left out, those of `table` that the run's options ask for.
        unlabelled: more rows, whose targets are not read.
        test: labelled rows to score by; the validation rows where left out. They must be new to the run.
        media_root: where relative paths start.
        temperature: of the answers, 1 or more.
        soft: the share of the run's answers in what is learned, from 0 to 1; the truth has the rest.
        pruned: students begin with the run's most important features; else anew.
        epochs, seed: of the students; the run's where left out.
        say: called with lines of text.

    Returns:
        a row a model, the run ("teacher") first; see `sensorium.compression.front.measured`.

    Raises:
        ConfigError: a share, the temperature or soft out of range, or a run that can't teach.
        DataError: rows that can't be learned from or scored.
    """
    out = Path(out)
    if not shares or not all(0 < share <= 1 for share in shares) or len(set(shares)) < len(shares):
        raise ConfigError(f"shares must be different numbers above 0 and up to 1; got {list(shares)}.")
    if not 1 <= temperature <= 100:
        raise ConfigError(f"temperature must be from 1 to 100; got {temperature:g}.")
    if not 0 <= soft <= 1:
        raise ConfigError(f"soft must be from 0 to 1; got {soft:g}.")
    if (out / "front.csv").exists():
        raise ConfigError(f"{out} already holds compressed runs. Take another --out, or delete it.")
    if test is None and valid is None:
        raise ConfigError(
            "give rows that are new to the run to score by: test=TABLE (--test), or valid=TABLE (--valid)."
        )
    teacher = run if isinstance(run, Predictor) else load(run)
    check_teacher(teacher)
    rows, valid, unlabelled, test = (
        None if part is None else read_table(part, media_root) for part in (table, valid, unlabelled, test)
    )
    training = {"epochs": epochs, "seed": seed, "probes": False}
    training = {name: value for name, value in training.items() if value is not None}
    found = {"teacher": teacher}
    for share in shares:
        config = smaller(teacher.config, share)
        config = config.model_copy(update={"training": config.training.model_copy(update=training)})
        say(f"learning {share:g} of the run.")
        student = distill(teacher, rows, valid, config, unlabelled, temperature, soft, pruned, say)
        found[f"{share:g}"] = student
        student.save(out / f"{share:g}")
    front = measured(found, valid if test is None else test)
    frame = pd.DataFrame(front)
    write_atomically(out / "front.svg", front_plot(front, f"{front[0]['metric']}, size and time").encode())
    write_table(frame, out / "front.csv")
    return frame
