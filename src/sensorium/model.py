"""encoders -> fusion -> heads; beside them, where there are such, a linear model and the network of one input."""

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from sensorium.encoders.bag import of_item
from sensorium.encoders.features import Features, Input
from sensorium.encoders.graph import in_graph
from sensorium.encoders.rows import encode_present
from sensorium.errors import ConfigError, did_you_mean

__all__ = ["MultimodalModel"]


class MultimodalModel(nn.Module):
    """Any number of modalities to any number of targets, with any of the modalities missing.

    Args:
        encoders: one a modality, each with a `width` and `forward(values, mask) -> Features`, in the fusion's order.
        fusion: one of sensorium.fusion, not connected yet. Tokens of another width than its go through a linear layer.
        heads: one a target, each as wide as the fusion; none for a model that learns without targets.
        aligner: a sensorium.heads.alignment.Alignment of the modalities; None for a model that learns from targets alone.
        rebuilder: a sensorium.heads.reconstruction.Reconstruction, likewise.

    Shape:
        inputs: dict of Input, or of plain values where nothing is missing. Returns a dict of logits, one a target.

    Raises:
        ConfigError: no encoder, or nothing to learn by; a head of another width; an unknown modality or target; inputs that do not fit.

    Example:
        >>> from sensorium.encoders import TextBag, VectorDense
        >>> from sensorium.fusion import Concat
        >>> from sensorium.heads import Classification
        >>> model = MultimodalModel(
        ...     encoders={"title": TextBag(vocabulary=10, width=16), "pose": VectorDense(size=3, width=16)},
        ...     fusion=Concat(width=16),
        ...     heads={"label": Classification(classes=2, width=16)},
        ... )
        >>> model({"pose": torch.rand(4, 3)})["label"].shape
        torch.Size([4, 2])
    """

    def __init__(
        self,
        encoders: Mapping[str, nn.Module],
        fusion: nn.Module,
        heads: Mapping[str, nn.Module],
        aligner: nn.Module | None = None,
        rebuilder: nn.Module | None = None,
    ):
        super().__init__()
        if not encoders or not (heads or aligner is not None or rebuilder is not None):
            raise ConfigError(
                f"MultimodalModel must have an encoder and a head; got {len(encoders)} encoders and {len(heads)} heads."
            )
        for name, encoder in encoders.items():
            if not hasattr(encoder, "width"):
                raise ConfigError(f"encoder '{name}' must have a width; got {type(encoder).__name__}, which has none.")
        for name, head in heads.items():
            if head.width != fusion.width:
                raise ConfigError(f"head '{name}' must have the fusion's width ({fusion.width}); got {head.width}.")
        self.modalities, self.targets = tuple(encoders), tuple(heads)
        # A column may be called 'foto.1' or 'training', a module may not: they go by number, so names never matter.
        self.encoders = nn.ModuleDict({f"m{i}": encoder for i, encoder in enumerate(encoders.values())})
        self.projections = nn.ModuleDict(
            {
                f"m{i}": nn.Identity()
                if encoder.width == fusion.token_width
                else nn.Linear(encoder.width, fusion.token_width)
                for i, encoder in enumerate(encoders.values())
            }
        )
        fusion.connect(self.modalities)
        self.fusion = fusion
        self.heads = nn.ModuleDict({f"t{i}": head for i, head in enumerate(heads.values())})
        self.aligner, self.rebuilder = aligner, rebuilder
        self.wide: nn.Module | None = None  # a sensorium.baselines.wide.Wide, set after training
        self.single: nn.Module | None = None  # a sensorium.single.Single, likewise
        self.members: tuple[int, ...] = ()  # of a run's ensemble, the places of those that it was made from

    def encoder(self, modality: str) -> nn.Module:
        """The encoder of a modality."""
        return self.encoders[f"m{self._place(modality, self.modalities, 'modality')}"]

    def head(self, target: str) -> nn.Module:
        """The head of a target."""
        return self.heads[f"t{self._place(target, self.targets, 'target')}"]

    def encode(self, inputs: Mapping[str, Input | Tensor]) -> dict[str, Features]:
        """Tokens of the fusion's width for each input given. A modality that is not given is absent from all rows."""
        features = {}
        for name, (values, mask, known) in self._checked(inputs).items():
            encoder, projection = self.encoder(name), self.projections[f"m{self.modalities.index(name)}"]
            if known is not None:
                tokens, real = encoder.adapt(known)
                features[name] = Features(projection(tokens), real)
                continue

            def run(values: Tensor, mask: Tensor, encoder=encoder, projection=projection) -> Features:
                tokens, real = encoder(values, mask)
                return Features(projection(tokens), real)  # (B, T, token_width)

            features[name] = encode_present(run, values, mask, self.fusion.token_width)
        return features

    def forward(self, inputs: Mapping[str, Input | Tensor]) -> dict[str, Tensor]:
        if self.wide is None and self.single is None:
            return self.heads_of(self.encode(inputs))
        if self.wide is not None and not in_graph() and self.wide.alone(self.targets):
            return self.wide.said(self.look(inputs))
        checked = self.look(inputs)
        made = {} if self.wide is None else self.wide.features(checked)
        return self.answer(self.encode(checked), made, None if self.single is None else self.single.encode(checked))

    @property
    def sources(self) -> dict[str, Any]:
        """Where the pretrained encoders come from, by modality: see `sensorium.pretrained.source.Source`."""
        inner = {name: of_item(self.encoder(name)) for name in self.modalities}
        return {name: encoder.body.source for name, encoder in inner.items() if hasattr(encoder, "body")}

    @property
    def frozen(self) -> tuple[str, ...]:
        """The modalities whose encoder has a part that never learns; see `sensorium.encoders.Pretrained`."""
        return tuple(name for name in self.modalities if getattr(self.encoder(name), "frozen", False))

    def look(self, inputs: Mapping[str, Input | Tensor]) -> dict[str, Input]:
        """The inputs, with what those parts say of them: computed once for all that reads it."""
        checked = self._checked(inputs)
        for name in self.frozen:
            if name in checked and checked[name].known is None:
                values, mask, _ = checked[name]
                checked[name] = Input(values, mask, self.encoder(name).look(values, mask))
        return checked

    def heads_of(self, features: Mapping[str, Features]) -> dict[str, Tensor]:
        """The heads' logits for what `encode` gave."""
        fused = self.fusion(features)  # (B, width)
        return {target: self.head(target)(fused) for target in self.targets}

    def answer(
        self, features: Mapping[str, Features], made: Mapping[str, Tensor], own: Features | None = None
    ) -> dict[str, Tensor]:
        """The logits for what `encode` gave and, where there are such parts, the wide part's and the single network's."""
        logits = self.heads_of(features)
        if self.single is not None:
            logits = self.single.mix(logits, own)
        if self.wide is None:
            return logits
        beside = self.wide.answer(made)
        return {name: self.wide.join(name, z, beside[name]) if name in beside else z for name, z in logits.items()}

    def as_measured(self) -> AbstractContextManager[None]:
        """While it lasts, answers to the validation rows are those that were measured: see `Wide.as_measured`."""
        return nullcontext() if self.wide is None else self.wide.as_measured()

    def loss(
        self,
        outputs: Mapping[str, Tensor],
        targets: Mapping[str, tuple[Tensor, Tensor]],
        weights: Mapping[str, float] | None = None,
    ) -> Tensor:
        """The sum over targets of weight * loss; targets are (values, mask of the rows that have it), weights 1."""
        weights = {} if weights is None else weights
        for name in (*targets, *weights):
            self._place(name, self.targets, "target")
        if not targets:
            raise ConfigError(f"loss must be given a target; got none. There are: {', '.join(self.targets)}.")
        losses = [
            weights.get(name, 1.0) * self.head(name).loss(outputs[name], *targets[name])
            for name in self.targets
            if name in targets
        ]
        return torch.stack(losses).sum()

    def drop(self, inputs: Mapping[str, Input | Tensor], keep: Collection[str]) -> dict[str, Input]:
        """The inputs as if only the modalities in `keep` were present; those given are left as they are."""
        for name in keep:
            self._place(name, self.modalities, "modality")
        return {
            name: given if name in keep else given.keep(given.mask.new_zeros(len(given.mask)))
            for name, given in self._checked(inputs).items()
        }

    def _checked(self, inputs: Mapping[str, Input | Tensor]) -> dict[str, Input]:
        """Every input as an Input, in the model's order, all with the same number of rows."""
        for name in inputs:
            self._place(name, self.modalities, "modality")
        if not inputs:
            raise ConfigError(f"inputs must hold a modality; got none. There are: {', '.join(self.modalities)}.")
        checked: dict[str, Input] = {}
        for name in self.modalities:
            if name not in inputs:
                continue
            given, dims = inputs[name], getattr(self.encoder(name), "mask_dims", 1)
            if isinstance(given, Tensor):
                given = Input(given, torch.ones(given.shape[:dims], dtype=torch.bool, device=given.device))
            values, mask, known = given
            if mask.dtype != torch.bool or mask.shape != values.shape[:dims]:
                raise ConfigError(
                    f"input '{name}': the mask must be bool of shape {tuple(values.shape[:dims])}; "
                    f"got {str(mask.dtype)[6:]} of shape {tuple(mask.shape)}."
                )
            first = next(iter(checked), name)
            if checked and values.shape[0] != checked[first].values.shape[0]:
                raise ConfigError(
                    "inputs must have the same number of rows; "
                    f"'{first}' has {len(checked[first].values)}, '{name}' has {len(values)}."
                )
            checked[name] = Input(values, mask, known)
        return checked

    @staticmethod
    def _place(name: str, names: tuple[str, ...], kind: str) -> int:
        if name not in names:
            raise ConfigError(f"unknown {kind} '{name}'. {did_you_mean(name, names)}")
        return names.index(name)
