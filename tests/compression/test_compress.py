"""Students of a run: what they learn by, what they are refused, and what is told of them."""

from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

import sensorium as sm
from sensorium.compression.distill import distill
from sensorium.compression.front import front_plot, measured, on_front
from sensorium.compression.smaller import smaller
from sensorium.data.batches import Rows
from sensorium.data.table import read_table
from sensorium.errors import ConfigError, DataError
from sensorium.evaluation.answers import logits_of

CONFIG = {
    "inputs": {"pose": {"modality": "vector"}, "columns": {"columns": ["shop", "age"]}},
    "fusion": {"type": "gated", "width": 64},
    "training": {"epochs": 15, "precision": "32", "probes": False, "batch_size": 16, "learning_rate": 0.01},
}


def rows_of(count: int, seed: int) -> pd.DataFrame:
    """Three classes that pose tells."""
    random = np.random.default_rng(seed)
    label = random.integers(0, 3, count)
    pose = np.eye(3)[label] + 0.25 * random.normal(size=(count, 3))
    return pd.DataFrame(
        {
            "pose": [list(map(float, row)) for row in pose],
            "shop": random.choice(["north", "south"], count),
            "age": random.normal(50, 9, count),
            "label": [("red", "green", "blue")[place] for place in label],
        }
    )


@pytest.fixture(scope="module")
def teacher():
    return sm.fit(rows_of(150, 0), "label", config=CONFIG)


@pytest.fixture(scope="module")
def new() -> pd.DataFrame:
    return rows_of(120, 1)


def agreement(first, second, rows) -> float:
    return float((first.predict(rows) == second.predict(rows)).mean())


@pytest.mark.parametrize("pruned", [False, True])
def test_a_student_learns_from_the_answers_alone(teacher, new, pruned):
    """All targets are the same wrong one: what it knows, it knows from the run."""
    wrong = new.copy()
    wrong.loc[3:, "label"] = "red"
    config = smaller(teacher.config, 0.25)
    student = distill(teacher, read_table(wrong), read_table(new[:30]), config, soft=1.0, pruned=pruned)
    assert agreement(student, teacher, rows_of(200, 2)) > 0.9
    assert sum(p["parameters"] for p in student.parts()) < 0.25 * sum(p["parameters"] for p in teacher.parts())
    truth = distill(teacher, read_table(wrong), read_table(new[:30]), config, soft=0.0, pruned=False)
    assert agreement(truth, teacher, rows_of(200, 2)) < 0.6


def test_rows_without_targets_are_learned_from(teacher, new):
    few = new.copy()
    few.loc[12:, "label"] = None
    said = []
    config = smaller(teacher.config, 0.25)
    student = distill(
        teacher, read_table(few), read_table(new[:30]), config, read_table(rows_of(40, 3).drop(columns="label")),
        say=said.append,
    )  # fmt: skip
    assert said[0] == "160 rows to learn from, 148 of them without a target."
    assert student.run["rows"]["train"] == 160
    assert agreement(student, teacher, rows_of(200, 2)) > 0.9


def test_the_same_seed_gives_the_same_student(teacher, new):
    config = smaller(teacher.config, 0.25)
    config = config.model_copy(update={"training": config.training.model_copy(update={"epochs": 2})})
    first, second = (distill(teacher, read_table(new), read_table(new[:30]), config) for _ in range(2))
    assert first.predict_proba(new).equals(second.predict_proba(new))


def test_logits_are_those_of_the_model(teacher, new):
    table = read_table(new)
    found = logits_of(teacher.model, Rows(table, teacher.readers), 32)["label"]
    shares = found.div(teacher.calibration["label"].temperature).softmax(1).numpy()
    assert np.allclose(shares, teacher.predict_proba(new).to_numpy(), atol=1e-5)


def test_numbers_and_labels_are_taught_as_well(tmp_path):
    rows = rows_of(120, 0)
    rows["size"] = [3 * pose[0] - pose[1] for pose in rows["pose"]]
    rows["tags"] = [[label] if label == "red" else [label, "cold"] for label in rows["label"]]
    teacher = sm.fit(rows.drop(columns="label"), ["size", "tags"], config=CONFIG)
    student = distill(teacher, read_table(rows), read_table(rows[:30]), smaller(teacher.config, 0.5), soft=1.0)
    new = rows_of(100, 1)
    own, theirs = student.predict(new)["size"], teacher.predict(new)["size"]
    assert np.corrcoef(own, theirs)[0, 1] > 0.95


