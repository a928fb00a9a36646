"""The picture of a network: every part and arrow, valid XML whatever the names, light and dark."""

import re
import xml.etree.ElementTree as ET

import pytest

from sensorium.pictures.diagram_svg import BOX, WORDS, diagram_svg
from sensorium.predictor import load
from sensorium.report.parts import parts_with_costs

SVG = "{http://www.w3.org/2000/svg}"


def part(name, kind, layer="Linear", parameters=0, output="(B, 8)", **more):
    return {"part": name, "kind": kind, "layer": layer, "parameters": parameters, "output": output, **more}


def read(parts, **more):
    """Its boxes as (kind, texts, x, y, height), the texts that stand alone, and all paths."""
    root = ET.fromstring(diagram_svg(parts, **more))
    boxes = []
    for group in root.iter(f"{SVG}g"):
        rect = group.find(f"{SVG}rect")
        texts = [text.text for text in group.iter(f"{SVG}text")]
        boxes.append((rect.get("class"), texts, *(float(rect.get(key)) for key in ("x", "y", "height"))))
    return (
        root,
        boxes,
        [text.text for text in root.findall(f"{SVG}text")],
        [p.get("d") for p in root.iter(f"{SVG}path")],
    )


def test_parts_stand_in_their_columns_with_shapes_between():
    parts = [
        part("photo", "encoder", "ImageCNN", 1_234_567, "(B, 16, 8)", input="(B, 3, 16, 16)", flops=56_780_000),
        part("note", "encoder", "TextBag", 12, "(B, 9, 8)", input="(B, 9)", flops=999),
        part("fusion", "fusion", "Gated", 345, flops=700),
        part("label", "head", "Binary", 9, "(B,)", flops=16),
    ]
    _, boxes, texts, paths = read(parts)
    assert [(kind, words) for kind, words, *_ in boxes] == [
        ("input", ["photo"]), ("encoder", ["ImageCNN", "1.23 M parameters", "56.8 M FLOPs"]),
        ("input", ["note"]), ("encoder", ["TextBag", "12 parameters", "999 FLOPs"]),
        ("fusion", ["Gated", "345 parameters", "700 FLOPs"]),
        ("head", ["label", "Binary", "9 parameters", "16 FLOPs"]),
    ]  # fmt: skip
    assert texts == [
        "inputs", "encoders", "fusion", "heads", "(B, 3, 16, 16)", "(B, 16, 8)", "(B, 9)", "(B, 9, 8)", "(B, 8)",
    ]  # fmt: skip
    place = {words[0]: (x, y, high) for _, words, x, y, high in boxes}
    assert place["photo"][0] < place["ImageCNN"][0] < place["Gated"][0] < place["label"][0]
    assert place["photo"][1] == place["ImageCNN"][1] < place["note"][1]
    assert place["Gated"][1] == place["photo"][1]
    assert sum(place["Gated"][1:]) == sum(place["note"][1:])  # as high as all encoders
    # Each line goes from the middle of one box's right edge to the left edge of the next.
    starts = [re.match(r"M([\d.]+) ([\d.]+)H", path) for path in paths if "H" in path]
    assert [(float(m[1]), float(m[2])) for m in starts] == [
        (x + BOX, y + high / 2) for name in ("photo", "ImageCNN", "note", "TextBag") for x, y, high in [place[name]]
    ] + [(place["Gated"][0] + BOX, place["label"][1] + place["label"][2] / 2)]


def test_what_stands_beside_the_fusion_goes_to_every_head():
    ends = [part("a", "head"), part("b", "head")]
    parts = [part("x", "encoder"), part("fusion", "fusion"), part("hand-made", "wide"), part("x", "single"), *ends]
    _, boxes, _, paths = read(parts)
    beside = [words[0] for kind, words, *_ in boxes if kind == "beside"]
    assert beside == ["hand-made features", "x alone"]
    assert sum("V" in path for path in paths) == 4
    lows = {words[0]: y for _, words, _, y, _ in boxes}
    assert lows["x alone"] > lows["hand-made features"] > max(lows["a"], lows["b"], lows["x"])


