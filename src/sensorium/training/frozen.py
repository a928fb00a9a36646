"""What frozen encoders say, computed once: a training epoch then costs what is learned on top of it."""

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from sensorium.data.batches import Rows
from sensorium.encoders.bag import of_item
from sensorium.encoders.rows import present_rows
from sensorium.export.archive import add_weights
from sensorium.media.cache import MediaCache
from sensorium.media.decode import Decoded
from sensorium.model import MultimodalModel
from sensorium.training.precision import processor_has_bf16

__all__ = ["fingerprint", "remember"]

CHUNK = 1024  # rows that are sorted by length together, so that short ones are not padded to long ones
FIXED = 32  # rows of pictures or clips, whose length is one
BATCH = 32
KEPT = 256  # rows that go into the cache together: each time the disk is waited for
FORMAT = 1
JUDGED = 8  # rows by which bf16 is judged
CLOSE = 0.01  # of what tokens differ by from one another: bf16 may change them by so much


@torch.no_grad()
def remember(
    model: MultimodalModel,
    parts: Sequence[Rows],
    cache: MediaCache | None = None,
    say: Callable[[str], None] = lambda _: None,
    precision: str = "auto",
) -> None:
    """Fill `known` of some rows with what the frozen part of each encoder says of each row.

    Kept in the cache under a hash of the weights and of the values read, so that no later fit computes it again.
    Numbers of 32 bits, in whatever precision they were computed. Answers to new rows are computed in 32 bits, so an
    encoder is asked in bf16 only where that changes what it says by no more than CLOSE.

    Args:
        model: whose encoders are asked.
        parts: read once, here.
        cache: None: nothing is kept beyond `known`.
        say: called with a line for each input of each part: rows, those that the cache had, seconds.
        precision: 32; bf16: for each encoder that says nearly the same in it; auto: likewise, where the processor has it.
    """
    if model.frozen:
        model.eval()
    for name in model.frozen:
        encoder = model.encoder(name)
        weights = _weights(encoder)
        wanted = precision == "bf16" or (precision == "auto" and processor_has_bf16())
        chosen = "bf16" if wanted and _change(encoder, weights, parts, name, cache) <= CLOSE else "32"
        mark, how = _mark(weights, chosen), ", in bf16" if chosen == "bf16" else ""
        for rows in parts:
            start = time.monotonic()
            with _computing(chosen):
                rows.known[name], had = _read(encoder, rows, name, mark, cache)
            seconds = time.monotonic() - start
            say(
                f"'{name}': its frozen encoder has read {len(rows)} rows in {seconds:.1f} s{how} "
                f"({had} of them known before)."
            )


def _change(encoder: Any, weights: bytes, parts: Sequence[Rows], name: str, cache: MediaCache | None) -> float:
    """How much bf16 changes what an encoder says, beside how much its tokens differ from one another.

    Judged by the first rows that have the input, once an encoder and cache.
    """
    key = _mark(weights, "32 to bf16")[:16]
    if cache is not None and (known := cache.get(key)) is not None:
        return float(known.values[0])
    for rows in parts:
        for start in range(0, len(rows), JUDGED):
            items = rows.items(name, range(start, min(start + JUDGED, len(rows))))
            values, mask = map(torch.from_numpy, rows.readers[name].collate(items))
            if not mask.any():
                continue
            tokens, real = encoder.look(values, mask)
            with _computing("bf16"):
                rounded = encoder.look(values, mask).tokens[real]  # (N, seen), of real tokens alone
            exact = tokens[real]
            change = float((rounded - exact).norm() / (exact - exact.mean(0)).norm())
            if cache is not None:
                cache.put({key: Decoded(np.array([change]))})
            return change
    return math.inf


def _computing(precision: str) -> torch.autocast:
    return torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16")


