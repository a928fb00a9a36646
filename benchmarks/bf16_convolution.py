"""How often the weights' gradient of a bf16 convolution on this processor is wrong, by the shape of its input.

    python benchmarks/bf16_convolution.py

Each line: dimensions, the shortest side of the input, the stride, and in how many of the tries the gradient differs from
the 32-bit one by more than a tenth of its largest value. Why `sensorium.encoders.convolution` exists.
"""

import itertools
import random

import torch
from torch import nn
from torch.nn import functional as F

KINDS = {1: (nn.Conv1d, F.conv1d), 2: (nn.Conv2d, F.conv2d), 3: (nn.Conv3d, F.conv3d)}
TRIES = 20


def wrong(dims: int, shortest: int, stride: int) -> bool:
    """One try with random channels and rows."""
    module, function = KINDS[dims]
    rows, channels, out = random.choice((2, 8, 11, 16)), random.choice((20, 48, 64)), random.choice((32, 96))
    sides = [shortest, *(random.choice((4, 8)) for _ in range(dims - 1))]
    layer = module(channels, out, 3, stride=stride, padding=1, bias=False)
    x = torch.randn(rows, channels, *random.sample(sides, dims))
    junk = torch.full((1_000_000,), float("nan"))
    del junk  # what was free memory now holds NaN, which a gradient that reads it can't hide
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x)
    gradient = torch.randn_like(y)
    y.backward(gradient)
    plain = (function(x, layer.weight, stride=stride, padding=1) * gradient.float()).sum()
    expected = torch.autograd.grad(plain, layer.weight)[0]
    return not bool((layer.weight.grad - expected).abs().max() < 0.1 * expected.abs().max())


def main() -> None:
    """Count and print."""
    torch.manual_seed(0)
    random.seed(0)
    print("dims  shortest side  stride  wrong of", TRIES)
    for dims, shortest, stride in itertools.product((1, 2, 3), (1, 2, 4), (1, 2)):
        count = sum(wrong(dims, shortest, stride) for _ in range(TRIES))
        print(f"{dims:4}  {shortest:13}  {stride:6}  {count:8}", flush=True)


if __name__ == "__main__":
    main()
