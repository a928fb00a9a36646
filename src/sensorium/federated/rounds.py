"""A federation from its server's side: agree, then rounds of training and averaging, then one model."""

import platform
import time
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
import torch
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp.strategy import (
    DifferentialPrivacyClientSideFixedClipping,
    DifferentialPrivacyServerSideFixedClipping,
    FedAdam,
    FedAvg,
    FedProx,
)
from flwr.serverapp.strategy.strategy import Strategy

from sensorium.build import build_model
from sensorium.data.problems import Problems
from sensorium.data.targets import TargetCoder
from sensorium.errors import TrainingError
from sensorium.evaluation.calibration import Calibration
from sensorium.evaluation.metrics import MAIN
from sensorium.federated.agreement import Agreement, agreed_config, agreed_readers, agreed_targets, plain
from sensorium.federated.answers import checked_counts, checked_proposal
from sensorium.federated.grid import SiteGrid
from sensorium.federated.local import set_state, shared_state
from sensorium.federated.noise import epsilon_of
from sensorium.federated.options import Terms
from sensorium.federated.secure import secure_sum
from sensorium.federated.updates import State, as_record, read_update, too_large, weighed
from sensorium.federated.wire import ARRAYS, METRICS, SCORES, Refusal, asking, said
from sensorium.predictor import Predictor, Say
from sensorium.pretrained.lora import merge_lora
from sensorium.training.parts import Report
from sensorium.training.record import VERSIONS, begin

__all__ = ["Server"]

MOST_ROWS = 2**40  # that a site can have
LEAST_VARIANCE = 1e-4  # of running statistics, which noise could make negative


