"""One thing that a tuning chooses, and how it is drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

if TYPE_CHECKING:
    import optuna

__all__ = ["Choice", "bounds", "numbers", "one_of"]

LIMITS = {"ge": max, "gt": max, "le": min, "lt": min}


@dataclass(frozen=True)
class Choice:
    """An option with what it may become.

    Args:
        name: that the journal has for it.
        default: what a fit takes.
        values: one of these; empty: a number.
        low, high: ends of a number's range, both of it.
        log: numbers are drawn evenly by their logarithm.
    """

    name: str
    default: Any
    values: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False

    def suggest(self, trial: "optuna.Trial") -> Any:
        """What a trial takes; numbers with a point to three digits, so that they can be read."""
        if self.values:
            return trial.suggest_categorical(self.name, self.values)
        if isinstance(self.low, int):
            return trial.suggest_int(self.name, self.low, self.high, log=self.log)
        found = trial.suggest_float(self.name, self.low, self.high, log=self.log)
        return min(max(float(f"{found:.3g}"), self.low), self.high)


def one_of(name: str, default: Any, values: Sequence[Any]) -> Choice:
    """A choice among values, the default always among them."""
    return Choice(name, default, tuple(dict.fromkeys([*values, default])))


def numbers(name: str, default: float, low: float, high: float, log: bool = False) -> Choice:
    """A choice of a number, in a range that holds the default."""
    return Choice(name, default, (), min(low, default), max(high, default), log)


def bounds(options: type[BaseModel], field: str, low: float, high: float) -> tuple[float, float]:
    """The part of a range that an option allows.

    Example:
        >>> from sensorium.config.fusions import Bottleneck
        >>> bounds(Bottleneck, "layers", 1, 4)
        (2, 4)
    """
    ends = [low, high]
    for limit in options.model_fields[field].metadata:
        for sign, inner in LIMITS.items():
            if (value := getattr(limit, sign, None)) is not None:
                place = 0 if inner is max else 1
                ends[place] = inner(ends[place], value)
    return ends[0], ends[1]
