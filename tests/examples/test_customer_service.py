"""Calls and messages that come through badly, each by itself: what is lost, and what is left."""

import numpy as np
import pandas as pd
import pytest
import soundfile

from sensorium.examples.customer_service import WISHES, make_customer_service

pytest.importorskip("espeakng_loader", reason="the voices need espeakng-loader")
ROWS = 360


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_customer_service(tmp_path_factory.mktemp("service") / "data", rows=(ROWS, 6, 6))


@pytest.fixture(scope="module")
def table(made):
    return pd.read_csv(made["train"])


def test_a_third_of_each_is_of_no_use_and_a_ninth_of_both(table):
    lost, scrambled = table["line"] == "lost", table["typing"] == "scrambled"
    for share, expected in ((lost, 1 / 3), (scrambled, 1 / 3), (lost & scrambled, 1 / 9)):
        assert abs(share.mean() - expected) < 3 * (expected * (1 - expected) / ROWS) ** 0.5
    assert (table["wish"].value_counts() == ROWS // 6).all()
    best = 1 - (lost & scrambled).mean() * 5 / 6  # of both inputs, as the example's page has it
    assert best == pytest.approx(0.907, abs=3 * 5 / 6 * (1 / 9 * 8 / 9 / ROWS) ** 0.5)


def test_messages_say_the_wish_but_where_they_are_scrambled(table):
    for message, typing, wish in zip(table["chat"], table["typing"], table["wish"], strict=True):
        says = {name for name, (_, written) in WISHES.items() if any(text in message for text in written)}
        if typing == "clean":
            assert says == {wish}
        elif typing == "scrambled":
            assert says == set()
            assert not any(len(word) > 8 for word in message.split())


def test_calls_are_a_voice_or_noise(made, table):
    """A voice's loudness comes and goes, a noise's does not: the spread of the levels of 20 ms, in dB."""
    spread = {line: [] for line in ("clear", "noisy", "lost")}
    for name, line in zip(table["call"][:90], table["line"][:90], strict=True):
        wave, rate = soundfile.read(made["train"].parent / name)
        parts = wave[: len(wave) // (rate // 50) * (rate // 50)].reshape(-1, rate // 50)
        spread[line].append(np.log10(parts.std(1)).std() * 20)
    assert max(spread["lost"]) < 1
    assert min(spread["noisy"]) > 1.5
    assert np.mean(spread["clear"]) > 2 * np.mean(spread["noisy"])
