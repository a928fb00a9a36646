"""Which of several trainings a report is of."""

from collections.abc import Callable
from typing import Any

__all__ = ["Report", "part_of"]

Report = Callable[[dict[str, Any]], None]


def part_of(report: Report, words: str) -> Report:
    """A report that says which of the trainings it is of: `part`, the outer one's words first.

    Example:
        >>> part_of(part_of(print, "fold 1 of 3"), "'photo' alone")({"step": 1})
        {'step': 1, 'part': "fold 1 of 3, 'photo' alone"}
    """
    return lambda told: report({**told, "part": f"{words}, {told['part']}" if "part" in told else words})
