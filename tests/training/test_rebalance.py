"""Rare classes from a table to answers: every method, what auto keeps, runs that are resumed and loaded."""

import copy

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.metrics import balanced_accuracy_score, f1_score
from torch import nn

import sensorium as sm
from sensorium import heads
from sensorium.config import Imbalance
from sensorium.errors import ConfigError, DataError
from sensorium.training.gan import VectorGAN
from sensorium.training.rebalance import LOSSES, MOST_MADE, Around, generated, refit

RATIO = 20
UNWEIGHTED = {"targets": {"label": {"class_weights": "none"}}}
QUICK = {"epochs": 6, "batch_size": 64, "precision": "32", "probes": False, "learning_rate": 5e-3}


def table(rows, seed):
    """Yes in one of 21 rows; two vectors, each of which knows a part of it."""
    random = np.random.default_rng(seed)
    yes = random.random(rows) < 1 / (RATIO + 1)
    found = {name: random.normal(size=(rows, 4)) + 1.1 * yes[:, None] * ([1, 1, 0, 0],) for name in "ab"}
    return {**found, "label": np.where(yes, "yes", "no")}


def fit(imbalance, rows=None, config=None, **options):
    given = {"inputs": {"a": {}, "b": {}}, "fusion": {"width": 16}, "imbalance": imbalance, **(config or {})}
    given["targets"] = {"label": {}, **given.get("targets", {})}
    return sm.fit(table(1200, 0) if rows is None else rows, config=given, **{**QUICK, **options})


def scores(predictor, rows):
    """Macro F1 and balanced accuracy of the answers."""
    answers = predictor.predict(rows)
    return f1_score(rows["label"], answers, average="macro"), balanced_accuracy_score(rows["label"], answers)


@pytest.fixture(scope="module")
def plain():
    return scores(fit("none", valid=table(1200, 2), wide=False), table(3000, 1))


@pytest.mark.parametrize(
    "imbalance",
    [
        {"method": "class_balanced", "beta": 0.99},
        {"method": "logit_adjustment", "tau": 0.6},
        {"method": "focal", "gamma": 3},
        "class_weights",
        "threshold",
        "weighted_sampling",
        "oversampling",
        "undersampling",
        {"method": "auto", "gan_steps": 60},
    ],
    ids=lambda given: given if isinstance(given, str) else given["method"],
)
def test_a_rare_class_gains(imbalance, plain):
    method = imbalance if isinstance(imbalance, str) else imbalance["method"]
    config = UNWEIGHTED if method == "threshold" else None
    predictor = fit(imbalance, config=config, valid=table(1200, 2), wide=False)  # which weighs classes in its own way
    assert predictor.metrics["targets"]["label"]["imbalance"]["method"] == method
    macro, balanced = scores(predictor, table(3000, 1))
    assert balanced > plain[1]
    if method not in {"weighted_sampling", "oversampling", "undersampling"}:  # which go all the way to even classes
        assert macro > plain[0]


def test_the_default_is_the_root_of_the_inverse_frequency():
    rows = table(300, 0)
    written, left_out = (
        fit(given, rows, epochs=1) if given else sm.fit(rows, "label", config={"inputs": {"a": {}, "b": {}}, "fusion": {"width": 16}}, **{**QUICK, "epochs": 1})
        for given in ("class_weights", None)
    )  # fmt: skip
    for name, weight in written.model.state_dict().items():
        assert torch.equal(weight, left_out.model.state_dict()[name])
    head = left_out.model.head("label")
    counts = left_out.coders["label"].counts
    assert head.positive_weight.item() == pytest.approx((counts[0] / counts[1]) ** 0.5, rel=1e-5)
    assert (head.gamma, head.shift.item()) == (0, 0)
    none = fit("class_weights", rows, UNWEIGHTED, epochs=1)
    assert none.model.head("label").positive_weight is None


def test_auto_says_what_it_tried_and_keeps_the_best(tmp_path):
    predictor = fit({"method": "auto", "gan_steps": 20}, valid=table(600, 2), out=tmp_path / "run")
    found = predictor.metrics["targets"]["label"]["imbalance"]
    assert set(found["tried"]) == {"as_trained", "threshold", *LOSSES, "gan"}
    assert found["skipped"] == {}
    tried = {kind: score["macro_f1"] for kind, score in found["tried"].items()}
    assert tried[found["chosen"]] == max(tried.values())
    assert set(found["gan"]["linear_macro_f1"]) == {"real", "real_and_generated"}
    counts = predictor.coders["label"].counts
    assert found["gan"]["generated"] == counts[0] - counts[1]
    assert predictor.model.wide is not None  # each head was judged with its logits added, as it answers now
    if found["chosen"] != "threshold":
        with predictor.model.as_measured():
            assert scores(predictor, table(600, 2))[0] == pytest.approx(tried[found["chosen"]], abs=1e-9)


def test_auto_changes_no_encoder_and_no_fusion():
    weighted, auto = fit("class_weights"), fit({"method": "auto", "gan_steps": 2})
    for name, weight in weighted.model.state_dict().items():
        if not name.startswith("heads."):
            assert torch.equal(weight, auto.model.state_dict()[name]), name


