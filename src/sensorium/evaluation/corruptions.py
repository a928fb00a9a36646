"""Damage as the world does it, by input: pictures blur, people mistype, rooms are loud, streams stall.

Each changes what a reader gives (one file, or a row's numbers) or the text in a cell, before it is part of a batch; what
was decoded stays as it is. The same generator at a larger amount does more of the same, not something else.
"""

import io
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageFilter

__all__ = ["Corruption", "corruptions_of"]

VOICES = 3  # other recordings in a babble
SHARES = (0.25, 0.5, 0.75, 1.0)
RATIOS = (20, 10, 5, 0)
Random = np.random.Generator


class Corruption(NamedTuple):
    """One kind of damage.

    Args:
        amounts: of growing damage, none of them without.
        unit: what the amounts count.
        apply: (item, amount, random, others) -> the damaged item; `others` are what other rows have in its place.
    """

    amounts: tuple[float, ...]
    unit: str
    apply: Callable[[Any, float, Random, Sequence[Any]], Any]


def corruptions_of(reader: Any) -> dict[str, Corruption]:
    """What can happen to the items of a reader; nothing where its modality is not known here."""
    if reader.modality == "motion":
        steps = {"lengths": reader.lengths[:2], "steps": reader.options["steps"]}
        return {"lost steps": Corruption(SHARES, "share of steps", partial(lose_steps, **steps))}
    return CORRUPTIONS.get(reader.modality, {})


def blur(picture: np.ndarray, amount: float, random: Random, others: Sequence[Any]) -> np.ndarray:
    """Gaussian blur; amount: its deviation as a share of the shorter side."""
    radius = amount * min(picture.shape[1:])
    return _pixels(_image(picture).filter(ImageFilter.GaussianBlur(radius)))


def noise(picture: np.ndarray, amount: float, random: Random, others: Sequence[Any]) -> np.ndarray:
    """White noise; amount: its deviation, of 255."""
    return np.clip(np.rint(picture + amount * random.normal(size=picture.shape)), 0, 255).astype(np.uint8)


def jpeg(picture: np.ndarray, amount: float, random: Random, others: Sequence[Any]) -> np.ndarray:
    """Saved as JPEG and read again; amount: the quality, from 1 to 95."""
    file = io.BytesIO()
    _image(picture).save(file, "JPEG", quality=round(amount))
    return _pixels(Image.open(file))


def occlude(picture: np.ndarray, amount: float, random: Random, others: Sequence[Any]) -> np.ndarray:
    """A grey rectangle of the picture's shape somewhere; amount: its share of the area."""
    sides = [round(side * amount**0.5) for side in picture.shape[1:]]
    room = np.array(picture.shape[1:]) - sides + 1
    top, left = (random.random(2) * room).astype(int)
    damaged = picture.copy()
    damaged[:, top : top + sides[0], left : left + sides[1]] = 127
    return damaged


def mistype(text: str, amount: float, random: Random, others: Sequence[Any]) -> str:
    """Characters replaced by others of the text, left out, or doubled; amount: the share of those that are no space."""
    places = [i for i, character in enumerate(text) if not character.isspace()]
    letters = sorted({text[i] for i in places})
    kinds, order, drawn = (
        random.integers(0, 3, len(places)),
        random.permutation(len(places)),
        random.random(len(places)),
    )
    found = list(text)
    for i in order[: round(amount * len(places))]:
        own = text[places[i]]
        other = [letter for letter in letters if letter != own] or [own]
        found[places[i]] = (other[int(drawn[i] * len(other))], "", own + own)[kinds[i]]
    return "".join(found)


def drop_words(text: str, amount: float, random: Random, others: Sequence[Any]) -> str:
    """Words left out, or characters where there are no spaces; amount: their share, of which one word always stays."""
    words = text.split()
    between = " " if len(words) > 1 else ""
    words = words if len(words) > 1 else list(text.strip())
    gone = set(random.permutation(len(words))[: min(round(amount * len(words)), len(words) - 1)].tolist())
    return between.join(word for i, word in enumerate(words) if i not in gone)


