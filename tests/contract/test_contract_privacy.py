"""Gradients of rows, over every encoder, fusion and head: those of batches of one, by plain back-propagation."""

import pytest
import torch
from descriptors import ENCODER_ROWS, FUSION_ROWS, HEAD_ROWS, ROWS, WIDTH, vector
from torch import nn

from sensorium import encoders, fusion, heads
from sensorium.encoders import Input
from sensorium.model import MultimodalModel
from sensorium.privacy.gradients import choose_gradients
from sensorium.privacy.norms import without_batch_norm

CLOSE = {"rtol": 2e-4, "atol": 2e-6}
SLOW = {"generation"}  # heads that look at how long texts are: gradients are computed row by row


def network(encoder: nn.Module, mixer: nn.Module, head: nn.Module) -> MultimodalModel:
    """Of two inputs, without batch norms, in eval mode, so that nothing is dropped by chance."""
    model = MultimodalModel({"one": encoder, "other": encoders.VectorDense(5, WIDTH)}, mixer, {"answer": head})
    without_batch_norm(model)
    return model.eval()


def check(model: MultimodalModel, given: Input, target: torch.Tensor, slow: bool = False) -> None:
    inputs = {"one": given, "other": vector()}
    known = torch.tensor([True, True, True, False])
    targets, weights = {"answer": (target, known)}, {"answer": 0.7}
    function, reason = choose_gradients(model, inputs, targets, weights)
    assert (reason is not None) == slow
    found, losses = function(model, inputs, targets, weights)
    for row in range(ROWS):
        model.zero_grad(set_to_none=True)
        alone = {n: Input(x.values[row : row + 1], x.mask[row : row + 1]) for n, x in inputs.items()}
        loss = model.loss(model(alone), {"answer": (target[row : row + 1], known[row : row + 1])}, weights)
        loss.backward()
        torch.testing.assert_close(losses[row], loss.detach(), **CLOSE)
        for name, parameter in model.named_parameters():
            expected = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            torch.testing.assert_close(found[name][row], expected, **CLOSE, msg=lambda m, n=name: f"{n}: {m}")
    for name, gradient in found.items():
        assert gradient.shape[0] == ROWS, name
        if name.startswith("encoders."):  # row 2 has neither input, row 3 no target
            assert not gradient[2:].any(), name
    assert sum(gradient[0].abs().sum() for gradient in found.values()) > 0


@pytest.mark.parametrize("row", ENCODER_ROWS, ids=str)
def test_every_encoder(row):
    torch.manual_seed(0)
    check(network(row.build(), fusion.Gated(WIDTH), heads.Binary(WIDTH)), row.example(), torch.tensor([0.0, 1, 1, 0]))


@pytest.mark.parametrize("row", FUSION_ROWS, ids=str)
def test_every_fusion(row):
    torch.manual_seed(0)
    given = next(row for row in ENCODER_ROWS if str(row) == "text-transformer")
    check(network(given.build(), row.build(), heads.Binary(WIDTH)), given.example(), torch.tensor([0.0, 1, 1, 0]))


@pytest.mark.parametrize("row", HEAD_ROWS, ids=str)
def test_every_head(row):
    torch.manual_seed(0)
    given = next(row for row in ENCODER_ROWS if str(row) == "tabular-tabular")
    model = network(given.build(), fusion.Concat(WIDTH), row.build())
    check(model, given.example(), row.target(), slow=row.name in SLOW)


@pytest.mark.parametrize("row", ENCODER_ROWS, ids=str)
def test_an_encoder_that_no_row_reaches_has_gradients_of_zero(row):
    torch.manual_seed(0)
    model, given = network(row.build(), fusion.Gated(WIDTH), heads.Binary(WIDTH)), row.example()
    inputs = {"one": Input(given.values, torch.zeros_like(given.mask)), "other": vector()}
    targets = {"answer": (torch.tensor([0.0, 1, 1, 0]), torch.ones(ROWS, dtype=torch.bool))}
    function, _ = choose_gradients(model, inputs, targets, {})
    found, _ = function(model, inputs, targets, {})
    first = {name: gradient for name, gradient in found.items() if name.startswith("encoders.m0")}
    assert first
    assert not any(gradient.any() for gradient in first.values())
    assert all(gradient.isfinite().all() for gradient in found.values())


@pytest.mark.parametrize("row", ENCODER_ROWS, ids=str)
def test_with_chance_every_row_has_a_finite_gradient(row):
    """In training mode: dropout and hidden stretches of sound, drawn anew for each row."""
    torch.manual_seed(0)
    model, given = network(row.build(), fusion.Gated(WIDTH), heads.Binary(WIDTH)).train(), row.example()
    inputs = {"one": given, "other": vector()}
    targets = {"answer": (torch.tensor([0.0, 1, 1, 0]), torch.ones(ROWS, dtype=torch.bool))}
    function, reason = choose_gradients(model, inputs, targets, {})
    assert reason is None
    found, losses = function(model, inputs, targets, {})
    assert losses.isfinite().all()
    assert all(gradient.isfinite().all() for gradient in found.values())


def test_what_a_frozen_encoder_has_said_goes_with_its_rows():
    """Nothing of it learns but what is put on it, whether its network is asked or was asked before."""
    torch.manual_seed(0)
    body = next(row for row in ENCODER_ROWS if str(row) == "audio-pretrained").build().body
    model = network(encoders.Pretrained(body, WIDTH, train="frozen"), fusion.Gated(WIDTH), heads.Binary(WIDTH))
    given = next(row for row in ENCODER_ROWS if str(row) == "audio-pretrained").example()
    known = Input(given.values, given.mask, model.encoder("one").look(given.values, given.mask))
    targets = {"answer": (torch.tensor([0.0, 1, 1, 0]), torch.ones(ROWS, dtype=torch.bool))}
    other, found = vector(), []
    for one in (given, known):
        inputs = {"one": one, "other": other}
        function, reason = choose_gradients(model, inputs, targets, {})
        assert reason is None
        found.append(function(model, inputs, targets, {})[0])
    asked, said = found
    assert asked.keys() == said.keys()
    assert not any(".body." in name for name in said)
    for name, gradient in said.items():
        torch.testing.assert_close(gradient, asked[name], **CLOSE)
    assert said["encoders.m0.linear.weight"][0].any()
    assert not said["encoders.m0.linear.weight"][2].any()
