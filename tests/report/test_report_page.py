"""The page's content: numbers as known from elsewhere, every kind of target, and runs whose rows are gone."""

import builtins
import json
import re
import sys
from html import unescape

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import auc, confusion_matrix, roc_auc_score

import sensorium as sm
from sensorium.data.table import read_table
from sensorium.errors import ConfigError, DataError
from sensorium.report.facts import gather
from sensorium.report.sections import SECTIONS
from sensorium.report.sections.rows import MOST
from sensorium.report.words import WORDS

CONFIG = {
    "inputs": {"note": {"modality": "text"}, "columns": {"columns": ["age", "shop"]}},
    "fusion": {"type": "gated", "width": 16},
    "training": {"epochs": 2, "batch_size": 8, "precision": "32", "wide": False, "probes": False},
    "balance": {"method": "none"},
}


@pytest.fixture(scope="module")
def three(table):
    """A run of three targets: two classes, a number, labels."""
    config = {**CONFIG, "targets": {"label": {}, "price": {"task": "regression"}, "tags": {"task": "multilabel"}}}
    return sm.fit(table, config=config)


@pytest.fixture(scope="module")
def page(three, table):
    return three.report(table, title="three").html


def sections(html: str) -> dict[str, str]:
    """What stands in each section."""
    found = dict(re.findall(r'<section id="(\w+)">(.*?)</section>(?=<section id=|</main>)', html, re.DOTALL))
    assert list(found) == list(SECTIONS)
    return found


def figures(html: str) -> dict[str, dict]:
    """Each figure's data by what it shows; of several of one name, the first."""
    found = re.findall(
        r'aria-label="([^"]*)" style="[^"]*"></div><script type="application/json">(.*?)</script>', html, re.DOTALL
    )
    return {unescape(label): json.loads(told) for label, told in reversed(found)}


def test_the_confusion_matrix_and_the_roc_curve_are_scikit_learns(three, table, page):
    drawn = figures(sections(page)["errors"])
    answers, truth = three.answers(read_table(table)), pd.read_csv(table)["label"]
    (heat,) = drawn["Confusion matrix"]["data"]
    assert heat["text"] == confusion_matrix(truth, answers["label"], labels=["no", "yes"]).tolist()
    assert drawn["Confusion matrix"]["layout"]["xaxis"]["ticktext"] == ["no", "yes"]
    (curve,) = drawn["ROC curves"]["data"]
    area = roc_auc_score(truth == "yes", answers["label_yes"])
    assert auc(curve["x"], curve["y"]) == pytest.approx(area, abs=1e-4)
    assert f"{area:.3f}" in sections(page)["errors"]


def test_residuals_are_answers_less_the_truth(three, table, page):
    drawn = figures(sections(page)["errors"])
    answers, truth = three.answers(read_table(table))["price"].to_numpy(), pd.read_csv(table)["price"].to_numpy()
    (points,) = drawn["Residuals"]["data"]
    assert points["y"] == pytest.approx(answers - truth, rel=1e-4)
    (beside,) = drawn["Answer beside truth"]["data"]
    assert beside["x"] == pytest.approx(truth, rel=1e-4, abs=1e-4)
    assert beside["customdata"] == list(range(1, 41))
    (bars,) = drawn["How large the residuals are"]["data"]
    assert sum(bars["y"]) == 40


def test_the_scores_are_those_of_evaluate(three, table, page):
    told = three.evaluate(table)
    for name, score in told["metrics"].items():
        metric = name.partition(".")[2]
        row = f'<th scope="row">{metric}</th><td>{score["value"]:.3f}</td><td>{score["low"]:.3f} – {score["high"]:.3f}</td>'
        assert row in sections(page)["score"]
    assert "always the same answer would have 0.500" in sections(page)["glance"]


def test_every_target_has_its_part(page):
    for name, html in sections(page).items():
        if name in {"score", "errors", "calibration", "robustness", "importance"}:
            assert re.findall(r'<h3 class="target">(label|price|tags)</h3>', html) == ["label", "price", "tags"]


def test_the_curves_are_those_of_the_history(three, page):
    loss, *_ = (figure for label, figure in figures(sections(page)["curves"]).items() if label == "Loss")
    assert [trace["name"] for trace in loss["data"]] == ["training", "validation"]
    assert loss["data"][1]["y"] == pytest.approx(three.history["valid_loss"], rel=1e-4)
    assert len({trace["line"]["dash"] for trace in loss["data"]}) == 2  # told apart without colour, too


