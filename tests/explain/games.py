"""A model whose answer is a function that is written down: what its inputs are worth is known."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from sensorium.data.batches import Rows
from sensorium.data.table import read_table
from sensorium.data.tabular import VectorReader
from sensorium.data.targets import TargetCoder
from sensorium.encoders.features import Features
from sensorium.model import MultimodalModel

CODERS = {
    "binary": TargetCoder("label", "binary", ["no", "yes"], [1, 1]),
    "regression": TargetCoder("label", "regression", mean=10.0, scale=2.0),
    "multilabel": TargetCoder("label", "multilabel", ["a", "b"], [1, 1]),
}


class Number(nn.Module):
    """An encoder whose one token is the number it is given."""

    width, mask_dims = 1, 1

    def forward(self, values: Tensor, mask: Tensor) -> Features:
        return Features(values[:, None], mask[:, None])


class Game(nn.Module):
    """A fusion that is a function of the inputs' numbers, 0 where one is missing."""

    width = token_width = 1

    def __init__(self, function: Callable[[dict[str, Tensor]], Tensor]):
        super().__init__()
        self.function = function

    def connect(self, modalities: tuple[str, ...]) -> None:
        self.modalities = modalities

    def forward(self, features: Mapping[str, Features]) -> Tensor:
        there = {name: (tokens[..., 0] * mask).sum(1) for name, (tokens, mask) in features.items()}
        return self.function(there)[:, None]


class Plain(nn.Module):
    """A head whose logit is the fused number, and of two labels its negative besides."""

    width = 1

    def __init__(self, task: str):
        super().__init__()
        self.task = task
        if task == "binary":
            self.probabilities = lambda logits: torch.stack([(-logits).sigmoid(), logits.sigmoid()], 1)
        elif task == "multilabel":
            self.probabilities = torch.sigmoid

    def forward(self, fused: Tensor) -> Tensor:
        return torch.cat([fused, -fused], 1) if self.task == "multilabel" else fused[:, 0]


def game(
    function: Callable[[dict[str, Tensor]], Tensor], table: dict[str, list[Any]], task: str = "binary"
) -> tuple[MultimodalModel, Rows, TargetCoder]:
    """The model of a function, the table's rows as it reads them, and its target, called label.

    Args:
        function: of the inputs' numbers by name, each (B,).
        table: a column an input, with numbers, None where one is missing; label may be among them.
        task: binary, regression or multilabel.
    """
    names = [name for name in table if name != "label"]
    model = MultimodalModel({name: Number() for name in names}, Game(function), {"label": Plain(task)}).eval()
    readers = {name: VectorReader(name, 1) for name in names}
    for reader in readers.values():
        reader.mean, reader.scale = 0.0, 1.0
    return model, Rows(read_table(table), readers), CODERS[task]
