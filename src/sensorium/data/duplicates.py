"""Which rows hold the same media: files of the same content, and near-same pictures."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from sensorium.data.cells import is_wave, split_bag
from sensorium.data.table import Table
from sensorium.errors import MediaError
from sensorium.media.cache import Recipe, content_digest
from sensorium.media.image import read_image
from sensorium.media.limits import LIMITS, Limits, open_bytes
from sensorium.media.loader import MediaLoader

__all__ = ["MOST_FILES", "SharedFiles", "difference_hash", "near_pairs", "shared_files"]

MOST_FILES = 200_000  # cells of media; of more, none is compared: it would cost as much as an epoch
THUMBNAIL = (32, 36)  # pixels that are read; each 4 by 4 become one, for eight differences in each of eight rows
BRIGHTER = 3.0  # levels of 255, by which a pixel must be brighter than the one to its left: plain areas have noise
NEAR_BITS = 8  # of 64, in which the hashes of near-same pictures differ at most
# How far their thumbnails are apart at most (root mean square): levels of 255, and a share of the picture's contrast.
NEAR_LEVELS, NEAR_CONTRAST = 2.0, 0.1
AT_ONCE = 256  # thumbnails asked for
PAIRS = 1_000_000  # kept at once


class SharedFiles(NamedTuple):
    """Which rows hold which files: row `rows[i]` holds the file `files[i]`; files that are the same have one number."""

    rows: np.ndarray
    files: np.ndarray


def shared_files(
    tables: Sequence[Table],
    columns: Sequence[str],
    pictures: Sequence[str] = (),
    loader: MediaLoader | None = None,
    limits: Limits = LIMITS,
) -> SharedFiles | None:
    """The files of the tables' media columns, known by content; None of more than MOST_FILES cells.

    Only files that are as large as another one are read and hashed; what can't be read is left out.

    Args:
        tables: their rows are counted through, the second's after the first's.
        columns: that hold media.
        pictures: those of them in which near-same pictures count as the same, too.
        loader: decodes pictures, and its cache remembers the hashes; None does both here.
        limits: of one file.
    """
    if sum(len(table) * len(set(columns) & set(table.columns)) for table in tables) > MOST_FILES:
        return None
    loader = loader or MediaLoader()
    rows, found = [], []  # a row, and the place in `sources` of a file that it holds
    sources: list[Path | bytes] = []  # a path, or the hash of what is in memory
    sizes: list[int] = []  # bytes
    place: dict[Path | bytes, int] = {}
    thumbnails = _Thumbnails(loader, limits)
    for row, column, item in _items(tables, columns):
        try:
            source, size = _known_by(item, limits)
        except (MediaError, OSError):
            continue
        at = place.setdefault(source, len(sources))
        if at == len(sources):
            sources.append(source)
            sizes.append(size)
            if column in pictures:
                thumbnails.add(at, item)
        rows.append(row)
        found.append(at)
    same = _contents(sources, sizes, loader)
    for first, second in thumbnails.pairs():
        same = _joined(same, first, second)
    return SharedFiles(np.array(rows, dtype=np.int64), same[np.array(found, dtype=np.int64)])


def _items(tables: Sequence[Table], columns: Sequence[str]) -> Iterator[tuple[int, str, Any]]:
    """Row, column and medium, of all that the cells hold."""
    start = 0
    for table in tables:
        for column in columns:
            if column not in table.columns:
                continue
            for row, cell in enumerate(table.cells(column), start):
                for item in split_bag(cell):
                    try:
                        yield row, column, table.resolve(item)
                    except MediaError:
                        continue
        start += len(table)


def _known_by(item: Any, limits: Limits) -> tuple[Path | bytes, int]:
    """A file's path, or the hash of what is in memory; and its bytes.

    Raises:
        MediaError, OSError: it can't be read.
    """
    if isinstance(item, bytes | bytearray | memoryview):
        return content_digest(bytes(item)), len(item)
    if isinstance(item, str | os.PathLike):
        path = open_bytes(item, limits)
        return path, os.stat(path).st_size
    if is_wave(item):
        item = np.asarray(item[0])
    if isinstance(item, Image.Image):
        read_image(item, THUMBNAIL, limits)  # what Pillow opened may still turn out to be damaged
        item = np.asarray(item.convert("RGBA") if item.mode == "P" else item)
    if not isinstance(item, np.ndarray) or item.dtype == object:
        raise MediaError(f"it is no medium: {type(item).__name__}")
    about = f"{item.dtype} {item.shape} ".encode()
    return content_digest(about + np.ascontiguousarray(item).tobytes()), item.nbytes


def _contents(sources: Sequence[Path | bytes], sizes: Sequence[int], loader: MediaLoader) -> np.ndarray:
    """A number for each source, the same for the same content."""
    often = Counter(sizes)
    numbers: dict[Any, int] = {}
    same = np.empty(len(sources), dtype=np.int64)
    for i, (source, size) in enumerate(zip(sources, sizes, strict=True)):
        key: Any = source
        if often[size] > 1 and isinstance(source, Path):
            try:
                key = loader.digest(source)
            except OSError:
                pass  # it is like itself alone
        same[i] = numbers.setdefault(key, len(numbers))
    return same


class _Thumbnails:
    """Small copies of the pictures of some sources, read some at a time, so that no more of them are in memory."""

    def __init__(self, loader: MediaLoader, limits: Limits):
        self.loader, self.recipe = loader, Recipe("image", {"size": THUMBNAIL}, limits)
        self.waiting: list[tuple[int, Any]] = []
        self.places: list[int] = []
        self.small: list[np.ndarray] = []

    def add(self, place: int, item: Any) -> None:
        self.waiting.append((place, item))
        if len(self.waiting) == AT_ONCE:
            self._read()

    def _read(self) -> None:
        loaded = self.loader.finish([self.loader.begin(item, self.recipe) for _, item in self.waiting])
        for (place, _), one in zip(self.waiting, loaded, strict=True):
            if not isinstance(one.value, MediaError):
                self.places.append(place)
                self.small.append(one.value.values.reshape(3, 8, 4, 9, 4).mean((2, 4)).astype(np.uint8))
        self.waiting = []

    def pairs(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Places of near-same pictures, in parts."""
        self._read()
        if len(self.places) > 1:
            places = np.array(self.places)
            for first, second in near_pairs(np.stack(self.small)):
                yield places[first], places[second]