def test_thresholds_are_saved_and_change_answers_alone(tmp_path):
    valid, rows = table(1200, 2), table(500, 1)
    predictor = fit("threshold", config=UNWEIGHTED, valid=valid, out=tmp_path / "run")
    plain = fit("none", valid=valid)
    offsets = predictor.coders["label"].offsets
    assert offsets[0] == 0
    assert offsets[1] != 0
    assert predictor.metrics["targets"]["label"]["imbalance"]["offsets"] == offsets
    np.testing.assert_array_equal(predictor.predict_proba(rows), plain.predict_proba(rows))
    shares = predictor.predict_proba(rows)["yes"].to_numpy()
    threshold = 1 / (1 + np.exp(offsets[1]))
    np.testing.assert_array_equal(predictor.predict(rows) == "yes", shares > threshold)
    assert (predictor.predict(rows) != plain.predict(rows)).any()
    truth = rows["label"]
    found, other = predictor.evaluate(rows)["metrics"], plain.evaluate(rows)["metrics"]
    assert found["accuracy"]["value"] == pytest.approx((predictor.predict(rows) == truth).mean())
    assert found["log_loss"] == other["log_loss"]
    assert found["roc_auc"] == other["roc_auc"]
    loaded = sm.load(tmp_path / "run")
    assert loaded.coders["label"].offsets == offsets
    assert loaded.predict(rows).tolist() == predictor.predict(rows).tolist()


@pytest.mark.parametrize("method", ["focal", "logit_adjustment", "class_balanced", "oversampling", "auto"])
def test_a_saved_run_answers_as_before(method, tmp_path):
    rows = table(200, 1)
    predictor = fit({"method": method, "gan_steps": 2}, table(300, 0), epochs=1, out=tmp_path / "run")
    loaded = sm.load(tmp_path / "run")
    assert loaded.config.imbalance.method == method
    np.testing.assert_array_equal(loaded.predict_proba(rows), predictor.predict_proba(rows))
    assert loaded.predict(rows).tolist() == predictor.predict(rows).tolist()


@pytest.mark.parametrize("method", ["weighted_sampling", "undersampling"])
def test_a_run_that_broke_off_goes_on_to_the_same_weights(method, tmp_path):
    rows = table(500, 0)

    def stop(told):
        if told["epoch"] == 3:
            raise InterruptedError("enough")

    with pytest.raises(InterruptedError):
        fit(method, rows, out=tmp_path / "broken", report=stop)
    fit(method, rows, out=tmp_path / "broken", resume=True)
    fit(method, rows, out=tmp_path / "whole")
    first, second = (load_file(tmp_path / name / "weights.safetensors") for name in ("broken", "whole"))
    assert all(torch.equal(weight, second[name]) for name, weight in first.items())


def test_the_first_target_with_classes_leads_and_others_are_named():
    rows = {**table(400, 0), "price": np.arange(400.0), "other": ["x", "y"] * 200}
    said = []
    targets = {"price": {"task": "regression"}, "label": {}, "other": {}}
    predictor = sm.fit(
        rows, config={"inputs": {"a": {}}, "targets": targets, "imbalance": "oversampling"}, say=said.append,
        **{**QUICK, "epochs": 1},
    )  # fmt: skip
    assert "imbalance.method=oversampling: rows are drawn by the classes of 'label', for all targets." in said
    warning = "imbalance.method=oversampling is for classes and does nothing for 'price' (regression)."
    assert warning in predictor.metrics["warnings"]
    assert "imbalance" not in predictor.metrics["targets"]["price"]
    assert predictor.metrics["targets"]["other"]["imbalance"] == {"method": "oversampling"}


def test_numbers_alone_are_trained_as_ever():
    rows = {"a": table(100, 0)["a"], "price": np.arange(100.0)}
    config = {"inputs": {"a": {}}, "targets": {"price": {"task": "regression"}}}
    plain, auto = (sm.fit(rows, config={**config, "imbalance": m}, **QUICK) for m in ("none", "auto"))
    np.testing.assert_array_equal(plain.predict(rows), auto.predict(rows))
    assert auto.metrics["warnings"] == [
        "imbalance.method=auto is for classes and does nothing for 'price' (regression).", *plain.metrics["warnings"]
    ]  # fmt: skip


def test_the_gan_refuses_a_class_of_two_rows_before_anything_is_trained_and_auto_leaves_it_out():
    rows = {"a": np.random.default_rng(0).normal(size=(60, 3)), "label": ["b"] * 57 + ["c"] * 3}
    config = {"inputs": {"a": {}}}
    with pytest.raises(
        DataError, match=r"class 'c' of target 'label' must have 3 or more rows .*; it has 2\. Add rows"
    ):
        sm.fit(rows, "label", config={**config, "imbalance": "gan"}, **QUICK)
    predictor = sm.fit(rows, "label", config={**config, "imbalance": "auto"}, **QUICK)
    found = predictor.metrics["targets"]["label"]["imbalance"]
    assert "it has 2. Add rows" in found["skipped"]["gan"]
    assert "gan" not in found["tried"]