def hiss(wave: np.ndarray, amount: float, random: Random, others: Sequence[Any]) -> np.ndarray:
    """White noise; amount: the signal-to-noise ratio in dB."""
    return _mixed(wave, random.normal(size=wave.shape), amount)


def babble(wave: np.ndarray, amount: float, random: Random, others: Sequence[Any]) -> np.ndarray:
    """Other rows' recordings, each as loud, at once; amount: the signal-to-noise ratio in dB."""
    voices = [other for other in others if len(other) and (other != 0).any()]
    chosen = [voices[i] for i in random.permutation(len(voices))[:VOICES]]
    if not chosen:
        return wave
    mixed = sum(np.resize(v / np.sqrt((v.astype(np.float64) ** 2).mean()), len(wave)) for v in chosen)
    return _mixed(wave, mixed, amount)


def freeze(clip: np.ndarray, amount: float, random: Random, others: Sequence[Any]) -> np.ndarray:
    """Frames lost, in whose place the last one stands still; amount: their share of all but the first."""
    frames = len(clip)
    lost = random.permutation(np.arange(1, frames))[: round(amount * (frames - 1))]
    source = np.arange(frames)
    source[lost] = 0
    return clip[np.maximum.accumulate(source)]


def lose_steps(
    row: np.ndarray, amount: float, random: Random, others: Sequence[Any], lengths: tuple[int, int], steps: int
) -> np.ndarray:
    """Steps of time without motion and bytes; the pictures stay. amount: the share of steps.

    Args:
        row: of a `MotionReader`.
        lengths: how many of its numbers are motion, and sizes of frames.
        steps: of time.
    """
    lost = random.permutation(steps)[: round(amount * steps)]
    damaged = row.copy()
    damaged[: lengths[0]].reshape(steps, -1)[lost] = 0
    damaged[lengths[0] : sum(lengths)][lost] = 0
    return damaged


def add_noise(values: np.ndarray, amount: float, random: Random, others: Sequence[Any]) -> np.ndarray:
    """White noise; amount: its deviation, where the training rows' is 1."""
    return (values + amount * random.normal(size=values.shape)).astype(np.float32)


def permute(values: np.ndarray, amount: float, random: Random, others: Sequence[Any]) -> np.ndarray:
    """Another row's values in the place of these; amount: how likely."""
    swapped = random.random() < amount
    return others[int(random.integers(len(others)))] if swapped and others else values


def _image(picture: np.ndarray) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(picture.transpose(1, 2, 0)))  # (H, W, 3)


def _pixels(image: Image.Image) -> np.ndarray:
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))  # (3, H, W)


def _mixed(wave: np.ndarray, other: np.ndarray, ratio: float) -> np.ndarray:
    """The wave with `other` at a signal-to-noise ratio in dB; as it is where either is silent."""
    signal, power = (wave.astype(np.float64) ** 2).mean(), (other**2).mean() if len(other) else 0.0
    if signal == 0 or power == 0:
        return wave
    return (wave + other * np.sqrt(signal / power / 10 ** (ratio / 10))).astype(np.float32)


CORRUPTIONS: dict[str, dict[str, Corruption]] = {
    "image": {
        "blur": Corruption((0.02, 0.04, 0.08, 0.16), "deviation, share of the shorter side", blur),
        "noise": Corruption((8, 16, 32, 64), "deviation, of 255", noise),
        "jpeg": Corruption((50, 25, 10, 3), "quality", jpeg),
        "occlusion": Corruption((0.1, 0.25, 0.5, 0.75), "share of the area", occlude),
    },
    "text": {
        "typos": Corruption((0.05, 0.1, 0.2, 0.4), "share of characters", mistype),
        "dropped words": Corruption((0.1, 0.25, 0.5, 0.75), "share of words", drop_words),
    },
    "audio": {
        "white noise": Corruption(RATIOS, "signal-to-noise ratio in dB", hiss),
        "babble": Corruption(RATIOS, "signal-to-noise ratio in dB", babble),
    },
    "video": {"frozen frames": Corruption(SHARES, "share of frames", freeze)},
    "vector": {"noise": Corruption((0.25, 0.5, 1, 2), "deviation, of the training rows' deviations", add_noise)},
    "tabular": {"permuted": Corruption(SHARES, "share of rows", permute)},
}
