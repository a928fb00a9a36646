"""Rows that can be searched."""

import sys

import numpy as np
import pandas as pd
import pytest

import sensorium as sm
import sensorium.search.index as module
from sensorium.errors import ConfigError, DataError


def test_a_word_finds_the_pictures_of_its_colour_and_the_other_way_round(make, colours):
    predictor = make()
    index = sm.Index.build(predictor, colours, ["photo"])
    assert len(index) == 10  # two rows have no picture
    found = index.search({"note": "blue"}, top=3)
    # (w, w, 1) over its length, with w of white: 2/6 and 3/6 in rows 7 and 11; the blue picture of row 3 is missing.
    assert found["row"].tolist()[:2] == [7, 11]
    assert found["similarity"].to_numpy()[:2] == pytest.approx([1 / (1 + 2 / 9) ** 0.5, 1 / 1.5**0.5], abs=1e-6)
    assert found["photo"].tolist()[:2] == ["6.png", "10.png"]
    assert list(found.columns) == ["row", "similarity", "photo"]
    words = sm.Index.build(predictor, colours, ["note"]).search({"photo": colours.parent / "10.png"}, top=3)
    assert words["note"].tolist() == ["blue"] * 3
    assert words["row"].tolist() == [3, 7, 11]  # as near: the first in the table comes first


def test_a_row_finds_others_like_it_and_not_itself(make, colours):
    index = sm.Index.build(make(), colours)
    found = index.search(1, top=2)
    assert found["row"][0] == 9  # the only other red one: row 5 holds nothing
    assert set(found.columns) == {"row", "similarity", "photo", "note"}
    assert len(index.search(1, top=100)) == 10
    assert index.search(np.int64(1), top=2).equals(found)


def test_a_vector_finds_what_it_points_to(make, colours):
    predictor = make()
    index = sm.Index.build(predictor, colours)
    place = index.rows["row"].tolist().index(10)
    found = index.search(3 * index.vectors[place], top=1)
    assert found["row"].tolist() == [10]
    assert found["similarity"].tolist() == pytest.approx([1])


def test_saved_and_loaded_it_finds_the_same(make, colours, tmp_path):
    predictor = make()
    index = sm.Index.build(predictor, colours)
    index.save(tmp_path / "index")
    loaded = sm.Index.load(tmp_path / "index", make())
    assert loaded.inputs == ("photo", "note")
    pd.testing.assert_frame_equal(loaded.search({"note": "red"}), index.search({"note": "red"}))
    with pytest.raises(ConfigError, match=r"index already holds an index. Take another --out, or delete it."):
        index.save(tmp_path / "index")


def test_another_runs_index_is_refused(make, colours, tmp_path):
    predictor = make()
    sm.Index.build(predictor, colours).save(tmp_path / "index")
    predictor.model.encoder("note").table.weight[0, 0] += 1
    with pytest.raises(DataError, match="index was made by another run: its vectors can't be compared"):
        sm.Index.load(tmp_path / "index", predictor)
    with pytest.raises(DataError, match="index was made by another run"):
        sm.Index.load(tmp_path / "index", make(photos=("photo", "small")))


