"""Whether probabilities and intervals mean what they say."""

from collections.abc import Mapping
from typing import Any

from sensorium.pictures.markup import Html, join, note, number, table, tag
from sensorium.report.facts import Facts
from sensorium.report.plot import plot
from sensorium.report.sections.parts import by_target, facts_list, no_rows, without_target
from sensorium.report.words import Words

__all__ = ["calibration"]


def calibration(facts: Facts, words: Words) -> Html:
    if not facts.predictor.coders:
        return without_target(words)
    told = {}
    for name in facts.predictor.coders:
        trust = None if facts.scores is None else facts.scores["trust"].get(name)
        fitted = facts.predictor.metrics.get("targets", {}).get(name, {}).get("calibration", {})
        parts = [_numbers({**fitted, **(trust or {})}, words)]
        if trust is None:
            parts.append(no_rows(facts, words) if facts.scores is None else note(words("calibration.none")))
        else:
            parts += [_reliability(trust, words), _sets(trust, words)]
        told[name] = join(parts)
    return by_target(told)


def _numbers(told: Mapping[str, Any], words: Words) -> Html:
    keys = [
        key
        for key in ("temperature", "ece", "ece_equal_mass", "brier", "deviation", "within")
        if told.get(key) is not None
    ]
    if not keys:
        return Html("")
    return facts_list(
        (words(f"calibration.{key}"), f"{told[key]:.1%}" if key == "within" else number(told[key])) for key in keys
    )


def _reliability(trust: Mapping[str, Any], words: Words) -> Html:
    bins = trust.get("reliability")
    if not bins:
        return Html("")
    line = {
        "type": "scatter", "mode": "lines+markers", "x": [bin["confidence"] for bin in bins],
        "y": [bin["accuracy"] for bin in bins], "text": [bin["rows"] for bin in bins],
        "marker": {"size": [6 + 18 * (bin["rows"] / max(b["rows"] for b in bins)) ** 0.5 for bin in bins]},
        "hovertemplate": "%{x:.3f} → %{y:.3f} (%{text})<extra></extra>",
    }  # fmt: skip
    even = {"type": "line", "x0": 0, "y0": 0, "x1": 1, "y1": 1, "line": {"dash": "dot", "width": 1}}
    axes = {
        "xaxis": {"range": [-0.03, 1.03], "title": {"text": words("calibration.confidence")}},
        "yaxis": {"range": [-0.05, 1.05], "title": {"text": words("calibration.accuracy")}},
    }
    rows = [
        [f"{bin['low']:.2f} – {bin['high']:.2f}", bin["rows"], number(bin["confidence"]), number(bin["accuracy"])]
        for bin in bins
    ]
    head = [words(f"calibration.{key}") for key in ("bin", "rows", "confidence", "accuracy")]
    title = words("calibration.reliability")
    return join([
        tag("h3", title), note(words("calibration.how")), plot([line], title, 400, shapes=[even], **axes), table(head, rows),
    ])  # fmt: skip


def _sets(trust: Mapping[str, Any], words: Words) -> Html:
    sets = trust.get("sets")
    if not sets:
        return Html("")
    kind = "interval" if "deviation" in trust else "set"
    size = words("infinite") if sets["size"] is None else number(sets["size"], 2)
    text = words(f"calibration.{kind}", asked=f"{sets['asked']:.0%}", covered=f"{sets['covered']:.1%}", size=size)
    return join([tag("h3", words("calibration.sets")), tag("p", text)])
