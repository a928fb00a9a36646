"""Folders of language models, good ones and bad."""

import builtins
import copy
import json
import shutil

import pytest
import torch
from safetensors.torch import load_file
from tiny_language import write_language
from transformers import BertConfig, BertLMHeadModel, BertModel, GPT2LMHeadModel

from sensorium.errors import ConfigError
from sensorium.pretrained.causal_lm import find_language, load_language_model
from sensorium.pretrained.lora import add_lora, merge_lora

TEXTS = ["a red square", "a blue star"]


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return write_language(tmp_path_factory.mktemp("good"), TEXTS)


@pytest.fixture
def folder(good, tmp_path):
    """A copy that can be spoiled."""
    return shutil.copytree(good, tmp_path / "lm")


def opened(folder):
    return load_language_model(find_language(str(folder)), str(folder))


def change(path, **more):
    path.write_text(json.dumps({**json.loads(path.read_text()), **more}))


def test_weights_and_tokenizer_are_those_of_the_folder(good):
    found = find_language(str(good))
    assert (found.end, found.positions, found.folder) == (0, 48, good)
    model = load_language_model(found, "lm")
    expected = load_file(good / "model.safetensors")
    torch.testing.assert_close(model.transformer.wte.weight.data, expected["transformer.wte.weight"])


def test_without_a_folder_it_is_made_of_its_configuration(good):
    found = find_language(str(good))
    model = load_language_model(type(found)(found.config, found.tokenizer, found.end), "lm")
    theirs = opened(good)
    assert {n: p.shape for n, p in model.named_parameters()} == {n: p.shape for n, p in theirs.named_parameters()}
    assert not torch.equal(model.transformer.wte.weight, theirs.transformer.wte.weight)


def test_code_that_a_configuration_names_is_not_fetched(folder):
    change(folder / "config.json", auto_map={"AutoModelForCausalLM": "evil.Evil"}, attn_implementation="evil/kernels")
    assert type(opened(folder)) is GPT2LMHeadModel


def test_half_precision_is_widened(folder):
    model = GPT2LMHeadModel.from_pretrained(folder, dtype=torch.bfloat16)
    model.save_pretrained(folder)
    assert {parameter.dtype for parameter in opened(folder).parameters()} == {torch.float32}


def test_adapters_change_nothing_until_they_learn_and_are_merged(good):
    torch.manual_seed(0)
    model = opened(good)
    ids = torch.randint(0, 100, (2, 6))
    before = model(input_ids=ids).logits
    add_lora(model, rank=4, alpha=8)
    learning = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert all("lora_" in name for name in learning)
    assert len(learning) == 2 * 4 * 2  # A and B of four layers in each of two blocks; not of the last layer
    torch.testing.assert_close(model(input_ids=ids).logits, before)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    changed = model(input_ids=ids).logits
    assert (changed - before).abs().max() > 0.01
    merged = copy.deepcopy(model)
    merge_lora(merged)
    torch.testing.assert_close(merged(input_ids=ids).logits, changed, atol=1e-4, rtol=1e-4)
    assert set(merged.state_dict()) == set(opened(good).state_dict())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("./nowhere", "model './nowhere' can't be read: there is no such folder"),
        ("minilm-l7", "unknown model 'minilm-l7'"),
    ],
)
def test_no_folder(name, message):
    with pytest.raises(ConfigError, match=message):
        find_language(name)


def test_only_pickles(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ConfigError, match=r"holds no \*\.safetensors, only pytorch_model\.bin, which can run code"):
        find_language(str(folder))
    (folder / "pytorch_model.bin").unlink()
    with pytest.raises(ConfigError, match="so it has no weights"):
        find_language(str(folder))


def test_no_configuration(folder):
    (folder / "config.json").unlink()
    with pytest.raises(ConfigError, match=r"holds no config\.json"):
        find_language(str(folder))


def test_quantised(folder):
    change(folder / "config.json", quantization_config={"bits": 4})
    with pytest.raises(ConfigError, match="is quantised, and can't be trained"):
        find_language(str(folder))


def test_no_end(tmp_path):
    folder = write_language(tmp_path / "lm", TEXTS, end=None)
    with pytest.raises(ConfigError, match=r'names no token that ends a text.*"eos_token"'):
        find_language(str(folder))


def test_no_tokenizer(folder):
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").unlink()
    with pytest.raises(ConfigError, match="has no tokenizer"):
        find_language(str(folder))


def test_a_tokenizer_of_another_model(folder, tmp_path):
    write_language(tmp_path / "small", TEXTS, vocab_size=200)
    shutil.copy(tmp_path / "small" / "model.safetensors", folder)
    shutil.copy(tmp_path / "small" / "config.json", folder)
    with pytest.raises(ConfigError, match=r"its tokenizer has \d+ entries, more than the 200 of the model"):
        opened(folder)


BERT = {"vocab_size": 300, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}


def test_an_encoder_is_no_language_model(folder):
    BertModel(BertConfig(**BERT)).save_pretrained(folder)
    with pytest.raises(ConfigError, match=r"is no causal language model: its files lack .* of the weights of one"):
        opened(folder)
    BertLMHeadModel(BertConfig(**BERT)).save_pretrained(folder)
    with pytest.raises(
        ConfigError, match="is no causal language model: what it says of a token changes with those after"
    ):
        opened(folder)


def test_a_model_of_pictures(folder):
    change(folder / "config.json", model_type="vit")
    with pytest.raises(ConfigError, match="can't be read as a causal language model, such as gpt2"):
        opened(folder)


@pytest.mark.parametrize(
    ("package", "call"),
    [
        ("transformers", lambda folder: find_language(str(folder))),
        ("peft", lambda folder: add_lora(opened(folder), 4, 8)),
    ],
)
def test_a_missing_package_is_named(good, monkeypatch, package, call):
    real = builtins.__import__

    def missing(name, *args, **kwargs):
        if name.split(".")[0] == package:
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ConfigError, match=r"Install it with: pip install 'sensorium\[(generation|pretrained)\]'"):
        call(good)


def test_damaged_weights(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ConfigError, match="can't be read as a causal language model"):
        opened(folder)
