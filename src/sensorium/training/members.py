"""The networks of an ensemble: trained one after another on the same rows, weighed by the validation rows, made one."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors.torch import load_file
from safetensors.torch import save as save_tensors

from sensorium.baselines.stacking import log_loss
from sensorium.build import build_model
from sensorium.config import Config, member_config
from sensorium.data.batches import EpochSampler, Rows
from sensorium.data.table import write_atomically
from sensorium.data.targets import TargetCoder
from sensorium.encoders import Pretrained
from sensorium.ensemble.committee import committee_of
from sensorium.ensemble.selection import select
from sensorium.errors import ConfigError, TrainingError
from sensorium.export.archive import read_json, write_json
from sensorium.model import MultimodalModel
from sensorium.training.augment import kinds
from sensorium.training.balance import build_balancer
from sensorium.training.loop import Trained, train
from sensorium.training.parts import part_of
from sensorium.training.shares import fit_shares
from sensorium.training.widen import DOUBT, Widened

__all__ = ["check_members", "seconds_for", "train_members"]

FIRST = 0.6  # of the time that is left: the first network is the configuration's own and must be good by itself
LEAST = 1.0  # s; training anything takes longer
JUDGED = 2000  # validation rows that weights are chosen by; more hardly change them
COUNTS = 0.01  # a network with a smaller share of every target's answer is left out
ANEW = ("auto", "gan")  # methods of imbalance that train one head anew


class Candidate(NamedTuple):
    """A network and what the validation rows say of it.

    place: in the ensemble. shares: by target, of its own logits and of the linear part's. answers: by target, the logits
    of both together, (N, K).
    """

    place: int
    network: MultimodalModel
    trained: Trained
    seconds: float
    shares: dict[str, tuple[float, float]]
    answers: dict[str, np.ndarray]


def check_members(config: Config, coders: Mapping[str, TargetCoder], started: bool) -> None:
    """Refuse what several networks can't do together.

    Args:
        config: complete.
        coders: of the targets.
        started: the fit starts from another run.

    Raises:
        ConfigError: for one of the reasons.
    """
    if not config.ensemble.members:
        return
    faults = {
        "it starts from another run, which is one network": started,
        f"imbalance.method={config.imbalance.method} trains one network's head anew": config.imbalance.method in ANEW,
        "the section domain aligns one network": config.domain.column is not None,
        "a target is of texts": any(not coder.outputs for coder in coders.values()),
    }
    for fault, there in faults.items():
        if there:
            raise ConfigError(f"an ensemble can't be fitted here: {fault}. Leave that or the section ensemble out.")


def seconds_for(left: float | None, done: Sequence[float]) -> float | None:
    """How long the next network may take; 0: there is no time for another; None: as long as it needs.

    Args:
        left: s for all that are to come; None: there is no limit.
        done: s that each network before took.
    """
    if left is None:
        return None
    if not done:
        return max(LEAST, FIRST * left)
    return left if left >= max(LEAST, *done) else 0.0


def train_members(
    first: MultimodalModel,
    rows: Rows,
    valid: Rows,
    coders: Mapping[str, TargetCoder],
    config: Config,
    folder: Path,
    resume: bool,
    deadline: float | None,
    widened: Widened | None,
    sampler: Callable[[Config], EpochSampler | None],
    say: Callable[[str], None],
    report: Callable[[dict[str, Any]], None],
) -> tuple[MultimodalModel, Trained, dict[str, Any]]:
    """Train the networks of `config.ensemble` for as long as there is time, and make those that help one model.

    Args:
        first: a network of the configuration, whose frozen pretrained bodies are taken; else it is not used.
        rows, valid: to learn from; to choose epochs and weights by.
        coders: of the targets.
        config: complete, with the precision to train in.
        folder: for checkpoints, and for networks that are done, which are not trained again on resuming.
        resume: go on from them.
        deadline: of `time.monotonic`.
        widened: the linear part beside all of them; its shares are set.
        sampler: makes that of the rows' order for a network's configuration.
        say, report: called with lines of text, and with numbers after each step.

    Returns:
        the model, the training of its heaviest network, and for the run's metrics: members (a dict each), untrained.

    Raises:
        TrainingError: the first network can't be trained; another one is left out.
    """
    size, count = max(config.training.batch_size, 32), len(config.ensemble.members)
    found: list[Candidate] = []
    picked: dict[str, np.ndarray] = {}
    for place in range(count):
        left = None if deadline is None else deadline - time.monotonic()
        seconds = seconds_for(left, [candidate.seconds for candidate in found])
        if seconds == 0:
            say(f"there is no time left for {count - place} of the ensemble's {count} networks.")
            break
        own = member_config(config, place)
        try:
            network, trained, took = _trained(
                first, rows, valid, coders, own, folder / f"member-{place + 1}", resume, seconds, widened, sampler(own),
                say, part_of(report, f"network {place + 1} of {count}"),
            )  # fmt: skip
        except TrainingError as error:
            if not found:
                raise
            say(f"network {place + 1} of {count} is left out: {error}")
            continue
        heard = _heard(network, valid, coders, widened, size)
        found.append(Candidate(place, network, trained, took, *_judged(heard, coders, widened)))
        picked = {name: _picked(name, found, heard, coders, widened, picked.get(name)) for name in heard}
        say(
            f"network {place + 1} of {count}: {len(trained.history)} epochs, {took:.0f} s; {_said(picked, len(found))}."
        )
    model, told = _made_one(found, picked, coders, widened, heard)
    heaviest = max(range(len(found)), key=lambda at: max((shares[at] for shares in picked.values()), default=0.0))
    return model, found[heaviest].trained, {"members": told, "untrained": count - len(found)}


def _trained(
    first: MultimodalModel,
    rows: Rows,
    valid: Rows,
    coders: Mapping[str, TargetCoder],
    config: Config,
    folder: Path,
    resume: bool,
    seconds: float | None,
    widened: Widened | None,
    sampler: EpochSampler | None,
    say: Callable[[str], None],
    report: Callable[[dict[str, Any]], None],
) -> tuple[MultimodalModel, Trained, float]:
    """One network, how it was trained and how long that took; one that is done is loaded."""
    started, options = time.monotonic(), config.training
    torch.manual_seed(options.seed)
    network = build_model(config, rows.readers, coders, beside=first)
    done, weights = folder / "done.json", folder / "done.safetensors"
    if resume and done.exists():
        network.load_state_dict(load_file(weights), strict=False)
        told = read_json(done)
        return network.eval(), Trained(told["reason"], told["history"], told["warnings"]), told["seconds"]
    if seconds is not None:
        options = options.model_copy(update={"time_limit": seconds / 0.85})  # `train` ends a little before its limit
    balancer = None if config.balance.method == "auto" else build_balancer(config, network, coders)
    trained = train(
        network, rows, valid, options, folder, kinds(rows.readers),
        {name: target.weight for name, target in config.targets.items()}, started, report, resume, sampler, balancer,
        widened if widened is not None and widened.stance.hidden is not None else None, say=say,
    )  # fmt: skip
    took = time.monotonic() - started
    frozen = tuple(
        f"{path}.body." for path, part in network.named_modules() if isinstance(part, Pretrained) and part.frozen
    )
    state = network.state_dict()
    kept = {name: value.contiguous() for name, value in state.items() if not name.startswith(frozen)}
    write_atomically(weights, save_tensors(kept))
    write_json(
        done, {"reason": trained.reason, "history": trained.history, "warnings": trained.warnings, "seconds": took}
    )
    return network, trained, took


Heard = dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]  # by target: logits of network and linear part, values


@torch.no_grad()
def _heard(
    network: MultimodalModel,
    valid: Rows,
    coders: Mapping[str, TargetCoder],
    widened: Widened | None,
    size: int,
) -> Heard:
    """What a network and the linear part say of the validation rows, of targets with a value in some of them."""
    network.eval()
    said: dict[str, list[tuple[np.ndarray, ...]]] = {name: [] for name in coders}
    for batch in valid.batches(size):
        logits = {name: z.float() for name, z in network(batch.inputs).items()}
        nothing = {name: torch.zeros_like(z) for name, z in logits.items()}
        beside = nothing if widened is None else widened.valid.add(nothing, batch.rows, batch.inputs)
        for name, (values, mask) in batch.targets.items():
            parts = (logits[name], beside[name], values)
            said[name].append(tuple(part[mask].numpy() for part in parts))
    found: Heard = {}
    for name, parts in said.items():
        own, wide, values = (np.concatenate(part) for part in zip(*parts, strict=True))
        if len(values):
            chosen = np.linspace(0, len(values) - 1, min(len(values), JUDGED)).astype(int)
            rows = own.reshape(len(own), -1), wide.reshape(len(wide), -1), values
            found[name] = tuple(part[chosen] for part in rows)
    return found


def _judged(
    heard: Heard, coders: Mapping[str, TargetCoder], widened: Widened | None
) -> tuple[dict[str, tuple[float, float]], dict[str, np.ndarray]]:
    """The shares of a network and of the linear part beside it, and what they say together; by target."""
    shares, answers = {}, {}
    for name, (own, wide, values) in heard.items():
        beside = widened is not None and name in widened.wide.targets
        belief = widened.stance.belief if beside else (1.0,)

        def both(parts: np.ndarray, own=own, wide=wide) -> np.ndarray:
            return parts[0] * own + (parts[1] * wide if len(parts) > 1 else 0.0)

        found = fit_shares(coders[name].task, both, values, belief, DOUBT)
        shares[name] = (found[0], found[1] if beside else 0.0)
        answers[name] = both(np.array(found))
    return shares, answers


def _picked(
    name: str,
    found: Sequence[Candidate],
    heard: Heard,
    coders: Mapping[str, TargetCoder],
    widened: Widened | None,
    before: np.ndarray | None,
) -> np.ndarray:
    """The share of each network in the answers to a target; of a target with a linear part, that of it alone at the end."""
    _, wide, values = heard[name]
    answers = [candidate.answers[name] for candidate in found]
    if widened is not None and name in widened.wide.targets:
        answers.append(_alone(name, wide, values, coders) * wide)
        before = None if before is None else np.insert(before, len(before) - 1, 0.0)
    elif before is not None:
        before = np.append(before, 0.0)
    return select(np.stack(answers), lambda logits: log_loss(coders[name].task, logits, values), before)


def _alone(name: str, wide: np.ndarray, values: np.ndarray, coders: Mapping[str, TargetCoder]) -> float:
    """What the linear part's logits should be multiplied by where it answers alone."""
    return fit_shares(coders[name].task, lambda parts: parts[0] * wide, values, (1.0,), DOUBT)[0]


