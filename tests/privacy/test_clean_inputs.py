"""What is kept and shown of inputs: pixels without place, texts without numbers of people."""

import base64
import re
import zipfile
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

import sensorium as sm
from sensorium.cli import app
from sensorium.errors import ConfigError
from sensorium.export.pack import save_packed
from sensorium.media.cache import cache_folder
from sensorium.serving.page.rows import example_rows

MARKS = (b"SECRETPLACE", b"Exif\x00\x00", b"13812345678", b"ann@example.org")
QUICK = {"epochs": 1, "batch_size": 8, "threads": 1, "probes": False, "workers": 0}
CONFIG = {
    "inputs": {
        "photo": {"modality": "image", "size": 16, "encoder": {"type": "cnn", "channels": [4]}},
        "note": {"modality": "text", "encoder": {"type": "bag"}},
    },
    "fusion": {"type": "concat", "width": 16},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Photos with a place, notes with numbers, and a run that redacts."""
    pytest.importorskip("phonenumbers", reason="redacting needs 'sensorium[redact]'")
    folder = tmp_path_factory.mktemp("clean")
    random, cells = np.random.default_rng(0), []
    for row in range(24):
        exif = Image.Exif()
        exif[0x010E] = "SECRETPLACE"
        exif[0x8825] = {1: "N", 2: (48.0, 51.0, 30.0), 18: "SECRETPLACE datum"}
        level = 200 if row % 2 else 60
        pixels = random.integers(level - 40, level + 40, (40, 30, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{row}.jpg", exif=exif)
        word = "bright" if row % 2 else "dark"
        note = f"{word}, call 13812345678 or ann@example.org"
        cells.append({"photo": f"{row}.jpg", "note": note, "label": "yes" if row % 2 else "no"})
    pd.DataFrame(cells).to_csv(folder / "table.csv", index=False)
    run = folder / "run"
    said = []
    sm.fit(folder / "table.csv", "label", config=CONFIG, redact=True, out=run, say=said.append, **QUICK)
    return SimpleNamespace(folder=folder, table=folder / "table.csv", run=run, said="\n".join(said))


def held(content):
    """The marks in some bytes, and in the data that an HTML page holds inside."""
    inside = b"".join(
        base64.b64decode(part) for part in re.findall(rb"base64,((?:[A-Za-z0-9+/]{4})*[A-Za-z0-9+/=]{0,4})\"", content)
    )
    return [mark for mark in MARKS if mark in content or mark in inside]


def test_the_table_holds_what_is_looked_for(made):
    assert held(made.table.read_bytes()) == [*MARKS[2:]]
    assert held((made.folder / "0.jpg").read_bytes()) == [*MARKS[:2]]


def test_neither_cache_nor_run_nor_pack_holds_it(made, tmp_path):
    cached = [path for path in cache_folder().rglob("*") if path.is_file()]
    kept = [path for path in made.run.rglob("*") if path.is_file()]
    assert any(path.name == "data.mdb" or "lmdb" in str(path) for path in cached)
    assert any(path.name == "schema.json" for path in kept)
    save_packed(tmp_path / "run.sensorium", sm.load(made.run))
    with zipfile.ZipFile(tmp_path / "run.sensorium") as pack:
        packed = {name: pack.read(name) for name in pack.namelist()}
    assert packed
    found = {str(path): held(path.read_bytes()) for path in [*cached, *kept]}
    found |= {name: held(content) for name, content in packed.items()}
    assert {name: marks for name, marks in found.items() if marks} == {}
    assert held(made.said.encode()) == []


def test_neither_explanations_nor_the_report_show_it(made):
    pytest.importorskip("plotly", reason="a report needs 'sensorium[report]'")
    predictor = sm.load(made.run)
    page = predictor.explain(made.table, numbers=[1, 2])[0].html("en")
    assert "PHONE" in page
    assert held(page.encode()) == []
    report = predictor.report(made.table, time_limit=5).html
    assert "PHONE" in report.split('id="rows"')[1]
    assert held(report.encode()) == []


def test_a_report_without_rows_shows_none(made, tmp_path):
    pytest.importorskip("plotly", reason="a report needs 'sensorium[report]'")
    words = ["report", str(made.run), str(made.table), "--no-rows", "--time-limit", "5", "-o", str(tmp_path / "r.html")]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    html = (tmp_path / "r.html").read_text()
    shown = re.sub(r"<script>.*?</script>", "", html, flags=re.DOTALL)
    assert "PHONE" not in shown
    assert "data:image/png" not in shown
    assert "were asked not to be shown" in html


def test_rows_that_the_page_serves_are_clean(made):
    predictor = sm.load(made.run)
    from sensorium.serving.engine import Engine
    from sensorium.serving.options import Options

    engine = Engine.__new__(Engine)
    engine.predictor, engine.options = predictor, Options()
    from sensorium.media.limits import LIMITS
    from sensorium.serving.fields import fields_of
    from sensorium.serving.schema import RunSchema

    engine.limits = LIMITS
    engine.schema = RunSchema(fields_of(predictor.readers, (), 1000), 10)
    rows = example_rows(engine, 2)
    assert len(rows) == 2
    for row in rows:
        assert "[PHONE] or [EMAIL]" in row["cells"]["note"]
        (file,) = row["cells"]["photo"]
        assert held(base64.b64decode(file["data"])) == []


def test_problems_name_rows_and_not_their_contents(made, tmp_path):
    (tmp_path / "t.csv").write_text("photo,note\nSECRETPLACE/no.jpg,call 13812345678 " + "word " * 200 + "\n")
    said, predictor = [], sm.load(made.run)
    predictor.predict(tmp_path / "t.csv", say=said.append)
    assert any("'photo': 1 row" in line for line in said)
    assert "13812345678" not in "\n".join(said) + predictor.problems.frame().to_csv()


def test_predict_redacts_for_a_run_that_does_not(made, tmp_path):
    plain, said = made.folder / "plain", []
    config = {**CONFIG, "inputs": {"note": CONFIG["inputs"]["note"]}}
    sm.fit(made.table, "label", config=config, out=plain, say=said.append, **QUICK)
    clean = pd.read_csv(made.table).assign(
        note=lambda t: [n.split(",")[0] + ", call [PHONE] or [EMAIL]" for n in t["note"]]
    )
    clean.to_csv(made.folder / "clean.csv", index=False)
    answers = {}
    for name, more in (("table", ["--redact"]), ("clean", []), ("table.raw", [])):
        table, output = made.folder / f"{name.split('.')[0]}.csv", tmp_path / f"{name}.csv"
        done = CliRunner().invoke(app, ["predict", str(plain), str(table), "-o", str(output), *more])
        assert done.exit_code == 0, done.output
        answers[name] = pd.read_csv(output)["label_yes"].to_numpy()
    assert answers["table"] == pytest.approx(answers["clean"], abs=1e-6)
    assert not np.allclose(answers["table"], answers["table.raw"], atol=1e-6)


def test_inspect_says_how_much_is_replaced(made):
    done = CliRunner().invoke(app, ["inspect", str(made.table), "--as", "note=text", "--redact"])
    assert done.exit_code == 0, done.output
    assert "redacted: column 'note': email 24, phone 24" in done.output


def test_redaction_needs_texts_and_this_machine(made):
    plain = made.folder / "photos"
    config = {**CONFIG, "inputs": {"photo": CONFIG["inputs"]["photo"]}}
    sm.fit(made.table, "label", config=config, out=plain, **QUICK)
    for words, message in (
        ([], "redact is for texts, and none is read: the inputs are photo"),
        (["--cluster", "local"], "--redact can't go with --cluster"),
    ):
        done = CliRunner().invoke(app, ["predict", str(plain), str(made.table), "-o", "x.csv", "--redact", *words])
        assert isinstance(done.exception, ConfigError)
        assert message in str(done.exception)
