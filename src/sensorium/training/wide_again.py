"""The wide part of a run that goes on with other rows."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from sensorium.baselines.stacking import added, blocks, fit_stack
from sensorium.baselines.wide import Wide
from sensorium.data.batches import Rows
from sensorium.data.targets import TargetCoder
from sensorium.evaluation.answers import logits_of
from sensorium.model import MultimodalModel
from sensorium.training.shares import fit_shares
from sensorium.training.widen import Beside, Stance, Widened, final_layer, kept_out, learnable

__all__ = ["grown", "widen_again"]

TOGETHER = Stance(0.5, (1.0, 1.0), begins=False)
BELIEF = (1.0, 1.0, 0.0)  # shares of the run's network, its wide part and a new one, before the rows are seen
DOUBT = 1.0  # each share's deviation from it: the rows may be of another kind
BATCH = 32


@torch.no_grad()
def widen_again(
    model: MultimodalModel,
    old: Wide | None,
    rows: Rows,
    valid: Rows,
    coders: Mapping[str, TargetCoder],
    known: Sequence[str],
    seconds: float | None,
) -> Widened | None:
    """The run's wide part and one of the new rows, each as far as it answers these; None where there is neither.

    The run has seen none of the new rows, and the new part is asked of rows that it was kept from (`fit_stack`): so the
    training rows say how far the run's network, its wide part and the new one count. With too few for a new one, the
    answers are the run's. Features are the run's; of new inputs, new ones.

    Args:
        model: with the run's network, whose heads are scaled by its share.
        old: the run's wide part.
        rows, valid: to learn from, and to validate with.
        coders: of all targets; known: those that the run has.
        seconds: that it may take, about; None: as many as it needs.
    """
    chosen = learnable(rows, valid, coders, seconds)
    kept = [name for name in (() if old is None else old.targets) if name in known]
    names = [name for name in coders if name in chosen or name in kept]
    if not names:
        return None
    wide = Wide(rows.readers, names, tuple(rows.known))
    if chosen:
        wide.features.fit(rows, np.unique(np.concatenate(list(chosen.values()))))
    theirs = {} if old is None else dict(zip(old.features.groups, old.features.parts, strict=True))
    for group, part in zip(wide.features.groups, wide.features.parts, strict=True):
        if group in theirs:
            part.load_state_dict(theirs[group].state_dict())
    features, others = (wide.features.matrix(part, np.arange(len(part))) for part in (rows, valid))
    asked = [name for name in chosen if name in known]
    network = logits_of(model, rows, BATCH) if asked else {}
    network = {name: network[name].reshape(len(rows), -1).numpy() for name in asked}
    train_said, valid_said, final = {}, {}, {}
    for name in names:
        outputs = coders[name].outputs
        weight, bias, share = _layer_of(old, name, wide, outputs) if name in kept else _nothing(wide, outputs)
        said, level = added(features, weight), np.tile(bias, (len(rows), 1))
        if name in chosen:
            places, task = chosen[name], coders[name].task
            own = {key: part[places] for key, part in features.items()}
            target = rows.targets[name][0][places]
            stack = fit_stack(task, own, target, outputs)
            new, new_level = kept_out(stack, features, places)
            voices = [
                share * network[name] if name in network else 0 * level,
                said.sum(1) + level,
                new.sum(1) + new_level,
            ]
            heard = np.stack([voice[places] for voice in voices])  # (3, N, K)
            of_network, of_old, of_new = fit_shares(
                task, lambda shares, heard=heard: np.tensordot(shares, heard, 1), target, BELIEF, DOUBT
            )
            last, last_bias = final_layer(stack, coders[name], (rows, features), (valid, others), places)
            final[name] = of_old * weight + of_new * last, of_old * bias + of_new * last_bias
            weight, bias = of_old * weight + of_new * stack.weight, of_old * bias + of_new * stack.bias
            said, level = of_old * said + of_new * new, of_old * level + of_new * new_level
            share *= of_network
        wide.set_layer(name, weight, bias)
        if name in known:
            _scale(model, name, share)
        train_said[name] = said, level
        valid_said[name] = added(others, weight), np.tile(bias, (len(valid), 1))
    inputs = list(wide.features.source.values())
    tasks = {name: coders[name].task for name in names}
    return Widened(wide.eval(), Beside(inputs, train_said), Beside(inputs, valid_said), tasks, TOGETHER, final)


def grown(weight: Tensor, bias: Tensor, outputs: int) -> tuple[Tensor, Tensor]:
    """A linear layer with more outputs; each new one says the mean of the others, so that it neither leads nor lags.

    One logit of two classes becomes two, of which it is the difference.
    """
    if len(bias) == 1 and outputs > 1:
        weight, bias = (torch.cat([-part / 2, part / 2]) for part in (weight, bias))
    more = outputs - len(bias)
    weight = torch.cat([weight, weight.mean(0, keepdim=True).expand(more, -1)])
    return weight, torch.cat([bias, bias.mean().expand(more)])


def _layer_of(old: Wide, name: str, wide: Wide, outputs: int) -> tuple[np.ndarray, np.ndarray, float]:
    """The run's layer on the features of `wide`, times its share; and the share of the run's network."""
    layer, (network, share) = old.layers[old.targets.index(name)], old.shares(name)
    weight, bias = grown(share * layer.weight, share * layer.bias, outputs)
    places = dict(zip(old.features.groups, blocks(old.features.sizes), strict=True))
    columns = [
        weight[:, places[group]] if group in places else weight.new_zeros(outputs, size)
        for group, size in zip(wide.features.groups, wide.features.sizes, strict=True)
    ]
    return torch.cat(columns, 1).numpy(), bias.numpy(), network


def _nothing(wide: Wide, outputs: int) -> tuple[np.ndarray, np.ndarray, float]:
    return np.zeros((outputs, sum(wide.features.sizes))), np.zeros(outputs), 1.0


def _scale(model: MultimodalModel, target: str, share: float) -> None:
    for network in (model, *([] if model.single is None else [model.single.network])):
        for parameter in network.head(target).linear.parameters():
            parameter.mul_(share)
