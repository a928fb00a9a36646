"""Balance of inputs: each method's arithmetic, what reaches the encoders, and fits that are resumed or decide themselves."""

import copy
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import sensorium as sm
from sensorium import encoders, fusion, heads
from sensorium.config import Balance, Training
from sensorium.data.batches import Rows
from sensorium.data.table import read_table
from sensorium.data.tabular import VectorReader
from sensorium.data.targets import fit_target
from sensorium.encoders.features import Input
from sensorium.model import MultimodalModel
from sensorium.training.balance import AuxiliaryHeads, Balancer, blending_weights, build_balancer, flowing
from sensorium.training.loop import train
from sensorium.training.ogm import coefficients, modulate

QUICK = {"precision": "32", "probes": False, "threads": 1}
WEIGHTS = {"label": 1.0, "price": 0.7}


def model_of(kind="concat"):
    torch.manual_seed(0)
    parts = {name: encoders.VectorDense(4, 8, dropout=0) for name in "abc"}
    ends = {"label": heads.Classification(3, 8), "price": heads.Regression(8)}
    return MultimodalModel(parts, fusion.FUSIONS[kind](8), ends)


def balancer_of(model, method, **options):
    ends = {
        "label": [heads.Classification(3, model.fusion.token_width) for _ in "abc"],
        "price": [heads.Regression(model.fusion.token_width) for _ in "abc"],
    }
    return Balancer(Balance(method=method, **options), AuxiliaryHeads(model.fusion, ends))


def batch_of(rows=12):
    """b is missing from every third row and c from all; the price is not known in every fourth."""
    torch.manual_seed(1)
    place = torch.arange(rows)
    there = {"a": place >= 0, "b": place % 3 > 0, "c": place < 0}
    inputs = {name: Input(torch.randn(rows, 4), there[name]) for name in "abc"}
    return inputs, {"label": (place % 3, place >= 0), "price": (torch.randn(rows), place % 4 > 0)}


def gradients(module):
    return {n: torch.zeros_like(p) if p.grad is None else p.grad.clone() for n, p in module.named_parameters()}


# The arithmetic


@pytest.mark.parametrize("alpha", [0.0, 0.3, 2.0])
def test_ogm_keeps_one_minus_tanh_of_the_lead_over_the_mean_of_the_others(alpha):
    scores = np.random.default_rng(0).uniform(0.1, 1, size=5)
    ratios = np.array([scores[m] / np.delete(scores, m).mean() for m in range(5)])
    assert (ratios > 1).any()
    assert (ratios < 1).any()
    expected = np.where(ratios > 1, 1 - np.tanh(alpha * ratios), 1.0)
    np.testing.assert_allclose(coefficients(scores.tolist(), alpha), expected, rtol=1e-12, atol=1e-14)


def test_ogm_counts_a_modality_in_no_row_for_nothing():
    assert coefficients([0.8, None, 0.4], 0.5) == [1 - math.tanh(0.5 * 2), 1.0, 1.0]
    assert coefficients([0.8, None], 0.5) == [1.0, 1.0]


def test_ogm_scales_a_gradient_and_adds_noise_of_its_deviation():
    random = np.random.default_rng(0)
    before = random.normal(3, 2, size=40_000)
    before[:10_000] = 0
    noisy, even, without = (torch.nn.Parameter(torch.zeros(n, dtype=torch.float64)) for n in (40_000, 5, 5))
    noisy.grad, even.grad = torch.from_numpy(before.copy()), torch.full((5,), 2.0, dtype=torch.float64)
    modulate([noisy, even, without], 0.25)
    noise = noisy.grad.numpy()[10_000:] - 0.25 * before[10_000:]
    assert noise.std() == pytest.approx(before.std(), rel=0.02)
    assert abs(noise.mean()) < 4 * before.std() / math.sqrt(30_000)
    assert not noisy.grad[:10_000].any()  # what had no gradient has none
    np.testing.assert_allclose(even.grad.numpy(), 0.5)
    assert without.grad is None


