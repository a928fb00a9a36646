"""The answer to one row as a function of one of its inputs."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from sensorium.encoders.bag import of_item
from sensorium.encoders.features import Features, Input
from sensorium.ensemble.committee import CommitteeEncoder
from sensorium.model import MultimodalModel

__all__ = ["Answer"]

BATCH = 32  # variants of a row at a time


class Answer:
    """One logit of one row, as one input changes and all else stays.

    Args:
        model: in evaluation mode.
        inputs: the row's.
        target: its name.
        output: the class by its place; of a single logit that is a class's, 0 negates it.
        modality: the input that changes.
    """

    def __init__(self, model: MultimodalModel, inputs: Mapping[str, Input], target: str, output: int, modality: str):
        self.model, self.target, self.output, self.modality = model, target, output, modality
        with torch.no_grad():
            checked = model.look(inputs)
            self.values, self.mask = checked[modality].values, checked[modality].mask  # of the row: (1, ...) each
            others = {name: given for name, given in checked.items() if name != modality}
            self.features = model.encode(others) if others else {}
            self.made = {} if model.wide is None else model.wide.features(checked)
            single = model.single
            self.own = None if single is None or single.modality == modality else single.encode(checked)

    @property
    def encoders(self) -> list[nn.Module]:
        """All that reads the input by a network."""
        found = [self.model.encoder(self.modality)]
        if self.model.single is not None and self.model.single.modality == self.modality:
            found.append(self.model.single.network.encoder(self.modality))
        items = [of_item(encoder) for encoder in found]
        return [own for item in items for own in (item.members if isinstance(item, CommitteeEncoder) else [item])]

    def inside(self, kind: type[nn.Module] = nn.Module) -> list[nn.Module]:
        """The modules of a kind in these encoders."""
        return [module for encoder in self.encoders for module in encoder.modules() if isinstance(module, kind)]

    def __call__(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        """The answer to N variants (N, ...), with gradients; the wide part goes on saying what it said of the row."""
        mask = self.mask.expand(len(values), *self.mask.shape[1:]) if mask is None else mask
        given = {self.modality: Input(values, mask)}
        with _open(self.encoders):
            return self._told(given, self.made)

    @torch.no_grad()
    def whole(self, values: Tensor, mask: Tensor) -> Tensor:
        """The answer to N variants (N, ...), the wide part's included."""
        told = []
        for part in zip(values.split(BATCH), mask.split(BATCH), strict=True):
            given = self.model.look({self.modality: Input(*part)})
            told.append(self._told(given, self._made(given, len(part[0]))))
        return torch.cat(told)

    @torch.no_grad()
    def beside(self) -> float:
        """What the wide part says of the row for having the input."""
        if self.model.wide is None:
            return 0.0
        absent = {self.modality: Input(self.values, torch.zeros_like(self.mask))}
        said = [self.model.wide.answer(made)[self.target] for made in (self.made, self._made(absent, 1)) if self._wide]
        return self.share * float(self._one(said[0]) - self._one(said[1])) if said else 0.0

    @torch.no_grad()
    def terms(self) -> Tensor:
        """What the wide part says of each token of the row's text, in its terms: (T,)."""
        found = torch.zeros(self.values.shape[1])
        if not self._wide or self.modality not in self.model.wide.features.groups:
            return found
        features, layer = self.model.wide.features, self.model.wide.layers[self.model.wide.targets.index(self.target)]
        place = features.groups.index(self.modality)
        first = sum(features.sizes[:place])
        weight = layer.weight[:, first : first + features.sizes[place]]  # (outputs, terms)
        weight = self._one(weight[0] if len(weight) == 1 else weight.T)  # (terms,)
        return self.share * features.parts[place].spread(self.values, self.mask, weight)[0]

    @property
    def share(self) -> float:
        """What the wide part's logits are multiplied by."""
        return self.model.wide.shares(self.target)[1] if self._wide else 0.0

    @property
    def _wide(self) -> bool:
        return self.model.wide is not None and self.target in self.model.wide.targets

    def _made(self, given: Mapping[str, Input], rows: int) -> dict[str, Tensor]:
        """The hand-made features of variants of the input; the other inputs' are the row's."""
        if self.model.wide is None:
            return {}
        look = self.model.wide.features
        new = look(self.model.look(given))
        return {
            group: new[group] if look.source[group] == self.modality else old.expand(rows, -1)
            for group, old in self.made.items()
        }

    def _told(self, given: Mapping[str, Input], made: Mapping[str, Tensor]) -> Tensor:
        rows, single = len(given[self.modality].values), self.model.single
        features = {name: _repeat(part, rows) for name, part in self.features.items()} | self.model.encode(given)
        ordered = {name: features[name] for name in self.model.modalities if name in features}
        own = None if self.own is None else _repeat(self.own, rows)
        if single is not None and single.modality == self.modality:
            own = single.encode(given)
        made = {group: part.expand(rows, -1) for group, part in made.items()}
        return self._one(self.model.answer(ordered, made, own)[self.target])

    def _one(self, logits: Tensor) -> Tensor:
        """The logit that is explained: (N,)."""
        if logits.dim() > 1:
            return logits[:, self.output]
        of_class = hasattr(self.model.head(self.target), "probabilities")
        return -logits if of_class and self.output == 0 else logits


def _repeat(features: Features, rows: int) -> Features:
    return Features(*(part.expand(rows, *part.shape[1:]) for part in features))


@contextmanager
def _open(encoders: list[nn.Module]) -> Iterator[None]:
    """Let gradients through frozen pretrained networks, to what goes into them."""
    closed = [encoder for encoder in encoders if getattr(encoder, "frozen", False)]
    for encoder in closed:
        encoder.frozen = False
    try:
        yield
    finally:
        for encoder in closed:
            encoder.frozen = True