def test_many_rows_are_searched_by_a_graph(make, colours, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MANY", 100)
    random = np.random.default_rng(0)
    pictures = list(random.integers(0, 256, (400, 6, 6, 3)).astype(np.uint8))
    predictor = make()
    index = sm.Index.build(predictor, {"photo": pictures})
    assert index.graph is not None
    exact = sm.Index.build(predictor, {"photo": pictures}, exact=True)
    assert exact.graph is None
    index.save(tmp_path / "index")
    loaded = sm.Index.load(tmp_path / "index", predictor)
    assert loaded.graph is not None
    hits = 0
    for query in random.integers(0, 256, (20, 6, 6, 3)).astype(np.uint8):
        expected = exact.search({"photo": query}, top=5)
        found = loaded.search({"photo": query}, top=5)
        hits += len(set(found["row"]) & set(expected["row"]))
        assert found["similarity"].is_monotonic_decreasing
        same = found.merge(expected, on="row")  # what both find, both find as near: in 32 bit, not in the graph's 16
        np.testing.assert_allclose(same["similarity_x"], same["similarity_y"], atol=1e-6)
    assert hits >= 95  # of 100
    assert 7 not in loaded.search(7, top=5)["row"].tolist()
    assert set(found["photo"]) == {"<ndarray>"}


def test_a_graph_of_another_layout_is_made_anew(make, colours, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MANY", 1)
    predictor = make()
    index = sm.Index.build(predictor, colours)
    monkeypatch.setattr(index.graph, "save", lambda: b"of a later version", raising=False)
    index.save(tmp_path / "index")
    said = []
    loaded = sm.Index.load(tmp_path / "index", predictor, said.append)
    assert said == [
        f"the graph of {tmp_path / 'index'} is not one that this version of usearch writes; it is made anew."
    ]
    pd.testing.assert_frame_equal(loaded.search({"note": "red"}), index.search({"note": "red"}))


def test_a_usual_run_compares_the_same_inputs_and_warns_of_others(make, colours):
    predictor = make(aligned=False)
    index, said = sm.Index.build(predictor, colours), []
    both = {"photo": colours.parent / "5.png", "note": "green"}
    assert index.search(both, 1, said.append)["row"].tolist() == [6]
    assert said == []
    index.search({"note": "green"}, 1, said.append)
    assert said == [
        "warning: this run was not trained to align its inputs; what is found by note alone among rows of photo, note may "
        "be far off. `sensorium pretrain` trains for it."
    ]
    with pytest.raises(ConfigError, match="holds vectors of photo; a query by note can't be compared with them, since"):
        sm.Index.build(predictor, colours, ["photo"]).search({"note": "green"})


def test_columns_called_as_the_results_are_kept_under_another_name(make, colours):
    predictor = make()
    predictor.readers["note"].columns = ("row",)
    rows = pd.read_csv(colours, keep_default_na=False).rename(columns={"note": "row"})
    found = sm.Index.build(predictor, rows, ["note"]).search({"note": "red"}, 1)
    assert found.to_dict("records") == [{"row": 1, "similarity": pytest.approx(1), "row_": "red"}]


@pytest.mark.parametrize(
    ("query", "top", "kind", "message"),
    [
        (5, 1, DataError, "the index has no row 5: it holds 11 rows from 1 to 12, without those that hold nothing of photo, note."),
        ({"note": "red"}, 0, ConfigError, "top must be 1 row or more; got 0."),
        ("red", 1, ConfigError, "a query must be a dict of inputs, a row's number or a vector of 3 numbers; got 'red'."),
        (np.zeros(4), 1, ConfigError, "a query must be a dict of inputs, a row's number or a vector of 3 numbers; got array([0., 0., 0., 0.])."),
        ([1.0, np.nan, 0.0], 1, ConfigError, "a query must be a dict of inputs, a row's number or a vector of 3 numbers; got [1.0, nan, 0.0]."),
        ({"foto": "1.png"}, 1, ConfigError, "unknown input 'foto'. Did you mean 'photo'? There are: note, photo."),
    ],
)  # fmt: skip
def test_searches_that_cannot_be(make, colours, query, top, kind, message):
    with pytest.raises(kind) as error:
        sm.Index.build(make(), colours).search(query, top)
    assert str(error.value) == message


def test_a_table_that_holds_nothing_is_no_index(make):
    with pytest.raises(DataError, match=r"the table has no row that holds anything of photo, note."):
        sm.Index.build(make(), {"photo": ["", ""], "note": ["", " "]})


def test_only_many_rows_need_usearch(make, colours, monkeypatch):
    monkeypatch.setitem(sys.modules, "usearch.index", None)
    monkeypatch.setattr(module, "MANY", 11)
    assert len(sm.Index.build(make(), colours)) == 11
    monkeypatch.setattr(module, "MANY", 10)
    with pytest.raises(ConfigError, match=r"searching so many rows needs usearch. Install it with: pip install"):
        sm.Index.build(make(), colours)
    assert sm.Index.build(make(), colours, exact=True).graph is None
