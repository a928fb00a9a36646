"""32-bit or bf16: decided by the processor's flags and a measurement, never by assumption."""

import time
from collections.abc import Callable

import torch

__all__ = ["choose_precision", "has_bf16", "processor_has_bf16"]

WORTH = 1.2  # bf16 rounds to three digits; it must be this much faster to be taken


def has_bf16() -> bool:
    """Whether the processor multiplies bf16 in hardware (AVX-512 BF16 or AMX) or there is a GPU that does."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported()
    return processor_has_bf16()


def processor_has_bf16() -> bool:
    """Whether the processor does, whatever there is beside it."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()) and _flags() & {"avx512_bf16", "amx_bf16"} != set()


def _flags() -> set[str]:
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            line = next((line for line in file if line.startswith("flags")), "")
    except OSError:
        return set()
    return set(line.split())


def choose_precision(wanted: str, step: Callable[[], None]) -> str:
    """'32' or 'bf16': as wanted, or for 'auto' the faster one by the better of two steps each, after one to warm up.

    The two take turns, so that what else the machine does for a moment falls on one step and not on one of them.

    Args:
        wanted: auto, 32 or bf16.
        step: forward and backward of one batch; run under autocast for bf16.
    """
    if wanted != "auto":
        return wanted
    if not has_bf16():
        return "32"
    device = "cuda" if torch.cuda.is_available() else "cpu"
    seconds: dict[str, list[float]] = {"32": [], "bf16": []}
    for _ in range(3):
        for name, found in seconds.items():
            with torch.autocast(device, dtype=torch.bfloat16, enabled=name == "bf16"):
                start = time.perf_counter()
                step()
                found.append(time.perf_counter() - start)
    best = {name: min(found[1:]) for name, found in seconds.items()}
    return "bf16" if best["32"] > WORTH * best["bf16"] else "32"
