"""How the score falls as inputs go missing or get worse."""

from collections.abc import Mapping
from typing import Any

from sensorium.pictures.markup import Html, fold, join, note, number, table, tag
from sensorium.report.facts import Facts
from sensorium.report.plot import DASHES, SYMBOLS, named_axis, plot
from sensorium.report.sections.parts import by_target, no_rows, without_target
from sensorium.report.words import Words

__all__ = ["robustness"]

MOST_SUBSETS = 32  # that are drawn; all are in the table


def robustness(facts: Facts, words: Words) -> Html:
    if not facts.predictor.coders:
        return without_target(words)
    if facts.robustness is None:
        return no_rows(facts, words)
    told = {name: _target(found, words) for name, found in facts.robustness["targets"].items()}
    rows, of = (f"{facts.robustness[key]:,}" for key in ("rows", "of"))
    return join([by_target(told), note(words("robustness.rows", rows=rows, of=of))])


def _target(found: Mapping[str, Any], words: Words) -> Html:
    metric = words.metric(found["metric"])
    parts = [_subsets(found, metric, words)]
    head = [words(f"robustness.{key}") for key in ("input", "alone", "without", "half")]
    rows = [
        [name, *(number(told[key]) for key in ("alone", "without", "half"))] for name, told in found["inputs"].items()
    ]
    parts.append(table(head, rows))
    damaged = {name: told["curves"] for name, told in found["inputs"].items() if told["curves"]}
    if damaged:
        parts += [tag("h3", words("robustness.damage")), note(words("robustness.how_damage"))]
        parts += [_curves(name, curves, metric, words) for name, curves in damaged.items()]
    return join(parts)


def _subsets(found: Mapping[str, Any], metric: str, words: Words) -> Html:
    """A bar a subset of the inputs, the best first."""
    told = [one for one in found["subsets"] if one["score"] is not None]
    if not told:
        return note(words("robustness.none"))
    told.sort(key=lambda one: (-one["score"], len(one["inputs"])))
    names = [" + ".join(one["inputs"]) or words("robustness.nothing") for one in told]
    step = max(1, -(-len(told) // MOST_SUBSETS))
    shown = list(range(0, len(told), step))
    if shown[-1] != len(told) - 1:
        shown.append(len(told) - 1)
    scores = [told[place]["score"] for place in shown]
    inputs = list(found["inputs"])
    there = [
        (column, row)
        for row, place in enumerate(shown)
        for column, name in enumerate(inputs)
        if name in told[place]["inputs"]
    ]
    gone = [
        (column, row) for row in range(len(shown)) for column in range(len(inputs)) if (column, row) not in set(there)
    ]
    # Left a column an input, filled where it is there; right the score of the same line.
    dots = {"type": "scatter", "mode": "markers", "hoverinfo": "skip"}
    traces = [
        {**dots, **_places(gone), "marker": {"symbol": "circle-open", "size": 7, "opacity": 0.6}},
        {**dots, **_places(there), "marker": {"symbol": "circle", "size": 9}},
        {
            "type": "scatter", "mode": "markers+text", "x": scores, "y": list(range(len(shown))), "marker": {"size": 10},
            "text": [number(value) for value in scores], "textposition": "middle right", "cliponaxis": False, "xaxis": "x2",
            "customdata": [names[place] for place in shown], "hovertemplate": "%{customdata}: %{x:.3f}<extra></extra>",
        },
    ]  # fmt: skip
    axes: dict[str, Any] = {
        "yaxis": {"visible": False, "range": [len(shown) - 0.5, -0.5]},
        "xaxis": named_axis(inputs, domain=[0, 0.42], side="top", tickangle=-45, showgrid=False, range=[-0.6, len(inputs) - 0.4]),
        "xaxis2": {"domain": [0.46, 1], "title": {"text": metric}, "automargin": True},
        "margin": {"l": 8, "r": 56, "t": 16, "b": 44}, "showlegend": False,
    }  # fmt: skip
    if found["majority"] is not None:
        base = found["majority"]
        line = {"dash": "dash", "width": 1.5}
        axes["shapes"] = [
            {"type": "line", "x0": base, "x1": base, "y0": 0, "y1": 1, "yref": "paper", "xref": "x2", "line": line}
        ]
    rows = [[name, len(one["inputs"]), number(one["score"])] for name, one in zip(names, told, strict=True)]
    head = [words("robustness.subset"), words("robustness.count"), metric]
    title = words("robustness.subsets")
    drawn = note(words("robustness.drawn", shown=len(shown), of=len(told))) if len(shown) < len(told) else Html("")
    return join([
        tag("h3", title), note(words("robustness.how_subsets")), plot(traces, title, 150 + 24 * len(shown), **axes), drawn,
        fold(words("as_table"), table(head, rows)),
    ])  # fmt: skip


def _places(dots: list[tuple[int, int]]) -> dict[str, list[int]]:
    return {"x": [x for x, _ in dots], "y": [y for _, y in dots]}


def _curves(name: str, curves: Mapping[str, Any], metric: str, words: Words) -> Html:
    """The score over growing damage to one input, a line a kind of damage."""
    traces, rows = [], []
    for place, (kind, curve) in enumerate(curves.items()):
        levels = list(range(len(curve["scores"])))
        amounts = [words("robustness.clean"), *(f"{amount:g} {curve['unit']}" for amount in curve["amounts"][1:])]
        traces.append(
            {"type": "scatter", "mode": "lines+markers", "name": words.damage(kind), "x": levels, "y": curve["scores"],
             "line": {"dash": DASHES[place % len(DASHES)]}, "marker": {"symbol": SYMBOLS[place % len(SYMBOLS)], "size": 8},
             "text": amounts, "hovertemplate": "%{text}: %{y:.3f}"}
        )  # fmt: skip
        rows.append([words.damage(kind), ", ".join(amounts[1:]), *(number(score) for score in curve["scores"])])
    most = max(len(curve["scores"]) for curve in curves.values())
    ticks = [words("robustness.clean"), *map(str, range(1, most))]
    axes = {"xaxis": named_axis(ticks, title={"text": words("robustness.level")}), "yaxis": {"title": {"text": metric}}}
    head = [words("robustness.kind"), words("robustness.amounts"), *ticks]
    title = words("robustness.of", input=name)
    return join(
        [
            tag("h4", title),
            plot(traces, title, 300, showlegend=True, **axes),
            fold(words("as_table"), table(head, rows)),
        ]
    )
