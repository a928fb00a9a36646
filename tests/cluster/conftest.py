"""A Ray cluster of this machine's processes, as large as the tests need and no larger."""

from collections.abc import Iterator
from types import ModuleType

import pytest

from sensorium.cluster.connect import LOCAL, cluster


@pytest.fixture(scope="module")
def local_cluster() -> Iterator[ModuleType]:
    """Two processors and 150 MB for objects; commands with --cluster take it, whatever address they are given."""
    with cluster(LOCAL, 2, object_store_memory=150 * 2**20) as ray:
        yield ray
