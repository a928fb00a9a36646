"""Rebuilding from a fused vector: only what is there counts."""

import torch
from torch import nn

from sensorium.decoders import VectorDecoder
from sensorium.encoders.features import Input
from sensorium.heads.reconstruction import Reconstruction


class Fixed(nn.Module):
    """Makes 1 of everything; off by the mean distance."""

    def forward(self, vector):
        return torch.ones(len(vector), 2)

    def errors(self, made, values, mask):
        return (made - values).abs().mean(1)


def test_errors_are_by_row_and_input_and_nan_where_it_is_missing():
    rebuilder = Reconstruction({"a": Fixed(), "b": Fixed(), "c": Fixed()})
    inputs = {
        "a": Input(torch.tensor([[1.0, 1.0], [3.0, 1.0], [torch.nan, 0.0]]), torch.tensor([True, True, False])),
        "b": Input(torch.tensor([[0.0, 0.0], [1.0, 1.0], [2.0, 5.0]]), torch.tensor([True, False, True])),
    }
    nan = float("nan")
    expected = torch.tensor([[0.0, 1.0, nan], [1.0, nan, nan], [nan, 2.5, nan]])
    torch.testing.assert_close(rebuilder(torch.zeros(3, 4), inputs), expected, equal_nan=True)


def test_gradients_are_finite_beside_missing_rows_and_under_bf16():
    torch.manual_seed(0)
    rebuilder = Reconstruction({"a": VectorDecoder(4, 3)})
    fused = torch.randn(3, 4, requires_grad=True)
    inputs = {"a": Input(torch.randn(3, 3), torch.tensor([True, False, True]))}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        errors = rebuilder(fused, inputs)
    assert errors.dtype == torch.float32
    errors.nan_to_num(0.0).sum().backward()
    assert fused.grad.isfinite().all()
    assert (fused.grad[1] == 0).all()
    assert (fused.grad[[0, 2]] != 0).any()
