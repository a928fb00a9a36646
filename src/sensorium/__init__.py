"""One model from everything a table points to. See `fit`, `load`, and one level down `MultimodalModel`."""

import importlib
from typing import Any

__version__ = "0.1.0"
__all__ = [
    "Index",
    "MultimodalModel",
    "Predictor",
    "SensoriumError",
    "adapt",
    "compare",
    "compress",
    "encoders",
    "fit",
    "fusion",
    "heads",
    "import_set",
    "load",
    "pretrain",
    "tune",
]

# Loaded when first used: `import sensorium` and `sensorium --help` load neither torch nor Lightning.
_HOMES = {
    "Index": "sensorium.search.index",
    "MultimodalModel": "sensorium.model",
    "Predictor": "sensorium.predictor",
    "SensoriumError": "sensorium.errors",
    "adapt": "sensorium.fitting",
    "compare": "sensorium.comparison.compare",
    "compress": "sensorium.compression.compress",
    "fit": "sensorium.fitting",
    "import_set": "sensorium.importing.import_set",
    "load": "sensorium.predictor",
    "pretrain": "sensorium.fitting",
    "tune": "sensorium.tuning.tune",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name in {"encoders", "fusion", "heads"}:
        return importlib.import_module(f"sensorium.{name}")
    raise AttributeError(f"module 'sensorium' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
