"""The network of one input by itself, to stand beside that of all."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sensorium.encoders.bag import of_item
from sensorium.encoders.features import Features, Input

__all__ = ["Single"]


class Single(nn.Module):
    """Keeps what one input tells by itself, where training it together with others loses that.

    Reference:
        Wang et al. 2020, What Makes Training Multi-modal Classification Networks Hard?: the best single network often
        beats the joint one. Here both answer: logits = (1 - share) * joint + share * single, of rows that have the input.

    Args:
        network: a MultimodalModel of one modality, with the targets of the joint one.
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network
        (self.modality,) = network.modalities
        self.register_buffer("shares", torch.zeros(len(network.targets)))
        self.borrows = False
        self.register_state_dict_post_hook(_leave_out_borrowed)
        self.register_load_state_dict_pre_hook(_fill_in_borrowed)

    def borrow(self, joint: nn.Module) -> None:
        """Use the frozen pretrained network of the joint model in place of an own one: kept in memory and on disk once."""
        of_item(self.network.encoder(self.modality)).body = of_item(joint.encoder(self.modality)).body
        self.borrows = True

    def borrowed(self) -> dict[str, Tensor]:
        """What is the joint model's, by its name here."""
        if not self.borrows:
            return {}
        body = of_item(self.network.encoder(self.modality)).body
        return body.state_dict(prefix=next(f"{path}." for path, part in self.named_modules() if part is body))

    def share(self, target: str) -> float:
        return float(self.shares[self.network.targets.index(target)])

    def set_share(self, target: str, share: float) -> None:
        self.shares[self.network.targets.index(target)] = share

    def encode(self, inputs: Mapping[str, Input]) -> Features | None:
        """The tokens of its input; None where that is not given."""
        if self.modality not in inputs:
            return None
        return self.network.encode({self.modality: inputs[self.modality]})[self.modality]

    def mix(self, joint: Mapping[str, Tensor], features: Features | None) -> dict[str, Tensor]:
        """The joint network's logits by target, with its own in them."""
        if features is None:
            return dict(joint)
        own = self.network.heads_of({self.modality: features})
        present = features.mask.any(1)  # (B,)
        found = {}
        for target, logits in joint.items():
            share = self.shares[self.network.targets.index(target)] * present
            share = share.reshape(-1, *[1] * (logits.dim() - 1))
            found[target] = torch.lerp(logits.float(), own[target].float(), share)
        return found


def _leave_out_borrowed(single: Single, state: dict[str, Tensor], prefix: str, _: object) -> None:
    for name in single.borrowed():
        del state[prefix + name]


def _fill_in_borrowed(single: Single, state: dict[str, Tensor], prefix: str, *_: object) -> None:
    state.update({prefix + name: value for name, value in single.borrowed().items()})
