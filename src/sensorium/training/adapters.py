"""What of a network learns when it goes on with another table: its heads, low-rank adapters, or everything."""

from collections.abc import Iterable

from torch import nn

from sensorium.encoders import Pretrained
from sensorium.fusion.attention import CrossBlock
from sensorium.pretrained.lora import inject_lora, peft_for

__all__ = ["ALPHA", "RANK", "TRAIN", "hold", "learning"]

TRAIN = ("heads", "lora", "all")
RANK, ALPHA = 8, 16.0


def hold(model: nn.Module, known: Iterable[nn.Module], unused: Iterable[nn.Module], train: str) -> None:
    """Let learn what `train` says, of the parts that come from another run; all others learn as they are.

    What has weights none of which learns is marked `rests`: it is in eval mode while others are trained, so that nothing is
    dropped there and no batch norm drifts.

    Reference:
        Hu et al. 2021, LoRA: W x + alpha / rank * B A x on every linear layer, with B = 0 at first.

    Args:
        model: with all these parts.
        known: parts that go on.
        unused: those of inputs that no row has; they stay as they are.
        train: heads: nothing of the parts; lora: an adapter on each of their linear layers; all: everything.

    Raises:
        ConfigError: PEFT is not installed, which lora needs.
    """
    known, unused = list(known), list(unused)
    own = [weight for part in known for name, weight in part.named_parameters() if "lora_" in name]
    for part in [*unused, *(known if train != "all" else [])]:
        part.requires_grad_(False)
    if train == "lora":
        for weight in own:  # adapters that a pretrained encoder has by itself
            weight.requires_grad_(True)
        _add_lora(model, {id(layer) for part in known for layer in _linear(part)})
    for part in [*unused, *known]:
        for inner in part.modules():
            if isinstance(inner, Pretrained):  # what is let loose later, and what a checkpoint must hold
                inner.thawed = [weight for weight in inner.body.parameters() if weight.requires_grad]
            weights = list(inner.parameters())
            inner.rests = bool(weights) and not any(weight.requires_grad for weight in weights)


def learning(model: nn.Module) -> float:
    """The share of a network's weights that learn."""
    counts = [(weight.numel(), weight.requires_grad) for weight in model.parameters()]
    return sum(count for count, learns in counts if learns) / sum(count for count, _ in counts)


def _linear(part: nn.Module) -> list[nn.Linear]:
    """The linear layers of a part that may learn: none of a frozen pretrained network, or that has an adapter already."""
    left_out: set[nn.Module] = set()
    for inner in part.modules():
        if isinstance(inner, Pretrained) and inner.frozen:
            left_out.update(inner.body.modules())
        elif isinstance(inner, CrossBlock):  # it reads the layer's weight, and would pass an adapter by
            left_out.add(inner.qkv)
        elif hasattr(inner, "lora_A"):
            left_out.update(inner.modules())
    return [inner for inner in part.modules() if isinstance(inner, nn.Linear) and inner not in left_out]


def _add_lora(model: nn.Module, layers: set[int]) -> None:
    peft = peft_for("train=lora (--train lora)", "; heads and all do without.")
    learns = {name: weight.requires_grad for name, weight in model.named_parameters()}
    paths = [path for path, part in model.named_modules() if id(part) in layers]
    inject_lora(model, paths, RANK, ALPHA, 0.0, peft)
    for name, weight in model.named_parameters():  # PEFT lets nothing but its adapters learn
        weight.requires_grad_(learns.get(name, "lora_" in name and ".base_layer." not in name))
