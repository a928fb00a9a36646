"""A folder a class: cats/1.jpg, dogs/2.jpg, alone or below train/, val/ and test/, as ImageNet is laid out."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from sensorium.importing.deal import deal
from sensorium.importing.found import Found, files, not_found
from sensorium.media import EXTENSIONS

__all__ = ["read_folders"]

KINDS = ("image", "audio", "video")
SPLITS = {
    "train": ("train", "training"),
    "valid": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}


def read_folders(folder: Path, seed: int) -> Found:
    """Files by the folder that they lie in.

    A class folder may have folders of its own. Files of one name but for the ending are one row: 1.jpg and 1.wav. Files
    beside the folders of classes are rows without a label, as ImageNet's test pictures are.

    Reference: `torchvision.datasets.ImageFolder`; Russakovsky et al. 2015, ImageNet Large Scale Visual Recognition
    Challenge.
    """
    places = {split: _split(folder, names) for split, names in SPLITS.items()}
    splits = {split: place for split, place in places.items() if place is not None}
    found = Found({}, ("label",))
    for split, place in (splits if "train" in splits else {"all": folder}).items():
        rows = list(_rows(place))
        nameless = sum(row["label"] == "" for row in rows)
        if nameless == len(rows) and split in {"all", "train"}:
            looked_for = ["train/CLASS/FILE", "CLASS/FILE"]
            raise not_found(folder, "folders", [f"{way} (pictures, sound or clips)" for way in looked_for])
        if nameless:
            found.notes.append(f"{split}: {nameless} files lie in no class's folder; their label is empty.")
        if rows:
            kinds = [kind for kind in KINDS if any(kind in row for row in rows)]
            found.tables[split] = pd.DataFrame(rows, columns=[*kinds, "label"])
    if "all" in found.tables:
        frame = found.tables.pop("all")
        dealt = deal(frame["label"], seed)
        found.tables.update({split: frame.iloc[chosen] for split, chosen in dealt.items()})
        found.notes.append("The set has no splits: its rows were dealt out, each class in the same shares.")
    return found


def _split(folder: Path, names: tuple[str, ...]) -> Path | None:
    """The folder of a split. One called train without folders in it is a class: pictures of trains."""
    places = [folder / name for name in names if (folder / name).is_dir()]
    if names == SPLITS["train"]:
        places = [place for place in places if any(inner.is_dir() for inner in place.iterdir())]
    return places[0] if places else None


def _rows(place: Path) -> Iterator[dict[str, str | Path]]:
    rows: dict[Path, dict[str, str | Path]] = {}
    for path in files(place):
        kind = EXTENSIONS.get(path.suffix.lower())
        if kind is None:
            continue
        row = rows.setdefault(path.with_suffix(""), {})
        if kind in row:  # 1.jpg and 1.png: two pictures
            row = rows.setdefault(path, {})
        above = path.relative_to(place).parts[:-1]
        row |= {kind: path, "label": above[0] if above else ""}
    yield from rows.values()
