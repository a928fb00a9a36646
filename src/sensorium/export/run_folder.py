"""A predictor to its run folder and back."""

from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from safetensors import SafetensorError, safe_open
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from tokenizers import Tokenizer

from sensorium.baselines.wide import Wide
from sensorium.build import build_members, build_model, restore_readers
from sensorium.config import Config, dump_config, parse_config
from sensorium.data.schema import Schema
from sensorium.data.table import write_atomically, write_table
from sensorium.data.text_target import restore_coder
from sensorium.errors import ConfigError, DataError, SensoriumError
from sensorium.evaluation.calibration import Calibration
from sensorium.export.archive import FORMAT, check_files, read_json, seal, write_json
from sensorium.export.budget import at_most
from sensorium.model import MultimodalModel
from sensorium.pictures.history_plot import history_plot
from sensorium.pretrained.source import restore_source
from sensorium.single import Single

__all__ = ["read_run", "write_run"]

OUT_OF_FOLD = "out_of_fold.csv"
SPARE = 256 * 2**20  # bytes that a network may need beside several times its weights: masks, tables of positions
# What comes of files that are whole, but that nobody's run wrote.
UNFIT = (ArithmeticError, AttributeError, LookupError, OSError, RecursionError, TypeError, ValueError)


def write_run(folder: Path, predictor: Any) -> None:
    """Write the run folder, run.json last: a folder without it is no finished run.

    Raises:
        ConfigError: the folder already holds a run.
    """
    if (folder / "run.json").exists():
        raise ConfigError(f"{folder} already holds a run. Save to another folder.")
    folder.mkdir(parents=True, exist_ok=True)
    model = predictor.model
    states = {name: reader.state() for name, reader in predictor.readers.items()}
    targets = {name: coder.to_json() for name, coder in predictor.coders.items()}
    for kind, told in (("", states), ("target-", targets)):
        for place, state in enumerate(told.values()):
            if "tokenizer" in state:
                name = f"tokenizers/{kind}{place}.json"  # by number: a column's name may not do as a file's
                write_atomically(folder / name, state["tokenizer"].encode())
                state["tokenizer"] = name
    inputs = {
        "readers": states,
        "targets": targets,
        "calibration": {name: found.to_json() for name, found in predictor.calibration.items()},
        "wide": [] if model.wide is None else list(model.wide.targets),
        "single": None if model.single is None else model.single.modality,
        "borrows": model.single is not None and model.single.borrows,
    }
    if model.members:
        inputs["members"] = list(model.members)
    if model.sources:
        inputs["sources"] = {name: source.to_json() for name, source in model.sources.items()}
    weights = {name: value.contiguous() for name, value in model.state_dict().items()}
    write_atomically(folder / "config.yaml", dump_config(predictor.config).encode())
    write_json(folder / "schema.json", predictor.schema.to_json())
    write_json(folder / "inputs.json", inputs)
    write_atomically(folder / "weights.safetensors", save_tensors(weights))
    write_json(folder / "metrics.json", predictor.metrics)
    if predictor.out_of_fold is not None:
        write_table(predictor.out_of_fold, folder / OUT_OF_FOLD)
    if len(predictor.history):
        write_table(predictor.history, folder / "history.csv")
        write_atomically(folder / "history.png", history_plot(predictor.history.to_dict(orient="records")))
    write_table(predictor.found, folder / "problems.csv")
    write_json(folder / "run.json", {**predictor.run, "format": FORMAT, "files": seal(folder)})


def read_run(folder: Path) -> tuple[Any, ...]:
    """What a `Predictor` is made of, in its order, from a folder that nobody has changed.

    Raises:
        DataError: no finished run, made by a newer format, damaged or changed since it was saved, or files that no run has.
    """
    if not folder.is_dir():
        raise DataError(f"cannot load {folder}: there is no such folder or file.")
    run = read_json(folder / "run.json")
    if not isinstance(run, dict) or not isinstance(run.get("files"), dict):
        raise DataError(f"{folder / 'run.json'} is damaged and can't be read. Restore it or fit again.")
    if run.get("format") != FORMAT:
        raise DataError(f"{folder} has the format {run.get('format')!r}; this sensorium reads format {FORMAT}.")
    check_files(folder, run["files"])
    try:
        return _restored(folder, run)
    except UNFIT as error:
        if isinstance(error, SensoriumError):
            raise
        raise DataError(
            f"the files of {folder} do not go together ({type(error).__name__}); it is not loaded."
        ) from error


