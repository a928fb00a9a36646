"""The wide part of a model: what it says of rows that it did not learn from, and how far it counts."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.special import log_expit, log_softmax
from torch import nn

from sensorium.baselines.stacking import fit_layer, fit_stack
from sensorium.baselines.wide import Wide
from sensorium.data.batches import Rows
from sensorium.data.table import read_table
from sensorium.data.tabular import VectorReader
from sensorium.data.targets import fit_target
from sensorium.encoders.features import Input
from sensorium.errors import ConfigError
from sensorium.training import widen
from sensorium.training.widen import DEEP, DOUBT, LINEAR, Beside, Jury, Widened, answer_alone, fit_wide, join

TASKS = {"kind": "classification", "yes": "classification", "tags": "multilabel", "price": "regression"}


def table_of(rows, seed):
    """`a` tells every target, `b` nothing; each is missing from some rows."""
    random = np.random.default_rng(seed)
    a, b = random.normal(size=(rows, 3)), random.normal(size=(rows, 2))
    drive = 2 * a[:, 0] + random.normal(size=rows)
    return {
        "a": [None if i % 5 == 0 else row for i, row in enumerate(a)],
        "b": [None if i % 7 == 0 else row for i, row in enumerate(b)],
        "kind": np.array(["low", "middle", "high"])[np.digitize(drive, [-1, 1])].tolist(),
        "yes": np.where(drive > 0, "yes", "no").tolist(),
        "tags": [["p"] * int(row[1] > 0) + ["q"] * int(row[2] > 0) for row in a],
        "price": [None if i % 3 == 0 else float(value) for i, value in enumerate(3 + drive)],
    }


class Setting:
    def __init__(self, rows=150, others=60, tasks=TASKS):
        tables = read_table(table_of(rows, 0)), read_table(table_of(others, 1))
        self.coders = {name: fit_target(name, tables[0].cells(name), task) for name, task in tasks.items()}
        self.readers = {"a": VectorReader("a"), "b": VectorReader("b")}
        for name, reader in self.readers.items():
            reader.fit([(cell,) for cell in tables[0].cells(name)])
        self.rows, self.valid = (Rows(table, self.readers, self.coders, memory=2**20) for table in tables)

    def fit(self, seconds=None):
        return fit_wide(self.rows, self.valid, self.coders, seconds)


@pytest.fixture(scope="module")
def setting():
    return Setting()


@pytest.fixture(scope="module")
def fitted(setting):
    return setting.fit()


def said(beside, rows, inputs=None):
    """What is added to logits of zeros."""
    batch = rows.batch(range(len(rows)))
    shapes = {"kind": (len(rows), 3), "yes": (len(rows),), "tags": (len(rows), 2), "price": (len(rows),)}
    nothing = {name: torch.zeros(shape) for name, shape in shapes.items()}
    return beside.add(nothing, batch.rows, inputs or batch.inputs)


def test_every_target_has_its_stack(setting, fitted):
    assert fitted.wide.targets == tuple(TASKS)
    assert [setting.coders[name].task for name in TASKS] == ["classification", "binary", "multilabel", "regression"]
    for name, outputs in {"kind": 3, "yes": 1, "tags": 2, "price": 1}.items():
        values, mask = setting.rows.targets[name]
        places = np.flatnonzero(mask)
        features = fitted.wide.features.matrix(setting.rows, places)
        stack = fit_stack(setting.coders[name].task, features, values[places], outputs)
        layer = fitted.wide.layers[fitted.wide.targets.index(name)]
        np.testing.assert_allclose(layer.weight, stack.weight, atol=1e-5)
        np.testing.assert_allclose(layer.bias, stack.bias, atol=1e-5)
        kept_out = (stack.kept_out.sum(1) + stack.kept_bias).squeeze()
        np.testing.assert_allclose(said(fitted.train, setting.rows)[name][places], kept_out, atol=1e-5)
        assert fitted.wide.shares(name) == (1, 0)  # until it is joined


def test_of_rows_that_it_did_not_learn_from_it_says_what_it_says(setting, fitted):
    batch = setting.valid.batch(range(60))
    for name, logits in said(fitted.valid, setting.valid).items():
        torch.testing.assert_close(logits, fitted.wide(batch.inputs)[name], atol=1e-4, rtol=0)
    train = setting.rows.batch(range(150))
    prices, known = fitted.wide(train.inputs)["price"], torch.from_numpy(setting.rows.targets["price"][1])
    found = said(fitted.train, setting.rows)["price"]
    torch.testing.assert_close(found[~known], prices[~known], atol=1e-4, rtol=0)  # no target, so not learned from
    assert not torch.allclose(found[known], prices[known], atol=1e-4)


def test_it_finds_what_the_inputs_tell(setting, fitted):
    found = said(fitted.valid, setting.valid)
    there = setting.valid.batch(range(60)).inputs["a"].mask.numpy()
    truth = setting.valid.targets["yes"][0]
    assert ((found["yes"].numpy() > 0) == truth)[there].mean() > 0.75
    kept = said(fitted.train, setting.rows)["yes"].numpy()
    assert kept[setting.rows.batch(range(150)).inputs["a"].mask.numpy()].std() > 0.5


def test_inputs_that_a_row_has_lost_add_nothing(setting, fitted):
    inputs = setting.valid.batch(range(60)).inputs
    without = inputs | {"a": Input(inputs["a"].values, torch.zeros_like(inputs["a"].mask))}
    found = said(fitted.valid, setting.valid, without)
    for name, logits in fitted.wide(without).items():
        torch.testing.assert_close(found[name], logits, atol=1e-4, rtol=0)


def test_what_is_beside_is_added_to_the_rows_in_their_places():
    parts = np.arange(12.0).reshape(3, 2, 2)  # (N, M, K)
    beside = Beside(["a", "b"], {"label": (parts, np.array([[100.0, 200], [300, 400], [500, 600]]))})
    masks = torch.tensor([[True, False], [True, True], [False, False]])
    inputs = {name: Input(torch.zeros(3, 1), masks[:, i]) for i, name in enumerate("ab")}
    logits = {"label": torch.ones(3, 2), "other": torch.ones(3, 2)}
    found = beside.add(logits, torch.tensor([2, 0, 2]), inputs)
    assert found["label"].tolist() == [[509, 610], [1 + 0 + 2 + 100, 1 + 1 + 3 + 200], [501, 601]]
    assert found["other"] is logits["other"]
    assert logits["label"].tolist() == [[1, 1]] * 3  # what was given is left as it is


def test_targets_with_too_few_rows_are_left_out(monkeypatch):
    few = Setting(43, 20, {"kind": "classification", "price": "regression"})  # 28 prices
    found = few.fit()
    assert found.wide.targets == ("kind",)
    assert set(found.train.said) == set(found.valid.said) == {"kind"}
    assert Setting(29, 20, {"kind": "classification"}).fit() is None
    monkeypatch.setattr(widen, "ENOUGH", 42)
    assert few.fit() is None


def test_of_many_rows_some_are_learned_from_and_every_row_has_its_answer(setting, fitted, monkeypatch):
    monkeypatch.setattr(widen, "MOST_ROWS", 60)
    found = setting.fit()
    assert said(found.train, setting.rows)["kind"].shape == (150, 3)
    logits = found.wide(setting.rows.batch(range(150)).inputs)["kind"]
    same = torch.isclose(said(found.train, setting.rows)["kind"], logits, atol=1e-4).all(1)
    assert 85 <= same.sum() <= 92  # 60 rows are answered by models that did not see them
    assert not torch.equal(found.wide.layers[0].weight, fitted.wide.layers[0].weight)


@pytest.mark.parametrize(("taken", "fits"), [(1.0, True), (10.0, False)])
def test_the_time_decides(setting, monkeypatch, taken, fits):
    """64 rows take `taken` seconds, of which a third is there: at 1 s a third of 6 s is for 128 rows, twice that for 256."""
    ticks = iter([0.0, taken])
    monkeypatch.setattr(widen, "time", SimpleNamespace(monotonic=lambda: next(ticks)))
    found = setting.fit(6.0)
    assert (found is not None) == fits  # 150 rows and 60


class Told(nn.Module):
    """A network whose logits are given."""

    def __init__(self, name, logits):
        super().__init__()
        self.name, self.logits, self.seen, self.wide = name, torch.as_tensor(logits, dtype=torch.float32), 0, None

    def forward(self, inputs):
        rows = len(inputs["a"].mask)
        self.seen += rows
        return {self.name: self.logits[self.seen - rows : self.seen]}


def likelihood(task, logits, target):
    """Of all rows, negative."""
    if task == "regression":
        return np.square(logits[:, 0] - target).sum() / 2
    if task == "classification":
        return -log_softmax(logits, 1)[np.arange(len(target)), target.astype(int)].sum()
    truth = target.reshape(logits.shape)
    return -(truth * log_expit(logits) + (1 - truth) * log_expit(-logits)).mean(1).sum()


def without_missing(rows):
    """The same rows; what stands beside them is given whole, whatever input they lack."""
    view = rows.only("a")
    view.columns = {"a": Whole(rows.columns["a"])}
    return view


class Whole:
    """A column none of whose cells is missing."""

    def __init__(self, column):
        self.column, self.begin = column, column.begin

    def finish(self, places, asked):
        values, mask = self.column.finish(places, asked)
        return values, np.ones_like(mask)


@pytest.mark.parametrize("name", TASKS)
def test_shares_are_those_of_the_highest_posterior(setting, name):
    random = np.random.default_rng(2)
    wide = setting.fit().wide
    beside = wide(setting.valid.batch(range(60)).inputs)[name].numpy().reshape(60, -1)
    network = (beside + random.normal(size=beside.shape)) * 0.7
    values, mask = setting.valid.targets[name]
    told = Told(name, network.squeeze())
    other = Wide(setting.readers, [name])  # only this target
    other.features.load_state_dict(wide.features.state_dict())
    layer = wide.layers[wide.targets.index(name)]
    other.set_layer(name, layer.weight.numpy(), layer.bias.numpy())
    said = {name: (beside[:, None], np.zeros_like(beside))}
    task = setting.coders[name].task
    join(told, Widened(other, None, Beside(["a"], said), {name: task}, LINEAR), without_missing(setting.valid), 16)
    assert told.wide is other
    scale = 1.0
    if task == "regression":
        scale = np.square((LINEAR.belief[0] * network + LINEAR.belief[1] * beside)[mask, 0] - values[mask]).mean()

    def posterior(a, b):
        loss = likelihood(task, a * network[mask] + b * beside[mask], values[mask]) / scale
        return loss + (((a - LINEAR.belief[0]) / DOUBT) ** 2 + ((b - LINEAR.belief[1]) / DOUBT) ** 2) / 2

    grid = np.arange(0, 2.5, 0.02)
    costs = np.array([[posterior(a, b) for b in grid] for a in grid])
    best = np.unravel_index(costs.argmin(), costs.shape)
    np.testing.assert_allclose(other.shares(name), grid[list(best)], atol=0.021)
    assert posterior(*other.shares(name)) <= costs.min() + 1e-4


def joined(rows, network_is_right, size, stance):
    """The shares where one of both knows the answer and the other says what chance says."""
    random = np.random.default_rng(3)
    truth = np.arange(rows) % 2
    # Log-odds that mean what they say: of two normal densities, whose deviation is the root of their distance.
    sure = size * (2 * truth - 1) + (2 * size) ** 0.5 * random.normal(size=rows)
    noise = (2 * size) ** 0.5 * random.normal(size=rows)
    given = {"a": (noise if network_is_right else sure)[:, None], "yes": np.where(truth == 1, "yes", "no").tolist()}
    table = read_table(given)
    coder = fit_target("yes", ["yes", "no", "yes", "no"], "classification")
    reader = VectorReader("a")
    reader.fit([(np.array([-1.0]),), (np.array([1.0]),)])  # mean 0, deviation 1: as it is
    valid = Rows(table, {"a": reader}, {"yes": coder})
    wide = Wide({"a": reader}, ["yes"])
    part = wide.features.parts[0]
    part.mean, part.directions = torch.zeros(1), torch.ones(1, 1)
    wide.set_layer("yes", np.array([[1.0, 0.0]]), np.zeros(1))
    told = Told("yes", sure if network_is_right else noise)
    beside = (noise if network_is_right else sure)[:, None]
    join(
        told,
        Widened(wide, None, Beside(["a"], {"yes": (beside[:, None], 0 * beside)}), {"yes": "binary"}, stance),
        valid,
        64,
    )
    return wide.shares("yes")


@pytest.mark.parametrize("network_is_right", [True, False])
def test_many_rows_decide(network_is_right):
    shares = joined(4000, network_is_right, 2, DEEP)
    right, noise = shares if network_is_right else shares[::-1]
    assert right == pytest.approx(1, abs=0.15)
    assert noise == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("network_is_right", [True, False])
def test_a_few_rows_hardly_do(network_is_right):
    assert joined(3, network_is_right, 0.05, LINEAR) == pytest.approx(LINEAR.belief, abs=0.3)


def test_without_a_row_to_validate_with_the_network_answers_alone(setting):
    blank = {**table_of(20, 4), "price": [None] * 20}
    valid = Rows(read_table(blank), setting.readers, setting.coders)
    widened = fit_wide(setting.rows, valid, setting.coders, None)
    network = nn.Module()
    network.forward = lambda inputs: {n: torch.zeros_like(z) for n, z in widened.wide(inputs).items()}
    join(network, widened, valid, 8)
    assert widened.wide.shares("price") == (1, 0)
    assert widened.wide.shares("kind")[1] > 0.5


def test_the_epoch_is_judged_by_the_answer_of_both_with_the_best_shares(setting):
    widened, valid = setting.fit(), setting.valid
    jury = Jury(widened, {"kind": 2.0})
    torch.manual_seed(0)
    network = {n: torch.randn_like(z) for n, z in widened.wide(valid.batch(range(60)).inputs).items()}
    for start in (0, 40):
        batch = valid.batch(range(start, min(start + 40, 60)))
        jury.hear({n: z[batch.rows] for n, z in network.items()}, batch)
    expected = 0.0
    for name, (a, b) in jury.shares().items():
        values, mask = valid.targets[name]
        beside = widened.wide(valid.batch(range(60)).inputs)[name].numpy().reshape(60, -1)
        logits = a * network[name].numpy().reshape(60, -1) + b * beside
        loss = likelihood(setting.coders[name].task, logits[mask], values[mask]) / mask.sum()
        expected += loss * (2 if name == "kind" else 1)
    assert jury.loss() == pytest.approx(expected, rel=1e-4)


def test_a_part_of_the_rows_is_answered_without_it():
    torch.manual_seed(0)
    beside = Beside(["a"], {"y": (np.ones((1000, 1, 2)), np.ones((1000, 2)))})
    inputs = {"a": Input(torch.zeros(1000, 1), torch.ones(1000, dtype=torch.bool))}
    said = beside.add({"y": torch.zeros(1000, 2)}, torch.arange(1000), inputs, hidden=0.25)["y"]
    assert said.unique().tolist() == [0, 2]
    assert (said[:, 0] == said[:, 1]).all()
    assert (said[:, 0] == 0).float().mean().item() == pytest.approx(0.25, abs=0.05)


@pytest.mark.parametrize(("rows", "tells", "stance"), [(150, True, LINEAR), (150, False, DEEP), (1000, True, DEEP)])
def test_the_linear_model_leads_where_rows_are_few_and_it_tells_much(rows, tells, stance):
    random = np.random.default_rng(0)
    a = random.normal(size=(rows, 3))
    yes = a[:, 0] + 0.3 * random.normal(size=rows) > 0 if tells else a[:, 0] * a[:, 1] > 0
    table = read_table({"a": list(a), "yes": np.where(yes, "yes", "no").tolist()})
    coders, reader = {"yes": fit_target("yes", table.cells("yes"), "classification")}, VectorReader("a")
    reader.fit([(cell,) for cell in a])
    part = Rows(table, {"a": reader}, coders)
    assert fit_wide(part, part, coders, None).stance == stance


def test_final_layers_learn_from_the_validation_rows_too(setting):
    """The same shares, models of both tables' rows; features stay as the training rows taught them."""
    fitted = setting.fit()
    for name in TASKS:
        coder, features, target = setting.coders[name], [], []
        for rows in (setting.rows, setting.valid):
            values, mask = rows.targets[name]
            places = np.flatnonzero(mask)
            features.append(fitted.wide.features.matrix(rows, places))
            target.append(values[places])
        stack = fit_stack(coder.task, features[0], target[0], coder.outputs)
        joined = {key: np.concatenate([part[key] for part in features]) for key in "ab"}
        weight, bias = fit_layer(coder.task, joined, np.concatenate(target), coder.outputs, stack.shares)
        np.testing.assert_allclose(fitted.final[name][0], weight, atol=1e-6)
        np.testing.assert_allclose(fitted.final[name][1], bias, atol=1e-6)
    before = [layer.weight.clone() for layer in fitted.wide.layers]
    fitted.settle()
    for place, name in enumerate(fitted.wide.targets):
        assert not torch.allclose(fitted.wide.layers[place].weight, before[place])
        np.testing.assert_allclose(fitted.wide.layers[place].weight, fitted.final[name][0], atol=1e-6)
    fresh = Rows(read_table(table_of(400, 7)), setting.readers, setting.coders, memory=2**20)
    batch, (truth, _) = fresh.batch(range(400)), fresh.targets["yes"]
    there = batch.inputs["a"].mask.numpy()
    assert ((fitted.wide(batch.inputs)["yes"].numpy() > 0) == truth)[there].mean() > 0.75