def test_the_robustness_and_the_importance_are_those_of_the_predictor(three, table, page):
    told = three.robustness(table)["targets"]["label"]
    points = figures(sections(page)["robustness"])["Every subset of the inputs"]["data"][2]
    assert points["x"] == pytest.approx(sorted((one["score"] for one in told["subsets"]), reverse=True), rel=1e-4)
    overview = three.overview(table, "label").importance.sort_values("size", ascending=False)
    bars = figures(sections(page)["importance"])["moves the answer by"]["data"][0]
    assert bars["customdata"] == overview["input"].tolist()
    assert bars["x"] == pytest.approx(overview["size"], rel=1e-4)


def test_rows_are_explained(page):
    html = sections(page)["rows"]
    count = html.count('<details class="row"')
    assert 6 <= count <= 12
    assert html.count("<summary>") == count
    assert "Sure and right" in html


def test_nothing_but_its_own_scripts_may_run(page):
    policy = unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1])
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-inline" not in policy.partition("style-src")[0]
    assert len(re.findall(r"<script>", page.partition("</main>")[2])) == 2
    assert 'href="http' not in page.partition("<script>")[0]
    assert len(page.encode()) < 10e6


def test_in_chinese(three, table):
    html = three.report(table, language="zh").html
    assert '<html lang="zh-Hans">' in html
    text = re.sub(r"<[^>]*>", " ", sections(html)["glance"] + sections(html)["score"])
    assert WORDS["score.metric"][1] in text
    told = sections(html)
    for name in SECTIONS:
        assert f"<h2>{WORDS[f'section.{name}'][1]}</h2>" in told[name]
        assert f"<h2>{WORDS[f'section.{name}'][0]}</h2>" not in told[name]


def test_without_rows_it_says_so_and_shows_what_the_run_knows(three, table, tmp_path):
    rows = pd.read_csv(table)[["note", "age", "shop", "label"]]
    predictor = sm.fit(rows, "label", config=CONFIG)
    told = sections(predictor.report().html)
    for name in ("errors", "calibration", "robustness", "importance", "rows"):
        assert "The run does not know which rows it was validated with" in told[name]
        assert "sensorium report RUN TABLE" in told[name]
    accuracy = predictor.metrics["targets"]["label"]["valid"]["accuracy"]
    assert f"<td>{accuracy['value']:.3f}</td>" in told["score"]
    assert "The 6 validation rows of the fit" in told["score"]


def test_rows_of_the_fit_are_found_again_and_a_file_that_is_gone_is_named(table, tmp_path):
    path = tmp_path / "rows.csv"
    pd.read_csv(table)[["note", "age", "shop", "label"]].to_csv(path, index=False)
    sm.fit(path, "label", config=CONFIG, out=tmp_path / "run")
    told = sections(sm.load(tmp_path / "run").report().html)
    assert "the report is on the 6 rows of rows.csv that the run was validated with" in told["glance"]
    assert "Confusion matrix" in told["errors"]
    assert "Leaks and duplicates" in told["problems"]
    path.unlink()
    lines = []
    html = sm.load(tmp_path / "run").report(say=lines.append).html
    assert f"there is no {path} any more." in lines
    assert "the file rows.csv is not where it was" in sections(html)["errors"]
    assert str(tmp_path) not in html  # where files lay is nobody's business whom the page is sent to


def test_of_a_pretrained_run_there_are_no_answers(table):
    config = {**CONFIG, "pretraining": {}}
    predictor = sm.pretrain(table, config={key: config[key] for key in ("inputs", "fusion")}, epochs=1, precision="32")
    told = sections(predictor.report(table).html)
    assert "note → columns" in told["score"]
    for name in ("errors", "calibration", "robustness", "importance", "rows"):
        assert "The run was pretrained, without a target" in told[name]
    assert "Loss" in told["curves"]


