"""How well one input of a row finds another, and what a search costs.

    OMP_NUM_THREADS=1 python benchmarks/search.py [--counts 10000 100000]
    OMP_NUM_THREADS=1 python benchmarks/search.py --data FOLDER [--sets digits lips speech] [--seeds 0] [--time-limit SECONDS]

Finding: `sm.pretrain` with its defaults on train and valid of a set, without its target; each test row's input as the query
for another input among those of all test rows. digits: a hit is the row itself, or any row of the same digit (its pictures
and recordings are of other people, paired by digit alone). speech: the sound of lips' clips, and the sentences that are
spoken in them but for a digit; classes that are described tell their colours from the sound. FOLDER as for
benchmarks/real.py. Cost: made-up vectors of 128 numbers (16 directions hold most of their spread, as in learned ones), single
queries, medians over interleaved repeats in one run; `x` is relative to comparing all with numpy. Recall: share of the true
10 nearest among the 10 found. Writes benchmarks/results/search.{json,md}; what is in the JSON already is not measured again.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from usearch.index import search as usearch_search

import sensorium as sm
from sensorium.search.graph import Graph
from sensorium.search.retrieval import METRICS, chance, score_ranks

RESULTS = Path(__file__).parent / "results"
SENTENCES = ("bin {} at f _ now", "set {} with b _ please", "lay {} by k _ again", "place {} in t _ soon")
SETS: dict[str, dict[str, Any]] = {
    "digits": {"folder": "digits", "inputs": {"audio": "audio", "image": "image"}, "same": "digit"},
    "lips": {"folder": "lips", "inputs": {"video": "video", "noisy_audio": "audio"}},
    "speech": {
        "folder": "lips",
        "inputs": {"speech": "audio", "masked_sentence": "text"},
        "columns": {"speech": "video"},  # the clips' own sound
        "classes": (
            "colour",
            "speech",
            {c: [s.format(c) for s in SENTENCES] for c in ("blue", "green", "red", "white")},
        ),
    },
}
SIZE, INNER, TOP = 128, 16, 10
BUILDING = ("hnsw, build", "hnsw, checked and opened")


def finding(name: str, seed: int, data: Path, time_limit: float | None) -> list[dict[str, Any]]:
    """One pretrained run: the metrics of both directions on the test rows."""
    plan = SETS[name]
    folder, columns = data / plan["folder"], plan.get("columns", {})
    test = folder / "test.csv"
    inputs = {key: {"column": columns.get(key, key), "modality": kind} for key, kind in plan["inputs"].items()}
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as out:
        predictor = sm.pretrain(
            folder / "train.csv", valid=folder / "valid.csv", out=f"{out}/run", seed=seed, time_limit=time_limit,
            config={"inputs": inputs}, say=lambda line: print(line, file=sys.stderr, flush=True),
        )  # fmt: skip
        seconds, stopped = time.monotonic() - start, predictor.metrics["stopped"]
        epochs = len(predictor.history)
        measured = predictor.evaluate(test)
        vectors = {key: predictor.embed(test, [key]) for key in inputs}
        described = None
        if "classes" in plan:
            column, key, classes = plan["classes"]
            truth = pd.read_csv(test, dtype=str)[column]
            right = predictor.zero_shot(test, classes, [key]).idxmax(axis=1) == truth
            most = truth.value_counts(normalize=True).iloc[0]
            described = {"column": column, "input": key, "accuracy": right.mean(), "majority": most, "classes": classes}
    about = {
        "set": name, "seed": seed, "seconds": seconds, "epochs": epochs, "stopped": stopped, "limit": time_limit,
        "described": described,
    }  # fmt: skip
    found = []
    for pair in measured["pairs"]:
        scores = {key: measured["metrics"][f"{pair['query']}->{pair['finds']}.{key}"] for key in METRICS}
        found.append({**about, **pair, "hit": "the row", "scores": scores})
    if "same" in plan:
        groups = pd.read_csv(test, dtype=str)[plan["same"]].to_numpy()
        for a, b in permutations(inputs):
            there = vectors[a].any(1) & vectors[b].any(1)
            right = groups[there][:, None] == groups[there]
            near = vectors[a][there] @ vectors[b][there].T
            best = np.where(right, near, -np.inf).max(1, keepdims=True)
            ranks = 1 + ((near >= best) & ~right).sum(1)
            random = chance(right.sum(1), len(ranks))
            scores = {key: {**score, "random": random[key]} for key, score in score_ranks(ranks).items()}
            hit = f"the same {plan['same']}"
            found.append({**about, "query": a, "finds": b, "rows": len(ranks), "hit": hit, "scores": scores})
    return found


def made_up(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors, and queries near some of them."""
    random = np.random.default_rng(0)
    inner = random.normal(size=(INNER, SIZE))
    vectors = (random.normal(size=(count, INNER)) @ inner + random.normal(size=(count, SIZE))).astype(np.float32)
    queries = vectors[random.integers(0, count, 200)] + random.normal(size=(200, SIZE)).astype(np.float32)
    return tuple(part / np.linalg.norm(part, axis=1, keepdims=True) for part in (vectors, queries))


def brute(vectors: np.ndarray, query: np.ndarray) -> np.ndarray:
    near = vectors @ query
    return np.argpartition(near, -TOP)[-TOP:]


