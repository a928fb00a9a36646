"""What frozen encoders say, computed once: a training epoch then costs what is learned on top of it."""

import hashlib
import json
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

__all__ = ["fingerprint", "remember"]

CHUNK = 1024  # rows that are sorted by length together, so that short ones are not padded to long ones
FIXED = 32  # rows of pictures or clips, whose length is one
BATCH = 32
FORMAT = 1


@torch.no_grad()
def remember(
    model: MultimodalModel,
    parts: Sequence[Rows],
    cache: MediaCache | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> None:
    """Fill `known` of some rows with what the frozen part of each encoder says of each row.

    Kept in the cache under a hash of the weights and of the values read, so that no later fit computes it again.

    Args:
        model: whose encoders are asked.
        parts: read once, here.
        cache: None: nothing is kept beyond `known`.
        say: called with a line for each input of each part: rows, those that the cache had, seconds.
    """
    if model.frozen:
        model.eval()
    for name in model.frozen:
        mark = fingerprint(model.encoder(name))
        for rows in parts:
            start = time.monotonic()
            rows.known[name], had = _read(model.encoder(name), rows, name, mark, cache)
            seconds = time.monotonic() - start
            say(f"'{name}': its frozen encoder has read {len(rows)} rows in {seconds:.1f} s ({had} of them known before).")


def _read(
    encoder: Any, rows: Rows, name: str, mark: bytes, cache: MediaCache | None
) -> tuple[tuple[np.ndarray, np.ndarray], int]:
    """What an encoder says of an input's rows, tokens and mask, and how many of them the cache had."""
    found: list[np.ndarray | None] = [None] * len(rows)
    had = 0
    for places, values, mask in _sorted_batches(rows, name):
        keys = [
            _key(mark, *row) if there else None
            for row, there in zip(_rows(values, mask), _there(mask), strict=True)
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
        new = {}
        for at, row, there in zip(wanted, tokens.numpy(), real.numpy(), strict=True):
            found[places[at]] = row[there]  # (T, seen), of real tokens alone
            new[keys[at]] = Decoded(row[there])
        if cache is not None:
            cache.put(new)
    return _together(found, of_item(encoder).seen), had


def fingerprint(encoder: Any) -> bytes:
    """A hash of all that `look` depends on beside the values: weights, pooling, layers."""
    inner = of_item(encoder)
    digest = hashlib.sha256(json.dumps([FORMAT, inner.pooling, inner.count, inner.body.source.to_json()]).encode())
    add_weights(digest, inner.body.state_dict())
    return digest.digest()


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
