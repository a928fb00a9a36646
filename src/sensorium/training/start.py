"""A fit that starts from what another run has learned."""

import copy
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import Tensor, nn

from sensorium.config import Config
from sensorium.data.batches import Reader, Rows
from sensorium.data.media_readers import MediaReader
from sensorium.data.schema import Schema
from sensorium.data.table import Table
from sensorium.data.targets import TargetCoder
from sensorium.encoders.bag import of_item
from sensorium.ensemble.committee import is_committee
from sensorium.errors import ConfigError
from sensorium.model import MultimodalModel
from sensorium.training.widen import DEEP, Widened, fit_wide

__all__ = ["Start", "differ", "parts_told", "spoken", "take"]


class Start:
    """Encoders, and the fusion where it is the same, with the weights of a run, and the readers that go with them.

    Args:
        run: a `Predictor`, pretrained or fitted.
        name: what messages call it.

    Raises:
        ConfigError: it is an ensemble, or has no trained network.
    """

    def __init__(self, run: Any, name: str):
        if is_committee(run.model):
            raise ConfigError(
                f"{name} is an ensemble of {len(run.model.members)} networks and can't be gone on with. Make one of it first: "
                "sensorium compress."
            )
        if run.model.wide is not None and run.model.wide.alone(run.model.targets):
            raise ConfigError(
                f"{name} answers by its linear model alone and has no network to go on with. Fit one with training.epochs of "
                "1 or more."
            )
        self.run, self.name = run, name
        self.coders: dict[str, TargetCoder] = {}  # of targets that are gone on with: here, all are new

    def inputs(self) -> dict[str, dict[str, Any]]:
        """The run's inputs, as they are written in a configuration."""
        return {
            name: given.model_dump(mode="json", exclude_none=True) for name, given in self.run.config.inputs.items()
        }

    def over(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """A configuration as it is written, with the run's fusion where it names none."""
        return {"fusion": self.run.config.fusion.model_dump(mode="json"), **given}

    def modalities(self, table: Table) -> dict[str, str]:
        """What the run's columns are, of those that the table has."""
        read = {column for reader in self.run.readers.values() for column in reader.columns}
        schema = self.run.schema.columns
        return {column: schema[column].modality for column in table.columns if column in read}

    def schema(self, guessed: Schema) -> Schema:
        """What the columns are, of what was guessed of the table."""
        return guessed

    def taken(self, config: Config) -> list[str]:
        """The inputs of a configuration that the run has, too.

        Raises:
            ConfigError: none, or one of another modality or of other columns.
        """
        found = [name for name in config.inputs if name in self.run.config.inputs]
        for name in found:
            here, there = config.inputs[name], self.run.config.inputs[name]
            if here.modality != there.modality:
                raise ConfigError(
                    f"inputs.{name}.modality: must be {there.modality}, as in {self.name}; got {here.modality}. "
                    "Read the column under another name to start it anew."
                )
            ours, theirs = (getattr(given, "columns", None) or [given.column or name] for given in (here, there))
            if list(ours) != list(theirs):
                raise ConfigError(
                    f"inputs.{name} must read {', '.join(theirs)}, as in {self.name}; got {', '.join(ours)}. "
                    "Take another name for the input to start it anew."
                )
        if not found:
            raise ConfigError(
                f"{self.name} can't be started from: it reads {', '.join(self.run.config.inputs)}, "
                f"and here the inputs are {', '.join(config.inputs)}."
            )
        return found

    def readers(self, readers: Mapping[str, Reader], config: Config) -> dict[str, Reader]:
        """Those of the run, already fitted, in the place of new ones; media are read as `config` says.

        Raises:
            ConfigError: an option says other than what a reader has learned.
        """
        found = {}
        for name in self.taken(config):
            if isinstance(readers[name], MediaReader):
                continue
            found[name] = self.run.readers[name]
            if getattr(readers[name], "redact", False):  # is asked for now, or was by the run
                found[name] = copy.copy(found[name])
                found[name].redact = True
            for option in ("vocabulary", "max_tokens"):
                written = getattr(config.inputs[name], option, None)
                learned = getattr(found[name], option, None)
                if written is not None and learned is not None and written != learned:
                    usual = getattr(self.run.config.inputs[name], option)
                    if written != usual:  # what was asked for there, and came to fewer
                        raise ConfigError(
                            f"inputs.{name}.{option}: must be {learned}, as {self.name} has learned it; got {written}. "
                            "Leave it out."
                        )
        return found

    def apply(self, model: MultimodalModel, say: Callable[[str], None] = lambda _: None) -> dict[str, list[str]]:
        """Put the run's weights into a new model, and say which.

        Returns:
            names of the parts that are taken, new, and left: inputs, and fusion.

        Raises:
            ConfigError: an encoder of other sizes.
        """
        theirs = self.run.model
        taken = self._take_encoders(model, theirs)
        same = model.modalities == theirs.modalities and differ(model.fusion, theirs.fusion) is None
        if same:
            take(model.fusion, theirs.fusion)
        new = [name for name in model.modalities if name not in taken]
        left = [name for name in theirs.modalities if name not in taken]
        line = f"taken from {self.name}: {spoken(taken, same)}."
        line += f" New: {spoken(new, not same)}." if new or not same else ""
        say(line + (f" Not used: {spoken(left)}." if left else ""))
        return parts_told(taken, new, left, same)

    def widen(
        self,
        model: MultimodalModel,
        rows: Rows,
        valid: Rows,
        coders: Mapping[str, TargetCoder],
        seconds: float | None,
    ) -> Widened | None:
        """The wide part beside a model that is to be trained, see `fit_wide`: it does not lead."""
        found = fit_wide(rows, valid, coders, seconds)
        # There are few rows to learn from, but the network has seen more.
        return None if found is None else found._replace(stance=DEEP)

    def _take_encoders(self, model: MultimodalModel, theirs: MultimodalModel) -> list[str]:
        """Those that both models have, with what brings their tokens to the fusion's width."""
        taken = [name for name in model.modalities if name in theirs.modalities]
        for name in taken:
            place, other = model.modalities.index(name), theirs.modalities.index(name)
            self._copy(name, model.encoder(name), theirs.encoder(name))
            self._copy(name, model.projections[f"m{place}"], theirs.projections[f"m{other}"])
        return taken

    def _copy(self, name: str, here: nn.Module, there: nn.Module) -> None:
        here, there = (of_item(part) for part in (here, there))
        if (fault := differ(here, there)) is not None:
            given = self.run.config.inputs[name].encoder.model_dump(mode="json")
            raise ConfigError(
                f"inputs.{name}: the encoder does not fit that of {self.name}: {fault}. Leave out what is written of it "
                f"and of fusion.width to take the run's ({given}), or read the column under another name to start it anew."
            )
        take(here, there)


def parts_told(taken: list[str], new: list[str], left: list[str], fusion: bool) -> dict[str, list[str]]:
    """Names of the parts that are taken, new, and left: inputs, and the fusion, which is one of the first two."""
    return {"taken": [*taken, *["fusion"] * fusion], "new": [*new, *["fusion"] * (not fusion)], "left": left}


def spoken(inputs: Iterable[str], fusion: bool = False) -> str:
    """Inputs, and the fusion, as a line says them."""
    return ", ".join([*(f"'{name}'" for name in inputs), *["the fusion"] * fusion])


def _weights(module: nn.Module) -> dict[str, Tensor]:
    """A module's weights by name, without adapters, which start as nothing over the weights that they adapt."""
    return {key.replace(".base_layer.", "."): w for key, w in module.state_dict().items() if ".lora_" not in key}


def take(here: nn.Module, there: nn.Module) -> None:
    theirs = _weights(there)
    for key, weight in _weights(here).items():
        weight.copy_(theirs[key])


def differ(here: nn.Module, there: nn.Module) -> str | None:
    """The first weight that one of two modules has alone or in another shape, in words; None where there is none."""
    if type(here) is not type(there):
        return f"it is {type(here).__name__} here and {type(there).__name__} there"
    ours, theirs = _weights(here), _weights(there)
    for key in dict.fromkeys([*ours, *theirs]):
        shapes = [str(tuple(state[key].shape)) if key in state else "missing" for state in (ours, theirs)]
        if shapes[0] != shapes[1]:
            return f"{key} is {shapes[0]} here and {shapes[1]} there"
    return None
