"""A text."""

import inspect
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.encoders.checks import at_least, fraction
from sensorium.errors import ConfigError
from sensorium.heads.decoding import Sampling, next_token
from sensorium.heads.rows import check_target, masked_mean

__all__ = ["Generation"]


class Generation(nn.Module):
    """A causal language model that is told the fused vector as some tokens before its text, for captions and answers.

    Reference:
        Mokady et al. 2021, ClipCap; Liu et al. 2023, LLaVA: an MLP to the model's embeddings, the loss of the answer's
        tokens alone. Here its first outputs have the deviation of the model's own embeddings.

    Args:
        language: as those of transformers: `get_input_embeddings()`, and `forward(inputs_embeds, cache, use_cache)` with
            [`logits`] and [`cache`]. What of it is to learn, requires_grad says.
        width: of the fused vector.
        prefix: tokens that the vector becomes.
        max_tokens: of a text that is written.
        end: the token that ends a text.
        dropout: before the projector, in [0, 1).
        learning_rate: of the language model's own weights at its peak; None: that of the rest.

    Shape:
        fused: (B, width). logits: (B, prefix, embedding): what the language model is told.
        target: (B, 2, T) int: the tokens asked, and those of the text with its end; -1 where there are none.
        mask: (B,) bool, the row has a target.

    Raises:
        ConfigError: a size can't be used; a target of another shape.
    """

    def __init__(
        self,
        language: nn.Module,
        width: int = 256,
        prefix: int = 8,
        max_tokens: int = 64,
        end: int = 0,
        dropout: float = 0.0,
        learning_rate: float | None = None,
    ):
        super().__init__()
        self.width = at_least("Generation.width", width)
        self.prefix = at_least("Generation.prefix", prefix)
        self.max_tokens = at_least("Generation.max_tokens", max_tokens)
        self.end, self.learning_rate = at_least("Generation.end", end, 0), learning_rate
        embedding = language.get_input_embeddings()
        self.size = embedding.embedding_dim
        self.project = nn.Sequential(
            nn.Dropout(fraction("Generation.dropout", dropout)),
            nn.Linear(width, width),
            nn.GELU(),
            nn.Linear(width, prefix * self.size),
        )
        with torch.no_grad():
            for parameter in self.project[-1].parameters():
                parameter.mul_(embedding.weight.float().std())
        self.body = language
        known = inspect.signature(language.forward).parameters
        self._cache = "cache" if "cache" in known else "past_key_values"  # as transformers called it up to 5.23
        self.register_state_dict_post_hook(_drop_tied)
        self.register_load_state_dict_pre_hook(_add_tied)
        self.train()  # weights from a file come in eval mode

    def forward(self, fused: Tensor) -> Tensor:
        return self.project(fused).unflatten(1, (self.prefix, self.size))  # (B, P, D)

    def train(self, mode: bool = True) -> "Generation":
        super().train(mode)
        if not any(parameter.requires_grad for parameter in self.body.parameters()):
            self.body.eval()  # of what doesn't learn, nothing is dropped either
        return self

    def loss(self, logits: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
        """Mean cross-entropy over the tokens of the texts (not of what is asked) in the rows with mask True."""
        if target.dim() != 3 or target.shape[1] != 2:
            raise ConfigError(
                f"Generation's target must have the shape ({len(logits)}, 2, tokens); got {tuple(target.shape)}."
            )
        target = check_target("Generation", target, mask, (len(logits), 2, target.shape[2])).long()
        if mask is not None:
            target = target.masked_fill(~mask[:, None, None], -1)
        ids = target.flatten(1)  # (B, 2 T)
        told = torch.cat([torch.zeros_like(target[:, 0]), target[:, 1] >= 0], dim=1).bool()
        order = (ids < 0).byte().argsort(dim=1, stable=True)  # what is asked, the text, nothing
        order = order[:, : max(1, int((ids >= 0).sum(1).max()))]
        ids, told = ids.gather(1, order), told.gather(1, order)  # (B, L)
        # Nothing follows the text but padding, which a causal model doesn't see: no mask is needed.
        inputs = self._tokens(logits, ids.clamp(min=0))
        said = self.body(inputs_embeds=inputs, use_cache=False)["logits"][:, self.prefix - 1 : -1]  # (B, L, V)
        losses = F.cross_entropy(
            said.float().transpose(1, 2), ids.masked_fill(~told, -100), ignore_index=-100, reduction="none"
        )  # (B, L)
        count = told.sum(1)
        return masked_mean(losses.sum(1) / count.clamp(min=1), mask, count.to(losses.dtype))

    def amount(self, target: Tensor, mask: Tensor) -> Tensor:
        """What `loss` is the mean over: the tokens of the texts in the rows with mask True."""
        return (target[mask, 1] >= 0).sum()

    @torch.no_grad()
    def generate(self, logits: Tensor, asked: Tensor | None = None, sampling: Sampling | None = None) -> Tensor:
        """The texts' tokens without their end: (B, max_tokens), -1 where there are none.

        Args:
            logits: what `forward` gave.
            asked: tokens after the prefix (B, T), -1 after the last; None: none.
            sampling: how tokens are drawn; None: each is the likeliest.
        """
        found = torch.full((len(logits), self.max_tokens), -1, device=logits.device)
        asked = found[:, :0] if asked is None else asked.long()
        lengths = (asked >= 0).sum(1)
        for length in lengths.unique().tolist():  # rows of one length need no padding, which might change an answer
            rows = lengths == length
            found[rows] = self._write(logits[rows], asked[rows, :length], sampling)
        return found

    def _write(self, logits: Tensor, asked: Tensor, sampling: Sampling | None) -> Tensor:
        found = torch.full((len(logits), self.max_tokens), -1, device=logits.device)
        generator = torch.Generator().manual_seed(0 if sampling is None else sampling.seed)
        ended = torch.zeros(len(logits), dtype=torch.bool, device=logits.device)
        inputs, cache = self._tokens(logits, asked), None
        for place in range(self.max_tokens):
            said = self.body(inputs_embeds=inputs, use_cache=True, **{self._cache: cache})
            share = 0.0 if sampling is None else torch.rand((), generator=generator, dtype=torch.float64).item()
            chosen = next_token(said["logits"][:, -1].float(), sampling, share)
            ended |= chosen == self.end
            if ended.all():
                break
            found[:, place] = chosen.masked_fill(ended, -1)
            inputs, cache = self.body.get_input_embeddings()(chosen)[:, None], said[self._cache]
        return found

    def _tokens(self, logits: Tensor, ids: Tensor) -> Tensor:
        embedded = self.body.get_input_embeddings()(ids)
        return torch.cat([logits.to(embedded.dtype), embedded], dim=1)  # (B, P + L, D)

    def _tied(self) -> dict[str, str]:
        """Names of parameters that are others', by which they are saved: the output's weights are often the input's."""
        first: dict[int, str] = {}
        names = self.named_parameters(remove_duplicate=False)
        return {name: first[id(p)] for name, p in names if first.setdefault(id(p), name) != name}


def _drop_tied(head: Generation, state: dict[str, Any], prefix: str, _: Any) -> None:
    for name in head._tied():
        del state[prefix + name]


def _add_tied(head: Generation, state: dict[str, Any], prefix: str, *_: Any) -> None:
    for name, other in head._tied().items():
        if prefix + other in state:
            state[prefix + name] = state[prefix + other]
