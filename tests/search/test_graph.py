"""The graph of near neighbours: what it finds, and that a file of it can be opened whatever is in it."""

import os
import sys

import numpy as np
import pytest

from sensorium.errors import ConfigError
from sensorium.search.graph import Graph


def unit(count, size, seed=0):
    vectors = np.random.default_rng(seed).normal(size=(count, size)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_it_finds_what_comparing_all_finds():
    vectors, queries = unit(3000, 16), unit(50, 16, seed=1)
    graph = Graph.build(vectors)
    restored = Graph.restore(graph.save(), 3000, 16)
    for query in queries:
        nearest = set(np.argsort(-(vectors.astype(np.float64) @ query))[:10].tolist())
        found = graph.search(query, 10).tolist()
        assert len(nearest & set(found)) >= 9
        assert restored.search(query, 10).tolist() == found


def test_of_few_vectors_all_are_found():
    vectors = unit(3, 4)
    graph = Graph.restore(Graph.build(vectors).save(), 3, 4)
    assert sorted(graph.search(vectors[0], 10).tolist()) == [0, 1, 2]


def test_another_number_of_vectors_or_size_is_no_graph_of_them():
    content = Graph.build(unit(100, 8)).save()
    assert Graph.restore(content, 99, 8) is None
    assert Graph.restore(content, 100, 4) is None
    assert Graph.restore(content[:-1], 100, 8) is None
    assert Graph.restore(b"", 100, 8) is None


def survives(content, vectors):
    """Whether opening and searching it ends without a crash, in a process of its own."""
    child = os.fork()
    if child == 0:
        graph = Graph.restore(content, *vectors.shape)
        if graph is not None:
            for query in vectors[:20]:
                graph.search(query, 10)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_no_damaged_file_crashes_the_process():
    vectors = unit(400, 8)
    whole = Graph.build(vectors).save()
    links = 8 + 400 * 8 * 2  # where the vectors end
    random = np.random.default_rng(0)
    refused = 0
    for trial in range(60):
        content = bytearray(whole)
        for place in random.integers(0 if trial % 2 else links, len(content), 1 + trial):
            content[place] = random.integers(256)
        refused += Graph.restore(bytes(content), 400, 8) is None
        assert survives(bytes(content), vectors), trial
    assert refused > 30


def test_without_usearch_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "usearch.index", None)
    with pytest.raises(ConfigError, match=r"needs usearch. Install it with: pip install 'sensorium\[search\]'"):
        Graph.build(unit(3, 4))
