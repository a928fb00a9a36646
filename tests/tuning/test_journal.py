"""What a tuning remembers: the defaults come first, what was running goes on, another tuning is refused."""

import pytest

from sensorium.errors import ConfigError
from sensorium.tuning.journal import Journal

MADE_OF = {"version": "1", "table": "a", "valid": None, "options": "epochs: 3", "choices": ["x"]}


def opened(folder, made_of=MADE_OF, pruner="median", epochs=10, seed=0):
    return Journal(folder, made_of, {"x": 0.25}, seed, pruner, epochs)


def tell(journal, value, loss=1.0):
    trial = journal.ask()
    trial.suggest_float("x", 0, 1)
    trial.set_user_attr("loss", loss)
    journal.study.tell(trial, value)
    return trial


def test_the_defaults_come_first(tmp_path):
    with opened(tmp_path) as journal:
        first = journal.ask()
        assert (first.suggest_float("x", 0, 1), first.user_attrs["folder"]) == (0.25, "defaults")
        journal.study.tell(first, 0.5)
        second = journal.ask()
        assert (second.suggest_float("x", 0, 1) != 0.25, second.user_attrs["folder"]) == (True, "trials/0001")
        assert journal.first().number == 0


def test_trials_stay_and_the_search_does_not_repeat_itself(tmp_path):
    drawn = []
    for _ in range(2):
        with opened(tmp_path) as journal:
            drawn += [tell(journal, 0.5).params["x"] for _ in range(2)]
    assert len(set(drawn)) == 4
    with opened(tmp_path) as journal:
        assert [trial.params["x"] for trial in journal.trials()] == drawn


def test_a_trial_in_which_the_process_ended_is_begun_again_once(tmp_path):
    with opened(tmp_path) as journal:
        tell(journal, 0.5)
        x = journal.ask().suggest_float("x", 0, 1)
    with opened(tmp_path) as journal:
        again = journal.ask()
        assert (again.suggest_float("x", 0, 1), again.user_attrs["folder"]) == (x, "trials/0001")
        assert [trial.number for trial in journal.trials()] == [0]
        assert "trials/0001" in journal.folders()
    with opened(tmp_path) as journal:
        _, failed = journal.trials()
        assert (failed.state.name, failed.params["x"]) == ("FAIL", x)
        assert failed.user_attrs["note"] == "the process ended in it 2 times, most likely for want of memory"
        other = journal.ask()
        assert other.suggest_float("x", 0, 1) != x
        assert other.user_attrs["folder"] == "trials/0003"


def test_a_paused_trial_is_begun_again_as_often_as_it_takes(tmp_path):
    with opened(tmp_path) as journal:
        tell(journal, 0.5)
        trial = journal.ask()
        x = trial.suggest_float("x", 0, 1)
        trial.set_user_attr("paused", True)
    for _ in range(4):
        with opened(tmp_path) as journal:
            again = journal.ask()
            assert again.suggest_float("x", 0, 1) == x
            again.set_user_attr("paused", True)
            assert len(journal.trials()) == 1


def test_the_best_is_the_highest_then_of_the_lowest_loss_then_the_earliest(tmp_path):
    with opened(tmp_path) as journal:
        assert journal.best() is None
        assert journal.first() is None
        for value, loss, best in ((0.5, 1.0, 0), (0.7, 2.0, 1), (0.7, 1.5, 2), (0.7, 1.5, 2), (0.6, 0.1, 2)):
            tell(journal, value, loss)
            assert journal.best().number == best
        assert journal.folders() == {"defaults", "trials/0002"}


def test_another_tuning_is_refused(tmp_path):
    opened(tmp_path).close()
    for other, words in (
        ({"table": "b"}, "other rows"),
        ({"valid": "c", "options": ""}, "other rows to validate with and other options"),
        ({"version": "2", "choices": []}, "another version of sensorium and other choices"),
    ):
        with pytest.raises(ConfigError, match=f"holds a tuning with {words}. Take another --out, or delete it"):
            opened(tmp_path, {**MADE_OF, **other})
    opened(tmp_path).close()  # and nothing is held by that


def test_a_folder_in_use_is_refused(tmp_path):
    with opened(tmp_path), pytest.raises(ConfigError, match=r"another process is tuning in .* Wait for it"):
        opened(tmp_path)
    opened(tmp_path).close()


def test_an_unknown_pruner_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="pruner must be one of median, hyperband, none; got 'meadian'"):
        opened(tmp_path, pruner="meadian")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("pruner", "cut"), [("median", True), ("hyperband", True), ("none", False)])
def test_a_trial_far_behind_the_others_is_cut_short(tmp_path, pruner, cut):
    with opened(tmp_path, pruner=pruner, epochs=4) as journal:
        for _ in range(6):
            trial = journal.ask()
            for epoch in range(1, 5):
                trial.report(-1.0 / epoch, epoch)
                trial.should_prune()  # by which hyperband knows the others
            journal.study.tell(trial, 0.5)
        stopped = []
        for _ in range(3):  # hyperband's brackets differ in how soon they cut
            trial = journal.ask()
            for epoch in range(1, 5):
                trial.report(-50.0, epoch)
                if trial.should_prune():
                    stopped.append(epoch)
                    break
            journal.study.tell(trial, state=journal.states.FAIL)
        assert bool(stopped) == cut
        assert pruner != "median" or stopped == [2, 2, 2]  # never in the first epoch
