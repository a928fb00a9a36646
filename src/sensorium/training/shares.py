"""How far each part of a model counts, by rows that no part has learned from."""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.optimize import minimize

from sensorium.baselines.stacking import log_loss

__all__ = ["fit_shares"]


def fit_shares(
    task: str,
    answer: Callable[[np.ndarray], np.ndarray],
    target: np.ndarray,
    belief: Sequence[float],
    doubt: float,
    most: float | None = None,
) -> list[float]:
    """The shares of the highest posterior: a log-likelihood of the rows beside a normal density around a belief.

    A few rows hardly move them, many decide.

    Args:
        task: of the target; numbers are measured in units of the variance that the belief leaves.
        answer: shares (S,) -> logits (N, K).
        target: (N,) or, of labels, (N, labels).
        belief: what the shares (S,) are taken to be before the rows are seen; doubt: their deviation from it.
        most: a share is from 0 to this; None: has no upper end.
    """
    noise = max(1e-6, 2 * log_loss(task, answer(np.array(belief)), target)) if task == "regression" else 1.0

    def loss(shares: np.ndarray) -> float:
        of_rows = len(target) * log_loss(task, answer(shares), target) / noise
        return of_rows + float(np.square((shares - belief) / doubt).sum()) / 2

    return minimize(loss, belief, method="L-BFGS-B", bounds=[(0, most)] * len(belief)).x.tolist()
