"""Runs of other kinds behind HTTP, each answered as offline: several targets and files, texts that are written."""

import base64

import numpy as np
import pandas as pd
import pytest
from tiny_language import write_language

import sensorium as sm

TRAINING = {"epochs": 1, "precision": "32", "probes": False, "wide": False, "workers": 0}


def encoded(path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def test_several_targets_and_files(serve, table, tmp_path):
    frame = pd.read_csv(table, dtype=str, keep_default_na=False).head(20)
    photos = frame["photo"].tolist()
    frame["photo"] = [f"{photo}|{photos[1]}" if photo else "" for photo in photos]
    config = {
        "inputs": {
            "photo": {"modality": "image", "size": 8, "encoder": {"type": "cnn", "channels": [4]}},
            "columns": {"columns": ["age", "shop"]},
        },
        "fusion": {"type": "concat", "width": 16},
        "targets": {"label": {}, "price": {"task": "regression"}, "tags": {"task": "multilabel"}},
        "training": TRAINING,
    }
    sm.fit(frame, config=config, media_root=table.parent, out=tmp_path / "run")
    offline = sm.load(tmp_path / "run").answers(sm.data.table.read_table(frame, table.parent))
    rows = [
        {
            "photo": [encoded(table.parent / name) for name in row["photo"].split("|") if name],
            "age": row["age"],
            "shop": row["shop"],
        }
        for row in frame.to_dict("records")
    ]
    with serve(tmp_path / "run") as server:
        told = server.client.post("/predict", json={"rows": rows}).raise_for_status().json()["rows"]
        for i, one in enumerate(told):
            assert one["answers"]["label"] == offline["label"][i]
            assert one["answers"]["tags"] == offline["tags"][i]
            assert one["answers"]["price"] == pytest.approx(offline["price"][i], rel=1e-4)
            assert set(one["probabilities"]) == {"label", "tags"}
            assert one["probabilities"]["tags"]["a"] == pytest.approx(offline["tags_a"][i], abs=1e-5)
            assert one["missing"] == ([] if photos[i] else ["photo"])
        files = [("photo", (table.parent / name).read_bytes()) for name in frame["photo"][2].split("|")]
        form = server.client.post("/predict", data={"age": rows[2]["age"], "shop": rows[2]["shop"]}, files=files)
        assert form.raise_for_status().json()["rows"][0]["answers"]["price"] == pytest.approx(
            told[2]["answers"]["price"], rel=1e-5
        )
        too_many = server.client.post("/predict", json={"rows": [{"photo": [rows[1]["photo"][0]] * 3}]})
        assert too_many.json()["details"][0]["message"] == "must be at most 2 files; got 3."
        explained = server.client.post("/explain?target=price", json={"rows": rows[1:2]}).raise_for_status().json()
        assert set(explained["rows"][0]["values"]) == {"photo", "columns"}


def test_texts_that_are_written_to_questions(serve, tmp_path):
    random = np.random.default_rng(0)
    questions = ["which colour?", "which thing, of all the things that there are?"]
    frame = pd.DataFrame(
        {
            "count": random.choice(["one", "two", "three"], 60),
            "question": random.choice(questions, 60),
            "answer": random.choice(["red", "star"], 60),
        }
    )
    language = write_language(tmp_path / "language", [*frame["answer"], *questions])
    config = {
        "inputs": {"count": {"modality": "categorical"}},
        "fusion": {"width": 16},
        "targets": {"answer": {"task": "generation", "model": str(language), "train": "all", "prompt": "question"}},
        "training": TRAINING,
    }
    sm.fit(frame, config=config, out=tmp_path / "run")
    rows = frame.drop(columns="answer").head(12).to_dict("records")
    offline = sm.load(tmp_path / "run").predict(pd.DataFrame(rows))
    with serve(tmp_path / "run") as server:
        fields = server.client.get("/schema").json()["fields"]
        assert [field["name"] for field in fields] == ["count", "question"]
        told = server.client.post("/predict", json={"rows": rows}).raise_for_status().json()["rows"]
        assert [one["answers"]["answer"] for one in told] == offline.tolist()
        assert told[0]["probabilities"] == {}
        refused = server.client.post("/explain", json={"rows": rows[:1]})
        assert refused.status_code == 422
        assert "is texts, of which there is no one number to explain" in refused.json()["error"]
