"""One cell: what is kept of it, which rows it learns from, and its answers among all classes."""

import numpy as np
import pytest
from sklearn.svm import SVC

from sensorium.comparison import trials
from sensorium.comparison.cells import Cell
from sensorium.comparison.held_out import hold_out
from sensorium.comparison.trials import Outcome, Trials
from sensorium.data.table import read_table
from sensorium.data.targets import TargetCoder
from sensorium.planning import plan

SVM = Cell("classical", "svm", ("a",))


def trials_of(folder, rows=100, test=30):
    """Two numbers tell a class of two apart from the other; the third class is rare."""
    random = np.random.default_rng(0)
    kinds = np.arange(rows + test) % 2
    a = random.normal(size=(rows + test, 2)) + 2 * kinds[:, None]
    names = np.array(["no", "yes", "rare"])[kinds]
    names[:3] = "rare"
    tables = [read_table({"a": a[part], "label": names[part]}) for part in (slice(rows), slice(rows, None))]
    config, schema = plan(tables[0], "label", {"training": {"epochs": 1}})
    parts, coder = hold_out(*tables, config, [])
    return Trials(parts, config, schema, coder, 1, folder), a, names, coder


def test_an_outcome_comes_back_as_it_was(tmp_path):
    random = np.random.default_rng(0)
    cell = Cell("cnn_rnn", "cnn + rnn", ("a/b", "c"), "gated")
    one = Outcome(cell, random.random((2, 5, 3)), random.integers(0, 3, (2, 5)), 1.5, 99, 0.25, True, "a note")
    assert Outcome.load(cell, tmp_path) is None
    one.save(tmp_path)
    again = Outcome.load(cell, tmp_path)
    np.testing.assert_array_equal(again.output, one.output)
    np.testing.assert_array_equal(again.answers, one.answers)
    assert vars(again) | {"output": 0, "answers": 0} == vars(one) | {"output": 0, "answers": 0}
    assert Outcome.load(Cell("cnn_rnn", "cnn + rnn", ("a", "b/c"), "gated"), tmp_path) is None
    (tmp_path / f"{cell.file}.npz").unlink()
    assert Outcome.load(cell, tmp_path) is None


def test_a_classical_model_answers_as_scikit_learn_does(tmp_path):
    tried, a, names, coder = trials_of(tmp_path)
    found = tried.run(SVM)
    standard = (a - a[:100].mean(0)) / a[:100].std(0)
    wanted = SVC(C=10.0).fit(standard[:100], names[:100]).predict(standard[100:])
    answers = np.array(coder.classes)[found.answers[0]]
    assert (answers == wanted).mean() > 0.95  # but for the feature that says that the input is there
    assert found.valid is None
    assert not found.cut


@pytest.mark.parametrize("model", ["svm", "logistic"])
def test_of_many_rows_some_are_learned_and_every_class(tmp_path, monkeypatch, model):
    tried, *_ = trials_of(tmp_path)
    cell = Cell("classical", model, ("a",))
    assert tried.run(cell).note == ""
    monkeypatch.setitem(trials.MOST_ROWS, model, 20)
    seen = []
    name = {"svm": "fit_kernel", "logistic": "fit_stack"}[model]
    real = getattr(trials, name)
    monkeypatch.setattr(trials, name, lambda *given: seen.append(given[2]) or real(*given))
    assert tried.run(cell).note == "learned from 20 of 100 rows"
    assert 20 <= len(seen[0]) <= 23
    assert set(seen[0]) == {0, 1, 2}


def test_classes_that_a_model_never_saw_are_not_answered(tmp_path):
    tried, *_ = trials_of(tmp_path)
    own = TargetCoder("label", "binary", ["no", "yes"], [5, 5])
    assert tried.coder.classes == ["no", "rare", "yes"]
    output, answers = tried._common(own, np.array([[0.3, 0.7], [0.9, 0.1]]))
    np.testing.assert_allclose(output, [[0.3, 0, 0.7], [0.9, 0, 0.1]])
    assert answers.tolist() == [2, 0]
    own.offsets = [1.0, 0.0]  # log 0.3 + 1 is more than log 0.7
    assert tried._common(own, np.array([[0.3, 0.7]]))[1].tolist() == [0]
    assert tried._common(own, np.array([[0.2, 0.8]]))[1].tolist() == [2]


def test_features_are_made_once_an_input(tmp_path, monkeypatch):
    tried, *_ = trials_of(tmp_path)
    made = []
    real = trials.HandMade
    monkeypatch.setattr(trials, "HandMade", lambda readers: made.append(list(readers)) or real(readers))
    for model in ("svm", "logistic", "naive_bayes"):
        tried.run(Cell("classical", model, ("a",)))
    assert made == [["a"]]
