"""Which choices the score of a tuning's trials depends on."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sensorium.tuning.library import load_optuna

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

__all__ = ["FEWEST", "importance"]

FEWEST = 8  # scores; of fewer, a forest tells nothing


def importance(study: "Study", finished: "Sequence[FrozenTrial]") -> dict[str, float]:
    """The share of the scores' variance that each choice explains by itself or with others; empty of few trials.

    Only choices that every scored trial had are weighed: not those of one type of encoder.

    Reference: Hutter, Hoos and Leyton-Brown 2014, An Efficient Approach for Assessing Hyperparameter Importance (fANOVA).

    Args:
        study: of the tuning.
        finished: its trials with a score.
    """
    if len(finished) < FEWEST or len({trial.value for trial in finished}) < 2:
        return {}
    of_optuna = load_optuna().importance
    found = of_optuna.get_param_importances(study, evaluator=of_optuna.FanovaImportanceEvaluator(seed=0))
    return {name: float(share) for name, share in found.items()}
