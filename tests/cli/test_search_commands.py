"""embed, index, search, and what evaluate and predict say of a run of `sensorium pretrain`."""

import json

import numpy as np
import pandas as pd
import pytest

import sensorium as sm

LEFT_OUT = ("label", "price", "tags")


@pytest.fixture(scope="module")
def pretrained(table, config, tmp_path_factory):
    """The folder of a run on `table` whose inputs share a space."""
    folder = tmp_path_factory.mktemp("pretrained") / "run"
    inputs = {name: config["inputs"][name] for name in ("photo", "call", "clip_sound", "note")}
    sm.pretrain(table, config={**config, "inputs": inputs}, ignore=LEFT_OUT, out=folder, epochs=1)
    return folder


@pytest.fixture
def index(sensorium, pretrained, table, tmp_path):
    code, out, _ = sensorium("index", pretrained, table, "--out", tmp_path / "index")
    assert code == 0
    assert out.startswith("40 rows of photo, call, clip_sound, note saved to ")
    return tmp_path / "index"


def test_embed_writes_vectors_and_their_rows(sensorium, pretrained, table, tmp_path):
    code, _, err = sensorium("embed", pretrained, table, "-o", tmp_path / "v.parquet", "--input", "photo")
    assert code == 0
    assert "8 of 40 rows hold nothing of photo: their vectors are zeros." in err
    frame = pd.read_parquet(tmp_path / "v.parquet")
    assert frame["row"].tolist() == list(range(1, 41))
    sensorium("embed", pretrained, table, "-o", tmp_path / "v.npy", "--input", "photo")
    vectors = np.load(tmp_path / "v.npy")
    np.testing.assert_array_equal(np.stack(frame["vector"]), vectors)
    lengths = np.linalg.norm(vectors, axis=1)
    np.testing.assert_allclose(lengths[lengths > 0], 1, atol=1e-6)
    np.testing.assert_array_equal(vectors, sm.load(pretrained).embed(table, ["photo"]))


def test_search_as_spelt(sensorium, pretrained, table, index):
    code, out, _ = sensorium("search", pretrained, "--index", index, "--text", "a fine bright day", "--top", 3)
    assert code == 0
    predictor = sm.load(pretrained)
    expected = sm.Index.load(index, predictor).search({"note": "a fine bright day"}, 3)
    assert [line.split()[0] for line in out.splitlines() if "number" in line] == expected["row"].astype(str).tolist()
    for words in (
        ["--image", table.parent / "p3.png"],
        ["--audio", f"call={table.parent / 'c3.wav'}"],
        ["--audio", f"clip={table.parent / 'v3.mp4'}", "--text", "note=a dark and gloomy night"],
        ["--row", "4"],
    ):
        code, out, err = sensorium("search", pretrained, "--index", index, *words, "--top", 5, "--json")
        assert code == 0, err
        found = json.loads(out)
        assert len(found) == 5
        assert set(found[0]) == {"row", "similarity", "photo", "call", "clip", "note"}
        near = [one["similarity"] for one in found]
        assert near == sorted(near, reverse=True)


def test_evaluate_tells_how_well_inputs_find_each_other(sensorium, pretrained, table, tmp_path):
    code, out, _ = sensorium("evaluate", pretrained, table, "-o", tmp_path / "scores.csv")
    assert code == 0
    assert "clip_sound" in out
    assert "40 rows; 0 left out." in out
    scores = pd.read_csv(tmp_path / "scores.csv").set_index("metric")
    assert len(scores) == 4 * 3 * 5
    for metric in ("recall@1", "recall@5", "recall@10", "mrr"):
        row = scores.loc[f"photo->note.{metric}"]
        assert 0 <= row["low"] <= row["value"] <= row["high"] <= 1
    assert scores.loc["clip_sound->note.recall@10", "random"] == pytest.approx(10 / 40)
    with_two = sm.load(pretrained).evaluate(table, inputs=["photo", "note"])
    assert [(pair["query"], pair["finds"], pair["rows"]) for pair in with_two["pairs"]] == [
        ("photo", "note", 32), ("note", "photo", 32),
    ]  # fmt: skip
    assert (with_two["rows"], with_two["left_out"]) == (32, 8)
    assert with_two["metrics"]["photo->note.mrr"]["value"] == pytest.approx(scores.loc["photo->note.mrr", "value"])


