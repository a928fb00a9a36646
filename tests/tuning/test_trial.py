"""One trial: its score, when it is cut short, and what is said where it fails."""

import math
import time
from types import SimpleNamespace

import pandas as pd
import pytest

from sensorium.data.table import read_table
from sensorium.errors import DataError, TrainingError
from sensorium.planning import plan
from sensorium.tuning.journal import Journal
from sensorium.tuning.spaces import Space
from sensorium.tuning.trial import Fitting, Paused, loss_of, run_trial, score_of

MADE_OF = {"version": "1", "table": "a", "valid": None, "options": "", "choices": []}


@pytest.fixture
def tuning(told, tmp_path):
    """A journal, and what runs its next trial."""
    rows = read_table(told)
    chosen, _ = plan(rows, "label", {"inputs": {"note": {}, "age": {}}})
    space = Space(chosen, {}, ["training.learning_rate"])
    fitting = Fitting(rows, None, (), {}, tmp_path)
    with Journal(tmp_path, MADE_OF, space.defaults(), 0, "median", 5) as journal:

        def run(deadline=None, report=lambda _: None, say=lambda _: None):
            run_trial(journal, journal.ask(), space, fitting, deadline, report, say)
            return journal.trials()[-1]

        yield SimpleNamespace(journal=journal, run=run, folder=tmp_path, space=space)


def test_the_first_trial_is_exactly_the_defaults(tuning, fits):
    first = tuning.run()
    config = fits.ran[0][1]
    assert config == {**tuning.space.base, "training": {**tuning.space.base["training"], "probes": False}}
    assert (fits.ran[0][0], first.value) == (f"{tuning.folder.name}/defaults", pytest.approx(0.5 ** math.log10(2)))
    assert (first.user_attrs["loss"], first.user_attrs["epochs"]) == (pytest.approx(1 - first.value), 5)
    assert first.intermediate_values == {epoch: pytest.approx(first.value - 1) for epoch in range(1, 6)}
    second = tuning.run()
    assert fits.ran[1][1]["training"]["learning_rate"] == pytest.approx(
        second.params["training.learning_rate"], rel=0.01
    )


@pytest.mark.parametrize(
    ("error", "note"),
    [
        (TrainingError("training stopped: the loss is nan at step 3."), "training stopped: the loss is nan at step 3."),
        (MemoryError(), "out of memory: MemoryError"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8e13 bytes"),
         "out of memory: [enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8e13 bytes"),
        (RuntimeError("mat1 and mat2 shapes\n cannot be multiplied"), "mat1 and mat2 shapes cannot be multiplied"),
        (ValueError("x" * 300), "x" * 199 + "…"),
    ],
)  # fmt: skip
def test_a_trial_that_fails_is_told_of_and_loses_no_other(tuning, fits, error, note):
    first = tuning.run()

    def fail(count):
        if count == 2:
            fits.before = lambda count: None
            raise error

    fits.before = fail
    failed = tuning.run()
    assert (failed.state.name, failed.user_attrs["note"]) == ("FAIL", note)
    assert tuning.run().state.name == "COMPLETE"
    assert [trial.number for trial in tuning.journal.finished()] == [0, 2]
    assert tuning.journal.first() == first


def test_defaults_that_fail_for_a_reason_that_stays_are_an_error_and_tried_again(tuning, fits):
    def fail(count):
        raise DataError("row 3 is strange.")

    fits.before = fail
    with pytest.raises(DataError, match="row 3 is strange"):
        tuning.run()
    assert tuning.journal.trials() == []
    assert tuning.journal.study.trials[0].user_attrs["paused"]


def test_defaults_that_diverge_leave_the_search_to_others(tuning, fits):
    def fail(count):
        fits.before = lambda count: None
        raise TrainingError("the loss is nan.")

    fits.before = fail
    assert tuning.run().state.name == "FAIL"
    assert tuning.journal.first() is None
    assert tuning.run().state.name == "COMPLETE"


def test_a_trial_that_falls_behind_is_cut_short_but_never_the_defaults(tuning, fits):
    losses = [[9.0] * 5, *[[0.9, 0.8, 0.7, 0.6, 0.5]] * 2, [5.0] * 5]
    fits.losses = lambda training: losses[len(fits.ran) - 1]
    found = [tuning.run() for _ in losses]
    assert [trial.state.name for trial in found] == ["COMPLETE"] * 3 + ["PRUNED"]
    assert found[-1].user_attrs["epochs"] == len(found[-1].intermediate_values) < 5


