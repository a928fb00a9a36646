"""CH-SIMS, CMU-MOSI and CMU-MOSEI with their clips, as MMSA publishes them: label.csv and Raw/VIDEO/CLIP.mp4."""

from pathlib import Path

import pandas as pd

from sensorium.errors import DataError, did_you_mean
from sensorium.importing.found import Found, columns_of, not_found

__all__ = ["read_mmsa"]

SPLITS = ("train", "valid", "test")
TARGETS = ("label", "label_T", "label_A", "label_V", "annotation")


def read_mmsa(folder: Path, seed: int) -> Found:
    """What was said and the clip of it, with how positive it is: `label`, and in words `annotation`.

    CH-SIMS has labels of the text, the sound and the picture alone, too: label_T, label_A, label_V. The splits are
    those of the column `mode`.

    Reference: Yu et al. 2020, CH-SIMS; Zadeh et al. 2016, MOSI (arXiv:1606.06259); thuiar/MMSA-FET,
    src/MSA_FET/dataset.py.
    """
    path = folder / "label.csv"
    if not path.is_file():
        raise not_found(folder, "a set of MMSA (ch-sims, mosi, mosei)", ["label.csv", "Raw/VIDEO/CLIP.mp4"])
    cells = columns_of(path, ("video_id", "clip_id", "text", "label", "mode"), TARGETS[1:])
    modes = [mode.strip() for mode in cells.pop("mode")]
    for row, mode in enumerate(modes, 1):
        if mode not in SPLITS:
            raise DataError(f"{path} row {row}, column 'mode': unknown split '{mode}'. {did_you_mean(mode, SPLITS)}")
    video = [_clip(folder / "Raw", *ids) for ids in zip(cells.pop("video_id"), cells.pop("clip_id"), strict=True)]
    targets = tuple(name for name in TARGETS if any(cells.get(name, ())))  # MOSI has columns that are empty
    frame = pd.DataFrame({"video": video, "text": cells["text"], **{name: cells[name] for name in targets}})
    tables = {split: frame[[mode == split for mode in modes]] for split in SPLITS}
    return Found({split: rows for split, rows in tables.items() if len(rows)}, targets)


def _clip(raw: Path, video: str, clip: str) -> Path:
    """Of CH-SIMS clips are called 0001; a table that a spreadsheet has saved says 1."""
    path = raw / video / f"{clip}.mp4"
    padded = raw / video / f"{clip.zfill(4)}.mp4"
    return padded if not path.is_file() and padded.is_file() else path
