"""Recordings, by time and frequency."""

import torch
from torch import Tensor
from torch.nn import functional as F

from sensorium.data.batches import Rows
from sensorium.encoders.mfcc import LogMelSpectrogram
from sensorium.encoders.rows import present_rows
from sensorium.explain.attribution.answer import Answer
from sensorium.explain.attribution.gradients import Inner, integrated_gradients, reaches
from sensorium.explain.attribution.pieces import Pieces, shapley
from sensorium.explain.part import Part

__all__ = ["explain_audio", "spans"]

SPANS = 32  # of a recording, where pieces are taken away
FRAME = 0.01  # seconds


def explain_audio(answer: Answer, rows: Rows, place: int, method: str) -> Part:
    """What each band of each moment adds, against the background; where a network reads no spectrogram of ours, what each
    moment adds, against silence. shapley: each of 32 spans, against a recording without it.
    """
    rate = rows.readers[answer.modality].options["sample_rate"]
    values = answer.values.float()  # (1, [items,] samples)
    mask = answer.mask.reshape(-1, answer.mask.shape[-1])
    there = present_rows(mask)
    sounds = [row[real].numpy() for row, real in zip(values.reshape(mask.shape)[there], mask[there], strict=True)]
    beside = answer.beside()
    inner = Inner(answer, answer.inside(LogMelSpectrogram)) if method != "shapley" else None
    if inner is not None and inner.modules:
        method = "integrated_gradients"
        start = [_background(part) for part in inner.given]
        parts, expected = integrated_gradients(inner, inner.given, [start])
        found = sum(part[0] for part in parts)  # (items, frames, bands)
    elif inner is not None and reaches(answer, values):
        method = "integrated_gradients"
        parts, expected = integrated_gradients(answer, [values], [[torch.zeros_like(values)]])
        found = _frames(parts[0].reshape(mask.shape)[there], round(rate * FRAME))
    else:
        method, beside = "shapley", 0.0
        found, expected = shapley(answer, spans(answer, values))
        found = found.reshape(-1, SPANS, 1)
    shown = {"sounds": sounds, "sample_rate": rate, "samples": mask.shape[1]}
    return Part(answer.modality, "audio", method, found.numpy(), None, expected, beside, shown)


def _background(decibels: Tensor) -> Tensor:
    """Each band all the time as quiet as in its quietest quarter: (1, items, frames, bands)."""
    return decibels.quantile(0.25, 2, keepdim=True).expand_as(decibels)


def _frames(samples: Tensor, size: int) -> Tensor:
    """(items, samples) added up over frames: (items, frames, 1)."""
    return F.pad(samples, (0, -samples.shape[1] % size)).unflatten(1, (-1, size)).sum(2)[..., None]


def spans(answer: Answer, values: Tensor) -> Pieces:
    """32 spans of each recording (1, [items,] samples); one that is taken away is cut out, and the rest joined."""
    mask = answer.mask.reshape(-1, answer.mask.shape[-1])  # (items, samples)
    there = present_rows(mask)
    of = torch.zeros(mask.shape, dtype=torch.long)
    for place, row in enumerate(there.nonzero()[:, 0].tolist()):
        length = int(mask[row].sum())
        of[row, :length] = torch.arange(length) * SPANS // length + place * SPANS
    piece = of.reshape(values.shape[1:])

    def take(left: Tensor) -> tuple[Tensor, Tensor]:
        return _cut(values, left[:, piece] & answer.mask)

    return Pieces(int(there.sum()) * SPANS, of[there], take)


def _cut(values: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
    """Variants of recordings (1, ..., samples) of what is kept of them (N, ..., samples), and their mask."""
    mask, order = kept.sort(dim=-1, descending=True, stable=True)
    return values.expand_as(kept).gather(-1, order), mask
