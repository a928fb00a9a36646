"""The GRID corpus: s1/bbaf2n.mpg is speaker 1 saying "bin blue at f two now"; bbaf2n.align says when, word by word."""

import re
from pathlib import Path

import numpy as np
import pandas as pd

from sensorium.errors import DataError
from sensorium.importing.deal import deal, deal_groups
from sensorium.importing.found import Found, files, not_found

__all__ = ["read_grid"]

DIGITS = "zero one two three four five six seven eight nine".split()
# What each letter of a file's name stands for; letters stand for themselves, all but w, whose name is too long.
CODE = {
    "command": {"b": "bin", "l": "lay", "p": "place", "s": "set"},
    "color": {"b": "blue", "g": "green", "r": "red", "w": "white"},
    "preposition": {"a": "at", "b": "by", "i": "in", "w": "with"},
    "letter": {letter: letter for letter in "abcdefghijklmnopqrstuvxyz"},
    "digit": dict(zip("z123456789", DIGITS, strict=True)),
    "adverb": {"a": "again", "n": "now", "p": "please", "s": "soon"},
}
TARGETS = ("digit", "words", *(slot for slot in CODE if slot != "digit"))
SILENCE = {"sil", "sp"}
UNSEEN = {"s1", "s2", "s20", "s22"}  # who test by LipNet's split, where others are there to learn from


def read_grid(folder: Path, seed: int) -> Found:
    """Clips with what is said: the digit, or all six words.

    The words are those of the clip's .align file; without one the file's name spells them. Nobody speaks in two splits:
    LipNet's four speakers test, where they are there, and others validate. Of fewer than 3 speakers rows are dealt out.

    Reference: Cooke et al. 2006, An audio-visual corpus for speech perception and automatic speech recognition;
    Assael et al. 2016, LipNet (arXiv:1611.01599), for the split.
    """
    kinds: dict[str, dict[tuple[str, str], Path]] = {".mpg": {}, ".align": {}}
    for path in files(folder):
        if (kind := path.suffix.lower()) in kinds:
            code = path.stem.lower().rpartition("_")[2]  # id2_vcd_swwp2s is swwp2s of a second quality: the same clip
            kinds[kind].setdefault((_speaker(path.relative_to(folder)), code), path)
    clips, aligned = kinds.values()
    if not clips:
        raise not_found(folder, "grid", ["s1/*.mpg", "s2/*.mpg and so on, with *.align"])
    rows, spelt = [], 0
    for (speaker, code), path in clips.items():
        align = aligned.get((speaker, code), aligned.get(("", code)))
        words = _aligned(align) if align is not None else None
        spelt += words is None
        words = words or _named(code) or [""] * len(CODE)
        rows.append({"video": path, "words": " ".join(words).strip(), **dict(zip(CODE, words, strict=True))})
    frame = pd.DataFrame(rows)
    found = Found({}, TARGETS)
    if spelt:
        found.notes.append(
            f"{spelt} of {len(rows)} clips have no .align file of six words; their names spell the words."
        )
    if nameless := int((frame["words"] == "").sum()):
        found.notes.append(f"{nameless} of {len(rows)} clips have a name that spells nothing; their target is empty.")
    dealt, how = _dealt([speaker for speaker, _ in clips], frame["digit"], seed)
    found.notes.append(how)
    found.tables.update({split: frame.iloc[chosen] for split, chosen in dealt.items()})
    return found


def _speaker(path: Path) -> str:
    """s1 of s1/video/mpg_6000/bbaf2n.mpg; nothing where no folder says who it is."""
    return next((part for part in reversed(path.parts[:-1]) if re.fullmatch(r"s\d+", part)), "")


def _aligned(path: Path) -> list[str] | None:
    """The six words of lines such as `12250 19250 set`.

    Raises:
        DataError: a line of another kind.
    """
    words = []
    for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), 1):
        parts = line.split()
        if len(parts) not in {0, 3}:
            raise DataError(f"{path}, line {number}: must be START END WORD; got '{line:.60}'.")
        words += [word.lower() for word in parts[2:] if word.lower() not in SILENCE]
    return words if len(words) == len(CODE) else None


def _named(code: str) -> list[str] | None:
    """The six words that a name such as bbaf2n spells."""
    if len(code) != len(CODE) or any(letter not in slot for letter, slot in zip(code, CODE.values(), strict=True)):
        return None
    return [slot[letter] for letter, slot in zip(code, CODE.values(), strict=True)]


def _dealt(speakers: list[str], labels: pd.Series, seed: int) -> tuple[dict[str, np.ndarray], str]:
    """Row numbers by split, and how they came to it."""
    names = set(speakers)
    if len(names) < 3:
        return deal(labels, seed), f"Of {len(names)} speakers rows were dealt out, each digit in the same shares."
    test = np.isin(speakers, sorted(UNSEEN))
    learned = np.flatnonzero(~test)
    if not test.any() or len(names - UNSEEN) < 3:
        return deal_groups(speakers, seed), f"The {len(names)} speakers were dealt out; nobody is in two splits."
    rest = deal_groups([speakers[row] for row in learned], seed)
    train = np.concatenate([rest["train"], rest["test"]])
    dealt = {"train": np.sort(learned[train]), "valid": learned[rest["valid"]], "test": np.flatnonzero(test)}
    return dealt, f"Speakers {', '.join(sorted(names & UNSEEN))} test, as LipNet's; nobody is in two splits."
