"""Explanations of single rows: of functions that are written down, and through the front door."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from games import game

import sensorium as sm
from sensorium.data.table import read_table
from sensorium.data.targets import TargetCoder
from sensorium.errors import ConfigError, DataError
from sensorium.evaluation.calibration import Calibration
from sensorium.explain.explanation import Explanation, Explanations
from sensorium.explain.rows import asked, explain_rows, numbered


def explained(function, table, task="binary", **options):
    model, rows, coder = game(function, table, task)
    return explain_rows(model, rows, coder, Calibration(), 32, method=None, **options)


def total(z):
    return sum(z.values())


def test_an_additive_model_adds_what_each_input_holds():
    first, second = explained(total, {"a": [2.0, -1.0], "b": [0.5, None], "c": [-1.0, -2.0]}, "regression")
    assert first.values == pytest.approx({"a": 2.0, "b": 0.5, "c": -1.0}, abs=1e-6)
    assert set(first.interactions) == {("a", "b"), ("a", "c"), ("b", "c")}
    assert list(first.interactions.values()) == pytest.approx([0, 0, 0], abs=1e-6)
    assert (first.base, first.output) == pytest.approx((0, 1.5))
    assert first.answer == pytest.approx(13.0)  # 10 + 2 * 1.5
    assert first.alone == pytest.approx({"a": 14.0, "b": 11.0, "c": 8.0})
    assert first.without == pytest.approx({"a": 9.0, "b": 12.0, "c": 15.0})
    assert second.values == pytest.approx({"a": -1.0, "b": 0.0, "c": -2.0}, abs=1e-6)
    assert second.values["b"] == 0
    assert set(second.interactions) == {("a", "c")}
    assert set(second.alone) == set(second.without) == {"a", "c"}
    assert (first.row, second.row) == (1, 2)
    assert first.explained is None
    assert first.probability is None


def test_a_sound_that_counts_only_with_the_picture():
    (one,) = explained(
        lambda z: 3 * z["picture"] * z["sound"] + z["text"], {"picture": [1.0], "sound": [1.0], "text": [1.0]}
    )
    assert one.values == pytest.approx({"picture": 1.5, "sound": 1.5, "text": 1.0}, abs=1e-6)
    assert one.interactions[("picture", "sound")] == pytest.approx(3.0, abs=1e-6)
    assert one.interactions[("picture", "text")] == pytest.approx(0.0, abs=1e-6)


def test_the_answers_class_is_explained_unless_another_is_asked_for():
    (own,) = explained(total, {"a": [-2.0], "b": [0.5]})
    assert (own.answer, own.explained) == ("no", "no")
    assert own.values == pytest.approx({"a": 2.0, "b": -0.5}, abs=1e-6)
    assert own.output == pytest.approx(1.5)
    assert own.probability == pytest.approx(1 / (1 + np.exp(-1.5)))
    assert own.alone == {"a": "no", "b": "yes"}
    (other,) = explained(total, {"a": [-2.0], "b": [0.5]}, output=1)
    assert (other.answer, other.explained) == ("no", "yes")
    assert other.values == pytest.approx({"a": -2.0, "b": 0.5}, abs=1e-6)
    assert other.probability == pytest.approx(1 / (1 + np.exp(1.5)))


def test_of_labels_the_likeliest_is_explained():
    (one,) = explained(total, {"a": [-2.0], "b": [0.5]}, "multilabel")
    assert (one.answer, one.explained) == ("b", "b")
    assert one.values == pytest.approx({"a": 2.0, "b": -0.5}, abs=1e-6)


def test_more_inputs_than_eight_are_sampled_and_still_add_up():
    table = {f"i{n}": [float(n), 1.0] for n in range(11)}
    table["i3"] = [None, 1.0]
    first, second = explained(lambda z: total(z) + z["i1"] * z["i2"], table)
    assert not first.exact
    assert second.interactions[("i1", "i2")] == pytest.approx(1.0, abs=1e-5)
    assert first.values["i3"] == 0
    assert "i3" not in {name for pair in first.interactions for name in pair}
    for one in (first, second):
        assert one.gap == pytest.approx(0, abs=1e-6)
    assert first.values == pytest.approx(
        {f"i{n}": float(n) if n != 3 else 0.0 for n in range(11)} | {"i1": 2.0, "i2": 3.0}, abs=0.2
    )
    assert "Not all subsets" in first.html()


def test_a_row_with_nothing_has_nothing_to_explain():
    (one,) = explained(total, {"a": [None], "b": [None]})
    assert one.values == {"a": 0.0, "b": 0.0}
    assert one.interactions == one.alone == one.without == {}
    assert one.base == one.output == 0
    assert "missing" in one.html()


def test_what_the_table_says_stands_beside_the_answer():
    model, rows, coder = game(total, {"a": [2.0, 1.0, 0.5], "label": ["no", "", "never seen"]})
    found = explain_rows(model, rows, coder, Calibration(), 2, method=None)
    assert [one.truth for one in found] == ["no", None, None]
    assert found[0].headline() == "row 1, label: yes (88.1%); truth no"
    assert found[1].headline() == "row 2, label: yes (73.1%)"
    model, rows, coder = game(total, {"a": [1.0], "label": [13.0]}, "regression")
    (one,) = explain_rows(model, rows, coder, Calibration(), 2, method=None)
    assert one.headline() == "row 1, label: 12; truth 13"


def test_text_of_the_table_stays_text_in_a_page():
    bad = "<script>alert(1)</script>"
    model, rows, _ = game(total, {bad: [2.0], "b": [1.0]})
    coder = TargetCoder("label", "binary", ["no", bad], [1, 1])
    found = explain_rows(model, rows, coder, Calibration(), 2, method=None)
    page = found.page()
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 4
    for pattern in (r"https?://(?!www\.w3\.org)", r"<link", r"\ssrc=[\"'](?!data:)"):
        assert not re.search(pattern, page), pattern
    assert page.startswith("<!doctype html>")
    assert found._repr_html_().count("<style>") == 1
    assert found[0]._repr_html_() == Explanations(found[:1])._repr_html_()


def test_a_page_in_chinese():
    model, rows, coder = game(total, {"声音": [2.0], "b": [1.0]})
    (one,) = explain_rows(model, rows, coder, Calibration(), 2, method=None)
    page = Explanations([one]).page("zh")
    assert 'lang="zh"' in page
    for words in ("声音", "单独时回答", "各值之和等于差值 +3.000"):
        assert words in page
    assert "adds" not in page
    with pytest.raises(ConfigError, match=r"unknown language 'de'. There are: en, zh"):
        one.html("de")


def test_values_that_do_not_add_up_are_said_to():
    common = dict(row=1, target="label", answer="yes", explained="yes", probability=0.9, truth=None, base=0.0, alone={})
    whole = Explanation(**common, output=1.0, values={"a": 1.0}, interactions={}, without={})
    short = Explanation(**common, output=1.0, values={"a": 0.75}, interactions={}, without={})
    assert "add up to the difference, +1.000" in whole.html()
    assert "lack +0.25 to the difference" in short.html()


# Through the front door.


@pytest.fixture(scope="module")
def predictor(run):
    return sm.load(run)


def test_a_run_explains_rows_of_its_table(predictor, table):
    found = predictor.explain(table, [3, 1], parts=False)
    assert [one.row for one in found] == [3, 1]
    names = list(predictor.readers)
    for one in found:
        assert list(one.values) == names
        assert sum(one.values.values()) == pytest.approx(one.output - one.base, abs=1e-6)
        assert one.exact
        assert one.truth == "yes"
        assert one.parts == {}
    assert found[1].values["photo"] == found[1].values["call"] == 0  # row 1 has neither
    answers = predictor.predict_proba(table)
    for one in found:
        assert one.probability == pytest.approx(answers[one.explained][one.row - 1], abs=1e-5)
    assert json.loads(json.dumps(found.to_json()))[0]["values"] == found[0].values


def test_alone_and_without_are_the_answers_to_such_rows(predictor, table):
    cells = pd.read_csv(table, dtype=str, keep_default_na=False)
    (one,) = predictor.explain(table, [3], parts=False)
    for name in ("photo", "note"):
        less = cells.iloc[[2]].copy()
        less[name] = ""
        assert one.without[name] == predictor.predict(less, media_root=table.parent)[0]
        alone = cells.iloc[[2]].copy()
        alone[[column for column in cells.columns if column != name]] = ""
        assert one.alone[name] == predictor.predict(alone, media_root=table.parent)[0]


def test_all_rows_are_explained_where_none_are_named(predictor, table):
    rows = pd.read_csv(table, dtype=str, keep_default_na=False).head(3).drop(columns="label")
    found = predictor.explain(rows, parts=False, media_root=table.parent)
    assert [one.row for one in found] == [1, 2, 3]
    assert found[0].truth is None


def test_the_number_of_rows_in_a_batch_changes_nothing(predictor, table):
    together = predictor.explain(table, range(1, 41), parts=False)
    (alone,) = predictor.explain(table, [8], parts=False)
    assert alone.values == pytest.approx(together[7].values, abs=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"numbers": [0]}, "table.csv has no row 0; its 40 rows are 1 to 40"),
        ({"numbers": [3, 41]}, "table.csv has no row 41; its 40 rows are 1 to 40"),
        ({"numbers": []}, "no rows to explain were given"),
        ({"target": "lable"}, r"unknown target 'lable'. Did you mean 'label'\?"),
        ({"label": "yse"}, r"target 'label' has no class 'yse'. Did you mean 'yes'\? There are: no, yes"),
    ],
)
def test_what_can_not_be_explained_is_refused(predictor, table, options, message):
    with pytest.raises((ConfigError, DataError), match=message):
        predictor.explain(table, **options)


def test_targets_that_have_no_one_number():
    texts, number = TargetCoder("story", "generation"), TargetCoder("price", "regression")
    assert asked({"story": texts, "price": number}, None, None) == (number, None)
    for target in (None, "story"):
        with pytest.raises(ConfigError, match=r"target 'story' is texts.*can be explained: none"):
            asked({"story": texts}, target, None)
    with pytest.raises(ConfigError, match=r"'story' is texts.*can be explained: price"):
        asked({"story": texts, "price": number}, "story", None)
    with pytest.raises(ConfigError, match="target 'price' is a number and has no class 'yes'"):
        asked({"price": number}, None, "yes")


def test_a_pretrained_run_has_no_answers_to_explain(table, config, tmp_path):
    inputs = {name: config["inputs"][name] for name in ("photo", "note")}
    pretrained = sm.pretrain(table, config={**config, "inputs": inputs}, ignore=["label", "price", "tags"], epochs=1)
    for explain in (pretrained.explain, pretrained.overview):
        with pytest.raises(ConfigError, match="this run was pretrained, without a target, and has no answers"):
            explain(table)


def test_rows_that_were_taken_from_a_table_keep_their_numbers():
    table = read_table({"a": list(range(5))}).take([3, 1])
    assert [numbered(table, [2]).number(0), len(numbered(table, None))] == [2, 2]
    with pytest.raises(DataError, match="the table has no row 1; its 2 rows are 2 to 4"):
        numbered(table, [1])
