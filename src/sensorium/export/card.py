"""A model card in Markdown, with the header that the Hugging Face hub reads.

Reference:
    Mitchell et al. 2019, Model Cards for Model Reporting. Its sections, of what a run itself knows; what it can't know (who
    may use it and for what, the licence) is taken from the caller or said to be missing.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from sensorium.privacy.words import privacy_lines

__all__ = ["card"]

FEW = 20  # training rows of a class, below which its answers are little tried
KINDS = {
    "binary": "one of two classes",
    "classification": "one of {count} classes",
    "multilabel": "any of {count} labels",
    "regression": "a number",
    "generation": "a text",
}
# What the hub calls a model of one input; it has no word for one of several.
PIPELINES = {"image": "image", "text": "text", "audio": "audio", "video": "video", "tabular": "tabular"}
SPECIAL = re.compile(r"([\\`*_\[\]<>|#~])")


def card(predictor: Any, title: str, use: str | None = None, licence: str | None = None) -> str:
    """The Markdown text.

    Args:
        predictor: a run.
        title: its name.
        use: what it is meant for, and what not, in a sentence or more.
        licence: by its name on the hub, such as apache-2.0.
    """
    parts = [_header(predictor, title, licence), f"# {_text(title)}", _about(predictor)]
    parts.append("## Intended use\n\n" + _use(predictor, use))
    parts.append("## Inputs\n\n" + _inputs(predictor))
    parts.append("## Data\n\n" + _data(predictor))
    parts.append("## Scores\n\n" + _scores(predictor))
    parts.append("## Limits\n\n" + "\n".join(f"- {line}" for line in _limits(predictor)))
    if "privacy" in predictor.metrics:
        lines = privacy_lines(predictor.metrics["privacy"])
        parts.append("## Privacy\n\n" + "\n".join(f"- {_text(line)}" for line in lines))
    parts.append("## Network\n\n" + _network(predictor))
    parts.append("## How to use it\n\n" + _how(title))
    return "\n\n".join(parts) + "\n"


def _header(predictor: Any, title: str, licence: str | None) -> str:
    modalities = _modalities(predictor)
    told: dict[str, Any] = {"library_name": "sensorium"}
    if licence is not None:
        told["license"] = licence
    task = next((coder.task for coder in predictor.coders.values()), None)
    if len(modalities) == 1 and (kind := PIPELINES.get(modalities[0])) is not None and len(predictor.coders) == 1:
        if task in {"binary", "classification"}:
            told["pipeline_tag"] = f"{kind}-classification"
        elif task == "regression" and kind == "tabular":
            told["pipeline_tag"] = "tabular-regression"
    told["tags"] = ["multimodal", *modalities] if len(modalities) > 1 else modalities
    if results := _results(predictor):
        told["model-index"] = [{"name": title, "results": results}]
    return "---\n" + yaml.safe_dump(told, sort_keys=False, allow_unicode=True) + "---"


def _results(predictor: Any) -> list[dict[str, Any]]:
    """The scores as the hub's header has them."""
    data = _files(predictor).get("valid") or _files(predictor).get("train") or "rows from memory"
    found = []
    for name, told in predictor.metrics.get("targets", {}).items():
        task = {"regression": "regression", "generation": "text-generation"}.get(told["task"], "classification")
        metrics = [
            {"type": metric, "value": round(score["value"], 4), "name": f"{metric} of {name}"}
            for metric, score in told["valid"].items()
        ]
        dataset = {"name": f"{data} (validation rows)", "type": "table"}
        if metrics:
            found.append({"task": {"type": task}, "dataset": dataset, "metrics": metrics})
    return found


def _about(predictor: Any) -> str:
    inputs = ", ".join(f"{_code(name)} ({given.modality})" for name, given in predictor.config.inputs.items())
    if not predictor.coders:
        return f"Learned without labels from {inputs}: it makes vectors of rows, and is a start for other models."
    answers = " and ".join(
        f"{_code(name)} ({KINDS[coder.task].format(count=len(coder.classes))})"
        for name, coder in predictor.coders.items()
    )
    missing = " Any of them may be missing from a row." if len(predictor.config.inputs) > 1 else ""
    return f"Answers {answers} from {inputs}.{missing}"


