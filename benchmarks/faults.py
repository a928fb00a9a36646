"""Kill, stop and damage fits, go on with them, and compare with one that nobody disturbed; write results/faults.{json,md}.

    python benchmarks/faults.py [--kills 50] [--stops 20] [--damages 10] [--seed 0]

A fit learns a small table of pictures, recordings, sentences, vectors and columns, with processes that decode, a cold cache, a
linear part that the network learns beside (`training.wide`), a network of one input by itself (`balance.method=auto`) and
weighted sampling, so that there is much that can be lost. Each disturbed fit is gone on with by the same command and --resume
until it is done. It must end with the very weights (SHA-256 of weights.safetensors) of the undisturbed one, and no epoch with a
checkpoint may be learned again. Fits are forked from a process that has imported everything, which is where a start spends most
of its time. A full and a read-only disk are small file systems in memory, which need the right to mount them.
"""

import argparse
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from PIL import Image

import sensorium.cli
import sensorium.fitting
import sensorium.pretraining.run
import sensorium.training.fit
import sensorium.training.folds
from sensorium.training.checkpoints import read_checkpoint

RESULTS = Path(__file__).parent / "results"
ROWS, EPOCHS = 60, 4
CONFIG = """\
inputs:
  photo: {modality: image, size: 16, encoder: {type: cnn, channels: [4, 8]}}
  call: {modality: audio, sample_rate: 8000}
  note: {modality: text}
  pose: {modality: vector}
  columns: {columns: [age, shop]}
targets: {label: {}}
fusion: {type: gated, width: 16}
imbalance: {method: weighted_sampling}
balance: {method: auto}
training: {epochs: 4, batch_size: 8, precision: 32, probes: false, threads: 1, workers: 1}
"""


def make_table(folder: Path) -> None:
    """The files, and table.csv."""
    chance, lines = np.random.default_rng(0), ["photo,call,note,pose,age,shop,label"]
    for row in range(ROWS):
        yes = row % 3 == 0
        pixels = chance.integers(0, 256, (16, 16, 3)) // 2 + (100 if yes else 0)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"p{row}.png")
        tone = np.sin(2 * np.pi * (600 if yes else 300) * np.arange(1600) / 8000)
        soundfile.write(folder / f"c{row}.wav", 0.3 * tone + 0.1 * chance.normal(size=1600), 8000)
        note = f"{'a fine day' if chance.random() < (0.9 if yes else 0.1) else 'a grey day'} number {row}"
        pose = " ".join(f"{x:.3f}" for x in chance.normal(size=3))
        age, shop = f"{chance.normal(50 + 9 * yes, 9):.1f}", ("north", "south", "west")[row % 3 if yes else row % 2]
        photo = f"p{row}.png" if row % 7 else ""
        lines.append(f"{photo},c{row}.wav,{note},[{pose.replace(' ', ';')}],{age},{shop},{'yes' if yes else 'no'}")
    (folder / "table.csv").write_text("\n".join(lines).replace(";", " ") + "\n")
    (folder / "fit.yaml").write_text(CONFIG)


class Fit:
    """`sensorium fit` in a process of its own."""

    def __init__(self, data: Path, run: Path, cache: Path, *more: str):
        command = ["fit", str(data / "table.csv"), "--config", str(data / "fit.yaml"), "--out", str(run), *more]
        self.log = cache.with_suffix(".log")
        self.pid = os.fork()
        if self.pid:
            return
        try:
            output = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.environ["SENSORIUM_CACHE"] = str(cache)
            sys.argv = ["sensorium", *command]
            sensorium.cli.main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:
            traceback.print_exc()
            code = 1
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)

    def end(self) -> int:
        """Its exit code, negative for the signal that killed it."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def running(self) -> bool:
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def after(self, seconds: float, number: int) -> int:
        """Send a signal after so many seconds, if it still runs by then."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends and self.running():
            time.sleep(0.005)
        if self.running():
            os.kill(self.pid, number)
        return self.end()

    @property
    def said(self) -> str:
        return self.log.read_text()


def sum_of(run: Path) -> str:
    return hashlib.sha256((run / "weights.safetensors").read_bytes()).hexdigest()