def _said(picked: Mapping[str, np.ndarray], count: int) -> str:
    """How far each of `count` networks counts, in words."""
    parts = [
        f"of '{name}' " + " + ".join(f"{share:.2f}" for share in shares[:count])
        + (f" + {shares[-1]:.2f} the linear part's alone" if len(shares) > count else "")
        for name, shares in picked.items()
    ]  # fmt: skip
    return f"networks' shares {', '.join(parts)}"


def _made_one(
    found: Sequence[Candidate],
    picked: Mapping[str, np.ndarray],
    coders: Mapping[str, TargetCoder],
    widened: Widened | None,
    heard: Heard,
) -> tuple[MultimodalModel, list[dict[str, Any]]]:
    """A model of the networks that count, the shares of the linear part set; and what is to be told of each network."""
    even = np.full(len(found), 1 / len(found))  # of a target that no validation row has
    shares = {name: picked.get(name, even) for name in coders}
    kept = [at for at in range(len(found)) if max(own[at] for own in shares.values()) >= COUNTS] or [0]
    networks = [found[at].network for at in kept]
    weights: dict[str, list[float]] = {}
    for name, own in shares.items():
        total = sum(own[at] for at in kept) + own[len(found) :].sum()
        own = own / total if total > 0 else own
        parts = [found[at].shares.get(name, (1.0, 0.0)) for at in kept]
        weights[name] = [float(own[at] * part[0]) for at, part in zip(kept, parts, strict=True)]
        if widened is not None and name in widened.wide.targets and name in heard:
            wide = sum(own[at] * part[1] for at, part in zip(kept, parts, strict=True))
            wide += own[-1] * _alone(name, *heard[name][1:], coders)
            network = 1.0 if len(kept) > 1 else weights[name][0]
            widened.wide.set_shares(name, network if any(weights[name]) else 0.0, float(wide))
    model = networks[0] if len(kept) == 1 else committee_of(networks, weights)
    model.members = tuple(found[at].place for at in kept)
    if widened is not None:
        model.wide = widened.wide
    told = [
        {
            "member": one.place + 1, "epochs": len(one.trained.history), "seconds": one.seconds,
            "shares": {name: float(own[at]) for name, own in shares.items()},
        }
        for at, one in enumerate(found)
    ]  # fmt: skip
    return model.eval(), told
