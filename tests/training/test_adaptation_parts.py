"""What an adapted model is before it learns: the run's own answers, whatever parts it has and whatever is added."""

import numpy as np
import pandas as pd
import pytest
import torch

import sensorium as sm
from sensorium.build import build_model
from sensorium.data.batches import Rows
from sensorium.data.extended_target import changes, extend_target
from sensorium.data.table import read_table
from sensorium.data.targets import TargetCoder
from sensorium.encoders.features import Features
from sensorium.errors import ConfigError, DataError
from sensorium.fusion import FUSIONS
from sensorium.single import Single
from sensorium.training.adaptation import _grow
from sensorium.training.wide_again import grown

QUICK = {"probes": False, "threads": 1, "precision": "32"}
STILL = {**QUICK, "epochs": 1, "learning_rate": 1e-12, "weight_decay": 0.0}  # so that weights stay where they start


FEW = 28  # rows: too few for a wide part of their own, so that the answers are the run's


def rows(count, seed, more=0):
    """Two vectors; the first number of `a` tells label, tags and price."""
    random = np.random.default_rng(seed)
    a, b = random.normal(size=(2, count, 4))
    label = np.where(a[:, 0] > 0, "yes", "no").astype(object)
    label[:more] = "maybe"
    tags = ["up|odd" if x > 0 and y > 0 else "up" if x > 0 else "down" for x, y in a[:, :2]]
    return {"a": list(a), "b": list(b), "label": label, "tags": tags, "price": 5 + 3 * a[:, 0]}


@pytest.fixture(scope="module")
def run():
    """A run with a wide part, and a network of `a` by itself that makes 0.4 of the answer."""
    config = {"fusion": {"width": 16}, "balance": {"method": "none"}}
    run = sm.fit(rows(150, 0), "label", config=config, ignore=["tags", "price"], epochs=4, **QUICK)
    assert run.model.wide is not None
    torch.manual_seed(3)
    own = run.config.model_copy(update={"inputs": {"a": run.config.inputs["a"]}})
    run.model.single = Single(build_model(own, {"a": run.readers["a"]}, run.coders)).eval()
    run.model.single.set_share("label", 0.4)
    return run


@torch.no_grad()
def logits(predictor, table, target="label"):
    """Of the whole model; where it was adapted, with network and wide part both by 1, as it was before it learned."""
    if "adapted" in predictor.run and predictor.model.wide is not None:
        predictor.model.wide.set_shares(target, 1.0, 1.0)
    given = Rows(read_table(table), predictor.readers)
    return predictor.model.eval()(given.batch(range(len(given))).inputs)[target]


@pytest.mark.parametrize("train", ["heads", "lora", "all"])
def test_before_it_learns_it_says_what_the_run_says(run, train):
    if train == "lora":
        pytest.importorskip("peft", reason="lora needs 'sensorium[pretrained]'")
    new = rows(FEW, 1)
    adapted = sm.adapt(run, new, train=train, **STILL)
    torch.testing.assert_close(logits(adapted, new), logits(run, new), atol=1e-4, rtol=1e-4)
    assert adapted.model.single.share("label") == pytest.approx(0.4)


