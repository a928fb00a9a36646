"""What tells the class is planted in a small place of the input, and that place must get the values."""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from planted import (
    ROWS,
    WIDTH,
    Body,
    Held,
    beeps,
    learned,
    mass,
    motions,
    patches,
    sentences,
    squares,
)

from sensorium import encoders
from sensorium.data.batches import Rows
from sensorium.data.media_readers import AudioReader, ImageReader, MotionReader, VideoReader
from sensorium.data.table import read_table
from sensorium.data.tabular import TabularReader, VectorReader
from sensorium.data.text import TextReader
from sensorium.encoders import Input
from sensorium.explain.parts import Part, explain_parts

OF_CLASS_1 = (1, 3, 5)
FILLERS = "alpha beta gamma houses run the of and then river stone old young green walks sees".split()
CHARACTERS = list("天地人你我他山水火木大小上下来去")


class Planted(NamedTuple):
    """Rows, their classes, and by row whether each piece of a part is in the plant."""

    rows: Any
    inputs: dict[str, Input]
    label: np.ndarray
    inside: Callable[[Part, int], np.ndarray]


def of_pixels(made: tuple[torch.Tensor, np.ndarray, np.ndarray], reader: Any, *mask: int) -> Planted:
    values, label, inside = made
    inputs = {"x": Input(values, torch.ones(ROWS, *mask, dtype=torch.bool))}
    return Planted(
        Held(inputs, {"x": reader}), inputs, label, lambda part, row: inside[row].reshape(part.values[0].shape)
    )


@cache
def images() -> Planted:
    return of_pixels(squares(), ImageReader("x", size=(32, 32)))


@cache
def videos() -> Planted:
    return of_pixels(patches(), VideoReader("x", frames=8, size=(24, 24)), 8)


@cache
def fields() -> Planted:
    reader = MotionReader("x", steps=6, grid=4, pictures=0, size=(8, 8))
    return of_pixels(motions(), reader)


@cache
def sounds() -> Planted:
    values, label, start = beeps(seconds=1.2)
    inputs = {"x": Input(values, torch.ones(values.shape, dtype=torch.bool))}

    def inside(part: Part, row: int) -> np.ndarray:
        time = (np.arange(part.values.shape[1]) + 0.5) / part.values.shape[1] * 1.2
        heard = (time > start[row] - 0.02) & (time < start[row] + 0.12)  # a frame reaches 16 ms to both sides
        return np.repeat(heard[:, None], part.values.shape[2], 1)

    rows = Held(inputs, {"x": AudioReader("x", sample_rate=8000, seconds=1.2)})
    return Planted(rows, inputs, label, inside)


def texts(plant: str, fillers: list[str], joint: str, vocabulary: int | None = None) -> Planted:
    said, label = sentences(plant, fillers, joint)
    reader = TextReader("x", vocabulary)
    reader.fit([(text,) for text in said])
    rows = Rows(read_table({"x": said}), {"x": reader})
    inputs = rows.batch(range(ROWS)).inputs
    return Planted(rows, inputs, label, lambda part, _: np.array([word == plant for word in part.labels]))


@cache
def english() -> Planted:
    return texts("copper", FILLERS, " ")


@cache
def columns() -> Planted:
    random = np.random.default_rng(0)
    label = np.arange(ROWS) % 2
    cells = {f"n{i}": random.normal(size=ROWS).tolist() for i in range(5)}
    cells |= {f"c{i}": random.choice(["a", "b", "c"], ROWS).tolist() for i in range(3)}
    cells["c1"] = [
        "b" if tells else str(cell) for tells, cell in zip(label, random.choice(["a", "c"], ROWS), strict=True)
    ]
    kinds = {name: "numeric" if name.startswith("n") else "categorical" for name in cells}
    reader = TabularReader(kinds)
    reader.fit(list(zip(*cells.values(), strict=True)))
    rows = Rows(read_table(cells), {"x": reader})
    return Planted(
        rows, rows.batch(range(ROWS)).inputs, label, lambda part, _: np.array([name == "c1" for name in part.labels])
    )


@cache
def vectors() -> Planted:
    random = np.random.default_rng(0)
    label = np.arange(ROWS) % 2
    values = random.normal(size=(ROWS, 10))
    values[:, 4] = np.where(label, 2, -2) + 0.1 * values[:, 4]
    reader = VectorReader("x")
    reader.fit([(row.tolist(),) for row in values])
    rows = Rows(read_table({"x": values.tolist()}), {"x": reader})
    return Planted(rows, rows.batch(range(ROWS)).inputs, label, lambda part, _: np.arange(10) == 4)


def pretrained(modality: str) -> torch.nn.Module:
    return encoders.Pretrained(Body(modality), WIDTH, pooling="mean", train="all")


def vocabulary() -> int:
    return english().rows.readers["x"].vocabulary


