"""The code blocks of the README and of CONTRIBUTING run."""

import re
from pathlib import Path

import pytest

from sensorium import encoders

ROOT = Path(__file__).parents[1]
BLOCKS = [
    pytest.param(block, id=f"{name} {place}")
    for name in ("README.md", "CONTRIBUTING.md")
    for place, block in enumerate(re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(), re.DOTALL))
]


def test_all_blocks_are_found():
    assert len(BLOCKS) == 3


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_runs(block):
    try:
        exec(compile(block, "block", "exec"), {})
    finally:
        encoders.ENCODERS["image"].pop("brightness", None)
