"""Joint training in which no input starves the others."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sensorium.build import build_head
from sensorium.config import Balance, Config
from sensorium.data.batches import Batch
from sensorium.data.targets import TargetCoder
from sensorium.encoders.features import Features, Input
from sensorium.encoders.rows import present_rows
from sensorium.model import MultimodalModel
from sensorium.training.ogm import coefficients, modulate
from sensorium.training.portions import share_of

__all__ = ["AuxiliaryHeads", "Balancer", "blending_weights", "build_balancer", "flowing"]

CLEARLY = 0.98  # of the fused model's loss; a loss above it may be less by chance
LEAST_GROWTH = 0.01  # nats; a smaller growth of the gap is chance, and the inverse of its square would know no bounds


class AuxiliaryHeads(nn.Module):
    """A head a modality and target, on the slot that the fusion makes of that modality's tokens.

    Args:
        fusion: connected; it pools, and is no part of this module, whose parameters are those of the heads.
        heads: of each target, one a modality in the fusion's order, each as wide as the fusion's tokens.

    Shape:
        features: of the model's `encode`. Returns, by target, logits (B, M, ...), and who is there, (B, M) bool.
    """

    def __init__(self, fusion: nn.Module, heads: Mapping[str, Sequence[nn.Module]]):
        super().__init__()
        self.targets, self.modalities = tuple(heads), tuple(fusion.modalities)
        self._fusion = (fusion,)  # in a tuple, where torch doesn't take it for a part
        self.heads = nn.ModuleDict({f"t{i}": nn.ModuleList(own) for i, own in enumerate(heads.values())})

    def of(self, target: str) -> nn.ModuleList:
        """The heads of a target, one a modality."""
        return self.heads[f"t{self.targets.index(target)}"]

    def forward(self, features: Mapping[str, Features]) -> tuple[dict[str, Tensor], Tensor]:
        slots, present = self._fusion[0].slots(features)
        return self.answers(slots), present

    def answers(self, slots: Tensor) -> dict[str, Tensor]:
        """(B, M, token_width) -> by target, logits (B, M, ...)."""
        return {
            target: torch.stack([head(slots[:, m]) for m, head in enumerate(self.of(target))], dim=1)
            for target in self.targets
        }


class Balancer(nn.Module):
    """Trains a head a modality beside the fused model, and decides what of each loss flows into the encoders.

    That is all that the methods differ in, but for ogm_ge. A loss's weight scales its gradient where the losses meet:
    the fused one's at the tokens, a modality's own at its slot. The heads, and the fusion behind the tokens, learn at
    full rate (to AdamW a constant factor is nothing), so that of a loss with weight 0 a probe is left, not a head
    that learns nothing.

    auxiliary: the fused loss by 1, each modality's own by `weight`.
    blending: by `blending_weights`, anew every few epochs. They add up to 1, so that the gradient is a weighted mean
        of gradients, and its clipping and the learning rate mean what they do without.
    ogm_ge: the fused loss alone; the gradients of encoders that lead are scaled down, and all get noise.
    warm_start: each modality's own loss alone for a share of the training, then the fused loss alone.
    auto: the fused loss alone. Where a modality's own head came to a lower loss in its best epoch than the fused model
        in its own, both on the validation rows that have the modality, a network of that input by itself is trained
        after this one, see `sensorium.training.single`.

    Reference:
        Wang et al., 2020 (auxiliary losses; gradient blending, here estimated from the joint training itself, not from
        copies trained apart). Peng et al., 2022 (OGM-GE; the score is exp(-loss) of a head, the geometric mean of the
        truth's probability, since that is there for every task; theirs is the arithmetic mean). Huang et al., 2022.

    Args:
        options: with a method other than `none`.
        heads: one a modality and target.
    """

    total: Callable[[Tensor], Tensor] = staticmethod(lambda found: found)  # over the processes that train together

    def __init__(self, options: Balance, heads: AuxiliaryHeads):
        super().__init__()
        self.options, self.heads, self.count = options, heads, len(heads.modalities)
        even = [1 / (self.count + 1)] * (self.count + 1)
        # What a run that was killed goes on with: plain numbers, for the checkpoint.
        self.state: dict[str, Any] = {"least": None, "blend": even, "before": None}
        self.train_means, self.valid_means = Means(), Means()
        self.heard: list[tuple[Tensor, Tensor]] = []  # of a step: each input's loss, and its rows
        self.begin_epoch(0.0)

    def begin_epoch(self, done: float) -> None:
        """Set the weights for an epoch that begins when `done` of the training, in [0, 1], is behind it."""
        options = self.options
        self.fused, self.own = 1.0, [0.0] * self.count
        if options.method == "auxiliary":
            self.own = [options.weight] * self.count
        elif options.method == "blending":
            self.own, self.fused = self.state["blend"][:-1], self.state["blend"][-1]
        elif options.method == "warm_start" and done < options.share:
            self.fused, self.own = 0.0, [1.0] * self.count
        self.train_means, self.valid_means = Means(), Means()

    def loss(
        self,
        model: MultimodalModel,
        inputs: Mapping[str, Input],
        targets: Mapping[str, tuple[Tensor, Tensor]],
        weights: Mapping[str, float],
        joined: Callable[[dict[str, Tensor]], dict[str, Tensor]] = lambda logits: logits,
        whole: Batch | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The fused loss of a batch, and the loss to go back from; both are noted. joined: is done to fused logits.

        Of a portion of the batch `whole` they are shares of the whole's.
        """
        features = model.encode(inputs)
        fused = model.fusion({n: Features(flowing(f.tokens, self.fused), f.mask) for n, f in features.items()})
        outputs = joined({target: model.head(target)(fused) for target in targets})
        slots, present = model.fusion.slots(features)
        answers = self.heads.answers(flowing(slots, torch.tensor(self.own, device=slots.device)[:, None]))
        losses, rows, shares, wholes = [], [], [], []
        for target, (values, mask) in targets.items():
            head, weight = model.head(target), weights.get(target, 1.0)
            there = [mask & present[:, m] for m in range(self.count)]
            parts = [(own, answers[target][:, m], there[m]) for m, own in enumerate(self.heads.of(target))]
            parts.append((head, outputs[target], mask))
            if not self.training:  # the fused model on each modality's rows, which its own head is held against
                parts += [(head, outputs[target], of) for of in there]
            losses.append(torch.stack([weight * end.loss(logits, values, of) for end, logits, of in parts]))
            rows.append(torch.stack([of.sum() for *_, of in parts]))
            if whole is not None:
                share, count = self._shares(target, [(end, values, of) for end, _, of in parts], whole)
                shares.append(share)
                wholes.append(count)
        found, counts = torch.stack(losses), torch.stack(rows)  # (targets, M + 1 or 2 M + 1)
        noted, seen = found.detach(), counts
        if whole is not None:
            found = found * torch.stack(shares)
            noted, seen = self.total(found.detach()), self.total(counts)
        (self.train_means if self.training else self.valid_means).add(noted, seen, torch.stack(wholes or rows))
        if self.training:
            self.heard.append((noted[:, : self.count].sum(0), seen[:, : self.count].sum(0)))
        loss = found[:, self.count].sum()
        return loss, loss + found[:, : self.count].sum()

    def _shares(
        self, target: str, parts: list[tuple[nn.Module, Tensor, Tensor]], whole: Batch
    ) -> tuple[Tensor, Tensor]:
        """Of each (head, values, mask) of a portion, what it counts for in the whole, and the whole's rows: as many of each."""
        values, mask = whole.targets[target]
        masks = [mask & present_rows(whole.inputs[name].mask) for name in self.heads.modalities]
        masks = [*masks, mask, *(() if self.training else masks)]
        found = [share_of(end, own, (values, of), self.total) for (end, *own), of in zip(parts, masks, strict=True)]
        return torch.stack(found), self.total(torch.stack([of.sum() for of in masks]))

    def here(self) -> dict[str, Any]:
        """What an epoch that is gone on with begins with: its weights, and what it has noted so far."""
        means = self.train_means
        return {"fused": self.fused, "own": list(self.own), "sums": means.sums, "rows": means.rows}

    def go_on(self, here: dict[str, Any]) -> None:
        """Go on from there."""
        self.fused, self.own, self.heard = here["fused"], list(here["own"]), []
        self.train_means.sums, self.train_means.rows = here["sums"], here["rows"]

    def modulate(self, model: MultimodalModel) -> None:
        """Change the encoders' gradients, where the method does."""
        heard, self.heard = self.heard, []
        if self.options.method != "ogm_ge":
            return
        losses, counts = (torch.stack(part).sum(0).tolist() for part in zip(*heard, strict=True))
        scores = [math.exp(-loss) if rows else None for loss, rows in zip(losses, counts, strict=True)]
        for place, kept in enumerate(coefficients(scores, self.options.alpha)):
            for part in (model.encoders[f"m{place}"], model.projections[f"m{place}"]):
                modulate(part.parameters(), kept)

    def end_epoch(self, epoch: int) -> None:
        """Draw conclusions from the losses of an epoch, the first of which is 1, and of the validation after it."""
        names, valid, train = self.heads.modalities, self.valid_means.values(), self.train_means.values()
        known = [None if math.isnan(loss) else loss for loss in valid]
        self.state["last"] = {
            "valid_loss": {"fused": known[self.count], "alone": dict(zip(names, known, strict=False))},
            "weights": {"fused": self.fused, "alone": dict(zip(names, self.own, strict=True))},
        }
        if self.options.method == "auto":
            now = [math.inf if math.isnan(loss) else loss for loss in valid[: self.count] + valid[self.count + 1 :]]
            least = self.state["least"] or now
            self.state["least"] = [min(pair) for pair in zip(least, now, strict=True)]
        elif self.options.method == "blending":
            now = {"epoch": epoch, "train": train, "valid": valid[: self.count + 1]}
            before = self.state["before"]
            if before is None:
                self.state["before"] = now
            elif epoch - before["epoch"] >= self.options.every:
                blend = blending_weights(before["train"], before["valid"], now["train"], now["valid"])
                self.state |= {"before": now, "blend": blend or self.state["blend"]}

    @property
    def better_alone(self) -> dict[str, Any] | None:
        """The input that does better by itself, with both losses, as far as auto found one."""
        if self.state["least"] is None:
            return None
        alone, fused = self.state["least"][: self.count], self.state["least"][self.count :]
        place = max(range(self.count), key=lambda m: fused[m] - alone[m] if alone[m] < math.inf else -math.inf)
        if not alone[place] < CLEARLY * fused[place]:
            return None
        return {"input": self.heads.modalities[place], "alone": alone[place], "fused": fused[place]}

    def told(self) -> dict[str, Any]:
        """What was done, for metrics.json: the method, what auto found, the last epoch's losses and weights."""
        found = {"better_alone": self.better_alone} if self.options.method == "auto" else {}
        return {"method": self.options.method, **found, **self.state["last"]}

    def line(self) -> str:
        """The same for the console, in a line."""
        if self.options.method != "auto":
            return f"balance: {self.options.method}."
        if (found := self.better_alone) is None:
            return "balance: no input alone is better than all together."
        return (
            f"balance: '{found['input']}' alone came to validation loss {found['alone']:.3f}, all together to "
            f"{found['fused']:.3f}: a network of it by itself is trained, too."
        )

    def row(self) -> dict[str, float]:
        """The same of the last epoch for the history: each head's validation loss, and what flowed of each loss."""
        last = self.state["last"]
        return {
            **{f"valid_loss {name}": loss for name, loss in last["valid_loss"]["alone"].items()},
            "weight": last["weights"]["fused"],
            **{f"weight {name}": weight for name, weight in last["weights"]["alone"].items()},
        }


class Means:
    """Mean losses over the rows of an epoch: each a sum over targets of means over the rows that it is of."""

    def __init__(self) -> None:
        self.sums, self.rows = torch.zeros(1), torch.zeros(1)

    def add(self, losses: Tensor, rows: Tensor, whole: Tensor | None = None) -> None:
        """All (targets, losses); of a portion its share of the losses, and besides the rows of the whole."""
        self.sums = self.sums + (losses.double() * (rows if whole is None else whole)).cpu()
        self.rows = self.rows + rows.cpu()

    def values(self) -> list[float]:
        """NaN for a loss that no row is of."""
        means = self.sums / self.rows.clamp(min=1)
        return means.sum(0).masked_fill(self.rows.sum(0) == 0, math.nan).tolist()


def flowing(values: Tensor, share: float | Tensor) -> Tensor:
    """`values` as they are; of the gradient, `share` goes back."""
    if isinstance(share, float) and share == 1:
        return values
    return values.detach() + share * (values - values.detach())


def blending_weights(
    train_before: Sequence[float],
    valid_before: Sequence[float],
    train_now: Sequence[float],
    valid_now: Sequence[float],
) -> list[float]:
    """Weights of losses that add up to 1: G / O^2, with G how much the validation loss fell, O how much the gap grew.

    A loss that fell nowhere, or is not known, gets 0. Where all do, the answer is empty: nothing is known.

    Reference:
        Wang et al., 2020, eq. 5. |O| is LEAST_GROWTH at least.

    Example:
        >>> found = blending_weights([1.0, 1.0], [1.0, 1.0], [0.5, 0.4], [0.8, 0.6])  # G 0.2, 0.4; O 0.3, 0.2
        >>> [round(weight, 3) for weight in found]
        [0.182, 0.818]
    """
    raw = []
    for t0, v0, t1, v1 in zip(train_before, valid_before, train_now, valid_now, strict=True):
        growth = max(abs((v1 - t1) - (v0 - t0)), LEAST_GROWTH)
        gain = v0 - v1
        raw.append(gain / growth**2 if gain > 0 and math.isfinite(growth) else 0.0)
    return [weight / sum(raw) for weight in raw] if any(raw) else []


def build_balancer(config: Config, model: MultimodalModel, coders: Mapping[str, TargetCoder]) -> Balancer | None:
    """The balancer of `config.balance`; None where there is nothing to balance."""
    if config.balance.method == "none" or len(model.modalities) < 2:
        return None
    if not all(coder.outputs for coder in coders.values()):  # a language model an input would be too much
        return None
    width = model.fusion.token_width
    heads = {
        name: [build_head(coder, config.targets[name], config.imbalance, width) for _ in model.modalities]
        for name, coder in coders.items()
    }
    return Balancer(config.balance, AuxiliaryHeads(model.fusion, heads))
