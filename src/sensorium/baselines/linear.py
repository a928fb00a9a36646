"""Linear models on standardised features, such as what an encoder gives."""

import warnings
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline

__all__ = ["fit_linear"]


def fit_linear(task: str, features: Any, target: np.ndarray) -> Any:
    """Logistic regression, or ridge regression for numbers, fitted."""
    if task == "regression":
        return Ridge(alpha=10.0).fit(features, target)
    model = LogisticRegression(C=1.0, max_iter=300, tol=1e-3)
    if task == "multilabel":
        model = OneVsRestClassifier(model)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Label .* is present in all training examples")  # or in none: no mistake
        return make_pipeline(model).fit(features, target if task == "multilabel" else target.astype(int))
