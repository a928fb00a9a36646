"""Fusion by attention from the tokens of each modality to those of the others."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.encoders.attention import TransformerBlock
from sensorium.encoders.checks import at_least, multiple
from sensorium.encoders.features import Features
from sensorium.fusion.slots import AbsentTokens, Fusion, others

__all__ = ["Attention", "CrossBlock"]


class CrossBlock(TransformerBlock):
    """A TransformerBlock whose tokens attend to those of `context`, which come normalised, instead of each other.

    Args:
        width: size of a token, a multiple of num_heads.
        num_heads: attention heads.
        dropout: in [0, 1), on attention weights and on both branches.

    Shape:
        x: (B, T, width). context: (B, S, width). mask: (B, S) bool, with a True in each row. Returns (B, T, width).

    Example:
        >>> CrossBlock(8, 2)(torch.zeros(1, 3, 8), torch.zeros(1, 5, 8), torch.ones(1, 5, dtype=torch.bool)).shape
        torch.Size([1, 3, 8])
    """

    def forward(self, x: Tensor, context: Tensor, mask: Tensor) -> Tensor:
        width = x.shape[-1]
        q = F.linear(self.norm1(x), self.qkv.weight[:width])  # (B, T, width)
        k, v = F.linear(context, self.qkv.weight[width:]).chunk(2, dim=-1)  # each (B, S, width)
        q, k, v = (part.unflatten(-1, (self.num_heads, self.head_dim)).transpose(1, 2) for part in (q, k, v))
        dropout = self.dropout if self.training else 0.0
        seen = F.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None], dropout_p=dropout)
        x = x + self.drop(self.out(seen.transpose(1, 2).flatten(2)))  # (B, T, width)
        return x + self.drop(self.mlp(self.norm2(x)))


class Attention(Fusion):
    """The tokens of each modality attend to all tokens of the others; then each is pooled, and one layer joins them.

    For answers that lie in which part of one modality goes with which part of another: a word and a place in a picture.
    For modalities of one token (numbers, vectors) it costs more than Concat and finds no more.

    Reference:
        Tsai et al., 2019 (MulT): cross-modal blocks whose keys are the other modality's tokens as they came. Differs:
        one stack a modality, over the tokens of all others together, not one a pair, so that parameters grow with the
        modalities; no self-attention after it and no positions, which the encoders' tokens carry; pooled, not the last
        token. A learned token stands for an absent modality; one that is alone attends to itself.

    Args:
        width: of the tokens and of the result, a multiple of num_heads.
        layers: cross-modal blocks a modality, 1 or more.
        num_heads: attention heads.
        dropout: in the blocks and on the result, in [0, 1).

    Shape:
        dict of Features -> (B, width).

    Raises:
        ConfigError: as in Fusion.

    Example:
        >>> fusion = Attention(width=4, layers=1, num_heads=2)
        >>> fusion.connect(["a", "b"])
        >>> fusion({"b": Features(torch.ones(1, 2, 4), torch.ones(1, 2, dtype=torch.bool))}).shape
        torch.Size([1, 4])
    """

    def __init__(self, width: int = 256, layers: int = 2, num_heads: int = 4, dropout: float = 0.1):
        super().__init__(width, dropout)
        self.layers = at_least("Attention.layers", layers)
        multiple("Attention.width", width, "num_heads", num_heads)
        self.num_heads = num_heads

    def build(self, count: int) -> None:
        self.fill = AbsentTokens(count, self.width)
        self.blocks = nn.ModuleList(
            nn.ModuleList(CrossBlock(self.width, self.num_heads, self.drop.p) for _ in range(self.layers))
            for _ in range(count)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(self.width) for _ in range(count))
        self.mix = nn.Sequential(nn.Linear(count * self.width, self.width), nn.LayerNorm(self.width), nn.GELU())

    def exchange(self, features: dict[str, Features]) -> dict[str, Features]:
        parts = self.fill([features.get(name) for name in self.modalities])
        met = {}
        for i, (name, rest) in enumerate(zip(self.modalities, others(len(parts)), strict=True)):
            context = torch.cat([parts[n].tokens for n in rest], dim=1)  # (B, tokens of the others, width)
            mask = torch.cat([parts[n].mask for n in rest], dim=1)
            x = parts[i].tokens
            for block in self.blocks[i]:
                x = block(x, context, mask)
            met[name] = Features(self.norms[i](x), parts[i].mask)
        return met

    def fuse(self, slots: Tensor, present: Tensor) -> Tensor:
        return self.mix(slots.flatten(1))  # (B, width)
