"""The motion encoder: what it reads from a row, and what it learns."""

import io

import av
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

import sensorium as sm
from sensorium.encoders import VideoMotion
from sensorium.errors import ConfigError
from sensorium.media import read_motion

STEPS, GRID, SIZE = 4, 4, (16, 24)
DIRECTIONS = {"right": (2, 0), "left": (-2, 0), "down": (0, 2), "up": (0, -2)}
HERE = torch.ones(1, dtype=torch.bool)


def frames(direction: str, seed: int) -> np.ndarray:
    """(10, 48, 64, 3): a texture that nobody has seen before, all of which moves."""
    coarse = np.random.default_rng(seed).uniform(0, 255, (24, 28, 3)).astype(np.uint8)
    wide = np.asarray(Image.fromarray(coarse).resize((28 * 6, 24 * 6), Image.BICUBIC))
    dx, dy = DIRECTIONS[direction]
    return np.stack([wide[40 - dy * t :, 40 - dx * t :][:48, :64] for t in range(10)])


def clip(direction: str, seed: int) -> bytes:
    """The same as an H.264 file."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as out:
        stream = out.add_stream("libx264", rate=10)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for frame in frames(direction, seed):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        out.mux(stream.encode())
    return file.getvalue()


def build(pictures: int = 1) -> VideoMotion:
    torch.manual_seed(0)
    return VideoMotion(16, STEPS, GRID, pictures, SIZE, channels=(8, 8))


def row(pictures: int = 1) -> torch.Tensor:
    return torch.rand(1, STEPS * (3 * GRID**2 + 1) + pictures * 3 * SIZE[0] * SIZE[1]) * 0.1


def changed(encoder: VideoMotion, place: int) -> list[int]:
    """Which tokens change with one of a row's numbers."""
    values = row(encoder.pictures)
    before = encoder(values, HERE).tokens
    values[0, place] += 0.05
    return (encoder(values, HERE).tokens - before).abs().sum(2)[0].gt(1e-6).nonzero().flatten().tolist()


def test_what_is_where_in_a_row():
    encoder = build(pictures=2).eval()
    first = STEPS * 3 * GRID**2
    near = list(range(STEPS))  # four convolutions over time see that far
    assert changed(encoder, 0) == near
    assert changed(encoder, first - 1) == near
    assert changed(encoder, first) == near
    assert changed(encoder, first + STEPS) == [STEPS]
    assert changed(encoder, first + STEPS + 3 * SIZE[0] * SIZE[1]) == [STEPS + 1]


@pytest.mark.parametrize("pictures", [0, 1, 3])
def test_tokens(pictures):
    tokens, mask = build(pictures)(row(pictures), HERE)
    assert tokens.shape == (1, STEPS + pictures, 16)
    assert mask.all()


def test_half_precision_rows_are_read_as_they_are():
    encoder, values = build().eval(), row().half()
    assert torch.equal(encoder(values, HERE).tokens, encoder(values.float(), HERE).tokens)


def test_a_row_of_another_length():
    expected = STEPS * (3 * GRID**2 + 1) + 3 * SIZE[0] * SIZE[1]
    with pytest.raises(
        ConfigError, match=rf"VideoMotion's values must have the shape \(rows, {expected}\); got \(1, 7\)"
    ):
        build()(torch.zeros(1, 7), HERE)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"steps": 0}, r"VideoMotion\.steps must be a whole number, 1 or more; got 0"),
        ({"grid": 0}, r"VideoMotion\.grid must be a whole number, 1 or more; got 0"),
        ({"pictures": -1}, r"VideoMotion\.pictures must be a whole number, 0 or more; got -1"),
        ({"size": (0, 8)}, r"VideoMotion\.size must be one or more whole numbers, each 1 or more; got \(0, 8\)"),
        ({"dropout": 1.0}, r"VideoMotion\.dropout must be from 0 up to, not including, 1; got 1\.0"),
    ],
)
def test_sizes_that_cannot_be(wrong, message):
    with pytest.raises(ConfigError, match=message):
        VideoMotion(**wrong)


