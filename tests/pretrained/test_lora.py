import pytest
import torch
from torch import nn

pytest.importorskip("peft", reason="LoRA needs 'sensorium[pretrained]'")

from sensorium.errors import ConfigError
from sensorium.pretrained.lora import add_lora, merge_lora


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))


def test_only_the_adapters_learn_and_a_new_one_changes_nothing():
    plain, adapted = network(), network()
    add_lora(adapted, rank=2, alpha=4.0, dropout=0.0, name="x")
    rows = torch.randn(5, 4)
    torch.testing.assert_close(adapted(rows), plain(rows))
    learning = {name for name, parameter in adapted.named_parameters() if parameter.requires_grad}
    assert learning
    assert all("lora_" in name for name in learning)
    assert sum(p.numel() for n, p in adapted.named_parameters() if n in learning) == 2 * (4 + 6) + 2 * (6 + 3)


def test_the_adapter_is_what_the_paper_says_and_merging_keeps_the_answers():
    adapted = network()
    add_lora(adapted, rank=2, alpha=4.0, dropout=0.0, name="x")
    plain = {name: value.clone() for name, value in network().state_dict().items()}
    for name, parameter in adapted.named_parameters():
        if "lora_" in name:
            nn.init.normal_(parameter)
    a, b = adapted[0].lora_A["default"].weight.detach(), adapted[0].lora_B["default"].weight.detach()
    rows = torch.randn(5, 4)
    before = adapted(rows)
    merge_lora(adapted)
    assert set(adapted.state_dict()) == set(plain)
    torch.testing.assert_close(adapted[0].weight.detach(), plain["0.weight"] + 4.0 / 2 * b @ a)
    torch.testing.assert_close(adapted(rows), before)


def test_a_network_without_linear_layers():
    with pytest.raises(ConfigError, match="model 'x' has no linear layers to adapt"):
        add_lora(nn.Sequential(nn.Conv2d(3, 4, 3)), 2, 4.0, 0.0, "x")
