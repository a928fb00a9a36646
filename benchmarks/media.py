"""How fast media are read: beside the bare libraries by hand, in the pool's processes, from the cache, beside training.

    python benchmarks/media.py [--sections decode pool cache stall] [--repeats 7] [--seed 0]

Makes its own files. Medians over interleaved repeats, one thread, page cache warm, all in one run. `x` is the time of the
library by hand (or in this process) divided by ours: above 1 we are faster. Writes benchmarks/results/media.{json,md}.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile
import soxr
from av.video.reformatter import Interpolation, VideoReformatter
from PIL import Image

import sensorium as sm
from sensorium.data.media_column import Allowance, MediaColumn
from sensorium.data.media_readers import ImageReader
from sensorium.data.problems import Problems
from sensorium.data.table import read_table
from sensorium.media import DecoderPool
from sensorium.media.cache import MediaCache
from sensorium.media.decode import decode
from sensorium.media.loader import MediaLoader

RESULTS = Path(__file__).parent / "results"
Rows = list[dict[str, Any]]


# Files


def photo(height: int, width: int, random: np.random.Generator) -> np.ndarray:
    """Pixels as a photograph has them: noise at every scale, more of it at the larger ones."""
    total = np.zeros((height, width, 3))
    for size in (4, 8, 16, 32, 64, 128):
        noise = Image.fromarray(random.integers(0, 256, (size, size, 3), dtype=np.uint8))
        total += np.asarray(noise.resize((width, height), Image.Resampling.BICUBIC), dtype=float) / size
    total -= total.min()
    return (255 * total / total.max()).astype(np.uint8)


def write_images(
    folder: Path, suffix: str, count: int, size: tuple[int, int], random: np.random.Generator
) -> list[Path]:
    paths = [folder / f"image{i}.{suffix}" for i in range(count)]
    for path in paths:
        pixels = photo(*size, random)
        if suffix == "png":  # with a transparent border
            alpha = np.full((*size, 1), 255, dtype=np.uint8)
            alpha[:40] = 0
            pixels = np.concatenate([pixels, alpha], 2)
        Image.fromarray(pixels).save(path, **({"quality": 85} if suffix == "jpg" else {}))
    return paths


def write_sounds(folder: Path, suffix: str, count: int, seconds: float, random: np.random.Generator) -> list[Path]:
    paths = [folder / f"sound{i}.{suffix}" for i in range(count)]
    for path in paths:
        wave = np.cumsum(random.normal(size=(int(44_100 * seconds), 2)), 0)
        wave = (wave - np.convolve(wave.mean(1), np.ones(441) / 441, "same")[:, None]).astype(np.float32)
        wave *= 0.5 / np.abs(wave).max()
        if suffix != "m4a":
            soundfile.write(path, wave, 44_100)
            continue
        with av.open(str(path), "w") as container:
            stream = container.add_stream("aac", rate=44_100, layout="stereo")
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(wave.T), format="fltp", layout="stereo")
            frame.sample_rate = 44_100
            container.mux(stream.encode(frame))
            container.mux(stream.encode())
    return paths


def write_clips(
    folder: Path, name: str, count: int, frames: int, random, codec: str = "libx264", **options
) -> list[Path]:
    """A picture that moves, 360 x 288, 25 frames a second."""
    paths = [folder / f"{i}{name}" for i in range(count)]
    for path in paths:
        still = photo(288 + 2 * frames, 360 + frames, random)
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=25, options=options)
            stream.width, stream.height, stream.pix_fmt = 360, 288, "yuv420p"
            for i in range(frames):
                pixels = np.ascontiguousarray(still[2 * i : 2 * i + 288, i : i + 360])
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels)))
            container.mux(stream.encode())
    return paths


# The libraries by hand


def pillow(path: Path, options: dict[str, Any]) -> np.ndarray:
    height, width = options["size"]
    with Image.open(path) as image:
        image.draft("RGB", (width, height))
        if image.mode == "RGBA":
            white = Image.new("RGB", image.size, (255, 255, 255))
            white.paste(image, mask=image.getchannel("A"))
            image = white
        image = image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
        return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))


def soundfile_soxr(path: Path, options: dict[str, Any]) -> np.ndarray:
    with soundfile.SoundFile(str(path)) as file:
        count = -1 if options["seconds"] is None else int(options["seconds"] * file.samplerate)
        wave = file.read(count, dtype="float32", always_2d=True).mean(1)
        return soxr.resample(wave, file.samplerate, options["sample_rate"])


def pyav_soxr(path: Path, options: dict[str, Any]) -> np.ndarray:
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        parts, count = [], 0
        most = float("inf") if options["seconds"] is None else options["seconds"] * stream.rate
        for frame in container.decode(stream):
            parts.append(frame.to_ndarray())
            count += frame.samples
            if count >= most:
                break
        wave = np.concatenate(parts, 1)[:, : None if most == float("inf") else int(most)].mean(0)
        return soxr.resample(wave, stream.rate, options["sample_rate"])


def pyav(path: Path, options: dict[str, Any]) -> np.ndarray:
    """In order, to the last frame wanted, with one scaler."""
    height, width = options["size"]
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        count = stream.frames
        if not count:
            count = sum(1 for packet in container.demux(stream) if packet.size)
            container.seek(0)
        wanted = [(2 * i + 1) * count // (2 * options["frames"]) for i in range(options["frames"])]
        scaler, kept = VideoReformatter(), {}
        for i, frame in enumerate(container.decode(stream)):
            if i in wanted:
                small = scaler.reformat(frame, width, height, "rgb24", interpolation=Interpolation.AREA)
                kept[i] = small.to_ndarray().transpose(2, 0, 1)
            if i == wanted[-1]:
                break
        return np.stack([kept[i] for i in wanted])


# Sections


def medians(
    contenders: dict[str, Callable[[], Any]], repeats: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """Seconds of each, interleaved; the first round is not counted."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(repeats + 1):
        for name, run in contenders.items():
            start = clock()
            run()
            times[name].append(clock() - start)
    return {name: statistics.median(values[1:]) for name, values in times.items()}


