"""What each input is worth to the answers, over all rows."""

from typing import TYPE_CHECKING, Any

import pandas as pd

from sensorium.pictures.markup import Html, fold, join, note, number, plain, table, tag
from sensorium.report.facts import Facts
from sensorium.report.plot import named_axis, plot
from sensorium.report.sections.parts import by_target, no_rows, without_target
from sensorium.report.words import Words

if TYPE_CHECKING:
    from sensorium.explain.overview import Overview

__all__ = ["importance"]

LISTED = 20  # rows of a list


def importance(facts: Facts, words: Words) -> Html:
    if not facts.predictor.coders:
        return without_target(words)
    if facts.found.table is None:
        return no_rows(facts, words)
    return by_target({
        name: _target(facts.overviews[name], words) if name in facts.overviews else note(words("importance.none"))
        for name in facts.predictor.coders
    })  # fmt: skip


def _target(overview: "Overview", words: Words) -> Html:
    frame = overview.importance.sort_values("size", ascending=False)
    parts = [_bars(frame, "size", ("low", "high"), words), note(words("importance.how_size"))]
    if frame["worth"].notna().all():
        parts += [_bars(frame, "worth", ("worth_low", "worth_high"), words), note(words("importance.how_worth"))]
    rows = [
        [row.input, f"{row.present:.0%}", number(row.size), f"{number(row.low)} – {number(row.high)}", number(row.worth),
         f"{number(row.worth_low)} – {number(row.worth_high)}"]
        for row in frame.itertuples()
    ]  # fmt: skip
    head = [words(f"importance.{key}") for key in ("input", "present", "size", "interval", "worth", "interval")]
    parts.append(table(head, rows))
    if not overview.exact:
        parts.append(note(words("importance.sampled")))
    if len(overview.answers) < overview.of:
        parts.append(note(words("importance.some", rows=f"{len(overview.answers):,}", of=f"{overview.of:,}")))
    return join([*parts, _pairs(overview, words), _lists(overview, words)])


def _bars(frame: pd.DataFrame, key: str, ends: tuple[str, str], words: Words) -> Html:
    """A bar an input, with its interval."""
    values, title = frame[key].to_numpy(float), words(f"importance.{key}")
    bars = {
        "type": "bar", "orientation": "h", "x": values, "y": list(range(len(frame))), "customdata": list(frame["input"]),
        "error_x": {"type": "data", "symmetric": False, "array": frame[ends[1]].to_numpy(float) - values,
                    "arrayminus": values - frame[ends[0]].to_numpy(float)},
        "hovertemplate": "%{customdata}: %{x:.3f}<extra></extra>",
    }  # fmt: skip
    axes = {"yaxis": named_axis(list(frame["input"]), autorange="reversed"), "xaxis": {"title": {"text": title}}}
    return join([tag("h3", title), plot([bars], title, 80 + 34 * len(frame), **axes)])


def _pairs(overview: "Overview", words: Words) -> Html:
    frame = overview.pairs[overview.pairs["rows"] > 0].sort_values("size", ascending=False)
    if frame.empty:
        return Html("")
    rows = [[f"{row.first} + {row.second}", row.rows, number(row.mean), number(row.size)] for row in frame.itertuples()]
    head = [words(f"importance.{key}") for key in ("pair", "rows", "mean", "strength")]
    return join([tag("h3", words("importance.pairs")), note(words("importance.how_pairs")), table(head, rows)])


def _lists(overview: "Overview", words: Words) -> Html:
    """Rows that rest on one input, whose inputs disagree, or whose answer turns when one is missing."""
    count = len(overview.answers)

    def listed(key: str, frame: pd.DataFrame, columns: list[str], rows: list[list[Any]]) -> Html:
        number_of = frame["row"].nunique()
        told = words(f"importance.{key}", count=number_of, share=f"{number_of / max(count, 1):.0%}")
        if not rows:
            return tag("p", told)
        first = note(words("importance.first", count=LISTED)) if len(frame) > LISTED else Html("")
        return fold(told, table([words(f"importance.{column}") for column in columns], rows[:LISTED]), first)

    alone, disagreements, turns = overview.alone, overview.disagreements, overview.turns
    return join([
        tag("h3", words("importance.looks")),
        listed("alone", alone, ["row", "input", "answer"], [[r.row, r.input, plain(r.answer)] for r in alone.itertuples()]),
        listed("disagreements", disagreements, ["row", "answer", "says"],
               [[r.row, plain(r.answer), "; ".join(f"{name}: {plain(value)}" for name, value in r.says.items())]
                for r in disagreements.itertuples()]),
        listed("turns", turns, ["row", "answer", "input", "then"],
               [[r.row, plain(r.answer), r.input, plain(r.without)] for r in turns.itertuples()]),
    ])  # fmt: skip
