"""Peak memory and seconds a row as the table grows: Parquet with pictures on disk, texts, numbers and categories.

    python benchmarks/scale.py [--rows 10000 100000 1000000]

Tables are generated; their rows share 500 small JPEGs, so that the disk stays small and the table itself is what grows. Each
fit (one epoch of a small network, so that reading is most of the work) is a process of its own. The first and a second fit
on the same table are measured: the second finds its pictures in the cache. Writes benchmarks/results/scale.{json,md}.
"""

import argparse
import json
import os
import resource
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


def table(results: list[dict[str, Any]]) -> str:
    """The results as Markdown."""
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--one", metavar="TABLE", help="measure one fit and print it; used by this program")
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measure(Path(given.one))))
        return
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for rows in given.rows:
            path = make(Path(folder), rows)
            for fit in ("first", "second"):
                print(f"--- {rows} rows, {fit} fit", file=sys.stderr, flush=True)
                environment = {**os.environ, "SENSORIUM_CACHE": f"{folder}/cache-{rows}"}
                command = [sys.executable, __file__, "--one", str(path)]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment)
                results.append({"rows": rows, "fit": fit, **json.loads(done.stdout)})
                RESULTS.mkdir(exist_ok=True)
                (RESULTS / "scale.json").write_text(json.dumps(results, indent=1) + "\n")
                (RESULTS / "scale.md").write_text(table(results))
            path.unlink()
    print(table(results))


if __name__ == "__main__":
    main()