def _restored(folder: Path, run: dict[str, Any]) -> tuple[Any, ...]:
    """What `read_run` gives, of a folder whose checksums are right; somebody may have made them for files of their own."""
    config = parse_config(_plain_yaml(folder / "config.yaml"))
    schema = Schema.from_json(read_json(folder / "schema.json"))
    states = read_json(folder / "inputs.json")
    for state in [*states["readers"].values(), *states["targets"].values()]:
        if "tokenizer" in state:
            if state["tokenizer"] not in run["files"]:
                name = state["tokenizer"]
                raise DataError(f"{folder / 'inputs.json'} names '{name}', which has no checksum; it is not loaded.")
            state["tokenizer"] = _tokenizer(folder / state["tokenizer"])
    readers = restore_readers(config, states["readers"])
    coders = {name: restore_coder(state) for name, state in states["targets"].items()}
    calibration = {name: Calibration(**state) for name, state in states.get("calibration", {}).items()}
    sources = {name: restore_source(told) for name, told in states.get("sources", {}).items()}
    for name, given in config.inputs.items():
        if given.encoder.type == "pretrained" and name not in sources:  # it would be looked for elsewhere
            raise DataError(f"{folder / 'inputs.json'} does not say what the pretrained encoder of '{name}' is.")
    weights = folder / "weights.safetensors"
    try:
        with safe_open(weights, "pt") as file:
            tensors = len(file.keys())
        with at_most(8 * weights.stat().st_size + SPARE, 8 * tensors + 1000, str(weights)):
            model = _network(config, readers, coders, sources, states)
        model.load_state_dict(load_tensors(weights.read_bytes()))
    except (SafetensorError, RuntimeError) as error:
        raise DataError(f"{weights} does not fit the configuration of the run.") from error
    names = {name: str for name, coder in coders.items() if coder.task != "regression"}  # a class 01 is no 1
    answers = _table(folder / OUT_OF_FOLD, dtype=names, keep_default_na=False)
    history, problems = _table(folder / "history.csv"), _table(folder / "problems.csv")
    metrics = read_json(folder / "metrics.json")
    return (
        config, schema, readers, coders, model.eval(), metrics,
        pd.DataFrame() if history is None else history, pd.DataFrame() if problems is None else problems,
        run, calibration, answers,
    )  # fmt: skip


def _plain_yaml(path: Path) -> Any:
    """The configuration of a run. Aliases (*name), which none has, let a line stand for gigabytes."""
    text = path.read_text(encoding="utf-8")
    try:
        if not any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text, yaml.SafeLoader)):
            return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise DataError(f"{path} is damaged and can't be read. Restore it or fit again.") from error
    raise DataError(f"{path} has an alias (*name), which no run has; it is not loaded.")


def _tokenizer(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    try:
        Tokenizer.from_str(text)
    except Exception as error:  # tokenizers raises nothing more special
        raise DataError(f"{path} is damaged and can't be read. Restore it or fit again.") from error
    return text


def _network(config: Config, readers: Any, coders: Any, sources: Any, states: dict[str, Any]) -> MultimodalModel:
    """The network of a run, without its weights."""
    if members := states.get("members"):
        model = build_members(config, members, readers, coders, sources)
        model.members = tuple(members)
    else:
        model = build_model(config, readers, coders, sources)
    if states.get("wide"):
        model.wide = Wide(readers, states["wide"], model.frozen)
    if (modality := states.get("single")) is not None:
        own = config.model_copy(update={"inputs": {modality: config.inputs[modality]}})
        model.single = Single(build_model(own, {modality: readers[modality]}, coders, sources))
        if states.get("borrows"):
            model.single.borrow(model)
    return model


def _table(path: Path, **options: Any) -> pd.DataFrame | None:
    return pd.read_csv(path, **options) if path.exists() else None