def test_a_new_class_leaves_what_is_between_the_others(run, tmp_path):
    new = rows(FEW, 2, more=9)
    adapted = sm.adapt(run, new, train="all", out=tmp_path / "run", **STILL)
    assert adapted.coders["label"].classes == ["no", "yes", "maybe"]
    again = sm.load(tmp_path / "run")
    assert again.model.single is not None
    pd.testing.assert_frame_equal(again.predict_proba(new), adapted.predict_proba(new))
    found, known = logits(adapted, new), logits(run, new)
    torch.testing.assert_close(found[:, 1] - found[:, 0], known, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(found[:, 2], found[:, :2].mean(1), atol=1e-4, rtol=1e-4)


def test_a_new_input_changes_nothing_in_rows_without_it(run):
    new = {**rows(FEW, 4), "pose": list(np.random.default_rng(4).normal(size=(FEW, 3)))}
    said = []
    adapted = sm.adapt(run, new, train="heads", say=said.append, **STILL)
    assert "New: 'pose'." in said[0]
    torch.testing.assert_close(logits(adapted, rows(40, 4)), logits(run, rows(40, 4)), atol=1e-4, rtol=1e-4)
    assert list(sm.adapt(run, new, ignore=["pose"], train="heads", **STILL).readers) == ["a", "b"]


def test_an_input_that_is_gone_does_not_move_and_answers_when_it_is_back(run):
    new = rows(60, 5)
    del new["b"]
    adapted = sm.adapt(run, new, train="all", epochs=3, **QUICK)
    moved = {
        name: not torch.equal(value, adapted.model.encoder(name).state_dict()[key])
        for name in ("a", "b")
        for key, value in run.model.encoder(name).state_dict().items()
        if value.dtype.is_floating_point
    }
    assert moved == {"a": True, "b": False}
    both = rows(60, 5)
    assert not np.allclose(adapted.predict_proba(both), adapted.predict_proba(new))


@pytest.mark.parametrize("kind", ["concat", "deep", "experts", "gated", "late", "mean", "plain_concat", "weighted"])
def test_a_grown_fusion_fuses_rows_without_the_new_input_as_before(kind):
    torch.manual_seed(0)
    small, large = FUSIONS[kind](width=8).eval(), FUSIONS[kind](width=8).eval()
    small.connect(["a", "b"])
    large.connect(["a", "b", "c"])
    assert _grow(large, small)
    given = {name: Features(torch.randn(5, 2, 8), torch.rand(5, 2) > 0.3) for name in ("a", "b")}
    torch.testing.assert_close(large(given), small(given))


@pytest.mark.parametrize(
    ("kind", "grows"), [("attention", True), ("bottleneck", True), ("film", True), ("tensor", False)]
)
def test_other_fusions_grow_or_say_that_they_do_not(kind, grows):
    small, large = FUSIONS[kind](width=8).eval(), FUSIONS[kind](width=8).eval()
    small.connect(["a", "b"])
    large.connect(["a", "b", "c"])
    assert _grow(large, small) is grows
    other = FUSIONS["mean"](width=8)
    other.connect(["b", "a"])
    assert not _grow(large, other)


def test_numbers_keep_their_scale_and_labels_are_appended():
    config = {"balance": {"method": "none"}, "fusion": {"width": 16}}
    both = ["price", "tags"]
    targets = {"targets": {"tags": {"task": "multilabel"}, "price": {"task": "regression"}}}
    start = sm.fit(rows(150, 0), config={**config, **targets}, ignore=["label"], epochs=2, **QUICK)
    new = rows(FEW, 1)
    new["price"] = new["price"] * 100
    new["tags"] = [f"{cell}|new" if i % 2 else cell for i, cell in enumerate(new["tags"])]
    adapted = sm.adapt(start, new, train="heads", **STILL)
    assert (adapted.coders["price"].mean, adapted.coders["price"].scale) == (
        start.coders["price"].mean,
        start.coders["price"].scale,
    )
    assert adapted.coders["tags"].classes == ["down", "odd", "up", "new"]
    torch.testing.assert_close(logits(adapted, new, "tags")[:, :3], logits(start, new, "tags"), atol=1e-4, rtol=1e-4)
    only = {key: value for key, value in new.items() if key != "price"}
    assert list(sm.adapt(start, only, train="heads", **STILL).coders) == ["tags"]
    assert list(sm.adapt(start, new, train="heads", target="label", **STILL).coders) == ["label"]
    assert set(start.coders) == set(both)


def test_two_classes_of_one_logit_become_two_of_which_it_is_the_difference():
    weight, bias = grown(torch.tensor([[2.0, -4.0]]), torch.tensor([1.0]), 4)
    assert weight.tolist() == [[-1.0, 2.0], [1.0, -2.0], [0.0, 0.0], [0.0, 0.0]]
    assert bias.tolist() == [-0.5, 0.5, 0.0, 0.0]


def test_adapters_that_an_encoder_has_by_itself_go_on_learning(tmp_path):
    pytest.importorskip("peft", reason="pretrained encoders need 'sensorium[pretrained]'")
    import tiny

    tiny.save("bert", tmp_path / "model")
    words = [("red circle", "blue square")[i % 2] + f" {i}" for i in range(40)]
    table = {"note": words, "kind": ["circle", "square"] * 20}
    moved = {}
    for own in ("frozen", "lora"):
        encoder = {"type": "pretrained", "model": str(tmp_path / "model"), "train": own}
        config = {"inputs": {"note": {"modality": "text", "encoder": encoder}}, "fusion": {"width": 16}}
        start = sm.fit(table, "kind", config=config, epochs=1, wide=False, **QUICK)
        for train in ("heads", "lora", "all"):
            adapted = sm.adapt(start, table, train=train, epochs=2, **QUICK)
            pairs = zip(
                start.model.encoder("note").body.parameters(),
                adapted.model.encoder("note").body.parameters(),
                strict=True,
            )
            moved[own, train] = not all(torch.equal(one, other) for one, other in pairs)
    assert moved == {
        ("frozen", "heads"): False, ("frozen", "lora"): False, ("frozen", "all"): False,
        ("lora", "heads"): False, ("lora", "lora"): True, ("lora", "all"): True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        (["split.folds=3"], r"split.folds: must be left out; a run goes on as one"),
        (["balance.method=auxiliary"], r"balance.method: must be none; got auxiliary"),
        (
            ["targets.label.task=regression"],
            r"targets.label.task: must be classification, as in the run; got regression",
        ),
        (["targets.label={task: generation, model: x}"], r"target 'label' is a text \(task generation\)"),
    ],
)
def test_options_that_a_run_can_not_go_on_with_are_refused(run, settings, match):
    with pytest.raises(ConfigError, match=match):
        sm.adapt(run, rows(40, 1), train="heads", settings=settings, **STILL)
    with pytest.raises(ConfigError, match=r"--as a=text: the run reads the column as vector. Leave it out"):
        sm.adapt(run, rows(40, 1), train="heads", modalities={"a": "text"}, **STILL)