def _use(predictor: Any, use: str | None) -> str:
    told = [use or "**Not said by those who made it.** Ask them before you rely on its answers."]
    told.append(
        "It is for rows of the kind that it learned from: the same columns, filled in the same way, from the same source. "
        "Of other rows its scores are unknown: measure them with `sensorium evaluate` first."
    )
    for name, coder in predictor.coders.items():
        if coder.classes:
            shown = ", ".join(_code(label) for label in coder.classes[:30])
            more = f" and {len(coder.classes) - 30} more" if len(coder.classes) > 30 else ""
            told.append(f"{_code(name)} is answered with {shown}{more}, and with nothing else, whatever the row shows.")
    return "\n\n".join(told)


def _inputs(predictor: Any) -> str:
    rows = []
    for name, given in predictor.config.inputs.items():
        columns = predictor.readers[name].columns
        seen = [predictor.schema.columns[c] for c in columns if c in predictor.schema.columns]
        shares = [column.missing / max(1, predictor.schema.rows) for column in seen]
        missing = f"{max(shares):.0%}" if shares else "–"
        encoder = given.encoder.type
        if model := getattr(given.encoder, "model", None):
            encoder += f": {Path(str(model)).name}"
        rows.append([_code(name), given.modality, ", ".join(map(_code, columns)), _text(encoder), missing])
    return _table(["input", "modality", "columns", "encoder", "missing at most"], rows)


def _data(predictor: Any) -> str:
    run, told = predictor.run, []
    counts = run.get("rows", {})
    files = _files(predictor)
    rows = []
    for side, what in (("train", "learned from"), ("valid", "validated with")):
        source = (run.get("data") or {}).get(side) or {}
        rows.append(
            [what, f"{counts.get(side, 0):,}", _code(files[side]) if side in files else "from memory",
             source.get("sha256", "–")]
        )  # fmt: skip
    told.append(_table(["rows", "count", "table", "SHA-256"], rows))
    if problems := run.get("problems"):
        told.append(f"{problems:,} cells could not be used and counted as missing.")
    for name, coder in predictor.coders.items():
        if coder.counts and "privacy" not in predictor.metrics:  # the counts are of the rows learned from
            pairs = sorted(zip(coder.classes, coder.counts, strict=True), key=lambda pair: -pair[1])
            shown = [[_code(label), f"{count:,}"] for label, count in pairs[:30]]
            told.append(f"Training rows of each class of {_code(name)}:\n\n" + _table(["class", "rows"], shown))
            if len(pairs) > 30:
                told.append(f"{len(pairs) - 30} more classes have at most {pairs[30][1]:,} rows each.")
    return "\n\n".join(told)


def _scores(predictor: Any) -> str:
    told = []
    for name, found in predictor.metrics.get("targets", {}).items():
        rows = []
        for metric, score in found["valid"].items():
            base = found["majority"].get(metric)
            rows.append([metric, _number(score["value"]), f"{_number(score['low'])} – {_number(score['high'])}",
                         "–" if base is None else _number(base["value"])])  # fmt: skip
        told.append(
            f"{_code(name)}, on {predictor.run.get('rows', {}).get('valid', 0):,} validation rows:\n\n"
            + _table(["metric", "value", "95 % interval", "always the same answer"], rows)
        )
        main = found["main"]
        alone = [
            [
                _code(part),
                _number(scores[main]["value"]),
                f"{_number(scores[main]['low'])} – {_number(scores[main]['high'])}",
            ]
            for part, scores in found.get("alone", {}).items()
            if main in scores
        ]
        if alone:
            told.append(f"With one input alone, {main}:\n\n" + _table(["input", main, "95 % interval"], alone))
    if not told:
        return "None were measured when it was made."
    return "\n\n".join(
        [*told, "Intervals are bootstrap intervals over the rows; they do not cover another training run."]
    )


