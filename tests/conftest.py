"""A small table with real media files, and a run learned from it."""

import os
import signal
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest
import soundfile
from PIL import Image

import sensorium as sm

CONFIG = {
    "inputs": {
        "photo": {"modality": "image", "size": 16, "encoder": {"type": "cnn", "channels": [4, 8]}},
        "call": {"modality": "audio", "sample_rate": 8000},
        "clip": {"modality": "video", "frames": 4, "size": 16, "encoder": {"type": "cnn3d", "channels": [4, 8]}},
        "clip_sound": {"column": "clip", "modality": "audio", "sample_rate": 8000},
        "note": {"modality": "text"},
        "pose": {"modality": "vector"},
        "columns": {"columns": ["age", "shop"]},
    },
    "fusion": {"type": "gated", "width": 32},
    "training": {"epochs": 2, "batch_size": 8, "precision": "32", "probes": False},
}


def write_clip(path: Path, level: int, tone: float) -> None:
    """A grey clip of 0.8 s, H.264 with an AAC tone."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=10)
        video.width = video.height = 32
        video.pix_fmt = "yuv420p"
        audio = container.add_stream("aac", rate=8000, layout="mono")
        for _ in range(8):
            pixels = np.full((32, 32, 3), level, dtype=np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(video.encode())
        wave = np.sin(2 * np.pi * tone * np.arange(6400) / 8000).astype(np.float32)[None]
        sound = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
        sound.sample_rate = 8000
        container.mux(audio.encode(sound))
        container.mux(audio.encode())


def write_table(folder: Path, rows: int = 40) -> Path:
    """table.csv with every modality; photo, call and note tell the label."""
    random = np.random.default_rng(0)
    cells = []
    for row in range(rows):
        yes = row % 2 == 0
        level = int(random.integers(140, 250)) if yes else int(random.integers(0, 110))
        photo, call, clip = f"p{row}.png", f"c{row}.wav", f"v{row}.mp4"
        Image.fromarray(np.full((20, 20, 3), level, dtype=np.uint8)).save(folder / photo)
        tone = np.sin(2 * np.pi * (800 if yes else 200) * np.arange(2400) / 8000)
        soundfile.write(folder / call, 0.5 * tone, 8000)
        write_clip(folder / clip, level, 300 + 10 * row)
        cells.append(
            {
                "photo": photo if row % 5 else "",
                "call": call if row % 7 else "",
                "clip": clip,
                "note": f"{'a fine bright day' if yes else 'a dark and gloomy night'} it was, number {row} of many",
                "pose": "[" + ", ".join(f"{x:.3f}" for x in random.normal(size=3)) + "]",
                "age": f"{random.normal(50, 9):.1f}" if row % 9 else "",
                "shop": ("north", "south", "west")[row % 3],
                "label": "yes" if yes else "no",
                "price": f"{2.5 * row:.2f}",
                "tags": "a|b" if yes else "b",
            }
        )
    pd.DataFrame(cells).to_csv(folder / "table.csv", index=False)
    return folder / "table.csv"


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    """The tests' cache is theirs, also in the processes that they start; Ctrl-C is heard where they were started deaf to it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ["SENSORIUM_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def config() -> dict:
    return CONFIG


@pytest.fixture(scope="session")
def table(tmp_path_factory) -> Path:
    return write_table(tmp_path_factory.mktemp("table"))


@pytest.fixture(scope="session")
def run(table, tmp_path_factory) -> Path:
    """The folder of a finished run on `table`."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    sm.fit(table, "label", config=CONFIG, out=folder)
    return folder
