"""Rows whose class one small piece of the input tells, models that learned it, and where the piece is."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sensorium.data.batches import Batch
from sensorium.data.table import read_table
from sensorium.encoders import Input
from sensorium.fusion import Concat
from sensorium.heads import Classification
from sensorium.model import MultimodalModel

ROWS = 128
WIDTH = 16


class Held:
    """As `Rows`, of inputs that are there already."""

    def __init__(self, inputs: dict[str, Input], readers: dict[str, Any], table: dict[str, list[Any]] | None = None):
        self.inputs, self.readers = inputs, readers
        self.table = read_table(table or {"place": [str(i) for i in range(len(next(iter(inputs.values())).mask))]})

    def batch(self, places: list[int]) -> Batch:
        inputs = {name: Input(values[places], mask[places]) for name, (values, mask, _) in self.inputs.items()}
        return Batch(inputs, {}, torch.tensor(places))


def learned(
    encoders: dict[str, Callable[[], nn.Module]], inputs: dict[str, Input], label: np.ndarray, steps: int = 60
) -> MultimodalModel:
    """A model that tells the labels of these rows."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = {name: build() for name, build in encoders.items()}
        model = MultimodalModel(made, Concat(WIDTH), {"label": Classification(2, WIDTH)})
        optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 3e-3)
        truth = torch.from_numpy(label)
        model.train()
        for _ in range(steps):
            rows = torch.randperm(len(label))[:32]
            batch = {name: Input(values[rows], mask[rows]) for name, (values, mask, _) in inputs.items()}
            optimizer.zero_grad()
            model.loss(model(batch), {"label": (truth[rows], torch.ones(len(rows), dtype=torch.bool))}).backward()
            optimizer.step()
    model.eval()
    return model


