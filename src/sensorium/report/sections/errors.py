"""Where the answers are wrong: confusion, ROC and precision-recall curves, residuals."""

from typing import Any

import numpy as np

from sensorium.pictures.markup import Html, join, note, number, table, tag
from sensorium.report.facts import Facts, Said
from sensorium.report.plot import DASHES, named_axis, plot, shorter
from sensorium.report.sections.parts import by_target, no_rows, without_target
from sensorium.report.words import Words

__all__ = ["errors"]

MOST_CLASSES, MOST_CURVES = 20, 6  # of the most frequent
MOST_POINTS = 2000  # of a scatter plot
CURVE_POINTS = 200


def errors(facts: Facts, words: Words) -> Html:
    if not facts.predictor.coders:
        return without_target(words)
    if facts.found.table is None:
        return no_rows(facts, words)
    told = {}
    for name in facts.predictor.coders:
        said = facts.said.get(name)
        if said is None:
            told[name] = note(words("errors.none"))
        elif said.coder.task == "regression":
            told[name] = _residuals(said, words)
        elif said.coder.task == "multilabel":
            told[name] = join([_labels(said, words), _curves(said, words)])
        else:
            told[name] = join([_confusion(said, words), _curves(said, words)])
    return by_target(told)


def _confusion(said: Said, words: Words) -> Html:
    """Rows: the truth; columns: the answer; a share of the truth's rows as colour, the number written."""
    classes = said.coder.classes
    counts = np.zeros((len(classes), len(classes)), dtype=int)
    np.add.at(counts, (said.truth, said.answer), 1)
    order = np.argsort(-(counts.sum(1) + counts.sum(0)), kind="stable")
    shown = np.sort(order[:MOST_CLASSES])
    rest = np.sort(order[MOST_CLASSES:])
    names = [classes[place] for place in shown]
    grid = counts[np.ix_(shown, shown)]
    if len(rest):
        grid = np.block([
            [grid, counts[np.ix_(shown, rest)].sum(1, keepdims=True)],
            [counts[np.ix_(rest, shown)].sum(0, keepdims=True), counts[np.ix_(rest, rest)].sum(keepdims=True)],
        ])  # fmt: skip
        names.append(words("errors.other", count=len(rest)))
    shares = grid / np.maximum(grid.sum(1, keepdims=True), 1)
    heat = {
        "type": "heatmap", "z": shares, "zmin": 0, "zmax": 1, "text": grid, "texttemplate": "%{text}", "xgap": 1, "ygap": 1,
        "hovertemplate": "%{text} (%{z:.0%})<extra></extra>",
    }  # fmt: skip
    title = words("errors.confusion")
    axes = {
        "xaxis": named_axis(
            names, side="bottom", tickangle=-45 if len(names) > 3 else 0, title={"text": words("errors.answer")}
        ),
        "yaxis": named_axis(names, autorange="reversed", title={"text": words("errors.truth")}),
    }
    pairs = [(int(counts[i, j]), i, j) for i, j in zip(*np.nonzero(counts), strict=True) if i != j]
    pairs.sort(reverse=True)
    parts = [tag("h3", title), note(words("errors.how_confusion")), plot([heat], title, 200 + 34 * len(names), **axes)]
    if pairs:
        rows = [[classes[i], classes[j], count] for count, i, j in pairs[:5]]
        head = [words(f"errors.{key}") for key in ("truth", "answer", "rows")]
        parts.append(table(head, rows, words("errors.most")))
    return join(parts)


def _labels(said: Said, words: Words) -> Html:
    """Each label's precision, recall and F1."""
    rows = []
    for place, name in enumerate(said.coder.classes):
        true, told = said.truth[:, place] > 0.5, said.answer[:, place] > 0.5
        hit = int((true & told).sum())
        precision, recall = (hit / n if (n := int(part.sum())) else float("nan") for part in (told, true))
        f1 = 2 * hit / both if (both := int(true.sum() + told.sum())) else float("nan")
        rows.append([name, int(true.sum()), number(precision), number(recall), number(f1)])
    head = [words(f"errors.{key}") for key in ("label", "rows", "precision", "recall")]
    return table([*head, "F1"], rows)