@pytest.mark.parametrize("helps", [True, False])
def test_a_network_that_was_cut_short_answers_only_where_that_is_better(setting, helps):
    """Told the answer, or the wrong one with certainty."""
    widened = setting.fit()._replace(stance=DEEP)
    values, _ = setting.valid.targets["yes"]
    sure = torch.from_numpy(np.where((values == 1) == helps, 6.0, -6.0)).float()
    model = SaysByPlace(setting, sure)
    join(model, widened, setting.valid, 16, cut_short=True)
    network, wide = widened.wide.shares("yes")
    assert (network > 0.1) == helps
    assert helps or wide > 0.3


def test_without_a_network_its_share_is_that_of_the_highest_posterior(setting):
    widened, model = setting.fit(), SaysByPlace(setting, torch.zeros(len(setting.valid)))
    answer_alone(model, widened, setting.valid, 16)
    assert model.wide is widened.wide
    values, mask = setting.valid.targets["yes"]
    parts, bias = widened.valid.said["yes"]
    batch = setting.valid.batch(range(len(setting.valid)))
    there = torch.stack([batch.inputs[name].mask for name in widened.valid.modalities], 1)
    own = ((parts * there[..., None]).sum(1) + bias)[:, 0].double().numpy()[mask]
    signs = 2.0 * values[mask] - 1
    grid = np.linspace(0, 4, 4001)
    worth = [log_expit(share * own * signs).sum() - ((share - 1) / DOUBT) ** 2 / 2 for share in grid]
    assert widened.wide.shares("yes") == (0.0, pytest.approx(grid[int(np.argmax(worth))], abs=2e-3))


def test_it_can_not_answer_targets_that_it_was_not_fitted_for(setting):
    model = SaysByPlace(setting, torch.zeros(len(setting.valid)))
    with pytest.raises(
        ConfigError, match=r"training.epochs=0 leaves the answers to the linear model .* Give epochs of 1"
    ):
        answer_alone(model, None, setting.valid, 16)


class SaysByPlace(nn.Module):
    """A network that says what it is told of each row in order, of the target `yes`; of others 0."""

    def __init__(self, setting, sure):
        super().__init__()
        self.targets, self.sizes = tuple(setting.coders), {n: c.outputs for n, c in setting.coders.items()}
        self.sure, self.place, self.wide = sure, 0, None

    def forward(self, inputs):
        rows = len(next(iter(inputs.values())).mask)
        told = self.sure[self.place : self.place + rows]
        self.place += rows
        zeros = {n: torch.zeros(rows, k) if k > 1 else torch.zeros(rows) for n, k in self.sizes.items()}
        return {**zeros, "yes": told}
