"""Scores with inputs missing or damaged, on a model that learned a signal planted in each of its inputs."""

import itertools

import numpy as np
import pandas as pd
import pytest

import sensorium as sm
from sensorium.build import build_loader
from sensorium.data.batches import Rows
from sensorium.data.table import read_table
from sensorium.evaluation import robustness as room
from sensorium.evaluation.robustness import Damage, area, flat, robustness, subsets_of

INPUTS = ("photo", "call", "note", "pose", "columns")


def planted(rows, seed):
    """A fine grating in the photo, a pitch, a word, a direction and a number: each tells the label by itself."""
    random = np.random.default_rng(seed)
    yes = np.arange(rows) % 2 == 0
    grating = 12 * (-1) ** np.arange(16)[None, :] * np.ones((16, 1))
    photos = [
        np.clip(128 + (grating if y else grating.T) + 4 * random.normal(size=(16, 16)), 0, 255).astype(np.uint8)
        for y in yes
    ]
    calls = [
        (0.3 * np.sin(2 * np.pi * (1500 if y else 400) * np.arange(1600) / 8000 + 6 * random.random()), 8000)
        for y in yes
    ]
    notes = [" ".join(random.permutation(["sunny" if y else "rainy", "day", "in", "town", "again"])) for y in yes]
    return {
        "photo": [np.repeat(photo[:, :, None], 3, axis=2) for photo in photos],
        "call": [(wave.astype(np.float32), rate) for wave, rate in calls],
        "note": notes,
        "pose": random.normal(size=(rows, 2)) + np.where(yes, 1, -1)[:, None],
        "age": np.where(yes, 30, 50) + 5 * random.normal(size=rows),
        "label": np.where(yes, "yes", "no"),
        "price": np.where(yes, 10, 0) + random.normal(size=rows),
    }


CONFIG = {
    "inputs": {
        "photo": {"modality": "image", "size": 16, "encoder": {"type": "cnn", "channels": [8, 16]}},
        "call": {"modality": "audio", "sample_rate": 8000},
        "note": {"modality": "text"},
        "pose": {"modality": "vector"},
        "columns": {"columns": ["age"]},
    },
    "fusion": {"type": "mean", "width": 16},
    "targets": {"price": {"task": "regression"}},
    "training": {"epochs": 12, "batch_size": 8, "precision": "32", "probes": False, "learning_rate": 0.005},
}


@pytest.fixture(scope="module")
def predictor():
    return sm.fit(planted(96, 0), "label", config=CONFIG)


@pytest.fixture(scope="module")
def test_rows():
    return planted(60, 1)


@pytest.fixture(scope="module")
def found(predictor, test_rows):
    return predictor.robustness(test_rows, seed=1)


def test_every_subset_has_the_score_of_an_evaluation_with_it(predictor, test_rows, found):
    label, price = found["targets"]["label"], found["targets"]["price"]
    assert [tuple(subset["inputs"]) for subset in label["subsets"]] == subsets_of(INPUTS)
    assert (label["metric"], price["metric"]) == ("accuracy", "r2")
    for place, subset in enumerate(label["subsets"]):
        if len(subset["inputs"]) not in (0, 1, 5) and place % 5:
            continue  # an evaluation takes a while: of the others every fifth
        expected = predictor.evaluate(test_rows, inputs=subset["inputs"])["metrics"]
        assert subset["score"] == pytest.approx(expected["label.accuracy"]["value"])
        assert price["subsets"][place]["score"] == pytest.approx(expected["price.r2"]["value"], abs=1e-4)
    assert found["rows"] == found["of"] == 60
    assert label["majority"] == 0.5
    assert label["clean"] > 0.95


def test_an_input_has_its_score_alone_and_what_the_others_score_without_it(found):
    for target in found["targets"].values():
        by_inputs = {tuple(subset["inputs"]): subset["score"] for subset in target["subsets"]}
        assert set(target["inputs"]) == set(INPUTS)
        for name, told in target["inputs"].items():
            assert told["alone"] == by_inputs[(name,)]
            assert told["without"] == by_inputs[tuple(other for other in INPUTS if other != name)]


def test_half_of_the_rows_without_an_input(predictor, test_rows, found):
    order = np.random.default_rng(1).permutation(60)
    rows = {**test_rows, "note": list(test_rows["note"])}
    for place in order[1::2]:
        rows["note"][place] = ""
    expected = predictor.evaluate(rows)["metrics"]
    assert found["targets"]["label"]["inputs"]["note"]["half"] == pytest.approx(expected["label.accuracy"]["value"])
    told = found["targets"]["price"]["inputs"]["note"]["half"]
    assert told == pytest.approx(expected["price.r2"]["value"], abs=1e-4)


def test_curves_start_clean_and_have_their_area(found):
    for target in found["targets"].values():
        for name, told in target["inputs"].items():
            assert told["curves"]
            for kind, curve in told["curves"].items():
                assert curve["scores"][0] == target["clean"], (name, kind)
                assert curve["amounts"][0] is None
                assert len(curve["scores"]) == len(curve["amounts"]) == 5
                assert curve["area"] == pytest.approx(np.trapezoid(curve["scores"], np.linspace(0, 1, 5)))
                assert None not in curve["scores"]


