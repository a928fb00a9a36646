"""The network as a Mermaid graph: its lines, and names that mean something to Mermaid or HTML."""

import html
import re

import pytest

from sensorium.pictures.diagram import mermaid
from sensorium.predictor import load


def part(name, kind, layer="Linear", parameters=0, output="(B, 8)"):
    return {"part": name, "kind": kind, "layer": layer, "parameters": parameters, "output": output}


def test_inputs_go_to_the_fusion_and_from_it_to_the_heads():
    parts = [
        part("photo", "encoder", "ImageCNN", 1_234_567, "(B, T, 8)"),
        part("note", "encoder", "TextBag", 12, "(B, T, 8)"),
        part("fusion", "fusion", "Gated", 345),
        part("label", "head", "Binary", 9, "(B,)"),
    ]
    assert mermaid(parts).split("\n") == [
        "graph LR",
        '  F{"Gated<br/>345 parameters"}',
        '  E0["photo<br/>ImageCNN<br/>1,234,567 parameters"] -->|"(B, T, 8)"| F',
        '  E1["note<br/>TextBag<br/>12 parameters"] -->|"(B, T, 8)"| F',
        '  F -->|"(B, 8)"| H3["label<br/>Binary<br/>9 parameters"]',
    ]


@pytest.mark.parametrize("kind", ["encoder", "head"])
@pytest.mark.parametrize(
    "name",
    ['a "b"', "<script>alert('x')</script>", "&lt;", "#quot;", "`code`",
     '"]; click E0 "javascript:x"', "照片 🙂", "a|b", "x]"],
)  # fmt: skip
def test_a_name_is_shown_as_it_is_and_does_nothing(kind, name):
    line = mermaid([part("fusion", "fusion"), part(name, kind)]).split("\n")[-1]
    (label,) = re.findall(r'\["([^"]*)<br/>Linear<br/>0 parameters"\]', line)  # one text between two quotes
    assert not set(label) & set('<>"`&')
    # Mermaid writes entities with '#' for '&'.
    assert (
        html.unescape(re.sub(r"#(\w+;)", lambda m: f"&#{m[1]}" if m[1][:-1].isdigit() else f"&{m[1]}", label)) == name
    )


@pytest.mark.parametrize("name", ["two\nlines", "two\r\nlines", "two\rlines", "two\u2028lines"])
def test_a_name_stays_on_one_line(name):
    lines = mermaid([part("fusion", "fusion"), part(name, "encoder")]).splitlines()
    assert lines[2:] == ['  E1["two lines<br/>Linear<br/>0 parameters"] -->|"(B, 8)"| F']


def test_every_part_of_a_run_is_drawn(run):
    predictor = load(run)
    lines = mermaid(predictor.parts()).split("\n")
    drawn = [found[1] for line in lines[2:] if (found := re.search(r'\["(.*?)<br/>', line))]
    parts = [part["part"] for part in predictor.parts() if part["kind"] not in {"fusion", "wide"}]
    assert parts[: len(predictor.model.modalities)] == list(predictor.model.modalities)
    assert drawn == ["hand-made features", *parts]
    assert f'  W -->|"(B, {sum(predictor.model.wide.features.sizes)})"| H{len(predictor.parts()) - 1}' in lines
    total = sum(int(number.replace(",", "")) for number in re.findall(r"([\d,]+) parameters", "\n".join(lines)))
    layer = predictor.model.wide.layers[0]
    trained = sum(parameter.numel() for parameter in predictor.model.parameters())
    assert total == trained + layer.weight.numel() + layer.bias.numel()


def test_the_network_of_one_input_stands_beside_the_others():
    text = mermaid([part("fusion", "fusion"), part("a", "encoder"), part("a", "single"), part("y", "head")])
    assert text.split("\n")[3:] == [
        '  S2["a<br/>Linear<br/>0 parameters"]',
        '  F -->|"(B, 8)"| H3["y<br/>Linear<br/>0 parameters"]',
        "  S2 --> H3",
    ]
