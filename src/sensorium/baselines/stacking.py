"""Linear models of each input and of all inputs, stacked into one linear layer."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, softmax
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold

from sensorium.baselines.handmade import together

__all__ = ["Stack", "added", "fit_layer", "fit_stack", "log_loss", "stack_answers"]

STRENGTH = 10.0  # C of logistic regression, for rows of length about 1
FOLDS = 5
LEAST = 1e-6  # a probability; a class that a fold has no row of is not impossible
HELD = 1e-3  # weight of the stack's own penalty


class Stack(NamedTuple):
    """A linear layer, and what it would have said of each training row without having seen it.

    weight: (K, all features). bias: (K,). shares: of each model, and of the frequencies. kept_out: (N, M, K), what each
    input adds to a row's logits. kept_bias: (N, K), what is added besides. loss: of these logits. loss_of_frequencies: of the classes' frequencies (numbers: the mean) alone.
    """

    weight: np.ndarray
    bias: np.ndarray
    shares: np.ndarray
    kept_out: np.ndarray
    kept_bias: np.ndarray
    loss: float
    loss_of_frequencies: float


def fit_stack(task: str, features: Mapping[str, Any], target: np.ndarray, classes: int) -> Stack:
    """One linear layer that answers `target`: the weighted sum of linear models of each input, and of all together.

    Which model tells how much is learned from answers to rows that it was kept from (5 folds); so is how far the
    classes' frequencies count, which a penalised model overrates.

    Reference:
        Wolpert 1992, Stacked Generalization; Breiman 1996, Stacked Regressions: weights of 0 or more.

    Args:
        task: binary, classification, multilabel or regression.
        features: (N, features) of M inputs, in the order of the layer's columns; their rows of length about 1.
        target: (N,) or, of labels, (N, labels).
        classes: outputs K; 1 of binary and regression.
    """
    parts = list(features.values())
    whole, fit = together(parts), _fitter(task)
    many = len(parts) > 1  # else the model of all inputs is that of the one
    shape = (len(target), len(parts), classes)
    own, of_whole = np.zeros(shape), np.zeros(shape)  # what each input adds, by its own model and by that of all
    biases = np.zeros((len(target), len(parts) + many, classes))
    folds = KFold(min(FOLDS, len(target)), shuffle=True, random_state=0).split(target) if len(target) > 1 else ()
    for seen, other in folds:
        for place, part in enumerate(parts):
            weight, biases[other, place] = fit(part[seen], target[seen], classes)
            own[other, place] = part[other] @ weight.T
        if many:
            weight, biases[other, -1] = fit(whole[seen], target[seen], classes)
            of_whole[other] = added(features, weight, other)
    frequencies = _frequencies(task, target, classes)
    said = own + biases[:, : len(parts)]
    if many:
        said = np.concatenate([said, (of_whole.sum(1) + biases[:, -1])[:, None]], 1)
    *shares, of_frequencies = _shares(task, said, frequencies, target)
    kept_out = own * np.array(shares[: len(parts)])[:, None] + (shares[-1] * of_whole if many else 0)
    kept_bias = np.tensordot(biases, shares, (1, 0)) + of_frequencies * frequencies
    shares = np.array([*shares, of_frequencies])
    weight, bias = fit_layer(task, features, target, classes, shares)
    loss = log_loss(task, kept_out.sum(1) + kept_bias, target)
    plain = np.zeros((len(target), classes)) + (target.mean() if task == "regression" else frequencies)
    return Stack(weight, bias, shares, kept_out, kept_bias, loss, max(log_loss(task, plain, target), LEAST))


def fit_layer(
    task: str, features: Mapping[str, Any], target: np.ndarray, classes: int, shares: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The layer (weight, bias) that models of these rows make with the shares of a stack.

    Args: as of `fit_stack`.
    """
    *shares, of_frequencies = shares
    parts = list(features.values())
    columns, whole, fit = blocks([part.shape[1] for part in parts]), together(parts), _fitter(task)
    weight, bias = np.zeros((classes, whole.shape[1])), of_frequencies * _frequencies(task, target, classes)
    models = [*zip(parts, columns, strict=True), *([(whole, slice(None))] if len(parts) > 1 else [])]
    for share, (part, place) in zip(shares, models, strict=True):
        slope, level = fit(part, target, classes)
        weight[:, place] += share * slope
        bias = bias + share * level
    return weight, bias


