"""What an answer costs: counted operations against closed forms, and parts against the whole."""

import pytest
import torch
from torch import nn

from sensorium import encoders, fusion, heads
from sensorium.data.full_row import full_row
from sensorium.encoders.features import Input
from sensorium.evaluation.costs import costs, counted
from sensorium.model import MultimodalModel
from sensorium.predictor import load

T, D, H = 5, 8, 4  # tokens, width, hidden


@pytest.mark.parametrize(
    ("module", "shape", "flops"),
    [
        (nn.Linear(8, 4), (1, 8), 2 * 8 * 4),
        (nn.Linear(8, 4), (3, 7, 8), 3 * 7 * 2 * 8 * 4),
        (nn.Conv2d(3, 6, 3, padding=1), (1, 3, 10, 12), 2 * 3 * 9 * 6 * 10 * 12),
        (nn.Conv2d(4, 6, 3, stride=2, groups=2), (1, 4, 9, 9), 2 * 2 * 9 * 6 * 4 * 4),
        (nn.GRU(D, H, batch_first=True), (1, T, D), T * 2 * 3 * H * (D + H)),
        # Four projections, and two products of T x T for all heads together.
        (nn.TransformerEncoderLayer(D, 2, 2 * D, batch_first=True), (1, T, D), T * 2 * (4 * D * D + 2 * D * 2 * D) + 4 * T * T * D),
        (nn.ReLU(), (1, 8), 0),
    ],
    ids=["linear", "linear in a batch", "convolution", "in groups, strided", "gru", "transformer layer", "relu"],
)  # fmt: skip
def test_layers_cost_what_their_formulas_say(module, shape, flops):
    with torch.no_grad():
        _, found = counted(module.eval(), torch.rand(shape))
    assert found == flops
    given = torch.rand(shape)
    with torch.no_grad():
        torch.testing.assert_close(module(given), counted(module, given)[0])
    assert torch.backends.mha.get_fastpath_enabled()


def test_attention_of_its_own_is_counted_as_its_products():
    x = torch.rand(1, 2, T, D)
    _, found = counted(lambda: nn.functional.scaled_dot_product_attention(x, x, x))
    assert found == 2 * 2 * 2 * T * T * D


def test_a_small_model_by_hand():
    model = MultimodalModel(
        encoders={"a": encoders.VectorReLU(6, 16), "b": encoders.VectorReLU(3, 8)},
        fusion=fusion.PlainConcat(16),
        heads={"y": heads.Classification(3, 16), "z": heads.Regression(16)},
    ).eval()
    inputs = {name: Input(torch.rand(2, size), torch.ones(2, dtype=torch.bool)) for name, size in (("a", 6), ("b", 3))}
    found = costs(model, inputs)
    assert list(found) == [("encoder", "a"), ("encoder", "b"), ("fusion", "fusion"), ("head", "y"), ("head", "z")]
    assert found["encoder", "a"] == (2 * 2 * 6 * 16, (2, 6), (2, 1, 16))
    assert found["encoder", "b"] == (2 * (2 * 3 * 8 + 2 * 8 * 16), (2, 3), (2, 1, 16))  # and to the fusion's width
    assert found["fusion", "fusion"] == (2 * 2 * 32 * 16, None, (2, 16))
    assert found["head", "y"] == (2 * 2 * 16 * 3, (2, 16), (2, 3))
    assert found["head", "z"] == (2 * 2 * 16, (2, 16), (2,))


def test_the_parts_of_a_run_cost_together_what_an_answer_costs(run):
    predictor = load(run)
    row = full_row(predictor.readers)
    with torch.no_grad():
        _, whole = counted(predictor.model, row)
    found = costs(predictor.model, row)
    assert sum(cost.flops for cost in found.values()) == whole > 0
    assert [(part["kind"], part["part"]) for part in predictor.parts()] == list(found)
    assert found["wide", "hand-made"].flops > 0
