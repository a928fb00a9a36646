"""The task and the data."""

from sensorium.pictures.markup import Html, join, note, number, table, tag
from sensorium.report.facts import Facts
from sensorium.report.plot import named_axis, plot
from sensorium.report.sections.parts import facts_list, no_rows
from sensorium.report.words import Words

__all__ = ["glance"]

MOST_CLASSES = 30
MUCH = 0.1  # of a column's cells that can't be read: that is said at the top


def glance(facts: Facts, words: Words) -> Html:
    predictor = facts.predictor
    rows = predictor.run.get("rows", {})
    found = [
        (words("glance.target"), ", ".join(predictor.coders) or words("none")),
        (
            words("glance.task"),
            ", ".join(dict.fromkeys(words(f"task.{c.task}") for c in predictor.coders.values())) or "–",
        ),
        (words("glance.inputs"), len(predictor.readers)),
        (words("glance.learned"), f"{rows['train']:,}" if "train" in rows else "–"),
        (words("glance.validated"), f"{rows['valid']:,}" if "valid" in rows else "–"),
    ]
    parts = [_headline(facts, words), facts_list(found)]
    if facts.found.table is None:
        parts.append(no_rows(facts, words))
    else:
        key = "glance.given" if facts.given else "glance.of_run"
        parts.append(note(words(key, table=facts.found.table.name, rows=f"{len(facts.found.table):,}")))
        parts += _unread(facts, words)
    parts += [_balance(name, coder, words) for name, coder in predictor.coders.items()]
    parts.append(_inputs(facts, words))
    return join(parts)


def _headline(facts: Facts, words: Words) -> Html:
    """The first target's score in one sentence: on the rows if there are any, else on the validation rows."""
    for name, told in facts.predictor.metrics.get("targets", {}).items():
        main, rows = told["main"], words("glance.validation_rows")
        score, base = told["valid"].get(main), told["majority"].get(main)
        if name in facts.said:
            several = len(facts.predictor.coders) > 1
            score = facts.scores["metrics"].get(f"{name}.{main}" if several else main)
            base, rows = facts.said[name].majority.get(main), facts.found.table.name
        if score is not None:
            values = {
                "target": name,
                "metric": words.metric(main),
                "base": number(base and base["value"]),
                "rows": rows,
            }
            return tag("p", words("glance.headline", **values, **{key: number(score[key]) for key in score}))
    return Html("")


def _unread(facts: Facts, words: Words) -> list[Html]:
    """Columns of which so many files can't be read that the scores are those of rows without them."""
    lines, rows = [], len(facts.found.table)
    for column, frame in facts.unread[facts.unread["kind"] == "broken"].groupby("column"):
        count = frame["row"].nunique()
        if count >= MUCH * rows:
            line = words(
                "glance.unread", column=column, count=f"{count:,}", rows=f"{rows:,}", reason=frame["reason"].iloc[0]
            )
            lines.append(tag("p", tag("strong", words("problems.warning")), " ", line, class_="warn"))
    return lines


def _balance(name: str, coder: "object", words: Words) -> Html:
    """How often each class was among the training rows, or where the numbers lie."""
    if coder.task == "regression":
        return tag("p", words("glance.numbers", target=name, mean=number(coder.mean), scale=number(coder.scale)))
    if not coder.classes:
        return Html("")
    order = sorted(range(len(coder.classes)), key=lambda place: -coder.counts[place])
    shown, left = order[:MOST_CLASSES], len(order) - MOST_CLASSES
    names, counts = [coder.classes[place] for place in shown], [coder.counts[place] for place in shown]
    bars = {"type": "bar", "orientation": "h", "x": counts, "y": list(range(len(names))), "text": counts,
            "customdata": names, "hovertemplate": "%{customdata}: %{x}<extra></extra>", "textposition": "auto"}  # fmt: skip
    label = words("glance.balance", target=name)
    axis = named_axis(names, autorange="reversed")
    found = plot([bars], label, 70 + 26 * len(names), yaxis=axis, xaxis={"title": {"text": words("rows.count")}})
    more = note(words("glance.more_classes", count=left)) if left > 0 else Html("")
    return join([tag("h3", label), found, more])


def _inputs(facts: Facts, words: Words) -> Html:
    """A line a column: what it was taken for and why, and how often it is empty."""
    schema = facts.predictor.schema
    used: dict[str, list[str]] = {}
    for name, reader in facts.predictor.readers.items():
        for column in reader.columns:
            used.setdefault(column, []).append(name)
    rows = [
        [column.name, words.modality(column.modality),
         ", ".join(used.get(column.name, [])) or (words("glance.is_target") if column.name in facts.predictor.coders else "–"),
         f"{column.missing:,} ({column.missing / max(schema.rows, 1):.0%})", f"{column.unique:,}", column.reason]
        for column in schema.columns.values()
    ]  # fmt: skip
    head = [words(f"glance.{key}") for key in ("column", "modality", "input", "missing", "unique", "reason")]
    return join([tag("h3", words("glance.columns")), table(head, rows)])
