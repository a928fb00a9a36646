"""A vector to the words of a text, in no order."""

import math

import torch
from torch import Tensor, nn

from sensorium.encoders.checks import at_least

__all__ = ["TextDecoder"]

SPECIAL = 2  # ids of padding and the unknown
MOST = 16_000  # entries; of larger vocabularies, as of pretrained networks, several tokens share one


class TextDecoder(nn.Module):
    """The log-probability of each token of the vocabulary to be one of the text's.

    Args:
        width: of the vector.
        vocabulary: number of token ids; 0 is padding, 1 is unknown.

    Shape:
        vector: (B, width). Returns (B, entries) logits. values: (B, T) int64. mask: (B, T).
    """

    def __init__(self, width: int, vocabulary: int):
        super().__init__()
        at_least("TextDecoder.width", width)
        self.vocabulary = at_least("TextDecoder.vocabulary", vocabulary, SPECIAL + 1)
        self.entries = min(vocabulary, MOST)
        self.linear = nn.Linear(width, self.entries)

    def forward(self, vector: Tensor) -> Tensor:
        return self.linear(vector)  # (B, entries)

    def errors(self, made: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        """(B,) the mean cross-entropy of the text's different tokens, by that of a guess: about 1 for nothing known."""
        known = mask & (values >= SPECIAL) & (values < self.vocabulary)
        words = torch.zeros_like(made, dtype=torch.float32)
        words.scatter_(1, values.masked_fill(~known, 0) % self.entries, 1.0)
        words[:, :SPECIAL] = 0
        wrong = -(words * made.float().log_softmax(1)).sum(1) / words.sum(1).clamp(min=1)
        return wrong / math.log(self.entries)
