"""An encoder that others have trained, and what is learned on top of it."""

from typing import Literal

import torch
from torch import Tensor, nn

from sensorium.encoders.checks import at_least, fraction
from sensorium.encoders.features import Features
from sensorium.encoders.rows import encode_present
from sensorium.errors import ConfigError

__all__ = ["Pretrained"]


class Pretrained(nn.Module):
    """A pretrained network's tokens, pooled or not, brought to the width of the fusion.

    Use it wherever there are weights for the modality: a few hundred rows teach a network from scratch little.

    Reference:
        the mix of layers: Peters et al. 2018, ELMo. LoRA: Hu et al. 2021. Frozen batch norm while fine-tuning is usual.

    Args:
        body: the network, `(values, mask, every) -> (layers, mask)`; see `sensorium.pretrained.bodies.Body`.
        width: size of a token.
        pooling: mean or cls: one token for all; tokens: all of them; auto: what the network was made for.
        layers: last, or mix: a learned mean of all layers.
        train: frozen; lora: what was put into the body already; top:N, the last N blocks; all.
        dropout: in [0, 1), on the network's tokens.
        learning_rate: of the body's own weights at its peak; None: 5e-5, of lora 5e-4.
        gradual: the body's blocks are let loose one an epoch, the last first (Howard & Ruder 2018).

    Shape:
        values, mask: of the body. Tokens: (B, T, width), of one token unless pooling is tokens.

    Raises:
        ConfigError: a size can't be used, or layers of several widths are to be mixed.
    """

    def __init__(
        self,
        body: nn.Module,
        width: int = 256,
        pooling: Literal["auto", "mean", "cls", "tokens"] = "auto",
        layers: Literal["last", "mix"] = "last",
        train: str = "frozen",
        dropout: float = 0.1,
        learning_rate: float | None = None,
        gradual: bool = False,
    ):
        super().__init__()
        self.width = at_least("Pretrained.width", width)
        fraction("Pretrained.dropout", dropout)
        if pooling == "cls" and not body.has_cls:
            raise ConfigError("Pretrained.pooling must be mean or tokens; got cls, and the network has no such token.")
        rate = 5e-4 if train == "lora" else 5e-5
        self.body, self.gradual = body, gradual
        self.learning_rate = rate if learning_rate is None else learning_rate
        self.mask_dims: int = body.mask_dims
        self.pooling = body.pooling if pooling == "auto" else pooling
        self.frozen = train == "frozen"
        self.count = len(body.blocks) + 1 if layers == "mix" else 1
        if layers == "mix" and not body.even:
            raise ConfigError("Pretrained.layers must be last; got mix, and the network's layers differ in width.")
        self.mix = nn.Parameter(torch.zeros(self.count)) if layers == "mix" else None
        self.norm = nn.LayerNorm(body.hidden)
        self.drop = nn.Dropout(dropout)
        self.linear = nn.Linear(body.hidden, width)
        self.thawed = self._choose(train)

    @property
    def seen(self) -> int:
        """Numbers of a token of `look`."""
        return self.count * self.body.hidden

    def look(self, values: Tensor, mask: Tensor) -> Features:
        """What the body says: tokens (B, T, seen), all layers' side by side. Of a frozen one it never changes."""
        return encode_present(self._look, values, mask, self.seen)

    def adapt(self, seen: Features) -> Features:
        """What `look` gave, at the fusion's width: all that is learned where the body is frozen."""
        tokens, mask = seen
        if self.mix is not None:
            parts = tokens.unflatten(2, (self.count, self.body.hidden))  # (B, T, layers, hidden)
            tokens = (parts * self.mix.softmax(0)[:, None]).sum(2)
        tokens = self.linear(self.drop(self.norm(tokens)))
        return Features(tokens.masked_fill(~mask[..., None], 0), mask)

    def forward(self, values: Tensor, mask: Tensor) -> Features:
        return self.adapt(self.look(values, mask))

    def train(self, mode: bool = True) -> "Pretrained":
        super().train(mode)
        for module in self.body.modules():
            if self.frozen or isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.training = False
        return self

    def thaw(self, epoch: int) -> None:
        """Where `gradual`: from this epoch (the first is 0) on, that many blocks more learn than the last alone."""
        if not self.gradual:
            return
        blocks = list(self.body.blocks)
        resting = {
            id(parameter) for block in blocks[: max(0, len(blocks) - epoch - 1)] for parameter in block.parameters()
        }
        for parameter in self.thawed:
            parameter.requires_grad_(id(parameter) not in resting)

    def _look(self, values: Tensor, mask: Tensor) -> Features:
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            layers, real = self.body(values, mask, self.mix is not None)
            if self.pooling == "cls":
                layers, real = [layer[:, :1] for layer in layers], real.any(1, keepdim=True)
            elif self.pooling == "mean":
                share = real / real.sum(1, keepdim=True).clamp(min=1)  # (B, T)
                layers = [(layer.float() * share[..., None]).sum(1, keepdim=True) for layer in layers]
                real = real.any(1, keepdim=True)
            return Features(torch.cat(list(layers), 2).float(), real)

    def _choose(self, train: str) -> list[nn.Parameter]:
        """Let the parameters learn that are to learn, and no others of the body."""
        named = list(self.body.named_parameters())
        if train == "frozen":
            chosen: list[nn.Parameter] = []
        elif train == "lora":
            chosen = [parameter for name, parameter in named if "lora_" in name]
        elif train == "all":
            chosen = [parameter for _, parameter in named]
        else:
            blocks = list(self.body.blocks)
            wanted = int(train.removeprefix("top:"))
            if not 1 <= wanted <= len(blocks):
                raise ConfigError(f"Pretrained.train must be top:1 to top:{len(blocks)}; got {train}.")
            top = {id(parameter) for block in blocks[-wanted:] for parameter in block.parameters()}
            last = max(place for place, (_, parameter) in enumerate(named) if id(parameter) in top)
            # What comes after the blocks (a last norm) learns, too.
            chosen = [parameter for place, (_, parameter) in enumerate(named) if id(parameter) in top or place > last]
        learning = {id(parameter) for parameter in chosen}
        for _, parameter in named:
            parameter.requires_grad_(id(parameter) in learning)
        return chosen