def difference_hash(thumbnails: np.ndarray) -> np.ndarray:
    """64 bits a picture: whether each pixel of its grey 9 by 8 thumbnail is brighter than the one to its left.

    Reference: Krawetz 2013, Kind of Like That (dHash); there, any difference counts.

    Args:
        thumbnails: (N, 3, 8, 9), uint8.

    Returns:
        (N, 64), bool.
    """
    grey = np.tensordot(thumbnails.astype(np.float64), [0.299, 0.587, 0.114], axes=(1, 0))  # (N, 8, 9)
    return (grey[:, :, 1:] > grey[:, :, :-1] + BRIGHTER).reshape(-1, 64)


def near_pairs(thumbnails: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of near-same pictures, in parts: alike in their difference hash, and in the colours of their thumbnails.

    The hash alone would take all plain pictures for one. Two hashes that differ in NEAR_BITS bits at most agree in
    one of NEAR_BITS + 1 parts, so that only pictures that share a part are compared.
    """
    bits = difference_hash(thumbnails)
    flat = thumbnails.reshape(len(thumbnails), -1)  # (N, 216)
    far = NEAR_LEVELS + NEAR_CONTRAST * flat.std(1)
    edges = np.linspace(0, 64, NEAR_BITS + 2).astype(int)
    first, second, count = [], [], 0
    for low, high in pairwise(edges):
        part = bits[:, low:high] @ (1 << np.arange(high - low))
        order = np.argsort(part, kind="stable")
        for places in np.split(order, np.flatnonzero(np.diff(part[order])) + 1):
            for i, place in enumerate(places[:-1]):
                rest = places[i + 1 :]
                rest = rest[(bits[rest] != bits[place]).sum(1) <= NEAR_BITS]
                apart = np.sqrt(((flat[rest].astype(np.float32) - flat[place]) ** 2).mean(1))
                rest = rest[apart <= np.minimum(far[rest], far[place])]
                first.append(np.full(len(rest), place))
                second.append(rest)
                count += len(rest)
                if count > PAIRS:
                    yield np.concatenate(first), np.concatenate(second)
                    first, second, count = [], [], 0
    if count:
        yield np.concatenate(first), np.concatenate(second)


def _joined(same: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The numbers of `same`, one for all that pairs of its places lead to."""
    count = int(same.max()) + 1
    graph = coo_array((np.ones(len(first)), (same[first], same[second])), shape=(count, count))
    return connected_components(graph, directed=False)[1][same].astype(np.int64)
