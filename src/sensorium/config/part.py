"""What every part of the configuration shares."""

from pydantic import BaseModel, ConfigDict

__all__ = ["CustomPart", "Options"]


class Options(BaseModel):
    """A part of the configuration: unknown keys are errors, values don't change once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), allow_inf_nan=False)


class CustomPart(BaseModel):
    """A type that somebody's own `add(name, Class)` made known; `build` checks its options against the class."""

    model_config = ConfigDict(extra="allow", frozen=True)
    type: str
