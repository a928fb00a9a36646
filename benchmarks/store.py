"""Which kept library suits the cache of decoded media: write and read the same arrays through several stores.

    pip install lmdb zarr diskcache && python benchmarks/store.py

Medians over interleaved repeats, one thread, page cache warm, in one run; `x` is relative to fancy-indexing one plain
memory-mapped .npy array, the floor. Writes come in batches of 64, each made safe before the next. A store whose library is
not installed is skipped with a message. Writes benchmarks/results/store.{json,md}.
"""

import argparse
import hashlib
import importlib.util
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from safetensors.numpy import load_file, save_file

RESULTS = Path(__file__).parent / "results"
BATCH = 64


def key(row: int) -> bytes:
    """As a content hash: 16 bytes without an order."""
    return hashlib.sha256(str(row).encode()).digest()[:16]


class Npy:
    """One preallocated .npy array, memory-mapped: no keys, no eviction, no second writer. The floor."""

    def __init__(self, folder: Path, rows: int, shape: tuple[int, ...]):
        self.values = np.lib.format.open_memmap(folder / "all.npy", "w+", np.uint8, (rows, *shape))

    def write(self, start: int, items: np.ndarray) -> None:
        self.values[start : start + len(items)] = items
        self.values.flush()

    def read(self, rows: Sequence[int]) -> np.ndarray:
        return self.values[rows]


class NpyFiles:
    """A .npy file an item."""

    def __init__(self, folder: Path, rows: int, shape: tuple[int, ...]):
        self.folder = folder

    def write(self, start: int, items: np.ndarray) -> None:
        for row, item in enumerate(items, start):
            temporary = self.folder / "part"
            with temporary.open("wb") as file:
                np.save(file, item)
                os.fsync(file.fileno())
            temporary.rename(self.folder / f"{key(row).hex()}.npy")

    def read(self, rows: Sequence[int]) -> np.ndarray:
        return np.stack([np.load(self.folder / f"{key(row).hex()}.npy", mmap_mode="r") for row in rows])


class Lmdb:
    """LMDB: a memory-mapped B-tree, one writer at a time among processes, any number of readers."""

    def __init__(self, folder: Path, rows: int, shape: tuple[int, ...]):
        import lmdb

        self.shape = shape
        self.store = lmdb.open(str(folder), map_size=2 * rows * int(np.prod(shape)) + 2**26)

    def write(self, start: int, items: np.ndarray) -> None:
        with self.store.begin(write=True) as transaction:
            for row, item in enumerate(items, start):
                transaction.put(key(row), item.data)

    def read(self, rows: Sequence[int]) -> np.ndarray:
        out = np.empty((len(rows), *self.shape), np.uint8)
        with self.store.begin(buffers=True) as transaction:
            for i, row in enumerate(rows):
                out[i] = np.frombuffer(transaction.get(key(row)), np.uint8).reshape(self.shape)
        return out


class Arrow:
    """A memory-mapped Arrow file a batch, and a dict of where each item is."""

    def __init__(self, folder: Path, rows: int, shape: tuple[int, ...]):
        self.folder, self.shape, self.place = folder, shape, {}

    def write(self, start: int, items: np.ndarray) -> None:
        path = self.folder / f"{start}.arrow"
        flat = pa.array([item.tobytes() for item in items], pa.large_binary())
        table = pa.table({"value": flat})
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        with path.open("rb") as file:
            os.fsync(file.fileno())
        column = pa.ipc.open_file(pa.memory_map(str(path))).read_all()["value"].chunk(0)
        self.place |= {key(start + i): (column, i) for i in range(len(items))}

    def read(self, rows: Sequence[int]) -> np.ndarray:
        out = np.empty((len(rows), *self.shape), np.uint8)
        for i, row in enumerate(rows):
            column, place = self.place[key(row)]
            out[i] = np.frombuffer(column[place].as_buffer(), np.uint8).reshape(self.shape)
        return out


class Safetensors:
    """A safetensors file a batch, mapped when it is read, and a dict of where each item is."""

    def __init__(self, folder: Path, rows: int, shape: tuple[int, ...]):
        self.folder, self.shape, self.place = folder, shape, {}

    def write(self, start: int, items: np.ndarray) -> None:
        path = self.folder / f"{start}.safetensors"
        save_file({"value": items}, path)
        with path.open("rb") as file:
            os.fsync(file.fileno())
        values = load_file(path)["value"]  # the NumPy loader copies: whole shards stay in memory
        self.place |= {key(start + i): (values, i) for i in range(len(items))}

    def read(self, rows: Sequence[int]) -> np.ndarray:
        return np.stack([self.place[key(row)][0][self.place[key(row)][1]] for row in rows])


