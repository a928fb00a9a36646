"""Numbers of rows, written short: 1-3,7."""

import itertools
from collections.abc import Sequence

__all__ = ["read_numbers", "write_numbers"]


def write_numbers(numbers: Sequence[int]) -> str:
    """Numbers in ascending order, runs of them as a range.

    Example:
        >>> write_numbers([1, 2, 3, 7, 9, 10])
        '1-3,7,9-10'
    """
    found = []
    for _, run in itertools.groupby(enumerate(sorted(numbers)), key=lambda pair: pair[1] - pair[0]):
        ends = [number for _, number in run]
        found.append(f"{ends[0]}" if len(ends) == 1 else f"{ends[0]}-{ends[-1]}")
    return ",".join(found)


def read_numbers(text: str) -> list[int]:
    """What `write_numbers` wrote.

    Example:
        >>> read_numbers("1-3,7")
        [1, 2, 3, 7]
    """
    found: list[int] = []
    for part in filter(None, text.split(",")):
        low, _, high = part.partition("-")
        found.extend(range(int(low), int(high or low) + 1))
    return found
