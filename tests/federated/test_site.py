"""What a site answers, and what it does not."""

import copy
import json
import re

import numpy as np
import pytest

from sensorium.data.table import read_table
from sensorium.federated.front import simulate
from sensorium.federated.library import need_flower
from sensorium.federated.partition import by_column
from sensorium.federated.site import OwnNoise, Site
from sensorium.federated.wire import asking, said


@pytest.fixture(scope="module")
def sites(members):
    need_flower()
    return by_column(read_table(members), "site")


def ask(site, kind, **told):
    return site(asking(0, kind, told))


def test_a_proposal_tells_of_columns_that_are_inputs_alone(sites, member_config):
    table = sites["north"]
    told = said(ask(Site(table, "north"), "query.propose", config=copy.deepcopy(member_config), targets=["label"]))
    assert told["rows"] == 60
    assert sorted(column["name"] for column in told["columns"]) == ["photo", "shop", "x"]
    assert not {"p0.png", "yes", "a"} & set(json.dumps(told).split('"'))  # no cell of any column


def test_a_column_that_says_the_same_everywhere_is_left_to_the_others(sites, member_config):
    told = said(
        ask(Site(sites["south"], "south"), "query.propose", config=copy.deepcopy(member_config), targets=["label"])
    )
    assert told["config"]["inputs"]["columns"]["columns"] == ["x"]  # every shop is b there
    ignoring = Site(sites["north"], "north", ignore=["shop", "photo"])
    told = said(ask(ignoring, "query.propose", config=copy.deepcopy(member_config), targets=["label"]))
    assert list(told["config"]["inputs"]) == ["columns"]


@pytest.mark.parametrize(
    ("table", "kind", "told", "words"),
    [
        ({"x": [1.0, 2.0], "y": ["a", "b"]}, "query.propose", {}, "the table has no column 'label', which is the target."),
        ({"z": [1.0, 2.0], "label": ["a", "b"]}, "query.propose", {}, "the table has none of the inputs of the federation."),
        ({"x": [1.0, 2.0], "label": ["a", "b"]}, "query.propose", {"split": {"by": "secret"}}, r"it could not \(ConfigError\); its own console says why."),
        ({"x": [1.0, 2.0], "label": ["a", "b"]}, "query.begin", {}, r"the message does not fit \(KeyError\)."),
        ({"x": [1.0, 2.0], "label": ["a", "b"]}, "query.other", {}, r"the message does not fit \(ValueError\)."),
        ({"x": [1.0, 2.0], "label": ["a", "b"]}, "evaluate", {}, "nothing is agreed with this site yet."),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_told_without_cells(table, kind, told, words):
    need_flower()
    heard = []
    site = Site(read_table(table), "s", say=heard.append)
    config = {"inputs": {"x": {"modality": "numeric"}}, **told}
    reply = ask(site, kind, **({"config": config, "targets": ["label"]} if kind == "query.propose" else told))
    assert reply.has_error()
    assert re.fullmatch(words, reply.error.reason)
    assert len(heard) == 1
    assert heard[0].startswith("s: ")


def test_a_site_with_another_schema_is_refused_and_the_others_go_on(sites, member_config):
    from sensorium.federated.grid import LocalGrid
    from sensorium.federated.options import Terms
    from sensorium.federated.rounds import Server

    odd = {"photo": [f"a long text about nothing, number {i}" for i in range(30)], "label": ["yes", "no"] * 15}
    members = {name: Site(table, name) for name, table in sites.items()} | {"odd": Site(read_table(odd), "odd")}
    lines = []
    config = {**copy.deepcopy(member_config), "inputs": {}}
    server = Server(LocalGrid(members), Terms(rounds=1), config, ["label"], lines.append, lambda row: None)
    predictor = server.run()
    assert predictor.history["sites"].tolist() == [3]
    assert "site 'odd' is refused: column 'photo' is text there and image with most rows of the federation" in lines
    # One that comes when all is agreed hears the same.
    reply = members["odd"](asking(5, "query.begin", server.agreement.to_json()))
    assert reply.error.reason == "column 'photo' is text here and image with the other sites."
    # So does one that wants more than the server gives.
    wary = Site(sites["north"], "north", secure=True)
    reply = wary(asking(5, "query.begin", server.agreement.to_json()))
    assert "takes part under secure aggregation only" in reply.error.reason


def test_own_noise_covers_what_leaves(sites, member_config, members):
    plain = simulate(members, "label", by="site", config=copy.deepcopy(member_config), terms={"rounds": 1})
    agreement = {
        "config": None, "schema": plain.schema.to_json(),
        "readers": {name: reader.state() for name, reader in plain.readers.items()},
        "coders": {name: coder.to_json() for name, coder in plain.coders.items()},
        "terms": plain.run["federated"]["terms"],
    }  # fmt: skip
    from flwr.app import ConfigRecord, Message, RecordDict

    from sensorium.federated.agreement import plain as as_plain
    from sensorium.federated.local import shared_state
    from sensorium.federated.noise import multiplier_for
    from sensorium.federated.updates import as_record

    agreement["config"] = as_plain(plain.config)
    site = Site(sites["north"], "north", own_noise=OwnNoise(epsilon=5.0, delta=1e-5, clip=0.01))
    assert not ask(site, "query.begin", **agreement).has_error()
    state = {name: value.numpy().copy() for name, value in shared_state(plain.model).items()}
    content = RecordDict({"arrays": as_record(state), "config": ConfigRecord({"server-round": 1})})
    reply = site(Message(content, dst_node_id=0, message_type="train"))
    moved = np.concatenate([(a.numpy() - state[n]).ravel() for n, a in reply.content.array_records["arrays"].items()])
    # Two updates differ by twice the clip at most.
    assert moved.std() == pytest.approx(2 * 0.01 * multiplier_for(5.0, 1e-5, 1), rel=0.05)
