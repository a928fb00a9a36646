"""Remarks with irony: the words and the voice together tell what is meant, each alone does not."""

import numpy as np
import pandas as pd
import pytest
import soundfile

from sensorium.examples.sentiment import WORDS, make_sentiment

pytest.importorskip("espeakng_loader", reason="the voices need espeakng-loader")
ROWS = 300


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """The rows, with what is read from text and sound: whether the words are kind, and how slowly they are spoken."""
    path = make_sentiment(tmp_path_factory.mktemp("sentiment") / "data", rows=(ROWS, 4, 4))["train"]
    table = pd.read_csv(path)
    table["kind"] = table["text"].str.lower().str.contains("|".join(WORDS[True]))
    assert (table["kind"] | table["text"].str.lower().str.contains("|".join(WORDS[False]))).all()
    seconds = [soundfile.info(path.parent / name).duration for name in table["speech"]]
    table["slowness"] = np.array(seconds) / table["text"].str.len()  # s a letter
    return table


def test_words_and_voice_together_are_right(table):
    lively = table["slowness"] < 0.067
    meant = np.where(table["kind"] & lively, "positive", "negative")
    assert (meant == table["sentiment"]).mean() > 0.95
    assert (table["words"] == np.where(table["kind"], "kind", "unkind")).all()


@pytest.mark.parametrize("alone", ["kind", "lively"])
def test_either_alone_is_right_in_four_of_five(table, alone):
    seen = table["kind"] if alone == "kind" else table["slowness"] < 0.067
    best = table.groupby(seen)["sentiment"].agg(lambda side: side.value_counts().iloc[0]).sum() / ROWS
    assert abs(best - 0.79) < 3 * (0.79 * 0.21 / ROWS) ** 0.5
