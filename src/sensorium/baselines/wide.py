"""A linear model of hand-made features, to stand beside a network."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.baselines.handmade import HandMade
from sensorium.baselines.learned import Learned
from sensorium.data.batches import Reader
from sensorium.encoders.features import Input

__all__ = ["Wide"]


class Wide(nn.Module):
    """One linear layer a target on the hand-made features of all inputs, added to what a network says.

    A missing input adds nothing. Nothing in it is trained by gradients: see `sensorium.training.widen`.

    Reference:
        the wide part of Cheng et al. 2016, Wide & Deep Learning. Differs: fitted by itself, then stacked (Wolpert 1992):
        logits = a * network + b * wide, with a and b from rows that neither learned from.

    Args:
        readers: fitted, by input.
        targets: their names.
        known: the inputs with a frozen pretrained encoder.

    Shape:
        inputs: dict of Input. Returns a dict of logits, as the heads do; only of the targets that it was fitted for.
    """

    def __init__(self, readers: Mapping[str, Reader], targets: Sequence[str], known: Collection[str] = ()):
        super().__init__()
        self.targets = tuple(targets)
        self.features = HandMade(readers, known)
        self.layers = nn.ModuleList(_Layer() for _ in targets)

    @property
    def fitted(self) -> int:
        """Numbers of its layers, none of which a gradient trains."""
        return sum(layer.weight.numel() + layer.bias.numel() for layer in self.layers)

    @property
    def outputs(self) -> list[int]:
        """Logits of each target."""
        return [len(layer.bias) for layer in self.layers]

    def set_layer(self, target: str, weight: np.ndarray, bias: np.ndarray) -> None:
        """weight (outputs, features), bias (outputs,), of a target."""
        layer = self.layers[self.targets.index(target)]
        layer.weight, layer.bias = (torch.from_numpy(part).float() for part in (weight, bias))

    def settle(self, target: str, weight: np.ndarray, bias: np.ndarray) -> None:
        """Set a layer that learned from the validation rows, too, and keep the one that these measured."""
        layer = self.layers[self.targets.index(target)]
        layer.measured_weight, layer.measured_bias = layer.weight, layer.bias
        self.set_layer(target, weight, bias)

    @contextmanager
    def as_measured(self) -> Iterator[None]:
        """While it lasts, the layers are those that the validation rows measured: for answers to these rows."""
        settled = [(layer, layer.weight, layer.bias) for layer in self.layers if layer.measured_weight is not None]
        try:
            for layer, _, _ in settled:
                layer.weight, layer.bias = layer.measured_weight, layer.measured_bias
            yield
        finally:
            for layer, weight, bias in settled:
                layer.weight, layer.bias = weight, bias

    def set_shares(self, target: str, network: float, wide: float) -> None:
        self.layers[self.targets.index(target)].shares = torch.tensor([network, wide])

    def shares(self, target: str) -> tuple[float, float]:
        """What the network's and the wide part's logits are multiplied by."""
        network, wide = self.layers[self.targets.index(target)].shares.tolist()
        return network, wide

    def forward(self, inputs: Mapping[str, Input]) -> dict[str, Tensor]:
        return self.answer(self.features(inputs))

    def answer(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The logits for what `features` gave."""
        row = torch.cat([features[name] for name in self.features.groups], 1)  # (B, features)
        said = {name: layer(row) for name, layer in zip(self.targets, self.layers, strict=True)}
        return {name: logits[:, 0] if logits.shape[1] == 1 else logits for name, logits in said.items()}

    def alone(self, targets: Sequence[str]) -> bool:
        """Whether it answers all of these by itself: no network has a share in any."""
        return set(targets) == set(self.targets) and not any(self.shares(name)[0] for name in targets)

    def said(self, inputs: Mapping[str, Input]) -> dict[str, Tensor]:
        """The logits where it answers alone."""
        return {name: self.join(name, torch.zeros_like(z), z) for name, z in self(inputs).items()}

    def join(self, target: str, network: Tensor, wide: Tensor) -> Tensor:
        """The logits of both, of one target."""
        shares = self.layers[self.targets.index(target)].shares
        return shares[0] * network.float() + shares[1] * wide


class _Layer(Learned):
    def __init__(self):
        super().__init__()
        self.register_buffer("weight", torch.zeros(1, 1))
        self.register_buffer("bias", torch.zeros(1))
        self.register_buffer("shares", torch.tensor([1.0, 0.0]))
        self.register_buffer("measured_weight", None)
        self.register_buffer("measured_bias", None)

    def forward(self, features: Tensor) -> Tensor:
        return F.linear(features, self.weight, self.bias)
