"""Low-rank adapters by PEFT: put into a network for its training, and merged into its weights after it."""

import re
import warnings
from collections.abc import Iterable
from typing import Any

from torch import nn

from sensorium.errors import ConfigError, imported_for

__all__ = ["add_lora", "inject_lora", "merge_lora", "peft_for"]


def peft_for(purpose: str, more: str = "") -> Any:
    """The library PEFT.

    Raises:
        ConfigError: it is not installed; the message begins with `purpose` and ends with `more`.
    """
    with imported_for(purpose, "PEFT", "pretrained", more):
        import peft
    return peft


def inject_lora(network: nn.Module, paths: Iterable[str], rank: int, alpha: float, dropout: float, peft: Any) -> None:
    """Put an adapter on each of the layers at `paths`; what learns is left to be said."""
    options = peft.LoraConfig(
        r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules="|".join(map(re.escape, paths))
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PEFT's advice on fan-in, and on adapters that are there already
        peft.inject_adapter_in_model(options, network)


def add_lora(network: nn.Module, rank: int, alpha: float, dropout: float = 0.0, name: str = "") -> None:
    """Give every linear layer of a network an adapter: W x + alpha / rank * B A x (Hu et al. 2021); only those learn.

    The layer that a language model says its tokens with gets none.

    Args:
        network: of torch's layers, or of transformers.
        rank, alpha: of the adapters.
        dropout: on what they read.
        name: of the model, for messages.

    Raises:
        ConfigError: PEFT is not installed, or the network has no linear layer.
    """
    peft = peft_for("train: lora", f" (model '{name}')")
    from transformers.pytorch_utils import Conv1D  # which PEFT needs as well

    last = network.get_output_embeddings() if hasattr(network, "get_output_embeddings") else None
    kinds = nn.Linear | Conv1D  # GPT-2's layers are of the latter
    linear = [path for path, part in network.named_modules() if isinstance(part, kinds) and part is not last]
    if not linear:
        raise ConfigError(f"model '{name}' has no linear layers to adapt. Say train: top:1, all or frozen.")
    inject_lora(network, linear, rank, alpha, dropout, peft)
    for path, parameter in network.named_parameters():
        parameter.requires_grad_("lora_" in path)


def merge_lora(model: nn.Module) -> None:
    """Add all adapters to the weights that they adapt, in place: nothing of PEFT is left, and the answers are the same."""
    for parent in list(model.modules()):
        for name, module in list(parent.named_children()):
            if hasattr(module, "lora_A") and hasattr(module, "base_layer"):
                module.merge()
                setattr(parent, name, module.base_layer)
