"""Stacked linear models against scikit-learn's, put together by hand."""

import numpy as np
import pytest
import sklearn.metrics
from scipy import sparse
from scipy.special import expit, log_softmax, softmax
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold

from sensorium.baselines.stacking import added, fit_stack, log_loss, stack_answers

N = 120
CASES = {"binary": 1, "classification": 3, "two_classes": 2, "multilabel": 2, "regression": 1}


def task_of(case):
    return "classification" if case == "two_classes" else case


def table(case, seed=0, inputs="abc"):
    """`a` tells much, `b` little, `c` nothing; rows of length about 1."""
    random = np.random.default_rng(seed)
    features = {name: random.normal(size=(N, size)) / size**0.5 for name, size in zip("abc", (4, 3, 5), strict=True)}
    drive = 3 * features["a"][:, 0] + features["b"][:, 0] + 0.7 * random.normal(size=N)
    target = {
        "binary": (drive > 0.5).astype(float),
        "classification": np.digitize(drive, [-1, 1.5]),
        "two_classes": (drive > 1).astype(int),
        "multilabel": np.stack([drive > 0, features["a"][:, 1] + 0.3 * random.normal(size=N) > 0.4], 1).astype(float),
        "regression": drive / drive.std(),
    }[case]
    return {name: features[name] for name in inputs}, target


def logistic(features, target):
    """Slopes and levels of scikit-learn's, a logit for each class of more than two."""
    classes, counts = np.unique(target, return_counts=True)
    weights = {kind: (len(target) / len(classes) / count) ** 0.5 for kind, count in zip(classes, counts, strict=True)}
    model = LogisticRegression(C=10, class_weight=weights, max_iter=300, tol=1e-3).fit(features, target)
    return model.coef_, model.intercept_


def by_hand(case, features, target):
    if case == "regression":
        model = Ridge(alpha=1.0).fit(features, target)
        return model.coef_[None], np.array([model.intercept_])
    if case == "multilabel":
        return tuple(np.concatenate(part) for part in zip(*(logistic(features, y) for y in target.T), strict=True))
    slope, level = logistic(features, target)
    if case == "two_classes":
        return np.concatenate([-slope, slope]) / 2, np.concatenate([-level, level]) / 2
    return slope, level


def prior(case, target):
    """Logits of how frequent classes are, each counted once more than it is."""
    if case == "regression":
        return np.ones(1)
    if task_of(case) == "classification":
        return np.log((np.bincount(target) + 1) / (N + CASES[case]))
    share = (np.atleast_2d(target.T).sum(1) + 1) / (N + 2)
    return np.log(share / (1 - share))


def likelihood(case, logits, target):
    """The mean negative one, of each row by itself."""
    if case == "regression":
        return np.mean((logits[:, 0] - target) ** 2) / 2
    if task_of(case) == "classification":
        return -np.mean([log_softmax(row)[int(kind)] for row, kind in zip(logits, target, strict=True)])
    yes = expit(logits)
    truth = target.reshape(logits.shape)
    return -np.mean(truth * np.log(yes) + (1 - truth) * np.log(1 - yes))


class Reference:
    """Every model by scikit-learn: of each input, and of all; and what those of five folds say of the rows left out."""

    def __init__(self, case, features, target):
        self.case, self.target, self.prior = case, target, prior(case, target)
        parts = list(features.values())
        self.parts = [*parts, np.hstack(parts)] if len(parts) > 1 else parts
        self.models = [by_hand(case, part, target) for part in self.parts]
        self.left_out = np.zeros((len(self.parts), N, CASES[case]))
        for seen, other in KFold(5, shuffle=True, random_state=0).split(target):
            for place, part in enumerate(self.parts):
                slope, level = by_hand(case, part[seen], target[seen])
                self.left_out[place, other] = part[other] @ slope.T + level

    def shares(self, weight, bias):
        """The share of each model in a layer, and that of the prior, by least squares; and what is left of it."""
        ends = np.cumsum([part.shape[1] for part in self.parts])
        columns = []
        for (slope, level), part, end in zip(self.models, self.parts, ends, strict=True):
            whole = np.zeros(weight.shape)
            if part is self.parts[-1]:
                whole[:] = slope
            else:
                whole[:, end - part.shape[1] : end] = slope
            columns.append(np.r_[whole.ravel(), level])
        columns.append(np.r_[np.zeros(weight.size), self.prior])
        found, *_ = np.linalg.lstsq(np.stack(columns, 1), np.r_[weight.ravel(), bias], rcond=None)
        return found, np.r_[weight.ravel(), bias] - np.stack(columns, 1) @ found

    def said(self, shares):
        """Of rows left out, by all models in these shares."""
        return np.tensordot(shares[:-1], self.left_out, 1) + shares[-1] * self.prior

    def loss(self, shares):
        return likelihood(self.case, self.said(shares), self.target) + 1e-3 * np.square(shares).sum()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("inputs", ["a", "abc"])
