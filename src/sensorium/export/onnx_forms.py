"""Layers whose computation depends on values, or that ONNX has as one operator, in a form that a graph can hold."""

import copy
import math
from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.baselines.handmade import Described
from sensorium.baselines.tfidf import NONE, TfIdf
from sensorium.baselines.wide import Wide
from sensorium.encoders.features import Input
from sensorium.encoders.mfcc import MelSpectrogram
from sensorium.encoders.rows import present_rows, shown

__all__ = ["as_forms"]


def as_forms(model: nn.Module) -> nn.Module:
    """A copy of a model, with every layer of `FORMS` in its form."""
    model = copy.deepcopy(model)
    _replace(model)
    return model


def _replace(module: nn.Module) -> None:
    for name, child in module.named_children():
        if type(child) in FORMS:
            child = FORMS[type(child)](child)
            setattr(module, name, child)
        _replace(child)


class Gru(nn.Module):
    """torch.nn.GRU of one layer and direction, batch first, as ONNX's GRU: (B, T, in) to (B, T, hidden), nothing."""

    def __init__(self, gru: nn.GRU):
        super().__init__()
        self.hidden_size = gru.hidden_size

        def ordered(part: Tensor) -> Tensor:  # torch's order is r, z, n; ONNX's z, r, n
            r, z, n = part.detach().chunk(3)
            return torch.cat([z, r, n])[None]

        self.register_buffer("into", ordered(gru.weight_ih_l0))  # (1, 3 * hidden, in)
        self.register_buffer("over", ordered(gru.weight_hh_l0))  # (1, 3 * hidden, hidden)
        self.register_buffer("bias", torch.cat([ordered(gru.bias_ih_l0), ordered(gru.bias_hh_l0)], 1))

    def forward(self, x: Tensor, start: Tensor | None = None) -> tuple[Tensor, None]:  # which is zeros here
        options = {"hidden_size": self.hidden_size, "linear_before_reset": 1}
        return _recurrent("GRU", x, [self.into, self.over, self.bias], options), None


class Lstm(nn.Module):
    """torch.nn.LSTM, likewise."""

    def __init__(self, lstm: nn.LSTM):
        super().__init__()
        self.hidden = lstm.hidden_size

        def ordered(part: Tensor) -> Tensor:  # torch's order is i, f, c, o; ONNX's i, o, f, c
            i, f, c, o = part.detach().chunk(4)
            return torch.cat([i, o, f, c])[None]

        self.register_buffer("into", ordered(lstm.weight_ih_l0))  # (1, 4 * hidden, in)
        self.register_buffer("over", ordered(lstm.weight_hh_l0))
        self.register_buffer("bias", torch.cat([ordered(lstm.bias_ih_l0), ordered(lstm.bias_hh_l0)], 1))

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        return _recurrent("LSTM", x, [self.into, self.over, self.bias], {"hidden_size": self.hidden}), None


def _recurrent(kind: str, x: Tensor, weights: list[Tensor], options: dict[str, int]) -> Tensor:
    rows, length, _ = x.shape
    said = torch.onnx.ops.symbolic(
        kind, [x.transpose(0, 1), *weights], options,
        dtype=x.dtype, shape=(length, 1, rows, options["hidden_size"]), version=14,
    )  # fmt: skip
    return said[:, 0].transpose(0, 1)  # (B, T, hidden)


