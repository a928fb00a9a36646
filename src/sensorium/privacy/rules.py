"""What can't go with privacy: refused where it was asked for, switched off where it is merely usual."""

from typing import Any

from sensorium.config import Config, Privacy
from sensorium.errors import ConfigError

__all__ = ["OFF", "privately", "refuse_privacy"]

# Options that are usual: their usual value, what they are under privacy (first) or may be, and why.
OFF: dict[str, tuple[Any, tuple[Any, ...], str]] = {
    "imbalance.method": (
        "class_weights", ("none", "focal"), "it counts, draws or makes rows by their class, so that one changes what others do"
    ),
    "balance.method": ("auto", ("none",), "it weighs inputs by the losses of all rows"),
    "training.wide": (True, (False,), "a linear model of hand-made features learns without noise"),
    "training.refit": (True, (False,), "the linear model learns from the validation rows without noise"),
    "training.probes": (True, (False,), "linear models on each encoder learn without noise"),
    "training.precision": ("auto", ("32",), "gradients of single rows are computed in 32 bits"),
}  # fmt: skip


def privately(config: Config) -> Config:
    """The configuration as it can be trained by under `privacy.epsilon`; as it is without.

    Raises:
        ConfigError: with a line for each option that was chosen and can't be private.
    """
    if config.privacy.epsilon is None:
        if config.privacy != Privacy():
            given = next(
                name for name in Privacy.model_fields if getattr(config.privacy, name) != getattr(Privacy(), name)
            )
            raise ConfigError(f"privacy.{given} needs privacy.epsilon, which is not given: nothing would be private.")
        return config
    errors = []
    changed: dict[str, dict[str, Any]] = {}
    for path, (usual, private, why) in OFF.items():
        section, _, option = path.partition(".")
        value = getattr(getattr(config, section), option)
        if value == usual:
            changed.setdefault(section, {})[option] = private[0]
        elif value not in private:
            errors.append(
                f"{path}: must be {' or '.join(map(str, private))} under privacy.epsilon; got {value}: {why}."
            )
    if config.domain.column is not None:
        errors.append(
            "domain.column: must be left out under privacy.epsilon; it compares rows of a batch with one another, so that no "
            "row has a gradient of its own."
        )
    if config.split.folds is not None:
        errors.append(
            "split.folds: must be left out under privacy.epsilon; each row would be learned from by all models but one, each at "
            "the whole epsilon."
        )
    if config.ensemble.members:
        errors.append(
            "ensemble.members: must be left out under privacy.epsilon; each member would spend the whole epsilon."
        )
    if config.training.epochs == 0:
        errors.append("training.epochs: must be 1 or more under privacy.epsilon; got 0, and the linear model is off.")
    if errors:
        raise ConfigError("\n".join(errors))
    return config.model_copy(
        update={section: getattr(config, section).model_copy(update=options) for section, options in changed.items()}
    )


def refuse_privacy(config: Config, what: str, why: str) -> None:
    """
    Raises:
        ConfigError: the configuration asks for privacy, which `what` can't give.
    """
    if config.privacy.epsilon is not None:
        raise ConfigError(f"{what} can't go with privacy.epsilon: {why}.")
