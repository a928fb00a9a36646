"""Several networks of the same inputs and targets as one: encoders, a fusion and heads that hold all of theirs."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.encoders.bag import of_item
from sensorium.encoders.features import Features
from sensorium.errors import ConfigError
from sensorium.model import MultimodalModel

__all__ = ["CommitteeEncoder", "CommitteeFusion", "CommitteeHead", "committee_of", "is_committee"]


def committee_of(networks: Sequence[MultimodalModel], weights: Mapping[str, Sequence[float]]) -> MultimodalModel:
    """One model whose logits are the weighted sum of those of the networks, which become parts of it.

    It is made of encoders, a fusion and heads like any other, so that whatever works on a model works on it.

    Args:
        networks: two or more of the same modalities and targets, without a wide part and without a network of one input.
        weights: by target, one a network.

    Raises:
        ConfigError: networks of other inputs or targets, or with parts beside them.
    """
    first = networks[0]
    for network in networks:
        if (network.modalities, network.targets) != (first.modalities, first.targets):
            raise ConfigError(
                f"a committee's networks must have the same inputs and targets; got {', '.join(network.modalities)} to "
                f"{', '.join(network.targets)} beside {', '.join(first.modalities)} to {', '.join(first.targets)}."
            )
        if network.wide is not None or network.single is not None:
            raise ConfigError("a committee's networks must be plain; one has a linear part or a network of one input.")
    encoders = {
        name: CommitteeEncoder(
            [network.encoder(name) for network in networks],
            [network.projections[f"m{place}"] for network in networks],
            [network.fusion.token_width for network in networks],
        )
        for place, name in enumerate(first.modalities)
    }
    heads = {name: CommitteeHead([network.head(name) for network in networks], weights[name]) for name in first.targets}
    return MultimodalModel(encoders, CommitteeFusion([network.fusion for network in networks]), heads)


def is_committee(model: MultimodalModel) -> bool:
    """Whether `committee_of` made it."""
    return isinstance(model.fusion, CommitteeFusion)


class CommitteeEncoder(nn.Module):
    """The encoders of one modality: their tokens side by side, each network's with a last number that says: real.

    Args:
        encoders: of the same kind of values.
        projections: what brings each one's tokens to its fusion's width.
        widths: of the tokens after that.

    Shape:
        values, mask: of the encoders. Tokens: (B, T, sum of widths + 1 each), T of the encoder with most tokens.
    """

    def __init__(self, encoders: Sequence[nn.Module], projections: Sequence[nn.Module], widths: Sequence[int]):
        super().__init__()
        self.encoders, self.projections = nn.ModuleList(encoders), nn.ModuleList(projections)
        self.width = sum(width + 1 for width in widths)
        self.mask_dims: int = getattr(encoders[0], "mask_dims", 1)
        self.register_state_dict_post_hook(_leave_out_shared)
        self.register_load_state_dict_pre_hook(_fill_in_shared)

    @property
    def members(self) -> list[nn.Module]:
        """The encoders of single items."""
        return [of_item(encoder) for encoder in self.encoders]

    @property
    def body(self) -> nn.Module:
        """The pretrained network of the first; see `Pretrained`, as for what follows."""
        return self.members[0].body

    @property
    def frozen(self) -> bool:
        return getattr(self.encoders[0], "frozen", False)

    def look(self, values: Tensor, mask: Tensor) -> Features:
        return self.encoders[0].look(values, mask)

    def adapt(self, seen: Features) -> Features:
        return self._joined([encoder.adapt(seen) for encoder in self.encoders])

    def forward(self, values: Tensor, mask: Tensor) -> Features:
        if self.frozen:
            return self.adapt(self.look(values, mask))  # one body for all
        return self._joined([encoder(values, mask) for encoder in self.encoders])

    def _joined(self, found: Sequence[Features]) -> Features:
        longest = max(mask.shape[1] for _, mask in found)
        parts, anywhere = [], []
        for (tokens, mask), projection in zip(found, self.projections, strict=True):
            mask = F.pad(mask, (0, longest - mask.shape[1]))  # (B, T)
            tokens = F.pad(projection(tokens), (0, 0, 0, longest - tokens.shape[1]))
            parts += [tokens, mask[..., None].to(tokens.dtype)]
            anywhere.append(mask)
        return Features(torch.cat(parts, 2), torch.stack(anywhere).any(0))  # (B, T, width), (B, T)

    def shared(self) -> list[str]:
        """Names of the weights of a body that are those of the first encoder's."""
        first = getattr(self.members[0], "body", None)
        return [
            name
            for place, member in enumerate(self.members[1:], 1)
            if first is not None and member.body is first
            for name in self._names(place, member)
        ]

    def _names(self, place: int, member: nn.Module) -> list[str]:
        inner = "" if self.encoders[place] is member else "encoder."
        return list(member.body.state_dict(prefix=f"encoders.{place}.{inner}body."))


