"""The network: its parts, their shapes and their parameters."""

from sensorium.pictures.diagram_svg import diagram_svg
from sensorium.pictures.markup import Html, bullets, join, table, tag
from sensorium.pictures.short_number import short_number
from sensorium.privacy.words import privacy_lines
from sensorium.report.facts import Facts
from sensorium.report.parts import parts_with_costs
from sensorium.report.words import Words

__all__ = ["model"]


def model(facts: Facts, words: Words) -> Html:
    parts = parts_with_costs(facts.predictor)
    picture = diagram_svg(parts, words.diagram())
    rows = [
        [part["part"], part["layer"], f"{part['parameters']:,}", part.get("input", "–"), part["output"],
         short_number(part["flops"]) if "flops" in part else "–"]
        for part in parts
    ]  # fmt: skip
    head = [words(f"model.{key}") for key in ("part", "layer", "parameters", "input", "output", "flops")]
    total = sum(part["parameters"] for part in parts)
    found = [
        tag("div", Html(picture), class_="diagram", tabindex="0"),
        table(head, rows),
        tag("p", words("model.total", count=f"{total:,}")),
    ]
    if (told := facts.predictor.metrics.get("privacy")) is not None:
        found += [tag("h3", words("model.privacy")), bullets(privacy_lines(told))]
    return join(found)
