"""What the page needs of a run to show its form."""

from typing import Any

from sensorium.serving.engine import Engine
from sensorium.serving.fields import FieldOfRow

__all__ = ["form"]

MOST = 500  # categories that are offered; others can be written


def form(engine: Engine) -> dict[str, Any]:
    """The fields of a row, what can be explained, and the server's limits, as plain data."""
    return {
        "run": engine.run,
        "fields": [_field(field, engine) for field in engine.schema.fields.values()],
        "targets": [
            {"name": name, "classes": coder.classes}
            for name, coder in engine.predictor.coders.items()
            if coder.task != "generation"
        ],
        "bytes": engine.options.max_bytes,
        "seconds": min(60.0, engine.limits.max_seconds),
    }


def _field(field: FieldOfRow, engine: Engine) -> dict[str, Any]:
    known = [getattr(reader, "categories", {}).get(field.name) for reader in engine.predictor.readers.values()]
    example, size = field.example, 0
    if isinstance(example, list):
        example, size = ", ".join(f"{value:g}" for value in example[:8]), len(example)
    return {
        "name": field.name,
        "kind": field.kind,
        "files": field.files,
        "size": size,
        "choices": next((list(one[:MOST]) for one in known if one), []),
        "example": "" if field.files else f"{example}",
    }
