"""Recordings: a spectrogram with what counts over it, a curve over time, and the span that counts most to be heard."""

import numpy as np
import torch

from sensorium.encoders.mfcc import MelSpectrogram
from sensorium.explain.drawing.heat import overlay, resized
from sensorium.explain.drawing.image import strongest
from sensorium.explain.drawing.uri import picture_uri, sound_uri
from sensorium.explain.part import Part

__all__ = ["draw_audio", "important_span"]

SIZE = (128, 480)  # pixels of the spectrogram
PLAYED = 12.0  # seconds of a longer recording that can be heard
HALF = 0.5  # of all that counts lies in the span
MARGIN = 0.05  # seconds heard before and after it


def draw_audio(part: Part, say: dict[str, str]) -> str:
    """Each file's sound."""
    rate, found = part.shown["sample_rate"], []
    scale = strongest(part.values)
    for place, (sound, values) in enumerate(zip(part.shown["sounds"], part.values, strict=True), 1):
        seconds = len(sound) / rate
        values = values[: max(1, round(len(values) * len(sound) / part.shown["samples"]))]  # the rest is no sound
        start, end = (edge * seconds / len(values) for edge in important_span(np.abs(values.sum(1))))
        if len(part.values) > 1:
            found.append(f'<p class="sxp-soft">{say["file"].format(place=place)}</p>')
        heard = overlay(_spectrum(sound, rate), values.T[::-1], scale)
        marked = say["span"].format(start=f"{start:.2f}", end=f"{end:.2f}")
        found.append(
            f'<img src="{picture_uri(heard)}" width="{SIZE[1]}" height="{SIZE[0]}" alt="{say["spectrum"]}; {marked}">'
            + _curve(values.sum(1), start / seconds, end / seconds, seconds, marked)
        )
        from_ = max(0.0, start - MARGIN)
        span = sound[int(from_ * rate) : int((min(end, from_ + PLAYED) + MARGIN) * rate)]
        whole = sound[: int(PLAYED * rate)]
        found.append(f'<div class="sxp-row">{_player(whole, rate, say["whole"])}{_player(span, rate, marked)}</div>')
    return f'{"".join(found)}<p class="sxp-soft">{say["spectrum"]}. {say["key"]}</p>'


def important_span(sizes: np.ndarray) -> tuple[int, int]:
    """The shortest stretch (first, after the last) that holds half of what counts.

    Example:
        >>> important_span(np.array([0, 1, 0, 3, 3, 0, 1]))
        (3, 5)
    """
    total = np.concatenate([[0], np.cumsum(sizes, dtype=np.float64)])
    if not total[-1]:
        return 0, len(sizes)
    ends = np.searchsorted(total, total[:-1] + HALF * total[-1] * (1 - 1e-9))  # of the stretch from each place
    lengths = np.where(ends < len(total), ends - np.arange(len(sizes)), len(total))
    first = int(lengths.argmin())
    return first, int(ends[first])


def _spectrum(sound: np.ndarray, rate: int) -> np.ndarray:
    """The spectrogram in grey, low tones at the bottom: (H, W, 3) uint8."""
    wave = torch.from_numpy(np.ascontiguousarray(sound, dtype=np.float32))[None]
    hop = max(1, len(sound) // SIZE[1])
    power, _ = MelSpectrogram(rate, hop_length=hop)(wave, torch.ones_like(wave, dtype=torch.bool))
    level = 10 * np.log10(power[0].numpy().T[::-1] + 1e-10)  # (bands, frames)
    grey = ((level - level.max() + 80) / 80).clip(0, 1) * 255
    return resized(np.repeat(grey.astype(np.uint8)[..., None], 3, 2), SIZE)


def _curve(values: np.ndarray, start: float, end: float, seconds: float, marked: str) -> str:
    """Bars over time, up for and down against, the important span framed."""
    width, half = SIZE[1], 24
    parts = np.array_split(values, min(len(values), 96))
    sums = np.array([part.sum() for part in parts])
    most = np.abs(sums).max() or 1.0
    each = width / len(sums)
    bars = "".join(
        f'<rect class="{"p" if value >= 0 else "m"}" x="{at * each:.1f}" width="{max(each - 1, 1):.1f}" '
        f'y="{half - max(value, 0) / most * half:.1f}" height="{abs(value) / most * half:.1f}"/>'
        for at, value in enumerate(sums)
    )
    return (
        f'<svg width="{width}" viewBox="0 0 {width} {2 * half + 14}" role="img" aria-label="{marked}">{bars}<path class="axis" d="M0 {half}H{width}"/>'
        f'<rect class="span" x="{start * width:.1f}" y="1" width="{max((end - start) * width, 2):.1f}" height="{2 * half - 2}"/>'
        f'<text x="0" y="{2 * half + 12}">0 s</text><text x="{width}" y="{2 * half + 12}" text-anchor="end">{seconds:.2f} s</text></svg>'
    )


def _player(sound: np.ndarray, rate: int, name: str) -> str:
    return f'<label class="sxp-soft">{name}<br><audio controls preload="none" src="{sound_uri(sound, rate)}"></audio></label>'
