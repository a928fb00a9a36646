"""MELD: utterances of the series Friends; a CSV and a folder of clips a split."""

from pathlib import Path

import pandas as pd

from sensorium.importing.found import Found, columns_of, find, not_found

__all__ = ["read_meld"]

# The name of the CSV, and what the archive of the clips unpacks to; people rename the latter.
SPLITS = {
    "train": ("train_sent_emo.csv", ("train_splits", "train")),
    "valid": ("dev_sent_emo.csv", ("dev_splits_complete", "dev_splits", "dev")),
    "test": ("test_sent_emo.csv", ("output_repeated_splits_test", "test_splits", "test")),
}
TARGETS = ("Emotion", "Sentiment")


def read_meld(folder: Path, seed: int) -> Found:
    """What was said, by whom, and the clip dia{Dialogue_ID}_utt{Utterance_ID}.mp4. The splits are the set's own.

    One clip of the published validation set is missing (dia110_utt7), and some clips of it are in no table.

    Reference: Poria et al. 2019, MELD (arXiv:1810.02508); declare-lab/MELD, utils/read_meld.py and issue 22.
    """
    found = Found({}, TARGETS)
    for split, (name, clips) in SPLITS.items():
        path = find(folder, name)
        if path is None:
            continue
        cells = columns_of(path, ("Utterance", "Speaker", *TARGETS, "Dialogue_ID", "Utterance_ID"))
        place = find(folder, *clips) or folder / clips[0]
        numbers = zip(cells.pop("Dialogue_ID"), cells.pop("Utterance_ID"), strict=True)
        video = [place / f"dia{dialogue}_utt{utterance}.mp4" for dialogue, utterance in numbers]
        found.tables[split] = pd.DataFrame({"video": video, **cells})
    if not found.tables:
        raise not_found(folder, "meld", [name for name, _ in SPLITS.values()])
    return found