def test_blending_weighs_gain_over_the_square_of_growth():
    train, valid = np.array([[1.0, 1.0, 1.2], [0.5, 0.9, 0.1]]), np.array([[1.1, 1.0, 1.2], [0.9, 0.8, 1.3]])
    gain, growth = valid[0] - valid[1], (valid[1] - train[1]) - (valid[0] - train[0])
    raw = np.maximum(gain, 0) / growth**2
    found = blending_weights(train[0], valid[0], train[1], valid[1])
    np.testing.assert_allclose(found, raw / raw.sum(), rtol=1e-12)
    assert found[2] == 0  # its validation loss rose
    assert sum(found) == pytest.approx(1)


def test_blending_knows_nothing_where_no_loss_fell_and_bounds_a_gap_that_did_not_grow():
    assert blending_weights([1, 1], [1, 1], [0.5, 0.5], [1.1, math.nan]) == []
    # Growths of 0 and of 0.1: the first counts as 0.01.
    np.testing.assert_allclose(
        blending_weights([1, 1], [1, 1], [0.9, 0.8], [0.9, 0.9]), [100 / 101, 1 / 101], rtol=1e-6
    )


def test_a_share_of_the_gradient_flows_and_the_values_stay():
    values = torch.randn(3, 2, requires_grad=True)
    found = flowing(values, torch.tensor([0.0, 0.25]))
    assert torch.equal(found, values)
    found.sum().backward()
    assert torch.equal(values.grad, torch.tensor([[0.0, 0.25]]).expand(3, 2))


# What reaches the encoders


def by_hand(model, balancer, inputs, targets):
    """The fused loss, and each modality's own loss over the rows that have it."""
    logits, present = balancer.heads(model.encode(inputs))
    own = [
        sum(
            WEIGHTS[name] * head.loss(logits[name][:, m][rows], targets[name][0][rows])
            for name in targets
            if (rows := targets[name][1] & present[:, m]).any()
            for head in [balancer.heads.of(name)[m]]
        )
        for m in range(3)
    ]
    return model.loss(model(inputs), targets, WEIGHTS), own


def test_auxiliary_adds_each_inputs_own_loss_to_the_fused_one():
    model = model_of()
    balancer, (inputs, targets) = balancer_of(model, "auxiliary", weight=0.4), batch_of()
    other = model_of()
    twin = balancer_of(other, "auxiliary")
    twin.load_state_dict(balancer.state_dict())
    fused, own = by_hand(other, twin, inputs, targets)
    assert own[2] == 0  # c is in no row
    (fused + 0.4 * (own[0] + own[1])).backward()
    loss, whole = balancer.loss(model, inputs, targets, WEIGHTS)
    whole.backward()
    assert loss.item() == pytest.approx(fused.item(), rel=1e-6)
    assert whole.item() == pytest.approx((fused + own[0] + own[1]).item(), rel=1e-6)
    expected = gradients(other)
    for name, found in gradients(model).items():
        torch.testing.assert_close(found, expected[name], msg=name)
    expected = gradients(twin)
    for name, found in gradients(balancer).items():  # of the heads themselves at full rate
        torch.testing.assert_close(0.4 * found, expected[name], msg=name)


@pytest.mark.parametrize("method", ["auto", "ogm_ge"])
def test_heads_that_watch_leave_the_models_gradient_as_it_is(method):
    model, plain = model_of(), model_of()
    balancer, (inputs, targets) = balancer_of(model, method), batch_of()
    plain.loss(plain(inputs), targets, WEIGHTS).backward()
    balancer.loss(model, inputs, targets, WEIGHTS)[1].backward()
    expected = gradients(plain)
    for name, found in gradients(model).items():
        assert torch.equal(found, expected[name]), name
    assert any(gradient.any() for gradient in gradients(balancer).values())


def test_ogm_scales_the_leading_encoder_alone(monkeypatch):
    monkeypatch.setattr(torch, "randn_like", torch.zeros_like)
    model = model_of()
    balancer, (inputs, targets) = balancer_of(model, "ogm_ge", alpha=0.8), batch_of()
    _, own = by_hand(model, balancer, inputs, targets)
    balancer.loss(model, inputs, targets, WEIGHTS)[1].backward()
    before = gradients(model)
    balancer.modulate(model)
    score = np.exp([-own[0].item(), -own[1].item()])
    ratio = np.array([score[0] / score[1], score[1] / score[0]])
    kept = {f"encoders.m{m}.": k for m, k in enumerate(np.where(ratio > 1, 1 - np.tanh(0.8 * ratio), 1))}
    assert min(kept.values()) < 0.5
    for name, found in gradients(model).items():
        torch.testing.assert_close(found, before[name] * kept.get(name[:12], 1.0), msg=name, rtol=1e-4, atol=1e-7)


