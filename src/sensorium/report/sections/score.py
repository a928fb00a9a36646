"""The score, beside all that it must be better than."""

from collections.abc import Mapping
from typing import Any

from sensorium.pictures.markup import Html, fold, join, note, number, table, tag
from sensorium.report.facts import Facts
from sensorium.report.plot import SYMBOLS, named_axis, plot
from sensorium.report.sections.parts import by_target, no_rows
from sensorium.report.words import Words

__all__ = ["score"]

BESIDE = ("alone", "probes", "floors")


def score(facts: Facts, words: Words) -> Html:
    told = facts.predictor.metrics.get("targets", {})
    if not facts.predictor.coders:
        return _retrieval(facts, words)
    found = {
        name: join([_metrics(name, facts, words), _beside(told.get(name), words)]) for name in facts.predictor.coders
    }
    return join([by_target(found), _folds(facts.predictor.metrics.get("folds"), words)])


def _metrics(name: str, facts: Facts, words: Words) -> Html:
    """Every metric with its interval and that of always the same answer: of the rows if there are any, else of the fit's."""
    several = len(facts.predictor.coders) > 1
    if facts.scores is not None:
        start = f"{name}." if several else ""
        own = {
            key.removeprefix(start): value for key, value in facts.scores["metrics"].items() if key.startswith(start)
        }
        base = facts.said[name].majority if name in facts.said else {}
        used, left = facts.scores["rows"], facts.scores["left_out"]
        about = note(words("score.rows", rows=f"{used:,}", left=f"{left:,}", table=facts.found.table.name))
    else:
        of_fit = facts.predictor.metrics.get("targets", {}).get(name)
        if of_fit is None:
            return note(words("score.none", target=name))
        own, base = of_fit["valid"], of_fit["majority"]
        about = note(words("score.of_fit", rows=f"{facts.predictor.run['rows']['valid']:,}"))
    rows = [
        [words.metric(metric), number(value["value"]), f"{number(value['low'])} – {number(value['high'])}",
         number(base[metric]["value"]) if metric in base else "–"]
        for metric, value in own.items()
    ]  # fmt: skip
    return join([table([words(f"score.{key}") for key in ("metric", "value", "interval", "majority")], rows), about])


def _beside(told: Mapping[str, Any] | None, words: Words) -> Html:
    """The main metric of the model, of each input by itself in three ways, and of classical models."""
    if told is None or "alone" not in told or told["main"] not in told["valid"]:
        return note(words("score.no_probes")) if told is not None else Html("")
    main, fused, base = told["main"], told["valid"][told["main"]], told["majority"].get(told["main"])
    names = list(dict.fromkeys(name for kind in BESIDE for name in told[kind]))
    labels = [words("score.model"), *(words("score.all_inputs") if name == "all" else name for name in names)]
    traces = [
        {"type": "scatter", "mode": "markers", "name": words("score.model"), "x": [fused["value"]], "y": [0],
         "marker": {"symbol": "star", "size": 14},
         "error_x": {"type": "data", "symmetric": False, "array": [fused["high"] - fused["value"]],
                     "arrayminus": [fused["value"] - fused["low"]]},
         "hovertemplate": "%{x:.3f}<extra></extra>"}
    ]  # fmt: skip
    for kind, symbol in zip(BESIDE, SYMBOLS, strict=False):
        here = [
            (place, told[kind][name][main]["value"])
            for place, name in enumerate(names, 1)
            if main in told[kind].get(name, {})
        ]
        traces.append(
            {"type": "scatter", "mode": "markers", "name": words(f"score.{kind}"), "x": [value for _, value in here],
             "y": [place for place, _ in here], "marker": {"symbol": symbol, "size": 10},
             "hovertemplate": "%{x:.3f}<extra></extra>"}
        )  # fmt: skip
    layout: dict[str, Any] = {
        "yaxis": named_axis(labels, range=[len(labels) - 0.5, -0.5]),
        "xaxis": {"title": {"text": words.metric(main)}},
        "legend": {"orientation": "h", "y": 1, "yanchor": "bottom", "x": 0},
    }
    if base is not None:
        layout["shapes"] = [{"type": "line", "x0": base["value"], "x1": base["value"], "y0": 0, "y1": 1, "yref": "paper",
                             "line": {"dash": "dash", "width": 1.5}}]  # fmt: skip
    title = words("score.beside", metric=words.metric(main))
    rows = [[words("score.model"), number(fused["value"]), "", ""]]
    rows += [
        [label, *(number(told[kind].get(name, {}).get(main, {}).get("value")) for kind in BESIDE)]
        for label, name in zip(labels[1:], names, strict=True)
    ]
    rows.append([words("score.majority"), number(base and base["value"]), "", ""])
    parts = [
        tag("h3", title),
        plot(traces, title, 120 + 34 * len(labels), **layout),
        note(words("score.how_beside")),
        fold(words("as_table"), table(["", *(words(f"score.{kind}") for kind in BESIDE)], rows)),
    ]
    if told.get("skipped"):
        parts.append(note(words("score.skipped", what=", ".join(told["skipped"]))))
    return join(parts)


def _folds(told: Mapping[str, Any] | None, words: Words) -> Html:
    if told is None:
        return Html("")
    rows = [
        [metric, number(over["mean"]), number(over["spread"]), f"{number(over['low'])} – {number(over['high'])}"]
        for metric, over in told["metrics"].items()
    ]
    head = [words(f"score.{key}") for key in ("metric", "mean", "spread", "interval")]
    return join([tag("h3", words("score.folds", count=told["count"])), table(head, rows)])


def _retrieval(facts: Facts, words: Words) -> Html:
    """Of a run without targets: how well each input of a row finds the row's others."""
    if facts.scores is None:
        return no_rows(facts, words)
    rows = [
        [f"{pair['query']} → {pair['finds']}",
         *(number(facts.scores["metrics"][f"{pair['query']}->{pair['finds']}.{metric}"]["value"])
           for metric in ("recall@1", "recall@5", "recall@10", "mrr"))]
        for pair in facts.scores["pairs"]
    ]  # fmt: skip
    return join(
        [note(words("score.retrieval")), table([words("score.pair"), "recall@1", "recall@5", "recall@10", "MRR"], rows)]
    )