def test_losses_of_a_network_of_one_input_do_not_count(tuning, fits, monkeypatch):
    real = fits.losses

    def with_parts(training):
        report = tuning.report
        report({"step": 1, "part": "'note' alone", "row": {"epoch": 1, "valid_loss": math.inf}})
        return real(training)

    from sensorium.tuning import trial as module

    fit = module.fit
    monkeypatch.setattr(
        module,
        "fit",
        lambda *given, report, **more: (setattr(tuning, "report", report), fit(*given, report=report, **more))[1],
    )
    fits.losses = with_parts
    assert set(tuning.run().intermediate_values) == {1, 2, 3, 4, 5}


def test_where_domains_are_aligned_the_choice_decides():
    history = pd.DataFrame({"valid_loss": [0.4, 0.2], "choice": [0.5, 0.9]})
    assert loss_of(SimpleNamespace(history=history)) == 0.5
    assert loss_of(SimpleNamespace(history=history[["valid_loss"]])) == 0.2
    with pytest.raises(TrainingError, match="the validation loss is nan in every epoch"):
        loss_of(SimpleNamespace(history=pd.DataFrame({"valid_loss": [math.nan]})))


def test_several_targets_are_scored_by_their_loss_together():
    coders = {"a": SimpleNamespace(task="regression"), "b": SimpleNamespace(task="binary")}
    history = pd.DataFrame({"valid_loss": [0.4, 0.25]})
    assert score_of(SimpleNamespace(coders=coders, history=history)) == -0.25


def test_the_main_metric_decides_of_one_target():
    def predictor(scores):
        coders = {"price": SimpleNamespace(task="regression")}
        return SimpleNamespace(coders=coders, metrics={"targets": {"price": {"valid": scores}}})

    assert score_of(predictor({"rmse": {"value": 3.0}, "r2": {"value": 0.7}})) == 0.7
    with pytest.raises(DataError, match="the validation rows tell no r2 of target 'price'"):
        score_of(predictor({"rmse": {"value": 3.0}}))


def test_the_same_choices_are_not_fitted_again(tuning, fits):
    first = tuning.run()
    tuning.journal.study.enqueue_trial(tuning.space.defaults())
    again = tuning.run()
    assert len(fits.ran) == 1
    assert (again.value, again.user_attrs["note"]) == (first.value, "the same as trial 0")
    assert tuning.journal.best() == first


def test_a_trial_that_runs_when_the_time_is_up_is_paused(tuning, fits):
    tuning.run(time.monotonic() + 1000)
    assert fits.ran[0][1]["training"]["time_limit"] == pytest.approx(1000, abs=5)  # the defaults are always there
    with pytest.raises(Paused):
        tuning.run(time.monotonic() - 1)
    assert "time_limit" not in fits.ran[1][1]["training"]  # its score would be another than a fit's
    (waiting,) = (trial for trial in tuning.journal.study.trials if not trial.state.is_finished())
    assert waiting.user_attrs["paused"]
    assert tuning.journal.folders() == {"defaults", "trials/0001"}


def test_under_a_time_limit_no_trial_takes_all_of_it(tuning, fits, monkeypatch):
    from sensorium.tuning import trial

    now = [0.0]
    monkeypatch.setattr(trial.time, "monotonic", lambda: now[0])
    longer = [10, 29, 31, 31]
    fits.losses = lambda training: [0.5] * 5  # none is behind another
    fits.before = lambda count: now.__setitem__(0, now[0] + longer[count - 1])
    found = [tuning.run(1000), tuning.run(1000), tuning.run(1000), tuning.run()]
    assert [own.state.name for own in found] == ["COMPLETE", "COMPLETE", "PRUNED", "COMPLETE"]
    assert found[2].user_attrs["note"] == "3 times as long as the defaults and not done"


def test_who_watches_is_told_every_step(tuning, fits):
    heard = []
    tuning.run(report=heard.append)
    assert [numbers["step"] for numbers in heard] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


def test_what_a_fit_says_of_the_rows_is_said_once(tuning, fits, monkeypatch):
    from sensorium.tuning import trial

    fit, lines = trial.fit, []

    def saying(table, *, say, **more):
        say("3 rows lack a photo.")
        return fit(table, **more)

    monkeypatch.setattr(trial, "fit", saying)
    for _ in range(2):
        tuning.run(say=lines.append)
    assert lines == ["3 rows lack a photo."]
