import base64
import io
import re
import wave
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from sensorium.errors import ConfigError
from sensorium.explain.drawing import DRAWINGS
from sensorium.explain.drawing.audio import important_span
from sensorium.explain.drawing.heat import overlay
from sensorium.explain.drawing.phrases import PHRASES
from sensorium.explain.drawing.style import MINUS, PLUS, STYLE
from sensorium.explain.drawing.uri import picture_uri, sound_uri
from sensorium.explain.drawing.video import arrows, time_line
from sensorium.explain.part import Part

EVIL = '"><script>alert(1)</script>'
VOID = {"br", "img"}


def parts():
    """One of every kind, with unfriendly names and texts."""
    random = np.random.default_rng(0)
    text = f"fine day {EVIL} end"
    spans = [(0, 4), (5, 8), (9, 9 + len(EVIL)), (10 + len(EVIL), 13 + len(EVIL))]
    clip = random.uniform(size=(5, 3, 12, 16)).astype(np.float32)
    field = (random.normal(size=(3, 3, 4, 4)) * 0.05, np.zeros(3), random.uniform(size=(2, 3, 8, 8)))
    sounds = [random.normal(0, 0.1, length).astype(np.float32) for length in (4000, 2400)]
    return {
        "image": Part(
            EVIL, "image", "integrated_gradients", random.normal(size=(2, 16, 12)), None, 1.0, 0.5,
            {"pictures": random.uniform(size=(2, 3, 16, 12)).astype(np.float32)},
        ),
        "text": Part(
            EVIL, "text", "shapley", np.array([0.5, 0.01, -0.4, 0.3]), [text[a:b] for a, b in spans], 0.41, 0.0,
            {"text": text, "spans": spans, "read": spans[2][1]},
        ),
        "audio": Part(
            EVIL, "audio", "integrated_gradients", random.normal(size=(2, 51, 32)), None, 1.0, 0.0,
            {"sounds": sounds, "sample_rate": 8000, "samples": 4000},
        ),
        "video": Part(
            EVIL, "video", "integrated_gradients", random.normal(size=(1, 5, 12, 16)), None, 1.0, 0.0, {"clips": clip[None]}
        ),
        "motion": Part(
            EVIL, "motion", "integrated_gradients", random.normal(size=(1, 9)), None, 1.0, 0.0,
            {"clips": [field], "of": [field]},
        ),
        "tabular": Part(
            EVIL, "tabular", "shapley", np.array([1.0, -2.0, 0.0]), ["a", EVIL, "c"], -1.0, 0.0, {"cells": ["3", EVIL, None]}
        ),
        "vector": Part(
            EVIL, "vector", "integrated_gradients", np.arange(30.0), None, 435.0, 0.0, {"numbers": np.arange(30.0)}
        ),
    }  # fmt: skip