def test_a_layer_is_the_best_sum_of_models_that_did_not_see_the_rows(case, inputs):
    features, target = table(case, inputs=inputs)
    stack, reference = fit_stack(task_of(case), features, target, CASES[case]), Reference(case, features, target)
    shares, rest = reference.shares(stack.weight, stack.bias)
    np.testing.assert_allclose(rest, 0, atol=1e-6)  # nothing but those models and the prior
    assert len(shares) == len(reference.models) + 1
    assert (shares[:-1] > -1e-8).all()
    # No share gains by a change: the slope is 0, or points below the 0 that it may not go below.
    steps = 1e-4 * np.eye(len(shares))
    slopes = np.array([(reference.loss(shares + step) - reference.loss(shares - step)) / 2e-4 for step in steps])
    held = np.r_[shares[:-1] < 1e-6, False]
    np.testing.assert_allclose(slopes[~held], 0, atol=1e-3)
    assert (slopes[held] > -1e-3).all()
    # What the layer would have said of rows that it had not seen, input by input.
    np.testing.assert_allclose(stack.kept_out.sum(1) + stack.kept_bias, reference.said(shares), atol=1e-6)
    assert stack.kept_out.shape == (N, len(inputs), CASES[case])


@pytest.mark.parametrize("case", CASES)
def test_the_stack_beats_the_mean_of_all_models(case):
    features, target = table(case)
    reference = Reference(case, features, target)
    shares, _ = reference.shares(*fit_stack(task_of(case), features, target, CASES[case])[:2])
    even = np.r_[np.full(len(shares) - 1, 1 / (len(shares) - 1)), 0]
    assert reference.loss(shares) < reference.loss(even) - 0.005


@pytest.mark.parametrize("case", CASES)
def test_answers_are_those_of_the_layer_and_each_input_adds_its_own(case):
    features, target = table(case)
    stack = fit_stack(task_of(case), features, target, CASES[case])
    logits = np.hstack(list(features.values())) @ stack.weight.T + stack.bias
    parts = added(features, stack.weight)
    assert parts.shape == (N, 3, CASES[case])
    np.testing.assert_allclose(parts.sum(1) + stack.bias, logits)
    np.testing.assert_allclose(parts[:, 1], features["b"] @ stack.weight[:, 4:7].T)
    chosen = np.array([5, 0, 5])
    np.testing.assert_allclose(added(features, stack.weight, chosen), parts[chosen])
    expected = {
        "binary": np.c_[expit(-logits), expit(logits)],
        "classification": softmax(logits, 1),
        "two_classes": softmax(logits, 1),
        "multilabel": expit(logits),
        "regression": logits[:, 0],
    }[case]
    np.testing.assert_allclose(stack_answers(task_of(case), features, stack), expected, atol=1e-9)


def test_two_classes_are_one_logit_written_twice():
    features, target = table("two_classes")
    one = stack_answers("binary", features, fit_stack("binary", features, target.astype(float), 1))
    two = stack_answers("classification", features, fit_stack("classification", features, target, 2))
    np.testing.assert_allclose(one, two, atol=5e-3)  # the penalty of the prior's share differs a little


