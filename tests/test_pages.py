"""What a step frees, the next step has without asking the system: told by the faults of pages that it counts."""

import subprocess
import sys

import pytest

# In a process of its own: what malloc was told can't be unsaid.
COMMAND = """
import resource
from sensorium.pages import kept_pages
def faults(times=4):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        b'1' * (64 * 2**20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
plain = faults()
with kept_pages():
    faults(1)
    with kept_pages():
        pass
    kept = faults()
print(plain, kept, faults())
"""
PAGES = 4 * 64 * 2**20 // 4096  # that four times 64 MiB have


def counted(**environment):
    told = subprocess.run(
        [sys.executable, "-c", COMMAND], env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=120
    )
    return [int(word) for word in told.stdout.split()]


@pytest.mark.skipif(sys.platform != "linux", reason="malloc is glibc's on Linux alone")
def test_a_block_that_was_freed_is_taken_again_inside_alone():
    plain, kept, after = counted()
    assert kept < PAGES // 100
    assert min(plain, after) > PAGES // 2  # fewer only where the system gives large pages


@pytest.mark.skipif(sys.platform != "linux", reason="malloc is glibc's on Linux alone")
def test_what_the_environment_says_of_malloc_holds():
    plain, kept, _ = counted(MALLOC_ARENA_MAX="2")
    assert min(plain, kept) > PAGES // 2


def test_an_error_inside_comes_out():
    from sensorium.pages import kept_pages

    with pytest.raises(ValueError, match="as it was"), kept_pages():
        raise ValueError("as it was")