def _curves(said: Said, words: Words) -> Html:
    """ROC and precision-recall: of the second of two classes, else of each class against the others."""
    from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

    several = said.coder.task == "multilabel"
    order = (
        [1]
        if said.coder.task == "binary"
        else sorted(range(len(said.coder.classes)), key=lambda p: -said.coder.counts[p])
    )
    roc: list[dict[str, Any]] = []
    pr: list[dict[str, Any]] = []
    rows = []
    for place in order:
        true = said.truth[:, place] > 0.5 if several else said.truth == place
        if true.all() or not true.any():
            continue
        share, name = said.shares[:, place], said.coder.classes[place]
        area, average = roc_auc_score(true, share), average_precision_score(true, share)
        rows.append([name, f"{true.mean():.1%}", number(area), number(average)])
        if len(roc) == MOST_CURVES:
            continue
        line = {"type": "scatter", "mode": "lines", "name": shorter(name), "line": {"dash": DASHES[len(roc)]}}
        wrong, right, _ = roc_curve(true, share)
        precision, recall, _ = precision_recall_curve(true, share)
        roc.append({**line, "x": _thin(wrong), "y": _thin(right), "hovertemplate": "%{x:.2f}, %{y:.2f}"})
        pr.append({**line, "x": _thin(recall), "y": _thin(precision), "hovertemplate": "%{x:.2f}, %{y:.2f}"})
    if not roc:
        return note(words("errors.no_curves"))
    chance = {"type": "line", "x0": 0, "y0": 0, "x1": 1, "y1": 1, "line": {"dash": "dot", "width": 1}}

    def axes(x: str, y: str) -> dict[str, Any]:
        ends = {"range": [-0.02, 1.02]}
        return {"xaxis": {**ends, "title": {"text": words(f"errors.{x}")}},
                "yaxis": {**ends, "title": {"text": words(f"errors.{y}")}}, "showlegend": True}  # fmt: skip

    head = [words(f"errors.{key}") for key in ("class", "share", "area", "average")]
    return join([
        tag("h3", words("errors.roc")), plot(roc, words("errors.roc"), 400, **axes("false", "true"), shapes=[chance]),
        tag("h3", words("errors.pr")), plot(pr, words("errors.pr"), 400, **axes("recall", "precision")),
        table(head, rows, words("errors.one_against")),
    ])  # fmt: skip


def _residuals(said: Said, words: Words) -> Html:
    """Answers beside the truth, and how large the errors are."""
    chosen = np.arange(len(said.truth))
    if len(chosen) > MOST_POINTS:
        chosen = np.sort(np.random.default_rng(0).choice(chosen, MOST_POINTS, replace=False))
    truth, answer = said.truth[chosen], said.answer[chosen]
    low, high = float(min(truth.min(), answer.min())), float(max(truth.max(), answer.max()))
    points = {
        "type": "scatter",
        "mode": "markers",
        "marker": {"size": 6, "opacity": 0.6},
        "customdata": said.rows[chosen],
    }
    even = {"type": "line", "x0": low, "y0": low, "x1": high, "y1": high, "line": {"dash": "dot", "width": 1}}
    none = {"type": "line", "x0": low, "y0": 0, "x1": high, "y1": 0, "line": {"dash": "dot", "width": 1}}
    row = words("errors.row")
    hover = {"hovertemplate": "%{x:.4g}, %{y:.4g}<br>" + row + " %{customdata}<extra></extra>"}

    def axes(x: str, y: str) -> dict[str, Any]:
        return {"xaxis": {"title": {"text": words(f"errors.{x}")}}, "yaxis": {"title": {"text": words(f"errors.{y}")}}}

    residuals = said.answer - said.truth
    counts, edges = np.histogram(residuals, bins=30)
    bars = {"type": "bar", "x": (edges[:-1] + edges[1:]) / 2, "y": counts, "width": np.diff(edges),
            "hovertemplate": "%{x:.4g}: %{y}<extra></extra>"}  # fmt: skip
    middle = [f"{share:.0%}: {number(float(np.quantile(residuals, share)))}" for share in (0.05, 0.25, 0.5, 0.75, 0.95)]
    return join([
        tag("h3", words("errors.fitted")),
        plot([{**points, **hover, "x": truth, "y": answer}], words("errors.fitted"), 380, **axes("truth", "answer"), shapes=[even]),
        tag("h3", words("errors.residuals")),
        plot([{**points, **hover, "x": answer, "y": answer - truth}], words("errors.residuals"), 320, **axes("answer", "residual"),
             shapes=[none]),
        plot([bars], words("errors.histogram"), 260, **axes("residual", "rows")),
        note(words("errors.quantiles", values="; ".join(middle))),
    ])  # fmt: skip


def _thin(values: np.ndarray) -> np.ndarray:
    """At most CURVE_POINTS of a curve's points, both ends among them."""
    if len(values) <= CURVE_POINTS:
        return values
    return values[np.linspace(0, len(values) - 1, CURVE_POINTS).astype(int)]