def cost(count: int, repeats: int = 5) -> dict[str, Any]:
    """Seconds of building, opening and single queries, and the graph's recall."""
    vectors, queries = made_up(count)
    start = time.perf_counter()
    graph = Graph.build(vectors)
    seconds: dict[str, list[float]] = {BUILDING[0]: [time.perf_counter() - start]}
    content = graph.save()
    start = time.perf_counter()
    if Graph.restore(content, count, SIZE) is None:
        raise SystemExit("a graph that was just saved is refused")
    seconds[BUILDING[1]] = [time.perf_counter() - start]
    ways = {
        "numpy, all": lambda query: brute(vectors, query),
        "usearch, all": lambda query: usearch_search(vectors, query, TOP, "ip", exact=True).keys,
        "hnsw": lambda query: graph.search(query, TOP),
    }
    for name in ways:
        seconds[name] = []
    for _ in range(repeats):
        for name, way in ways.items():
            part = queries if name != "usearch, all" else queries[:20]
            start = time.perf_counter()
            for query in part:
                way(query)
            seconds[name].append((time.perf_counter() - start) / len(part))
    true = [set(brute(vectors, query).tolist()) for query in queries]
    hits = [len(set(graph.search(query, TOP).tolist()) & nearest) for query, nearest in zip(queries, true, strict=True)]
    return {
        "count": count, "seconds": {name: statistics.median(values) for name, values in seconds.items()},
        "recall": sum(hits) / (TOP * len(hits)), "graph_bytes": len(content), "vector_bytes": vectors.nbytes,
        "processors": os.cpu_count(), "threads": os.environ.get("OMP_NUM_THREADS"),
    }  # fmt: skip


def table(results: dict[str, list[dict[str, Any]]]) -> str:
    lines = ["# Search", ""]
    if results["finding"]:
        lines += [
            "## One input finds another, on test rows",
            "",
            "A run of `sm.pretrain` that saw no label; values, the 95 % interval of the first, in parentheses what chance finds.",
            "Repeat with `OMP_NUM_THREADS=1 python benchmarks/search.py --data FOLDER --time-limit SECONDS`.",
            "",
            "| set | seed | epochs, limit | query | finds | a hit is | rows | recall@1 | 95 % | recall@5 | recall@10 | mrr | median rank |",
            "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
        ]
    for one in results["finding"]:
        cells = {key: f"{score['value']:.3f} ({score['random']:.3f})" for key, score in one["scores"].items()}
        first, median = one["scores"]["recall@1"], one["scores"]["median_rank"]
        limit = "" if one["limit"] is None else f", {one['limit']:.0f} s"
        about = (
            f"| {one['set']} | {one['seed']} | {one['epochs']}{limit} | {one['query']} | {one['finds']} | {one['hit']}"
        )
        lines.append(
            f"{about} | {one['rows']} | "
            f"{cells['recall@1']} | {first['low']:.3f} to {first['high']:.3f} | {cells['recall@5']} | {cells['recall@10']} | "
            f"{cells['mrr']} | {median['value']:g} ({median['random']:g}) |"
        )
    for one in results["finding"]:
        told = one.get("described")
        if told is not None and one["query"] == told["input"]:
            lines += [
                "",
                f"{one['set']}, seed {one['seed']}: `zero_shot` tells {told['column']} from {told['input']} by "
                f"{len(told['classes'])} classes' descriptions, {len(next(iter(told['classes'].values())))} sentences each: "
                f"accuracy {told['accuracy']:.3f}; always the most frequent: {told['majority']:.3f}.",
            ]
    lines += [
        "",
        "## What a search costs",
        "",
        f"Vectors of {SIZE} numbers, the {TOP} nearest to one query; `x`: relative to numpy on as many vectors, in the same run.",
        "Repeat with `OMP_NUM_THREADS=1 python benchmarks/search.py`.",
        "",
        "| vectors | way | ms a query | x | recall@10 |",
        "|---|---|---|---|---|",
    ]
    for one in results["cost"]:
        base = one["seconds"]["numpy, all"]
        for name, seconds in one["seconds"].items():
            if name in BUILDING:
                continue
            recall = f"{one['recall']:.4f}" if name == "hnsw" else "1"
            lines.append(f"| {one['count']:,} | {name} | {1000 * seconds:.3f} | {seconds / base:.2f} | {recall} |")
    lines += ["", "| vectors | hnsw | s | as many queries by numpy | MB |", "|---|---|---|---|---|"]
    for one in results["cost"]:
        for name in BUILDING:
            seconds = one["seconds"][name]
            queries = seconds / one["seconds"]["numpy, all"]
            megabytes = one["graph_bytes"] / 1e6
            lines.append(f"| {one['count']:,} | {name} | {seconds:.2f} | {queries:,.0f} | {megabytes:.1f} |")
    return "\n".join([*lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--time-limit", type=float, help="seconds of each training")
    parser.add_argument("--counts", nargs="+", type=int, default=[10_000, 100_000])
    given = parser.parse_args()
    path = RESULTS / "search.json"
    results = json.loads(path.read_text()) if path.exists() else {"finding": [], "cost": []}

    def keep() -> None:
        RESULTS.mkdir(exist_ok=True)
        path.write_text(json.dumps(results, indent=1) + "\n")
        (RESULTS / "search.md").write_text(table(results))

    for count in given.counts:
        if not any(one["count"] == count for one in results["cost"]):
            results["cost"].append(cost(count))
            keep()
    for name, seed in [(name, seed) for name in given.sets for seed in given.seeds] if given.data is not None else []:
        if not any((one["set"], one["seed"]) == (name, seed) for one in results["finding"]):
            results["finding"] += finding(name, seed, given.data, given.time_limit)
            keep()
    keep()
    print(table(results))


if __name__ == "__main__":
    main()
