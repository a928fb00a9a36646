"""What motion from the compressed stream costs, and whether it helps: beside decoded frames, optical flow, and networks.

    python benchmarks/motion.py [--sections cost actions lips] [--repeats 7] [--epochs 10] [--data FOLDER]

`cost` makes its own clips; medians of interleaved repeats, one thread, in one run. It measures OpenCV's DIS flow where
opencv-python-headless is installed, and says so where it isn't. `actions` makes its own clips and fits each video encoder
on them with the same options; `lips` does so on FOLDER/lips (train.csv, valid.csv; video -> digit). Both score the
validation rows only. Writes benchmarks/results/motion.{json,md}; sections not asked for keep their last results.
"""

import argparse
import io
import itertools
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas as pd
from PIL import Image

import sensorium as sm
from sensorium.media import read_motion, read_video

try:
    import cv2
except ImportError:
    cv2 = None

RESULTS = Path(__file__).parent / "results"
Rows = list[dict[str, Any]]
FRAMES, HEIGHT, WIDTH = 75, 288, 360
ACTIONS = ("right", "left", "down", "up", "clockwise", "anticlockwise", "grows", "shrinks")


# Clips


def texture(random: np.random.Generator, height: int, width: int, size: int) -> np.ndarray:
    """(height, width, 3): random colours, smooth over `size` pixels."""
    coarse = random.uniform(0, 255, (height // size + 2, width // size + 2, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def scene(random: np.random.Generator) -> np.ndarray:
    """(FRAMES, HEIGHT, WIDTH, 3): a background that pans, three things that move over it, and a camera's noise."""
    wide = np.mean([texture(random, HEIGHT + 160, WIDTH + 160, size) for size in (4, 8, 16, 32, 64)], axis=0)
    things = [(texture(random, 80, 80, 8), random.uniform(0, 200, 2), random.uniform(-4, 4, 2)) for _ in range(3)]
    pan = random.uniform(-0.8, 0.8, 2)
    frames = []
    for t in range(FRAMES):
        y, x = (80 + pan * t).astype(int)
        frame = wide[y : y + HEIGHT, x : x + WIDTH].copy()
        for pixels, start, speed in things:
            y, x = (start + speed * t).astype(int) % [HEIGHT - 80, WIDTH - 80]
            frame[y : y + 80, x : x + 80] = pixels
        frames.append(noisy(random, frame))
    return np.stack(frames)


def action(random: np.random.Generator, kind: str, frames: int = 32, height: int = 96, width: int = 128) -> np.ndarray:
    """(frames, height, width, 3): a square of random looks does `kind` before a random background."""
    back = texture(random, height, width, int(random.integers(8, 32))) // 2 + int(random.integers(0, 100))
    side, pixels = random.uniform(28, 48), Image.fromarray(texture(random, 128, 128, int(random.integers(8, 24))))
    speed, phase, radius = random.uniform(0.6, 1.6), random.uniform(0, 2 * np.pi), random.uniform(12, 22)
    middle = np.array([width / 2, height / 2]) + random.uniform(-8, 8, 2)
    out = []
    for t in range(frames):
        u = t - frames / 2
        place, size = middle, side
        if kind in ("right", "left"):
            place = middle + np.array([speed * u * (1 if kind == "right" else -1), 0])
        elif kind in ("down", "up"):
            place = middle + np.array([0, 0.8 * speed * u * (1 if kind == "down" else -1)])
        elif kind in ("clockwise", "anticlockwise"):
            angle = phase + speed * t / 8 * (1 if kind == "clockwise" else -1)
            place = middle + radius * np.array([np.cos(angle), np.sin(angle)])
        else:
            size = side * (1 + 0.8 * speed * u / frames * (1 if kind == "grows" else -1))
        frame, size = Image.fromarray(back.astype(np.uint8)), max(8, round(size))
        square = pixels.resize((size, size), Image.Resampling.BILINEAR)
        frame.paste(square, (round(place[0] - size / 2), round(place[1] - size / 2)))
        out.append(noisy(random, np.asarray(frame)))
    return np.stack(out)


def noisy(random: np.random.Generator, frame: np.ndarray) -> np.ndarray:
    return (frame + random.normal(size=frame.shape) * 2).clip(0, 255).astype(np.uint8)


def coded(frames: np.ndarray) -> bytes:
    """H.264, crf 23."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as out:
        stream = out.add_stream("libx264", rate=25, options={"crf": "23"})
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        for frame in frames:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        out.mux(stream.encode())
    return file.getvalue()


# What it costs


def packet_sizes(data: bytes) -> list[int]:
    with av.open(io.BytesIO(data)) as file:
        return [packet.size for packet in file.demux(video=0)]


def key_frames(data: bytes) -> list[np.ndarray]:
    with av.open(io.BytesIO(data)) as file:
        stream = file.streams.video[0]
        stream.thread_type, stream.codec_context.skip_frame = "NONE", "NONKEY"
        return [frame.to_ndarray(width=112, height=112, format="rgb24") for frame in file.decode(stream)]


def grey(data: bytes) -> list[np.ndarray]:
    """All frames at 112 x 112."""
    with av.open(io.BytesIO(data)) as file:
        file.streams.video[0].thread_type = "NONE"
        frames = [frame.to_ndarray(width=112, height=112, format="gray") for frame in file.decode(video=0)]
    return [np.ascontiguousarray(frame) for frame in frames]


def flow(data: bytes) -> list[np.ndarray]:
    """DIS, ultrafast, between neighbouring frames at 112 x 112, in pixels."""
    method, frames = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST), grey(data)
    return [method.calc(before, after, None) for before, after in itertools.pairwise(frames)]


def agreement(clips: list[bytes]) -> dict[str, float]:
    """Of our grid with DIS, over 16 steps of 8 x 8 cells: correlation, and the cosine where DIS says something moves."""
    ours = np.stack([read_motion(data, 16, 8, 0, (8, 8)).field[:, :2] for data in clips])
    theirs = []
    for data in clips:
        moves = np.stack(flow(data)).transpose(0, 3, 1, 2) / 112  # from frame t to t + 1
        steps = np.minimum((np.arange(len(moves)) + 1) * 16 // FRAMES, 15)
        cells = moves.reshape(len(moves), 2, 8, 14, 8, 14).mean((3, 5))
        theirs.append([cells[steps == step].mean(0) for step in range(16)])
    theirs = np.array(theirs)
    product = (ours * theirs).sum(2)
    lengths = [np.sqrt((field**2).sum(2)) for field in (ours, theirs)]
    moving = lengths[1] > 0.5 / 360
    cosine = product[moving] / np.maximum(lengths[0] * lengths[1], 1e-9)[moving]
    return {
        "correlation": float(np.corrcoef(ours.ravel(), theirs.ravel())[0, 1]),
        "cosine": float(cosine.mean()),
        "length": float(np.median(lengths[0][moving] / lengths[1][moving])),
    }


def cost(given: argparse.Namespace) -> Rows:
    """Processor time a source frame at 360 x 288, 25 frames a second, H.264 crf 23. x: times motion's."""
    random = np.random.default_rng(0)
    clips = [coded(scene(random)) for _ in range(4)]
    contenders: dict[str, Callable[[bytes], Any]] = {
        "motion, 16 steps of 8 x 8": lambda data: read_motion(data, 16, 8, 0, (64, 64)),
        "the same and 4 pictures of 64 x 64": lambda data: read_motion(data, 16, 8, 4, (64, 64)),
        "16 frames of 112 x 112": lambda data: read_video(data, 16, (112, 112)),
        "every frame, RGB of 112 x 112": lambda data: read_video(data, FRAMES, (112, 112)),
        "key frames alone, RGB of 112 x 112": key_frames,
        "packet sizes alone": packet_sizes,
    }
    if cv2 is None:
        print("cost: OpenCV is not installed; its flow is left out.", file=sys.stderr)
    else:
        cv2.setNumThreads(1)
        contenders["OpenCV's DIS ultrafast at 112 x 112"] = flow
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(given.repeats + 1):
        for name, run in contenders.items():
            start = time.process_time()
            for data in clips:
                run(data)
            times[name].append(1e3 * (time.process_time() - start) / (FRAMES * len(clips)))
    median = {name: statistics.median(values[1:]) for name, values in times.items()}
    ours = median["motion, 16 steps of 8 x 8"]
    rows = [
        {
            "what": name,
            "ms a frame": round(value, 4),
            "spread": f"{min(times[name][1:]):.3f}..{max(times[name][1:]):.3f}",
            "x": round(value / ours, 2),
        }
        for name, value in median.items()
    ]
    if cv2 is not None:
        told = {name: round(value, 2) for name, value in agreement(clips).items()}
        rows.append({"what": f"motion beside DIS: {json.dumps(told)}", "ms a frame": "", "spread": "", "x": ""})
    return rows


# Whether it helps


ENCODERS = {
    "motion": {"type": "motion"},
    "motion, no pictures": {"type": "motion", "pictures": 0},
    "frames": {"type": "frames"},
    "cnn3d": {"type": "cnn3d"},
}


def fits(folder: Path, column: str, target: str, given: argparse.Namespace, seeds: int) -> Rows:
    rows = []
    for name, encoder in ENCODERS.items():
        scores, floors, seconds = [], [], []
        for seed in range(seeds):
            training = {"epochs": given.epochs, "patience": given.epochs, "seed": seed, "threads": 1, "precision": "32"}
            training |= {"workers": 0, "cache_size": 0}
            config = {"inputs": {column: {"modality": "video", "encoder": encoder}}, "training": training}
            start = time.process_time()
            with tempfile.TemporaryDirectory() as out:
                predictor = sm.fit(
                    folder / "train.csv", target, valid=folder / "valid.csv", config=config, out=Path(out) / "run",
                    say=lambda line: None,
                )  # fmt: skip
            total = time.process_time() - start
            found, took = predictor.metrics["targets"][target], predictor.metrics["seconds"]
            scores.append(found["valid"]["accuracy"]["value"])
            floors.append(found["floors"][column]["accuracy"]["value"] if column in found["floors"] else None)
            seconds.append(total * (1 - took["probes"] / took["total"]))
            print(f"{name}, seed {seed}: {scores[-1]:.3f}, {seconds[-1]:.0f} s", file=sys.stderr, flush=True)
        rows.append(
            {
                "encoder": name,
                "accuracy": round(statistics.mean(scores), 3),
                "spread": f"{min(scores):.3f}..{max(scores):.3f}",
                "hand-made": "" if floors[0] is None else round(floors[0], 3),
                "seconds": round(statistics.mean(seconds)),
                "parameters": sum(parameter.numel() for parameter in predictor.model.parameters()),
            }
        )
    return rows


def actions(given: argparse.Namespace) -> Rows:
    """Eight actions of a square of random looks before a random background: 200 clips to learn from, 100 to score; 3 seeds."""
    random = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        names = [ACTIONS[i % 8] for i in range(300)]
        for i, name in enumerate(names):
            (folder / f"{i}.mp4").write_bytes(coded(action(random, name)))
        table = pd.DataFrame({"clip": [f"{i}.mp4" for i in range(300)], "action": names})
        table[:200].to_csv(folder / "train.csv", index=False)
        table[200:].to_csv(folder / "valid.csv", index=False)
        return fits(folder, "clip", "action", given, seeds=3)


def lips(given: argparse.Namespace) -> Rows:
    """Which digit is said, by the mouth alone: 729 clips of one speaker to learn from, 94 to score; 1 seed."""
    folder = None if given.data is None else given.data / "lips"
    if folder is None or not (folder / "train.csv").exists():
        print("lips: --data names no folder with lips/train.csv; left out.", file=sys.stderr)
        return []
    return fits(folder, "video", "digit", given, seeds=1)


SECTIONS = {"cost": cost, "actions": actions, "lips": lips}


def table(rows: Rows) -> str:
    lines = [f"| {' | '.join(rows[0])} |", f"|{'---|' * len(rows[0])}"]
    return "\n".join([*lines, *(f"| {' | '.join(map(str, row.values()))} |" for row in rows)])


def main() -> None:
    """Run the sections asked for; others keep their last results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sections", nargs="+", choices=list(SECTIONS), default=list(SECTIONS))
    parser.add_argument("--repeats", type=int, default=7, help="rounds of each measurement of cost")
    parser.add_argument("--epochs", type=int, default=10, help="of each fit")
    parser.add_argument("--data", type=Path, help="folder with the data set lips")
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    path = RESULTS / "motion.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    for name in given.sections:
        if rows := SECTIONS[name](given):
            about = " ".join(SECTIONS[name].__doc__.split())
            how = f"{given.repeats} repeats." if name == "cost" else f"{given.epochs} epochs, seconds of one processor."
            results[name] = {"about": f"{about} {how}", "rows": rows}
            print(f"{name}\n{table(rows)}\n", file=sys.stderr)
        RESULTS.mkdir(exist_ok=True)
        path.write_text(json.dumps(results, indent=1) + "\n")
    parts = ["# Motion from the compressed stream\n\nRepeat with `python benchmarks/motion.py --data FOLDER`."]
    parts += [
        f"## {name}\n\n{results[name]['about']}\n\n{table(results[name]['rows'])}"
        for name in SECTIONS
        if name in results
    ]
    (RESULTS / "motion.md").write_text("\n\n".join(parts) + "\n")


if __name__ == "__main__":
    main()