def decode_all(kind: str, paths: list[Path], options: dict[str, Any], pool: DecoderPool | None = None) -> list:
    """Ours, here or in a pool."""
    if pool is None:
        return [decode(kind, path, options) for path in paths]
    futures = [pool.submit(kind, path, options) for path in paths]
    return [future.result() for future in futures]


def decode_by_hand(by_hand: Callable[..., np.ndarray], paths: list[Path], options: dict[str, Any]) -> list:
    return [by_hand(path, options) for path in paths]


def decode_section(folder: Path, repeats: int, random: np.random.Generator) -> Rows:
    """`decode` in this process beside the same work by hand; time is the processor's, which other programs disturb less."""
    image, audio = {"size": (224, 224)}, {"sample_rate": 16_000, "seconds": 3.0}
    whole, video = {"sample_rate": 16_000, "seconds": None}, {"frames": 8, "size": (112, 112)}
    jpegs = write_images(folder, "jpg", 24, (567, 850), random)
    pngs = write_images(folder, "png", 12, (300, 400), random)
    sounds = {suffix: write_sounds(folder, suffix, 8, 10, random) for suffix in ("wav", "flac", "mp3", "m4a")}
    short = write_clips(folder, "short.mp4", 4, 75, random)
    gops = write_clips(folder, "gops.mp4", 2, 400, random, g="25")
    vp9 = write_clips(folder, "vp9.webm", 2, 75, random, "libvpx-vp9", **{"cpu-used": "8", "deadline": "realtime"})
    cases = [
        ("JPEG 850x567 to 224x224", "image", jpegs, image, pillow, "Pillow"),
        ("PNG 400x300 with alpha to 224x224", "image", pngs, image, pillow, "Pillow"),
        *(
            (f"{suffix}, 3 of 10 s to 16 kHz", "audio", sounds[suffix], audio, soundfile_soxr, "soundfile, soxr")
            for suffix in ("wav", "flac", "mp3")
        ),
        ("m4a, 3 of 10 s to 16 kHz", "audio", sounds["m4a"], audio, pyav_soxr, "PyAV, soxr"),
        ("wav, 10 s to 16 kHz", "audio", sounds["wav"], whole, soundfile_soxr, "soundfile, soxr"),
        ("m4a, 10 s to 16 kHz", "audio", sounds["m4a"], whole, pyav_soxr, "PyAV, soxr"),
        ("H.264 3 s, one GOP, 8 frames", "video", short, video, pyav, "PyAV"),
        ("H.264 16 s, GOPs of 1 s, 8 frames", "video", gops, video, pyav, "PyAV"),
        ("VP9 3 s, 8 frames", "video", vp9, video, pyav, "PyAV"),
    ]
    rows = []
    for name, kind, paths, options, by_hand, library in cases:
        times = medians(
            {
                "ours": partial(decode_all, kind, paths, options),
                "by hand": partial(decode_by_hand, by_hand, paths, options),
            },
            repeats,
            time.process_time,
        )
        rows.append(
            {
                "what": name,
                "ours, items/s": len(paths) / times["ours"],
                "by hand, items/s": len(paths) / times["by hand"],
                "x": times["by hand"] / times["ours"],
                "by hand": library,
            }
        )
    return rows


