"""Which choices the score depends on: the one that makes it, and none where nothing can be told."""

import optuna
import pytest

from sensorium.tuning.importance import FEWEST, importance


def studied(score, count=24):
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(count):
        trial = study.ask()
        drawn = trial.suggest_float("rate", 0, 1), trial.suggest_categorical("kind", ["a", "b"])
        study.tell(trial, score(*drawn))
    return study, study.trials


@pytest.mark.parametrize(
    ("score", "most"), [(lambda rate, kind: rate, "rate"), (lambda rate, kind: float(kind == "a"), "kind")]
)
def test_what_makes_the_score_is_what_counts(score, most):
    found = importance(*studied(score))
    assert list(found) == [most, *({"rate", "kind"} - {most})]
    assert found[most] > 0.9
    assert sum(found.values()) == pytest.approx(1)


def test_few_or_equal_scores_tell_nothing():
    assert importance(*studied(lambda rate, kind: rate, FEWEST - 1)) == {}
    assert importance(*studied(lambda rate, kind: 1.0)) == {}
