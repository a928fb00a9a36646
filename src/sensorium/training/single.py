"""A network of the one input that does better by itself: trained after the joint one, and mixed with it."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sensorium.build import build_model
from sensorium.config import Config
from sensorium.data.batches import EpochSampler, Rows
from sensorium.data.targets import TargetCoder
from sensorium.encoders.rows import present_rows
from sensorium.model import MultimodalModel
from sensorium.single import Single
from sensorium.training.augment import kinds
from sensorium.training.domain import DomainAlignment
from sensorium.training.loop import train
from sensorium.training.parts import part_of
from sensorium.training.shares import fit_shares
from sensorium.training.start import Start
from sensorium.training.widen import Widened

__all__ = ["keep_single"]

BELIEF, DOUBT = 0.5, 0.5  # the share's mean and deviation before the validation rows are seen


def keep_single(
    model: MultimodalModel,
    modality: str,
    rows: Rows,
    valid: Rows,
    coders: Mapping[str, TargetCoder],
    config: Config,
    folder: Path,
    resume: bool,
    seconds: float | None = None,
    widened: Widened | None = None,
    sampler: EpochSampler | None = None,
    say: Callable[[str], None] = lambda _: None,
    report: Callable[[dict[str, Any]], None] = lambda _: None,
    start: Start | None = None,
    alignment: DomainAlignment | None = None,
) -> None:
    """Train a network of `modality` alone and make it a part of `model`, with the share that the validation rows give.

    Args:
        model: trained.
        modality: one of its own.
        rows, valid: to learn from; to choose the epoch and the share by.
        coders: of the targets.
        config: of the joint model, complete.
        folder: for checkpoints of this training.
        resume: go on from them.
        seconds: that it may take; None: as many as it needs.
        widened: the wide part beside both networks.
        sampler: as for `train`.
        say, report: called with lines of text, and with numbers after each step.
        start: a run whose weights are started from.
        alignment: of the joint network's domains; the new one's own are aligned in the same way.
    """
    own = config.model_copy(update={"inputs": {modality: config.inputs[modality]}})
    torch.manual_seed(config.training.seed)
    network = build_model(own, {modality: rows.readers[modality]}, coders)
    if start is not None and modality in start.run.model.modalities:
        start.apply(network)
    single = Single(network)
    if modality in model.frozen:  # of the same weights, from its own files or from `start`
        single.borrow(model)
    weights = {name: target.weight for name, target in config.targets.items()}
    started, options = time.monotonic(), config.training
    if seconds is not None:
        options = options.model_copy(update={"time_limit": seconds})
    only = rows.only(modality)
    train(
        network, only, valid.only(modality), options, folder, kinds(only.readers), weights, started,
        part_of(report, f"'{modality}' alone"), resume, sampler, widened=widened,
        alignment=None if alignment is None else alignment.only(modality, network.fusion.width), say=say,
    )  # fmt: skip
    _share(single, model, valid, coders, max(config.training.batch_size, 32), widened)
    model.single = single.eval()
    for name in model.targets:
        say(f"target '{name}': the network of '{modality}' by itself makes {single.share(name):.2f} of the answer.")


@torch.no_grad()
def _share(
    single: Single,
    model: MultimodalModel,
    valid: Rows,
    coders: Mapping[str, TargetCoder],
    size: int,
    widened: Widened | None,
) -> None:
    """Each target's share, by the validation rows."""
    said: dict[str, list[tuple[np.ndarray, ...]]] = {name: [] for name in model.targets}
    for batch in valid.batches(size):
        joint = model(batch.inputs)
        own = single.network.heads_of(single.network.encode({single.modality: batch.inputs[single.modality]}))
        there = present_rows(batch.inputs[single.modality].mask)
        zeros = {name: torch.zeros_like(logits) for name, logits in joint.items()}
        beside = zeros if widened is None else widened.valid.add(zeros, batch.rows, batch.inputs)
        for name in model.targets:
            parts = (joint[name], own[name], beside[name])
            said[name].append((*(part.float().reshape(len(there), -1).numpy() for part in parts), there.numpy()))
    for name, parts in said.items():
        values, mask = valid.targets[name]
        if mask.any():
            joint, own, beside, there = (np.concatenate(part)[mask] for part in zip(*parts, strict=True))
            single.set_share(name, *_best(coders[name].task, joint, own, beside, there, values[mask]))


def _best(
    task: str, joint: np.ndarray, own: np.ndarray, beside: np.ndarray, there: np.ndarray, target: np.ndarray
) -> list[float]:
    def answer(share: np.ndarray) -> np.ndarray:
        part = share * there[:, None]
        return (1 - part) * joint + part * own + beside

    return fit_shares(task, answer, target, (BELIEF,), DOUBT, most=1.0)
