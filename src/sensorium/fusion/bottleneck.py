"""Fusion by Transformers that share a few tokens."""

import torch
from torch import Tensor, nn

from sensorium.encoders.attention import TransformerBlock
from sensorium.encoders.checks import at_least, multiple
from sensorium.encoders.features import Features
from sensorium.fusion.slots import AbsentTokens, Fusion

__all__ = ["Bottleneck"]


class Bottleneck(Fusion):
    """A Transformer a modality; all of them read and write the same few tokens, layer by layer. Then the mean.

    For long sequences of tokens (frames, words, sounds): no token is compared with those of other modalities, as all are
    in Attention. It needs more steps than Attention to find which part goes with which.

    Reference:
        Nagrani et al., 2021 (MBT): [z_m; b] = Transformer_m([z_m; b]), b the mean over m of what each made of it.
        Differs: in every layer, not the last ones alone (encoders are the ones before); tokens are pooled where the
        paper has a CLS token, and the mean is of the vectors before the head. A learned token stands for an absent
        modality.

    Args:
        width: of the tokens and of the result, a multiple of num_heads.
        tokens: in the bottleneck, 1 or more.
        layers: blocks a modality, 2 or more: what the first writes to the bottleneck, the second reads.
        num_heads: attention heads.
        dropout: in the blocks and on the result, in [0, 1).

    Shape:
        dict of Features -> (B, width).

    Raises:
        ConfigError: as in Fusion.

    Example:
        >>> fusion = Bottleneck(width=4, tokens=1, num_heads=2)
        >>> fusion.connect(["a", "b"])
        >>> fusion({"b": Features(torch.ones(1, 2, 4), torch.ones(1, 2, dtype=torch.bool))}).shape
        torch.Size([1, 4])
    """

    def __init__(self, width: int = 256, tokens: int = 4, layers: int = 2, num_heads: int = 4, dropout: float = 0.1):
        super().__init__(width, dropout)
        self.tokens = at_least("Bottleneck.tokens", tokens)
        self.layers = at_least("Bottleneck.layers", layers, 2)
        multiple("Bottleneck.width", width, "num_heads", num_heads)
        self.num_heads = num_heads

    def build(self, count: int) -> None:
        self.fill = AbsentTokens(count, self.width)
        self.shared = nn.Parameter(torch.randn(self.tokens, self.width))
        self.blocks = nn.ModuleList(
            nn.ModuleList(TransformerBlock(self.width, self.num_heads, self.drop.p) for _ in range(count))
            for _ in range(self.layers)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(self.width) for _ in range(count))

    def exchange(self, features: dict[str, Features]) -> dict[str, Features]:
        parts = self.fill([features.get(name) for name in self.modalities])
        shared = self.shared.expand(parts[0].mask.shape[0], -1, -1)  # (B, tokens, width)
        everyone = parts[0].mask.new_ones(shared.shape[:2])  # (B, tokens)
        for blocks in self.blocks:
            made = []
            for i, (block, (tokens, mask)) in enumerate(zip(blocks, parts, strict=True)):
                both = block(torch.cat([tokens, shared], dim=1), torch.cat([mask, everyone], dim=1))
                parts[i] = Features(both[:, : -self.tokens], mask)
                made.append(both[:, -self.tokens :])
            shared = torch.stack(made).mean(0)
        rows = zip(self.modalities, self.norms, parts, strict=True)
        return {name: Features(norm(tokens), mask) for name, norm, (tokens, mask) in rows}

    def fuse(self, slots: Tensor, present: Tensor) -> Tensor:
        return slots.mean(1)  # (B, width)