def test_warm_start_trains_encoders_by_their_own_losses_and_then_by_the_fused_one():
    model = model_of()
    balancer, (inputs, targets) = balancer_of(model, "warm_start", share=0.3), batch_of()

    def found():
        model.zero_grad()
        balancer.loss(model, inputs, targets, WEIGHTS)[1].backward()
        return gradients(model)

    def expected(loss_of):
        other = model_of()
        twin = balancer_of(other, "warm_start")
        twin.load_state_dict(balancer.state_dict())
        fused, own = by_hand(other, twin, inputs, targets)
        loss_of(fused, own[0] + own[1]).backward()
        return {name: value for name, value in gradients(other).items() if name.startswith("encoders")}

    balancer.begin_epoch(0.29)
    early = found()
    for name, value in expected(lambda fused, own: own).items():
        torch.testing.assert_close(early[name], value, msg=name)
    assert early["heads.t0.linear.weight"].any()  # the fusion learns on what the encoders are by then
    balancer.begin_epoch(0.3)
    late = found()
    for name, value in expected(lambda fused, own: fused).items():
        torch.testing.assert_close(late[name], value, msg=name)


@pytest.mark.parametrize("kind", sorted(fusion.FUSIONS))
@pytest.mark.parametrize("method", ["auxiliary", "blending", "ogm_ge"])
def test_it_goes_with_every_fusion_and_with_absent_inputs(kind, method):
    model = model_of(kind)
    balancer, (inputs, targets) = balancer_of(model, method), batch_of()
    loss, whole = balancer.loss(model, inputs, targets, WEIGHTS)
    whole.backward()
    balancer.modulate(model)
    assert torch.isfinite(loss)
    assert all(torch.isfinite(gradient).all() for gradient in gradients(model).values())
    found = gradients(balancer)
    of = [any(g.any() for n, g in found.items() if n.split(".")[3] == str(m)) for m in range(3)]
    assert of == [True, True, False]  # c is in no row
    assert gradients(model)["encoders.m1.first.0.weight"].any()


# Decisions at an epoch's end


def ended(balancer, epoch, train, valid):
    """An epoch with these losses."""
    balancer.begin_epoch(0.0)
    balancer.train_means.add(torch.tensor([train]), torch.ones(1, len(train), dtype=torch.long))
    balancer.valid_means.add(torch.tensor([valid]), torch.ones(1, len(valid), dtype=torch.long))
    balancer.end_epoch(epoch)


def test_auto_compares_the_best_epoch_of_each_head_with_the_fused_models_best():
    balancer = balancer_of(model_of(), "auto")
    # Heads of a, b and c; the fused model; the fused model on the rows of a, b and c.
    ended(balancer, 1, [1.0] * 4, [0.9, 0.8, 0.70, 0.6, 0.85, 0.75, 0.74])
    assert balancer.better_alone["input"] == "c"
    ended(balancer, 2, [1.0] * 4, [0.9, 0.8, 0.69, 0.6, 0.80, 0.70, 0.70])
    assert balancer.better_alone is None  # 0.69 is not clearly less than 0.70
    assert balancer.line() == "balance: no input alone is better than all together."
    ended(balancer, 3, [1.0] * 4, [0.7, 0.8, 0.65, 0.6, 0.85, 0.75, 0.85])  # of a by 0.1 and of c by 0.05
    expected = {"input": "a", "alone": pytest.approx(0.7), "fused": pytest.approx(0.8)}
    assert balancer.better_alone == balancer.told()["better_alone"] == expected
    balancer.begin_epoch(0.0)
    assert (balancer.fused, balancer.own) == (1.0, [0.0] * 3)  # what is trained stays as it is
    assert balancer.line().startswith("balance: 'a' alone came to validation loss 0.700, all together to 0.800")


def test_an_input_that_no_validation_row_has_is_never_better_alone():
    balancer, nan = balancer_of(model_of(), "auto"), float("nan")
    ended(balancer, 1, [1.0] * 4, [nan, 0.8, 0.7, 0.6, nan, 0.75, 0.5])
    assert balancer.better_alone is None


