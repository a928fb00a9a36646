"""EfficientNet-Lite0: a small network of ImageNet pictures, whose weights come inside a package."""

import re
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.errors import ConfigError
from sensorium.pretrained.converted import converted_weights

__all__ = ["EfficientNetLite", "lite_weights"]

# repeats, kernel, stride of the first, expansion, channels
STAGES = (
    (1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)  # fmt: skip
NAMES = (
    (r"^_blocks\.", "blocks."), (r"_expand_conv\.", "expand.0."), (r"(blocks\.\d+)\._bn0\.", r"\1.expand.1."),
    (r"_depthwise_conv\.", "depth.0."), (r"(blocks\.\d+)\._bn1\.", r"\1.depth.1."),
    (r"_project_conv\.", "project.0."), (r"(blocks\.\d+)\._bn2\.", r"\1.project.1."),
    (r"^_conv_stem\.", "stem.0."), (r"^_bn0\.", "stem.1."), (r"^_conv_head\.", "last.0."), (r"^_bn1\.", "last.1."),
)  # fmt: skip


class EfficientNetLite(nn.Module):
    """The network up to its last feature maps: no squeeze-and-excitation, ReLU6 throughout.

    Reference:
        Tan & Le 2019, EfficientNet; the Lite variant of its authors' repository (2020).

    Shape:
        pictures: (B, 3, H, W) float. Returns (B, 1280, H / 32, W / 32), rounded up.
    """

    def __init__(self):
        super().__init__()
        self.stem = _unit(3, 32, 3, 2)
        blocks, channels = [], 32
        for repeats, kernel, stride, expansion, out in STAGES:
            for number in range(repeats):
                blocks.append(_Block(channels, out, kernel, stride if number == 0 else 1, expansion))
                channels = out
        self.blocks = nn.ModuleList(blocks)
        self.last = _unit(channels, 1280, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        x = self.stem(pictures)
        for block in self.blocks:
            x = block(x)
        return self.last(x)


class _Block(nn.Module):
    def __init__(self, channels: int, out: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        wide = channels * expansion
        self.expand = _unit(channels, wide, 1) if expansion > 1 else nn.Identity()
        self.depth = _unit(wide, wide, kernel, stride, groups=wide)
        self.project = _unit(wide, out, 1, active=False)
        self.skip = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.depth(self.expand(x)))
        return x + y if self.skip else y


class _Same(nn.Conv2d):
    """Padded as TensorFlow pads, more at the end than at the start where it is odd: the weights were learned so."""

    def forward(self, x: Tensor) -> Tensor:
        pads: list[int] = []
        for side, kernel, stride in zip(x.shape[:1:-1], self.kernel_size[::-1], self.stride[::-1], strict=True):
            whole = max(0, (-(-side // stride) - 1) * stride + kernel - side)
            pads += [whole // 2, whole - whole // 2]
        return super().forward(F.pad(x, pads))


def _unit(channels: int, out: int, kernel: int, stride: int = 1, groups: int = 1, active: bool = True) -> nn.Sequential:
    parts = [_Same(channels, out, kernel, stride, groups=groups, bias=False), nn.BatchNorm2d(out, eps=1e-3)]
    return nn.Sequential(*parts, *([nn.ReLU6()] if active else []))


def lite_weights(folder: Path) -> dict[str, Tensor]:
    """The package's weights, without its classifier.

    Raises:
        ConfigError: the package holds something else.
    """
    found = sorted(folder.glob("efficientnet-lite0-*.pth"))
    if not found:
        raise ConfigError(f"{folder} holds no efficientnet-lite0-*.pth. Install 'sensorium[weights]' again.")
    return converted_weights(found[0], "efficientnet-lite0", _convert)


def _convert(found: Any) -> dict[str, Tensor]:
    weights = {}
    for name, value in found.items():
        if name.startswith("_fc.") or name.endswith("num_batches_tracked"):
            continue
        for pattern, ours in NAMES:
            name = re.sub(pattern, ours, name)
        weights[name] = value.contiguous()
    return weights
