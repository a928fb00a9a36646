"""How a federation goes."""

from typing import Any, Literal

from pydantic import Field, ValidationError

from sensorium.config.part import Options
from sensorium.errors import ConfigError, did_you_mean

__all__ = ["Terms", "parse_terms"]


class Terms(Options):
    """What the server decides, and tells the sites."""

    rounds: int = Field(10, ge=1, description="in each of which sites train and their weights are averaged")
    epochs: int = Field(1, ge=1, description="passes of a site over its rows in a round")
    strategy: Literal["fedadam", "fedavg", "fedprox"] = Field(
        "fedavg", description="fedavg: the mean; fedprox: sites stay near it; fedadam: the mean is a step of Adam"
    )
    proximal: float = Field(0.1, gt=0, le=1000, description="of fedprox: weight of the distance from the mean")
    server_rate: float = Field(0.01, gt=0, le=10, description="of fedadam: its learning rate")
    fraction: float = Field(1.0, gt=0, le=1, description="of the sites that train in a round, drawn anew each time")
    sites: int = Field(2, ge=1, description="that must be there for a round to begin")
    wait: float = Field(600.0, gt=0, description="s that the server waits for as many")
    timeout: float = Field(3600.0, gt=0, description="s that a site may take for its part of a round")
    least: int = Field(5, ge=1, description="rows of a site that must have a word or a category for it to be told")
    secure: bool = Field(False, description="SecAgg+: the server learns the sum of the sites' updates alone")
    noise: float = Field(0.0, ge=0, description="times clip: noise on the sum of a round's updates; 0: none")
    clip: float | None = Field(None, gt=0, description="largest norm of a site's update; needed for noise")
    delta: float = Field(1e-5, gt=0, lt=1, description="of the (epsilon, delta) that noise comes to")
    max_norm: float | None = Field(
        None, gt=0, description="a larger update is refused; None: ten times the round's median"
    )


def parse_terms(given: dict[str, Any]) -> Terms:
    """The terms in plain data, checked.

    Raises:
        ConfigError: with one line for each mistake there is.

    Example:
        >>> parse_terms({"rounds": 0})
        Traceback (most recent call last):
        ...
        sensorium.errors.ConfigError: rounds: must be greater than or equal to 1; got 0.
    """
    try:
        terms = Terms(**given)
    except ValidationError as error:
        lines = [
            f"{fault['loc'][0]}: unknown term. {did_you_mean(str(fault['loc'][0]), Terms.model_fields)}"
            if fault["type"] == "extra_forbidden"
            else f"{fault['loc'][0]}: must be {fault['msg'].removeprefix('Input should be ')}; got {fault['input']!r:.80}."
            for fault in error.errors()
        ]
        raise ConfigError("\n".join(lines)) from error
    if terms.noise and terms.clip is None:
        raise ConfigError(
            "noise needs clip, the largest norm of an update: what a site can change is what noise must hide."
        )
    if terms.clip is not None and terms.strategy == "fedadam":
        raise ConfigError(
            "clip and noise go with fedavg and fedprox: fedadam divides an update by its own size, which noise that fits "
            "the clip does not hide."
        )
    if terms.secure and terms.sites < 3:
        raise ConfigError(
            f"secure needs 3 sites at least (sites={terms.sites}): of a sum of two, each knows the other's part."
        )
    return terms
