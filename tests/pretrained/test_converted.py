"""Weights of packages: opened without running code, kept by content."""

import shutil

import pytest
import torch
from safetensors import SafetensorError

from sensorium.errors import ConfigError
from sensorium.pretrained.converted import converted_weights


class Bomb:
    """Runs a command where it is unpickled."""

    def __reduce__(self):
        return print, ("it ran",)


def doubled(found):
    return {name: value * 2 for name, value in found.items()}


@pytest.fixture
def kept(tmp_path, monkeypatch):
    monkeypatch.setenv("SENSORIUM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_file_is_converted_once_by_its_content(tmp_path, kept):
    path, twin = tmp_path / "first.pt", tmp_path / "twin.pt"
    torch.save({"a": torch.arange(3.0)}, path)
    shutil.copy(path, twin)
    assert converted_weights(path, "x", doubled)["a"].tolist() == [0, 2, 4]
    again = converted_weights(twin, "x", lambda found: pytest.fail("converted again"))
    assert again["a"].tolist() == [0, 2, 4]
    torch.save({"a": torch.ones(3)}, path)
    assert converted_weights(path, "x", doubled)["a"].tolist() == [2, 2, 2]
    assert {file.suffix for file in kept.iterdir()} == {".safetensors"}
    assert len(list(kept.iterdir())) == 2


def test_a_damaged_copy_is_made_again(tmp_path, kept):
    path = tmp_path / "x.pt"
    torch.save({"a": torch.arange(3.0)}, path)
    converted_weights(path, "x", doubled)
    (copy,) = kept.iterdir()
    whole = copy.read_bytes()
    copy.write_bytes(whole[:20])
    assert converted_weights(path, "x", doubled)["a"].tolist() == [0, 2, 4]
    assert copy.read_bytes() == whole


def test_without_room_nothing_is_left_behind(tmp_path, kept, monkeypatch):
    def fail(weights, half):
        half.write_bytes(b"half")
        raise SafetensorError("no space left on device")

    monkeypatch.setattr("sensorium.pretrained.converted.save_file", fail)
    torch.save({"a": torch.ones(2)}, tmp_path / "x.pt")
    assert converted_weights(tmp_path / "x.pt", "x", doubled)["a"].tolist() == [2, 2]
    assert list(kept.iterdir()) == []


def test_without_a_place_to_keep_it(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("SENSORIUM_CACHE", str(tmp_path / "file"))
    torch.save({"a": torch.ones(2)}, tmp_path / "x.pt")
    for _ in range(2):
        assert converted_weights(tmp_path / "x.pt", "x", doubled)["a"].tolist() == [2, 2]


def write_bomb(path):
    torch.save({"a": Bomb()}, path)


def write_half(path):
    torch.save({"a": torch.ones(100)}, path)
    path.write_bytes(path.read_bytes()[:200])


@pytest.mark.parametrize(
    "write",
    [
        lambda path: None,
        lambda path: path.touch(),
        lambda path: path.write_bytes(b"no weights"),
        lambda path: torch.save({"a": "a word"}, path),
        lambda path: torch.save([1, 2], path),
        write_half,
        write_bomb,
    ],
    ids=["missing", "empty", "text", "word", "list", "half", "bomb"],
)
def test_what_cannot_be_read_is_said_and_runs_nothing(tmp_path, kept, capsys, write):
    path = tmp_path / "x.pt"
    write(path)
    with pytest.raises(ConfigError, match=r"^model 'x': .*x\.pt can't be read\. Install its package again\."):
        converted_weights(path, "x", lambda found: {name: value.contiguous() for name, value in found.items()})
    assert "it ran" not in capsys.readouterr().out
    assert not kept.exists()
