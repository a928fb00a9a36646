"""Modules whose buffers training rows filled."""

from typing import Any

import torch
from torch import nn

__all__ = ["Learned"]


class Learned(nn.Module):
    """A module whose buffers get their shapes by fitting; loading a state gives them those of the state."""

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *args: Any) -> None:
        for name in list(self._buffers):
            if prefix + name in state:
                setattr(self, name, torch.empty_like(state[prefix + name]))
        super()._load_from_state_dict(state, prefix, *args)
