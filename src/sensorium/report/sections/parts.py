"""What several sections show alike."""

from collections.abc import Iterable, Mapping
from typing import Any

from sensorium.pictures.markup import Html, join, note, tag
from sensorium.report.facts import Facts
from sensorium.report.words import Words

__all__ = ["by_target", "facts_list", "no_rows", "without_target"]


def facts_list(pairs: Iterable[tuple[Any, Any]]) -> Html:
    """Short facts, each with its name."""
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in pairs), class_="facts")


def by_target(told: Mapping[str, Html]) -> Html:
    """What is told of each target, under its name where there are several."""
    if len(told) == 1:
        return next(iter(told.values()))
    return join(join([tag("h3", name, class_="target"), html]) for name, html in told.items())


def no_rows(facts: Facts, words: Words) -> Html:
    """Why there are no rows to look at, and what to do."""
    return note(words(f"absent.{facts.found.why}", table=facts.found.name))


def without_target(words: Words) -> Html:
    return note(words("absent.target"))
