"""A run that goes on with the rows of another table."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from sensorium.config import Config
from sensorium.data.batches import Rows
from sensorium.data.extended_target import changes
from sensorium.data.groups import row_names
from sensorium.data.schema import Schema
from sensorium.data.table import Table
from sensorium.data.targets import TargetCoder
from sensorium.errors import ConfigError, did_you_mean
from sensorium.fusion import TensorFusion
from sensorium.model import MultimodalModel
from sensorium.single import Single
from sensorium.training.adapters import TRAIN, hold, learning
from sensorium.training.start import Start, differ, parts_told, spoken, take
from sensorium.training.wide_again import grown, widen_again
from sensorium.training.widen import Widened

__all__ = ["RATES", "Adaptation"]

RATES = {"heads": 1e-3, "lora": 1e-3, "all": 1e-3}  # learning rates, at their peak
OF_TABLE = ("batch_size", "epochs", "learning_rate", "patience", "time_limit")  # options that suit a table, not a run


class Adaptation(Start):
    """A start from all of a run, and what of it is to learn.

    Args:
        run: a `Predictor`, fitted or pretrained.
        name: what messages call it.
        table: the rows to go on with.
        train: heads, lora or all.
        target: columns; None: the run's targets that the table has.
        modalities: what the user says columns are.

    Raises:
        ConfigError: no target, or one that can't be gone on with; a table with none of the run's columns.
        DataError: a target's cells can't be learned from.
    """

    def __init__(
        self,
        run: Any,
        name: str,
        table: Table,
        train: str,
        target: str | Sequence[str] | None = None,
        modalities: Mapping[str, str] | None = None,
    ):
        super().__init__(run, name)
        if train not in TRAIN:
            raise ConfigError(f"train: unknown value '{train}'. {did_you_mean(str(train), TRAIN)}")
        self.train, self.table, self.named = train, table, dict(modalities or {})
        self.columns = set(table.columns)
        self.read = {column: name for name, reader in run.readers.items() for column in reader.columns}
        if not self.columns & set(self.read):
            raise ConfigError(
                f"{table.name} has none of the columns that {name} reads: {', '.join(sorted(self.read)[:5])}. "
                f"It has: {', '.join(table.columns[:5])}."
            )
        for column, modality in self.named.items():
            if column in self.read and modality != (known := run.schema.columns[column].modality):
                raise ConfigError(f"--as {column}={modality}: {name} reads the column as {known}. Leave it out.")
        # An input whose columns are gone counts as missing in every row, so that the fusion stays what it is.
        self.unused = [n for n, reader in run.readers.items() if not self.columns & set(reader.columns)]
        self.targets = self._targets(target)
        self.coders = {name: run.coders[name] for name in self.targets if name in run.coders}
        self.told: dict[str, Any] = {}

    def over(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The run's configuration, with what is given over it; options that suited its table are found anew."""
        config = self.run.config
        own: dict[str, Any] = {
            name: getattr(config, name).model_dump(mode="json", exclude_none=True)
            for name in ("imbalance", "limits", "split", "training")
        }
        own["training"] = {k: value for k, value in own["training"].items() if k not in OF_TABLE}
        own["training"]["learning_rate"] = RATES[self.train]
        own["split"].pop("folds", None)
        for key in ("by", "time"):
            column = own["split"].get(key)
            if column not in self.columns or len(set(row_names(self.table, column))) < 2:
                own["split"].pop(key, None)
        own["balance"] = {"method": "none"}  # what came of it goes on
        own["targets"] = {
            name: config.targets[name].model_dump(mode="json", exclude_none=True) if name in self.coders else {}
            for name in self.targets
        }
        return super().over(
            {
                **own,
                **{
                    key: {**own.get(key, {}), **more} if isinstance(more, Mapping) else more
                    for key, more in given.items()
                },
            }
        )

    def modalities(self, table: Table) -> dict[str, str]:
        return {column: kind for column, kind in super().modalities(table).items() if column not in self.targets}

    def schema(self, guessed: Schema) -> Schema:
        """The run's columns are what they were to it, those that are gone too; what it left out is left out again."""
        theirs, columns = self.run.schema.columns, dict(guessed.columns)
        for name, column in guessed.columns.items():
            if name in theirs and name not in self.read and name not in self.named:
                columns[name] = replace(column, modality="ignored", reason="the run leaves it out")
        for name in self.read:
            gone = replace(theirs[name], missing=guessed.rows, unique=0, reason="the run reads it")
            own = columns.get(name, gone)
            columns[name] = replace(own, modality=theirs[name].modality, bag=max(own.bag, theirs[name].bag))
        return Schema(columns, guessed.rows)

    def check(self, config: Config) -> None:
        """Refuse what can't be gone on with.

        Raises:
            ConfigError: a text target, a target of another task than in the run, folds, or a method of balance.
        """
        for name, target in config.targets.items():
            if target.task == "generation":
                raise ConfigError(
                    f"target '{name}' is a text (task generation), which is not gone on with. Leave it out (--target), "
                    "or fit it anew from the run: sensorium fit TABLE --from RUN."
                )
            known = self.coders.get(name)
            task = None if known is None else "classification" if known.task == "binary" else known.task
            if task not in {None, target.task}:
                raise ConfigError(
                    f"targets.{name}.task: must be {task}, as in {self.name}; got {target.task}. "
                    "Give the column another name to learn it anew."
                )
        if config.split.folds is not None:
            raise ConfigError("split.folds: must be left out; a run goes on as one, and has no folds.")
        if config.balance.method != "none":
            raise ConfigError(
                f"balance.method: must be none; got {config.balance.method}. "
                "A network of one input that the run has goes on with it."
            )

    def apply(self, model: MultimodalModel, say: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
        """Put the run's weights into a new model, let learn what is to, and say both.

        Returns:
            what `Start.apply` does, and: targets (by name, the classes that are new and those without a row), train, and
            learning (share of the weights).
        """
        theirs = self.run.model
        taken = self._take_encoders(model, theirs)
        new = [name for name in model.modalities if name not in taken]
        fusion = _grow(model.fusion, theirs.fusion)
        for name in self.coders if fusion else ():
            _fill(model.head(name), theirs.head(name))
        model.single = self._single(model)
        known, unused = [], []
        for name in taken:
            own = [model.encoder(name), model.projections[f"m{model.modalities.index(name)}"]]
            (unused if name in self.unused else known).extend(own)
        if fusion and not new:
            known.append(model.fusion)
        if model.single is not None:
            network = model.single.network
            (unused if model.single.modality in self.unused else known).extend(
                [network.encoders, network.projections, network.fusion]
            )
        hold(model, known, unused, self.train)
        used = [name for name in taken if name not in self.unused]
        self.told = {
            **parts_told(used, new, self.unused, fusion),
            "targets": {
                name: dict(zip(("new", "absent"), changes(coder, self.table.cells(name)), strict=True))
                for name, coder in self.coders.items()
            },
            "train": self.train,
            "learning": learning(model),
        }
        line = f"{self.name} goes on with {spoken(used, fusion)}."
        line += f" New: {spoken(new, not fusion)}." if new or not fusion else ""
        line += f" Missing here, and left as they were: {spoken(self.unused)}." if self.unused else ""
        for name, classes in self.told["targets"].items():
            line += f" New classes of '{name}': {', '.join(classes['new'])}." if classes["new"] else ""
            line += f" No row of '{name}' is {', '.join(classes['absent'])}." if classes["absent"] else ""
        count = sum(weight.numel() for weight in model.parameters())
        say(f"{line} {self.train}: {self.told['learning']:.1%} of {count:,} weights learn.")
        return self.told

    def widen(
        self,
        model: MultimodalModel,
        rows: Rows,
        valid: Rows,
        coders: Mapping[str, TargetCoder],
        seconds: float | None,
    ) -> Widened | None:
        """The run's own wide part, and one of the new rows, see `widen_again`."""
        return widen_again(model, self.run.model.wide, rows, valid, coders, list(self.coders), seconds)

    def _targets(self, target: str | Sequence[str] | None) -> list[str]:
        known, columns = list(self.run.coders), f"There are: {', '.join(self.table.columns)}."
        if target is None and not known:
            raise ConfigError(f"{self.name} was pretrained, without a target. Name one with --target. {columns}")
        found = [name for name in known if name in self.columns] if target is None else target
        if not found:
            raise ConfigError(
                f"{self.table.name} has none of the targets of {self.name} ({', '.join(known)}). "
                f"Name one with --target. {columns}"
            )
        found = [found] if isinstance(found, str) else list(found)
        for name in found:
            if name in self.read:
                raise ConfigError(
                    f"target '{name}' is read by the input '{self.read[name]}' of {self.name}; the answer can't be an "
                    "input. Fit anew, where the run need not know it: sensorium fit TABLE --from RUN."
                )
        return found

    def _single(self, model: MultimodalModel) -> Single | None:
        """The run's network of one input, with heads as those of the model."""
        theirs = self.run.model.single
        if theirs is None:
            return None
        name = theirs.modality
        heads = {target: copy.deepcopy(model.head(target)) for target in model.targets}
        network = MultimodalModel(
            {name: copy.deepcopy(model.encoder(name))}, copy.deepcopy(theirs.network.fusion), heads
        )
        self._take_encoders(network, theirs.network)
        single = Single(network)
        if name in model.frozen:  # of the same weights
            single.borrow(model)
        for target in self.coders:
            _fill(network.head(target), theirs.network.head(target))
            single.set_share(target, theirs.share(target))
        return single


def _fill(here: nn.Module, there: nn.Module) -> None:
    """Put one head's layer into another's that has the same outputs or more."""
    weight, bias = grown(there.linear.weight.detach(), there.linear.bias.detach(), len(here.linear.bias))
    here.linear.weight.data.copy_(weight)
    here.linear.bias.data.copy_(bias)


@torch.no_grad()
def _grow(here: nn.Module, there: nn.Module) -> bool:
    """Put a fusion into one of the same inputs, or of more after them; False where they are of other kinds or sizes.

    What a grown matrix reads of new inputs begins at 0: rows without them are fused as before.
    """
    if here.modalities == there.modalities:
        if same := differ(here, there) is None:
            take(here, there)
        return same
    if type(here) is not type(there) or isinstance(here, TensorFusion):  # whose products are in another order
        return False
    ours, theirs = here.state_dict(), there.state_dict()
    if here.modalities[: len(there.modalities)] != there.modalities or not all(
        key in ours and all(n >= m for n, m in zip(ours[key].shape, weight.shape, strict=True))
        for key, weight in theirs.items()
    ):
        return False
    for key, weight in theirs.items():
        if weight.dim() == 2:
            ours[key][: len(weight), weight.shape[1] :] = 0
        ours[key][tuple(slice(0, size) for size in weight.shape)] = weight
    return True
