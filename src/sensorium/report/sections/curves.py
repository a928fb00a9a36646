"""How the training went, epoch by epoch."""

import pandas as pd

from sensorium.pictures.markup import Html, join, note, tag
from sensorium.report.facts import Facts
from sensorium.report.plot import DASHES, SYMBOLS, plot
from sensorium.report.sections.parts import facts_list
from sensorium.report.words import Words

__all__ = ["curves"]

FEW = 10  # epochs up to which each has its tick
MARKED = 60  # epochs up to which each has its mark


def curves(facts: Facts, words: Words) -> Html:
    history, metrics = facts.predictor.history, facts.predictor.metrics
    if history.empty or "epoch" not in history:
        return note(words("curves.none"))
    scores = [name for name in history if name.startswith("valid_") and "loss" not in name]
    seconds = metrics.get("seconds", {})
    found = [(words("curves.epochs"), len(history))]
    if history["valid_loss"].notna().any():
        best = history.loc[history["valid_loss"].idxmin()]
        found.append((words("curves.best"), int(best["epoch"])))
    if "total" in seconds:
        found.append((words("curves.seconds"), f"{seconds['total']:,.0f} s"))
    parts = [facts_list(found)]
    if metrics.get("stopped"):
        parts.append(note(words("curves.stopped", reason=metrics["stopped"])))
    losses = [name for name in ("train_loss", "valid_loss") if name in history]
    parts.append(_lines(history, losses, words("curves.loss"), words))
    for metric in dict.fromkeys(name.split()[0] for name in scores):
        own = [name for name in scores if name.split()[0] == metric]
        parts.append(_lines(history, own, words.metric(metric.removeprefix("valid_")), words))
    return join(parts)


def _lines(history: pd.DataFrame, names: list[str], title: str, words: Words) -> Html:
    mode = "lines+markers" if len(history) <= MARKED else "lines"
    traces = [
        {"type": "scatter", "mode": mode, "name": words.curve(name), "x": history["epoch"].to_numpy(),
         "y": history[name].to_numpy(float), "line": {"dash": DASHES[place % len(DASHES)]},
         "marker": {"symbol": SYMBOLS[place % len(SYMBOLS)], "size": 6}, "hovertemplate": "%{x}: %{y:.4f}"}
        for place, name in enumerate(names)
    ]  # fmt: skip
    axes = {
        "xaxis": {"title": {"text": words("curves.epoch")}, **({"dtick": 1} if len(history) <= FEW else {})},
        "yaxis": {"title": {"text": title}},
        "showlegend": True,
    }
    return join([tag("h3", title), plot(traces, title, **axes)])
