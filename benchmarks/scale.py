"""Peak memory and seconds a row as the table grows: Parquet with pictures on disk, texts, numbers and categories.

    python benchmarks/scale.py [--only fits|cluster] [--rows 10000 100000 1000000]

Tables are generated; their rows share 500 small JPEGs, so that the disk stays small and the table itself is what grows. Each
fit (one epoch of a small network, so that reading is most of the work) is a process of its own. The first and a second fit
on the same table are measured: the second finds its pictures in the cache.

`cluster`: `predict` of one machine beside `predict --cluster local` with 1 and 2 workers, each a program of its own, on the
same rows, one after the other in each of the rounds; every row's picture is decoded, nothing is kept. docs/scale.md reckons
with these figures. Writes benchmarks/results/scale.{json,md}; what is not asked for stays as it was.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

RESULTS = Path(__file__).parent / "results"
PICTURES = 500
PART = 50_000  # rows that are generated at once
PART_ROWS = 256  # of a cluster's part
LOAD = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
WORDS = np.array("red green blue small large round flat old new fast slow warm cold bright dark heavy light".split())
CONFIG = {
    "inputs": {
        "photo": {"size": 16, "encoder": {"type": "cnn", "channels": [4, 8]}},
        "note": {"encoder": {"type": "bag"}},
        "columns": {"columns": ["price", "shop"]},
    },
    "fusion": {"type": "mean", "width": 16},
    "training": {"epochs": 1, "batch_size": 256, "precision": "32", "augment": False},
}


def make(folder: Path, rows: int) -> Path:
    """Write the table, a part at a time, and the pictures; returns its path."""
    random = np.random.default_rng(0)
    (folder / "photos").mkdir(exist_ok=True)
    for number in range(PICTURES):
        pixels = random.integers(0, 128, (48, 64, 3)) + (127 if number % 2 else 0)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / "photos" / f"{number}.jpg")
    path, writer = folder / f"{rows}.parquet", None
    for start in range(0, rows, PART):
        count = min(PART, rows - start)
        picture, shop = random.integers(0, PICTURES, count), random.integers(0, 40, count)
        words = WORDS[random.integers(0, len(WORDS), (count, 8))]
        part = pa.table(
            {
                "photo": [f"photos/{n}.jpg" for n in picture],
                "note": [" ".join(row) for row in words],
                "price": random.normal(10, 3, count),
                "shop": [f"shop {n}" for n in shop],
                "label": np.where((picture % 2 == 1) ^ (random.random(count) < 0.1), "yes", "no"),
            }
        )
        writer = writer or pq.ParquetWriter(path, part.schema)
        writer.write_table(part, row_group_size=PART)
    writer.close()
    return path


def measure(path: Path) -> dict[str, Any]:
    """One fit, in this process."""
    import torch

    import sensorium as sm

    torch.set_num_threads(1)
    start = time.monotonic()
    predictor = sm.fit(path, "label", config=CONFIG, probes=False, say=lambda line: print(line, file=sys.stderr))
    epoch = predictor.history.iloc[0]
    return {
        "seconds": time.monotonic() - start,
        "training_seconds": predictor.metrics["seconds"]["training"],
        "waited": epoch["waited"] / predictor.metrics["seconds"]["training"],
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "accuracy": predictor.metrics["targets"]["label"]["valid"]["accuracy"]["value"],
        "problems": len(predictor.found),
    }


def learn(path: Path, run: Path) -> None:
    """The run that answers, in this process: it keeps nothing, so that each row is decoded."""
    import sensorium as sm

    config = {**CONFIG, "training": {**CONFIG["training"], "cache_size": 0, "workers": 1, "probes": False}}
    sm.fit(path, "label", config=config, out=run)


def processor_seconds() -> float:
    """Of this process and all that it has started, so far (Linux)."""
    spent: dict[int, tuple[int, float]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            told = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        spent[int(stat.parent.name)] = int(told[1]), sum(map(int, told[11:15])) / os.sysconf("SC_CLK_TCK")
    family, size = {os.getpid()}, 0
    while len(family) > size:
        size = len(family)
        family |= {process for process, (parent, _) in spent.items() if parent in family}
    return sum(seconds for process, (_, seconds) in spent.items() if process in family)


def peak_mb() -> float:
    """Of this program; what its parent had in memory when it was started is not counted (Linux)."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