class Server:
    """What asks the sites and averages what they answer.

    Args:
        grid: of the sites.
        terms: how the rounds go.
        config: what is written of the configuration, as plain data; the sites' tables fill in the rest.
        targets: columns.
        say: called with lines of text.
        report: called after each round with its row of the history.
    """

    def __init__(
        self, grid: SiteGrid, terms: Terms, config: Mapping[str, Any], targets: list[str], say: Say, report: Report
    ):
        self.grid, self.terms, self.given, self.targets = grid, terms, dict(config), targets
        self.say, self.report = say, report
        self.begun: dict[int, int] = {}  # the connection at which a site began, by its number
        self.turned: dict[int, int] = {}  # likewise, of sites that were refused
        self.rows: dict[int, int] = {}
        self.valid: dict[int, int] = {}
        self.inputs: dict[int, list[str]] = {}
        self.told = 0  # refusals that were said already

    def run(self) -> Predictor:
        """The whole federation.

        Raises:
            TrainingError: too few sites come, or none of them can take part.
        """
        started = time.monotonic()
        self._wait(lambda: len(self.grid.there()), "are there")
        self.agreement = self._agree()
        config = self.agreement.config
        begin(config.training)
        torch.manual_seed(config.training.seed)
        self.model = build_model(config, self.agreement.readers, self.agreement.coders)
        state = {name: value.numpy().copy() for name, value in shared_state(self.model).items()}
        strategy, history = self._strategy(), []
        best, lowest, scores = state, np.inf, {}
        for number in range(1, self.terms.rounds + 1):
            before, sent, received, start = state, self.grid.sent, self.grid.received, time.monotonic()
            self._admit()
            state, loss, count = self._round(number, state, strategy)
            valid, found = self._validate(number, state, strategy)
            row = {
                "epoch": number, "train_loss": loss, "valid_loss": valid, **found, "sites": count,
                "sent": self.grid.sent - sent, "received": self.grid.received - received,
                "seconds": time.monotonic() - start,
            }  # fmt: skip
            history.append(row)
            if valid < lowest or (not np.isfinite(lowest) and before is not state):
                best, lowest, scores = state, valid, found
            self._say_refused()
            self.say(self._line(row))
            self.report({**row, "round": number, "rounds": self.terms.rounds})
        if not any(row["sites"] for row in history):
            raise TrainingError(
                "no round had an update that could be taken, so there is no model. What was refused is above."
            )
        return self._finish(best, history, scores, time.monotonic() - started)

    def _wait(self, count: Any, words: str) -> None:
        """Until there are as many sites as a round needs.

        Raises:
            TrainingError: they do not come in time.
        """
        end, told = time.monotonic() + self.terms.wait, None
        while (found := count()) < self.terms.sites:
            if found != told:
                self.say(f"{found} of {self.terms.sites} sites {words}; waiting.")
                told = found
            if time.monotonic() > end:
                raise TrainingError(
                    f"{found} sites {words} after {self.terms.wait:g} s; a round needs {self.terms.sites} (sites)."
                )
            time.sleep(0.1)

    def _ask(
        self, kind: str, nodes: list[int], told: dict[str, Any], arrays: ArrayRecord | None = None
    ) -> dict[int, dict]:
        """What each site says to a question; those that refuse, or say nothing, are left out from now on."""
        here = self.grid.there()
        replies = self.grid.send_and_receive(
            [asking(node, kind, told, arrays) for node in nodes], timeout=self.terms.timeout
        )
        found = {}
        for reply in replies:
            node = reply.metadata.src_node_id
            try:
                if reply.has_error():
                    raise Refusal(reply.error.reason)
                found[node] = said(reply)
            except Refusal as refusal:
                self._turn(node, str(refusal), here.get(node, 0))
        return found

    def _turn(self, node: int, reason: str, connection: int) -> None:
        self.turned[node] = connection
        self.begun.pop(node, None)
        self.grid.refuse(node, reason)
        self._say_refused()

    def _say_refused(self) -> None:
        for name, reason in self.grid.refused[self.told :]:
            self.say(f"site '{name}' is refused: {reason}")
        self.told = len(self.grid.refused)

    def _agree(self) -> Agreement:
        """Ask the sites for what they would learn with, and for their counts."""
        here = self.grid.there()
        proposals = self._ask("query.propose", list(here), {"config": self.given, "targets": self.targets})
        names = {self.grid.names[node]: node for node in proposals}
        wanted, checked = {*self.targets, *(self.given.get("targets") or ())}, {}
        for node, told in proposals.items():
            try:
                checked[self.grid.names[node]] = checked_proposal(told, wanted)
            except Refusal as refusal:
                self._turn(node, str(refusal), here[node])
        if not checked:
            raise TrainingError("no site can take part. What was refused is above.")
        config, schema, refused = agreed_config(checked, self.given)
        for name, reason in refused.items():
            self._turn(names[name], reason, here[names[name]])
        nodes = [node for name, node in sorted(names.items()) if name in checked and name not in refused]
        told = {"config": plain(config), "schema": schema.to_json(), "least": self.terms.least}
        counts = self._ask("query.count", nodes, told)
        ordered = []
        for node in [node for node in nodes if node in counts]:
            try:
                ordered.append(checked_counts(config, schema, counts[node]))
            except Refusal as refusal:
                self._turn(node, str(refusal), here[node])
        readers = agreed_readers(config, schema, [part["inputs"] for part in ordered])
        coders = agreed_targets(config, [part["targets"] for part in ordered])
        return Agreement(config, schema, readers, coders, self.terms.model_dump())

    def _admit(self) -> None:
        """Begin with every site that is new, or has come again, until there are enough for a round."""

        def ready() -> int:
            here = self.grid.there()
            new = [n for n, c in here.items() if self.begun.get(n) != c and self.turned.get(n) != c]
            if new:
                for node, told in self._ask("query.begin", new, self.agreement.to_json()).items():
                    counts = told.get("rows"), told.get("valid")
                    if not all(isinstance(count, int) and 0 < count < MOST_ROWS for count in counts):
                        self._turn(
                            node, f"it says that it has {counts[0]!r:.20} and {counts[1]!r:.20} rows.", here[node]
                        )
                        continue
                    self.rows[node] = 1 if self.terms.clip is not None else counts[0]
                    self.valid[node] = counts[1]
                    self.inputs[node] = [name for name in self.agreement.readers if name in (told.get("inputs") or ())]
                    again = "again " if node in self.begun else ""
                    self.begun[node] = here[node]
                    self.say(f"site '{self.grid.names[node]}' takes part {again}with {', '.join(self.inputs[node])}.")
            self.grid.taking = [node for node in here if self.begun.get(node) == here[node]]
            return len(self.grid.taking)

        self._wait(ready, "take part")

    def _strategy(self) -> Strategy:
        terms = self.terms
        common = {
            "fraction_train": terms.fraction, "min_train_nodes": terms.sites, "min_evaluate_nodes": 1,
            "min_available_nodes": 1,  # Flower would wait for more without taking them in: see `_admit`
        }  # fmt: skip
        if terms.strategy == "fedadam":
            return FedAdam(**common, eta=terms.server_rate)
        plain_one = FedProx(**common, proximal_mu=terms.proximal) if terms.strategy == "fedprox" else FedAvg(**common)
        if terms.clip is None:
            return plain_one
        wrapper = (
            DifferentialPrivacyClientSideFixedClipping if terms.secure else DifferentialPrivacyServerSideFixedClipping
        )
        return wrapper(plain_one, terms.noise, terms.clip, terms.sites)

    def _round(self, number: int, state: State, strategy: Strategy) -> tuple[State, float, int]:
        """The weights after a round, the sites' mean loss and how many sites are in it; without any, the weights stay."""
        config, arrays = ConfigRecord({"server-round": number}), as_record(state)
        if self.terms.clip is not None:
            config["clipping_norm"] = self.terms.clip
        messages = list(strategy.configure_train(number, arrays, config, self.grid))
        if self.terms.secure:
            return self._secure_round(number, state, strategy, messages, config)
        replies = self.grid.send_and_receive(messages, timeout=self.terms.timeout)
        updates = []
        for reply in replies:
            node = reply.metadata.src_node_id
            try:
                if reply.has_error():
                    raise Refusal(reply.error.reason)
                updates.append(read_update(reply, state, self.rows[node]))
            except Refusal as refusal:
                self.grid.refuse(node, str(refusal))
        if self.terms.clip is not None:  # what is clipped is divided by its norm
            updates = [update for update in updates if update.norm or update.shift]
        for node, reason in too_large(updates, self.terms.max_norm).items():
            self.grid.refuse(node, reason)
            updates = [update for update in updates if update.node != node]
        if not updates:
            self.say(f"round {number}: no update could be taken; the weights stay.")
            return state, np.nan, 0
        rows, trained = [update.rows for update in updates], [update.trained for update in updates]
        states = weighed([update.state for update in updates], state, rows, trained)
        made = [_reply(u.node, own, u.rows, u.loss) for u, own in zip(updates, states, strict=True)]
        return *self._averaged(number, state, strategy, made, _mean(states, rows)), len(updates)

    def _secure_round(
        self, number: int, state: State, strategy: Strategy, messages: list[Message], config: ConfigRecord
    ) -> tuple[State, float, int]:
        nodes = [message.metadata.dst_node_id for message in messages]
        found = secure_sum(self.grid, as_record(state), nodes, config, self.rows, self.terms.timeout)
        if found is None:
            self.say(f"round {number}: too few sites were left to open the sum; the weights stay.")
            return state, np.nan, 0
        # The mean holds zeros of those that did not train a tensor. They stay in it where noise is to hide one site's
        # part: divided by a share, that would be larger than the clip.
        rows, trained = np.asarray(found.rows, dtype=float), np.asarray(found.trained, dtype=float)
        shares = np.ones(trained.shape[1]) if self.terms.clip is not None else rows @ trained / rows.sum()
        own = {
            name: like + part / np.float32(max(share, 1e-12))
            for (name, like), part, share in zip(state.items(), found.mean, shares, strict=True)
        }
        if not all(np.isfinite(value).all() for value in own.values()):
            self.grid.refuse(
                nodes[0], "the sum of all updates is not finite; under secure aggregation nobody knows whose it is."
            )
            return state, np.nan, 0
        loss = float(rows @ np.asarray(found.losses) / rows.sum())
        return *self._averaged(
            number, state, strategy, [_reply(nodes[0], own, int(rows.sum()), loss)], own, len(rows)
        ), len(rows)

    def _averaged(
        self, number: int, state: State, strategy: Strategy, made: list[Message], mean: State, sites: int | None = None
    ) -> tuple[State, float]:
        """What Flower's strategy makes of the updates."""
        if self.terms.clip is not None:
            strategy.num_sampled_clients = sites or len(made)  # fewer are left than were asked: the mean is of fewer
        arrays, metrics = strategy.aggregate_train(number, made)
        after = {name: np.asarray(array.numpy(), dtype=np.float32) for name, array in arrays.items()}
        learned = {name for name, _ in self.model.named_parameters()}
        for name in after:
            if name in learned:
                continue
            if self.terms.strategy == "fedadam":
                after[name] = mean[name]  # a running mean is no weight to take steps with
            elif self.terms.noise and name.endswith("running_var"):
                after[name] = np.maximum(after[name], LEAST_VARIANCE)
        return {name: after[name] for name in state}, float(metrics["loss"])

    def _validate(self, number: int, state: State, strategy: Strategy) -> tuple[float, dict[str, float]]:
        """The loss and the scores on the sites' validation rows, each counting by its rows."""
        here = self.grid.there()
        self.grid.taking = [node for node in self.grid.taking if node in here and here[node] == self.begun.get(node)]
        if not self.grid.taking:
            return np.inf, {}
        messages = list(strategy.configure_evaluate(number, as_record(state), ConfigRecord(), self.grid))
        wanted = {"loss"} | {
            f"{name}/{SCORES[c.task]}" for name, c in self.agreement.coders.items() if c.task in SCORES
        }
        totals: dict[str, list[tuple[float, int]]] = {}
        for reply in self.grid.send_and_receive(messages, timeout=self.terms.timeout):
            node = reply.metadata.src_node_id
            if reply.has_error():
                self.grid.refuse(node, reply.error.reason)
                continue
            for name, value in reply.content.metric_records.get(METRICS, {}).items():
                if name in wanted and isinstance(value, float) and np.isfinite(value):
                    totals.setdefault(name, []).append((value, self.valid[node]))
        means = {name: sum(v * n for v, n in told) / sum(n for _, n in told) for name, told in totals.items()}
        return means.pop("loss", np.inf), means

    def _line(self, row: Mapping[str, Any]) -> str:
        scores = "".join(f", {n.split('/')[1]} {v:.3f}" for n, v in row.items() if "/" in n)
        return (
            f"round {row['epoch']} of {self.terms.rounds}: {row['sites']} sites, loss {row['train_loss']:.3f}, "
            f"validation {row['valid_loss']:.3f}{scores}; {(row['sent'] + row['received']) / 1e6:.1f} MB."
        )

    def _finish(self, state: State, history: list[dict], scores: Mapping[str, float], seconds: float) -> Predictor:
        """The predictor, here and at every site that is there."""
        agreement, terms = self.agreement, self.terms
        targets = {name: _scores(coder, scores) for name, coder in agreement.coders.items()}
        warnings = [] if not terms.noise else [self._privacy()]
        metrics = {
            "targets": targets, "warnings": warnings, "stopped": "all rounds done", "refit": False,
            "seconds": {"reading": 0.0, "wide": 0.0, "training": seconds, "probes": 0.0, "total": seconds},
        }  # fmt: skip
        sites = {self.grid.names[node]: {"rows": self.rows[node], "inputs": self.inputs[node]} for node in self.rows}
        record = {"terms": terms.model_dump(), "sites": sites, "refused": [list(pair) for pair in self.grid.refused]}
        told = {"metrics": metrics, "history": history, "federated": {"terms": record["terms"]}}
        here = [node for node in self.begun if node in self.grid.there()]
        kept = self._ask("query.finish", here, told, as_record(state))
        calibration = {name: self._calibration(name, kept) for name in agreement.coders}
        self.grid.close()
        for warning in warnings:
            self.say(f"warning: {warning}")
        set_state(self.model, state)
        merge_lora(self.model)
        run = {
            "seed": agreement.config.training.seed, "precision": "32", "problems": 0, "data": {},
            "rows": {"train": sum(self.rows.values()), "valid": sum(self.valid.values())},
            "versions": {"python": platform.python_version(), **{name: version(name) for name in VERSIONS}}, "federated": record,
        }  # fmt: skip
        return Predictor(
            agreement.config, agreement.schema, agreement.readers, agreement.coders, self.model.eval(), metrics,
            pd.DataFrame(history), Problems().frame(), run, calibration,
        )  # fmt: skip

    def _calibration(self, name: str, kept: Mapping[int, dict]) -> Calibration:
        """The temperature or the deviation of a target, of the sites' own, each counting by its validation rows."""
        found: dict[str, list[tuple[float, int]]] = {"temperature": [], "deviation": []}
        for node, told in kept.items():
            for kind, values in found.items():
                value = told.get("calibration", {}).get(name, {}).get(kind)
                if isinstance(value, float) and 0 < value < np.inf:
                    values.append((value, self.valid[node]))
        temperature, deviation = (
            tuple(np.array(part, dtype=float) for part in zip(*values, strict=True)) if values else None
            for values in found.values()
        )
        return Calibration(
            1.0 if temperature is None else float(np.exp(np.average(np.log(temperature[0]), weights=temperature[1]))),
            None if deviation is None else float(np.sqrt(np.average(deviation[0] ** 2, weights=deviation[1]))),
        )

    def _privacy(self) -> str:
        terms = self.terms
        epsilon = epsilon_of(terms.noise, terms.delta, terms.rounds)
        return f"what {terms.rounds} rounds tell of any one site is ({epsilon:.3g}, {terms.delta:g})-differentially private."


def _mean(states: list[State], rows: list[int]) -> State:
    total = float(sum(rows))
    return {n: sum(s[n] * np.float32(r / total) for s, r in zip(states, rows, strict=True)) for n in states[0]}


def _reply(node: int, state: State, rows: int, loss: float) -> Message:
    """A checked update as the message that Flower's strategies read."""
    asked = Message(RecordDict(), dst_node_id=node, message_type="train")
    content = RecordDict({ARRAYS: as_record(state), METRICS: MetricRecord({"num-examples": rows, "loss": loss})})
    return Message(content, reply_to=asked)


def _scores(coder: TargetCoder, scores: Mapping[str, float]) -> dict[str, Any]:
    """The scores of a target as a fit has them; without intervals, since the rows are apart."""
    found = {
        name.removeprefix(f"{coder.name}/"): {"value": value, "low": value, "high": value}
        for name, value in scores.items()
        if name.startswith(f"{coder.name}/")
    }
    return {"task": coder.task, "main": MAIN[coder.task], "valid": found, "majority": {}}
