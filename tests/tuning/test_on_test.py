"""The best and the defaults on other rows: the gap of two known models, by hand."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import f1_score, r2_score

from sensorium.data.table import read_table
from sensorium.data.targets import fit_target
from sensorium.tuning.on_test import compare_on


def predictors(cells, task, outputs):
    """Two that say what they are given, and a table of the truth."""
    coder = fit_target("label", cells, task)

    def made(output):
        coded = {"label": coder.truth(cells)}
        return SimpleNamespace(
            coders={"label": coder},
            _labelled=lambda table, say: (coded, coded["label"][1]),
            _outputs=lambda table, say: {"label": output},
        )

    return (read_table({"label": cells}), *(made(output) for output in outputs)), coder


def test_of_classes_the_difference_and_mcnemars_p():
    cells = ["a", "b"] * 20
    right = np.eye(2)[np.arange(40) % 2]
    best, defaults = right.copy(), right.copy()
    best[:2] = best[:2, ::-1]  # two wrong
    defaults[2:14] = defaults[2:14, ::-1]  # twelve others
    given, _ = predictors(cells, "binary", (best, defaults))
    found = compare_on(*given)["label"]
    assert (found["metric"], found["rows"]) == ("accuracy", 40)
    assert (found["best"], found["defaults"]) == (0.95, 0.7)
    gap = found["difference"]
    assert gap["value"] == pytest.approx(0.25)
    assert gap["p"] == pytest.approx(binomtest(12, 14).pvalue)
    spread = np.sqrt((14 / 40 - 0.25**2) / 40)  # of the mean of differences that are -1, 0 and 1
    assert [gap["low"], gap["high"]] == pytest.approx([0.25 - 1.96 * spread, 0.25 + 1.96 * spread], abs=0.04)


def test_without_the_defaults_the_best_is_scored_alone():
    given, _ = predictors(["a", "b"] * 10, "binary", [np.eye(2)[np.arange(20) % 2]])
    assert compare_on(*given, None) == {"label": {"metric": "accuracy", "rows": 20, "best": 1.0}}


def test_thresholds_of_a_run_count():
    cells = ["a", "b"] * 10
    said = np.tile([0.6, 0.4], (20, 1))
    given, coder = predictors(cells, "binary", (said, said))
    coder.offsets = [0.0, 1.0]  # which turns the answer to b
    assert compare_on(*given)["label"]["best"] == 0.5
    cells = ["a"] * 4 + ["b"] * 16
    given, coder = predictors(cells, "binary", (said, said))
    assert compare_on(*given)["label"]["best"] == 0.2
    coder.offsets = [0.0, 1.0]
    assert compare_on(*given)["label"]["best"] == 0.8


def test_of_numbers_r2_in_their_own_unit():
    random = np.random.default_rng(0)
    truth = random.normal(50, 9, 30)
    outputs = [(truth - truth.mean()) / truth.std() + random.normal(0, size, 30) for size in (0.2, 0.6)]
    given, coder = predictors([str(number) for number in truth], "regression", outputs)
    found = compare_on(*given)["label"]
    for name, output in zip(("best", "defaults"), outputs, strict=True):
        assert found[name] == pytest.approx(r2_score(truth, coder.decode_numbers(output)))
    assert found["difference"]["low"] > 0
    assert found["difference"]["p"] < 0.05


def test_of_labels_micro_f1():
    cells = ["a|b", "b", "a", "a|b"] * 5
    truth = np.array([[1, 1], [0, 1], [1, 0], [1, 1]] * 5)
    outputs = truth * 0.8 + 0.1, np.full((20, 2), 0.9)
    given, _ = predictors(cells, "multilabel", outputs)
    found = compare_on(*given)["label"]
    assert found["best"] == 1
    assert found["defaults"] == pytest.approx(f1_score(truth, outputs[1] > 0.5, average="micro"))
