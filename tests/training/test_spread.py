"""What other processes can train, and what they are refused."""

import pickle
from pathlib import Path

import pytest

import sensorium as sm
from sensorium.errors import ConfigError
from sensorium.training.spread import Job, Outcome, spread

ROWS = {"a": [[0.1 * row, 1.0] for row in range(40)], "site": ["x", "y"] * 20, "label": ["no"] * 20 + ["yes"] * 20}
FEW = {"epochs": 1, "batch_size": 8, "precision": "32", "probes": False, "wide": False, "modality_dropout": 0}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("objective", "pretraining can't be spread over several processes"),
        ("alignment", "the alignment of domains (section domain) can't be spread over several processes"),
        ("private", "private training (section privacy) can't be spread over several processes"),
    ],
)
def test_what_is_of_one_process_is_refused(name, words):
    with pytest.raises(ConfigError) as error:
        Job({name: object()}, Path(), False, 0.0)
    assert words in str(error.value)
    assert "without --cluster and --devices" in str(error.value)


def test_a_fit_says_so_before_it_starts_any(tmp_path):
    with pytest.raises(ConfigError, match="alignment of domains"):
        sm.fit(ROWS, "label", domain="site", devices=2, **FEW)


def test_a_job_that_travels_comes_to_the_same(tmp_path):
    def elsewhere(job, report, say):
        """As another process would, with what is written of it."""
        from sensorium.training.team import ALONE

        there = pickle.loads(pickle.dumps(job))
        outcome = there.run(ALONE, tmp_path, report, say)
        assert isinstance(outcome, Outcome)
        return pickle.loads(pickle.dumps(outcome))

    here = sm.fit(ROWS, "label", **FEW)
    with spread(elsewhere):
        there = sm.fit(ROWS, "label", **FEW)
    assert there.predict_proba(ROWS).equals(here.predict_proba(ROWS))
    assert there.metrics["stopped"] == here.metrics["stopped"]
