"""What a network is made of."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from sensorium.data.targets import TargetCoder
from sensorium.model import MultimodalModel

__all__ = ["parts_of"]


def parts_of(model: MultimodalModel, coders: Mapping[str, TargetCoder]) -> list[dict[str, Any]]:
    """The parts in order: part, kind, layer (its class), parameters, output (shape, B rows)."""
    width = model.fusion.width

    def row(part: str, kind: str, module: nn.Module, output: str) -> dict[str, Any]:
        count = sum(parameter.numel() for parameter in module.parameters()) + getattr(module, "fitted", 0)
        return {"part": part, "kind": kind, "layer": type(module).__name__, "parameters": count, "output": output}

    found = [row(name, "encoder", model.encoder(name), f"(B, T, {width})") for name in model.modalities]
    found.append(row("fusion", "fusion", model.fusion, f"(B, {width})"))
    if model.wide is not None:
        found.append(row("hand-made", "wide", model.wide, f"(B, {sum(model.wide.features.sizes)})"))
    if model.single is not None:
        found.append(row(model.single.modality, "single", model.single, "(B, outputs)"))
    if model.aligner is not None:
        found.append(row("alignment", "objective", model.aligner, f"(B, {model.aligner.size})"))
    if model.rebuilder is not None:
        found.append(row("reconstruction", "objective", model.rebuilder, f"(B, {len(model.rebuilder.modalities)})"))
    for name, coder in coders.items():
        size = coder.max_tokens if coder.task == "generation" else coder.outputs
        outputs = "(B,)" if coder.task in {"binary", "regression"} else f"(B, {size})"
        found.append(row(name, "head", model.head(name), outputs))
    return found