def test_predict_among_described_classes(sensorium, pretrained, table, tmp_path):
    (tmp_path / "classes.yaml").write_text("no: [a dark and gloomy night]\nyes: a fine bright day\n")
    code, _, err = sensorium(
        "predict", pretrained, table, "--classes", tmp_path / "classes.yaml", "-o", tmp_path / "answers.csv"
    )
    assert code == 0, err
    answers = pd.read_csv(tmp_path / "answers.csv", dtype={"class": str})
    assert list(answers.columns) == ["class", "class_no", "class_yes"]
    np.testing.assert_allclose(answers[["class_no", "class_yes"]].sum(axis=1), 1, atol=1e-5)
    classes = {"no": "a dark and gloomy night", "yes": "a fine bright day"}
    np.testing.assert_allclose(answers.iloc[:, 1:], sm.load(pretrained).zero_shot(table, classes), atol=1e-5)
    assert (answers["class"] == np.where(answers["class_yes"] > answers["class_no"], "yes", "no")).all()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["embed", "RUN", "TABLE", "-o", "v.csv"], "cannot write v.csv: '.csv' must be .parquet or .npy."),
        (["embed", "RUN", "TABLE", "-o", "v.npy", "--input", "foto"], "unknown input 'foto'. Did you mean 'photo'?"),
        (["search", "RUN", "--index", "INDEX"], "give something to search by: --image, --text, --audio, --video, or --row."),
        (["search", "RUN", "--index", "INDEX", "--row", "1", "--text", "a"], "give something to search by:"),
        (["search", "RUN", "--index", "INDEX", "--text", " "], "the query for 'note' is empty."),
        (["search", "RUN", "--index", "INDEX", "--audio", "a.wav"], "the run has 2 inputs of audio: call, clip_sound."),
        (["search", "RUN", "--index", "INDEX", "--video", "a.mp4"], "the run reads no video to search by."),
        (["search", "RUN", "--index", "INDEX", "--image", "TABLE"], "as image: "),
        (["search", "RUN", "--index", "INDEX", "--row", "99"], "the index has no row 99: it holds 40 rows from 1 to 40"),
        (["search", "RUN", "--index", "nowhere", "--row", "1"], "nowhere is no index: it has no index.json."),
        (["search", "OTHER", "--index", "INDEX", "--row", "1"], "was made by another run"),
        (["predict", "RUN", "TABLE", "--json", "--classes", "TABLE", "--coverage", "0.9"], "--coverage can't go with --classes"),
        (["predict", "RUN", "TABLE", "--json", "--text", "note"], "--text says which input reads the texts of --classes"),
        (["predict", "OTHER", "TABLE", "--json", "--classes", "CLASSES"], "the run does not align its inputs"),
        (["evaluate", "RUN", "ALONE"], "has no two rows that both hold two of photo, call, clip_sound, note."),
    ],
)  # fmt: skip
def test_mistakes_exit_with_2_and_a_message(sensorium, pretrained, table, run, index, tmp_path, words, message):
    (tmp_path / "classes.yaml").write_text("a: a\nb: b\n")
    (tmp_path / "alone.csv").write_text("note\na dark night\na bright day\n")
    named = {
        "RUN": pretrained, "TABLE": table, "OTHER": run, "INDEX": index, "CLASSES": tmp_path / "classes.yaml",
        "ALONE": tmp_path / "alone.csv",
    }  # fmt: skip
    code, out, err = sensorium(*[named.get(word, word) for word in words])
    assert (code, out) == (2, "")
    assert message in err
