"""Every command, as a user types it."""

import json
import re
import subprocess
import sys
from functools import partial

import numpy as np
import pandas as pd
import pytest
import yaml

import sensorium as sm
from sensorium.evaluation.alone import compare_alone


def test_help_loads_neither_torch_nor_the_rest(sensorium):
    code = """
import sys
from sensorium.cli import app
try:
    app(["--help"])
except SystemExit as end:
    heavy = {"torch", "lightning", "pandas", "numpy", "sklearn", "av"} & set(sys.modules)
    print("code", end.code, "heavy", sorted(heavy))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("code 0 heavy []")
    for command in (
        "import",
        "inspect",
        "init",
        "check",
        "pretrain",
        "fit",
        "adapt",
        "compare",
        "evaluate",
        "predict",
        "anomaly",
        "embed",
        "index",
        "search",
        "summary",
        "diagram",
        "example",
    ):
        assert f"  {command}" in done.stdout
        assert "Example: sensorium " + command in sensorium(command, "--help")[1]


def test_fit_evaluate_predict_as_spelt(sensorium, table, config, tmp_path):
    path, run = tmp_path / "config.yaml", tmp_path / "run"
    path.write_text(yaml.safe_dump(json.loads(json.dumps(config))))
    code, out, err = sensorium(
        "fit", table, "--target", "label", "--out", run, "--valid", table, "--config", path, "--set", "fusion.width=16",
        "--epochs", 1, "--seed", 3, "--time-limit", 120, "--ignore", "price", "--ignore", "tags", "--as", "note=text",
        "--resume", "--log", "csv", "--json",
    )  # fmt: skip
    assert code == 0, err
    found = json.loads(out)
    assert found["run"] == str(run)
    assert list(pd.read_csv(run / "logs" / "epochs.csv")["epoch"]) == [1]
    written = yaml.safe_load((run / "config.yaml").read_text())
    assert (written["fusion"]["width"], written["training"]["epochs"], written["training"]["seed"]) == (16, 1, 3)

    code, _, err = sensorium("fit", table, "--target", "label", "--out", tmp_path / "other", "--preset", "fats")
    assert (code, "unknown preset 'fats'. Did you mean 'fast'?" in err) == (2, True)

    code, out, _ = sensorium("evaluate", run, table, "--json")
    assert code == 0
    for score in json.loads(out)["metrics"].values():
        assert score["low"] <= score["value"] <= score["high"]

    answers = tmp_path / "answers.csv"
    assert sensorium("predict", run, table, "-o", answers)[0] == 0
    rows = pd.read_csv(answers)
    assert list(rows.columns) == ["label", "label_no", "label_yes"]
    assert len(rows) == 40
    assert (rows["label"] == rows[["label_no", "label_yes"]].idxmax(axis=1).str.removeprefix("label_")).all()
    before = (run / "run.json").read_bytes()
    assert sensorium("fit", table, "--target", "label", "--out", run)[0] == 2
    assert (run / "run.json").read_bytes() == before


def test_adapt_as_spelt(sensorium, run, table, tmp_path):
    code, out, err = sensorium(
        "adapt", run, table, "--out", tmp_path / "adapted", "--train", "heads", "--epochs", 1, "--no-probes", "--json"
    )
    assert code == 0, err
    assert json.loads(out)["start"]["train"] == "heads"
    assert sensorium("predict", tmp_path / "adapted", table, "-o", tmp_path / "answers.csv")[0] == 0
    code, _, err = sensorium("adapt", run, table, "--out", tmp_path / "other", "--train", "head")
    assert code == 2
    assert "unknown value 'head'" in err
    assert not (tmp_path / "other").exists()


def test_pretrain_fit_from_and_anomaly_as_spelt(sensorium, table, config, tmp_path):
    path, run = tmp_path / "config.yaml", tmp_path / "pretrained"
    small = {**config, "inputs": {"note": {"modality": "text"}, "pose": {"modality": "vector"}}}
    path.write_text(yaml.safe_dump(json.loads(json.dumps(small))))
    code, out, err = sensorium(
        "pretrain", table, "--out", run, "--config", path, "--set", "pretraining.size=8", "--epochs", 1, "--seed", 3,
        "--time-limit", 120, "--ignore", "label", "--as", "note=text", "--valid", table, "--resume", "--json",
    )  # fmt: skip
    assert code == 0, err
    (pair,) = json.loads(out)["pretraining"]["recall"]
    assert (pair["inputs"], pair["rows"], pair["chance"]) == (["note", "pose"], 40, 1 / 40)
    assert yaml.safe_load((run / "config.yaml").read_text())["pretraining"]["size"] == 8
    code, out, err = sensorium("pretrain", table, "--out", tmp_path / "other", "--config", path, "--epochs", 1)
    assert re.search(r"note \+ pose +\d\.\d{3} +0\.\d{3} +6", out)
    assert f"Saved to {tmp_path / 'other'}." in out

    scores = tmp_path / "scores.csv"
    assert sensorium("anomaly", run, table, "-o", scores)[0] == 0
    assert list(pd.read_csv(scores).columns) == ["anomaly", "anomaly_note", "anomaly_pose"]
    found = json.loads(sensorium("anomaly", run, table, "--json")[1])
    np.testing.assert_allclose([row["anomaly"] for row in found], pd.read_csv(scores)["anomaly"])
    code, _, err = sensorium("anomaly", run, table)
    assert (code, "give a file to write to with -o FILE, or --json." in err) == (2, True)
    code, _, err = sensorium("predict", run, table, "--json")
    assert (code, "sensorium fit TABLE --target COLUMN --from RUN --out ANOTHER" in err) == (2, True)
    assert sensorium("summary", run)[0] == sensorium("diagram", run)[0] == 0

    code, out, err = sensorium(
        "fit", table, "--target", "label", "--from", run, "--ignore", "price", "--ignore", "tags", "--out", tmp_path / "run",
        "--epochs", 1, "--config", path, "--no-probes",
    )  # fmt: skip
    assert code == 0, err
    assert f"taken from {run}: 'note', 'pose', the fusion." in err
    code, _, err = sensorium("anomaly", tmp_path / "run", table, "--json")
    assert (code, "this run can't tell strange rows" in err) == (2, True)


def test_compare_as_spelt(sensorium, table, config, tmp_path):
    path, out = tmp_path / "config.yaml", tmp_path / "comparison"
    test = tmp_path / "test.csv"
    pd.read_csv(table, dtype=str).tail(30).to_csv(test, index=False)
    small = {**config, "inputs": {"note": {"modality": "text"}, "pose": {"modality": "vector"}}}
    path.write_text(yaml.safe_dump(json.loads(json.dumps(small))))
    words = (
        "compare", table, "--target", "label", "--out", out, "--test", test, "--config", path, "--set", "fusion.width=8",
        "--epochs", 1, "--seed", 3, "--seeds", 1, "--time-limit", 300, "--jobs", 1, "--fusions", "mean,gated",
        "--ignore", "price", "--as", "note=text",
    )  # fmt: skip
    code, printed, err = sensorium(*words)
    assert code == 0, err
    found = json.loads((out / "comparison.json").read_text())
    assert len(found["cells"]) == 3 * 3 + 3 + 2 + 2
    assert f"accuracy {found['majority']:.3f}" in printed
    for cell in found["cells"]:
        inputs = "all" if "+" in cell["inputs"] else cell["inputs"]
        kind = " +".join([rf"{cell['generation']} +{re.escape(cell['model'])}", inputs, cell["fusion"]]).strip(" +")
        ends = rf"{cell['score']:.3f} +{cell['low']:.3f} to {cell['high']:.3f}"
        assert re.search(rf"{kind} +{ends} +{cell['seconds']:.1f} +{cell['parameters']:,} +{cell['standing']}", printed)
    assert found["sentence"] in printed
    assert f"Saved to {out}: comparison.csv, comparison.json, comparison.svg, answers.csv." in printed
    assert "16 cells, each answering 30 rows" in err
    code, printed, err = sensorium(*words, "--json")
    assert json.loads(printed) == found
    assert err.count("done before") == len(found["cells"])
    code, _, err = sensorium(*words, "--folds", 2)
    assert code == 2
    assert "folds can't go with rows to test with" in err
    assert "unknown fusion 'mena'. Did you mean 'mean'?" in sensorium(*words[:4], "--fusions", "mena")[2]
    assert "--split-by" in sensorium("compare", "--help")[1]


def test_inspect_init_and_check(sensorium, table, tmp_path):
    code, out, _ = sensorium("inspect", table, "--target", "label", "--json")
    assert code == 0
    kinds = {column["name"]: column["modality"] for column in json.loads(out)["columns"]}
    assert kinds == {
        "photo": "image", "call": "audio", "clip": "video", "note": "text", "pose": "vector", "age": "numeric",
        "shop": "categorical", "label": "boolean", "price": "numeric", "tags": "categorical",
    }  # fmt: skip
    assert "the table" not in out
    assert "photo" in sensorium("inspect", table)[1]
    path = tmp_path / "config.yaml"
    assert sensorium("init", table, "--target", "label", "--ignore", "clip", "-o", path)[0] == 0
    assert set(yaml.safe_load(path.read_text())) == {
        "inputs", "fusion", "targets", "imbalance", "balance", "domain", "split", "pretraining", "privacy", "training", "limits",
    }  # fmt: skip
    code, out, err = sensorium("check", table, "--config", path, "--json")
    assert code == 0, err
    assert json.loads(out)["batch"] == 8


def test_summary_and_diagram(sensorium, run, tmp_path):
    code, out, _ = sensorium("summary", run, "--json")
    assert code == 0
    parts = json.loads(out)
    assert {"part", "kind", "layer", "parameters", "input", "output", "flops"} == set(parts[0])
    out = sensorium("summary", run)[1]
    assert re.search(r"photo +ImageCNN +[\d,]+ +\(B, 3, 16, 16\) +\(B, 16, 32\) +\d[\d.]* k", out)
    assert sensorium("diagram", run)[1].startswith("graph LR")
    assert json.loads(sensorium("diagram", run, "--json")[1])["mermaid"].startswith("graph LR")
    code, out, err = sensorium("diagram", run, "--svg", tmp_path / "network.svg")
    assert (code, out, err) == (0, "", f"written to {tmp_path / 'network.svg'}.\n")
    assert (tmp_path / "network.svg").read_text().startswith("<svg ")


def test_what_people_read(sensorium, table, run):
    code, out, err = sensorium("evaluate", run, table)
    assert code == 0
    assert "Traceback" not in err
    found = json.loads(sensorium("evaluate", run, table, "--json")[1])
    for name, score in found["metrics"].items():
        assert re.search(rf"{name} +" + " +".join(f"{score[key]:.4f}" for key in ("value", "low", "high")), out)
    assert out.endswith("40 rows; 0 left out.\n")
    out = sensorium("summary", run)[1]
    total = sum(part["parameters"] for part in json.loads(sensorium("summary", run, "--json")[1]))
    assert f"\n{total:,} parameters, " in out
    assert out.endswith(" FLOPs a row\n")
    rows = json.loads(sensorium("predict", run, table, "--json")[1])
    assert len(rows) == 40
    assert {row["label"] for row in rows} <= {"yes", "no"}
    assert yaml.safe_load(sensorium("init", table, "--target", "label")[1])["fusion"]["type"] == "gated"
    assert re.search(
        r"one batch of 8 rows gives a loss of \d\.\d{3}; [\d,]+ parameters; \d+ of its cells can't be used. All is well",
        sensorium("check", table, "--target", "label", *(f"--ignore={name}" for name in ("photo", "call", "clip")))[1],
    )


def test_sets_beside_the_answers(sensorium, table, run, tmp_path):
    path = tmp_path / "answers.csv"
    code, _, err = sensorium("predict", run, table, "--coverage", 0.8, "-o", path)
    assert code == 0, err
    rows = pd.read_csv(path)
    assert set(rows.columns) == {"label", "label_set", "label_no", "label_yes"}
    assert all(answer in found.split("|") for answer, found in zip(rows["label"], rows["label_set"], strict=True))
    told = json.loads(sensorium("evaluate", run, table, "--json")[1])["trust"]["label"]
    out = sensorium("evaluate", run, table)[1]
    covered, size = told["sets"]["covered"], told["sets"]["size"]
    assert f"label: sets for 90% hold the truth in {covered:.1%} of the rows; {size:.2f} classes on average.\n" in out


def test_an_interval_without_ends_is_null(sensorium, tmp_path):
    random = np.random.default_rng(0)
    rows = {"a": random.normal(size=(30, 2)), "price": random.normal(size=30)}
    sm.fit(rows, "price", out=tmp_path / "run", epochs=1, probes=False, precision="32")
    (tmp_path / "new.jsonl").write_text('{"a": [0.5, 1]}\n')
    code, out, err = sensorium("predict", tmp_path / "run", tmp_path / "new.jsonl", "--coverage", 0.9, "--json")
    assert code == 0
    (row,) = json.loads(out, parse_constant=pytest.fail)
    assert (row["price_low"], row["price_high"]) == (None, None)
    assert re.search(r"target 'price': \d validation rows are too few for a coverage of 0.9; every interval is", err)
    (row,) = json.loads(sensorium("predict", tmp_path / "run", tmp_path / "new.jsonl", "--coverage", 0.5, "--json")[1])
    assert row["price_low"] < row["price"] < row["price_high"]


def test_scores_to_a_file(sensorium, table, run, tmp_path):
    found = json.loads(sensorium("evaluate", run, table, "--json", "-o", tmp_path / "scores.json")[1])
    assert json.loads((tmp_path / "scores.json").read_text()) == found
    assert sensorium("evaluate", run, table, "-o", tmp_path / "scores.csv")[0] == 0
    rows = pd.read_csv(tmp_path / "scores.csv").set_index("metric")
    assert rows["value"].to_dict() == pytest.approx({name: score["value"] for name, score in found["metrics"].items()})


def test_robustness(sensorium, table, run, tmp_path):
    given = ["evaluate", run, table, "--robustness", "--seed", 1]
    code, out, err = sensorium(*given, "--json", "-o", tmp_path / "scores.csv")
    assert code == 0, err
    found = json.loads(out)
    inputs = found["targets"]["label"]["inputs"]
    kinds = {name: set(told["curves"]) for name, told in inputs.items()}
    pictures, sounds = {"blur", "noise", "jpeg", "occlusion"}, {"white noise", "babble"}
    assert kinds == {
        "photo": pictures, "call": sounds, "clip": {"frozen frames"}, "clip_sound": sounds,
        "note": {"typos", "dropped words"}, "pose": {"noise"}, "columns": {"permuted"},
    }  # fmt: skip
    assert (found["rows"], found["seed"]) == (40, 1)
    scores = pd.read_csv(tmp_path / "scores.csv")
    assert (scores["kind"] == "curve").sum() == 5 * sum(map(len, kinds.values()))
    out = sensorium(*given, "--time-limit", 0)[1]
    assert "32 of 40 rows, in " in out  # one batch, whatever the limit
    for words in (
        "label: accuracy ",
        "half of the rows without it",
        "inputs present",
        "0.05, 0.1, 0.2, 0.4 share of characters",
    ):
        assert words in out


def test_scores_by_a_column(sensorium, table, run, tmp_path):
    code, out, _ = sensorium("evaluate", run, table, "--by", "shop", "--output", tmp_path / "scores.csv")
    assert code == 0
    lines = [line.split() for line in out.split("\n")]
    assert ["shop", "rows", "accuracy", "macro_f1", "balanced_accuracy", "log_loss"] in lines
    by = json.loads(sensorium("evaluate", run, table, "--by", "shop", "--json")[1])["by"]
    assert list(by["groups"]) == ["north", "south", "west"]
    for name, group in by["groups"].items():
        (line,) = [line for line in lines if line[:1] == [name]]
        assert line[1:3] == [str(group["rows"]), f"{group['metrics']['accuracy']['value']:.3f}"]
        assert (line[-1] == "worst") == (name == by["worst"])
    scores = pd.read_csv(tmp_path / "scores.csv").set_index(["of", "metric"])
    found = by["groups"]["west"]["metrics"]["log_loss"]
    assert scores.loc[("shop=west", "log_loss"), ["value", "low", "high"]].tolist() == pytest.approx(
        list(found.values())
    )
    assert scores.loc[("all", "accuracy"), "rows"] == 40
    code, _, err = sensorium("evaluate", run, table, "--by", "shop", "--robustness")
    assert (code, "--by can't go with --robustness" in err) == (2, True)


def test_a_fit_of_domains_each_kept_out_once(sensorium, tmp_path):
    random = np.random.default_rng(0)
    a, who = random.normal(size=48), ["ada", "eve", "theo"] * 16
    frame = pd.DataFrame({"a": [f"[{x}, {x}]" for x in a], "who": who, "label": np.where(a > 0, "yes", "no")})
    frame.to_csv(tmp_path / "table.csv", index=False)
    frame.assign(who="max")[["a", "who"]].to_csv(tmp_path / "more.csv", index=False)
    code, out, err = sensorium(
        "fit", tmp_path / "table.csv", "--target", "label", "--out", tmp_path / "run", "--split-by", "who", "--folds", "each",
        "--domain", "who", "--unlabelled", tmp_path / "more.csv", "--epochs", 1, "--set", "domain.method=mmd",
        "--set", "training.precision=32", "--no-probes",
    )  # fmt: skip
    assert code == 0
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert (metrics["domain"]["method"], metrics["domain"]["unlabelled"]) == ("mmd", {"max": 48})
    lines = [line.split() for line in out.split("\n")]
    for name, value in zip(("ada", "eve", "theo"), metrics["folds"]["metrics"]["accuracy"]["values"], strict=True):
        (line,) = [line for line in lines if line[:1] == [name]]
        assert line[:3] == [name, "16", f"{value:.3f}"]
    assert "fold 1 of 3, without 'ada': done" in err


def test_a_fit_shows_the_fused_score_beside_all_it_is_compared_with(sensorium, tmp_path, monkeypatch):
    with_time = partial(compare_alone, budget=1e6)  # on a busy machine some of it would be skipped
    monkeypatch.setattr("sensorium.training.measure.compare_alone", lambda *given: with_time(*given[:-1]))
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, 60))
    frame = pd.DataFrame({"a": [f"[{x}, {x}]" for x in a], "b": [f"[{x}, {x}]" for x in b], "price": a + b})
    frame.to_csv(tmp_path / "table.csv", index=False)
    given = ["fit", tmp_path / "table.csv", "--target", "price", "--out", tmp_path / "run", "--epochs", 3]
    code, out, err = sensorium(*given, "--set", "training.precision=32")
    assert code == 0
    found = json.loads((tmp_path / "run" / "metrics.json").read_text())["targets"]["price"]

    def cells(first):
        (line,) = [line for line in out.split("\n") if line.strip().startswith(first + "  ")]
        return line.split()[len(first.split()) :]

    assert "price: r2 on validation rows" in out
    assert cells("fused")[0] == f"{found['valid']['r2']['value']:.3f}"
    assert cells("mean") == [f"{found['majority']['r2']['value']:.3f}"]
    for name in "ab":
        assert cells(f"{name} alone") == [f"{found[k][name]['r2']['value']:.3f}" for k in ("alone", "probes", "floors")]
    assert cells("all, classical") == ["-", "-", f"{found['floors']['all']['r2']['value']:.3f}"]
    assert out.endswith(f"on the comparison. Saved to {tmp_path / 'run'}.\n")
    told = r"epoch 3/3  step \d+/21  loss \d+\.\d{3}  \d+:\d\d left at most  validation loss \d+\.\d{3} .*  r2 -?\d+\.\d{3}  "
    assert re.search(told + r"[\d,]+ rows/s  \d+% of the time waiting for data\n", err)


def test_a_fit_with_folds_and_groups_as_spelt(sensorium, tmp_path):
    random = np.random.default_rng(0)
    a = random.normal(size=36)
    who = [f"nobody special, just number {row // 3}" for row in range(36)]
    frame = pd.DataFrame({"a": a, "who": who, "day": np.arange(36), "label": np.where(a > 0, "yes", "no")})
    frame.to_csv(tmp_path / "table.csv", index=False)
    given = ["fit", tmp_path / "table.csv", "--target", "label", "--epochs", 1, "--no-probes"]
    run = tmp_path / "run"
    code, out, err = sensorium(*given, "--out", run, "--folds", 3, "--split-by", "who")
    assert code == 0, err
    answers = pd.read_csv(run / "out_of_fold.csv")
    assert list(answers.columns) == ["row", "fold", "label", "label_no", "label_yes"]
    assert answers["row"].tolist() == list(range(1, 37))
    assert answers.groupby(np.arange(36) // 3)["fold"].nunique().tolist() == [1] * 12
    written = yaml.safe_load((run / "config.yaml").read_text())
    assert written["split"] == {"by": "who", "duplicates": "bytes", "folds": 3}
    assert written["inputs"]["columns"]["columns"] == ["a", "day"]
    over = json.loads((run / "metrics.json").read_text())["folds"]["metrics"]["accuracy"]
    wanted = f"{over['mean']:.3f} +{over['spread']:.3f} +" + re.escape(f"[{over['low']:.3f}, {over['high']:.3f}]")
    assert re.search(f"accuracy +{wanted}", out)
    assert f"The answers of each fold are in {run / 'out_of_fold.csv'}; the saved model learned from all rows." in out
    for part in ("fold 1 of 3", "fold 3 of 3", "all rows"):
        assert re.search(rf"{part}  epoch 1/1  step \d+/\d+  loss ", err)

    assert sensorium(*given, "--out", tmp_path / "time", "--split-time", "day", "--json")[0] == 0
    written = yaml.safe_load((tmp_path / "time" / "config.yaml").read_text())
    assert written["split"] == {"time": "day", "duplicates": "bytes"}
    assert "day" not in written["inputs"]["columns"]["columns"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fit", "TABLE", "--target", "label", "--out", "r", "--split-by", "shp"], "split.by: table.csv has no column 'shp'. Did you mean 'shop'?"),
        (["fit", "TABLE", "--target", "label", "--out", "r", "--folds", "50", "--set", "split.duplicates=none"], "there are 40 rows, too few for 50 folds. Take --folds 40, or fewer."),
        (["fit", "TABLE", "--target", "lable", "--out", "r"], "has no column 'lable' to be the target. Did you mean 'label'?"),
        (["fit", "gone.csv", "--target", "x", "--out", "r"], "cannot read gone.csv: there is no such file"),
        (["inspect", "TABLE", "--as", "photo=imgae"], "unknown modality 'imgae'. Did you mean 'image'?"),
        (["inspect", "TABLE", "--as", "photo"], "--as must be COLUMN=MODALITY, such as photo=image; got 'photo'."),
        (["check", "TABLE", "--target", "label", "--set", "fusion.type=gatd"], "unknown fusion 'gatd'. Did you mean 'gated'?"),
        (["evaluate", "nowhere", "TABLE"], "cannot load nowhere: there is no such folder"),
        (["predict", "nowhere", "TABLE"], "give a file to write to with -o FILE, or --json."),
        (["predict", "RUN", "TABLE", "--json", "--coverage", "90"], "coverage must be above 0 and below 1, such as 0.9; got 90."),
        (["evaluate", "RUN", "TABLE", "-o", "scores.txt"], "cannot write scores.txt: '.txt' must be one of .csv"),
        (["fit", "TABLE", "--target", "label", "--out", "r", "--log", "cvs"], "log: unknown logger 'cvs'. Did you mean 'csv'?"),
        (["example", "dmo"], "unknown example 'dmo'. Did you mean 'demo'?"),
    ],
)  # fmt: skip
def test_mistakes_exit_with_2_and_a_message(sensorium, table, run, words, message):
    code, out, err = sensorium(*[{"TABLE": table, "RUN": run}.get(word, word) for word in words])
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert message in err