def pool_section(folder: Path, repeats: int, random: np.random.Generator) -> Rows:
    """The pool beside this process, and what a file costs beyond its decoding with one process."""
    tiny = folder / "tiny.png"
    Image.fromarray(photo(64, 64, random)).save(tiny)
    [jpeg] = write_images(folder, "jpg", 1, (567, 850), random)
    [sound] = write_sounds(folder, "wav", 1, 10, random)
    [clip] = write_clips(folder, "pool.mp4", 1, 75, random)
    cases = [
        ("PNG 64x64 to 64x64", 500, "image", tiny, {"size": (64, 64)}),
        ("JPEG 850x567 to 224x224", 60, "image", jpeg, {"size": (224, 224)}),
        ("wav, 3 of 10 s to 16 kHz", 60, "audio", sound, {"sample_rate": 16_000, "seconds": 3.0}),
        ("H.264 3 s, 8 frames of 112x112", 8, "video", clip, {"frames": 8, "size": (112, 112)}),
        ("H.264 3 s, 32 frames of 224x224", 8, "video", clip, {"frames": 32, "size": (224, 224)}),
    ]
    rows = []
    with DecoderPool(1) as one, DecoderPool(2) as two:
        for name, count, kind, path, options in cases:
            times = medians(
                {
                    "here": partial(decode_all, kind, [path] * count, options),
                    "one": partial(decode_all, kind, [path] * count, options, one),
                    "two": partial(decode_all, kind, [path] * count, options, two),
                },
                repeats,
            )
            rows.append(
                {
                    "what": name,
                    "here, ms": 1e3 * times["here"] / count,
                    "1 process, ms": 1e3 * times["one"] / count,
                    "2 processes, ms": 1e3 * times["two"] / count,
                    "overhead of 1, us": 1e6 * (times["one"] - times["here"]) / count,
                    "x, 2 processes": times["here"] / times["two"],
                }
            )
    return rows


def cache_section(folder: Path, repeats: int, random: np.random.Generator) -> Rows:
    """Batches of 32 rows in random order, as in later epochs, beside one memory-mapped .npy array.

    `cached` is what a fit does: a scratch array that the first epoch wrote. `store` is what it falls back to where there
    is no room for that: the cache's values by key.
    """
    rows = []
    for size in ((64, 96), (128, 128), (224, 224)):
        count = 600
        place = folder / f"{size[0]}x{size[1]}"
        place.mkdir()
        for i in range(count):
            Image.fromarray(random.integers(0, 255, (60, 80, 3), dtype=np.uint8)).save(place / f"{i}.jpg")
        cells = read_table({"photo": [f"{i}.jpg" for i in range(count)]}, place)
        cache = MediaCache(place / "cache", 10**9)
        reader, loader, everything = ImageReader("photo", size=size), MediaLoader(None, cache), np.arange(count)
        cached, store = (MediaColumn(reader, cells, loader, Problems(), Allowance(room)) for room in (10**9, 0))
        start = time.perf_counter()
        values, _ = cached.finish(everything, cached.begin(everything))
        first = time.perf_counter() - start
        store.finish(everything, store.begin(everything))
        plain = np.lib.format.open_memmap(place / "all.npy", "w+", np.uint8, values.shape)
        plain[:] = values
        plain.flush()
        orders = [random.permutation(count) for _ in range(10)]

        def read(take: Callable[[np.ndarray], Any], orders: list[np.ndarray] = orders) -> None:
            for order in orders:
                for start in range(0, len(order), 32):
                    take(order[start : start + 32])

        times = medians(
            {
                "mapped": partial(read, plain.__getitem__),
                "cached": partial(read, lambda part, column=cached: column.finish(part, column.begin(part))),
                "store": partial(read, lambda part, column=store: column.finish(part, column.begin(part))),
            },
            repeats,
        )
        cache.close()
        each = {name: 1e6 * seconds / count / len(orders) for name, seconds in times.items()}
        rows.append(
            {
                "what": f"pictures of {size[0]}x{size[1]}",
                "decoded and put, us": 1e6 * first / count,
                "mapped array, us": each["mapped"],
                "cached, us": each["cached"],
                "x of the mapped array's time": each["cached"] / each["mapped"],
                "store, us": each["store"],
                "store, x": each["store"] / each["mapped"],
            }
        )
    return rows