def answer(path: Path, run: Path, workers: int) -> dict[str, Any]:
    """Answers to a table, in this process: by one machine (0), or by the workers of a cluster."""
    import torch

    from sensorium.cluster.connect import cluster
    from sensorium.cluster.predict import predict
    from sensorium.data.table import read_table, write_table
    from sensorium.predictor import load

    torch.set_num_threads(1)
    rows, output = pq.read_metadata(path).num_rows, path.with_suffix(".answers.csv")
    marks: list[tuple[float, float]] = []
    processes: set[int] = set()

    def mark() -> None:
        marks.append((time.monotonic(), processor_seconds()))

    def made(part: dict[str, Any]) -> None:
        """From when all processes have made a part, none of them starts any more."""
        processes.add(part["process"])
        if len(processes) == workers:
            mark()

    if workers:
        with cluster("local", workers, object_store_memory=150 * 2**20):
            begin = time.monotonic()
            predict(run, path, output, workers=workers, rows=PART_ROWS, report=made)
            seconds = time.monotonic() - begin
        between = PART_ROWS * (len(marks) - 1)
    else:
        begin = time.monotonic()
        predictor, read = load(run), read_table(path)
        predictor.answers(read.take(range(PART_ROWS)))  # starts the decoding process
        mark()
        answers = predictor.answers(read)
        mark()
        write_table(answers, output)
        seconds, between = time.monotonic() - begin, rows
    (first, spent), (last, all_spent) = marks[0], marks[-1]
    return {
        "workers": workers,
        "rows": rows,
        "seconds": seconds,
        "seconds_answering": last - first,
        "ms_a_row": 1000 * (last - first) / between,
        "processor_ms_a_row": 1000 * (all_spent - spent) / between,
        "peak_mb": peak_mb(),
        "bytes_a_row": path.stat().st_size / rows,
        "answer_bytes_a_row": output.stat().st_size / rows,
    }


def stages(folder: Path, rows: int = 200_000, rounds: int = 5) -> list[dict[str, Any]]:
    """What the one process that asks for a prediction does, and what a worker does beside answering: processor us a row."""
    from sensorium.cluster.parts import Parts
    from sensorium.data.slices import lay_out
    from sensorium.data.table import write_parts

    size = 8192
    path = make(folder, rows)
    frame = pq.read_table(path).to_pandas()
    frame.to_csv(folder / "rows.csv", index=False)
    frame.to_json(folder / "rows.jsonl", orient="records", lines=True)
    slices, parts = lay_out(path, folder, size), Parts(folder / "made", "mark")
    share = np.random.default_rng(0).random(size).astype(np.float32)
    answers = pa.table({"label": np.where(share > 0.5, "yes", "no"), "label_no": 1 - share, "label_yes": share})
    for part in range(len(slices)):
        parts.write(part, [answers], {})
    tasks = {
        "hash a Parquet table": (lambda: lay_out(path, folder, size), rows),
        "go through CSV and lay it out": (lambda: lay_out(folder / "rows.csv", folder / "laid", size), rows),
        "go through JSON lines": (lambda: lay_out(folder / "rows.jsonl", folder / "laid", size), rows),
        "read a part": (lambda: [list(slices.table(3).cells(name)) for name in frame], size),
        "write a part": (lambda: parts.write(0, [answers], {}), size),
        "put one CSV together": (
            lambda: write_parts(parts.tables(len(slices)), folder / "all.csv"),
            size * len(slices),
        ),
    }
    found = []
    for name, (task, count) in tasks.items():
        taken = []
        for _ in range(rounds):
            begin = time.process_time()
            task()
            taken.append(1e6 * (time.process_time() - begin) / count)
        found.append({"stage": name, "us_a_row": statistics.median(taken)})
    return found


def stage_lines(found: list[dict[str, Any]]) -> list[str]:
    lines = ["", "Beside answering, processor us a row (200,000 rows in parts of 8192; medians of 5):", ""]
    return [*lines, "| stage | us a row |", "|---|---|", *(f"| {r['stage']} | {r['us_a_row']:.2f} |" for r in found)]