def test_compress_saves_runs_a_table_and_a_plot(teacher, new, tmp_path):
    test = rows_of(80, 2)
    front = sm.compress(teacher, new, out=tmp_path, valid=new[:30], test=test, shares=(0.5, 0.25), epochs=3, seed=1)
    assert list(front["model"]) == ["teacher", "0.5", "0.25"]
    assert front["parameters"].is_monotonic_decreasing
    assert front["flops"].is_monotonic_decreasing
    for row in front.to_dict(orient="records"):
        assert row["low"] <= row["score"] <= row["high"]
        assert 0 < row["ms_1"]
        if row["model"] == "teacher":
            continue
        student = sm.load(tmp_path / row["model"])
        assert student.evaluate(test)["metrics"]["accuracy"]["value"] == row["score"]
        assert (tmp_path / row["model"] / "weights.safetensors").stat().st_size >= row["bytes"]
        assert student.run["distilled"]["temperature"] == 4.0
        assert student.run["seed"] == 1
    written = pd.read_csv(tmp_path / "front.csv", dtype={"model": str})
    assert list(written["model"]) == list(front["model"])
    assert np.allclose(written["ms_1"], front["ms_1"])
    texts = [part.text for part in ElementTree.fromstring((tmp_path / "front.svg").read_text()).iter() if part.text]
    assert any(text.startswith("0.25: ") and text.endswith(" ms") for text in texts)
    with pytest.raises(ConfigError, match=r"already holds compressed runs. Take another --out, or delete it."):
        sm.compress(teacher, new, out=tmp_path, test=test)


def test_what_is_on_the_front():
    def row(score, size, ms):
        return {"score": score, "bytes": size, "ms_1": ms}

    rows = [row(0.9, 100, 5.0), row(0.8, 50, 3.0), row(0.7, 60, 4.0), row(0.8, 50, 2.5), row(0.5, 10, 9.0)]
    assert [on_front(one, rows) for one in rows] == [True, False, False, True, True]
    assert on_front(row(0.9, 100, 5.0), [row(0.9, 100, 5.0), row(0.9, 100, 5.0)])  # the same as another is no worse


def test_the_plot_holds_every_model(teacher, new):
    rows = measured({"teacher": teacher, "<small>": teacher}, read_table(new))
    text = front_plot(rows, "accuracy")
    assert text.count("<circle") == 2
    assert "&lt;small&gt;" in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shares": (0.5, 0)}, r"shares must be different numbers above 0 and up to 1; got \[0.5, 0\]."),
        ({"shares": ()}, r"shares must be different numbers above 0 and up to 1; got \[\]."),
        ({"shares": (0.5, 0.5)}, r"shares must be different numbers"),
        ({"temperature": 0.5}, r"temperature must be from 1 to 100; got 0.5."),
        ({"soft": 1.5}, r"soft must be from 0 to 1; got 1.5."),
        ({"test": None}, r"give rows that are new to the run to score by: test=TABLE \(--test\), or valid=TABLE"),
    ],
)
def test_options_out_of_range(teacher, new, tmp_path, options, message):
    with pytest.raises(ConfigError, match=message):
        sm.compress(teacher, new, **{"out": tmp_path, "test": new, **options})
    assert list(tmp_path.iterdir()) == []


def test_what_can_not_teach(teacher, new, tmp_path):
    odd = new.copy()
    odd.loc[:5, "label"] = "violet"
    with pytest.raises(DataError, match=r"has classes of 'label' that the run does not know: violet."):
        sm.compress(teacher, odd, out=tmp_path / "a", test=new)
    pretrained = sm.pretrain(new, ignore=["label"], config={**CONFIG, "training": {**CONFIG["training"], "epochs": 1}})
    with pytest.raises(ConfigError, match=r"this run was pretrained, without a target, and has no answers to teach."):
        sm.compress(pretrained, new, out=tmp_path / "a", test=new)


def test_unlabelled_rows_of_another_folder(teacher, new, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        new.to_json(tmp_path / name / "rows.jsonl", orient="records", lines=True)
    first, second = (tmp_path / name / "rows.jsonl" for name in ("a", "b"))
    with pytest.raises(ConfigError, match=r"unlabelled rows must name media from the same folder as the others"):
        sm.compress(teacher, first, unlabelled=second, out=tmp_path / "out", test=first)
