"""Near neighbours among many vectors: usearch's HNSW graph."""

import numpy as np

from sensorium.errors import ConfigError

__all__ = ["Graph"]

CONNECTIVITY = 16  # neighbours a vector keeps, twice as many on the lowest level
EXPANSION = {"expansion_add": 128, "expansion_search": 128}  # candidates kept; recall of 10 is near 1 with these
MOST = 2**31  # vectors; usearch counts more in another way
PART = 65_536  # nodes checked at once
KINDS = [105, 12, 14, 15]  # of a file: inner product, 16 bit floats, keys of 64 bit, links of 32


class Graph:
    """Unit vectors linked to near ones (HNSW), so that a search looks at some hundreds of them and not at all.

    Reference: Malkov and Yashunin 2018. Its vectors are halves of 16 bit: compare what it finds with the whole ones.

    Args:
        index: made by `build` or `restore`.
    """

    def __init__(self, index):
        self.index = index

    @classmethod
    def build(cls, vectors: np.ndarray) -> "Graph":
        """The graph of vectors (N, size).

        Raises:
            ConfigError: usearch is not installed.
        """
        index = _empty(vectors.shape[1])
        index.add(np.arange(len(vectors)), vectors)
        return cls(index)

    @classmethod
    def restore(cls, content: bytes, count: int, size: int) -> "Graph | None":
        """The graph that `save` wrote of `count` vectors; None where it isn't whole, or not laid out as known here.

        usearch follows the links of a file without looking where they lead, so they are all checked before.

        Raises:
            ConfigError: usearch is not installed.
        """
        index = _empty(size)
        if not _sound(np.frombuffer(content, np.uint8), count, size):
            return None
        index.load(content)
        return cls(index)

    def save(self) -> bytes:
        return bytes(self.index.save())

    def search(self, query: np.ndarray, count: int) -> np.ndarray:
        """Places of about the `count` nearest vectors to one (size,)."""
        return self.index.search(query, count).keys.astype(np.int64)


def _empty(size: int):
    try:
        from usearch.index import Index
    except ImportError as error:
        raise ConfigError(
            "searching so many rows needs usearch. Install it with: pip install 'sensorium[search]', or compare every "
            "row (--exact)."
        ) from error
    return Index(ndim=size, metric="ip", dtype="f16", connectivity=CONNECTIVITY, **EXPANSION)


def _sound(content: np.ndarray, count: int, size: int) -> bool:
    """Whether bytes are a graph of usearch's format 2 whose every link leads to a node on its level.

    After the matrix and a head of 64 bytes come 40 bytes (sizes, entry), each node's level, and the nodes: key (8
    bytes), level (2), then for each level the count of neighbours (4) and room for 2 or 1 times CONNECTIVITY (4 each).
    """
    start = 8 + 2 * count * size  # of the head: rows and bytes of each row, then the halves
    if len(content) < start + 104 + 2 * count or not 0 < count < MOST:
        return False
    head = content[start : start + 64]
    facts = [int(x) for x in head[17:41].view("<u8")]
    levels = content[start + 104 : start + 104 + 2 * count].view("<i2").astype(np.int64)
    told = [int(x) for x in content[start + 64 : start + 104].view("<u8")]
    if (
        content[:8].view("<u4").tolist() != [count, 2 * size]
        or head[:7].tobytes() != b"usearch"
        or head[7:9].tobytes() != b"\2\0"
        or head[13:17].tolist() != KINDS
        or facts != [count, 0, size]
        or head[41:].any()
        or told[:3] != [count, CONNECTIVITY, 2 * CONNECTIVITY]
        or told[4] >= count
        or levels.min() < 0
        or not told[3] == levels.max() == levels[told[4]]
    ):
        return False
    room = 4 + 4 * np.array([2 * CONNECTIVITY, CONNECTIVITY])  # bytes of a level's list: the lowest, one above
    lengths = 10 + room[0] + levels * room[1]
    nodes = content[start + 104 + 2 * count :]
    if lengths.sum() != len(nodes):
        return False
    starts = np.cumsum(lengths) - lengths
    keys, own = _gather(nodes, starts, 8, "<u8")[:, 0], _gather(nodes, starts + 8, 2, "<i2")[:, 0]
    if not (np.array_equal(np.sort(keys), np.arange(count)) and np.array_equal(own, levels)):
        return False
    for level in range(told[3] + 1):
        at = 10 + (room[0] + (level - 1) * room[1] if level else 0)
        here = np.flatnonzero(levels >= level)
        for first in range(0, len(here), PART):
            lists = _gather(nodes, starts[here[first : first + PART]] + at, room[min(level, 1)], "<u4")
            links = lists[:, 1:]
            used = np.arange(links.shape[1]) < lists[:, :1]
            if lists[:, 0].max() > links.shape[1] or links[used].max(initial=0) >= count:
                return False
            if (levels[links[used]] < level).any():
                return False
    return True


def _gather(content: np.ndarray, starts: np.ndarray, length: int, dtype: str) -> np.ndarray:
    """`length` bytes from each of `starts`, as numbers: (starts, numbers)."""
    return content[starts[:, None] + np.arange(length)].view(dtype)