def _read(
    encoder: Any, rows: Rows, name: str, mark: bytes, cache: MediaCache | None
) -> tuple[tuple[np.ndarray, np.ndarray], int]:
    """What an encoder says of an input's rows, tokens and mask, and how many of them the cache had."""
    found: list[np.ndarray | None] = [None] * len(rows)
    new: dict[bytes, Decoded] = {}  # not in the cache yet
    had = 0
    for places, values, mask in _sorted_batches(rows, name):
        keys = [
            _key(mark, *row) if there else None for row, there in zip(_rows(values, mask), _there(mask), strict=True)
        ]
        wanted = []
        for at, (place, key) in enumerate(zip(places, keys, strict=True)):
            if key is None:
                continue
            known = None if cache is None else cache.get(key)
            if known is None:
                wanted.append(at)
            else:
                found[place], had = known.values, had + 1
        if not wanted:
            continue
        tokens, real = encoder.look(torch.from_numpy(values[wanted]), torch.from_numpy(mask[wanted]))
        for at, row, there in zip(wanted, tokens.numpy(), real.numpy(), strict=True):
            found[places[at]] = row[there]  # (T, seen), of real tokens alone
            new[keys[at]] = Decoded(found[places[at]])
        if cache is not None and len(new) >= KEPT:
            cache.put(new)
            new.clear()
    if cache is not None:
        cache.put(new)
    return _together(found, of_item(encoder).seen), had


def fingerprint(encoder: Any, precision: str = "32") -> bytes:
    """A hash of all that `look` depends on beside the values: weights, pooling, layers, precision."""
    return _mark(_weights(encoder), precision)


def _weights(encoder: Any) -> bytes:
    """Of that but the precision: a large network's weights are hashed once for all that is asked of it."""
    inner = of_item(encoder)
    told = [FORMAT, inner.pooling, inner.count, inner.body.source.to_json()]
    digest = hashlib.sha256(json.dumps(told).encode())
    add_weights(digest, inner.body.state_dict())
    return digest.digest()


def _mark(weights: bytes, precision: str) -> bytes:
    return hashlib.sha256(weights + precision.encode()).digest()


def _sorted_batches(rows: Rows, name: str) -> Iterator[tuple[list[int], np.ndarray, np.ndarray]]:
    """Places, values and mask of all rows, those of like length together."""
    reader = rows.readers[name]
    ragged = reader.modality in {"text", "audio"}
    size = CHUNK if ragged else FIXED
    for start in range(0, len(rows), size):
        places = list(range(start, min(start + size, len(rows))))
        items = rows.items(name, places)
        order = sorted(range(len(places)), key=lambda at: _length(items[at])) if ragged else list(range(len(places)))
        for first in range(0, len(order), BATCH):
            part = order[first : first + BATCH]
            yield [places[at] for at in part], *reader.collate([items[at] for at in part])


def _length(item: Any) -> int:
    if item is None:
        return 0
    return max(len(part) for part in item) if isinstance(item, list) else len(item)


def _there(mask: np.ndarray) -> list[bool]:
    return present_rows(torch.from_numpy(mask)).tolist()


def _rows(values: np.ndarray, mask: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Each row, without what is padding where its mask says so for each value."""
    padded = mask.shape == values.shape  # tokens and samples
    for row, real in zip(values, mask, strict=True):
        yield (row[real], real[real]) if padded and mask.ndim == 2 else (row, real)


def _key(mark: bytes, values: np.ndarray, mask: np.ndarray) -> bytes:
    digest = hashlib.sha256(mark)
    digest.update(str((values.shape, values.dtype.str)).encode())
    digest.update(np.ascontiguousarray(values))
    digest.update(np.ascontiguousarray(mask))
    return digest.digest()[:16]


def _together(found: list[np.ndarray | None], width: int) -> tuple[np.ndarray, np.ndarray]:
    """Tokens (N, T, width) and mask (N, T)."""
    longest = max([1, *(len(row) for row in found if row is not None)])
    tokens = np.zeros((len(found), longest, width), dtype=np.float32)
    mask = np.zeros((len(found), longest), dtype=bool)
    for place, row in enumerate(found):
        if row is not None:
            tokens[place, : len(row)], mask[place, : len(row)] = row, True
    return tokens, mask