def test_the_gan_is_kept_only_where_it_gains():
    predictor = fit({"method": "gan", "gan_steps": 30}, valid=table(600, 2))
    found = predictor.metrics["targets"]["label"]["imbalance"]
    tried = {kind: score["macro_f1"] for kind, score in found["tried"].items()}
    assert set(tried) == {"as_trained", "gan"}
    assert found["chosen"] == ("gan" if tried["gan"] > tried["as_trained"] else "as_trained")
    with predictor.model.as_measured():
        assert scores(predictor, table(600, 2))[0] == pytest.approx(max(tried.values()), abs=1e-9)


def test_nothing_is_generated_where_classes_are_even():
    rows = {"a": table(80, 0)["a"], "label": ["x", "y"] * 40}
    predictor = sm.fit(
        rows, "label", valid=rows, config={"inputs": {"a": {}}, "imbalance": "gan"}, **{**QUICK, "epochs": 1}
    )
    found = predictor.metrics["targets"]["label"]["imbalance"]
    assert found["skipped"] == {"gan": "the classes have equally many rows"}
    assert found["chosen"] == "as_trained"


@pytest.mark.parametrize(("limit", "skipped"), [(100, {"gan"}), (0.01, {"threshold", *LOSSES, "gan"})])
def test_a_time_limit_leaves_variants_out_and_says_so(limit, skipped):
    predictor = fit({"method": "auto", "gan_steps": 1}, table(300, 0), time_limit=limit)
    found = predictor.metrics["targets"]["label"]["imbalance"]
    assert set(found["skipped"]) == skipped
    assert found["skipped"]["gan"] == "a time limit is set"
    assert found["skipped"].get("threshold", "no time left") == "no time left"
    assert set(found["tried"]) == {"as_trained", "threshold", *LOSSES} - skipped


def test_an_unknown_method_is_refused():
    with pytest.raises(
        ConfigError, match=r"^imbalance.method: unknown value 'oversample'. Did you mean 'oversampling'\?"
    ):
        fit("oversample")


def alone(classes, outputs=3):
    """Nothing beside a head."""
    return Around(torch.ones(len(classes), 1), torch.zeros(len(classes), outputs))


def test_a_head_trained_on_learns_what_stands_beside_it_does_not_say():
    torch.manual_seed(0)
    vectors, classes = torch.randn(400, 4), torch.randint(0, 2, (400,))
    vectors[:, 0] += 3.0 * classes  # which is said beside the head, fully
    vectors[:, 1] += 3.0 * (classes == 1)
    beside = torch.stack([torch.zeros(400), 3.0 * (vectors[:, 0] - 1.5)], 1)
    start = heads.Classification(2, 4)
    nn.init.zeros_(start.linear.weight)
    nn.init.zeros_(start.linear.bias)
    fitted = refit(heads.Classification(2, 4), start, vectors, classes, Around(torch.full((400, 1), 0.5), beside), 0)
    slope = (fitted.linear.weight[1] - fitted.linear.weight[0]).detach()
    # Each of the two has log odds of 3 x - 4.5; the head's logits count half.
    assert abs(slope[0]) < 0.3 * abs(slope[1])
    assert 3 < slope[1] < 9


def test_a_head_trained_on_finds_what_logistic_regression_finds():
    torch.manual_seed(0)
    vectors, classes = torch.randn(500, 4), torch.randint(0, 3, (500,))
    vectors[torch.arange(500), classes] += 2
    start, head = heads.Classification(3, 4), heads.Classification(3, 4)
    first = copy.deepcopy(start.state_dict())
    fitted = refit(head, start, vectors, classes, alone(classes), seed=0)
    assert fitted is head
    assert not fitted.training
    assert all(torch.equal(value, start.state_dict()[name]) for name, value in first.items())  # left as it was
    best = heads.Classification(3, 4)
    optimiser = torch.optim.LBFGS(best.parameters(), max_iter=200)

    def loss():
        optimiser.zero_grad()
        value = best.loss(best(vectors), classes)
        value.backward()
        return value

    optimiser.step(loss)
    assert fitted.loss(fitted(vectors), classes).item() == pytest.approx(loss().item(), rel=0.05)
    again = refit(heads.Classification(3, 4), start, vectors, classes, alone(classes), seed=0)
    assert torch.equal(again.linear.weight, fitted.linear.weight)


def test_generated_vectors_fill_up_the_small_classes():
    vectors, classes = torch.randn(60, 3), torch.tensor([0] * 40 + [1] * 15 + [2] * 5)
    gan = VectorGAN(vectors, classes, Imbalance(gan_steps=1), seed=0)
    made, of = generated(gan, [40, 15, 5])
    assert of.bincount(minlength=3).tolist() == [0, 25, 35]
    assert made.shape == (60, 3)
    _, of = generated(gan, [100_000, 50_000, 50_000])
    assert of.bincount(minlength=3).tolist() == [0, MOST_MADE // 2, MOST_MADE // 2]
    made, _ = generated(gan, [7, 7, 7])
    assert made.shape == (0, 3)