class Zarr:
    """One Zarr array, a chunk an item, not compressed."""

    def __init__(self, folder: Path, rows: int, shape: tuple[int, ...]):
        import zarr

        self.values = zarr.create_array(
            str(folder / "all.zarr"), shape=(rows, *shape), chunks=(1, *shape), dtype="uint8", compressors=None
        )

    def write(self, start: int, items: np.ndarray) -> None:
        self.values[start : start + len(items)] = items

    def read(self, rows: Sequence[int]) -> np.ndarray:
        return self.values.oindex[np.asarray(rows)]


class DiskCache:
    """diskcache: SQLite, and a file for a large item."""

    def __init__(self, folder: Path, rows: int, shape: tuple[int, ...]):
        import diskcache

        self.shape = shape
        self.store = diskcache.Cache(str(folder), size_limit=2**40, eviction_policy="none")

    def write(self, start: int, items: np.ndarray) -> None:
        with self.store.transact():
            for row, item in enumerate(items, start):
                self.store[key(row)] = item.tobytes()

    def read(self, rows: Sequence[int]) -> np.ndarray:
        out = np.empty((len(rows), *self.shape), np.uint8)
        for i, row in enumerate(rows):
            out[i] = np.frombuffer(self.store[key(row)], np.uint8).reshape(self.shape)
        return out


STORES: dict[str, tuple[str | None, Callable]] = {
    "one .npy, memory-mapped": (None, Npy),
    ".npy files": (None, NpyFiles),
    "lmdb": ("lmdb", Lmdb),
    "Arrow files": (None, Arrow),
    "safetensors files": (None, Safetensors),
    "zarr": ("zarr", Zarr),
    "diskcache": ("diskcache", DiskCache),
}


def measure(shape: tuple[int, ...], rows: int, repeats: int, folder: Path) -> dict[str, dict[str, float]]:
    """Milliseconds an item to write and to read in random order, for each store."""
    random = np.random.default_rng(0)
    items = random.integers(0, 255, (rows, *shape), dtype=np.uint8)
    stores, found = {}, {}
    for name, (library, make) in STORES.items():
        if library is not None and importlib.util.find_spec(library) is None:
            print(f"{name}: skipped, {library} is not installed", file=sys.stderr)
            continue
        place = folder / name.replace(" ", "_").replace(",", "")
        place.mkdir()
        stores[name] = make(place, rows, shape)
        start = time.perf_counter()
        for first in range(0, rows, BATCH):
            stores[name].write(first, items[first : first + BATCH])
        found[name] = {"write_ms": 1000 * (time.perf_counter() - start) / rows}
    times: dict[str, list[float]] = {name: [] for name in stores}
    for _ in range(repeats + 1):  # the first warms up
        order = random.permutation(rows)
        for name, store in stores.items():
            start = time.perf_counter()
            for first in range(0, rows, BATCH):
                batch = store.read(order[first : first + BATCH])
            times[name].append(1000 * (time.perf_counter() - start) / rows)
            if not np.array_equal(batch, items[order[first : first + BATCH]]):
                raise RuntimeError(f"{name} gave other values than were written")
    for name, seconds in times.items():
        found[name]["read_ms"] = statistics.median(seconds[1:])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    lines = [
        "# Stores for decoded media",
        "",
        "Milliseconds an item, and relative to one plain memory-mapped array. Repeat with `python benchmarks/store.py`.",
        "",
        "| item | store | write ms | read ms | read x |",
        "|---|---|---|---|---|",
    ]
    results = {}
    for shape, rows in (((3, 64, 64), 2048), ((3, 224, 224), 512)):
        folder = Path(tempfile.mkdtemp())
        try:
            found = measure(shape, rows, given.repeats, folder)
        finally:
            shutil.rmtree(folder)
        label = "x".join(map(str, shape))
        results[label] = found
        floor = found["one .npy, memory-mapped"]["read_ms"]
        for name, score in found.items():
            ratio = score["read_ms"] / floor
            lines.append(f"| {label} | {name} | {score['write_ms']:.3f} | {score['read_ms']:.4f} | {ratio:.2f} |")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "store.json").write_text(json.dumps(results, indent=1) + "\n")
    (RESULTS / "store.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
