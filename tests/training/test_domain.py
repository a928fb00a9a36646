"""Alignment of domains: its losses, who takes part, and that what is fused tells less of where a row is from."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

import sensorium as sm
from sensorium import encoders, fusion, heads
from sensorium.config import Training
from sensorium.data.batches import Rows
from sensorium.data.table import read_table
from sensorium.data.tabular import VectorReader
from sensorium.errors import ConfigError, DataError
from sensorium.model import MultimodalModel
from sensorium.training.discrepancy import coral, mmd
from sensorium.training.domain import FASTER, DomainAlignment
from sensorium.training.module import TrainingModule
from sensorium.training.reversal import rise

QUICK = {"precision": "32", "probes": False, "threads": 1, "wide": False, "batch_size": 32}
INPUT = {"inputs": {"x": {"modality": "vector"}}, "fusion": {"type": "concat", "width": 32}}


def alignment_of(method, weight=1.0, domains="ab", width=4, **more):
    torch.manual_seed(0)
    return DomainAlignment(method, weight, width, list(domains), torch.tensor([0, 1]), **more)


# The losses


@pytest.mark.parametrize(("method", "distance"), [("coral", coral), ("mmd", mmd)])
def test_each_domain_is_held_against_all_others(method, distance):
    fused, codes = torch.randn(12, 4), torch.tensor([0, 0, 0, 1, 1, 1, 1, 2, 2, -1, -1, 3])
    alignment = alignment_of(method, weight=5.0, domains="abcd")
    known = codes >= 0
    parts = [distance(fused[codes == k], fused[known & (codes != k)]) for k in range(3)]  # the fourth is one row
    expected = torch.stack(parts).mean()
    torch.testing.assert_close(alignment.loss(fused, codes, done=0.3), 5 * rise(0.3) * expected)
    assert alignment.row() == {"domain_loss": pytest.approx(expected.item())}
    changed = torch.where(known[:, None], fused, torch.full_like(fused, 1e6))  # rows of no known domain
    torch.testing.assert_close(alignment.loss(changed, codes, done=0.3), 5 * rise(0.3) * expected)


@pytest.mark.parametrize(("method", "distance"), [("coral", coral), ("mmd", mmd)])
def test_of_two_domains_it_is_the_papers_distance(method, distance):
    fused, codes = torch.randn(9, 4), torch.tensor([1, 0, 1, 0, 0, 1, 0, 1, 1])
    found = alignment_of(method).loss(fused, codes, done=1.0)
    torch.testing.assert_close(found, rise(1.0) * distance(fused[codes == 0], fused[codes == 1]))


@pytest.mark.parametrize("method", ["coral", "dann", "mmd"])
@pytest.mark.parametrize("codes", [[-1, -1, -1], [0, 1, -1], [0, 0, 0]])
def test_a_batch_without_two_domains_changes_nothing_or_stays_finite(method, codes):
    fused = torch.randn(3, 4, requires_grad=True)
    loss = alignment_of(method).loss(fused, torch.tensor(codes), done=0.5)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(fused.grad).all()
    if method != "dann" or max(codes) < 0:
        assert loss == 0
        assert (fused.grad == 0).all()


def test_the_encoders_unlearn_what_the_domains_network_learns():
    fused, codes = torch.randn(8, 4), torch.tensor([0, 1, 0, 1, 1, 0, 0, -1])
    alignment = alignment_of("dann", weight=0.4)
    plain = fused[:7].clone().requires_grad_()
    loss = torch.nn.functional.cross_entropy(alignment.critic(plain), codes[:7])
    loss.backward()
    learned = [p.grad.clone() for p in alignment.parameters()]
    alignment.zero_grad()
    fused.requires_grad_()
    found = alignment.loss(fused, codes, done=0.2)
    found.backward()
    torch.testing.assert_close(found, loss)
    torch.testing.assert_close(fused.grad[:7], -0.4 * rise(0.2) * plain.grad)
    assert (fused.grad[7] == 0).all()
    for parameter, expected in zip(alignment.parameters(), learned, strict=True):
        torch.testing.assert_close(parameter.grad, expected)


def test_the_best_epoch_is_chosen_by_what_is_still_apart():
    alignment = alignment_of("mmd", weight=3.0)
    alignment.losses = [0.2, 0.4]
    assert alignment.cost() == pytest.approx(3 * 0.3)
    alignment.losses = [-0.2]  # by chance
    assert alignment.cost() == 0
    codes = torch.tensor([0, 0, 0, 1, -1])
    deceived = DomainAlignment("dann", 2.0, 4, "ab", codes)
    doubt = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    deceived.losses = [0.1]
    assert deceived.cost() == pytest.approx(2 * (doubt - 0.1), rel=1e-6)
    deceived.losses = [doubt + 0.1]  # a network that is wrong on purpose could be right
    assert deceived.cost() == pytest.approx(2 * 0.1, rel=1e-5)


# Rows without a target


def rows_of(numbers, seed=0):
    """Rows of the input x, as an alignment reads those without targets."""
    random = np.random.default_rng(seed)
    table = read_table({"x": list(random.normal(size=(numbers, 3)))})
    reader = VectorReader("x")
    reader.fit(table.rows(["x"]))
    return Rows(table, {"x": reader})


def test_a_step_adds_the_alignment_of_all_rows_to_the_loss_of_those_with_a_target():
    rows, others = rows_of(6), rows_of(5, seed=1)
    alignment = alignment_of("mmd", 2.0, beside=[(others, torch.ones(5, dtype=torch.long))], size=5)
    alignment._codes = torch.tensor([0, 0, 1, 0, -1, 0])
    torch.manual_seed(0)
    parts = {"x": encoders.VectorDense(3, 4, dropout=0)}
    model = MultimodalModel(parts, fusion.Mean(4), {"label": heads.Binary(4)})
    training = Training(batch_size=6, learning_rate=0.01, augment=False, modality_dropout=0)
    module = TrainingModule(model, training, {"x": "vector"}, {"label": 3.0}, 10, 0.0, alignment=alignment)
    module._done = lambda step: 0.4
    module.on_train_epoch_start()
    batch = rows.batch(range(6))._replace(targets={"label": (torch.arange(6) % 2.0, torch.ones(6, dtype=torch.bool))})
    whole = module.training_step(batch, 0)
    loss = model.loss(model(batch.inputs), batch.targets, {"label": 3.0})
    fused = [model.fusion(model.encode(part.inputs)) for part in (batch, others.batch(range(5)))]
    first, second = fused[0][[0, 1, 3, 5]], torch.cat([fused[0][[2]], fused[1]])
    assert module.losses == [(pytest.approx(loss.item()), 6)]
    torch.testing.assert_close(whole, loss + 2 * rise(0.4) * mmd(first, second))
    module.on_train_epoch_end()
    assert not model.fusion._forward_hooks


def test_the_domains_network_learns_faster_than_what_deceives_it():
    alignment = alignment_of("dann")
    parts = {"x": encoders.VectorDense(3, 4)}
    model = MultimodalModel(parts, fusion.Mean(4), {"label": heads.Binary(4)})
    module = TrainingModule(
        model, Training(learning_rate=0.01), {"x": "vector"}, {"label": 1.0}, 10, 0.0, alignment=alignment
    )
    rates = {}
    for group in module.configure_optimizers()["optimizer"].param_groups:
        rates |= dict.fromkeys(map(id, group["params"]), group["initial_lr"])
    assert {rates[id(parameter)] for parameter in alignment.parameters()} == {FASTER * 0.01}
    assert {rates[id(parameter)] for parameter in model.parameters()} == {0.01}


def test_rows_without_a_target_come_in_an_order_of_seed_and_epoch_alone():
    rows, codes = rows_of(10), torch.arange(10)

    def seen(epoch, seed=0, before=()):
        alignment = alignment_of("mmd", domains=map(str, range(10)), beside=[(rows, codes)], size=4, seed=seed)
        for earlier in (*before, epoch):
            alignment.begin_epoch(earlier)
            drawn = [alignment.beside()[0] for _ in range(6)]
        alignment.end_epoch()
        for batch, domains in drawn:
            assert torch.equal(batch.rows, domains)
        return torch.cat([domains for _, domains in drawn]).tolist()

    first = seen(0)
    assert sorted(first[:10]) == sorted(first[10:20]) == list(range(10))  # 4, 4 and 2 rows, then again
    assert first[:10] != first[10:20]
    assert seen(0) == first
    assert seen(1) == seen(1, before=[0])
    assert len({tuple(order) for order in (first, seen(1), seen(0, seed=1))}) == 3


def planted(rows, where, random):
    """Four numbers tell the answer everywhere; in the laboratory four more tell it better, in the field they are far off."""
    yes = random.random(rows) < 0.5
    sign = np.where(yes, 1, -1)[:, None]
    told = random.normal(size=(rows, 4)) + 0.8 * sign
    shortcut = 0.5 * random.normal(size=(rows, 4)) + (sign if where == "laboratory" else 3.0)
    return {"x": np.hstack([told, shortcut]), "site": [where] * rows, "label": np.where(yes, "yes", "no")}


def domain_told(predictor, *parts):
    """How often a linear model tells the domain from what is fused."""
    fused = []
    with torch.no_grad():
        for part in parts:
            batch = Rows(read_table(part), predictor.readers).batch(range(len(part["site"])))
            fused.append(predictor.model.fusion(predictor.model.encode(batch.inputs)).numpy())
    domains = np.repeat(np.arange(len(parts)), [len(part["site"]) for part in parts])
    values = np.concatenate(fused)
    values = (values - values.mean(0)) / (values.std(0) + 1e-6)
    return cross_val_score(LogisticRegression(max_iter=500), values, domains, cv=3).mean()


def test_alignment_leaves_a_shortcut_that_tells_the_domain():
    random = np.random.default_rng(0)
    laboratory, field = planted(300, "laboratory", random), planted(300, "field", random)
    test = planted(600, "field", random)
    options = {"config": INPUT, "epochs": 15, "patience": 15, **QUICK}
    plain = sm.fit(laboratory, "label", ignore=["site"], **options)
    domain = {"column": "site", "method": "mmd", "weight": 5}
    aligned = sm.fit(laboratory, "label", domain=domain, unlabelled=field, **options)
    accuracy = [p.evaluate(test)["metrics"]["accuracy"]["value"] for p in (plain, aligned)]
    assert accuracy[0] < 0.6
    assert accuracy[1] > 0.85  # the four numbers alone give 0.945
    told = [domain_told(p, laboratory, field) for p in (plain, aligned)]
    assert told[0] > 0.97
    assert told[1] < told[0] - 0.05
    assert aligned.metrics["domain"]["rows"] == {"laboratory": aligned.run["rows"]["train"]}
    assert aligned.metrics["domain"]["unlabelled"] == {"field": 300}
    assert list(aligned.readers) == ["x"]
    assert aligned.history["domain_loss"].iloc[-1] < aligned.history["domain_loss"].iloc[0]


def small(rows=80):
    random = np.random.default_rng(1)
    x = random.normal(size=(rows, 4))
    site = np.array(["a", "b", "c", ""], dtype=object)[np.arange(rows) % 4]
    return {"x": x, "site": site, "label": np.where(x[:, 0] > 0, "yes", "no").astype(object)}


def test_rows_of_the_table_without_a_target_are_aligned_where_their_domain_is_known():
    rows = small()
    rows["label"][:40] = ""  # ten of each domain, and ten of none
    said = []
    predictor = sm.fit(rows, "label", domain="site", config=INPUT, epochs=1, say=said.append, **QUICK)
    told = predictor.metrics["domain"]
    assert told["column"] == "site"
    assert told["unlabelled"] == {"a": 10, "b": 10, "c": 10}
    assert sum(told["rows"].values()) <= 30  # some validate
    assert predictor.found["row"].tolist() == list(range(4, 41, 4))  # of no domain either: left out, and said
    assert predictor.found["kind"].unique().tolist() == ["no target"]
    assert any(line.startswith("domain: ") and "+10" in line for line in said)
    assert list(predictor.config.inputs) == ["x"]


@pytest.mark.parametrize("method", ["coral", "dann", "mmd"])
def test_a_killed_fit_goes_on_to_the_same_result(method, tmp_path):
    rows, others = small(), {**small(30), "label": [""] * 30}
    options = {
        "domain": {"column": "site", "method": method},
        "unlabelled": others,
        "config": INPUT,
        "epochs": 3,
        **QUICK,
    }
    plain = sm.fit(rows, "label", out=tmp_path / "plain", **options)

    class Killed(Exception):
        """In the middle of an epoch."""

    def stop(told):
        if told["epoch"] == 3:
            raise Killed

    with pytest.raises(Killed):
        sm.fit(rows, "label", out=tmp_path / "killed", report=stop, **options)
    again = sm.fit(rows, "label", out=tmp_path / "killed", resume=True, **options)
    first, second = (load_file(tmp_path / name / "weights.safetensors") for name in ("plain", "killed"))
    assert not any("alignment" in name for name in first)
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    left_out = ["seconds", "waited"]
    assert again.history.drop(columns=left_out).equals(plain.history.drop(columns=left_out))


def test_it_goes_with_a_balance_and_the_network_of_one_input_is_aligned_too(monkeypatch):
    from sensorium.training import fit as fit_module

    rows = small()
    rows["y"] = rows["x"][::-1].copy()
    kept = []
    monkeypatch.setattr(fit_module, "keep_single", lambda *given: kept.append(given))
    monkeypatch.setattr(
        "sensorium.training.balance.Balancer.better_alone", {"input": "y", "alone": 0.1, "fused": 0.2}, raising=True
    )
    config = {**INPUT, "inputs": {"x": {"modality": "vector"}, "y": {"modality": "vector"}}}
    predictor = sm.fit(rows, "label", domain="site", unlabelled=rows, config=config, epochs=1, **QUICK)
    assert predictor.history["domain_loss"].notna().all()
    alignment = kept[0][-1].only("y", 7)
    assert alignment.domains == ("a", "b", "c")
    assert alignment.width == 7
    alignment.begin_epoch(0)
    assert list(alignment.beside()[0][0].inputs) == ["y"]
    alignment.end_epoch()


def test_folds_see_rows_without_a_target_but_for_those_of_the_value_kept_out(monkeypatch):
    from sensorium.training import folds as folds_module

    rows = small()
    rows["site"][rows["site"] == ""] = "d"
    rows["label"][:20] = ""
    seen, fit = [], folds_module.run_fit

    def watched(*given):
        found = fit(*given)
        seen.append(found.metrics["domain"])
        return found

    monkeypatch.setattr(folds_module, "run_fit", watched)
    options = {"split": {"by": "site"}, "folds": "each", "domain": "site", "config": INPUT, "epochs": 1}
    predictor = sm.fit(rows, "label", **options, **QUICK)
    assert len(predictor.out_of_fold) == 60
    for place, name in enumerate("abcd"):
        assert seen[place]["unlabelled"] == {other: 5 for other in "abcd" if other != name}
    assert seen[4]["unlabelled"] == dict.fromkeys("abcd", 5)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"domain": "sit"}, ConfigError, r"domain.column: the table has no column 'sit'. Did you mean 'site'\?"),
        ({"domain": "label"}, ConfigError, "domain.column: column 'label' is a target; the model must tell it."),
        ({"unlabelled": small(8)}, ConfigError, "no column names a row's domain. Give domain=COLUMN"),
        (
            {"domain": "site", "config": {"inputs": {"x": {}, "site": {}}}},
            ConfigError,
            "inputs.site: column 'site' is the domain; the model is to tell little of it",
        ),
        (
            {"domain": "site", "unlabelled": {"x": [[1.0] * 4]}},
            DataError,
            "domain: the table has no column 'site'. There are: x.",
        ),
        (
            {"domain": "site", "unlabelled": {"x": [[1.0] * 4] * 2, "site": ["", ""]}},
            DataError,
            "the table names a domain in none of its 2 rows: column 'site' is empty.",
        ),
        ({"domain": "one"}, DataError, r"domain: column 'one' has one value only \('here'\) in 68 rows"),
        (
            {"domain": "key"},
            DataError,
            "domain: column 'key' has 68 values in 68 rows; a domain is what many rows share.",
        ),
    ],
)
def test_what_cannot_be_aligned_is_said(options, error, message):
    rows = {**small(), "one": ["here"] * 80, "key": [f"k{row}" for row in range(80)]}
    with pytest.raises(error, match=message):
        sm.fit(rows, "label", epochs=1, **{"config": INPUT, **options}, **QUICK)
