"""The one Transformer used by every attention encoder."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.encoders.checks import at_least, fraction, multiple

__all__ = ["Transformer", "TransformerBlock", "sinusoidal"]


def sinusoidal(length: int, width: int) -> Tensor:
    """Sine and cosine positions.

    Reference:
        Vaswani et al., 2017, section 3.5. Differs: all sines first, then all cosines.

    Shape:
        Returns (length, width) float.

    Example:
        >>> sinusoidal(3, 4)[0]
        tensor([0., 0., 1., 1.])
    """
    half = (width + 1) // 2
    rates = torch.exp(torch.arange(half) * (-math.log(10_000) / half))  # (half,)
    angles = torch.arange(length)[:, None] * rates  # (length, half)
    return torch.cat([angles.sin(), angles.cos()], dim=1)[:, :width]  # (length, width)


class TransformerBlock(nn.Module):
    """One pre-norm layer: self-attention over the real tokens, then a small MLP, each added to its input.

    Reference:
        Vaswani et al., 2017; pre-norm as in Xiong et al., 2020. Differs: the MLP is 2 wide, not 4, to train on a CPU.

    Args:
        width: size of a token, a multiple of num_heads.
        num_heads: attention heads.
        dropout: in [0, 1), on attention weights and on both branches.

    Shape:
        x: (B, T, width). mask: (B, T) bool, True = attend. Returns (B, T, width), finite where no token is real.

    Raises:
        ConfigError: width is no multiple of num_heads; dropout is outside [0, 1).

    Example:
        >>> TransformerBlock(8, num_heads=2)(torch.zeros(1, 3, 8), torch.ones(1, 3, dtype=torch.bool)).shape
        torch.Size([1, 3, 8])
    """

    def __init__(self, width: int = 256, num_heads: int = 4, dropout: float = 0.1):
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = multiple("TransformerBlock.width", width, "num_heads", num_heads) // num_heads
        self.dropout = fraction("TransformerBlock.dropout", dropout)
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width, bias=False)  # a key's bias changes no softmax, so there is none
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        qkv = self.qkv(self.norm1(x)).unflatten(-1, (3, self.num_heads, self.head_dim))  # (B, T, 3, heads, D)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (B, heads, T, D)
        attend = (mask | ~mask.any(1, keepdim=True))[:, None, None]  # (B, 1, 1, T); a row without any True sees zeros
        dropout = self.dropout if self.training else 0.0
        seen = F.scaled_dot_product_attention(q, k, v, attn_mask=attend, dropout_p=dropout)  # (B, heads, T, D)
        x = x + self.drop(self.out(seen.transpose(1, 2).flatten(2)))  # (B, T, width)
        return x + self.drop(self.mlp(self.norm2(x)))


class Transformer(nn.Module):
    """A stack of TransformerBlocks and a last LayerNorm. Masked tokens come out 0.

    Args:
        width: size of a token, a multiple of num_heads.
        layers: blocks, 1 or more.
        num_heads: attention heads.
        dropout: in [0, 1).

    Shape:
        x: (B, T, width). mask: (B, T) bool. Returns (B, T, width).

    Raises:
        ConfigError: a size can't be used.
    """

    def __init__(self, width: int = 256, layers: int = 4, num_heads: int = 4, dropout: float = 0.1):
        super().__init__()
        at_least("Transformer.layers", layers)
        self.blocks = nn.ModuleList(TransformerBlock(width, num_heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = x.masked_fill(~mask[..., None], 0)
        for block in self.blocks:
            x = block(x, mask)
        return self.norm(x).masked_fill(~mask[..., None], 0)
