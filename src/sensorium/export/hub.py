"""A run on the Hugging Face hub: a repository that holds the files of a packed run as they are, README.md its model card."""

import os
import tempfile
from pathlib import Path
from typing import Any

from sensorium.errors import ConfigError, DataError, imported_for
from sensorium.export.card import card
from sensorium.export.pack import LIMITS, SUFFIX, check_unpacked, is_packed, pack, unpack
from sensorium.pretrained.library import first_line

__all__ = ["pull", "push"]

WANTED = [*LIMITS, "tokenizers/*.json"]


def push(
    run: str | os.PathLike[str],
    repository: str,
    private: bool = True,
    revision: str | None = None,
    message: str = "A run of sensorium",
) -> str:
    """Upload a run, and say where it is.

    A folder goes without what tells of single rows that were learned from (see `pack`); a packed run as it is, with its
    signature. The key to the hub is the one that `hf auth login` or HF_TOKEN gave.

    Args:
        run: a folder or one file.
        repository: owner/name; it is made if it is not there.
        private: a new repository is seen by its owner alone.
        revision: a branch; the main one where left out.
        message: of the commit.

    Raises:
        ConfigError: huggingface_hub is not installed, or the hub refuses.
        DataError: no finished run, or one that was changed since it was saved.
    """
    from sensorium.predictor import load  # here: it stands above this room

    hub, refusals = _library()
    run = Path(run)
    with tempfile.TemporaryDirectory() as place:
        packed, folder = Path(place) / f"run{SUFFIX}", Path(place) / "run"
        predictor = load(run)
        if is_packed(run):
            packed = run
        else:
            pack(run, packed, card(predictor, repository.rpartition("/")[2]), rows=False)
        unpack(packed, folder)
        try:
            api = hub.HfApi()
            made = api.create_repo(repository, private=private, exist_ok=True, repo_type="model")
            if revision is not None:
                api.create_branch(repository, branch=revision, exist_ok=True)
            api.upload_folder(
                repo_id=made.repo_id,
                folder_path=folder,
                revision=revision,
                commit_message=message,
                delete_patterns=WANTED,  # of a run that was there before
            )
        except refusals as error:
            raise ConfigError(f"the hub did not take {run} as '{repository}' ({first_line(error)}).") from error
    return str(made)


def pull(
    repository: str,
    target: str | os.PathLike[str],
    revision: str | None = None,
    key: str | os.PathLike[str] | None = None,
) -> None:
    """Download a run: as one file where the target's name ends in .sensorium, else as a folder.

    Nothing but the files of a run is fetched, no code is run, and what was changed on its way is refused.

    Args:
        repository: owner/name.
        target: that must not be there yet.
        revision: a branch, tag or commit. A commit always is the same run.
        key: the file of a public key, which it must be signed for.

    Raises:
        ConfigError: huggingface_hub is not installed, the target is there, or the hub has no such run.
        DataError: what the hub has is no run, was changed, or is not signed as asked.
    """
    from sensorium.predictor import load  # here: it stands above this room

    hub, refusals = _library()
    target = Path(target)
    if target.exists():
        raise ConfigError(f"{target} is there already. Take another name, or delete it.")
    with tempfile.TemporaryDirectory() as place:
        folder, packed = Path(place) / "run", Path(place) / f"run{SUFFIX}"
        try:
            hub.snapshot_download(repository, revision=revision, allow_patterns=WANTED, local_dir=folder)
        except refusals as error:
            raise ConfigError(f"the hub did not give '{repository}' ({first_line(error)}).") from error
        try:
            check_unpacked(folder, key)
            load(folder)
        except DataError as error:
            raise DataError(str(error).replace(str(folder), repository)) from error
        if target.suffix == SUFFIX:
            pack(folder, target)
        else:
            pack(folder, packed)
            unpack(packed, target)


def _library() -> tuple[Any, tuple[type[BaseException], ...]]:
    """The library, and the errors that it raises for what the hub says."""
    with imported_for("the hub", "huggingface_hub", "hub"):
        import huggingface_hub
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
    return huggingface_hub, (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError)