def stall_section(folder: Path, repeats: int, random: np.random.Generator) -> Rows:
    """Share of an epoch in which the network waits for data: a fit with defaults on photos and sounds, an empty cache."""
    count = 240
    images = write_images(folder, "jpg", count, (567, 850), random)
    sounds = write_sounds(folder, "mp3", count, 3, random)
    label = np.where(np.arange(count) % 2, "a", "b")
    rows = []
    cases = {
        "photos": {"photo": images},
        "sounds": {"sound": sounds},
        "photos and sounds": {"photo": images, "sound": sounds},
    }
    for name, columns in cases.items():
        os.environ["SENSORIUM_CACHE"] = str(folder / f"cache {name}")
        table = {column: [str(path) for path in paths] for column, paths in columns.items()}
        history = sm.fit({**table, "label": label}, "label", epochs=3, probes=False).history
        seconds = np.diff(history["seconds"], prepend=np.nan)
        seconds[0] = history["seconds"].iloc[0]  # with all that comes before
        waited = history["waited"] / seconds
        rows.append({"what": name, "first epoch": waited[0], "second epoch": waited[1], "third epoch": waited[2]})
    return rows


SECTIONS: dict[str, Callable[[Path, int, np.random.Generator], Rows]] = {
    "decode": decode_section,
    "pool": pool_section,
    "cache": cache_section,
    "stall": stall_section,
}


# Report


def table(rows: Rows) -> str:
    def cell(value: Any) -> str:
        return (
            f"{value:,.3g}"
            if isinstance(value, float) and value < 100
            else f"{value:,.0f}"
            if isinstance(value, float)
            else str(value)
        )

    lines = [list(rows[0]), ["---"] * len(rows[0]), *([cell(value) for value in row.values()] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the sections asked for; others keep their last results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sections", nargs="+", choices=list(SECTIONS), default=list(SECTIONS))
    parser.add_argument("--repeats", type=int, default=7, help="rounds of each measurement")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    os.environ["OMP_NUM_THREADS"] = "1"
    path = RESULTS / "media.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    for name in given.sections:
        with tempfile.TemporaryDirectory() as folder:
            rows = SECTIONS[name](Path(folder), given.repeats, np.random.default_rng(given.seed))
        versions = {module.__name__: module.__version__ for module in (av, np, soundfile, soxr)}
        machine = {
            "cores": os.cpu_count(),
            "machine": platform.machine(),
            "python": platform.python_version(),
            **versions,
        }
        about = " ".join(SECTIONS[name].__doc__.split())
        results[name] = {"about": about, "repeats": given.repeats, "machine": machine, "rows": rows}
        print(f"{name}\n{table(rows)}\n", file=sys.stderr)
    RESULTS.mkdir(exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n")
    parts = [f"# Decoding media\n\n`python benchmarks/media.py`. {' '.join(__doc__.split(chr(10) * 2)[2].split())}"]
    for name, result in results.items():
        cores = result["machine"]["cores"]
        parts.append(
            f"## {name}\n\n{result['about']} {result['repeats']} repeats, {cores} cores.\n\n{table(result['rows'])}"
        )
    (RESULTS / "media.md").write_text("\n\n".join(parts) + "\n")


if __name__ == "__main__":
    main()