def squares(side: int = 32, size: int = 8) -> tuple[Tensor, np.ndarray, np.ndarray]:
    """Pictures of one dull colour with noise, half of them with a blue square, in class 1 with a red one: pixels, classes,
    where the red one is.
    """
    random = np.random.default_rng(0)
    label = np.arange(ROWS) % 2
    pictures = random.integers(96, 160, (ROWS, 3, 1, 1)) + random.integers(-32, 33, (ROWS, 3, side, side))
    pictures = pictures.astype(np.uint8)
    inside = np.zeros((ROWS, side, side), dtype=bool)
    for row in range(ROWS):
        y, x, left, right = *random.integers(0, side - size + 1, 2), *random.integers(0, side // 2 - size + 1, 2)
        if row % 4 < 2:
            pictures[row, :, y : y + size, left : left + size] = np.array([40, 40, 220])[:, None, None]
        if label[row]:
            inside[row, x : x + size, side // 2 + right : side // 2 + right + size] = True
            pictures[row][:, inside[row]] = np.array([220, 40, 40])[:, None]
    return torch.from_numpy(pictures), label, inside


def patches(frames: int = 8, side: int = 24, size: int = 6) -> tuple[Tensor, np.ndarray, np.ndarray]:
    """Clips of grey noise with a white patch that moves to the right in class 1 and stays in class 0; where it is."""
    random = np.random.default_rng(0)
    label = np.arange(ROWS) % 2
    clips = random.integers(60, 120, (ROWS, frames, 3, side, side), dtype=np.uint8)
    inside = np.zeros((ROWS, frames, side, side), dtype=bool)
    way = np.linspace(0, side - size, frames).round().astype(int)
    for row, y in enumerate(random.integers(0, side - size + 1, ROWS)):
        for frame, x in enumerate(way if label[row] else np.full(frames, random.choice(way))):
            inside[row, frame, y : y + size, x : x + size] = True
        clips[row].transpose(0, 2, 3, 1)[inside[row]] = 230
    return torch.from_numpy(clips), label, inside


def beeps(rate: int = 8000, seconds: float = 1.0, length: float = 0.1) -> tuple[Tensor, np.ndarray, np.ndarray]:
    """Noise with a beep of 600 Hz, in class 1 with one of 2000 Hz, too; when the latter begins, in seconds."""
    random = np.random.default_rng(0)
    label = np.arange(ROWS) % 2
    sounds = random.normal(0, 0.02, (ROWS, int(rate * seconds))).astype(np.float32)
    start = random.uniform(0.05, seconds - length - 0.05, (2, ROWS))
    wave = np.arange(int(rate * length)) / rate
    for row in range(ROWS):
        for pitch, begin in zip((600, 2000)[: 1 + label[row]], start[:, row], strict=False):
            first = int(begin * rate)
            tone = 0.3 * np.sin(2 * np.pi * pitch * wave) * np.hanning(len(wave))
            sounds[row, first : first + len(wave)] += tone.astype(np.float32)
    return torch.from_numpy(sounds), label, start[1]


def sentences(plant: str, fillers: list[str], joint: str, length: int = 20) -> tuple[list[str], np.ndarray]:
    """Texts of fillers, in class 1 with the plant among them."""
    random = np.random.default_rng(0)
    label = np.arange(ROWS) % 2
    texts = []
    for row in range(ROWS):
        said = [fillers[i] for i in random.integers(0, len(fillers), length)]
        if label[row]:
            said[random.integers(length)] = plant
        texts.append(joint.join(said))
    return texts, label


def motions(steps: int = 6, grid: int = 4) -> tuple[Tensor, np.ndarray, np.ndarray]:
    """Motion of clips, little and random; in class 1 one cell moves to the right: rows for VideoMotion without pictures,
    classes, where the cell's numbers are.
    """
    random = np.random.default_rng(0)
    label = np.arange(ROWS) % 2
    field = random.normal(0, 0.002, (ROWS, steps, 3, grid, grid)).astype(np.float32)
    field[:, :, 2] = 1
    inside = np.zeros(field.shape, dtype=bool)
    for row, (y, x) in enumerate(random.integers(0, grid, (ROWS, 2))):
        inside[row, :, :2, y, x] = True
        field[row, :, 0, y, x] += 0.05 * label[row]
    sizes = random.normal(0, 1, (ROWS, steps)).astype(np.float32)
    inside = np.concatenate([inside.reshape(ROWS, -1), np.zeros((ROWS, steps), dtype=bool)], 1)
    return torch.from_numpy(np.concatenate([field.reshape(ROWS, -1), sizes], 1)), label, inside


class Body(nn.Module):
    """A pretrained network of a modality, called as those of sensorium.pretrained are."""

    has_cls, even, pooling, hidden = False, True, "mean", 16

    def __init__(self, modality: str):
        super().__init__()
        self.modality, self.mask_dims = modality, 1 if modality == "image" else 2
        first = {
            "text": lambda: nn.Embedding(2000, 16),
            "image": lambda: nn.Conv2d(3, 16, 4, 4),
            "audio": lambda: nn.Conv1d(1, 16, 64, 32),
            "video": lambda: nn.Conv3d(3, 16, (2, 4, 4), (2, 4, 4)),
        }
        self.first = first[modality]()
        self.blocks = nn.ModuleList(nn.Linear(16, 16) for _ in range(2))

    def forward(self, values: Tensor, mask: Tensor, every: bool = False) -> tuple[tuple[Tensor, ...], Tensor]:
        if self.modality == "text":
            x, mask = self.first(values.masked_fill(~mask, 0)), mask
        else:
            values = values.float() / 255 if values.dtype == torch.uint8 else values
            values = {"audio": lambda v: v[:, None], "image": lambda v: v, "video": lambda v: v.transpose(1, 2)}[
                self.modality
            ](values)
            x = self.first(values - values.mean()).relu().flatten(2).transpose(1, 2)  # (B, T, 16)
            mask = mask.reshape(len(mask), -1).any(1, keepdim=True).expand(x.shape[:2])
        layers = [x]
        for block in self.blocks:
            layers.append(layers[-1] + block(layers[-1]).relu())
        return tuple(layers) if every else (layers[-1],), mask


def mass(values: np.ndarray, inside: np.ndarray) -> float:
    """How many times its share of the places the plant has of the values' size."""
    size = np.abs(values)
    return float(size[inside].sum() / size.sum() / inside.mean())