@pytest.mark.parametrize("case", CASES)
def test_sparse_features_are_dense_ones(case):
    features, target = table(case)
    features["b"] = np.where(features["b"] > 0, features["b"], 0)
    stack = fit_stack(task_of(case), features, target, CASES[case])
    thin = features | {"b": sparse.csr_array(features["b"])}
    other = fit_stack(task_of(case), thin, target, CASES[case])
    expected = stack_answers(task_of(case), features, stack)
    np.testing.assert_allclose(stack_answers(task_of(case), thin, other), expected, atol=0.02)
    np.testing.assert_allclose(added(thin, stack.weight), added(features, stack.weight))


def test_a_class_without_a_row_is_unlikely_but_not_impossible():
    features, target = table("classification")
    stack = fit_stack("classification", features, np.where(target == 1, 2, target), 4)  # rows of 0 and 2 alone
    found = stack_answers("classification", features, stack)
    assert found.shape == (N, 4)
    assert ((found[:, [1, 3]] > 0) & (found[:, [1, 3]] < 0.05)).all()
    assert not stack.weight[[1, 3]].any()
    assert (found.argmax(1) == np.where(target == 1, 2, target)).mean() > 0.7


def test_a_class_seen_once_breaks_nothing():
    features, target = table("classification")
    target = np.where(np.arange(N) == 7, 3, target)
    stack = fit_stack("classification", features, target, 4)
    found = stack_answers("classification", features, stack)
    assert all(np.isfinite(part).all() for part in stack)
    assert (found.argmax(1) == target).mean() > 0.7
    alone = np.zeros(N)
    alone[7] = 1
    found = stack_answers("binary", features, fit_stack("binary", features, alone, 1))
    assert found[:, 1].mean() < 0.1


def test_a_label_of_all_rows_or_of_none_is_taken_as_that():
    features, target = table("multilabel")
    target = np.c_[target, np.ones(N), np.zeros(N)]
    stack = fit_stack("multilabel", features, target, 4)
    found = stack_answers("multilabel", features, stack)
    assert (found[:, 2] > 0.95).all()
    assert (found[:, 3] < 0.05).all()
    assert not stack.weight[2:].any()
    assert ((found[:, :2] > 0.5) == target[:, :2]).mean() > 0.8


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("rows", [1, 2, 4, 6])
def test_few_rows_give_finite_answers(case, rows):
    features, target = table(case)
    features = {name: part[:rows] for name, part in features.items()}
    stack = fit_stack(task_of(case), features, target[:rows], CASES[case])
    assert all(np.isfinite(part).all() for part in stack)
    assert np.isfinite(stack_answers(task_of(case), features, stack)).all()


@pytest.mark.parametrize("case", CASES)
def test_an_input_of_zeros_changes_nothing(case):
    """As one that no training row has: its features are a column of zeros."""
    features, target = table(case, inputs="a")
    stack = fit_stack(task_of(case), {**features, "gone": np.zeros((N, 1))}, target, CASES[case])
    assert all(np.isfinite(part).all() for part in stack)
    assert not stack.weight[:, -1].any()
    assert not stack.kept_out[:, 1].any()


def test_losses_are_scikit_learns():
    random = np.random.default_rng(3)
    logits, kinds = 30 * random.normal(size=(50, 3)), random.integers(0, 3, 50)
    labels = random.integers(0, 2, (50, 3))
    assert log_loss("classification", logits[:5] / 20, kinds[:5]) == pytest.approx(
        sklearn.metrics.log_loss(kinds[:5], softmax(logits[:5] / 20, 1), labels=[0, 1, 2])
    )
    yes = expit(logits[:, 0] / 10)
    assert log_loss("binary", logits[:, :1] / 10, labels[:, 0]) == pytest.approx(
        sklearn.metrics.log_loss(labels[:, 0], yes)
    )
    each = [sklearn.metrics.log_loss(labels[:, i], expit(logits[:, i] / 10)) for i in range(3)]
    assert log_loss("multilabel", logits / 10, labels) == pytest.approx(np.mean(each))
    assert log_loss("regression", logits[:, :1], kinds) == pytest.approx(
        sklearn.metrics.mean_squared_error(kinds, logits[:, 0]) / 2
    )
    assert np.isfinite(log_loss("binary", 1e4 * logits[:, :1], labels[:, 0]))
