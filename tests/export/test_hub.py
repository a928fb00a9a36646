"""The hub, by a folder in its place: what is uploaded and fetched, and what comes of it."""

import fnmatch
import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
from huggingface_hub import ModelCard
from huggingface_hub.errors import HFValidationError

import sensorium as sm
from sensorium.errors import ConfigError, DataError
from sensorium.export.hub import pull, push
from sensorium.export.pack import sign
from sensorium.export.signature import make_keys


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A folder that does as the hub does; `calls` is what was asked of it."""
    root, calls = tmp_path / "hub", []

    class Api:
        def create_repo(self, repository, private, exist_ok, repo_type):
            calls.append(("create", repository, private, exist_ok, repo_type))
            (root / repository).mkdir(parents=True, exist_ok=True)
            return Url(f"https://hub/{repository}", repository)

        def create_branch(self, repository, branch, exist_ok):
            calls.append(("branch", repository, branch, exist_ok))

        def upload_folder(self, repo_id, folder_path, revision, commit_message, delete_patterns):
            calls.append(("upload", repo_id, revision, commit_message))
            for path in [p for p in (root / repo_id).rglob("*") if p.is_file()]:
                if any(fnmatch.fnmatch(path.relative_to(root / repo_id).as_posix(), p) for p in delete_patterns):
                    path.unlink()
            shutil.copytree(folder_path, root / repo_id, dirs_exist_ok=True)

    def snapshot_download(repository, revision, allow_patterns, local_dir):
        calls.append(("download", repository, revision))
        if not (root / repository).is_dir():
            raise HFValidationError(f"no {repository}\nand more lines")
        for path in (p for p in (root / repository).rglob("*") if p.is_file()):
            name = path.relative_to(root / repository).as_posix()
            if any(fnmatch.fnmatch(name, pattern) for pattern in allow_patterns):
                (Path(local_dir) / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, Path(local_dir) / name)
        (Path(local_dir) / ".cache").mkdir(exist_ok=True)  # as the library leaves it
        return str(local_dir)

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    return SimpleNamespace(root=root, calls=calls)


class Url(str):
    def __new__(cls, url, repository):
        made = super().__new__(cls, url)
        made.repo_id = repository
        return made


def test_a_run_goes_up_and_comes_down(hub, rows, small, tmp_path):
    assert push(small, "me/notes") == "https://hub/me/notes"
    assert hub.calls == [
        ("create", "me/notes", True, True, "model"),
        ("upload", "me/notes", None, "A run of sensorium"),
    ]
    there = hub.root / "me" / "notes"
    card = ModelCard((there / "README.md").read_text())
    assert card.data.library_name == "sensorium"
    assert "\n# notes\n" in card.text
    for target in (tmp_path / "notes.sensorium", tmp_path / "folder"):
        pull("me/notes", target)
        assert sm.load(target).predict_proba(rows).equals(sm.load(small).predict_proba(rows))
    assert not (tmp_path / "folder" / ".cache").exists()


def test_what_tells_of_rows_stays_here(hub, run, table):
    push(run, "me/all", private=False, revision="next")
    assert hub.calls[:2] == [("create", "me/all", False, True, "model"), ("branch", "me/all", "next", True)]
    there = hub.root / "me" / "all"
    assert not (there / "problems.csv").exists()
    assert "rows" not in json.loads((there / "run.json").read_text())["data"]["train"]
    assert all(str(table.parent).encode() not in path.read_bytes() for path in there.rglob("*") if path.is_file())


def test_an_earlier_run_is_replaced(hub, small, packed):
    push(small, "me/notes")
    (hub.root / "me" / "notes" / "tokenizers" / "9.json").write_text("of an earlier run")
    (hub.root / "me" / "notes" / "LICENSE").write_text("mine")
    push(packed, "me/notes")
    names = {p.relative_to(hub.root / "me" / "notes").as_posix() for p in (hub.root / "me" / "notes").rglob("*.*")}
    assert "tokenizers/9.json" not in names
    assert (hub.root / "me" / "notes" / "LICENSE").exists()


def test_a_signature_goes_along(hub, packed, tmp_path):
    make_keys(tmp_path / "me.pem", tmp_path / "me.pub")
    make_keys(tmp_path / "you.pem", tmp_path / "you.pub")
    signed = tmp_path / "signed.sensorium"
    shutil.copy(packed, signed)
    sign(signed, tmp_path / "me.pem")
    push(signed, "me/notes")
    pull("me/notes", tmp_path / "back.sensorium", revision="abc", key=tmp_path / "me.pub")
    assert hub.calls[-1] == ("download", "me/notes", "abc")
    assert (tmp_path / "back.sensorium").read_bytes() == signed.read_bytes()
    with pytest.raises(DataError, match=r"^me/notes is signed by another key than .*you.pub. It is not opened.$"):
        pull("me/notes", tmp_path / "new.sensorium", key=tmp_path / "you.pub")
    assert not (tmp_path / "new.sensorium").exists()


def test_code_is_not_fetched_and_changes_are_refused(hub, small, tmp_path):
    push(small, "me/notes")
    there = hub.root / "me" / "notes"
    for name in ("modeling.py", "pytorch_model.bin", "evil.pkl"):
        (there / name).write_bytes(b"\x80\x04.")
    pull("me/notes", tmp_path / "run")
    assert not list((tmp_path / "run").glob("*.p*y*")) + list((tmp_path / "run").glob("*.bin"))
    (there / "README.md").write_text("another")
    with pytest.raises(
        DataError, match=r"^me/notes is not what its manifest.json says: the checksum of 'README.md' differs.$"
    ):
        pull("me/notes", tmp_path / "new")
    (there / "manifest.json").unlink()
    (there / "config.yaml").write_text("{}")
    with pytest.raises(
        DataError, match=r"^me/notes/config.yaml is not the file that was saved \(its checksum differs\)"
    ):
        pull("me/notes", tmp_path / "new")
    (there / "run.json").unlink()
    with pytest.raises(DataError, match=r"^me/notes is no finished run: it has no run.json.$"):
        pull("me/notes", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_what_the_hub_refuses(hub, small, tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match=r"^the hub did not give 'me/none' \(no me/none\).$"):
        pull("me/none", tmp_path / "new")
    with pytest.raises(ConfigError, match=r"is there already. Take another name, or delete it.$"):
        pull("me/none", tmp_path)

    def refuse(*_, **__):
        raise OSError("no token")

    monkeypatch.setattr(huggingface_hub.HfApi, "create_repo", refuse)
    with pytest.raises(ConfigError, match=r"^the hub did not take .*run as 'me/notes' \(no token\).$"):
        push(small, "me/notes")


def test_without_the_library(small, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    message = r"^the hub needs huggingface_hub. Install it with: pip install 'sensorium\[hub\]'$"
    with pytest.raises(ConfigError, match=message):
        push(small, "me/notes")
    with pytest.raises(ConfigError, match=message):
        pull("me/notes", tmp_path / "new")


def test_the_real_library_takes_these_arguments(small):
    """The stand-ins above take what the library does."""
    import inspect

    api = huggingface_hub.HfApi
    for function, names in (
        (api.create_repo, {"private", "exist_ok", "repo_type"}),
        (api.create_branch, {"branch", "exist_ok"}),
        (api.upload_folder, {"repo_id", "folder_path", "revision", "commit_message", "delete_patterns"}),
        (huggingface_hub.snapshot_download, {"revision", "allow_patterns", "local_dir"}),
    ):
        assert names <= set(inspect.signature(function).parameters)
