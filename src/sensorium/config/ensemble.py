"""The section of the configuration that names several networks, which answer together."""

from typing import TYPE_CHECKING, Any

from pydantic import Field

from sensorium.config.part import Options

if TYPE_CHECKING:
    from sensorium.config.options import Config

__all__ = ["Ensemble", "Member", "member_config"]


class Member(Options):
    """One network of an ensemble: where it differs from what the configuration says of all."""

    seed: int | None = Field(
        None, ge=0, description="of weights, order and dropout; that of the training where left out"
    )
    fusion: Any = Field(None, description="with its options; that of the configuration where left out")
    encoders: dict[str, Any] = Field(
        default_factory=dict,
        description="by input, which they must read as its own encoder does; its own where left out",
    )


class Ensemble(Options):
    """Networks that are trained one after another on the same rows; how far each counts, the validation rows decide."""

    members: tuple[Member, ...] = Field((), description="none: there is one network, as the configuration says")


def member_config(config: "Config", place: int) -> "Config":
    """The configuration of one network of `config.ensemble`, which has no ensemble of its own."""
    member = config.ensemble.members[place]
    inputs = {
        name: given.model_copy(update={"encoder": member.encoders[name]}) if name in member.encoders else given
        for name, given in config.inputs.items()
    }
    more: dict[str, Any] = {"inputs": inputs, "ensemble": Ensemble()}
    if member.fusion is not None:
        more["fusion"] = member.fusion
    if member.seed is not None:
        more["training"] = config.training.model_copy(update={"seed": member.seed})
    return config.model_copy(update=more)