attention = {"layers": 1, "num_heads": 2}
CASES: dict[tuple[str, str], tuple[Callable[[], torch.nn.Module], Callable[[], Planted]]] = {
    ("audio", "logmel_transformer"): (
        lambda: encoders.AudioLogMelTransformer(WIDTH, 8000, n_mels=32, **attention),
        sounds,
    ),
    ("audio", "mfcc_cnn"): (lambda: encoders.AudioMFCCCNN(WIDTH, 8000, n_mels=32, channels=(16, 16)), sounds),
    ("audio", "mfcc_rnn"): (lambda: encoders.AudioMFCCRNN(WIDTH, 8000, n_mels=32, hidden=16), sounds),
    ("audio", "pretrained"): (lambda: pretrained("audio"), sounds),
    ("image", "cnn"): (lambda: encoders.ImageCNN(WIDTH, channels=(8, 16)), images),
    ("image", "flat_cnn"): (lambda: encoders.ImageFlatCNN(WIDTH, (32, 32), (8, 8)), images),
    ("image", "pretrained"): (lambda: pretrained("image"), images),
    ("image", "resnet"): (lambda: encoders.ImageResNet(WIDTH, channels=(8, 16), blocks=1), images),
    ("image", "vit"): (lambda: encoders.ImageViT(WIDTH, (32, 32), **attention), images),
    ("tabular", "tabular"): (lambda: encoders.Tabular(WIDTH, 5, columns().rows.readers["x"].sizes), columns),
    ("text", "bag"): (lambda: encoders.TextBag(vocabulary(), WIDTH), english),
    ("text", "pretrained"): (lambda: pretrained("text"), english),
    ("text", "rnn"): (lambda: encoders.TextRNN(vocabulary(), WIDTH), english),
    ("text", "transformer"): (lambda: encoders.TextTransformer(vocabulary(), WIDTH, **attention), english),
    ("vector", "dense"): (lambda: encoders.VectorDense(10, WIDTH), vectors),
    ("vector", "relu"): (lambda: encoders.VectorReLU(10, WIDTH), vectors),
    ("video", "cnn3d"): (lambda: encoders.VideoCNN3D(WIDTH, channels=(8, 8)), videos),
    ("video", "frames"): (lambda: encoders.VideoFrames(WIDTH, channels=(8, 8), **attention), videos),
    ("video", "motion"): (lambda: encoders.VideoMotion(WIDTH, 6, 4, 0, (8, 8), channels=(8, 8)), fields),
    ("video", "pretrained"): (lambda: pretrained("video"), videos),
}
ONE_PIECE = {("categorical", "categorical"), ("numeric", "numeric")}  # nothing inside: see test_parts.py


def ratios(model: torch.nn.Module, made: Planted, method: str = "auto") -> list[float]:
    """For some rows, how many times its share of the places the plant has of the values."""
    found = []
    for row in OF_CLASS_1:
        part = explain_parts(model, made.rows, row, "label", 1, ["x"], method)["x"]
        inside = made.inside(part, row)
        found.append(mass(part.values.reshape(inside.shape), inside))
    return found


def trained(case: tuple[str, str]) -> tuple[torch.nn.Module, Planted]:
    build, make = CASES[case]
    made = make()
    steps = {"audio": 80, "text": 120, "video": 80}.get(case[0], 60)
    model = learned({"x": build}, made.inputs, made.label, steps)
    told = model(made.inputs)["label"].argmax(1).numpy()
    assert (told == made.label).mean() > 0.9  # else there is nothing to explain
    return model, made


def test_every_encoder_is_asked():
    there = {(modality, name) for modality, family in encoders.ENCODERS.items() for name in family}
    assert there == set(CASES) | ONE_PIECE


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_the_plant_has_three_times_its_share(case):
    model, made = trained(case)
    if case[1] == "pretrained":
        model.encoder("x").frozen = True  # gradients must reach what goes into a frozen network, too
    assert min(ratios(model, made)) >= 3
    if case[1] == "pretrained":
        assert model.encoder("x").frozen


@pytest.mark.parametrize("case", [("image", "cnn"), ("image", "flat_cnn"), ("image", "resnet")], ids="-".join)
def test_where_convolutions_look(case):
    assert min(ratios(*trained(case), "grad_cam")) >= 3


@pytest.mark.parametrize(
    "case", [("image", "flat_cnn"), ("text", "rnn"), ("video", "cnn3d"), ("video", "motion")], ids="-".join
)
def test_pieces_taken_away(case):
    assert min(ratios(*trained(case), "shapley")) >= 3


def test_characters_where_no_spaces_are_written():
    made = texts("铜", CHARACTERS, "", vocabulary=258 + 2 * (len(CHARACTERS) + 1))  # bytes, and merges to characters
    size = made.rows.readers["x"].vocabulary
    model = learned({"x": lambda: encoders.TextTransformer(size, WIDTH, **attention)}, made.inputs, made.label, 120)
    part = explain_parts(model, made.rows, 1, "label", 1, ["x"])["x"]
    assert part.labels == list(made.rows.table.cells("x")[1])
    assert min(ratios(model, made)) >= 3


@pytest.mark.parametrize("case", [("image", "flat_cnn"), ("text", "transformer")], ids="-".join)
def test_a_model_of_shuffled_labels_is_explained_otherwise(case):
    build, make = CASES[case]
    made = make()
    model = learned({"x": build}, made.inputs, made.label, 120)
    shuffled = learned({"x": build}, made.inputs, np.random.default_rng(1).permutation(made.label), 120)
    assert np.mean(ratios(shuffled, made)) < 0.7 * np.mean(ratios(model, made))
    of_one, of_other = (
        explain_parts(m, made.rows, 1, "label", 1, ["x"])["x"].values.ravel().argsort().argsort()
        for m in (model, shuffled)
    )
    assert abs(np.corrcoef(of_one, of_other)[0, 1]) < 0.6