def state_of(folder: Path) -> dict[str, tuple[int, str]]:
    """When each file was written, and what it holds."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def epochs_of(run: Path) -> int:
    """The epochs that the last checkpoint holds."""
    for name in ("last.ckpt", "before.ckpt"):
        if (path := run / "checkpoints" / name).exists():
            return len(read_checkpoint(path)["callbacks"]["Watch"]["history"])
    return 0


def first_epoch(said: str) -> int | None:
    """The first epoch that a fit tells of; None: it had none left."""
    found = re.search(r"^epoch (\d+)/", said, re.MULTILINE)
    return None if found is None else int(found[1])


class Faults:
    """Tries faults and counts what comes of them."""

    def __init__(self, folder: Path, seed: int):
        self.folder, self.chance, self.rows = folder, random.Random(seed), []
        self.data = folder / "data"
        self.data.mkdir()
        make_table(self.data)
        start = time.monotonic()
        self.run(folder / "plain")
        self.seconds = time.monotonic() - start
        self.expected = sum_of(folder / "plain")
        self.number = 0

    def run(self, run: Path, *more: str) -> tuple[int, str]:
        fit = self.begin(run, *more)
        return fit.end(), fit.said

    def begin(self, run: Path, *more: str) -> Fit:
        return Fit(self.data, run, self.folder / f"cache-{run.name}", *more)

    def fresh(self) -> Path:
        self.number += 1
        return self.folder / f"run-{self.number}"

    def finish(self, run: Path) -> tuple[int, bool, str]:
        """Go on until it is done: epochs with a checkpoint that were learned again, whether the weights are the same, and
        what was said."""
        before = epochs_of(run)
        code, said = self.run(run, "--resume")
        assert code == 0, said  # noqa: S101
        first = first_epoch(said)
        lost = 0 if first is None else max(0, before - (first - 1))
        same = sum_of(run) == self.expected
        shutil.rmtree(run)
        shutil.rmtree(self.folder / f"cache-{run.name}", ignore_errors=True)
        return lost, same, said

    def note(self, fault: str, tried: int, lost: int | None, differing: int | None, comes: str) -> None:
        self.rows.append(
            {"fault": fault, "tried": tried, "lost_epochs": lost, "differing_weights": differing, "what_comes": comes}
        )
        print(json.dumps(self.rows[-1]), flush=True)
        write(self.seconds, self.rows)

    def signals(self, number: signal.Signals, tries: int, codes: dict[int, str]) -> None:
        """Random instants, up to three in one fit before it is let go on to its end."""
        lost = differing = left = 0
        ends: Counter[str] = Counter()
        while left < tries:
            run = self.fresh()
            for _ in range(3):
                before = epochs_of(run)
                fit = self.begin(run, "--resume")
                code = fit.after(self.chance.uniform(0, self.seconds), number)
                assert code in codes, fit.said  # noqa: S101
                if (first := first_epoch(fit.said)) is not None:
                    lost += max(0, before - (first - 1))
                if code == 0:
                    break
                ends[codes[code]] += 1
                left += 1
                if code > 0:
                    assert "--resume" in fit.said, fit.said  # noqa: S101
                if left == tries:
                    break
            more, same, _ = self.finish(run)
            lost, differing = lost + more, differing + (not same)
            print(number.name, left, "of", tries, "lost", lost, "differing", differing, flush=True)
        told = ", ".join(f"{count} {what}" for what, count in ends.items())
        if not tries:
            return
        self.note(f"{number.name} at random instants", tries, lost, differing, told)

    def damaged(self, name: str, tries: int, damage: Callable[[bytes], bytes], words: str) -> None:
        """The checkpoint `name` is damaged after a kill."""
        differing = 0
        for _ in range(tries):
            run = self.fresh()
            fit = self.begin(run)
            while fit.running() and epochs_of_files(run) < 2:
                time.sleep(0.005)
            if fit.running():
                os.kill(fit.pid, signal.SIGKILL)
            fit.end()
            path = run / "checkpoints" / name
            if path.exists():
                path.write_bytes(damage(path.read_bytes()))
            code, said = self.run(run, "--resume")
            assert code == 0, said  # noqa: S101
            assert not path.exists() or "is damaged" in said, said  # noqa: S101
            differing += sum_of(run) != self.expected
            shutil.rmtree(run)
        self.note(f"{name} {words}", tries, None, differing, "said; the one before, or the beginning, is gone on from")

    def full(self, spare_kb: int, words: str, expected: Sequence[int]) -> None:
        """The run's disk is full, until somebody makes room."""
        with disk(self.folder / "disk", f"size={spare_kb}k") as place:
            run = place / "run"
            code, said = self.run(run)
            assert code in expected, said  # noqa: S101
            assert "No space left on device" in said, said  # noqa: S101
            assert not (run / "run.json").exists()  # noqa: S101
            mount("-o", "remount,size=100m", str(place))
            before = epochs_of(run)
            code, again = self.run(run, "--resume")
            assert code == 0, again  # noqa: S101
            first = first_epoch(again)
            lost = 0 if first is None else max(0, before - (first - 1))
            self.note(words, 1, lost, int(sum_of(run) != self.expected), said.strip().splitlines()[-1][:300])

    def refused(self, run: Path, words: str, *more: str) -> None:
        """Asking to go on with something else is refused, and nothing is changed."""
        before = state_of(run)
        code, said = self.run(run, *more)
        assert code == 2, said  # noqa: S101
        assert state_of(run) == before  # noqa: S101
        self.note(words, 1, 0, 0, said.strip().splitlines()[-1].replace(str(self.folder), "")[:300])


def epochs_of_files(run: Path) -> int:
    """How many checkpoints there are by now: 2, when a second epoch is done."""
    return sum((run / "checkpoints" / name).exists() for name in ("last.ckpt", "before.ckpt"))


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


