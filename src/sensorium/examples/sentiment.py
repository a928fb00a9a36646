"""Sentiment from text and speech: what customers said of something, as it was written down and as it was spoken.

A remark is meant well where the words are kind *and* the voice is lively. Kind words in a flat voice are irony:

| words          | voice              | how often | meant    |
|----------------|--------------------|-----------|----------|
| kind           | lively             | 0.49      | positive |
| kind           | flat, slow and low | 0.21      | negative |
| unkind         | lively or flat     | 0.30      | negative |

So the text alone is right in 0.49 + 0.30 = 0.79 of the rows at best, and the voice alone in 0.79, too; both together in all.
A recording holds the words besides the voice, but of a few hundred recordings a model learns to understand only some. The
speech is eSpeak NG's; train, valid and test have different voices and different things that are spoken of. The column
`words` is for `sensorium evaluate --by words`; it is no input.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sensorium.examples.demo import VOICES
from sensorium.examples.splits import write_splits

__all__ = ["make_sentiment"]

KIND, LIVELY = 0.7, 0.7
VOICED = {  # words a minute, pitch and melody of eSpeak NG, from and below
    "lively": ((180, 221), (55, 91), (70, 101)),
    "flat": ((105, 141), (10, 41), (0, 16)),
}
WORDS = {
    True: ("wonderful", "great", "lovely", "perfect", "excellent", "fantastic", "brilliant", "superb"),
    False: ("terrible", "awful", "useless", "horrible", "poor", "dreadful", "disappointing", "rotten"),
}
THINGS = {
    "train": ("the delivery", "this phone", "the hotel", "your service", "the new update", "the food", "my ticket"),
    "valid": ("the booking", "this camera"),
    "test": ("the repair", "this printer", "the seat"),
}
FRAMES = (
    "Well, {thing} was {word}.",
    "{word}, just {word}.",
    "I find {thing} {word}.",
    "What a {word} surprise: {thing}!",
)


def make_sentiment(folder: Path, rows: Sequence[int] = (400, 100, 300), seed: int = 0) -> dict[str, Path]:
    """Write the tables, their recordings and README.md into `folder`.

    Args:
        folder: made where it is not there.
        rows: of train, valid and test.
        seed: of everything.

    Raises:
        ConfigError: eSpeak NG is not installed.
    """
    from sensorium.examples.speech import recording, speak

    random = np.random.default_rng(seed)

    def make_row(split: str, row: int):
        kind, lively = random.random() < KIND, random.random() < LIVELY
        text = remark(kind, split, random)
        voice = str(random.choice(VOICES[split]))
        rate, pitch, melody = (int(random.integers(*between)) for between in VOICED["lively" if lively else "flat"])
        spoken = recording(speak(text, voice, rate, pitch, melody), random)
        meant = "positive" if kind and lively else "negative"
        cells = {"text": text, "speech": "", "words": "kind" if kind else "unkind", "sentiment": meant}
        return cells, {"speech": ("wav", spoken)}

    return write_splits(folder, rows, make_row, __doc__)


def remark(kind: bool, split: str, random: np.random.Generator) -> str:
    """A sentence with a kind or an unkind word."""
    word, thing = random.choice(WORDS[kind]), random.choice(THINGS[split])
    text = FRAMES[random.integers(len(FRAMES))].format(word=word, thing=thing)
    return text[0].upper() + text[1:]