def _limits(predictor: Any) -> list[str]:
    lines = []
    valid = predictor.run.get("rows", {}).get("valid", 0)
    if predictor.metrics.get("targets"):
        lines.append(
            f"The {valid:,} validation rows also chose the best epoch and calibrated the probabilities: on new rows scores may "
            "be lower. No scores on a test set are part of this card."
        )
    for name, coder in predictor.coders.items():
        rare = [label for label, count in zip(coder.classes, coder.counts, strict=False) if count < FEW]
        if rare and "privacy" not in predictor.metrics:
            shown = ", ".join(map(_code, rare[:10])) + (f" and {len(rare) - 10} more" if len(rare) > 10 else "")
            lines.append(f"{_code(name)}: fewer than {FEW} training rows each for {shown}.")
        found = predictor.metrics.get("targets", {}).get(name)
        if found and found["main"] in found["valid"] and found["main"] in found["majority"]:
            own, base = found["valid"][found["main"]], found["majority"][found["main"]]["value"]
            if own["low"] <= base <= own["high"]:
                lines.append(
                    f"{_code(name)}: on the validation rows it is not surely better than always the same answer."
                )
    lines += [_text(warning) for warning in predictor.metrics.get("warnings", [])]
    lines.append(
        "Whether it serves groups of people or places equally well was not measured: "
        "`sensorium evaluate RUN TABLE --by COLUMN` does."
    )
    lines.append("It keeps words, categories and names of classes of the training rows, and its weights may tell more.")
    return lines


def _network(predictor: Any) -> str:
    parts = predictor.parts()
    rows = [[_code(p["part"]), p["kind"], p["layer"], f"{p['parameters']:,}"] for p in parts]
    count = sum(part["parameters"] for part in parts)
    versions = ", ".join(f"{name} {number}" for name, number in predictor.run.get("versions", {}).items())
    table = _table(["part", "kind", "layer", "parameters"], rows)
    return f"{table}\n\n{count:,} parameters. Made with {_text(versions)}; seed {predictor.run.get('seed', 0)}."


def _how(title: str) -> str:
    # A file's name is as good as its title here; in a code block nothing is special but its end.
    name = re.sub(r"[^\w.-]", "-", title)
    return (
        f'```python\nimport sensorium as sm\n\npredictor = sm.load("{name}.sensorium")  # or the folder\n'
        f'predictor.predict("new.csv")\n```\n\n```\nsensorium predict {name}.sensorium new.csv -o predictions.csv\n```\n\n'
        "Loading it runs no code from it: weights are safetensors, all else JSON, YAML and CSV."
    )


def _modalities(predictor: Any) -> list[str]:
    kinds = {
        "numeric": "tabular",
        "categorical": "tabular",
        "boolean": "tabular",
        "date": "tabular",
        "vector": "tabular",
    }
    return sorted({kinds.get(given.modality, given.modality) for given in predictor.config.inputs.values()})


def _files(predictor: Any) -> dict[str, str]:
    """The tables' names, without their folders."""
    data = predictor.run.get("data") or {}
    return {side: Path(source["table"]).name for side, source in data.items() if source is not None}


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _number(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 1000 else f"{value:,.0f}"


def _text(text: str) -> str:
    """Words from elsewhere, which mean nothing in Markdown or HTML."""
    return SPECIAL.sub(r"\\\1", " ".join(str(text).split()))


def _code(text: str) -> str:
    """A name from elsewhere, as it is spelt."""
    plain = " ".join(str(text).split()).replace("|", "\\|")
    ticks = "`" * (1 + max((len(run) for run in re.findall("`+", plain)), default=0))
    space = " " if plain.startswith("`") or plain.endswith("`") else ""
    return f"{ticks}{space}{plain}{space}{ticks}" if plain else '""'