def test_blending_estimates_anew_every_few_epochs():
    balancer = balancer_of(model_of(), "blending", every=2)
    first, last = ([1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.1]), ([0.8, 0.5, 0.9, 0.7], [0.9, 0.8, 1.2, 1.0])
    ended(balancer, 1, first[0], first[1] + [1.0] * 3)
    ended(balancer, 2, [0.9] * 4, [9.0] * 7)
    assert [*balancer.own, balancer.fused] == [0.25] * 4  # nothing is known yet
    ended(balancer, 3, last[0], last[1] + [1.0] * 3)
    balancer.begin_epoch(0.0)
    expected = blending_weights(*(torch.tensor(x).double().tolist() for x in (*first, *last)))
    np.testing.assert_allclose([*balancer.own, balancer.fused], expected, rtol=1e-5)


# Whole fits


def additive(rows=300):
    random = np.random.default_rng(0)
    found = {name: list(random.normal(size=(rows, 4))) for name in "ab"}
    yes = np.array(found["a"])[:, 0] + np.array(found["b"])[:, 0] > 0
    for row in range(0, rows, 7):
        found["a"][row] = None
    return {**found, "label": np.where(yes, "yes", "no"), "price": list(random.normal(size=rows))}


def starved(rows, seed):
    """a: 200 numbers that tell a little and can be learned by heart; b: whether two signs are equal, which is all."""
    random = np.random.default_rng(seed)
    b = random.normal(size=(rows, 6))
    yes = b[:, 0] * b[:, 1] > 0
    a = random.normal(size=(rows, 200))
    a[:, :8] += 0.25 * np.where(yes, 1, -1)[:, None]
    return {"a": a, "b": b, "label": np.where(yes, "yes", "no")}


def fit(rows, balance, width=16, **options):
    config = {"inputs": {"a": {}, "b": {}}, "fusion": {"type": "concat", "width": width}, "balance": balance}
    if "price" in rows:
        config["targets"] = {"label": {}, "price": {"task": "regression", "weight": 0.2}}
    return sm.fit(rows, "label", config=config, **{"epochs": 5, "batch_size": 32, **QUICK, **options})


class Killed(Exception):
    """Raised in the middle of an epoch."""


@pytest.mark.parametrize("method", ["auto", "auxiliary", "blending", "ogm_ge", "warm_start"])
def test_a_stopped_fit_goes_on_to_the_same_result(method, tmp_path, monkeypatch):
    if method == "auto":  # decide at once, so that there is a decision to remember
        monkeypatch.setattr(Balancer, "end_epoch", hasty(Balancer.end_epoch))
    rows = additive()
    plain = fit(rows, method, out=tmp_path / "plain")

    def stop(told):
        if told["epoch"] == 4:
            raise Killed

    with pytest.raises(Killed):
        fit(rows, method, out=tmp_path / "killed", report=stop)
    again = fit(rows, method, out=tmp_path / "killed", resume=True)
    first, second = (load_file(tmp_path / name / "weights.safetensors") for name in ("plain", "killed"))
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    left_out = ["seconds", "waited"]
    assert again.history.drop(columns=left_out).equals(plain.history.drop(columns=left_out))
    assert again.metrics["balance"] == plain.metrics["balance"]
    if method == "auto":
        assert (
            again.model.single.modality
            == plain.model.single.modality
            == plain.metrics["balance"]["better_alone"]["input"]
        )


def hasty(end_epoch):
    def changed(self, epoch):
        self.valid_means.sums[:, 3:] += 1000  # the fused model on each input's rows
        end_epoch(self, epoch)

    return changed


def test_auto_stays_off_where_fusion_wins_and_then_changes_nothing():
    rows, said = additive(), []
    auto, none = fit(rows, "auto", say=said.append, wide=False), fit(rows, "none", wide=False)
    assert auto.metrics["balance"]["better_alone"] is None
    assert "balance: no input alone is better than all together." in said
    assert "balance" not in none.metrics
    weights = none.model.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in auto.model.state_dict().items())
    assert auto.history["valid_loss"].equals(none.history["valid_loss"])
    assert (auto.history["valid_loss a"] > auto.history["valid_loss"]).all()


