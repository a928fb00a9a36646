"""What the run was made from, and how to make it again."""

import shlex
from pathlib import Path

from sensorium.config import dump_config
from sensorium.pictures.markup import Html, fold, join, note, table, tag
from sensorium.report.facts import Facts
from sensorium.report.sections.parts import facts_list
from sensorium.report.words import Words

__all__ = ["reproduce"]


def reproduce(facts: Facts, words: Words) -> Html:
    run, seconds = facts.predictor.run, facts.predictor.metrics.get("seconds", {})
    pairs = [(words("reproduce.seed"), run.get("seed", "–")), (words("reproduce.precision"), run.get("precision", "–"))]
    pairs += [(words("reproduce.total"), f"{seconds['total']:,.0f} s")] if "total" in seconds else []
    versions = [[name, version] for name, version in run.get("versions", {}).items()]
    # Names alone: where the files lay is nobody's business whom the page is sent to.
    data = {
        side: {**source, "table": Path(source["table"]).name}
        for side, source in (run.get("data") or {}).items()
        if source is not None
    }
    parts = [facts_list(pairs), tag("h3", words("reproduce.command")), tag("pre", tag("code", _command(facts, data)))]
    parts.append(note(words("reproduce.how")))
    if "adapted" in run:
        parts.append(note(words("reproduce.adapted", run=run["adapted"]["run"])))
    if data:
        head = [words(f"reproduce.{key}") for key in ("side", "table", "sha256")]
        rows = [[words(f"reproduce.{side}"), source["table"], source["sha256"]] for side, source in data.items()]
        parts += [tag("h3", words("reproduce.data")), table(head, rows)]
    parts += [
        tag("h3", words("reproduce.versions")),
        table([words("reproduce.library"), words("reproduce.version")], versions),
    ]
    spent = [[words.spent(name), f"{value:,.1f} s"] for name, value in seconds.items()]
    if spent:
        parts += [
            tag("h3", words("reproduce.time")),
            table([words("reproduce.step"), words("reproduce.seconds")], spent),
        ]
    parts.append(fold(words("reproduce.config"), tag("pre", tag("code", dump_config(facts.predictor.config)))))
    return join(parts)


def _command(facts: Facts, data: dict[str, dict[str, str]]) -> str:
    """The command that makes such a run from its configuration and tables."""
    command = "fit" if facts.predictor.coders else "pretrain"
    table = data["train"]["table"] if "train" in data else "TABLE"
    words = ["sensorium", command, table, "--config", "RUN/config.yaml", "--out", "AGAIN"]
    if "valid" in data and data["valid"]["table"] != data.get("train", {}).get("table"):
        words += ["--valid", data["valid"]["table"]]
    return shlex.join(words)
