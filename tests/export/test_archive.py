"""The run folder: what is sealed, and what is refused, each with the file's name."""

import hashlib
import json
import re
import shutil

import pytest

import sensorium as sm
from sensorium.errors import DataError
from sensorium.export.archive import FORMAT, SEALED, check_files, read_json, seal, write_json


@pytest.fixture
def folder(tmp_path):
    for name in SEALED:
        (tmp_path / name).write_text(f"what is in {name}")
    (tmp_path / "tokenizers").mkdir()
    for name in ("10.json", "2.json", "notes.txt"):
        (tmp_path / "tokenizers" / name).write_text(name)
    (tmp_path / "history.csv").write_text("epoch")
    return tmp_path


def refused(folder, sums):
    with pytest.raises(DataError) as error:
        check_files(folder, sums)
    return str(error.value).replace(str(folder), "RUN")


def test_the_format_is_the_first():
    assert FORMAT == 1  # raised together with a fixture of the format before


def test_json_comes_back_and_is_readable(tmp_path):
    data = {"照片": [1, 2.5, None, True], "a": {"b": '"'}}
    write_json(tmp_path / "new" / "x.json", data)
    text = (tmp_path / "new" / "x.json").read_text(encoding="utf-8")
    assert "照片" in text
    assert text.endswith("}\n")
    assert read_json(tmp_path / "new" / "x.json") == json.loads(text) == data


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"1 2"])
def test_damaged_json_is_said_by_its_name(tmp_path, content):
    path = tmp_path / "metrics.json"
    path.write_bytes(content)
    message = f"{path} is damaged and can't be read. Restore it or fit again."
    with pytest.raises(DataError, match="^" + re.escape(message) + "$"):
        read_json(path)


def test_json_that_is_not_there_or_no_file(tmp_path):
    with pytest.raises(DataError, match=f"^{re.escape(str(tmp_path))} is no finished run: it has no run.json.$"):
        read_json(tmp_path / "run.json")
    (tmp_path / "run.json").mkdir()
    with pytest.raises(DataError, match=r"run.json is damaged and can't be read. Restore it or fit again.$"):
        read_json(tmp_path / "run.json")


def test_all_that_answers_depend_on_is_sealed(folder):
    sums = seal(folder)
    assert list(sums) == [
        "config.yaml", "schema.json", "inputs.json", "weights.safetensors", "tokenizers/10.json", "tokenizers/2.json",
    ]  # fmt: skip
    for name, digest in sums.items():
        assert digest == hashlib.sha256((folder / name).read_bytes()).hexdigest()
    check_files(folder, sums)


@pytest.mark.parametrize("name", [*SEALED, "tokenizers/2.json"])
def test_a_changed_or_lost_file_is_refused(folder, name):
    sums, path = seal(folder), folder / name
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)
    message = f"RUN/{name} is not the file that was saved (its checksum differs); it is not loaded."
    assert refused(folder, sums) == message
    path.unlink()
    assert refused(folder, sums) == f"RUN is not whole: {name} is missing."


def test_a_file_without_a_checksum_is_refused(folder):
    sums = seal(folder)
    del sums["weights.safetensors"], sums["config.yaml"]
    assert refused(folder, sums) == (
        "RUN/run.json names no checksum for config.yaml, weights.safetensors; the run can't be trusted."
    )


@pytest.mark.parametrize("name", ["../outside", "tokenizers/../../outside", "/etc/hostname"])
def test_a_file_outside_the_run_is_refused(folder, name):
    (folder.parent / "outside").write_text("secret")
    digest = hashlib.sha256(b"secret").hexdigest()
    assert refused(folder, {**seal(folder), name: digest}) == f"RUN/run.json names '{name}', which is outside the run."


@pytest.mark.parametrize("where", ["/etc/hostname", "../other.json", "history.csv"])
def test_a_tokenizer_that_is_not_sealed_is_not_read(run, tmp_path, where):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    shutil.copy(next((copy / "tokenizers").glob("*.json")), tmp_path / "other.json")
    inputs = json.loads((copy / "inputs.json").read_text())
    inputs["readers"]["note"]["tokenizer"] = where
    write_json(copy / "inputs.json", inputs)
    write_json(copy / "run.json", {**json.loads((copy / "run.json").read_text()), "files": seal(copy)})
    with pytest.raises(DataError, match=rf"inputs.json names '{where}', which has no checksum; it is not loaded.$"):
        sm.load(copy)
