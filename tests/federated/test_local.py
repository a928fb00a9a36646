"""A round at one site."""

import copy

import numpy as np
import pytest
import torch

import sensorium as sm
from sensorium.build import build_loader, build_model
from sensorium.data.batches import Rows
from sensorium.data.table import read_table
from sensorium.federated.front import simulate
from sensorium.federated.library import need_flower
from sensorium.federated.local import Pace, learn, set_state, shared_state
from sensorium.federated.partition import by_column


def test_one_site_and_one_round_are_training_in_one_place(members, member_config):
    table = read_table(members)
    rows, valid = by_column(table, "site")["north"], by_column(table, "site")["south"]
    config = copy.deepcopy(member_config)
    config["training"] |= {"precision": "32", "wide": False, "probes": False, "refit": False, "augment": True}
    config["balance"] = "none"
    central = sm.fit(rows, "label", valid=valid, config=config, epochs=1)

    need_flower()
    from sensorium.federated.grid import LocalGrid
    from sensorium.federated.options import Terms
    from sensorium.federated.rounds import Server
    from sensorium.federated.site import Site

    grid = LocalGrid({"north": Site(rows, "north", valid)})
    terms = Terms(rounds=1, sites=1, least=1)
    federated = Server(grid, terms, config, ["label"], lambda line: None, lambda row: None).run()
    ours = federated.model.state_dict()
    assert len(ours) > 20
    for name, value in shared_state(central.model).items():
        # What no row reached decays in one place, and stays as it came in a federation.
        near = 1e-2 if "missing" in name or "absent" in name else 1e-5
        torch.testing.assert_close(ours[name], value, rtol=near, atol=1e-6, msg=name)
    assert federated.history["valid_loss"][0] == pytest.approx(central.history["valid_loss"][0], rel=1e-5)


@pytest.fixture(scope="module")
def federated(members, member_config):
    return simulate(members, "label", by="site", config=copy.deepcopy(member_config), terms={"rounds": 1})


def _rows(federated, members, without=()):
    table = by_column(read_table(members), "site")["north"].without(without)
    return Rows(table, federated.readers, federated.coders, loader=build_loader(federated.config))


def _learn(federated, rows, **pace):
    torch.manual_seed(0)
    model = build_model(federated.config, federated.readers, federated.coders)
    before = {name: value.clone() for name, value in shared_state(model).items()}
    modalities = {"photo": "image", "columns": "tabular"}
    _, trained = learn(model, rows, federated.config.training, modalities, {}, Pace(**pace))
    after = shared_state(model)
    apart = {name: float((after[name] - before[name]).norm()) for name in before}
    return dict(zip(before, trained, strict=True)), apart


def test_what_no_row_reaches_stays_as_it_came(federated, members):
    trained, apart = _learn(federated, _rows(federated, members, ["photo"]), epochs=2)
    photo = {name for name in trained if name.startswith("encoders.m0.")}
    assert len(photo) > 5
    assert not any(trained[name] or apart[name] for name in photo)
    assert any(trained[name] for name in trained if name.startswith("encoders.m1."))
    assert all(trained[name] for name in trained if name.startswith("heads."))
    trained, _ = _learn(federated, _rows(federated, members), epochs=2)
    assert all(trained[name] for name in photo)


def test_the_proximal_term_keeps_weights_near_those_that_came(federated, members):
    def distance(mu):
        apart = _learn(federated, _rows(federated, members), epochs=6, proximal=mu)[1]
        return np.sqrt(sum(d * d for name, d in apart.items() if "running" not in name))

    assert distance(100.0) < 0.5 * distance(0.0)


def test_the_rate_goes_on_over_the_rounds(federated, members):
    rows = _rows(federated, members)
    first, last = (_learn(federated, rows, round=place, rounds=40)[1] for place in (10, 39))
    # The cosine is near its end. Running statistics have no rate.
    apart = [sum(d for name, d in moved.items() if "running" not in name) for moved in (first, last)]
    assert apart[1] < 0.1 * apart[0]


def test_weights_are_set_by_name(federated):
    state = {name: np.full(value.shape, 0.5, dtype=np.float32) for name, value in shared_state(federated.model).items()}
    model = copy.deepcopy(federated.model)
    set_state(model, state)
    assert all((value == 0.5).all() for value in shared_state(model).values())
