"""A whole comparison on a small table: what it writes, how it goes on, and how it ends when time or a cell fails."""

import json
import pickle
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, r2_score

import sensorium as sm
from sensorium.comparison import compare as comparison
from sensorium.comparison import trials
from sensorium.config import parse_config
from sensorium.errors import ConfigError, DataError, SensoriumError, TrainingError

OPTIONS = {"epochs": 1, "precision": "32", "batch_size": 16}
SMALL = {
    "inputs": {"note": {"modality": "text"}, "columns": {"columns": ["age"]}},
    "fusion": {"type": "gated", "width": 16},
}


NOTE = {"note": {"modality": "text"}}


def rows(count=60):
    """The note tells the label nine times in ten; the age helps, and gives the price."""
    random = np.random.default_rng(0)
    kinds = np.arange(count) % 2
    told = np.where(random.random(count) < 0.9, kinds, 1 - kinds)
    age = 40 + 10 * kinds + random.normal(0, 8, count)
    notes = [f"{'a bright and sunny' if yes else 'a dark and rainy'} day, number {i}" for i, yes in enumerate(told)]
    labels = np.where(kinds == 1, "yes", "no")
    return pd.DataFrame({"note": notes, "age": age, "label": labels, "price": 2 * age + random.normal(size=count)})


def run(out, target="label", table=None, **more):
    given = {"config": SMALL, "fusions": ["mean"], **OPTIONS, **more}
    return sm.compare(rows() if table is None else table, target, out=out, **given)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("done") / "comparison"
    return folder, run(folder)


@pytest.fixture
def ran(monkeypatch):
    """The names of the cells that are run."""
    names = []
    real = trials.Trials.run

    def noted(self, cell, limit=None):
        names.append(cell.name)
        return real(self, cell, limit)

    monkeypatch.setattr(trials.Trials, "run", noted)
    return names


def test_every_generation_on_every_input(done):
    frame = done[1].frame
    found = set(zip(frame["generation"], frame["inputs"], frame["fusion"], strict=True))
    better = frame[frame["fusion"] == "mean"]["generation"].item()
    assert found == {
        *(("classical", inputs, "") for inputs in ("note", "columns", "note + columns")),
        ("network", "columns", ""), ("cnn_rnn", "note", ""), ("transformer", "note", ""),
        ("cnn_rnn", "note + columns", "gated"), ("transformer", "note + columns", "gated"),
        (better, "note + columns", "mean"), ("fit", "note + columns", "gated"),
    }  # fmt: skip
    assert len(frame) == 3 * 3 + 7
    assert frame["score"].is_monotonic_decreasing
    assert (frame["low"] <= frame["score"]).all()
    assert (frame["score"] <= frame["high"]).all()
    assert (frame["parameters"] > 0).all()
    validated = frame[(frame["fusion"] == "gated") & (frame["generation"] != "fit")].set_index("generation")[
        "validation"
    ]
    assert validated[better] == validated.max()


def test_what_is_written_agrees_with_itself(done):
    folder, found = done
    answers = pd.read_csv(folder / "answers.csv")
    assert len(answers) == found.rows == 12
    raw = rows()
    assert (raw["label"][answers["row"] - 1].to_numpy() == answers["true label"]).all()  # rows count from 1
    for row in found.frame.to_dict("records"):
        kind = row["model"] if row["generation"] == "classical" else row["fusion"]
        name = " ".join(filter(None, [row["generation"], kind, row["inputs"].replace(" + ", "+")]))
        assert row["score"] == pytest.approx(accuracy_score(answers["true label"], answers[name]))
    assert len(answers.columns) == len(found.frame) + 2
    told = json.loads((folder / "comparison.json").read_text(), parse_constant=pytest.fail)
    assert (told["metric"], told["rows"], told["sentence"]) == ("accuracy", 12, found.sentence)
    assert told["majority"] == found.majority == 0.5
    table = pd.read_csv(folder / "comparison.csv")
    assert table["score"].tolist() == [cell["score"] for cell in told["cells"]]
    assert (folder / "comparison.svg").read_text().count("<circle") == len(table)
    assert len(list((folder / "cells").glob("*.json"))) == len(list((folder / "cells").glob("*.npz"))) == len(table)


def test_twelve_rows_prove_little(done):
    found = done[1]
    assert found.winner is None
    assert found.frame["standing"].iloc[0] == "best"
    assert "can't be told from it on these 12 rows." in found.sentence
    assert "the best single input" in found.sentence