def test_parts_without_costs_are_drawn_too():
    parts = [part("x", "encoder"), part("fusion", "fusion"), part("alignment", "objective", "Alignment")]
    root, boxes, _, _ = read(parts)
    assert not [words for _, words, *_ in boxes if any("FLOPs" in word for word in words)]
    assert boxes[-1][1][0] == "alignment"
    assert root.get("aria-label") == "x (Linear) -> Linear -> alignment"


@pytest.mark.parametrize(
    "name",
    ['a "b"', "<script>alert('x')</script>", "</style><script>", "&lt;", "照片 🙂", "two\nlines", "]]>", "a\x00b\x1b", "\ud800"],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["encoder", "head", "single"])
def test_a_name_is_shown_as_it_is_and_does_nothing(name, kind):
    parts = [part("fusion", "fusion"), part(name, kind), part("x", "encoder")]
    text = diagram_svg(parts)
    text.encode()
    assert text.count("<script") == 0
    assert text.count("<style>") == text.count("</style>") == 1
    root, _, _, _ = read(parts)
    shown = re.sub("[\x00\x1b\ud800]", "\ufffd", name.replace("\n", " "))
    told = [title.text for title in root.iter(f"{SVG}title")]
    assert any(words.startswith(shown) for words in told)
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
        "svg",
        "style",
        "text",
        "g",
        "title",
        "rect",
        "path",
    }


def test_long_names_are_cut_to_their_box_and_told_whole():
    names = ["a column with a very long name indeed", "一个名字很长很长很长很长的列"]
    root, boxes, _, _ = read([part("fusion", "fusion"), *(part(name, "encoder") for name in names)])
    shown = [words[0] for kind, words, *_ in boxes if kind == "input"]
    assert shown == ["a column with a very …", "一个名字很长很长很长…"]
    assert set(names) <= {title.text for title in root.iter(f"{SVG}title")}


def test_it_follows_the_viewer_to_the_dark_and_styles_nothing_else():
    (style,) = re.findall(r"<style>(.*?)</style>", diagram_svg([part("fusion", "fusion"), part("x", "encoder")]), re.S)
    light, dark = style.split("@media (prefers-color-scheme: dark)")
    rules = re.findall(r"([^{}\n]+)\{[^{}]*\}", light + dark)
    assert len(rules) >= 12
    assert all(rule.strip().startswith(".sd") for rule in rules)

    def luminance(css, what):
        code = re.findall(what + r" \{[^}]*?(?:fill|stroke): #(\w{6})", css)[0]
        parts = [int(code[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for css in (light, dark):  # WCAG 2: text on its box at least 4.5 to 1
        for text, box in (
            (r"\.sd text", r"\.sd rect"),
            (r"\.sd \.small", r"\.sd rect"),
            (r"\.sd \.small", r"\.sd \.fusion"),
        ):
            one, two = sorted((luminance(css, text), luminance(css, box)))
            assert (two + 0.05) / (one + 0.05) >= 4.5


def test_words_in_another_language():
    words = {**WORDS, "inputs": "输入", "parameters": "个参数", "alone": "仅{}"}
    parts = [part("x", "encoder", parameters=5), part("fusion", "fusion"), part("x", "single"), part("y", "head")]
    _, boxes, texts, _ = read(parts, words=words)
    assert texts[0] == "输入"
    assert boxes[1][1] == ["Linear", "5 个参数"]
    assert [boxed[0] for kind, boxed, *_ in boxes if kind == "beside"] == ["仅x"]


def test_every_part_of_a_run_is_drawn(run):
    parts = parts_with_costs(load(run))
    _, boxes, texts, _ = read(parts)
    encoders = [p for p in parts if p["kind"] == "encoder"]
    assert [words[0] for kind, words, *_ in boxes if kind == "input"] == [p["part"] for p in encoders]
    assert len(boxes) == len(parts) + len(encoders)
    for p in encoders:
        assert {p["input"], p["output"]} <= set(texts)