class Mel(nn.Module):
    """MelSpectrogram with the Fourier transform as a product with its matrix, in 64 bits: more exact than the original."""

    def __init__(self, mel: MelSpectrogram):
        super().__init__()
        self.n_fft, self.hop_length = mel.n_fft, mel.hop_length
        turn = torch.arange(self.n_fft // 2 + 1, dtype=torch.float64) * (2 * math.pi / self.n_fft)  # (bins,)
        angle = torch.arange(self.n_fft, dtype=torch.float64)[:, None] * turn  # (n_fft, bins)
        window = mel.window.double()[:, None]
        self.register_buffer("basis", torch.cat([angle.cos() * window, angle.sin() * window], 1))  # (n_fft, 2 * bins)
        self.register_buffer("filters", mel.filters)

    def forward(self, values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        sound = values.float().masked_fill(~mask, 0)
        centre = torch.arange(values.shape[1] // self.hop_length + 1) * self.hop_length  # (frames,)
        place = centre[:, None] + torch.arange(self.n_fft)  # (frames, n_fft)
        padded = F.pad(sound, (self.n_fft // 2, self.n_fft // 2))
        framed = F.embedding(place, padded.T).permute(2, 0, 1)  # (B, frames, n_fft); an index would be slower
        cosines, sines = (framed.double() @ self.basis).chunk(2, 2)  # each (B, frames, bins)
        power = (cosines.square() + sines.square()).float() @ self.filters  # (B, frames, n_mels)
        inside = centre < values.shape[1]
        return power, mask[:, centre.clamp(max=values.shape[1] - 1)] & inside


class Terms(nn.Module):
    """TfIdf, whose terms are looked up by halving."""

    def __init__(self, tfidf: TfIdf):
        super().__init__()
        self.tfidf = tfidf
        count = len(tfidf.terms)
        self.steps = [2**power for power in reversed(range(max(1, count.bit_length())))]
        beyond = torch.full((2 * self.steps[0] - count,), torch.iinfo(torch.int64).max)
        self.register_buffer("terms", torch.cat([tfidf.terms, beyond]))  # so that no step leads out of them

    @property
    def size(self) -> int:
        return self.tfidf.size

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        codes = self.tfidf._codes(values, mask)  # (B, 2 T)
        place = torch.zeros_like(codes)
        for step in self.steps:  # the first place whose term is no less
            place = torch.where(self.terms[place + (step - 1)] < codes, place + step, place)
        place = place.clamp(max=self.size - 1)
        known = (self.terms[place] == codes) & (codes != NONE)
        nothing = (codes[:, :1] * 0).float().expand(-1, self.size)  # (B, terms)
        counts = nothing.scatter_add(1, place, known.float())
        weight = torch.where(counts > 0, 1 + counts.clamp(min=1).log(), 0) * self.tfidf.weights
        return F.normalize(weight, dim=1)


class Beside(nn.Module):
    """Wide, with the directions of its features multiplied into its layers: a product of its width less in each group.

    Every row and item is described, and what absent ones say is put to 0.
    """

    def __init__(self, wide: Wide):
        super().__init__()
        self.targets, self.groups = wide.targets, wide.features.groups
        self.source, self.learned = wide.features.source, wide.features.learned
        self.parts = nn.ModuleList(Terms(part) if isinstance(part, TfIdf) else part for part in wide.features.parts)
        self.layers = nn.ModuleList(_Folded(layer, wide.features.parts) for layer in wide.layers)

    def features(self, inputs: Mapping[str, Input]) -> dict[str, Tensor]:
        """What each group sees, before its directions, and a last column that says: it is there."""
        return {name: self._see(name, part, inputs) for name, part in zip(self.groups, self.parts, strict=True)}

    def answer(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        said = {name: layer(list(features.values())) for name, layer in zip(self.targets, self.layers, strict=True)}
        return {name: logits[:, 0] if logits.shape[1] == 1 else logits for name, logits in said.items()}

    def join(self, target: str, network: Tensor, wide: Tensor) -> Tensor:
        shares = self.layers[self.targets.index(target)].shares
        return shares[0] * network.float() + shares[1] * wide

    def _see(self, group: str, part: nn.Module, inputs: Mapping[str, Input]) -> Tensor:
        given = inputs[self.source[group]]
        values, mask = given.known if group in self.learned else (given.values, given.mask)
        if isinstance(part, Terms):
            return part(values, mask)
        present = present_rows(mask)[:, None]  # (B, 1)
        if not len(part.mean):  # no training row had the input
            return present.float() * 0
        if part.bag:
            there = present_rows(mask.flatten(0, 1))  # (B * N,)
            made = part.describe(values.flatten(0, 1), shown(mask.flatten(0, 1))).masked_fill(~there[:, None], 0)
            there = there.unflatten(0, mask.shape[:2])  # (B, N)
            raw = made.unflatten(0, mask.shape[:2]).sum(1) / there.sum(1, keepdim=True).clamp(min=1)
        else:
            raw = part.describe(values, shown(mask))
        return torch.cat([(raw - part.mean).masked_fill(~present, 0), present.float()], 1)


class _Folded(nn.Module):
    """A target's layer, on what the groups see."""

    def __init__(self, layer: nn.Module, parts: Iterable[nn.Module]):
        super().__init__()
        self.register_buffer("shares", layer.shares)
        self.register_buffer("bias", layer.bias)
        self.weights, place = nn.ParameterList(), 0
        for part in parts:
            weight = layer.weight[:, place : place + part.size].double()  # (outputs, features of the group)
            place += part.size
            if isinstance(part, Described):
                last = part.length * weight[:, -1:] if len(part.mean) else weight[:, -1:] * 0
                weight = torch.cat([weight[:, :-1] @ part.directions.T.double(), last], 1)
            self.weights.append(nn.Parameter(weight.float(), requires_grad=False))

    def forward(self, seen: list[Tensor]) -> Tensor:
        return sum((F.linear(x, weight) for x, weight in zip(seen, self.weights, strict=True)), self.bias)


FORMS: dict[type[nn.Module], Callable[[nn.Module], nn.Module]] = {
    MelSpectrogram: Mel,
    Wide: Beside,
    nn.GRU: Gru,
    nn.LSTM: Lstm,
}