def blocks(sizes: Sequence[int]) -> list[slice]:
    """The columns of each input, side by side."""
    ends = np.cumsum(sizes)
    return [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]


def added(features: Mapping[str, Any], weight: np.ndarray, rows: Any = slice(None)) -> np.ndarray:
    """What each input adds to the logits of rows: (N, M, K)."""
    columns = blocks([part.shape[1] for part in features.values()])
    parts = zip(features.values(), columns, strict=True)
    return np.stack([part[rows] @ weight[:, place].T for part, place in parts], axis=1)


def stack_answers(task: str, features: Mapping[str, Any], stack: Stack) -> np.ndarray:
    """What the layer of a stack says: probabilities (N, classes), of two classes (N, 2); or numbers (N,)."""
    logits = together(list(features.values())) @ stack.weight.T + stack.bias
    if task == "regression":
        return logits[:, 0]
    if task == "classification":
        return softmax(logits, 1)
    yes = expit(logits)
    return yes if task == "multilabel" else np.hstack([1 - yes, yes])


def log_loss(task: str, logits: np.ndarray, target: np.ndarray) -> float:
    """The mean negative log-likelihood of logits (N, classes); of numbers half the mean squared error."""
    if task == "regression":
        return float(0.5 * np.square(logits[:, 0] - target).mean())
    if task == "classification":
        return float(-log_softmax(logits, 1)[np.arange(len(target)), target.astype(int)].mean())
    sign = 2 * target.reshape(logits.shape) - 1
    return float(np.logaddexp(0, -sign * logits).mean())


def _shares(task: str, kept_out: np.ndarray, frequencies: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The weight of each model, 0 or more, and that of the frequencies; kept_out: (N, models, K)."""
    count = kept_out.shape[1]

    def loss(weights: np.ndarray) -> float:
        logits = np.tensordot(kept_out, weights[:count], (1, 0)) + weights[count] * frequencies
        return log_loss(task, logits, target) + HELD * float(np.square(weights).sum())

    start = np.r_[np.full(count, 1 / count), 0.0]
    return minimize(loss, start, method="L-BFGS-B", bounds=[(0, None)] * count + [(None, None)]).x


def _fitter(task: str) -> Callable[[Any, np.ndarray, int], tuple[np.ndarray, np.ndarray]]:
    """What fits one model: (features, target, classes) -> (weight, bias)."""
    return {"regression": _ridge, "multilabel": _each_label}.get(task, _logistic)


def _logistic(features: Any, target: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits of one class a row; rare classes count by the square root of their inverse frequency."""
    present, counts = np.unique(target.astype(int), return_counts=True)
    weight, bias = np.zeros((classes, features.shape[1])), np.full(classes, np.log(LEAST))
    if len(present) == 1:
        bias[present if classes > 1 else 0] = 0.0 if classes > 1 else np.log(LEAST) * (1 - 2 * present[0])
        return weight, bias
    scales = dict(zip(present.tolist(), np.sqrt(len(target) / (len(present) * counts)).tolist(), strict=True))
    model = LogisticRegression(C=STRENGTH, max_iter=300, tol=1e-3, class_weight=scales)
    model.fit(features, target.astype(int))
    if classes == 1:
        return model.coef_, model.intercept_
    if len(present) == 2:  # one logit, of the second against the first
        weight[present], bias[present] = np.stack([-model.coef_[0], model.coef_[0]]) / 2, model.intercept_ * [-0.5, 0.5]
    else:
        weight[present], bias[present] = model.coef_, model.intercept_
    return weight, bias


def _each_label(features: Any, target: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    parts = [_logistic(features, target[:, place], 1) for place in range(classes)]
    return np.concatenate([weight for weight, _ in parts]), np.concatenate([bias for _, bias in parts])


def _ridge(features: Any, target: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    model = Ridge(alpha=1.0).fit(features, target)
    return model.coef_.reshape(1, -1), np.atleast_1d(model.intercept_)


def _frequencies(task: str, target: np.ndarray, classes: int) -> np.ndarray:
    """Logits of the classes' frequencies (classes,); of numbers 1, so that its weight is a bias."""
    if task == "regression":
        return np.ones(1)
    if task == "classification":
        return np.log((np.bincount(target.astype(int), minlength=classes) + 1) / (len(target) + classes))
    share = (target.reshape(len(target), -1).sum(0) + 1) / (len(target) + 2)
    return np.log(share / (1 - share))
