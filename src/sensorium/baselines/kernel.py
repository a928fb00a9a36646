"""Support vector machines on hand-made features: the floor where classes are not split by a plane."""

from typing import Any

import numpy as np
from scipy import sparse
from scipy.special import softmax
from sklearn.svm import SVC, SVR

__all__ = ["KernelMachine", "fit_kernel"]


class KernelMachine:
    """A fitted SVC whose decision values are given as shares that sum to 1: they rank classes, they are not calibrated."""

    def __init__(self, fitted: SVC):
        self.fitted, self.classes_ = fitted, fitted.classes_

    def predict_proba(self, features: Any) -> np.ndarray:
        values = self.fitted.decision_function(features)
        return softmax(np.stack([-values, values], 1) if values.ndim == 1 else values, axis=1)  # (N, classes)


def fit_kernel(task: str, features: Any, target: np.ndarray) -> Any:
    """An SVM, fitted; for one class a row, or numbers.

    Its kernel is RBF, and linear where features are sparse: planes split a text's thousands of terms.

    Reference: Cortes and Vapnik 1995; the kernel's width is scikit-learn's `scale`, 1 / (features * variance).
    """
    kernel = "linear" if sparse.issparse(features) else "rbf"
    if task == "regression":
        return SVR(C=1.0, kernel=kernel).fit(features, target)
    return KernelMachine(SVC(C=10.0, kernel=kernel).fit(features, target.astype(int)))
