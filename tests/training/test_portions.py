"""A step in portions has the gradient of all its rows at once."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

import sensorium as sm
from sensorium import encoders, fusion, heads
from sensorium.config import Balance, Training
from sensorium.data.batches import Batch
from sensorium.encoders.features import Input
from sensorium.errors import TrainingError
from sensorium.evaluation.memory import less_at_once, out_of_memory
from sensorium.model import MultimodalModel
from sensorium.training.balance import AuxiliaryHeads, Balancer
from sensorium.training.module import TrainingModule
from sensorium.training.portions import divided
from sensorium.training.taught import Taught

SAID = "[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."


def module_of(at_once, method=None, taught=None):
    torch.manual_seed(0)
    parts = {"a": encoders.VectorDense(3, 8), "b": encoders.VectorDense(3, 8)}
    ends = {
        "kind": heads.Classification(3, 8, weights=[0.5, 1.0, 4.0]),
        "tags": heads.Multilabel(2, 8),
        "size": heads.Regression(8),
        "good": heads.Binary(8),
    }
    model = MultimodalModel(parts, fusion.Gated(8), ends)
    for part in model.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0  # the same chance can't be had of other batches
    balancer = None
    if method is not None:
        own = {name: [copy.deepcopy(end) for _ in parts] for name, end in ends.items()}
        balancer = Balancer(Balance(method=method), AuxiliaryHeads(model.fusion, own))
    options = Training(augment=False, modality_dropout=0, learning_rate=0.01, batch_size=at_once)
    weights = {"kind": 1.0, "tags": 0.5, "size": 2.0, "good": 1.0}
    module = TrainingModule(model, options, {"a": "vector", "b": "vector"}, weights, 100, 0.0, balancer, taught=taught)
    module.on_train_epoch_start()
    return module


def batch_of(rows=11):
    """Targets and inputs that are missing here and there, so that portions have other shares than their rows."""
    random = torch.Generator().manual_seed(1)

    def some(chance):
        return torch.rand(rows, generator=random) < chance

    inputs = {name: Input(torch.rand(rows, 3, generator=random), some(0.7)) for name in "ab"}
    targets = {
        "kind": (torch.randint(3, (rows,), generator=random), some(0.6)),
        "tags": (torch.randint(2, (rows, 2), generator=random).float(), some(0.6)),
        "size": (torch.rand(rows, generator=random), some(0.6)),
        "good": (torch.randint(2, (rows,), generator=random).float(), torch.arange(rows) < 1),  # in one portion alone
    }
    return Batch(inputs, targets, torch.arange(rows))


def gradients(module, batch):
    module.training_step(batch, 0).backward()
    return {name: value.grad.clone() for name, value in module.named_parameters() if value.grad is not None}


@pytest.mark.parametrize("method", [None, "auxiliary", "auto", "ogm_ge"])
@pytest.mark.parametrize("at_once", [6, 4, 1])  # 11 rows: portions of 6 and 5; of 4, 4 and 3; of one
def test_portions_have_the_gradient_of_the_whole(method, at_once):
    whole, parts = module_of(11, method), module_of(at_once, method)
    expected, found = gradients(whole, batch_of()), gradients(parts, batch_of())
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-6, msg=name)
    assert parts.mean_loss() == pytest.approx(whole.mean_loss(), rel=1e-5)
    if method is not None:
        for one, other in zip(whole.balancer.train_means.values(), parts.balancer.train_means.values(), strict=True):
            assert other == pytest.approx(one, rel=1e-5)


def test_what_another_model_teaches_counts_by_rows():
    torch.manual_seed(3)
    told = {"kind": torch.randn(11, 3), "tags": torch.randn(11, 2), "size": torch.randn(11), "good": torch.randn(11)}
    tasks = {"kind": "classification", "tags": "multilabel", "size": "regression", "good": "binary"}
    taught = Taught(told, told, tasks, 2.0, 0.4)
    expected, found = (gradients(module_of(size, taught=taught), batch_of()) for size in (11, 3))
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-6, msg=name)


def test_portions_hold_every_row_once():
    batch = batch_of()
    parts = divided(batch, 3)
    assert [len(part.rows) for part in parts] == [4, 4, 3]
    assert sorted(torch.cat([part.rows for part in parts]).tolist()) == list(range(11))
    for part in parts:
        assert torch.equal(part.inputs["a"].values, batch.inputs["a"].values[part.rows])
        assert torch.equal(part.targets["kind"][1], batch.targets["kind"][1][part.rows])


@pytest.fixture(scope="module")
def rows():
    random = np.random.default_rng(0)
    found = {"a": random.normal(size=(60, 4)), "b": random.normal(size=(60, 4))}
    return {**found, "label": np.where(found["a"][:, 0] + found["b"][:, 0] > 0, "yes", "no")}


PLAIN = ["balance.method=none", "training.wide=false", "training.modality_dropout=0", "training.valid_share=0.2"]
SMOOTH = ["fusion.type=mean", "inputs.a.encoder.dropout=0", "inputs.b.encoder.dropout=0"]


def learned(rows, seen=None, **options):
    options = {"epochs": 2, "precision": "32", "probes": False, "seed": 3, **options}
    report = (
        (lambda told: seen.append((told["step"], told["steps"], told["learning_rate"], told["rows"])))
        if seen is not None
        else lambda _: None
    )
    return sm.fit(rows, "label", settings=PLAIN, report=report, **options)


def test_steps_and_schedule_are_counted_in_steps_of_the_optimiser(rows):
    one, two = [], []
    learned(rows, one, batch_size=12)
    learned(rows, two, batch_size=4, accumulate=3)
    assert one == two
    assert one[-1][:2] == (8, 8)  # 48 rows to learn from, 12 a step, 2 epochs
    assert [rows for *_, rows in one[:4]] == [12, 24, 36, 48]


def test_the_last_shorter_group_counts_by_its_rows(rows):
    one, two = [], []
    learned(rows, one, batch_size=20)
    learned(rows, two, batch_size=4, accumulate=5)
    assert one == two
    assert [rows for *_, rows in one[:3]] == [20, 40, 48]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RuntimeError(SAID), True),
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("can't allocate memory"), False),
    ],
)
def test_what_is_out_of_memory(error, expected):
    assert out_of_memory(error) is expected


def test_what_the_processors_allocator_says_is_known():
    with pytest.raises(RuntimeError) as error:
        torch.empty(1 << 50, dtype=torch.uint8)  # a petabyte
    assert out_of_memory(error.value)


class Small:
    """Stands in for an allocator that has room for some rows at once."""

    def __init__(self, monkeypatch, room, steps=range(10**6)):
        self.asked, forward = [], MultimodalModel.forward

        def limited(model, inputs):
            count = len(next(iter(inputs.values())).values)
            self.asked.append(count)
            if count > room and len(self.asked) in steps:
                raise RuntimeError(SAID)
            return forward(model, inputs)

        monkeypatch.setattr(MultimodalModel, "forward", limited)


def test_out_of_memory_goes_on_with_half_as_many_rows_at_once_and_the_same_steps(rows, monkeypatch):
    plain, said, seen = [], [], []
    learned(rows, plain, batch_size=12)
    Small(monkeypatch, room=4)
    found = learned(rows, seen, batch_size=12, say=said.append)
    assert seen == plain  # steps, schedule and rows a step
    told = [line for line in said if line.startswith("out of memory")]
    assert told == [
        "out of memory with 12 rows at once at step 0: from here on 6 at once, and as many rows a step as before.",
        "out of memory with 6 rows at once at step 0: from here on 3 at once, and as many rows a step as before.",
    ]
    assert set(told) <= set(found.metrics["warnings"])
    assert len(found.history) == 2


def test_a_step_amid_an_epoch_is_made_again_without_a_trace(rows, monkeypatch):
    """With one portion too large once, all else is as if it had been in portions from that step on."""
    Small(monkeypatch, room=5, steps={3})
    first = learned(rows, batch_size=10)
    assert [line for line in first.metrics["warnings"] if "out of memory with 10 rows at once at step 2" in line]
    assert first.history["epoch"].tolist() == [1, 2]
    assert np.isfinite(first.history["train_loss"]).all()


def test_one_row_without_memory_is_an_error_that_says_what_to_do(rows, monkeypatch):
    Small(monkeypatch, room=0)
    with pytest.raises(
        TrainingError, match=r"not enough memory for one row at step 0: .*can't allocate.* Take smaller media"
    ):
        learned(rows, batch_size=4)


def test_answers_are_the_same_with_less_memory(rows, monkeypatch):
    predictor = learned(rows)
    expected = predictor.predict_proba(rows)
    small = Small(monkeypatch, room=7)
    np.testing.assert_allclose(predictor.predict_proba(rows).to_numpy(), expected.to_numpy(), atol=1e-6)
    assert 60 not in [count for count in small.asked if count <= 7]
    assert max(small.asked) > 7


def test_what_does_not_fit_with_one_row_is_raised_as_it_is():
    def asked(batch):
        raise RuntimeError(SAID)

    with pytest.raises(RuntimeError, match="can't allocate memory"):
        less_at_once(asked, batch_of())
