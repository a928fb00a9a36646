"""Gradients of rows of pretrained networks that learn, of every family: those of batches of one."""

import pytest
import torch

pytest.importorskip("transformers", reason="pretrained encoders need 'sensorium[pretrained]'")
pytest.importorskip("peft", reason="LoRA needs 'sensorium[pretrained]'")

import tiny
from test_bodies import example

from sensorium import encoders, fusion, heads
from sensorium.encoders import Input
from sensorium.model import MultimodalModel
from sensorium.pretrained.load import load_body
from sensorium.pretrained.lora import add_lora
from sensorium.pretrained.source import find_source
from sensorium.privacy.gradients import choose_gradients


@pytest.mark.parametrize("train", ["all", "lora"])
@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_each_row_has_the_gradient_of_a_batch_of_one(family, train, tmp_path):
    tiny.save(family, tmp_path)
    torch.manual_seed(0)
    body = load_body(find_source(str(tmp_path), tiny.FAMILIES[family][0]))
    values, mask = example(body.source)
    if train == "lora":
        if family == "resnet":
            pytest.skip("it has no linear layers to adapt")
        add_lora(body, 2, 4.0, 0.0, family)
    encoder = encoders.Pretrained(body, 8, train=train)
    model = MultimodalModel({"a": encoder}, fusion.Concat(8), {"y": heads.Binary(8)}).eval()
    inputs, targets = {"a": Input(values, mask)}, {"y": (torch.tensor([0.0, 1.0]), torch.ones(2, dtype=torch.bool))}
    function, _ = choose_gradients(model, inputs, targets, {})
    found, _ = function(model, inputs, targets, {})
    learning = {name: value for name, value in model.named_parameters() if value.requires_grad}
    assert set(found) == set(learning)
    assert ("lora" == train) == any("lora_" in name for name in found)
    for row in range(2):
        model.zero_grad(set_to_none=True)
        said = model({"a": Input(values[row : row + 1], mask[row : row + 1])})
        model.loss(said, {"y": tuple(part[row : row + 1] for part in targets["y"])}).backward()
        for name, parameter in learning.items():
            expected = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            torch.testing.assert_close(
                found[name][row], expected, rtol=2e-3, atol=2e-5, msg=lambda m, n=name: f"{n}: {m}"
            )
