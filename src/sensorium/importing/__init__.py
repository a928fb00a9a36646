"""Tables to learn from, made of public sets as they are published."""

from collections.abc import Callable
from pathlib import Path

from sensorium.importing.av_mnist import read_av_mnist
from sensorium.importing.folders import read_folders
from sensorium.importing.found import Found
from sensorium.importing.grid import read_grid
from sensorium.importing.hateful_memes import read_hateful_memes
from sensorium.importing.hf import read_hf
from sensorium.importing.meld import read_meld
from sensorium.importing.mmsa import read_mmsa

__all__ = ["LAYOUTS"]

# A reader takes the set's folder and the seed of what it deals out.
LAYOUTS: dict[str, Callable[[Path, int], Found]] = {
    "av-mnist": read_av_mnist,
    "ch-sims": read_mmsa,
    "folders": read_folders,
    "grid": read_grid,
    "hateful-memes": read_hateful_memes,
    "hf": read_hf,
    "meld": read_meld,
    "mosei": read_mmsa,
    "mosi": read_mmsa,
}
