"""Fusions: a dict of Features -> one vector a row, with any subset of the modalities."""

from sensorium.errors import ConfigError
from sensorium.fusion.attention import Attention
from sensorium.fusion.bottleneck import Bottleneck
from sensorium.fusion.concat import Concat
from sensorium.fusion.deep import Deep
from sensorium.fusion.experts import Experts
from sensorium.fusion.film import Film
from sensorium.fusion.gated import Gated
from sensorium.fusion.late import Late
from sensorium.fusion.low_rank import LowRank
from sensorium.fusion.mean import Mean
from sensorium.fusion.plain_concat import PlainConcat
from sensorium.fusion.slots import Fusion
from sensorium.fusion.tensor import TensorFusion
from sensorium.fusion.weighted import Weighted

__all__ = [
    "FUSIONS",
    "Attention",
    "Bottleneck",
    "Concat",
    "Deep",
    "Experts",
    "Film",
    "Fusion",
    "Gated",
    "Late",
    "LowRank",
    "Mean",
    "PlainConcat",
    "TensorFusion",
    "Weighted",
    "add",
]

FUSIONS: dict[str, type[Fusion]] = {
    "attention": Attention,
    "bottleneck": Bottleneck,
    "concat": Concat,
    "deep": Deep,
    "experts": Experts,
    "film": Film,
    "gated": Gated,
    "late": Late,
    "low_rank": LowRank,
    "mean": Mean,
    "plain_concat": PlainConcat,
    "tensor": TensorFusion,
    "weighted": Weighted,
}


def add(name: str, cls: type[Fusion]) -> None:
    """Makes a fusion of yours available as `fusion: {type: name}`.

    Raises:
        ConfigError: the name is taken.

    Example:
        >>> add("average", Mean)
        >>> FUSIONS.pop("average").__name__
        'Mean'
    """
    if name in FUSIONS:
        raise ConfigError(
            f"fusion '{name}' must have a new name; got that of {FUSIONS[name].__name__}. "
            f"Taken: {', '.join(sorted(FUSIONS))}."
        )
    FUSIONS[name] = cls
