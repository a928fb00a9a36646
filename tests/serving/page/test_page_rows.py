"""Rows of a run's own table, offered to try it with."""

import base64
import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import pandas as pd
import pytest

from sensorium.media.cache import content_digest
from sensorium.serving.page.rows import example_rows

COUNT = 6


def engine_of(server, table, **changes):
    """The server's engine, with all rows of a table as those that its run was validated with."""
    engine = server.app.state.served.engine
    rows = f"1-{len(pd.read_parquet(table) if table.suffix == '.parquet' else pd.read_csv(table))}"
    source = {"table": str(table), "media_root": None, "sha256": content_digest(table).hex(), "rows": rows}
    own = engine.predictor
    predictor = SimpleNamespace(run={"data": {"valid": source}}, coders=own.coders, readers=own.readers)
    options = replace(engine.options, **changes)
    return SimpleNamespace(predictor=predictor, schema=engine.schema, options=options, limits=engine.limits)


@pytest.fixture
def copy(table, tmp_path):
    shutil.copytree(table.parent, tmp_path / "copy")
    return tmp_path / "copy" / "table.csv"


def test_rows_of_different_answers_with_their_files(server, table):
    rows = example_rows(server.app.state.served.engine, COUNT)
    frame = pd.read_csv(table, dtype=str, keep_default_na=False)
    assert all({row["truth"]["label"] for row in rows[turn : turn + 2]} == {"yes", "no"} for turn in (0, 2, 4))
    for row in rows:
        known = frame.iloc[row["row"] - 1]
        assert row["truth"] == {"label": known["label"]}
        assert set(row["cells"]) == {name for name in frame.columns[:7] if known[name]}
        for name, cell in row["cells"].items():
            if name in {"photo", "call", "clip"}:
                (file,) = cell
                assert file["name"] == known[name]
                assert base64.b64decode(file["data"]) == (table.parent / known[name]).read_bytes()
            else:
                assert cell == known[name]


def test_cells_of_other_tables(server, table, tmp_path):
    """Bytes, lists and numbers of a Parquet file come as a form has them, and are answered as the table's own cells."""
    frame = pd.read_csv(table)
    frame["photo"] = [
        {"bytes": (table.parent / name).read_bytes(), "path": None} if isinstance(name, str) else None
        for name in frame["photo"]
    ]
    frame["pose"] = [json.loads(cell) for cell in frame["pose"]]
    for column in ("call", "clip"):
        frame[column] = [str(table.parent / name) if isinstance(name, str) else None for name in frame[column]]
    frame.to_parquet(tmp_path / "table.parquet")
    for row in example_rows(engine_of(server, tmp_path / "table.parquet"), 3):
        known = frame.iloc[row["row"] - 1]
        if "photo" in row["cells"]:
            assert base64.b64decode(row["cells"]["photo"][0]["data"]) == known["photo"]["bytes"]
        assert row["cells"]["pose"] == ", ".join(map(str, known["pose"]))
        assert float(row["cells"].get("age", 0)) == (0 if pd.isna(known["age"]) else known["age"])
        sent = {k: [f["data"] for f in cell] if isinstance(cell, list) else cell for k, cell in row["cells"].items()}
        told = server.client.post("/predict", json={"rows": [sent]}).raise_for_status().json()["rows"][0]
        assert not told["problems"]


def test_a_row_whose_files_are_gone_or_elsewhere_is_left_out(server, copy):
    frame = pd.read_csv(copy, dtype=str, keep_default_na=False)
    (copy.parent / frame["clip"][0]).unlink()
    frame.loc[1, "photo"] = "https://elsewhere.example/p.png"
    frame.loc[2, "photo"] = "."  # a folder
    frame.loc[3, "age"] = "old"  # what a request may not say
    frame.to_csv(copy, index=False)
    rows = example_rows(engine_of(server, copy), 100)
    assert [row["row"] for row in rows] == list(range(5, 41))


def test_files_that_are_too_large_together_are_left_out(server, table):
    size = sum((table.parent / name).stat().st_size for name in ("p2.png", "c2.wav", "v2.mp4"))
    rows = example_rows(engine_of(server, table, max_bytes=5 * size), 100)  # of which three quarters are used
    assert 2 <= len(rows) <= 6


def test_there_are_none_where_the_table_can_not_tell(server, copy):
    engine = engine_of(server, copy)
    assert len(example_rows(engine, 2)) == 2
    assert example_rows(engine, 0) == []
    copy.write_text(copy.read_text() + "\n")
    assert example_rows(engine, 2) == []
    copy.unlink()
    assert example_rows(engine, 2) == []
    assert example_rows(SimpleNamespace(predictor=SimpleNamespace(run={})), 2) == []
