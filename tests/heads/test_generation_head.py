"""The loss and the texts of a causal language model against transformers and torch."""

import pytest
import torch
from tiny_language import write_language
from torch.nn import functional as F
from transformers import AutoModelForCausalLM

from sensorium.errors import ConfigError
from sensorium.heads import Generation
from sensorium.heads.decoding import Sampling

WIDTH, PREFIX = 16, 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_language(tmp_path_factory.mktemp("lm"), ["a red square", "a blue star"])


@pytest.fixture
def head(folder):
    torch.manual_seed(0)
    return Generation(AutoModelForCausalLM.from_pretrained(folder), WIDTH, PREFIX, max_tokens=8).eval()


def packed(*rows, tokens=8):
    """(question, text) pairs as the target's tensor."""
    values = torch.full((len(rows), 2, tokens), -1)
    for place, parts in enumerate(rows):
        for part, ids in enumerate(parts):
            values[place, part, : len(ids)] = torch.tensor(ids, dtype=torch.long)
    return values


def by_hand(head, told, asked, text):
    """The sum of one row's cross-entropies, token by token, each in a pass of its own."""
    embed, total = head.body.get_input_embeddings(), 0.0
    for place, token in enumerate(text):
        before = embed(torch.tensor([asked + text[:place]], dtype=torch.long))
        logits = head.body(inputs_embeds=torch.cat([told[None], before], 1)).logits[0, -1]
        total += F.cross_entropy(logits[None], torch.tensor([token])).item()
    return total


def test_the_loss_is_that_of_the_texts_tokens_alone(head):
    told = head(torch.randn(1, WIDTH))
    for asked in ([], [7, 8, 9]):
        found = head.loss(told, packed((asked, [4, 5, 0])))
        assert found.item() == pytest.approx(by_hand(head, told[0], asked, [4, 5, 0]) / 3, rel=1e-5)


def test_the_loss_of_several_rows_is_the_mean_over_their_tokens(head):
    told = head(torch.randn(4, WIDTH))
    rows = [([7, 8, 9], [4, 0]), ([], [6, 5, 4, 0]), ([3], [0]), ([5, 5], [1, 0])]
    mask = torch.tensor([True, True, True, False])
    sums = [by_hand(head, told[place], *rows[place]) for place in range(3)]
    assert head.loss(told, packed(*rows), mask).item() == pytest.approx(sum(sums) / 7, rel=1e-5)


@pytest.mark.parametrize("asked", [[], [9, 30, 4]])
def test_greedy_is_transformers_own(head, asked):
    told = head(torch.randn(5, WIDTH) * 40)
    ids = torch.tensor([asked] * 5, dtype=torch.long)
    embedded = torch.cat([told, head.body.get_input_embeddings()(ids)], 1)
    expected = head.body.generate(
        inputs_embeds=embedded,
        attention_mask=torch.ones(embedded.shape[:2], dtype=torch.long),
        max_new_tokens=8,
        do_sample=False,
        eos_token_id=0,
        pad_token_id=0,
    )
    found = head.generate(told, ids)
    assert len({tuple(row) for row in found.tolist()}) > 1
    for one, other in zip(found, expected, strict=True):
        end = (other == 0).nonzero()[0, 0] if (other == 0).any() else len(other)
        assert one[one >= 0].tolist() == other[:end].tolist()


@pytest.mark.parametrize("sampling", [None, Sampling(temperature=2.0, seed=3)])
def test_a_rows_text_depends_on_that_row_alone(head, sampling):
    told, asked = head(torch.randn(6, WIDTH) * 40), packed(*[([4] * (row % 3), []) for row in range(6)])[:, 0]
    found = head.generate(told, asked, sampling)
    for row in range(6):
        assert head.generate(told[[row]], asked[[row]], sampling)[0].tolist() == found[row].tolist()
    assert head.generate(told.flip(0), asked.flip(0), sampling).flip(0).tolist() == found.tolist()


def test_a_seed_repeats_and_another_differs(head):
    told = head(torch.randn(4, WIDTH))
    texts = [head.generate(told, sampling=Sampling(2.0, seed=seed)).tolist() for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


def test_a_text_ends_where_the_model_ends_it(head):
    with torch.no_grad():
        head.body.get_input_embeddings().weight[0] *= 0  # its logit, too, is then 0, and all others are below
        head.body.get_input_embeddings().weight[1:] = -head.body.transformer.ln_f.weight * 0.1
        head.body.transformer.ln_f.bias.fill_(5.0)
    assert (head.generate(head(torch.randn(2, WIDTH))) == -1).all()


def test_what_is_shared_is_saved_once_and_comes_back(head, folder):
    state = head.state_dict()
    assert "body.transformer.wte.weight" in state
    assert "body.lm_head.weight" not in state
    torch.manual_seed(1)
    other = Generation(AutoModelForCausalLM.from_pretrained(folder), WIDTH, PREFIX, max_tokens=8)
    with torch.no_grad():
        head.body.lm_head.weight.mul_(2)
    other.load_state_dict(head.state_dict())
    torch.testing.assert_close(other.body.lm_head.weight, head.body.lm_head.weight)
    assert other.body.lm_head.weight is other.body.transformer.wte.weight


def test_what_does_not_learn_stays_in_eval_mode(folder):
    body = AutoModelForCausalLM.from_pretrained(folder)
    assert Generation(body, WIDTH).body.training
    head = Generation(body.requires_grad_(False), WIDTH).train()
    assert (head.training, head.body.training) == (True, False)
    head.loss(head(torch.randn(2, WIDTH)), packed(([], [4, 0]), ([], [0]))).backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in head.project.parameters())
    assert all(parameter.grad is None for parameter in body.parameters())


def test_the_first_prefix_is_of_the_size_of_the_models_embeddings(head):
    told = head(torch.randn(500, WIDTH))
    ratio = told.std() / head.body.get_input_embeddings().weight.std()
    assert 0.1 < ratio < 3


def test_a_target_of_another_shape(head):
    told = head(torch.randn(2, WIDTH))
    with pytest.raises(ConfigError, match=r"Generation's target must have the shape \(2, 2, tokens\); got \(2, 8\)"):
        head.loss(told, torch.zeros(2, 8))
    with pytest.raises(ConfigError, match=r"Generation\.end must be a whole number, 0 or more; got -1"):
        Generation(head.body, WIDTH, end=-1)
