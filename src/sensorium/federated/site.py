"""A site: a table that stays where it is, and what it answers to the server."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from flwr.app import Array, ArrayRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.clientapp.mod import LocalDpMod, fixedclipping_mod

from sensorium.build import build_loader, build_model, build_readers
from sensorium.config import Config, parse_config
from sensorium.data.batches import Rows
from sensorium.data.numeric_columns import check_numbers
from sensorium.data.problems import Problems
from sensorium.data.schema import Schema, guess_schema
from sensorium.data.split import split_rows
from sensorium.data.table import Table
from sensorium.data.targets import TargetCoder, is_filled, label
from sensorium.errors import SensoriumError
from sensorium.evaluation.answers import outputs, scored
from sensorium.evaluation.answers import said as answers_of
from sensorium.evaluation.calibration import Calibration, fit_calibration
from sensorium.federated.agreement import Agreement, plain
from sensorium.federated.counts import counts_of
from sensorium.federated.local import Pace, learn, set_state, shared_state
from sensorium.federated.noise import multiplier_for
from sensorium.federated.options import Terms
from sensorium.federated.secure import as_update, secure_mod
from sensorium.federated.wire import ARRAYS, CONFIG, SCORES, Refusal, failed, replying, said
from sensorium.planning import plan
from sensorium.predictor import Predictor, Say
from sensorium.pretrained.lora import merge_lora
from sensorium.privacy.rules import refuse_privacy
from sensorium.training.augment import kinds
from sensorium.training.labels import has_target
from sensorium.training.record import begin, run_record
from sensorium.training.sides import groups_of

__all__ = ["OwnNoise", "Site"]

FAULTS = (
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)  # what comes of a message that fits nothing


@dataclass(frozen=True)
class OwnNoise:
    """Noise that a site puts on its own update before it leaves, so that it need not trust the server.

    Args:
        epsilon, delta: of all rounds together.
        clip: largest norm of its update.
    """

    epsilon: float
    delta: float = 1e-5
    clip: float = 1.0


class Site:
    """One member of a federation; give it the server's messages, it answers them.

    Args:
        table: its rows.
        name: it is known by.
        valid: rows to validate with; a part of `table` where left out.
        ignore, modalities: as for `fit`.
        own_noise: on all that it sends of its weights.
        secure: take part under secure aggregation only.
        out: where the run of the finished federation is saved; None: it is not.
        say: called with lines of text.
    """

    def __init__(
        self,
        table: Table,
        name: str,
        valid: Table | None = None,
        ignore: Sequence[str] = (),
        modalities: Mapping[str, str] | None = None,
        own_noise: OwnNoise | None = None,
        secure: bool = False,
        out: Path | None = None,
        say: Say = lambda _: None,
    ):
        self.table, self.name, self.valid = table, name, valid
        self.ignore, self.modalities = ignore, dict(modalities or {})
        self.own_noise, self.secure, self.out, self.say = own_noise, secure, out, say
        self.context = Context(run_id=1, node_id=0, node_config={}, state=RecordDict(), run_config={})
        self.predictor: Predictor | None = None
        self.agreement: Agreement | None = None
        self.app = self._made([])

    def __call__(self, message: Message) -> Message:
        """The answer to a message. What goes wrong here is said here; the server hears of it what holds no cell."""
        try:
            return self.app(message, self.context)
        except Refusal as refusal:
            self.say(f"{self.name}: {refusal}")
            return failed(message, str(refusal))
        except SensoriumError as error:
            self.say(f"{self.name}: {error}")
            return failed(message, f"it could not ({type(error).__name__}); its own console says why.")
        except FAULTS as error:
            self.say(f"{self.name}: the message of the server does not fit: {type(error).__name__}: {error}")
            return failed(message, f"the message does not fit ({type(error).__name__}).")

    def _made(self, mods: list[Any]) -> ClientApp:
        app = ClientApp()
        app.query("propose")(lambda message, context: self._propose(message))
        app.query("count")(lambda message, context: self._count(message))
        app.query("begin")(lambda message, context: self._begin(message))
        app.query("finish")(lambda message, context: self._finish(message))
        app.train(mods=mods)(lambda message, context: self._train(message))
        app.evaluate()(lambda message, context: self._evaluate(message))
        return app

    def _propose(self, message: Message) -> Message:
        """What this table would be learned with, were it alone."""
        told = said(message)
        given = self._own(told["config"])
        targets = list(given.get("targets") or told["targets"])
        for name in targets:
            if name not in self.table.columns:
                raise Refusal(f"the table has no column '{name}', which is the target.")
        config, schema = plan(self.table, told["targets"], given, (), self.ignore, self.modalities)
        refuse_privacy(
            config, "federated learning", "sites train without the noise of that section; see `noise` of the terms"
        )
        used = {column for reader in build_readers(config, schema).values() for column in reader.columns}
        columns = [
            {**asdict(column), "reason": "", "facts": {k: v for k, v in column.facts.items() if k == "size"}}
            for column in schema.columns.values()
            if column.name in used
        ]
        rows = int(has_target(self.table, config).sum())
        return replying(message, {"rows": rows, "config": plain(config), "columns": columns})

    def _own(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """The server's configuration without what this table lacks: it has no such column, or one that tells nothing."""
        inputs: dict[str, Any] = {}
        for name, options in (config.get("inputs") or {}).items():
            options = dict(options or {})
            wanted = options.get("columns") or [options.get("column") or name]
            found = self._telling([column for column in wanted if column in self.table.columns])
            if "columns" in options:
                options["columns"] = found
            if found:
                inputs[name] = options
        if config.get("inputs") and not inputs:
            raise Refusal("the table has none of the inputs of the federation.")
        return {**config, "inputs": inputs}

    def _telling(self, columns: Sequence[str]) -> list[str]:
        """Those of these columns that are not the same, or empty, in every row here, and that may be told of."""
        others = [name for name in self.table.columns if name not in columns]
        own = {name: kind for name, kind in self.modalities.items() if name in columns}
        schema = guess_schema(self.table.without(others), own, [name for name in self.ignore if name in columns])
        return [name for name in columns if schema.columns[name].modality != "ignored"]

    def _count(self, message: Message) -> Message:
        """Sums over the rows to learn from."""
        told = said(message)
        config, schema = parse_config(told["config"]), Schema.from_json(told["schema"])
        learned, _ = self._sides(config)
        return replying(message, counts_of(self._there(learned), config, schema, told["least"]))

    def _there(self, table: Table) -> Table:
        return table.without([name for name in self.ignore if name in table.columns])

    def _sides(self, config: Config) -> tuple[Table, Table]:
        """The rows to learn from and those to validate with: the same ones each time."""
        filled = has_target(self.table, config)
        if filled.sum() < 2:
            raise Refusal(f"{int(filled.sum())} rows have a target; 2 at least are needed, to learn and to check.")
        table = self.table.take(np.flatnonzero(filled))
        if self.valid is not None:
            return table, self.valid
        name, target = next(iter(config.targets.items()))
        cells = table.cells(name)
        known = [cell for cell in cells if is_filled(cell, target.task)]
        # A site may know one class only, which is none to be learned alone.
        task = "classification" if target.task == "classification" else "regression"
        classes = sorted({label(cell) for cell in known}) if task == "classification" else []
        coder = TargetCoder(name, task, classes)
        codes = coder.encode(cells)[0] if task == "classification" else np.zeros(len(table))
        groups = groups_of(table, config, build_loader(config), [])
        train, valid = split_rows(codes, coder, config.training.valid_share, config.training.seed, groups)
        return table.take(train), table.take(valid)

    def _begin(self, message: Message) -> Message:
        """Take what was agreed, and make ready for rounds."""
        agreement = Agreement.from_json(said(message))
        config, terms = agreement.config, Terms(**agreement.terms)
        if self.secure and not terms.secure:
            raise Refusal("this site takes part under secure aggregation only, and the server does without (--secure).")
        self._check(agreement)
        begin(config.training)
        self.problems = Problems(strict=config.training.strict)
        loader, memory = build_loader(config, self.say), config.training.memory * 2**20
        learned, checked = self._sides(config)
        args = (agreement.readers, agreement.coders, self.problems, loader)
        self.rows = Rows(self._there(learned), *args, memory)
        self.checked = Rows(self._there(checked), *args, memory // 4)
        check_numbers(self.rows)
        torch.manual_seed(config.training.seed)
        self.model = build_model(config, agreement.readers, agreement.coders)
        mods: list[Any] = []
        if terms.secure:
            mods += [secure_mod, as_update(list(shared_state(self.model)))]
            if terms.clip is not None:
                mods.append(fixedclipping_mod)
        if self.own_noise is not None:
            mods.append(self._noised(terms))
        self.agreement, self.app = agreement, self._made(mods)
        self.say(f"{self.name}: {len(self.rows)} rows to learn from, {len(self.checked)} to validate with.")
        there = [
            name
            for name, reader in agreement.readers.items()
            if set(reader.columns) & set(self._there(learned).columns)
        ]
        return replying(message, {"rows": len(self.rows), "valid": len(self.checked), "inputs": there})

    def _check(self, agreement: Agreement) -> None:
        """Refuse what this table is not: it may have come after all was agreed.

        Raises:
            Refusal: with the column.
        """
        for name in agreement.config.targets:
            if name not in self.table.columns:
                raise Refusal(f"the table has no column '{name}', which is the target.")
        wanted = {c for r in agreement.readers.values() for c in r.columns} & set(self._there(self.table).columns)
        if not wanted:
            raise Refusal("the table has none of the inputs of the federation.")
        others = [column for column in self.table.columns if column not in wanted]
        for name, column in guess_schema(
            self.table.without(others), {k: v for k, v in self.modalities.items() if k in wanted}
        ).columns.items():
            agreed = agreement.schema.columns[name].modality
            if column.modality not in {agreed, "ignored"} and {column.modality, agreed} & {
                "audio",
                "image",
                "vector",
                "video",
            }:
                raise Refusal(f"column '{name}' is {column.modality} here and {agreed} with the other sites.")

    def _noised(self, terms: Terms) -> LocalDpMod:
        """Noise of one round so that all rounds together keep to the site's epsilon."""
        own = self.own_noise
        multiplier = multiplier_for(own.epsilon, own.delta, terms.rounds)
        # Two updates differ by twice the clip at most. The mod wants the epsilon of one round by the textbook's formula,
        # which holds below 1 only: it is given the one that makes it take this noise.
        one = float(np.sqrt(2 * np.log(1.25 / own.delta)) / multiplier)
        return LocalDpMod(own.clip, 2 * own.clip, one, own.delta)

    def _ready(self) -> Agreement:
        if self.agreement is None:
            raise Refusal("nothing is agreed with this site yet.")
        return self.agreement

    def _train(self, message: Message) -> Message:
        """A round on the rows of this site."""
        config_record = message.content.config_records[CONFIG]
        agreement = self._ready()
        terms, config = Terms(**agreement.terms), agreement.config
        set_state(self.model, {name: array.numpy() for name, array in message.content.array_records[ARRAYS].items()})
        weights = {name: target.weight for name, target in config.targets.items()}
        mu = terms.proximal if terms.strategy == "fedprox" else 0.0
        place = int(config_record["server-round"]) - 1
        loss, trained = learn(
            self.model, self.rows, config.training, kinds(agreement.readers), weights,
            Pace(place, terms.rounds, terms.epochs, mu),
        )  # fmt: skip
        # Noise hides what one site adds to a mean in which all count alike.
        count = 1 if terms.clip is not None else len(self.rows)
        state = {name: value.numpy().copy() for name, value in shared_state(self.model).items()}
        reply = replying(message, {}, **{"num-examples": count, "loss": loss, "trained": [int(t) for t in trained]})
        reply.content[ARRAYS] = ArrayRecord({name: Array(value) for name, value in state.items()})
        del reply.content[CONFIG]
        return reply

    def _evaluate(self, message: Message) -> Message:
        """The loss and the scores on the validation rows of this site."""
        agreement = self._ready()
        set_state(self.model, {name: array.numpy() for name, array in message.content.array_records[ARRAYS].items()})
        weights = {name: target.weight for name, target in agreement.config.targets.items()}
        model, size = self.model.eval(), agreement.config.training.batch_size
        losses, given = [], {name: [] for name in model.targets}
        with torch.no_grad():
            for batch in self.checked.batches(max(size, 32)):
                logits = model(batch.inputs)
                losses.append((model.loss(logits, batch.targets, weights).item(), len(batch.rows)))
                for name in model.targets:
                    given[name].append(answers_of(model.head(name), logits[name]))
        found = {"loss": sum(loss * count for loss, count in losses) / sum(count for _, count in losses)}
        for name, coder in agreement.coders.items():
            metric = SCORES.get(coder.task)
            truth = coder.truth(self.checked.table.cells(name))
            if metric is not None and truth[1].any():
                found[f"{name}/{metric}"] = scored(coder, truth, np.concatenate(given[name]))[metric]["value"]
        reply = replying(message, {}, **{"num-examples": len(self.checked), **found})
        del reply.content[CONFIG]
        return reply

    def _finish(self, message: Message) -> Message:
        """Keep the model that the federation came to."""
        told, agreement = said(message), self._ready()
        set_state(self.model, {name: array.numpy() for name, array in message.content.array_records[ARRAYS].items()})
        calibration = self._calibration()
        merge_lora(self.model)
        run = run_record(agreement.config.training.seed, "32", self.rows, self.checked, self.problems)
        self.predictor = Predictor(
            agreement.config, agreement.schema, agreement.readers, agreement.coders, self.model.eval(), told["metrics"],
            pd.DataFrame(told["history"]), self.problems.frame(), {**run, "federated": told["federated"]}, calibration,
        )  # fmt: skip
        if self.out is not None:
            self.predictor.save(self.out)
            self.say(f"{self.name}: the federation's model is saved in {self.out}.")
        told = {name: {"temperature": c.temperature, "deviation": c.deviation} for name, c in calibration.items()}
        return replying(message, {"calibration": told})

    def _calibration(self) -> dict[str, Calibration]:
        """How far the answers can be trusted, by the validation rows of this site."""
        found, model = {}, self.model.eval()
        given = outputs(model, self.checked, max(self.agreement.config.training.batch_size, 32))
        for name, coder in self.agreement.coders.items():
            truth = coder.truth(self.checked.table.cells(name))
            if truth[1].any():
                found[name] = fit_calibration(coder, truth, given[name])
        return found