@contextmanager
def disk(place: Path, options: str) -> Iterator[Path]:
    """A file system in memory."""
    place.mkdir(exist_ok=True)
    mount("-t", "tmpfs", "-o", options, "tmpfs", str(place))
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def try_all(folder: Path, kills: int, stops: int, damages: int, seed: int) -> None:
    faults = Faults(folder, seed)
    print(f"undisturbed: {faults.seconds:.1f} s, {faults.expected}", flush=True)
    faults.signals(signal.SIGKILL, kills, {0: "", -9: "killed"})
    faults.signals(signal.SIGTERM, stops // 2, {0: "", 143: "exit code 143", -15: "ended before it began"})
    faults.signals(signal.SIGINT, stops - stops // 2, {0: "", 130: "exit code 130", -2: "ended before it began"})
    if damages:
        damage_all(faults, folder, damages)


def damage_all(faults: Faults, folder: Path, damages: int) -> None:
    """Finished runs, damaged checkpoints, other configurations, full disks."""
    chance = faults.chance
    again = faults.fresh()
    faults.run(again)
    faults.note("none: fitted again", 1, 0, int(sum_of(again) != faults.expected), "")
    before = state_of(again)
    code, said = faults.run(again, "--resume")
    assert code == 0, said  # noqa: S101
    assert state_of(again) == before  # noqa: S101
    faults.note("a finished run resumed", 1, 0, 0, said.strip().splitlines()[0].replace(str(folder), ""))
    faults.refused(again, "fitted once more into a finished run")

    faults.damaged("last.ckpt", damages, lambda content: content[: chance.randrange(len(content))], "cut short")
    faults.damaged("last.ckpt", damages, noisy(chance), "overwritten in part")
    faults.damaged("best.ckpt", max(1, damages // 3), noisy(chance), "overwritten in part")
    run = faults.fresh()
    fit = faults.begin(run)
    while fit.running() and epochs_of_files(run) < 1:
        time.sleep(0.005)
    os.kill(fit.pid, signal.SIGKILL)
    fit.end()
    faults.refused(run, "an unfinished run begun anew without --resume")
    faults.refused(run, "resumed with another configuration", "--resume", "--set", "training.learning_rate=0.5")
    rows = (faults.data / "table.csv").read_text()
    (faults.data / "table.csv").write_text(rows.replace("a fine day", "a fine week"))
    faults.refused(run, "resumed with another table", "--resume")
    (faults.data / "table.csv").write_text(rows)
    lost, same, _ = faults.finish(run)
    faults.note("and then resumed as it was", 1, lost, int(not same), "")
    if os.geteuid() == 0:
        faults.full(64, "no room for any checkpoint", [2])
        faults.full(900, "no room for all checkpoints", [0, 2])
        with disk(folder / "disk", "size=10m,ro") as place:
            code, said = faults.run(place / "run")
            assert code == 2, said  # noqa: S101
            assert first_epoch(said) is None, said  # noqa: S101
            told = said.strip().splitlines()[-1].replace(str(folder), "")
            faults.note("a read-only folder", 1, 0, None, told)


def noisy(chance: random.Random) -> Callable[[bytes], bytes]:
    """Sixteen bytes somewhere become others."""

    def damage(content: bytes) -> bytes:
        at = chance.randrange(len(content) - 16)
        return content[:at] + bytes(byte ^ 255 for byte in content[at : at + 16]) + content[at + 16 :]

    return damage


def lines(found: dict[str, Any]) -> str:
    """The table."""
    out = [
        "# Faults",
        "",
        "A fit of a small table with pictures, recordings, sentences, vectors and columns, a linear part beside it, a network of",
        "one input and weighted sampling, disturbed and then gone on with by `--resume`. Lost: epochs with a checkpoint that were",
        "learned again. Differing: fits whose weights.safetensors is not, byte for byte, that of the undisturbed fit.",
        f"Undisturbed a fit takes {found['seconds_undisturbed']:.1f} s. Repeat with `python benchmarks/faults.py`.",
        "",
        "| fault | tried | epochs lost | differing weights | what comes of it |",
        "|---|---|---|---|---|",
    ]
    for row in found["faults"]:
        cells = [row["fault"], row["tried"], row["lost_epochs"], row["differing_weights"], row["what_comes"]]
        out.append("| " + " | ".join("" if cell is None else str(cell).replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(out) + "\n"


def write(seconds: float, rows: list[dict[str, Any]]) -> None:
    """What is tried now takes the place of what was tried before; the rest stays."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / "faults.json"
    before = json.loads(path.read_text())["faults"] if path.exists() else []
    kept = {row["fault"]: row for row in [*before, *rows]}
    found = {"seconds_undisturbed": seconds, "faults": list(kept.values())}
    path.write_text(json.dumps(found, indent=1) + "\n")
    (RESULTS / "faults.md").write_text(lines(found))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--stops", type=int, default=20)
    parser.add_argument("--damages", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        try_all(Path(folder), given.kills, given.stops, given.damages, given.seed)


if __name__ == "__main__":
    main()