def test_auto_is_turned_on_where_one_input_starves_another():
    said = []
    options = {"epochs": 20, "patience": 20, "learning_rate": 2e-3, "valid": starved(300, 1), "say": said.append}
    predictor = fit(starved(600, 0), "auto", width=64, **options)
    found = predictor.metrics["balance"]["better_alone"]
    assert found["input"] == "b"
    assert found["alone"] < found["fused"]
    assert (predictor.history["weight b"] == 0).all()
    assert sum(line.startswith("balance: 'b' alone came to") for line in said) == 1
    # A network of b by itself is a part of the answer, which is better by it than what joint training alone gives.
    assert predictor.model.single.modality == "b"
    share = predictor.model.single.share("label")
    assert share > 0.5
    assert f"target 'label': the network of 'b' by itself makes {share:.2f} of the answer." in said
    test = starved(2000, 2)
    better, joint = (
        p.evaluate(test)["metrics"]["accuracy"] for p in (predictor, fit(starved(600, 0), "none", width=64, **options))
    )
    assert better["low"] > joint["high"]


def test_of_one_input_nothing_is_balanced():
    rows = {name: value for name, value in additive().items() if name in {"b", "label"}}
    config = {"inputs": {"b": {}}, "balance": "auxiliary"}
    balanced, plain = (sm.fit(rows, "label", config=c, epochs=1, **QUICK) for c in (config, {"inputs": {"b": {}}}))
    assert "balance" not in balanced.metrics
    weights = plain.model.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in balanced.model.state_dict().items())


def test_a_time_limit_is_what_warm_starts_share_is_of():
    predictor = fit(additive(), "warm_start", epochs=100_000, patience=100_000, time_limit=6)
    assert predictor.metrics["stopped"] == "the time limit"
    assert predictor.history["weight"].is_monotonic_increasing
    assert set(predictor.history["weight"]) == {0.0, 1.0}


def test_the_heads_of_the_best_epoch_come_with_the_training(tmp_path):
    table = read_table(additive())
    coder = fit_target("label", table.cells("label"), "classification")
    readers = {name: VectorReader(name) for name in "ab"}
    for name, reader in readers.items():
        reader.fit([(cell,) for cell in table.cells(name)])
    model = MultimodalModel(
        {name: encoders.VectorDense(4, 8) for name in "ab"}, fusion.Concat(8), {"label": heads.Binary(8)}
    )
    rows = Rows(table, readers, {"label": coder})
    # Where the answers are drawn, the loss soon rises.
    drawn = read_table({**additive(), "label": list(np.random.default_rng(1).permutation(table.cells("label")))})
    valid = Rows(drawn, readers, {"label": coder})
    config = SimpleNamespace(
        balance=Balance(method="auxiliary"),
        imbalance=sm.config.Imbalance(method="none"),
        targets={"label": sm.config.Target(task="classification")},
    )
    balancer = build_balancer(config, model, {"label": coder})
    options = Training(epochs=8, batch_size=16, learning_rate=0.05, patience=8, precision="32", augment=False)
    modalities, weights = {"a": "vector", "b": "vector"}, {"label": 1.0}
    trained = train(model, rows, valid, options, tmp_path, modalities, weights, 0.0, balancer=balancer)
    best = min(trained.history, key=lambda row: row["valid_loss"])
    assert best is not trained.history[-1]
    batch = valid.batch(range(len(valid)))
    with torch.no_grad():
        logits, present = trained.heads(model.encode(batch.inputs))
    assert logits["label"].shape == present.shape == (300, 2)
    assert present.all(0).tolist() == [False, True]
    truth = batch.targets["label"][0].double()
    for m, name in enumerate("ab"):
        there = present[:, m]
        probability = torch.sigmoid(logits["label"][there, m].double())
        expected = -torch.where(truth[there] > 0, probability, 1 - probability).log().mean()
        assert best[f"valid_loss {name}"] == pytest.approx(expected.item(), rel=1e-4)


def test_the_heads_are_copied_with_the_fusion_that_they_read():
    model = model_of()
    own = balancer_of(model, "auxiliary").heads
    assert not any(name.startswith("_fusion") for name, _ in own.named_modules())
    logits, _ = copy.deepcopy(own)(model.encode(batch_of()[0]))
    assert {name: tuple(value.shape) for name, value in logits.items()} == {"label": (12, 3, 3), "price": (12, 3)}