@pytest.mark.parametrize(
    ("cells", "match"),
    [
        ([None, ""], r"target 'pet' has a value in none of 2 rows. The run was fitted for binary"),
        (["cat", "dog"], r"target 'pet' has no class of 2 rows"),
        (["cat", "cat", "ant"], r"fewer than 2 rows of 1 classes that are new \(ant\)"),
        (["a", "b", "c"], r"has 3 classes in 3 rows that the run does not know, such as 'a'; it knows cat, dog"),
    ],
)
def test_cells_that_a_target_can_not_go_on_with_are_refused(cells, match):
    with pytest.raises(DataError, match=match):
        extend_target(TargetCoder("pet", "binary", ["cat", "dog"], [5, 5]), cells)


def test_what_cells_change_of_a_target():
    known = TargetCoder("pet", "binary", ["cat", "dog"], [5, 5], offsets=[0.1, 0.0])
    assert changes(known, ["dog", None, "bee", "ant"]) == (["ant", "bee"], ["cat"])
    assert extend_target(known, ["dog", "dog"]) == TargetCoder("pet", "binary", ["cat", "dog"], [1, 2])
    number = TargetCoder("age", "regression", mean=3.0, scale=2.0)
    assert changes(number, [1, 2]) == ([], [])
    assert extend_target(number, [100, None]) == number


class Killed(Exception):
    """In the middle of an epoch."""


@pytest.mark.parametrize("own", ["lora", "all"])
def test_checkpoints_hold_the_adapters_and_a_resumed_one_is_the_same(tmp_path, own):
    pytest.importorskip("peft", reason="pretrained encoders need 'sensorium[pretrained]'")
    import tiny

    tiny.save("bert", tmp_path / "model")
    table = {"note": [("red circle", "blue square")[i % 2] + f" {i}" for i in range(40)], "kind": ["x", "y"] * 20}
    encoder = {"type": "pretrained", "model": str(tmp_path / "model"), "train": own, "gradual": own == "all"}
    config = {"inputs": {"note": {"modality": "text", "encoder": encoder}}, "fusion": {"width": 16}}
    start = sm.fit(table, "kind", config=config, epochs=1, wide=False, **QUICK)
    options = {**QUICK, "train": "lora", "epochs": 4, "learning_rate": 0.01}
    plain = sm.adapt(start, table, **options)

    def stop(told):
        if told["epoch"] == 3:
            raise Killed

    with pytest.raises(Killed):
        sm.adapt(start, table, out=tmp_path / "run", report=stop, **options)
    (last,) = (tmp_path / "run").rglob("last.ckpt")
    state = torch.load(last, weights_only=True)["state_dict"]
    learned = [name for name in state if ".body." in name]
    assert learned
    assert all("lora_" in name for name in learned)
    again = sm.adapt(start, table, out=tmp_path / "run", resume=True, **options)
    for (name, one), other in zip(plain.model.state_dict().items(), again.model.state_dict().values(), strict=True):
        assert torch.equal(one, other), name
