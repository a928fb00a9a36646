"""Where a model's files are: a folder, or the hub's copy of one. Only what is safe to open is."""

import json
from pathlib import Path
from typing import Any

from sensorium.errors import ConfigError, did_you_mean
from sensorium.pretrained.shipped import SHIPPED

__all__ = ["model_folder", "read_json"]

PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json", "tf_model.h5", "model.ckpt", "flax_model.msgpack")
WANTED = ["*.json", "*.safetensors", "*.txt", "*.model", "*/config.json"]  # of a hub's files; code is not among them


def model_folder(name: str) -> tuple[Path, dict[str, Any]]:
    """The folder of a model, by its path or its name on the Hugging Face hub, and its config.json.

    Only a name that is no folder is looked for on the hub: in its local cache, then by network.

    Raises:
        ConfigError: there is no such model.
    """
    folder = Path(name).expanduser()
    if not folder.is_dir():
        folder = _from_hub(name, folder)
    config = read_json(folder / "config.json", name)
    if config is None:
        raise ConfigError(f"model '{name}' can't be read: {folder} holds no config.json, so it is no model's folder.")
    return folder, config


def check_weights(folder: Path, name: str) -> None:
    """Refuse a folder without weights that are safe to open.

    Raises:
        ConfigError: it has none, or pickled ones alone.
    """
    if any(folder.glob("*.safetensors")):
        return
    pickled = next((file for file in PICKLES if (folder / file).exists()), None)
    raise ConfigError(
        f"model '{name}': {folder} holds no *.safetensors"
        + (
            ", so it has no weights."
            if pickled is None
            else f", only {pickled}, which can run code as it is opened and is not read. Convert it: load it with "
            "transformers where you trust it, and save_pretrained(folder)."
        )
    )


def read_json(path: Path, name: str) -> dict[str, Any] | None:
    """A file of a model; None where it is not there.

    Raises:
        ConfigError: it is damaged.
    """
    if not path.exists():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise ConfigError(f"model '{name}' can't be read: {path} is damaged.") from error
    if not isinstance(found, dict):
        raise ConfigError(f"model '{name}' can't be read: {path} is damaged.")
    return found


def _from_hub(name: str, path: Path) -> Path:
    if path.exists() or name.startswith((".", "/", "~")) or name.count("/") > 1 or "\\" in name:
        raise ConfigError(f"model '{name}' can't be read: there is no such folder.")
    if "/" not in name and (near := did_you_mean(name, SHIPPED)).startswith("Did"):  # a slip, no name of the hub's
        raise ConfigError(f"unknown model '{name}'. {near}")
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
    except ImportError as error:
        raise ConfigError(f"model '{name}' is one of a hub: pip install 'sensorium[pretrained]' to read it.") from error
    try:
        return Path(snapshot_download(name, local_files_only=True, allow_patterns=WANTED))
    except (LocalEntryNotFoundError, HFValidationError):
        pass
    try:
        return Path(snapshot_download(name, allow_patterns=WANTED))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise ConfigError(
            f"model '{name}' is no folder here, and the hub did not give it ({reason}). "
            "Download it where there is a network, and give its folder."
        ) from error