def test_of_texts_there_is_a_score_and_no_explanation(tmp_path):
    """Those need Transformers."""
    pytest.importorskip("transformers", reason="pretrained encoders need 'sensorium[pretrained]'")
    from tiny_language import write_language

    rows = pd.DataFrame({"size": [str(n % 2) for n in range(24)], "said": ["a red one", "a blue one"] * 12})
    model = write_language(tmp_path / "tiny", rows["said"])
    config = {"inputs": {"size": {"modality": "categorical"}}, "targets": {"said": {"model": str(model)}}, "fusion": {"width": 16},
              "training": {"epochs": 1, "probes": False, "precision": "32"}}  # fmt: skip
    told = sections(sm.fit(rows, config=config).report(rows).html)
    assert "chrf" in told["score"]
    assert "Answers that are texts have no one number to explain" in told["importance"]
    assert "no classes or numbers to compare" in told["errors"]
    assert "Every subset of the inputs" in told["robustness"]


def test_media_that_are_gone_are_told_of_at_the_top(run, table, tmp_path):
    found = sm.load(run).report(pd.read_csv(table), media_root=tmp_path, time_limit=1)
    assert "Column 'photo' can&#x27;t be read in 32 of 40 rows".replace("'", "&#x27;") in sections(found.html)["glance"]


def test_many_classes_are_drawn_as_twenty_and_the_rest(table, tmp_path):
    random = np.random.default_rng(0)
    rows = pd.DataFrame({"size": random.normal(size=120).round(3), "kind": [f"class {n % 24:02}" for n in range(120)]})
    config = {"inputs": {"columns": {"columns": ["size"]}}, "training": {"epochs": 1, "wide": False, "probes": False}}
    predictor = sm.fit(rows, "kind", config=config)
    drawn = figures(sections(predictor.report(rows).html)["errors"])
    (heat,) = drawn["Confusion matrix"]["data"]
    assert np.array(heat["text"]).shape == (21, 21)
    assert np.sum(heat["text"]) == 120
    assert drawn["Confusion matrix"]["layout"]["xaxis"]["ticktext"][-1] == "4 others"
    assert len(drawn["ROC curves"]["data"]) == 6


def test_a_page_that_would_grow_too_large_leaves_out_what_is_inside(three, table, monkeypatch):
    assert MOST < 5e6
    monkeypatch.setattr(sys.modules["sensorium.report.sections.rows"], "MOST", 12_000)  # the name is the function's
    html = sections(three.report(table).html)["rows"]
    assert "Shown without what is inside their inputs" in html


def test_without_captum_rows_are_explained_by_their_inputs_alone(three, table, monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name.startswith("captum"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    html = sections(three.report(table).html)["rows"]
    assert "Sure and right" in html
    assert "pip install &#x27;sensorium[explain]&#x27;" in html


def test_a_notebook_shows_it_in_a_frame(three, table):
    found = three.report(table)
    assert unescape(re.search(r'<iframe srcdoc="([^"]*)"', found._repr_html_())[1]) == found.html


def test_it_is_known_at_once_what_can_not_be(three, table):
    with pytest.raises(ConfigError, match=r"unknown language 'de'\. There are: en, zh"):
        three.report(table, language="de")
    with pytest.raises(DataError, match="has no column 'label' to evaluate against"):
        three.report(pd.read_csv(table)[["note", "age"]])


def test_validation_rows_are_answered_as_when_they_were_scored(table, tmp_path):
    """The linear part has learned from them since; other rows get its answers."""
    config = {**CONFIG, "training": {**CONFIG["training"], "wide": True}}
    big = pd.concat([pd.read_csv(table)] * 4, ignore_index=True)
    big.to_csv(tmp_path / "big.csv", index=False)
    run = sm.fit(tmp_path / "big.csv", "label", config=config, ignore=["price", "tags"])
    assert run.metrics["refit"]
    facts = gather(run, None, "", 0.1, 0, lambda _: None)
    measured = run.metrics["targets"]["label"]["valid"]
    assert {name: facts.scores["metrics"][name]["value"] for name in measured} == pytest.approx(
        {name: score["value"] for name, score in measured.items()}
    )
    with run.model.as_measured():
        before = run.answers(facts.found.table)
    np.testing.assert_array_equal(facts.said["label"].shares, before[["label_no", "label_yes"]])
    assert not run.answers(facts.found.table).equals(before)
    assert gather(run, facts.found.table, "", 0.1, 0, lambda _: None).said["label"].shares != pytest.approx(
        facts.said["label"].shares
    )
