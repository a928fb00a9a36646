"""What is wrong with the data, or likely so."""

import pandas as pd

from sensorium.pictures.markup import Html, bullets, join, note, table, tag
from sensorium.report.facts import Facts
from sensorium.report.words import Words

__all__ = ["problems"]

LISTED = 50  # problems that are named; all are counted


def problems(facts: Facts, words: Words) -> Html:
    warnings = facts.predictor.metrics.get("warnings", [])
    parts = [tag("p", tag("strong", words("problems.warning")), " ", line, class_="warn") for line in warnings]
    parts += _audit(facts, words)
    for title, frame in (
        (words("problems.of_fit"), facts.predictor.found),
        (words("problems.of_rows"), facts.unread),
    ):
        if frame is not None:
            parts += [tag("h3", title), _cells(frame, words)]
    for name, overview in facts.overviews.items():
        if overview.label_errors is not None:
            parts += [tag("h3", words("problems.labels", target=name)), _labels(overview.label_errors, words)]
    return join(parts)


def _audit(facts: Facts, words: Words) -> list[Html]:
    """Columns that give the target away, and files that are in several rows, of the rows that were learned from."""
    if facts.audited is None:
        return [note(words("problems.no_audit"))]
    lines = [
        words("problems.leak" if "accuracy" in leak else "problems.named", column=leak["column"], target=leak["target"],
              share=f"{leak['accuracy' if 'accuracy' in leak else 'names_it']:.0%}")
        for leak in facts.audited["leaks"]
    ]  # fmt: skip
    lines += [
        words("problems.duplicate", column=one["column"], count=one["files"], kind=one["kind"])
        for one in facts.audited["duplicates"]
    ]
    found = bullets(lines) if lines else note(words("problems.none"))
    return [
        tag("h3", words("problems.audit")),
        note(words("problems.how_audit", rows=f"{facts.audited['rows']:,}")),
        found,
    ]


def _cells(frame: pd.DataFrame, words: Words) -> Html:
    """Cells that could not be used: how many of each kind, then the first of them."""
    if frame.empty:
        return note(words("problems.none"))
    counts = frame.groupby(["column", "kind"]).size()
    told = [[column, words(f"problem.{kind}"), f"{count:,}"] for (column, kind), count in counts.items()]
    head = [words(f"problems.{key}") for key in ("column", "kind", "count")]
    rows = [
        [f"{row.table}, {row.row}", row.column, words(f"problem.{row.kind}"), row.reason]
        for row in frame.head(LISTED).itertuples()
    ]
    parts = [table(head, told)]
    parts.append(table([words(f"problems.{key}") for key in ("row", "column", "kind", "reason")], rows))
    if len(frame) > LISTED:
        parts.append(note(words("problems.more", count=len(frame) - LISTED)))
    return join(parts)


def _labels(frame: pd.DataFrame, words: Words) -> Html:
    if frame.empty:
        return note(words("problems.no_labels"))
    head = [words(f"problems.{key}") for key in ("row", "label", "suggested", "quality")]
    rows = [[row.row, row.label, row.suggested, f"{row.quality:.2f}"] for row in frame.head(LISTED).itertuples()]
    parts = [note(words("problems.how_labels", count=len(frame))), table(head, rows)]
    return join(parts)
