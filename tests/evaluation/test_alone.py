"""What a fused model is compared with: the majority, each input alone, and scikit-learn fitted by hand."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss, r2_score
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR

from sensorium import encoders, fusion, heads
from sensorium.baselines.rows import known_rows
from sensorium.baselines.stacking import fit_stack, stack_answers
from sensorium.data.batches import Rows
from sensorium.data.table import read_table
from sensorium.data.tabular import VectorReader
from sensorium.data.targets import TargetCoder, fit_target
from sensorium.data.text import TextReader
from sensorium.evaluation import alone
from sensorium.evaluation.alone import compare_alone, majority, verdict
from sensorium.evaluation.metrics import MAIN
from sensorium.model import MultimodalModel
from sensorium.training.widen import fit_wide

HEADS = {"binary": heads.Binary, "classification": heads.Classification, "regression": heads.Regression}


def table_of(rows, seed):
    """`a` tells the class by a line, `b` by a ring; `price` follows from `a`."""
    random = np.random.default_rng(seed)
    a, b = random.normal(size=(rows, 3)), random.normal(size=(rows, 2))
    kind = np.where(a[:, 0] + (b**2).sum(1) > 1.5, "yes", "no")
    return {"a": a, "b": b, "label": kind, "price": 3 * a[:, 1] + random.normal(size=rows)}


class Setting:
    """Rows to learn from and to validate with, and an untrained network on the inputs `a` and `b`."""

    def __init__(self, target="label", task="classification", rows=120, seed=4):
        self.raw = table_of(rows, seed), table_of(60, 1)
        tables = [read_table(raw) for raw in self.raw]
        self.coder = fit_target(target, tables[0].cells(target), task)
        self.readers = {"a": VectorReader("a"), "b": VectorReader("b")}
        for name, reader in self.readers.items():
            reader.fit([(cell,) for cell in tables[0].cells(name)])
        self.rows, self.valid = (Rows(table, self.readers, {target: self.coder}, memory=2**20) for table in tables)
        torch.manual_seed(0)
        parts = {name: encoders.VectorDense(reader.size, 8) for name, reader in self.readers.items()}
        self.model = MultimodalModel(parts, fusion.Gated(8), {target: HEADS[self.coder.task](width=8)}).eval()

    def compare(self, budget=1e6):
        return compare_alone(self.model, self.rows, self.valid, self.coder, 32, budget)

    def truth(self):
        return [rows.targets[self.coder.name][0] for rows in (self.rows, self.valid)]

    def features(self, *names):
        """By hand: each input standardised on the training rows, whose mean squared length is 1, and a last column that
        says it is there; by input, of the training rows and of the validation rows."""
        found = {}, {}
        for name in names:
            scaler = StandardScaler().fit(self.raw[0][name])
            length = np.sqrt(np.square(scaler.transform(self.raw[0][name])).sum(1).mean())
            for part, raw in zip(found, self.raw, strict=True):
                part[name] = np.c_[scaler.transform(raw[name]) / length, np.ones(len(raw[name]))]
        return found


@pytest.fixture(scope="module")
def classes():
    return Setting()


@pytest.fixture(scope="module")
def found(classes):
    return classes.compare()


def value(scores, name="accuracy"):
    return scores[name]["value"]


def test_everything_is_compared_when_there_is_time(found):
    assert {kind: list(found[kind]) for kind in found} == {
        "alone": ["a", "b"], "floors": ["a", "b", "all"], "probes": ["a", "b"], "skipped": [],
    }  # fmt: skip


def test_an_input_alone_is_the_model_with_the_others_absent(classes, found):
    b = next(classes.valid.batches(60)).inputs
    with torch.no_grad():
        gone = b["b"]._replace(mask=torch.zeros(60, dtype=torch.bool))
        said = classes.model.head("label").probabilities(classes.model({"a": b["a"], "b": gone})["label"])
    assert value(found["alone"]["a"], "log_loss") == pytest.approx(log_loss(classes.truth()[1], said.numpy()))


@pytest.mark.parametrize("names", [("a",), ("b",), ("a", "b")])
def test_a_floor_is_the_better_of_a_stack_and_a_kernel_machine(classes, found, names):
    (train, valid), (truth, expected) = classes.features(*names), classes.truth()
    shares = stack_answers("binary", valid, fit_stack("binary", train, truth, 1))
    curved = SVC(C=10.0).fit(np.hstack(list(train.values())), truth)
    straight = accuracy_score(expected, shares.argmax(1))
    bent = accuracy_score(expected, curved.predict(np.hstack(list(valid.values()))))
    floor = found["floors"]["all" if len(names) > 1 else names[0]]
    assert value(floor) == max(straight, bent)
    if bent > straight:
        assert "log_loss" not in floor  # an SVM gives no probabilities
    else:
        assert value(floor, "log_loss") == pytest.approx(log_loss(expected, shares), abs=1e-3)


def test_both_kinds_of_floor_were_met(found):
    assert {"log_loss" in scores for scores in found["floors"].values()} == {True, False}


def test_a_probe_is_a_linear_model_on_what_the_encoder_gives(classes, found):
    slots = []
    for rows in (classes.rows, classes.valid):
        with torch.no_grad():
            features = classes.model.encode(next(rows.batches(len(rows))).inputs)
            slots.append(classes.model.fusion.slots(features)[0].numpy())
    truth, expected = classes.truth()
    for place, name in enumerate("ab"):
        fitted = LogisticRegression(C=1.0, max_iter=300, tol=1e-3).fit(slots[0][:, place], truth)
        assert value(found["probes"][name]) == accuracy_score(expected, fitted.predict(slots[1][:, place]))


def test_numbers_have_floors_too():
    numbers = Setting("price", "regression")
    found = numbers.compare()
    (train, valid), (truth, expected) = numbers.features("a"), numbers.truth()
    straight = stack_answers("regression", valid, fit_stack("regression", train, truth, 1))
    scores = [r2_score(expected, said) for said in (straight, SVR(C=1.0).fit(train["a"], truth).predict(valid["a"]))]
    assert value(found["floors"]["a"], "r2") == pytest.approx(max(scores), abs=1e-4)
    assert value(found["floors"]["a"], "r2") > 0.5


def test_texts_and_vectors_go_together_in_one_floor():
    raw = table_of(60, 0)
    raw["note"] = [f"a {'bright' if label == 'yes' else 'dark'} day" for label in raw["label"]]
    table = read_table(raw)
    coder = fit_target("label", table.cells("label"), "classification")
    readers = {"a": VectorReader("a"), "note": TextReader("note", vocabulary=400)}
    for name, reader in readers.items():
        reader.fit([(cell,) for cell in table.cells(name)])
    rows = Rows(table, readers, {"label": coder}, memory=2**20)
    parts = {"a": encoders.VectorDense(3, 8), "note": encoders.TextBag(readers["note"].vocabulary, 8)}
    model = MultimodalModel(parts, fusion.Mean(8), {"label": heads.Binary(8)})
    found = compare_alone(model, rows, rows, coder, 32, 1e6)
    assert value(found["floors"]["note"]) == value(found["floors"]["all"]) == 1


def test_the_budget_ends_the_comparison_and_says_what_is_left(classes, monkeypatch):
    # A clock on which every look is a second: a comparison takes one. The third would begin at 5 and end at 6.
    ticks = iter(range(1000))
    monkeypatch.setattr(alone, "time", SimpleNamespace(monotonic=lambda: float(next(ticks))))
    found = classes.compare(budget=5.5)
    assert (list(found["alone"]), found["floors"], found["probes"]) == (["a", "b"], {}, {})
    rest = ["floors a", "floors b", "floors all", "probes a", "probes b"]
    assert found["skipped"] == rest
    ticks = iter(range(1000))
    assert classes.compare(budget=0)["skipped"] == ["alone a", "alone b", *rest]


@pytest.mark.parametrize("first", [0, 50, 118])  # the draw may meet one of the rare rows, but not at all three places
def test_floors_learn_from_some_rows_of_a_long_table_with_every_class_among_them(classes, monkeypatch, first):
    seen = []

    def watch(name):
        fit = getattr(alone, name)

        def watched(task, features, target, *more):
            seen.append(target)
            return fit(task, features, target, *more)

        monkeypatch.setattr(alone, name, watched)

    for name in ("fit_stack", "fit_kernel", "fit_linear"):
        watch(name)
    monkeypatch.setattr(alone, "known_rows", partial(known_rows, most=10))
    rare = read_table({**classes.raw[0], "label": np.where(np.arange(120) // 2 == first // 2, "rare", "usual")})
    coder = fit_target("label", rare.cells("label"), "classification")
    rows = Rows(rare, classes.readers, {"label": coder}, memory=2**20)
    found = compare_alone(classes.model, rows, rows, coder, 32, 1e6)
    assert len(seen) == 3 + 3 + 2
    for target in seen:
        assert set(target) == {0, 1}
        assert 10 <= len(target) <= 12
    assert value(found["floors"]["a"]) > 0.9


def test_a_wide_parts_features_serve_again(classes, found, monkeypatch):
    beside = fit_wide(classes.rows, classes.valid, {"label": classes.coder}, None).wide
    monkeypatch.setattr(classes.model, "wide", beside)
    monkeypatch.setattr(alone, "HandMade", None)  # is not asked for
    assert classes.compare()["floors"] == found["floors"]


@pytest.mark.parametrize(("target", "task"), [("label", "classification"), ("price", "regression")])
def test_four_rows_are_enough(target, task):
    few = Setting(target, task, rows=4)
    found = few.compare()
    assert found["skipped"] == []
    assert all(np.isfinite(value(scores, MAIN[few.coder.task])) for scores in found["floors"].values())


def encoded(*rows):
    return np.array(rows), np.ones(len(rows), dtype=bool)


def test_the_majority_is_scikit_learns_dummy():
    train, valid = np.array([0] * 5 + [1] * 3 + [2] * 2), np.array([0, 1, 2, 2, 0, 0])
    coder = TargetCoder("label", "classification", ["x", "y", "z"], np.bincount(train).tolist())
    dummy = DummyClassifier(strategy="prior").fit(np.zeros((10, 1)), train)
    found = majority(coder, encoded(*valid))
    assert value(found) == accuracy_score(valid, dummy.predict(np.zeros((6, 1)))) == 0.5
    assert value(found, "log_loss") == pytest.approx(log_loss(valid, dummy.predict_proba(np.zeros((6, 1)))))


def test_the_mean_is_scikit_learns_dummy():
    train, valid = np.array([2.0, 4.0, 9.0]), np.array([1.0, 3.0, 11.0, 0.0])
    coder = fit_target("price", train, "regression")
    dummy = DummyRegressor().fit(np.zeros((3, 1)), train)
    found = majority(coder, coder.encode(valid))
    assert value(found, "r2") == pytest.approx(r2_score(valid, dummy.predict(np.zeros((4, 1)))), abs=1e-6)
    assert value(found, "mae") == pytest.approx(np.abs(valid - 5).mean(), abs=1e-6)


def test_the_most_frequent_labels_are_the_answer_of_many():
    coder = TargetCoder("tags", "multilabel", ["a", "b", "c"], [10, 6, 5])
    found = majority(coder, encoded([1, 1, 0], [1, 0, 0], [0, 0, 1]))  # the answer: a and b
    assert value(found, "exact") == pytest.approx(1 / 3)
    assert value(found, "micro_f1") == pytest.approx(2 * 3 / (4 + 6))


def test_rows_without_the_target_do_not_count():
    coder = TargetCoder("label", "binary", ["no", "yes"], [3, 1])
    assert value(majority(coder, (np.array([0, 1, 1]), np.array([True, True, False])))) == 0.5


CODER = TargetCoder("label", "binary", ["no", "yes"], [3, 1])


def scores(**values):
    return {name: {"value": v, "low": v, "high": v} for name, v in values.items()}


@pytest.mark.parametrize(
    ("found", "base", "expected"),
    [
        ({}, 0.5, []),
        ({"alone": {"a": 0.8}, "floors": {"a": 0.8}, "probes": {"a": 0.7}}, 0.5, []),
        ({"alone": {"a": 0.85, "b": 0.9}, "floors": {"a": 0.6}}, 0.5,
         ["target 'label': fusion does not win: accuracy 0.800, but 'b' alone has 0.900."]),
        ({"alone": {"a": 0.85}, "floors": {"all": 0.95}}, 0.5,
         ["target 'label': fusion does not win: accuracy 0.800, but the floor of 'all' has 0.950."]),
        ({"probes": {"a": 0.81}}, 0.8,
         ["target 'label': fusion does not win: accuracy 0.800, but the probe of 'a' has 0.810.",
          "target 'label': accuracy 0.800 is no better than always the same answer (0.800)."]),
        ({}, 0.9, ["target 'label': accuracy 0.800 is no better than always the same answer (0.900)."]),
    ],
)  # fmt: skip
def test_where_fusion_does_not_win_is_said(found, base, expected):
    compared = {
        kind: {name: scores(accuracy=v) for name, v in found.get(kind, {}).items()}
        for kind in ("alone", "floors", "probes")
    }
    assert verdict(CODER, scores(accuracy=0.8), compared, scores(accuracy=base)) == expected


def test_what_has_no_main_metric_is_not_judged():
    nothing = {"alone": {"a": scores(mae=1.0)}, "floors": {}, "probes": {}}
    number = TargetCoder("price", "regression")
    assert verdict(number, scores(mae=2.0), nothing, scores(mae=1.0)) == []
    assert verdict(number, scores(r2=0.5, mae=2.0), nothing, scores(mae=1.0)) == []


def test_a_class_that_no_training_row_has_gets_no_share():
    class Fitted:
        classes_ = np.array([0, 2])

        def predict_proba(self, features):
            return np.array([[0.25, 0.75]])

    coder = TargetCoder("label", "classification", ["x", "y", "z"], [1, 1, 1])
    assert alone.said(coder, Fitted(), None).tolist() == [[0.25, 0.0, 0.75]]
