"""Photographs of numbers with captions: what the captions tell, and that a leaf hides everything."""

import itertools

import numpy as np
import pandas as pd
import pytest

from sensorium.examples import image_captions
from sensorium.examples.image_captions import FACTS, caption, make_image_captions, photo


def facts(text: str) -> frozenset[tuple[str, bool]]:
    """What a caption without typos says."""
    return frozenset(
        (fact, true)
        for fact, words in FACTS.items()
        for true, phrases in zip((True, False), words, strict=True)
        if any(phrase in text for phrase in phrases)
    )


def test_a_caption_is_right_in_four_of_ten(monkeypatch):
    monkeypatch.setattr(image_captions, "TYPOS", 0)
    random = np.random.default_rng(0)
    told = {number: {facts(caption(number, random)) for _ in range(200)} for number in range(10)}
    for pair in itertools.combinations(FACTS, 2):
        said = [next(f for f in told[number] if {fact for fact, _ in f} == set(pair)) for number in range(10)]
        assert len(set(said)) == 4  # the best guess hits one number of each group: 4 of 10
    assert all(len(found) == 3 for found in told.values())
    assert told[8] == {
        frozenset({("odd", False), ("small", False)}), frozenset({("odd", False), ("loop", True)}),
        frozenset({("small", False), ("loop", True)}),
    }  # fmt: skip


def test_a_leaf_hides_the_number_and_nothing_else_does():
    from sensorium.examples.demo import digits

    drawn = digits(("train",), (1,), 10)["train"]
    assert sorted(drawn) == list(range(10))
    for covered in (True, False):
        made = {photo(drawn[number][0], covered, np.random.default_rng(3)) for number in range(10)}
        assert len(made) == (1 if covered else 10)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_image_captions(tmp_path_factory.mktemp("captions") / "data", rows=(600, 20, 20))


def test_four_of_ten_are_covered_whatever_the_number(made):
    table = pd.read_csv(made["train"])
    assert (table["number"].value_counts() == 60).all()
    covered = table["covered"] == "yes"
    assert abs(covered.mean() - 0.4) < 3 * (0.4 * 0.6 / 600) ** 0.5
    assert covered.groupby(table["number"]).mean().between(0.2, 0.6).all()


def test_there_are_typos_and_captions_can_still_be_read(made):
    captions = pd.read_csv(made["train"])["caption"]
    whole = captions.map(facts).map(len) == 2
    assert 0.02 < whole.mean() < 0.5  # some 50 letters, each wrong in 1 of 20
    assert captions.str.contains("even|odd|halved|five|loop|hole|small|large").mean() > 0.9