def test_the_held_out_rows_are_never_learned_from(done, ran, tmp_path):
    """Their labels turned round change no answer."""
    table = rows()
    held = pd.read_csv(done[0] / "answers.csv")["row"].to_numpy() - 1
    test = table.iloc[held].assign(label=np.where(table["label"][held] == "yes", "no", "yes"))
    known = table.drop(index=held)
    found = [
        run(tmp_path / name, table=known, test=given, config={**SMALL, "inputs": NOTE})
        for name, given in (("right", table.iloc[held]), ("wrong", test))
    ]
    scores = [each.frame.set_index(["generation", "model", "inputs"])["score"] for each in found]
    pd.testing.assert_series_equal(scores[0].sort_index(), 1 - scores[1].sort_index())


def test_it_goes_on_with_what_is_left(done, ran):
    folder, found = done
    (path,) = (folder / "cells").glob("cnn_rnn-note-*.json")
    before = {file: file.read_bytes() for file in (folder / "cells").iterdir()}
    path.unlink()
    again = run(folder)
    assert ran == ["cnn_rnn note"]
    after = {file: file.read_bytes() for file in (folder / "cells").iterdir()}
    assert {file for file in after if after[file] != before[file]} <= {path, path.with_suffix(".npz")}
    timeless = [frame.drop(columns="seconds") for frame in (found.frame, again.frame)]
    pd.testing.assert_frame_equal(*timeless)  # the same network once more
    more = run(folder, fusions=["mean", "concat"])  # which is no other comparison
    assert ran[1:] == [name for name in ran if "concat" in name]
    assert len(more.frame) == len(found.frame) + 1


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"epochs": 2}, "other options"),
        ({"seeds": 2}, "other seeds"),
        ({"table": rows().iloc[1:]}, "other rows"),
        ({"test": rows(30)}, "other rows to test with"),
        ({"split": {"by": "price"}, "table": rows().iloc[1:]}, "other rows and other options"),
    ],
)
def test_another_comparison_takes_another_folder(done, ran, more, words):
    before = (done[0] / "made_of.json").read_bytes()
    with pytest.raises((ConfigError, DataError)) as error:
        run(done[0], **more)
    assert f"holds a comparison with {words}. Take another --out, or delete it" in str(error.value)
    assert (done[0] / "made_of.json").read_bytes() == before
    assert ran == []


