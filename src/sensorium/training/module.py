"""What one step of training does."""

import hashlib
import math
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import lightning
import torch
from torch import Tensor, nn

from sensorium.config import Training
from sensorium.data.batches import Batch
from sensorium.data.joining import appended
from sensorium.encoders import Pretrained
from sensorium.encoders.features import Input
from sensorium.errors import TrainingError
from sensorium.evaluation.memory import less_at_once, out_of_memory
from sensorium.export.archive import add_weights
from sensorium.heads.generation import Generation
from sensorium.model import MultimodalModel
from sensorium.training.augment import augment, drop_modalities
from sensorium.training.balance import Balancer
from sensorium.training.domain import FASTER, DomainAlignment
from sensorium.training.portions import divided, shares_of
from sensorium.training.taught import Taught
from sensorium.training.team import ALONE, Team
from sensorium.training.valid_scores import ValidScores
from sensorium.training.widen import Jury, Widened

if TYPE_CHECKING:
    from sensorium.pretraining.objective import Objective
    from sensorium.privacy.dp import Private

__all__ = ["NotFinite", "TrainingModule"]


class NotFinite(TrainingError):
    """The loss is not a finite number any more; the weights of the last good epoch are still there."""


class TrainingModule(lightning.LightningModule):
    """A model with its loss, its optimiser and what is done to a training batch.

    Args:
        model: what is trained.
        options: of the training.
        modalities: of each input, for the augmentation.
        weights: of each target's loss.
        steps: optimiser steps of the whole training.
        started: `time.monotonic()` when the time limit began to run.
        balancer: of the modalities; None: the fused loss alone.
        widened: a wide part, to whose answers the network's are added; None: the network answers alone.
        objective: in place of the targets' loss, for rows without labels.
        alignment: of domains, beside the loss; None: none.
        taught: another model's answers to the same rows, to be learned as well; None: none.
        said: called with lines of text.
    """

    private: "Private | None" = None  # of a `sensorium.privacy.module.PrivateModule`

    def __init__(
        self,
        model: MultimodalModel,
        options: Training,
        modalities: Mapping[str, str],
        weights: Mapping[str, float],
        steps: int,
        started: float,
        balancer: Balancer | None = None,
        widened: Widened | None = None,
        objective: "Objective | None" = None,
        alignment: DomainAlignment | None = None,
        taught: Taught | None = None,
        said: Callable[[str], None] = lambda _: None,
    ):
        super().__init__()
        self.model, self.options, self.weights = model, options, dict(weights)
        self.modalities, self.steps, self.started = dict(modalities), steps, started
        self.balancer, self.widened, self.objective, self.alignment = balancer, widened, objective, alignment
        self.taught = taught
        if widened is not None and widened.stance.begins:
            for name in widened.wide.targets:
                nn.init.zeros_(model.head(name).linear.weight)
                nn.init.zeros_(model.head(name).linear.bias)
        self.resting = tuple(self._resting())
        self.scores = ValidScores({})
        self.at_once = options.batch_size  # rows that the memory has had room for
        self.midway, self._rows = False, 1  # in an epoch; of the step
        self._here: dict[str, Any] | None = None  # what an epoch that is gone on with begins with
        self._drawn: list[tuple[Batch, Tensor]] | None = None  # the rows beside those of the step
        self.said = said
        self.join(ALONE)

    def join(self, team: Team) -> None:
        """Train together with other processes."""
        self.team, self._time = team, self.started
        if self.balancer is not None:
            self.balancer.total = team.total

    def clock(self) -> float:
        """`time.monotonic()`, of several processes that of the first at the last step's beginning."""
        return self._time if self.team.several else time.monotonic()

    def on_train_start(self) -> None:
        if self._here is None:
            return
        here, self._here = self._here, None  # Lightning starts no epoch that it goes on with
        self._begin_epoch()
        self.losses = list(here["losses"])
        if self.balancer is not None:
            self.balancer.go_on(here["balancer"])
        if self.alignment is not None:
            self.alignment.begin_epoch(self.current_epoch, len(self.losses), here["alignment"])

    def on_train_epoch_start(self) -> None:
        self._begin_epoch()
        if self.balancer is not None:
            self.balancer.begin_epoch(self._done(self.global_step))
        if self.alignment is not None:
            self.alignment.begin_epoch(self.current_epoch)

    def _begin_epoch(self) -> None:
        self.midway = True
        for module in self.modules():
            if isinstance(module, Pretrained):
                module.thaw(self.current_epoch)
            if getattr(module, "rests", False):  # see `sensorium.training.adapters.hold`
                module.eval()
        self.losses: list[tuple[float, int]] = []

    def on_train_epoch_end(self) -> None:
        self.midway = False
        if self.alignment is not None:
            self.alignment.end_epoch()

    def training_step(self, batch: Batch, index: int) -> Tensor:
        # All chance of a step comes from its number: a resumed run goes on as if it had never stopped. Seeding an epoch
        # is not enough, since making the loader's iterator draws a number too, at another moment when resuming.
        seed = self.options.seed * 1_000_003 + self.global_step + 1
        torch.manual_seed(self.team.seed(seed))
        sizes = self.team.sizes(len(batch.rows), self.device)
        self._rows, labelled, domains = max(sizes), sum(sizes), None
        count = -(-self._rows // self.at_once)
        if self.options.time_limit is not None and self.team.several:
            self._time = self.started + self.team.first(time.monotonic() - self.started, self.device)
        if self.alignment is not None:
            if self._drawn is None:
                self._drawn = self.transfer_batch_to_device(self.alignment.beside(), self.device, 0)
            domains = torch.cat([self.alignment.codes(batch), *(own for _, own in self._drawn)])
            batch = appended(batch, [more for more, _ in self._drawn])
        inputs = augment(batch.inputs, self.modalities) if self.options.augment else batch.inputs
        inputs = drop_modalities(inputs, self.options.modality_dropout)
        if count == 1:
            whole = batch._replace(inputs=inputs) if self.team.several else None
            loss, last = self._finite(batch, inputs, domains, whole)
        else:
            loss, last = self._in_portions(batch, inputs, domains, count)
        self.losses.append((loss.item(), labelled))
        if self.team.several:
            torch.manual_seed(seed)  # of what the processes do alike
        return last

    def _in_portions(
        self, batch: Batch, inputs: dict[str, Input], domains: Tensor | None, count: int
    ) -> tuple[Tensor, Tensor]:
        """The fused loss of a batch, and the last portion's to go back from; from the others' it is done here."""
        self.zero_grad()
        shown = batch._replace(inputs=inputs)  # what is hidden counts for no share
        read, seen = divided(batch, count), divided(shown, count)
        total = torch.zeros((), device=self.device)
        for place, (part, own) in enumerate(zip(read, seen, strict=True)):
            codes = None if domains is None else domains[place::count]
            loss, back = self._finite(part, own.inputs, codes, shown, domains)
            total = total + loss.detach()
            if place < count - 1:
                with torch.autocast(self.device.type, enabled=False):
                    back.backward()
        return total, back

    def optimizer_zero_grad(self, epoch: int, index: int, optimizer: Any) -> None:
        """Gradients of portions stay: Lightning would forget them before it goes back from the last."""
        if -(-self._rows // self.at_once) == 1:
            super().optimizer_zero_grad(epoch, index, optimizer)

    def _finite(
        self,
        batch: Batch,
        inputs: dict[str, Input],
        domains: Tensor | None,
        whole: Batch | None = None,
        all_domains: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The fused loss of a batch, or a portion of one, and the loss to go back from."""
        if domains is None:
            loss, back = self._losses(batch, inputs, whole)
        else:
            loss, back = self._aligned(batch, inputs, domains, whole, all_domains)
        loss, told = self.team.total(torch.stack([loss, back]).detach())
        if not torch.isfinite(told):
            raise NotFinite(
                f"the loss is {told.item()} at step {self.global_step} (epoch {self.current_epoch + 1}); "
                f"{self._culprit(inputs)}. Lower training.learning_rate ({self.options.learning_rate:g}), "
                "or set training.precision=32."
            )
        return loss, back * self.team.size if self.team.several else back  # gradients of several are averaged

    def _aligned(
        self,
        batch: Batch,
        inputs: dict[str, Input],
        domains: Tensor,
        whole: Batch | None = None,
        all_domains: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """As `_losses`, the second with the alignment of what is fused."""
        fused: list[Tensor] = []
        hook = self.model.fusion.register_forward_hook(lambda _, given, vectors: fused.append(vectors))
        try:
            loss, back = self._losses(batch, inputs, whole)
        finally:
            hook.remove()
        apart = self.alignment.loss(fused[0], domains, self._done(self.global_step))
        if all_domains is not None:
            apart = apart * ((domains >= 0).sum() / (all_domains >= 0).sum().clamp(min=1))
        return loss, back + apart

    def _losses(self, batch: Batch, inputs: dict[str, Input], whole: Batch | None = None) -> tuple[Tensor, Tensor]:
        """The fused loss, and the loss to go back from; of a portion of a batch, its share in the whole's."""
        weights, part = self.weights, 1.0
        if whole is not None:
            part = len(batch.rows) / sum(self.team.sizes(len(whole.rows), self.device))
            heads = {name: self.model.head(name) for name in batch.targets}
            shares = shares_of(heads, batch, whole, self.team.total)
            weights = {name: self.weights.get(name, 1.0) * share for name, share in shares.items()}
        if self.objective is not None:
            loss = part * self.objective.loss(self.model, batch, inputs, self.training)
            return loss, loss

        def joined(logits: dict[str, Tensor]) -> dict[str, Tensor]:
            if self.training and self.widened is not None:
                return self.widened.train.add(logits, batch.rows, inputs, self.widened.stance.hidden)
            if not self.training:
                (self.scores if self.widened is None else self.jury).hear(logits, batch)
            return logits

        if self.balancer is not None:
            return self.balancer.loss(self.model, inputs, batch.targets, self.weights, joined, whole)
        outputs = joined(self.model(inputs))
        loss = self.model.loss(outputs, batch.targets, weights)
        if self.taught is not None:
            told = {name: part * self.weights.get(name, 1.0) for name in outputs}
            loss = self.taught.mix(loss, outputs, batch.rows, self.training, told)
        return loss, loss

    def mean_loss(self) -> float:
        """Over the rows of this epoch so far."""
        return sum(loss * rows for loss, rows in self.losses) / sum(rows for _, rows in self.losses)

    def optimizer_step(self, epoch: int, index: int, optimizer: Any, closure: Callable[[], Any]) -> None:
        """A step that needs more memory than there is is made again with half as many rows at once."""
        super().optimizer_step(epoch, index, optimizer, lambda: self._with_room(closure))
        self._drawn = None

    def _with_room(self, closure: Callable[[], Any]) -> Any:
        while True:
            losses = len(self.losses)
            balanced = None if self.balancer is None else self.balancer.here()
            apart = None if self.alignment is None else len(self.alignment.losses)
            try:
                return closure()
            except (MemoryError, RuntimeError) as error:
                if not out_of_memory(error) or self.trainer.world_size > 1:
                    raise
                reason = " ".join(str(error).split())
            # Outside of `except`, whose error holds what the step had made so far.
            self.zero_grad()
            del self.losses[losses:]
            if balanced is not None:
                self.balancer.go_on(balanced)
            if apart is not None:
                del self.alignment.losses[apart:]
            self._take_less(reason)

    def _take_less(self, reason: str) -> None:
        """Half as many rows at once, from now on.

        Raises:
            TrainingError: it was one.
        """
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        before = min(self.at_once, self._rows)
        if before == 1:
            raise TrainingError(
                f"there is not enough memory for one row at step {self.global_step}: {reason[:200]}. "
                "Take smaller media (size, frames, seconds of the inputs), a smaller network, or a machine with more."
            )
        self.at_once = -(-before // 2)
        self.said(
            f"out of memory with {before} rows at once at step {self.global_step}: from here on {self.at_once} at once, "
            "and as many rows a step as before."
        )

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        self.team.mean_statistics(self.model)
        # Not by Lightning's option: under bf16 it refuses fused optimisers, though nothing is scaled there.
        if self.balancer is not None:
            self.balancer.modulate(self.model)
            # Apart, so that heads which only watch don't change what the model learns.
            torch.nn.utils.clip_grad_norm_(self.balancer.parameters(), self.options.gradient_clip)
        if self.alignment is not None and self.alignment.critic is not None:
            torch.nn.utils.clip_grad_norm_(self.alignment.parameters(), self.options.gradient_clip)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.options.gradient_clip)

    def on_validation_epoch_start(self) -> None:
        if self.objective is not None:
            self.objective.begin()
        self.scores = ValidScores({name: self.model.head(name) for name in self.model.targets})
        if self.widened is not None:
            self.jury = Jury(self.widened, self.weights)

    def validation_step(self, batch: Batch, index: int) -> None:
        def ask(part: Batch) -> tuple[Tensor, int]:
            if not self.team.several:
                return self._losses(part, part.inputs)[0], len(part.rows)
            loss = self.team.total(self._losses(part, part.inputs, part)[0])
            return loss, sum(self.team.sizes(len(part.rows), self.device))

        for loss, rows in [ask(batch)] if self.team.several else less_at_once(ask, batch):
            if self.widened is None:
                self._log_valid(loss, batch_size=rows)

    def on_validation_epoch_end(self) -> None:
        if self.widened is not None:
            self.jury.heard = self.team.joined(self.jury.heard)
            self._log_valid(self.jury.loss())
            for name, (network, wide) in self.jury.shares().items():
                for own, beside, values in self.jury.heard[name]:
                    self.scores.add(name, network * own + wide * beside, values)
        else:
            self.scores.sums = self.team.summed(self.scores.sums)
        if self.balancer is not None:
            self.balancer.end_epoch(self.current_epoch + 1)

    def _log_valid(self, loss: Tensor | float, **options: Any) -> None:
        """The loss of the validation rows, and what the best epoch is chosen by."""
        options |= {"sync_dist": True} if self.team.several else {}  # it is the same, but for a processor's rounding
        self.log("valid_loss", loss, **options)
        self.log("choice", loss if self.alignment is None else loss + self.alignment.cost(), **options)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if self.balancer is not None:
            checkpoint["balance"] = self.balancer.state
        for name in self.resting:
            del checkpoint["state_dict"][name]
        checkpoint["resting"] = self._mark
        checkpoint["at_once"] = self.at_once
        if self.midway:
            checkpoint["here"] = {
                "losses": self.losses,
                "balancer": None if self.balancer is None else self.balancer.here(),
                "alignment": None if self.alignment is None else self.alignment.losses,
            }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if self.balancer is not None:
            self.balancer.state = checkpoint["balance"]
        if checkpoint.get("resting", self._mark) != self._mark:
            raise TrainingError(
                "the checkpoint goes with other weights of its pretrained models than there are now. "
                "Bring back the models' files, or fit without resuming."
            )
        checkpoint["state_dict"] = self.whole(checkpoint["state_dict"])
        self.at_once, self._here = checkpoint["at_once"], checkpoint.get("here")

    def whole(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The weights of a checkpoint together with those that it needs not hold, since they never change."""
        own = self.state_dict()
        return {**{name: own[name] for name in self.resting}, **state}

    def _resting(self) -> Iterator[str]:
        """Names of what is in pretrained bodies and does not learn; their batch norms keep their statistics, too."""
        state = self.state_dict(keep_vars=True)
        for path, part in self.named_modules(remove_duplicate=False):
            if isinstance(part, Pretrained | Generation):
                # What is let loose later (`thaw`) learns as well.
                chosen = (
                    part.thawed
                    if isinstance(part, Pretrained)
                    else [p for p in part.body.parameters() if p.requires_grad]
                )
                learning = set(map(id, chosen))
                for name, value in state.items():
                    if name.startswith(f"{path}.body.") and id(value) not in learning:
                        yield name

    @cached_property
    def _mark(self) -> str:
        """A hash of them: taken once, as they never change."""
        digest, own = hashlib.sha256(), self.state_dict()
        add_weights(digest, {name: own[name] for name in self.resting})
        return digest.hexdigest()

    def configure_optimizers(self) -> Any:
        rates: dict[int, float] = {}  # of pretrained weights, by parameter
        for part in self.modules():
            if isinstance(part, Pretrained | Generation) and part.learning_rate is not None:
                rates |= {id(parameter): part.learning_rate for parameter in part.body.parameters()}
        if self.alignment is not None:
            rates |= {id(parameter): FASTER * self.options.learning_rate for parameter in self.alignment.parameters()}
        sorts: dict[tuple[float, float], list[nn.Parameter]] = {}
        for parameter in self.parameters():
            if not parameter.requires_grad:
                continue
            rate = rates.get(id(parameter), self.options.learning_rate)
            decay = self.options.weight_decay if parameter.ndim > 1 else 0.0  # it only hurts norms and biases
            sorts.setdefault((rate, decay), []).append(parameter)
        groups = [
            {"params": found, "lr": rate, "weight_decay": decay}
            for (rate, decay), found in sorted(sorts.items(), key=lambda sort: -sort[0][1])
        ]
        optimiser = torch.optim.AdamW(groups, lr=self.options.learning_rate, fused=True)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, self._factor)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _factor(self, step: int) -> float:
        """Linear warm-up, then a cosine to 2 % (or no change)."""
        done = self._done(step)
        if done < self.options.warmup:
            return max(done / self.options.warmup, 1e-2)
        if self.options.schedule == "constant":
            return 1.0
        rest = (done - self.options.warmup) / (1 - self.options.warmup)
        return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * rest))

    def _done(self, step: int) -> float:
        """The share of the training that is over; under a time limit, by what is further, steps or time."""
        done = step / max(1, self.steps)
        if self.options.time_limit is not None:
            done = max(done, (self.clock() - self.started) / self.options.time_limit)
        return min(done, 1.0)

    def _culprit(self, inputs: dict[str, Any]) -> str:
        """Which input, or its encoder, gave numbers that are not finite."""
        for name, (values, *_) in inputs.items():
            if values.is_floating_point() and not torch.isfinite(values).all():
                return f"input '{name}' holds values that are not finite"
        with torch.no_grad():
            for name, features in self.model.encode(inputs).items():
                if not torch.isfinite(features.tokens[features.mask]).all():
                    return f"the encoder of input '{name}' gives values that are not finite"
        return "every encoder gives finite values, so it is the fusion or a head"