class Reader(HTMLParser):
    """Elements, attributes and text of a fragment; what is opened must be closed."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.values, self.said = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.values += [value for _, value in attrs if value]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.values += [value for _, value in attrs if value]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.said.append(data)


def read(html):
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert not reader.open
    return reader


def test_every_kind_is_drawn():
    assert set(parts()) == set(DRAWINGS)


@pytest.mark.parametrize("language", sorted(PHRASES))
@pytest.mark.parametrize("kind", sorted(DRAWINGS))
def test_a_drawing_needs_nothing_and_runs_nothing(kind, language):
    part = parts()[kind]
    found = read(part.html(language))
    assert "script" not in found.tags
    assert any(EVIL in said for said in found.said)  # the name stays what it is
    for value in found.values:
        assert "http" not in value or value.startswith("data:")
        assert not value.startswith(("//", "/"))
    pictures = [value for value in found.values if value.startswith("data:image/")]
    for value in pictures:
        Image.open(io.BytesIO(base64.b64decode(value.split(",")[1]))).load()
    assert bool(pictures) == (kind in {"audio", "image", "motion", "video"})


def test_text_that_is_html_stays_text():
    found = read(parts()["text"].html())
    assert f"fine day {EVIL} end" in re.sub("[+−]", "", "".join(found.said))
    cells = read(parts()["tabular"].html())
    assert cells.said.count(EVIL) == 3  # the input's name, a column's and its cell


def test_words_have_their_sign_beside_their_colour():
    html = parts()["text"].html()
    assert '<mark class="p" style="--a:0.60" title="+0.5">fine<sup>+</sup></mark> day' in html
    assert re.search('<mark class="m"[^>]*title="-0.4">[^/]*script.*<sup>−</sup></mark>', html)
    assert '<span class="unread" title="not read: the text is longer than the model reads">end</span>' in html


def test_it_is_said_whether_the_values_add_up():
    part = Part("x", "vector", "integrated_gradients", np.ones(3), None, 3.0, 0.0, {"numbers": np.ones(3)})
    assert "The values add up to +3, as they should (+3)." in part.html()
    short = Part("x", "vector", "integrated_gradients", np.ones(3), None, 4.0, 0.25, {"numbers": np.ones(3)})
    assert "The values add up to +3, not to +4 as they should" in short.html()
    assert "The linear part of the model adds +0.25 for this input, which no piece shows." in short.html()
    none = Part("x", "vector", "rollout", np.ones(3), None, None, 0.0, {"numbers": np.ones(3)})
    assert "they add up to nothing" in none.html()
    assert [part.complete, short.complete, none.complete] == [True, False, None]


def test_many_numbers_are_summed_in_a_last_bar():
    html = parts()["vector"].html()
    assert html.count("<tr>") == 21
    assert "the other 10" in html
    assert "+45" in html  # 0 to 9


def test_languages_say_the_same_things():
    assert {frozenset(said) for said in PHRASES.values()} == {frozenset(PHRASES["en"])}
    for key, said in PHRASES["en"].items():
        assert re.findall(r"{\w+}", said) == re.findall(r"{\w+}", PHRASES["zh"][key])
    with pytest.raises(ConfigError, match=r"unknown language 'de'\. There are: en, zh\."):
        parts()["vector"].html("de")


def test_a_sound_is_heard_as_it_is():
    samples = np.array([0.0, 0.5, -0.5, 2.0], dtype=np.float32)
    uri = sound_uri(samples, 8000)
    with wave.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:audio/wav;base64,")))) as found:
        assert (found.getframerate(), found.getnchannels(), found.getsampwidth()) == (8000, 1, 2)
        heard = np.frombuffer(found.readframes(4), "<i2")
    np.testing.assert_allclose(heard / 32767, [0, 0.5, -0.5, 1], atol=1e-4)


def test_a_picture_is_seen_as_it_is():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    exact = Image.open(io.BytesIO(base64.b64decode(picture_uri(pixels, exact=True).split(",")[1])))
    np.testing.assert_array_equal(np.asarray(exact), pixels)


def test_for_and_against_differ_in_colour_and_in_stripes():
    grey = np.full((40, 40, 3), 128, dtype=np.uint8)
    values = np.zeros((40, 40))
    values[:, :16], values[:, 24:] = 1, -1
    drawn = overlay(grey, values, 1.0).astype(int)
    plus, nothing, minus = drawn[20, 8], drawn[20, 20], drawn[:, 32:]
    assert np.abs(plus - PLUS).sum() < np.abs(nothing - PLUS).sum()
    assert np.abs(minus - MINUS).sum(2).min() < np.abs(nothing - MINUS).sum()
    assert len(np.unique(drawn[4:36, 4:10].reshape(-1, 3), axis=0)) == 1  # even
    assert minus.reshape(-1, 3).std(0).max() > 10  # striped


def test_the_shortest_span_with_half_of_what_counts():
    assert important_span(np.array([0, 1, 0, 3, 3, 0, 1])) == (3, 5)
    assert important_span(np.array([5.0, 1, 1])) == (0, 1)
    assert important_span(np.ones(4)) == (0, 2)
    assert important_span(np.zeros(4)) == (0, 4)


def test_the_moments_that_count_most_are_starred():
    frames = [(at, np.zeros((4, 4, 3), dtype=np.uint8), np.zeros((2, 2, 2))) for at in range(5)]
    values = np.array([0.1, -0.9, 0.2, 0.8, 0.7])
    html = time_line(frames, values, np.abs(values), "frame {place}")
    top = re.findall(r'<figure class="top">.*?frame (\d)', html)
    assert top == ["2", "4", "5"]
    assert html.count("<figure") == 5


def test_arrows_point_where_things_move():
    motion = np.zeros((2, 2, 2))
    motion[0, 0, 1] = 0.1  # the upper right cell, to the right
    html = arrows(motion, 100, 200)
    assert html.startswith('<path d="M150.0 25.0L170.0 25.0')
    assert arrows(np.zeros((2, 2, 2)), 100, 200) == ""


def test_the_style_is_for_light_and_dark():
    assert "prefers-color-scheme:dark" in STYLE
    assert STYLE.count("{") == STYLE.count("}")
