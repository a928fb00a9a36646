"""What several sites come to is what one would that had all rows."""

import numpy as np
import pytest

from sensorium.build import build_readers
from sensorium.config import parse_config
from sensorium.data.table import read_table
from sensorium.data.targets import fit_target
from sensorium.errors import ConfigError, DataError
from sensorium.federated.agreement import Agreement, agreed_config, agreed_readers, agreed_targets, plain
from sensorium.federated.answers import checked_counts, checked_proposal
from sensorium.federated.counts import counts_of
from sensorium.federated.wire import Refusal
from sensorium.planning import plan

RANDOM = np.random.default_rng(3)
ROWS = {
    "age": [f"{x:.3f}" if i % 7 else "" for i, x in enumerate(RANDOM.normal(50, 9, 60))],
    "born": [f"{1 + i % 28}/{1 + i % 12}/20{10 + i % 9}" for i in range(60)],
    "town": [("n", "s", "w")[i % 3] for i in range(60)],
    "pose": [list(map(float, RANDOM.normal(2, 5, 4))) for _ in range(60)],
    "note": [f"a {('fine', 'dark', 'grey')[i % 3]} day in the town of number {i}" for i in range(60)],
    "label": [("a", "b")[i % 2] for i in range(60)],
    "price": [2.5 * i for i in range(60)],
}
INPUTS = {
    "columns": {"modality": "tabular", "columns": ["age", "born", "town"]},
    "pose": {"modality": "vector"},
    "note": {"modality": "text", "vocabulary": 400, "max_tokens": 20},
}


@pytest.fixture(scope="module")
def whole():
    table = read_table(ROWS)
    return table, *plan(table, ["label", "price"], {"inputs": INPUTS})


def test_readers_and_coders_are_those_of_all_rows(whole):
    table, config, schema = whole
    sites = [table.take(range(start, end)) for start, end in ((0, 25), (25, 31), (31, 60))]
    told = [checked_counts(config, schema, counts_of(site, config, schema, least=1)) for site in sites]
    readers = agreed_readers(config, schema, [part["inputs"] for part in told])
    for name, fitted in build_readers(config, schema).items():
        fitted.fit(table.rows(fitted.columns))
        ours, theirs = readers[name].state(), fitted.state()
        for key, value in theirs.items():
            if key in {"mean", "scale"}:
                np.testing.assert_allclose(ours[key], value, rtol=1e-12)
            else:
                assert ours[key] == value, (name, key)
    coders = agreed_targets(config, [part["targets"] for part in told])
    assert coders["label"] == fit_target("label", table.cells("label"), "classification")
    price = fit_target("price", table.cells("price"), "regression")
    assert (coders["price"].mean, coders["price"].scale) == pytest.approx((price.mean, price.scale), rel=1e-12)
    again = Agreement.from_json(Agreement(config, schema, readers, coders, {"rounds": 3}).to_json())
    assert again.config == config
    assert again.coders == coders
    assert {n: r.state() for n, r in again.readers.items()} == {n: r.state() for n, r in readers.items()}


def test_the_length_of_texts_that_is_found_is_enough_for_nearly_all(whole):
    table, config, schema = whole
    plain_config = plain(config)
    del plain_config["inputs"]["note"]["max_tokens"]
    config = parse_config(plain_config)
    told = [counts_of(table, config, schema, least=1)["inputs"]]
    reader = agreed_readers(config, schema, told)["note"]
    lengths = [len(reader.tokenizer.encode(text).ids) for text in ROWS["note"]]
    assert np.quantile(lengths, 0.98) <= reader.max_tokens <= 3 * max(lengths)


def test_a_column_of_rare_categories_alone_is_read_as_unknown(whole):
    table, config, schema = whole
    reader = agreed_readers(config, schema, [counts_of(table, config, schema, least=50)["inputs"]])["columns"]
    assert reader.sizes == (1,)
    assert reader.read(["50", "1/2/2015", "n"], None)[-1] == 0.0  # 0 is for the unknown


def _proposal(rows, table, given=None, **columns):
    config, schema = plan(read_table(table), "label", given)
    told = [{"name": c.name, "modality": c.modality, "reason": ""} for c in schema.columns.values()]
    told = [{**column, "modality": columns.get(column["name"], column["modality"])} for column in told]
    return {"rows": rows, "config": plain(config), "columns": told}


