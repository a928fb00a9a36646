"""A smaller network begun with the most important feature maps and features of a larger one: structured pruning."""

from collections import defaultdict
from collections.abc import Mapping

import torch
from torch import Tensor

from sensorium.model import MultimodalModel

__all__ = ["prune"]

Sizes = tuple[str, int, int]  # a part's name ("": all of the network), how many features, how many are kept


@torch.no_grad()
def prune(student: MultimodalModel, teacher: MultimodalModel) -> int:
    """Put what fits of the teacher's weights into the student; what else it has stays as it is.

    Features that go together must be kept or left together: where layers add up, a feature map of one goes with the same of
    the other. Here all dimensions of one size in an encoder (of the width, in the whole network) keep the same places, which
    is right however layers are connected. Kept are those whose incoming weights have the largest norms, over all layers.

    Reference:
        Li et al. 2017, Pruning Filters for Efficient ConvNets (norms of filters); Fang et al. 2023, DepGraph (what must be
        pruned together). Differs: groups by size, not by following the graph.

    Args:
        student: of the same inputs, targets and kinds of parts, with smaller sizes or fewer layers.
        teacher: trained.

    Returns:
        how many of the student's tensors were taken.
    """
    theirs, own = teacher.state_dict(), student.state_dict()
    width = teacher.fusion.width, student.fusion.width
    kept = _kept(own, theirs, width)
    taken = 0
    for name, value in own.items():
        found = theirs.get(name)
        if found is None or found.dim() != value.dim():
            continue
        for dim, (many, few) in enumerate(zip(found.shape, value.shape, strict=True)):
            if (places := _places(_part(name), many, few, kept, width)) is None:
                break
            found = found.index_select(dim, places)
        else:
            value.copy_(found)  # a state dict's tensors are those of the module
            taken += 1
    return taken


def _kept(own: Mapping[str, Tensor], theirs: Mapping[str, Tensor], width: tuple[int, int]) -> dict[Sizes, Tensor]:
    """The places to keep, in order, of each size that becomes smaller."""
    norms: dict[Sizes, list[Tensor]] = defaultdict(list)
    for name, value in own.items():
        found = theirs.get(name)
        if found is None or found.dim() != value.dim() or found.dim() < 2 or len(found) <= len(value):
            continue
        many, few = len(found), len(value)
        rows = found.flatten(1).float().norm(dim=1)  # (many,)
        norms[_sizes(_part(name), many, few, width)].append(rows / rows.mean().clamp_min(1e-12))
    return {sizes: torch.stack(parts).sum(0).topk(sizes[2]).indices.sort().values for sizes, parts in norms.items()}


def _places(part: str, many: int, few: int, kept: Mapping[Sizes, Tensor], width: tuple[int, int]) -> Tensor | None:
    """Which of `many` places a dimension keeps; None where nothing tells."""
    if many == few:
        return torch.arange(many)
    if (found := kept.get(_sizes(part, many, few, width))) is not None:
        return found
    # Several of a size behind one another: the inputs of a concatenation, the gates of a recurrent layer.
    for (where, all_, some), found in kept.items():
        if where in {"", part} and many % all_ == 0 and few % some == 0 and many // all_ == few // some:
            return torch.cat([found + all_ * block for block in range(many // all_)])
    return None


def _sizes(part: str, many: int, few: int, width: tuple[int, int]) -> Sizes:
    return "" if (many, few) == width else part, many, few


def _part(name: str) -> str:
    """The encoder that a weight is of; what is no encoder's is one part."""
    kind, place, *_ = name.split(".")
    return f"{kind}.{place}" if kind == "encoders" else "rest"
