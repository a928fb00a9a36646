"""Naive Bayes on hand-made features: each input's features by themselves, and the inputs by each other."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import sparse
from scipy.special import logsumexp
from sklearn.naive_bayes import GaussianNB, MultinomialNB

__all__ = ["NaiveBayes", "NaiveBayesOfLabels", "fit_naive_bayes"]

SMOOTHING = 0.01  # of a feature's variance: one that never varies within a class would decide alone without it
ALPHA = 0.1  # of TF-IDF, whose entries are well below the counts that the usual 1 is made for


class NaiveBayes:
    """Multinomial on sparse features (a text's TF-IDF), Gaussian on dense ones, and the product of both.

    Given the class, features are taken for independent, whichever input they come from: so the joint probabilities of
    the inputs multiply, with the classes' prior counted once.

    Reference: Rennie et al. 2003, Tackling the Poor Assumptions of Naive Bayes Text Classifiers (TF-IDF as counts).

    Args:
        fitted: a model of each input, fitted to features divided by their scale, of the same classes and prior.
        scales: of each input: 1, or a number a feature.
    """

    def __init__(self, fitted: Mapping[str, MultinomialNB | GaussianNB], scales: Mapping[str, np.ndarray | float]):
        self.fitted, self.scales = dict(fitted), dict(scales)
        first = next(iter(self.fitted.values()))
        self.classes_ = first.classes_
        self.prior = np.log(first.class_prior_) if isinstance(first, GaussianNB) else first.class_log_prior_

    def predict_proba(self, features: Mapping[str, Any]) -> np.ndarray:
        """(N, classes), from each input's features."""
        joint = sum(
            model.predict_joint_log_proba(features[name] / self.scales[name]) for name, model in self.fitted.items()
        )
        joint = joint - (len(self.fitted) - 1) * self.prior
        return np.exp(joint - logsumexp(joint, axis=1, keepdims=True))

    @property
    def parameters(self) -> int:
        """Numbers that were learned."""
        return len(self.prior) + sum(
            model.feature_log_prob_.size if isinstance(model, MultinomialNB) else 2 * model.theta_.size
            for model in self.fitted.values()
        )


class NaiveBayesOfLabels:
    """One naive Bayes a label, each saying yes or no; a label that all or none of the training rows have stays so.

    Args:
        fitted: of each label.
    """

    def __init__(self, fitted: list[NaiveBayes]):
        self.fitted = fitted

    def predict_proba(self, features: Mapping[str, Any]) -> np.ndarray:
        """(N, labels), from each input's features."""
        said = []
        for model in self.fitted:
            both = model.predict_proba(features)  # (N, 1 or 2)
            said.append(both[:, -1] * model.classes_[-1])
        return np.stack(said, axis=1)

    @property
    def parameters(self) -> int:
        """Numbers that were learned."""
        return sum(model.parameters for model in self.fitted)


def fit_naive_bayes(task: str, features: Mapping[str, Any], target: np.ndarray) -> NaiveBayes | NaiveBayesOfLabels:
    """Naive Bayes, fitted; for classes or labels.

    Args:
        task: binary, classification or multilabel.
        features: of each input: sparse and not negative, or dense, (N, features).
        target: class numbers (N,), or labels (N, labels) of 0 and 1.
    """
    if task == "multilabel":
        return NaiveBayesOfLabels([fit_naive_bayes("binary", features, column) for column in target.T])
    fitted, scales = {}, {}
    for name, given in features.items():
        scales[name] = 1.0 if sparse.issparse(given) else np.maximum(given.std(0), 1e-6)
        model = MultinomialNB(alpha=ALPHA) if sparse.issparse(given) else GaussianNB(var_smoothing=SMOOTHING)
        fitted[name] = model.fit(given / scales[name], target.astype(int))
    return NaiveBayes(fitted, scales)
