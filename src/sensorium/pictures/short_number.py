"""Large numbers as people read them."""

__all__ = ["short_number"]


def short_number(number: float) -> str:
    """Three digits and a unit.

    Example:
        >>> [short_number(n) for n in (0, 999, 1234, 56_780_000, 2.5e9)]
        ['0', '999', '1.23 k', '56.8 M', '2.5 G']
    """
    number = float(f"{number:.3g}")
    for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:.0f}"
