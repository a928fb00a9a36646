"""The two losses: what counts in them, and what is the same twice."""

import pytest
import torch

from sensorium.config import Pretraining
from sensorium.data.batches import Batch
from sensorium.decoders import VectorDecoder
from sensorium.encoders import VectorDense
from sensorium.encoders.features import Input
from sensorium.fusion import Mean
from sensorium.heads.alignment import Alignment
from sensorium.heads.reconstruction import Reconstruction
from sensorium.model import MultimodalModel
from sensorium.pretraining.objective import Objective, rebuilt, same_content

KINDS = {"a": "vector", "b": "vector"}


@pytest.fixture
def model():
    torch.manual_seed(0)
    encoders = {name: VectorDense(3, width=8, dropout=0) for name in KINDS}
    rebuilder = Reconstruction({name: VectorDecoder(8, 3) for name in KINDS})
    return MultimodalModel(encoders, Mean(width=8), {}, Alignment(tuple(KINDS), 8, 4), rebuilder).eval()


def batch(missing_a=(), missing_b=()):
    masks = {name: torch.ones(6, dtype=torch.bool) for name in KINDS}
    masks["a"][list(missing_a)], masks["b"][list(missing_b)] = False, False
    return Batch({name: Input(torch.randn(6, 3), mask) for name, mask in masks.items()}, {}, torch.arange(6))


def test_the_loss_on_validation_rows_is_the_weighted_sum_without_chance(model):
    given = batch(missing_a=[0], missing_b=[5])
    features = model.encode(given.inputs)
    contrast = model.aligner.loss(model.aligner(features)).item()
    whole = model.rebuilder(model.fusion(features), given.inputs)
    from_b = model.rebuilder.errors("a", model.fusion({"b": features["b"]}), given.inputs)
    from_a = model.rebuilder.errors("b", model.fusion({"a": features["a"]}), given.inputs)
    # Row 5 has nothing but a to rebuild a from, row 0 nothing but b.
    a = torch.cat([(whole[1:5, 0] + from_b[1:5]) / 2, whole[5:, 0]]).mean().item()
    b = torch.cat([whole[:1, 1], (whole[1:5, 1] + from_a[1:5]) / 2]).mean().item()
    objective = Objective(Pretraining(contrastive=2.0, reconstruction=0.5), KINDS)
    found = objective.loss(model, given, given.inputs, training=False).item()
    assert found == pytest.approx(2 * contrast + 0.5 * (a + b) / 2, rel=1e-5)
    assert objective.loss(model, given, given.inputs, training=False).item() == found
    assert objective.row() == pytest.approx({"valid_contrast": 2 * contrast, "valid_rebuild": 0.25 * (a + b)}, rel=1e-5)
    objective.begin()
    assert objective.row() == {}


def test_training_hides_what_validation_shows(model):
    given = batch()
    objective = Objective(Pretraining(mask_share=0.5, hide=0.5), KINDS)
    losses = {objective.loss(model, given, given.inputs, training=True).item() for _ in range(4)}
    assert len(losses) == 4
    loss = objective.loss(model.train(), given, given.inputs, training=True)
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_a_batch_without_any_pair_has_a_loss_of_nothing_with_a_gradient(model):
    given = batch(missing_a=range(3), missing_b=range(3, 6))
    model.rebuilder = None
    loss = Objective(Pretraining(), KINDS).loss(model, given, given.inputs, training=True)
    loss.backward()
    assert loss == 0


def test_rebuilt_from_the_rest_does_not_see_the_input(model):
    given = batch(missing_b=[2])
    other = {**given.inputs, "a": given.inputs["a"]._replace(values=torch.randn(6, 3))}
    fused = []
    for inputs in (given.inputs, other):
        _, hidden = rebuilt(model, model.encode(inputs), given.inputs)
        fused.append(hidden)
    torch.testing.assert_close(fused[0][:, 0], fused[1][:, 0], equal_nan=True)
    assert fused[0][2].isnan().all()  # a has no other input there, and b is missing
    assert not torch.allclose(fused[0][[0, 1, 3], 1], fused[1][[0, 1, 3], 1])


def test_same_content_is_of_values_and_mask():
    values = torch.tensor([[1.0, 2.0], [1.0, 2.0], [1.0, 3.0], [1.0, 2.0]])
    mask = torch.tensor([[True, True], [True, True], [True, True], [True, False]])
    expected = torch.eye(4, dtype=torch.bool)
    expected[0, 1] = expected[1, 0] = True
    assert torch.equal(same_content(Input(values, mask)), expected)