def test_time_is_shared_and_what_gets_none_is_listed(ran, tmp_path, monkeypatch):
    clock = iter(np.arange(0, 1e6, 0.5))  # half a second from one look to the next
    monkeypatch.setattr(comparison, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    limits = []
    monkeypatch.setattr(trials.Trials, "run", lambda self, cell, limit: limits.append((cell, limit)) or failed(cell))
    found = run(tmp_path / "out", time_limit=20)
    quick = [limit for cell, limit in limits if cell.generation == "classical"]
    # 16 cells share what is left: at the start 20 s less half a second, of which those that fail at once use little.
    assert quick[0] == pytest.approx(19.5 / 16)
    assert limits[-1][1] == pytest.approx(20 - 0.5 * 16)
    assert [limit for _, limit in limits] == sorted(limit for _, limit in limits)
    assert len(found.frame) == 16
    monkeypatch.setattr(comparison, "time", SimpleNamespace(monotonic=lambda: 40 * float(next(clock))))
    found = run(tmp_path / "late", time_limit=20)
    assert (found.frame["note"] == "no time was left").all()
    assert found.frame["score"].isna().all()
    assert found.sentence == "No cell was finished, so that there is nothing to compare."


def failed(cell):
    raise TrainingError(f"{cell.name} can't be run")


def test_a_network_cut_short_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(comparison, "time", SimpleNamespace(monotonic=lambda: 0.0))  # however slow this machine is
    found = run(tmp_path / "out", config={**SMALL, "inputs": NOTE},
                time_limit=3.2, epochs=100_000, patience=100_000)  # fmt: skip
    notes = found.frame.set_index("generation")["note"]
    assert notes["cnn_rnn"] == notes["transformer"] == "cut short"
    assert (notes["classical"] == "").all()
    assert "; the time limit cut a network's training short." in found.sentence


def test_a_cell_that_fails_leaves_the_others(tmp_path, monkeypatch):
    real = trials.fit_kernel
    broken = []

    def sometimes(task, features, target):
        if not broken:
            broken.append(1)
            raise TrainingError("this one is broken.")
        return real(task, features, target)

    monkeypatch.setattr(trials, "fit_kernel", sometimes)
    monkeypatch.setattr(trials.Trials, "_network", lambda *_: failed_network())
    found = run(tmp_path / "out")
    last = found.frame[found.frame["score"].isna()]
    assert set(last["note"]) == {"this one is broken.", "no network today."}
    assert found.frame["score"].notna().sum() == 8
    again = run(tmp_path / "out")  # what failed is tried again
    assert set(again.frame[again.frame["score"].isna()]["note"]) == {"no network today."}


def failed_network():
    raise TrainingError("no network today.")


def test_folds_seeds_and_numbers(tmp_path):
    inputs = {"columns": SMALL["inputs"]["columns"]}
    found = run(tmp_path / "out", "price", folds=2, seeds=2, config={**SMALL, "inputs": inputs})
    assert found.metric == "r2"
    assert found.rows == 60
    answers = pd.read_csv(tmp_path / "out" / "answers.csv")
    assert sorted(answers["row"]) == list(range(1, 61))
    np.testing.assert_allclose(answers["true price"], rows()["price"][answers["row"] - 1], rtol=1e-12)
    assert set(answers["fold"]) == {1, 2}
    ridge = found.frame.set_index("model").loc["ridge"]
    assert ridge["score"] == pytest.approx(r2_score(answers["true price"], answers["classical ridge columns"]))
    assert ridge["score"] > 0.9
    arrays = np.load(next((tmp_path / "out" / "cells").glob("network-columns-*.npz")))
    assert arrays["output"].shape == (2, 60)
    assert not (arrays["output"][0] == arrays["output"][1]).all()


def test_labels(tmp_path):
    table = rows().assign(tags=[["sun", "day"] if "sunny" in note else ["day"] for note in rows()["note"]])
    found = run(tmp_path / "out", "tags", table=table, config={**SMALL, "inputs": NOTE})
    assert found.metric == "micro_f1"
    models = found.frame[found.frame["generation"] == "classical"]["model"]
    assert set(models) == {"logistic", "naive_bayes"}
    answers = pd.read_csv(tmp_path / "out" / "answers.csv")
    assert set(answers["true tags"]) <= {"day|sun", "day"}
    assert (answers["classical naive_bayes note"] == answers["true tags"]).mean() > 0.9


def test_several_at_once_find_the_same(done, tmp_path, monkeypatch):
    """Threads stand in for processes, which take long to start; what is sent to those is pickled here."""

    def threads(given, jobs):
        return ThreadPoolExecutor(jobs, initializer=comparison._start, initargs=(pickle.loads(pickle.dumps(given)),))

    monkeypatch.setattr(comparison, "_processes", threads)
    lines = []
    found = run(tmp_path / "out", jobs=2, config={**SMALL, "inputs": NOTE}, say=lines.append)
    columns = ["generation", "model", "inputs", "fusion"]
    scores = [each.frame.set_index(columns)["score"] for each in (found, done[1])]
    for name, score in scores[0].items():
        if name[0] == "classical":
            assert score == scores[1][name]
    assert len(scores[0]) == 6
    assert sorted(int(line.split("/")[0]) for line in lines if "/6 " in line) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("jobs", "given", "threads"), [(1, None, None), (2, None, 4), (3, None, 2), (9, None, 1), (2, 5, 5)]
)
def test_processes_share_the_processors(monkeypatch, jobs, given, threads):
    monkeypatch.setattr(comparison, "processors", lambda: 8)
    config = parse_config({"training": {"threads": given}})
    assert comparison._threaded(config, jobs).training.threads == threads


def test_a_process_that_dies_is_said(tmp_path, monkeypatch):
    class Broken(ThreadPoolExecutor):
        def submit(self, *_):
            future = Future()
            future.set_exception(BrokenProcessPool())
            return future

    monkeypatch.setattr(comparison, "_processes", lambda trials, jobs: Broken(jobs))
    with pytest.raises(SensoriumError, match=r"a process of 2 ended while it ran classical \w+ note, most likely"):
        run(tmp_path / "out", jobs=2)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"seeds": 0}, r"seeds must be 1 or more; got 0\."),
        ({"jobs": -1}, r"jobs must be 1 or more; got -1\."),
        ({"time_limit": 0}, r"time_limit must be above 0; got 0\."),
        ({"fusions": ["meen"]}, r"fusions: unknown fusion 'meen'\. Did you mean 'mean'\?"),
        ({"test": rows()}, r"the rows to test with are those to learn from\. Leave them out"),
        ({"folds": 3, "test": rows()}, r"folds can't go with rows to test with"),
        ({"target": ["label", "price"]}, r"one target is compared at a time; got label, price"),
        ({"target": "labl"}, r"has no column 'labl' to be the target\. Did you mean 'label'\?"),
        ({"target": "price", "test": rows().assign(price=3.0)}, r"'price' is the same in all 60 held-out rows"),
        ({"table": rows(11)}, r"9 rows are left to learn from; 10 at least are needed\. Give more rows\."),
        ({"epochs": -1}, r"training\.epochs: must be greater than or equal to 0; got -1\."),
    ],
)  # fmt: skip
def test_mistakes_are_said_before_anything_is_kept(tmp_path, more, message):
    target = more.pop("target", "label")
    with pytest.raises((ConfigError, DataError), match=message):
        run(tmp_path / "out", target, **more)
    assert not (tmp_path / "out").exists()
