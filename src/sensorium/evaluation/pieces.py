"""What the model makes of each input, so that answers with some of the inputs missing or changed cost no encoding anew."""

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

from sensorium.encoders.features import Features, Input
from sensorium.model import MultimodalModel

__all__ = ["Piece", "answer", "pieces"]


class Piece(NamedTuple):
    """What comes of one input of some rows, before anything of it meets another input.

    features: tokens for the fusion. made: the wide part's features, by group. own: tokens for the network of one input.
    """

    features: Features
    made: dict[str, Tensor]
    own: Features | None

    def keep(self, there: Tensor) -> "Piece":
        """The same rows several times over, the input left present where `there` says so.

        Shape:
            there: (times, B) bool, the first time's rows first in what is returned.
        """
        times, there = len(there), there.reshape(-1)
        made = {group: values.repeat(times, 1) * there[:, None] for group, values in self.made.items()}
        own = None if self.own is None else _keep(self.own, times, there)
        return Piece(_keep(self.features, times, there), made, own)


def pieces(model: MultimodalModel, inputs: Mapping[str, Input]) -> dict[str, Piece]:
    """The piece of each input given."""
    inputs = model.look(inputs)
    made: dict[str, dict[str, Tensor]] = {name: {} for name in inputs}
    if model.wide is not None:
        for group, features in model.wide.features(inputs).items():
            if (name := model.wide.features.source[group]) in made:
                made[name][group] = features
    own = {} if model.single is None else {model.single.modality: model.single.encode(inputs)}
    return {name: Piece(features, made[name], own.get(name)) for name, features in model.encode(inputs).items()}


def answer(model: MultimodalModel, found: Mapping[str, Piece]) -> dict[str, Tensor]:
    """The model's logits for the pieces of all its inputs."""
    features = {name: piece.features for name, piece in found.items()}
    made = {group: values for piece in found.values() for group, values in piece.made.items()}
    return model.answer(features, made, None if model.single is None else found[model.single.modality].own)


def _keep(features: Features, times: int, there: Tensor) -> Features:
    return Features(features.tokens.repeat(times, 1, 1), features.mask.repeat(times, 1) & there[:, None])
