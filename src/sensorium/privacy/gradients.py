"""The gradient of each row's own loss, over all of its inputs and by every parameter that learns."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.func import functional_call, grad_and_value, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from sensorium.encoders.features import Features, Input
from sensorium.encoders.graph import as_graph
from sensorium.errors import ConfigError
from sensorium.model import MultimodalModel

__all__ = ["RowGradients", "choose_gradients", "one_by_one", "together"]

Targets = Mapping[str, tuple[Tensor, Tensor]]
RowGradients = Callable[
    [MultimodalModel, Mapping[str, Input], Targets, Mapping[str, float]], tuple[dict[str, Tensor], Tensor]
]


def together(
    model: MultimodalModel, inputs: Mapping[str, Input], targets: Targets, weights: Mapping[str, float]
) -> tuple[dict[str, Tensor], Tensor]:
    """All rows at once: the loss of a batch of one, vectorised, so that no row can touch another's by construction.

    Args:
        model: in training mode or not.
        inputs, targets: of a batch of B rows.
        weights: of each target's loss.

    Returns:
        by parameter, gradients (B, *shape); the losses (B,).

    Raises:
        RuntimeError: torch's, of a network in which what is computed depends on the values.
    """
    # What a mask hides is computed here, too, and comes to nothing: but nothing times infinity would be no number.
    rows = {name: _tensors(Input(_hidden(given), given.mask, given.known)) for name, given in inputs.items()}

    def loss(parameters: dict[str, Tensor], row: dict[str, tuple[Tensor, ...]], target: Targets) -> Tensor:
        alone = {name: _input([part[None] for part in parts]) for name, parts in row.items()}
        said = functional_call(model, parameters, (alone,))
        return model.loss(said, {name: (value[None], mask[None]) for name, (value, mask) in target.items()}, weights)

    parameters = {name: value.detach() for name, value in _learning(model).items()}
    with as_graph(), sdpa_kernel(SDPBackend.MATH):  # the others are computed row by row here
        each = vmap(grad_and_value(loss), in_dims=(None, 0, 0), randomness="different")
        gradients, losses = each(parameters, rows, dict(targets))
    return gradients, losses


def one_by_one(
    model: MultimodalModel, inputs: Mapping[str, Input], targets: Targets, weights: Mapping[str, float]
) -> tuple[dict[str, Tensor], Tensor]:
    """As `together`, a batch of one after another: of any network, and several times slower."""
    named = _learning(model)
    found: dict[str, list[Tensor]] = {name: [] for name in named}
    losses = []
    for place in range(len(next(iter(inputs.values())).mask)):
        row = slice(place, place + 1)
        alone = {name: _input([part[row] for part in _tensors(given)]) for name, given in inputs.items()}
        target = {name: (value[row], mask[row]) for name, (value, mask) in targets.items()}
        loss = model.loss(model(alone), target, weights)
        gradients = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
        for (name, parameter), gradient in zip(named.items(), gradients, strict=True):
            found[name].append(torch.zeros_like(parameter) if gradient is None else gradient)
        losses.append(loss.detach())
    return {name: torch.stack(each) for name, each in found.items()}, torch.stack(losses)


def choose_gradients(
    model: MultimodalModel, inputs: Mapping[str, Input], targets: Targets, weights: Mapping[str, float]
) -> tuple[RowGradients, str | None]:
    """How the gradients of a model's rows are computed, tried on a batch: all together where it can be.

    Returns:
        the function, and why it is the slower one; None where it is not.

    Raises:
        ConfigError: a layer keeps numbers of the rows beside its parameters, which no noise would cover.
    """
    mode, kept = model.training, {name: (value, value.clone()) for name, value in model.named_buffers()}
    model.train()
    try:
        try:
            together(model, inputs, targets, weights)
        except RuntimeError as error:  # torch's for all that can't be vectorised
            reason = str(error).strip().splitlines()[0][:200]
            one_by_one(model, inputs, targets, weights)
            chosen = one_by_one, reason
        else:
            chosen = together, None
        changed = [
            name
            for name, value in model.named_buffers()
            if value is not kept[name][0] or not value.equal(kept[name][1])
        ]
        if changed:
            path, _, buffer = changed[0].rpartition(".")
            raise ConfigError(
                f"the layer '{path}' ({type(model.get_submodule(path)).__name__}) keeps numbers of the rows it has seen "
                f"('{buffer}'), which the noise of privacy.epsilon does not cover. Take another encoder, fusion or head, or "
                "a layer without them, such as nn.GroupNorm."
            )
    finally:
        model.train(mode)
        for name, (value, before) in kept.items():
            path, _, buffer = name.rpartition(".")
            setattr(model.get_submodule(path), buffer, value.copy_(before))
    return chosen


def _learning(model: MultimodalModel) -> dict[str, Tensor]:
    return {name: value for name, value in model.named_parameters() if value.requires_grad}


def _hidden(given: Input) -> Tensor:
    """The values, 0 where they are masked."""
    spread = given.mask.reshape(*given.mask.shape, *[1] * (given.values.dim() - given.mask.dim()))
    return given.values.masked_fill(~spread, 0)


def _tensors(given: Input) -> tuple[Tensor, ...]:
    return (given.values, given.mask) if given.known is None else (given.values, given.mask, *given.known)


def _input(parts: list[Tensor]) -> Input:
    return Input(*parts[:2], None if len(parts) == 2 else Features(*parts[2:]))
