"""Every family of pretrained models: from the files that its makers ship to tokens."""

import numpy as np
import pytest
import torch

pytest.importorskip("transformers", reason="pretrained encoders need 'sensorium[pretrained]'")

import tiny

from sensorium.config.encoders import Pretrained
from sensorium.pretrained.load import body_of, load_body
from sensorium.pretrained.source import MODELS, find_source


def example(source):
    """Two rows, the second shorter where rows have a length; and a tensor of what follows it, to be changed."""
    torch.manual_seed(1)
    if source.modality == "text":
        values, mask = torch.randint(4, 11, (2, 7)), torch.ones(2, 7, dtype=torch.bool)
        mask[1, 4:] = False
    elif source.modality == "image":
        values, mask = torch.randint(0, 256, (2, 3, *source.size), dtype=torch.uint8), torch.ones(2, dtype=torch.bool)
    elif source.modality == "audio":
        values = torch.randn(2, source.sample_rate // 2) * 0.1
        mask = torch.ones_like(values, dtype=torch.bool)
        mask[1, source.sample_rate // 4 :] = False
    else:
        values = torch.randint(0, 256, (2, source.frames, 3, *source.size), dtype=torch.uint8)
        mask = torch.ones(values.shape[:2], dtype=torch.bool)
    return values, mask


@pytest.fixture(params=tiny.FAMILIES)
def body(request, tmp_path):
    tiny.save(request.param, tmp_path)
    return load_body(find_source(str(tmp_path), tiny.FAMILIES[request.param][0])).eval()


@torch.no_grad()
def test_tokens_are_finite_and_a_row_alone_is_the_row_in_a_batch(body):
    values, mask = example(body.source)
    layers, real = body(values, mask)
    assert len(layers) == 1
    assert layers[0].shape == (2, real.shape[1], body.hidden)
    assert layers[0][real].isfinite().all()
    assert real.any(1).all()
    for row in range(2):
        length = int(mask[row].sum()) if mask.dim() == 2 and body.source.modality in {"text", "audio"} else None
        own = (
            (values[row : row + 1, :length], mask[row : row + 1, :length])
            if length
            else (values[row:][:1], mask[row:][:1])
        )
        alone, there = body(*own)
        torch.testing.assert_close(alone[0][there], layers[0][row][real[row]], atol=2e-4, rtol=1e-3)


@torch.no_grad()
def test_what_is_masked_changes_nothing(body):
    values, mask = example(body.source)
    if mask.all():
        pytest.skip("its rows have no length")
    layers, real = body(values, mask)
    changed = values.clone()
    changed[~mask] = 5 if values.dtype == torch.int64 else 0.7
    again, _ = body(changed, mask)
    torch.testing.assert_close(again[0][real], layers[0][real], atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_all_layers_have_one_width_where_it_says_so(body):
    values, mask = example(body.source)
    layers, _ = body(values, mask, True) if body.even else body(values, mask)
    assert len(layers) == (len(body.blocks) + 1 if body.even else 1)
    assert {layer.shape[2] for layer in layers} == {body.hidden}


def test_the_last_layer_is_what_transformers_says(tmp_path):
    from transformers import BertModel

    tiny.save("bert", tmp_path)
    values, mask = example(find_source(str(tmp_path), "text"))
    with torch.no_grad():
        ours = load_body(find_source(str(tmp_path), "text")).eval()(values, mask).layers[0]
        theirs = (
            BertModel.from_pretrained(tmp_path).eval()(input_ids=values, attention_mask=mask.long()).last_hidden_state
        )
    torch.testing.assert_close(ours[mask], theirs[mask])


def test_sizes_and_colours_come_from_the_models_own_file(tmp_path):
    tiny.save("vit", tmp_path)
    source = find_source(str(tmp_path), "image")
    assert source.size == (32, 32)
    body = load_body(source)
    grey = torch.full((1, 3, 32, 32), 0.5)
    expected = [(0.5 - mean) / deviation for mean, deviation in zip((0.4, 0.5, 0.6), (0.2, 0.3, 0.4), strict=True)]
    torch.testing.assert_close(body.scaled(grey)[0, :, 0, 0], torch.tensor(expected))


def test_every_modality_has_a_family_here():
    assert {modality for modality, _, _ in tiny.FAMILIES.values()} == set(MODELS)


@pytest.mark.parametrize("adapted", [False, True], ids=["all", "lora"])
@pytest.mark.parametrize("family", ["bert", "vit", "wav2vec2", "whisper", "videomae"])
def test_checkpointing_computes_layers_again_and_changes_no_gradient(family, adapted, tmp_path):
    tiny.save(family, tmp_path)
    source = find_source(str(tmp_path), tiny.FAMILIES[family][0])
    values, mask = example(source)
    options = Pretrained(model=str(tmp_path), train="lora" if adapted else "all")
    gradients, computed = {}, {}
    for less in (False, True):
        torch.manual_seed(0)
        body = body_of(options.model_copy(update={"checkpointing": less}), source.modality, None).train()
        for module in body.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        calls = []
        inner = next(part for part in body.blocks[0].modules() if isinstance(part, torch.nn.LayerNorm))
        inner.register_forward_hook(lambda *_, calls=calls: calls.append(1))
        torch.manual_seed(1)
        np.random.seed(1)  # transformers' own masking of sound
        layers, real = body(values, mask)
        (layers[0][real] * torch.randn(body.hidden)).sum().backward()
        computed[less] = len(calls)
        gradients[less] = {
            name: parameter.grad for name, parameter in body.named_parameters() if parameter.grad is not None
        }
    assert computed == {False: 1, True: 2}
    assert gradients[True].keys() == gradients[False].keys() != set()
    for name, value in gradients[False].items():
        torch.testing.assert_close(gradients[True][name], value)