def test_a_damaged_text_is_the_one_that_an_evaluation_of_it_reads(predictor, test_rows, found):
    from sensorium.evaluation.corruptions import mistype

    curve = found["targets"]["price"]["inputs"]["note"]["curves"]["typos"]
    texts = [mistype(text, 0.2, np.random.default_rng([1, row]), []) for row, text in enumerate(test_rows["note"])]
    expected = predictor.evaluate({**test_rows, "note": texts})["metrics"]["price.r2"]["value"]
    assert curve["scores"][curve["amounts"].index(0.2)] == pytest.approx(expected, abs=1e-4)


def test_what_carries_the_signal_alone_falls_with_its_damage(test_rows):
    """With the photo alone to go by, blur and JPEG take its grating away step by step."""
    training = {**CONFIG["training"], "wide": False}  # to hand-made features even a faint grating is one
    network = sm.fit(planted(96, 0), "label", config={**CONFIG, "training": training})
    alone = {name: test_rows[name] for name in ("photo", "label", "price")}
    found = network.robustness(alone)["targets"]["label"]["inputs"]
    for kind in ("blur", "jpeg"):
        scores = found["photo"]["curves"][kind]["scores"]
        assert all(b <= a + 0.05 for a, b in itertools.pairwise(scores)), (kind, scores)
        assert scores[0] > 0.9, (kind, scores)
        assert scores[-1] < 0.7, (kind, scores)  # half would be chance
    assert len(set(found["note"]["curves"]["typos"]["scores"])) == 1  # there is none to mistype


def test_the_seed_decides_and_the_batches_do_not(predictor, test_rows):
    coders, calibration = predictor.coders, predictor.calibration
    rows = Rows(read_table(test_rows), predictor.readers, coders, loader=build_loader(predictor.config))
    before = [rows.items(name, range(60)) for name in INPUTS]
    kept = [[None if i is None else np.array(i).copy() for i in items] for items in before]

    def scores(batch_size, seed):
        targets = robustness(predictor.model, rows, coders, calibration, batch_size, seed)["targets"]
        return [row["score"] for row in flat({"targets": targets}) if row["target"] == "price"]

    first = scores(60, 3)
    np.testing.assert_allclose(scores(7, 3), first, atol=1e-4)
    assert not np.allclose(scores(60, 4), first, atol=1e-4)
    for was, name in zip(kept, INPUTS, strict=True):
        for a, b in zip(was, rows.items(name, range(60)), strict=True):
            np.testing.assert_array_equal(a, np.array(b))


def test_rows_of_damage_depend_on_seed_and_row_alone(predictor, test_rows):
    rows = Rows(read_table(test_rows), predictor.readers, predictor.coders)
    damage = Damage(rows, 5, np.arange(60))
    for name, kind, amount in (("call", "babble", 0), ("columns", "permuted", 1.0), ("photo", "noise", 64)):
        clean = rows.items(name, [4, 9])
        both = damage.items(name, kind, amount, [4, 9], clean)
        (alone,) = damage.items(name, kind, amount, [9], clean[1:])
        np.testing.assert_array_equal(np.array(both[1]), np.array(alone))
        assert damage.items(name, kind, amount, [4], [None]) == [None]
        assert not np.array_equal(np.array(both[0]), np.array(clean[0]))


def test_without_time_fewer_rows_are_scored(predictor, test_rows):
    found = predictor.robustness(test_rows, time_limit=0)
    assert (found["rows"], found["of"]) == (32, 60)
    assert found["targets"]["label"]["clean"] is not None


def test_no_more_rows_than_a_score_needs(predictor, test_rows, monkeypatch):
    monkeypatch.setattr(room, "MOST_ROWS", 10)
    assert predictor.robustness(test_rows)["rows"] == 10


def test_rows_without_a_target_are_left_out(predictor, test_rows):
    rows = pd.DataFrame({name: list(values) for name, values in test_rows.items()})
    rows.loc[:9, ["label", "price"]] = None
    rows.loc[10:, "price"] = None
    found = predictor.robustness(rows)
    assert found["rows"] == 50
    assert found["targets"]["price"]["clean"] is None
    assert {score["score"] for score in flat(found) if score["target"] == "price"} == {None}


def test_the_area_under_a_curve():
    assert area([1.0, 0.8, 0.2]) == pytest.approx(0.7)
    assert area([0.5, 0.5]) == 0.5
    assert area([0.5, None]) is None


def test_all_subsets_of_six_and_some_of_more():
    assert subsets_of("ab") == [(), ("a",), ("b",), ("a", "b")]
    assert len(subsets_of("abcdef")) == 64
    names = "abcdefghij"
    some = subsets_of(names)
    assert len(some) == len(set(some)) == 64
    wanted = [(), tuple(names), *itertools.combinations(names, 1), *itertools.combinations(names, 9)]
    assert set(wanted) <= set(some)
    assert some == subsets_of(names) != subsets_of(names, seed=1)
    assert all(list(chosen) == sorted(chosen) for chosen in some)
    assert len(subsets_of([str(i) for i in range(70)])) == 2 + 2 * 70


def test_one_row_a_score(found):
    rows = pd.DataFrame(flat(found))
    curves = rows[rows["kind"] == "curve"]
    # Five inputs with 4 + 2 + 2 + 1 + 1 kinds of damage; 32 subsets, 5 halves, the majority.
    assert rows["kind"].value_counts().to_dict() == {
        "curve": 2 * 10 * 5,
        "subset": 2 * 32,
        "half": 2 * 5,
        "majority": 2,
    }
    one = curves[(curves["target"] == "label") & (curves["corruption"] == "babble")]
    assert one["score"].tolist() == found["targets"]["label"]["inputs"]["call"]["curves"]["babble"]["scores"]