@pytest.mark.parametrize("pictures", [0, 1])
def test_directions_are_learned_from_forty_clips(pictures):
    names = list(DIRECTIONS)
    read = [read_motion(clip(names[i % 4], i), STEPS, GRID, pictures, SIZE).packed() for i in range(80)]
    values, labels = torch.from_numpy(np.stack(read)), torch.arange(80) % 4
    encoder = build(pictures)
    model = nn.Linear(16, 4)
    optimizer = torch.optim.AdamW([*encoder.parameters(), *model.parameters()], lr=3e-3)
    there = torch.ones(40, dtype=torch.bool)
    for _ in range(30):
        loss = nn.functional.cross_entropy(model(encoder(values[:40], there).tokens.mean(1)), labels[:40])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    encoder.eval()
    with torch.no_grad():
        said = model(encoder(values[40:], there).tokens.mean(1)).argmax(1)
    assert (said == labels[40:]).float().mean() > 0.95


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A table of clips that tell the direction, and a run learned from it: the table, the predictor, its folder."""
    folder = tmp_path_factory.mktemp("motion")
    names = list(DIRECTIONS)
    for i in range(48):
        (folder / f"{i}.mp4").write_bytes(clip(names[i % 4], i))
    (folder / "0.mp4").write_bytes(b"no clip at all")
    table = pd.DataFrame({"clip": [f"{i}.mp4" for i in range(48)], "way": [names[i % 4] for i in range(48)]})
    table.to_csv(folder / "table.csv", index=False)
    config = {
        "inputs": {
            "clip": {
                "modality": "video",
                "frames": STEPS,
                "size": list(SIZE),
                "encoder": {"type": "motion", "grid": GRID, "pictures": 1, "channels": [8, 8]},
            }
        },
        "fusion": {"type": "concat", "width": 16},
        "training": {
            "epochs": 15, "batch_size": 8, "precision": "32", "threads": 1, "learning_rate": 0.005, "wide": False,
        },
    }  # fmt: skip
    predictor = sm.fit(folder / "table.csv", "way", config=config, out=folder / "run")
    return folder, predictor


def test_a_fit_from_a_table_learns_the_directions(run):
    _, predictor = run
    found = predictor.metrics["targets"]["way"]
    assert found["valid"]["accuracy"]["value"] > 0.8
    assert found["floors"]["clip"]["accuracy"]["value"] > 0.8  # the hand-made features tell directions, too


def test_a_run_folder_is_read_again(run):
    folder, predictor = run
    loaded = sm.load(folder / "run")
    said = predictor.predict_proba(folder / "table.csv")
    assert said.shape == (48, 4)
    pd.testing.assert_frame_equal(loaded.predict_proba(folder / "table.csv"), said)


def test_what_could_not_be_read_is_noted(run):
    folder, _ = run
    problems = pd.read_csv(folder / "run" / "problems.csv")
    assert problems[["row", "kind"]].to_numpy().tolist() == [[1, "broken"]]


def test_arrays_are_read_as_files_are(run):
    """They hold no vectors, nor bytes, but what is estimated from their frames means the same. Chance: 1 in 4."""
    _, predictor = run
    arrays = [frames(name, 100 + i) for i in range(5) for name in DIRECTIONS]
    said = predictor.predict({"clip": arrays})
    assert (said.to_numpy() == np.array([*DIRECTIONS] * 5)).mean() > 0.6


def test_clips_without_vectors_are_noted(tmp_path, run):
    _, predictor = run
    config = predictor.config.model_dump()
    table = {"clip": [frames(name, i) for i, name in enumerate([*DIRECTIONS] * 3)], "way": [*DIRECTIONS] * 3}
    config["training"] |= {"epochs": 1, "probes": False}
    sm.fit(table, "way", config=config, out=tmp_path / "run")
    problems = pd.read_csv(tmp_path / "run" / "problems.csv")
    assert set(problems.kind) == {"fallback"}
    assert set(problems.reason) == {"an array holds no motion vectors"}
    assert len(problems) == 12