def _leave_out_shared(encoder: CommitteeEncoder, state: dict[str, Tensor], prefix: str, _: object) -> None:
    for name in encoder.shared():
        del state[prefix + name]


def _fill_in_shared(encoder: CommitteeEncoder, state: dict[str, Tensor], prefix: str, *_: object) -> None:
    for name in encoder.shared():
        _, _, rest = name.split(".", 2)
        state[prefix + name] = state[f"{prefix}encoders.0.{rest}"]


class CommitteeFusion(nn.Module):
    """The fusions of several networks: each reads its own part of the tokens, their vectors stand side by side.

    Args:
        fusions: connected to the same modalities.

    Shape:
        features: of `CommitteeEncoder`s. Returns (B, sum of the widths).
    """

    def __init__(self, fusions: Sequence[nn.Module]):
        super().__init__()
        self.fusions = nn.ModuleList(fusions)
        self.width = sum(fusion.width for fusion in fusions)
        self.token_width = sum(fusion.token_width + 1 for fusion in fusions)

    @property
    def modalities(self) -> tuple[str, ...]:
        return self.fusions[0].modalities

    def connect(self, modalities: Sequence[str]) -> None:
        """See `Fusion`, as for what follows."""
        for fusion in self.fusions:
            fusion.connect(modalities)

    def forward(self, features: Mapping[str, Features]) -> Tensor:
        return torch.cat(self._each(features, lambda fusion, own: fusion(own).float()), 1)  # (B, width)

    def slots(self, features: Mapping[str, Features]) -> tuple[Tensor, Tensor]:
        found = self._each(features, lambda fusion, own: fusion.slots(own))
        return torch.cat([slots for slots, _ in found], 2), found[0][1]  # (B, M, widths), (B, M)

    def _each(self, features: Mapping[str, Features], run: Callable) -> list:
        found, start = [], 0
        for fusion in self.fusions:
            end = start + fusion.token_width
            own = {
                name: Features(tokens[..., start:end], mask & (tokens[..., end] > 0.5))
                for name, (tokens, mask) in features.items()
            }
            found.append(run(fusion, own))
            start = end + 1
        return found


class CommitteeHead(nn.Module):
    """The heads of one target of several networks: the weighted sum of their logits.

    Args:
        heads: of one kind.
        weights: of each.

    Shape:
        fused: (B, sum of the widths). Returns logits, as each head does.
    """

    def __init__(self, heads: Sequence[nn.Module], weights: Sequence[float]):
        super().__init__()
        self.heads = nn.ModuleList(heads)
        self.register_buffer("weights", torch.tensor([float(weight) for weight in weights]))
        self.width = sum(head.width for head in heads)
        self.ends = [0]
        for head in heads:
            self.ends.append(self.ends[-1] + head.width)
        for name in ("loss", "predict", "probabilities"):  # which depend on logits alone
            if hasattr(heads[0], name):
                setattr(self, name, getattr(heads[0], name))

    def forward(self, fused: Tensor) -> Tensor:
        parts = [
            weight * head(fused[:, start:end]).float()
            for head, weight, (start, end) in zip(self.heads, self.weights, pairwise(self.ends), strict=True)
        ]
        return torch.stack(parts).sum(0)