def test_inputs_are_those_of_any_site_and_most_rows_decide():
    base = {name: ROWS[name] for name in ("age", "note", "label")}
    small = _proposal(10, base, {"inputs": {"note": {"modality": "text", "max_tokens": 90, "encoder": "transformer"}}})
    large = _proposal(50, {**base, "pose": ROWS["pose"]}, {"fusion": "mean"})
    config, schema, refused = agreed_config({"small": small, "large": large}, {})
    assert refused == {}
    assert list(config.inputs) == ["note", "pose", "columns"]  # in the order of the sites' names: large is first
    assert config.inputs["note"].max_tokens == 90
    assert config.inputs["note"].encoder.type == large["config"]["inputs"]["note"]["encoder"]["type"] == "bag"
    assert config.fusion.type == "mean"
    assert not config.training.wide
    assert schema.rows == 60


def test_a_site_whose_column_is_something_else_is_refused():
    base = {name: ROWS[name] for name in ("age", "note", "label")}
    sites = {"a": _proposal(30, base), "b": _proposal(30, base), "c": _proposal(50, base, note="image")}
    _, _, refused = agreed_config(sites, {})
    assert refused == {"c": "column 'note' is image there and text with most rows of the federation"}


def test_what_needs_all_rows_in_one_place_is_refused():
    base = {name: ROWS[name] for name in ("age", "note", "label")}
    with pytest.raises(ConfigError, match=r"imbalance\.method=oversampling needs all rows in one place"):
        agreed_config({"a": _proposal(30, base, {"imbalance": "oversampling"})}, {})
    with pytest.raises(ConfigError, match="the section domain needs rows of several domains"):
        agreed_config({"a": _proposal(30, {**base, "town": ROWS["town"]}, {"domain": "town"})}, {})


def test_nothing_to_learn_is_an_error():
    config = parse_config({"targets": {"label": {"task": "classification"}, "price": {"task": "regression"}}})
    one, same = {"classes": {"a": 9}}, {"moments": [[9.0], [2.0], [0.0]]}
    with pytest.raises(DataError, match="target 'label' has 1 classes in the rows of all sites"):
        agreed_targets(config, [{"label": one, "price": same}])
    with pytest.raises(DataError, match="target 'price' is one number in every row of every site"):
        agreed_targets(config, [{"label": {"classes": {"a": 1, "b": 2}}, "price": same}])


@pytest.mark.parametrize(
    "spoilt",
    [
        {},
        {"inputs": {"columns": {"moments": [[1.0], [1.0]], "categories": {}, "day_first": []}}, "targets": {}},
        {
            "inputs": {"pose": {"size": 4, "moments": [[1, 1, 1, 1], [0, 0, 0, float("nan")], [1, 1, 1, 1]]}},
            "targets": {},
        },
        {"inputs": {"note": {"words": {"a": -3}, "characters": 1, "bytes": 1}}, "targets": {}},
        {"inputs": {"elsewhere": {}}, "targets": {}},
        {"inputs": {}, "targets": {"label": {"classes": ["a"]}}},
    ],
)
def test_counts_that_are_none_are_refused(whole, spoilt):
    with pytest.raises(Refusal, match="its counts can't be read"):
        checked_counts(*whole[1:], spoilt)


def test_proposals_that_are_none_are_refused():
    good = _proposal(9, {name: ROWS[name] for name in ("age", "label")})
    assert checked_proposal(good, ["label"]) == good
    for spoilt in ({}, {**good, "config": {"inputs": 3}}, {**good, "columns": [{"name": "age"}]}):
        with pytest.raises(Refusal, match="what it says of its table can't be read"):
            checked_proposal(spoilt, ["label"])
    sized = [{**column, "facts": {"size": ["a", 3]}} for column in good["columns"]]
    with pytest.raises(Refusal, match="what it says of its table can't be read"):
        checked_proposal({**good, "columns": sized}, ["label"])
    with pytest.raises(Refusal, match="it has no rows with these targets"):
        checked_proposal({**good, "rows": 0}, ["label"])
    with pytest.raises(Refusal, match="it has no rows with these targets"):
        checked_proposal(good, ["label", "price"])
