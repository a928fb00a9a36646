"""Customer service by speech and text: what a customer wants, from a call and a chat message.

Both say the same, one of six wishes, and both may come through badly, each by itself in its own rows:

| `line` | the call                       | `typing`  | the message                            | how often |
|--------|--------------------------------|-----------|----------------------------------------|-----------|
| clear  | a voice (eSpeak NG)            | clean     | as it was meant                        | 1/3       |
| noisy  | the voice in noise half as loud| hasty     | one letter in ten is wrong             | 1/3       |
| lost   | noise alone                    | scrambled | letters at random                      | 1/3       |

So either alone is right in 2/3 + 1/3 * 1/6 = 0.722 of the rows at best, and both together in 1 - 1/9 * 5/6 = 0.907: speech
saves the text where that is scrambled, and text the speech where the line is lost. Voices and names of train, valid and test
are different ones. `line` and `typing` are for `sensorium evaluate --by line`; they are no inputs.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sensorium.examples.demo import PEOPLE, VOICES
from sensorium.examples.splits import LETTERS, mistyped, write_splits

__all__ = ["make_customer_service"]

LINES, TYPINGS = ("clear", "noisy", "lost"), ("clean", "hasty", "scrambled")
NOISE = {"clear": 0.005, "noisy": 0.05, "lost": 0.05}  # deviation; a voice's is near 0.1
TYPOS = 0.1  # of a hasty message's letters
WISHES = {  # what is said in a call, and what is written in a chat
    "refund": (("money back please", "a refund"), ("I want my money back", "please refund what I paid")),
    "delivery": (("where is my parcel", "the delivery is late"), ("my parcel did not come", "when is the delivery")),
    "password": (("I forgot my password", "a new password"), ("the password does not work", "I can't log in")),
    "cancel": (
        ("cancel my contract", "I want to cancel"),
        ("please cancel my contract", "I want to end it this month"),
    ),
    "invoice": (
        ("send the invoice", "my bill is wrong"),
        ("I need the invoice again", "there is a mistake in my bill"),
    ),
    "person": (
        ("a human being", "let me talk to somebody"),
        ("can a person call me", "I don't want to chat with a robot"),
    ),
}
GREETINGS = ("hello, {wish}. {name}", "{wish}, thanks, {name}", "this is {name}. {wish}", "{wish}")


def make_customer_service(folder: Path, rows: Sequence[int] = (450, 108, 306), seed: int = 0) -> dict[str, Path]:
    """Write the tables, their recordings and README.md into `folder`.

    Args:
        folder: made where it is not there.
        rows: of train, valid and test.
        seed: of everything.

    Raises:
        ConfigError: eSpeak NG is not installed.
    """
    random = np.random.default_rng(seed)

    def make_row(split: str, row: int):
        wish = list(WISHES)[row % len(WISHES)]
        line, typing = str(random.choice(LINES)), str(random.choice(TYPINGS))
        spoken, written = WISHES[wish]
        cells = {
            "chat": message(str(random.choice(written)), str(random.choice(PEOPLE[split])), typing, random),
            "call": "",
            "typing": typing,
            "line": line,
            "wish": wish,
        }
        return cells, {
            "call": ("wav", call(str(random.choice(spoken)), str(random.choice(VOICES[split])), line, random))
        }

    return write_splits(folder, rows, make_row, __doc__)


def message(wish: str, name: str, typing: str, random: np.random.Generator) -> str:
    """A chat message as it arrives."""
    text = GREETINGS[random.integers(len(GREETINGS))].format(wish=wish, name=name)
    if typing == "hasty":
        return mistyped(text, TYPOS, random)
    if typing == "scrambled":  # the lengths of words would tell a little, too
        return " ".join("".join(random.choice(LETTERS, random.integers(1, 9))) for _ in range(random.integers(4, 10)))
    return text


def call(wish: str, voice: str, line: str, random: np.random.Generator) -> bytes:
    """A call as it arrives: a WAV."""
    from sensorium.examples.speech import SAMPLE_RATE, recording, speak

    wave = speak(wish, voice, int(random.integers(150, 200)), int(random.integers(30, 70)))
    if line == "lost":  # nor does its length tell anything
        wave = np.zeros(int(SAMPLE_RATE * random.uniform(0.6, 1.6)), np.float32)
    return recording(wave, random, NOISE[line])
