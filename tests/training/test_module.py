"""One step of training: the learning rate, what is decayed and clipped, and a loss that is not finite."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from sensorium import encoders, fusion, heads
from sensorium.config import Training
from sensorium.data.batches import Batch
from sensorium.encoders.features import Features, Input
from sensorium.model import MultimodalModel
from sensorium.training import module as rooms
from sensorium.training.module import NotFinite, TrainingModule
from sensorium.training.widen import Beside, Stance, Widened


class Scaled(nn.Module):
    """Passes a vector on, multiplied."""

    mask_dims = 1

    def __init__(self, factor=1.0):
        super().__init__()
        self.width, self.factor = 4, nn.Parameter(torch.tensor([factor]))

    def forward(self, values, mask):
        return Features((values * self.factor)[:, None], mask[:, None])


def module_of(steps=100, started=0.0, factor=1.0, widened=None, **options):
    torch.manual_seed(0)
    parts = {"a": Scaled(factor), "b": encoders.VectorDense(4, 4)}
    model = MultimodalModel(parts, fusion.Mean(4), {"label": heads.Binary(4)})
    training = Training(**{"batch_size": 32, "learning_rate": 0.01, "augment": False, "modality_dropout": 0, **options})
    modalities = {"a": "vector", "b": "vector"}
    return TrainingModule(model, training, modalities, {"label": 1.0}, steps, started, widened=widened)


def batch_of(a=None, rows=6):
    torch.manual_seed(1)
    there = torch.ones(rows, dtype=torch.bool)
    inputs = {"a": Input(torch.rand(rows, 4) if a is None else a, there), "b": Input(torch.rand(rows, 4), there)}
    return Batch(inputs, {"label": (torch.arange(rows) % 2.0, there)}, torch.arange(rows))


def rates(module):
    """The learning rate's factor, as the optimiser's schedule has it."""
    return module.configure_optimizers()["lr_scheduler"]["scheduler"].lr_lambdas[0]


@pytest.mark.parametrize(
    ("schedule", "step", "expected"),
    [
        ("cosine", 0, 0.01), ("cosine", 5, 0.25), ("cosine", 20, 1.0), ("cosine", 60, 0.51), ("cosine", 100, 0.02),
        ("cosine", 40, 0.02 + 0.49 * (1 + math.sqrt(0.5))), ("cosine", 150, 0.02), ("constant", 5, 0.25),
        ("constant", 20, 1.0), ("constant", 100, 1.0),
    ],
)  # fmt: skip
def test_the_learning_rate_rises_and_falls(schedule, step, expected):
    assert rates(module_of(warmup=0.2, schedule=schedule))(step) == pytest.approx(expected)


def test_without_warm_up_the_rate_is_highest_at_once():
    assert rates(module_of(warmup=0))(0) == 1


def test_under_a_time_limit_the_rate_follows_what_is_further(monkeypatch):
    rate = rates(module_of(warmup=0.2, started=1000.0, time_limit=50))
    for seconds, step, expected in [(0, 60, 0.51), (30, 5, 0.51), (30, 100, 0.02), (5, 0, 0.5), (99, 0, 0.02)]:
        monkeypatch.setattr(rooms, "time", SimpleNamespace(monotonic=lambda now=1000.0 + seconds: now))
        assert rate(step) == pytest.approx(expected)


def test_weights_decay_and_norms_and_biases_do_not():
    module = module_of(weight_decay=0.3)
    decayed, rest = module.configure_optimizers()["optimizer"].param_groups
    assert (decayed["weight_decay"], rest["weight_decay"]) == (0.3, 0)
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    assert {names[id(p)].rpartition(".")[2] for p in decayed["params"]} == {"weight"}
    assert {p.ndim for p in rest["params"]} == {1}
    assert len(decayed["params"]) + len(rest["params"]) == len(names)
    assert decayed["lr"] == rest["lr"] == 0.01 * 0.01  # at the start of the warm-up


@pytest.mark.parametrize(("largest", "norm"), [(0.5, 0.5), (1e9, None)])
def test_the_gradient_is_clipped_to_its_largest_norm(largest, norm):
    module = module_of(gradient_clip=largest)
    for parameter in module.parameters():
        parameter.grad = torch.full_like(parameter, 3.0)
    count = sum(parameter.numel() for parameter in module.parameters())
    module.on_before_optimizer_step(None)
    found = torch.cat([parameter.grad.flatten() for parameter in module.parameters()]).norm().item()
    assert found == pytest.approx(norm or 3 * math.sqrt(count), rel=1e-4)


def test_the_epochs_loss_is_the_mean_over_its_rows():
    module = module_of()
    module.on_train_epoch_start()
    first, second = (module.training_step(batch_of(rows=rows), 0).item() for rows in (6, 2))
    assert module.mean_loss() == pytest.approx((6 * first + 2 * second) / 8)
    module.on_train_epoch_start()
    assert module.losses == []


def test_the_chance_of_a_step_comes_from_its_number():
    module = module_of(modality_dropout=0.5)
    module.model.head("label").drop.p = 0.5
    module.on_train_epoch_start()
    batch, found = batch_of(rows=64), []
    for seed in (7, 8):
        torch.manual_seed(seed)
        found.append(module.training_step(batch, 0).item())
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("a", "factor", "reason"),
    [
        (torch.full((6, 4), torch.inf), 1.0, "input 'a' holds values that are not finite"),
        (None, torch.nan, "the encoder of input 'a' gives values that are not finite"),
        (torch.full((6, 4), 3e38), 1.0, "every encoder gives finite values, so it is the fusion or a head"),
    ],
)
def test_a_loss_that_is_not_finite_names_step_and_culprit(a, factor, reason):
    module = module_of(factor=factor)
    if "fusion" in reason:
        nn.init.constant_(module.model.head("label").linear.weight, 3e38)
    with pytest.raises(NotFinite) as error:
        module.training_step(batch_of(a), 0)
    message = str(error.value)
    assert message.startswith("the loss is ")
    assert message.split(" is ", 1)[1].split()[0] in {"nan", "inf"}
    assert message.endswith(
        f"at step 0 (epoch 1); {reason}. Lower training.learning_rate (0.01), or set training.precision=32."
    )


def test_the_network_begins_with_what_the_wide_part_says_and_learns_the_rest(monkeypatch):
    """The network's first logits are 0: the loss is that of the wide part, of rows it did not see, without lost inputs."""
    torch.manual_seed(2)
    said = [(torch.randn(6, 2, 1), torch.randn(6, 1)) for _ in range(2)]  # of training and of validation rows
    beside = [Beside(["a", "b"], {"label": (parts.numpy(), bias.numpy())}) for parts, bias in said]
    module, batch = (
        module_of(
            widened=Widened(SimpleNamespace(targets=("label",)), *beside, {"label": "binary"}, Stance(0.0, (0.3, 0.9)))
        ),
        batch_of(),
    )
    gone = Input(batch.inputs["b"].values, torch.arange(6) > 2)
    batch = batch._replace(inputs={**batch.inputs, "b": gone})
    logged = []
    monkeypatch.setattr(module, "log", lambda name, value: logged.append(value))
    module.on_train_epoch_start()
    loss = module.training_step(batch, 0)
    module.eval()
    module.on_validation_epoch_start()
    module.validation_step(batch, 0)
    module.on_validation_epoch_end()
    share = module.jury.shares()["label"][1]
    for (parts, bias), found, count in zip(said, (loss, torch.tensor(logged[0])), (1, share), strict=True):
        logits = count * (parts[:, 0] + parts[:, 1] * gone.mask[:, None] + bias)[:, 0]
        expected = nn.functional.binary_cross_entropy_with_logits(logits, batch.targets["label"][0])
        torch.testing.assert_close(found, expected)
    loss.backward()
    assert module.model.head("label").linear.weight.grad.any()
