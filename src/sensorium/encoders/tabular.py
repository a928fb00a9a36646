"""All the numbers and categories of a row together."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sensorium.encoders.checks import at_least, fraction, shaped, sizes
from sensorium.encoders.features import Features
from sensorium.encoders.number_embedding import NumberEmbedding
from sensorium.encoders.rows import encode_present
from sensorium.errors import ConfigError

__all__ = ["Tabular"]

SIZE = 32


class Tabular(nn.Module):
    """Columns of numbers and categories to one token: an embedding a column, then a residual MLP over all.

    An empty cell is a learned vector of its column, so that "not filled in" can mean something.

    Reference:
        Gorishniy et al., 2022 (numbers); Guo and Berkhahn, 2016 (categories); Gorishniy et al., 2021 (the ResNet).

    Args:
        width: size of the token.
        numeric: columns of numbers, 0 or more; they come first.
        categories: known categories of each column of codes, which come after the numbers.
        dropout: in [0, 1).

    Shape:
        values: (B, numeric + len(categories)) float: standardised numbers, then codes 1..n (0 or any other: unknown).
        mask: (B, columns) bool. Tokens: (B, 1, width), real if any column is.

    Raises:
        ConfigError: a size can't be used; no columns; values with another number of columns.

    Example:
        >>> encoder = Tabular(width=16, numeric=1, categories=(3,))
        >>> encoder(torch.tensor([[0.5, 2.0]]), torch.tensor([[True, False]])).tokens.shape
        torch.Size([1, 1, 16])
    """

    mask_dims = 2

    def __init__(self, width: int = 256, numeric: int = 0, categories: Sequence[int] = (), dropout: float = 0.1):
        super().__init__()
        self.width = at_least("Tabular.width", width)
        self.numeric = at_least("Tabular.numeric", numeric, 0)
        self.categories = sizes("Tabular.categories", categories) if len(categories) else ()
        fraction("Tabular.dropout", dropout)
        self.columns = self.numeric + len(self.categories)
        if not self.columns:
            raise ConfigError("Tabular must have a column; got numeric=0, categories=(). Give it one, or leave it out.")
        if self.numeric:
            self.numbers = NumberEmbedding(self.numeric, SIZE)
        if self.categories:
            counts = torch.tensor(self.categories)
            self.register_buffer("known", counts, persistent=False)  # (columns of codes,)
            self.register_buffer("start", torch.cumsum(counts + 1, 0) - counts - 1, persistent=False)
            self.codes = nn.Embedding(int((counts + 1).sum()), SIZE)
        self.missing = nn.Parameter(torch.randn(self.columns, SIZE) * 0.1)
        self.first = nn.Linear(self.columns * SIZE, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Dropout(dropout), nn.Linear(width, width)
            )
            for _ in range(2)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, values: Tensor, mask: Tensor) -> Features:
        shaped("Tabular's values", values, ("rows", self.columns))
        return encode_present(self._encode, values, mask, self.width)

    def _encode(self, values: Tensor, mask: Tensor) -> Features:
        values = values.float().masked_fill(~mask, 0)
        parts = []
        if self.numeric:
            parts.append(self.numbers(values[:, : self.numeric]))  # (B, numeric, SIZE)
        if self.categories:
            codes = values[:, self.numeric :].round().long()
            codes = codes.masked_fill((codes < 0) | (codes > self.known), 0)
            parts.append(self.codes(codes + self.start))  # (B, columns of codes, SIZE)
        cells = torch.cat(parts, dim=1)  # (B, columns, SIZE)
        x = self.first(torch.where(mask[..., None], cells, self.missing).flatten(1))  # (B, width)
        for block in self.blocks:
            x = x + block(x)
        return Features(self.norm(x)[:, None], mask.any(1, keepdim=True))  # (B, 1, width), (B, 1)