def medians(rounds: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of each number of workers, over its rounds."""
    found = []
    for workers in dict.fromkeys(r["workers"] for r in rounds):
        own = [r for r in rounds if r["workers"] == workers]
        found.append({key: statistics.median(r[key] for r in own) for key in own[0]} | {"rounds": len(own)})
    return found


def cluster_lines(rounds: list[dict[str, Any]]) -> list[str]:
    """The section of `predict --cluster` as Markdown."""
    found = medians(rounds)
    base = next(r for r in found if r["workers"] == 1)
    lines = [
        "",
        "# One machine and a cluster",
        "",
        f"`predict` of {int(base['rows']):,} rows (a JPEG of 64x48, 8 words, 2 columns; a small network; nothing kept on disk) by one",
        "machine and by `--cluster local`; a worker has one processor for the network and the reading, and a process that",
        f"decodes beside it. 2 cores, load average {found[0]['load']:.0f} at the start, {found[0]['rounds']} rounds, medians. `answering`: from when each process",
        "has made a part to the last part, without their start. `processor`: of all processes together, which other programs",
        "disturb less. `x`: rows a second beside 1 worker. Repeat with `python benchmarks/scale.py --only cluster`.",
        "",
        "| workers | whole, s | answering, ms a row | x | processor, ms a row | peak MB of the asking process |",
        "|---|---|---|---|---|---|",
    ]
    for r in found:
        name = int(r["workers"]) or "none: one machine"
        lines.append(
            f"| {name} | {r['seconds']:.1f} | {r['ms_a_row']:.2f} | {base['ms_a_row'] / r['ms_a_row']:.2f} | "
            f"{r['processor_ms_a_row']:.2f} | {r['peak_mb']:.0f} |"
        )
    return lines


def table(results: list[dict[str, Any]]) -> str:
    """The fits as Markdown."""
    least = min(r["peak_mb"] for r in results)
    lines = [
        "# Tables that grow",
        "",
        "One epoch of a small network on generated Parquet tables, 2 cores. Peak memory is that of the training process;",
        "`x` is relative to the smallest of this run. `waited`: the share of the training in which the network waited for",
        "data. Repeat with `python benchmarks/scale.py`.",
        "",
        "| rows | fit | peak MB | x | ms a row | waited | valid accuracy |",
        "|---|---|---|---|---|---|---|",
    ]
    for r in results:
        lines.append(
            f"| {r['rows']:,} | {r['fit']} | {r['peak_mb']:.0f} | {r['peak_mb'] / least:.2f} | "
            f"{1000 * r['seconds'] / r['rows']:.2f} | {r['waited']:.0%} | {r['accuracy']:.3f} |"
        )
    return "\n".join([*lines, ""])


def keep(**sections: list[dict[str, Any]]) -> None:
    """Write the results, with the sections that were not measured now as they were."""
    path = RESULTS / "scale.json"
    found = {**(json.loads(path.read_text()) if path.exists() else {}), **sections}
    RESULTS.mkdir(exist_ok=True)
    path.write_text(json.dumps(found, indent=1) + "\n")
    page = table(found["fits"]) if "fits" in found else ""
    if "cluster" in found:
        page += "\n".join([*cluster_lines(found["cluster"]), *stage_lines(found.get("stages", [])), ""])
    (RESULTS / "scale.md").write_text(page)


def spawn(*arguments: Any, cache: Path) -> dict[str, Any]:
    """What this program says in a process of its own."""
    environment = {**os.environ, "SENSORIUM_CACHE": str(cache)}
    command = [sys.executable, __file__, *map(str, arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--only", choices=["fits", "cluster"], help="measure this alone")
    parser.add_argument(
        "--stages", action="store_true", help="measure again what a cluster does beside answering, alone"
    )
    parser.add_argument("--cluster-rows", type=int, default=8192)
    parser.add_argument("--rounds", type=int, default=5, help="of the cluster")
    parser.add_argument("--one", metavar="TABLE", help="measure one fit and print it; used by this program")
    parser.add_argument("--answer", nargs=3, metavar=("TABLE", "RUN", "WORKERS"), help="likewise, of one prediction")
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measure(Path(given.one))))
        return
    if given.answer:
        path, run, workers = given.answer
        print(json.dumps(answer(Path(path), Path(run), int(workers))))
        return
    if given.stages:
        with tempfile.TemporaryDirectory() as name:
            keep(stages=stages(Path(name)))
        return
    fits, rounds = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for rows in given.rows if given.only != "cluster" else ():
            path = make(folder, rows)
            for fit in ("first", "second"):
                print(f"--- {rows} rows, {fit} fit", file=sys.stderr, flush=True)
                fits.append({"rows": rows, "fit": fit, **spawn("--one", path, cache=folder / f"cache-{rows}")})
                keep(fits=fits)
            path.unlink()
        if given.only != "fits":
            keep(stages=stages(folder))
            learn(make(folder, 2000), folder / "run")
            path = make(folder, given.cluster_rows)
            for number in range(given.rounds):
                for workers in (0, 1, 2):
                    print(f"--- round {number + 1}, {workers} workers", file=sys.stderr, flush=True)
                    rounds.append(
                        {**spawn("--answer", path, folder / "run", workers, cache=folder / "cache"), "load": LOAD}
                    )
                keep(cluster=rounds)
    print((RESULTS / "scale.md").read_text())


if __name__ == "__main__":
    main()
