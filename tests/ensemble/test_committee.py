"""Several networks as one model: the weighted sum of what they say, for any rows and any of their inputs."""

import pytest
import torch
from torch import nn

from sensorium.encoders import Bag, Input, Pretrained, TextTransformer, VectorDense
from sensorium.ensemble.committee import committee_of, is_committee
from sensorium.errors import ConfigError
from sensorium.evaluation.pieces import answer, pieces
from sensorium.fusion import Attention, Concat, Gated
from sensorium.heads import Binary, Classification, Regression
from sensorium.model import MultimodalModel
from sensorium.single import Single

WEIGHTS = {"kind": [0.2, 0.5, 0.3], "yes": [1.0, 0.0, 0.5], "size": [0.4, 0.3, 0.3]}


def network(seed, fusion=None, width=8):
    torch.manual_seed(seed)
    fusion = Concat(width) if fusion is None else fusion
    encoders = {"pose": VectorDense(3, width=width), "note": TextTransformer(20, width=fusion.width, num_heads=2)}
    heads = {"kind": Classification(3, fusion.width), "yes": Binary(fusion.width), "size": Regression(fusion.width)}
    return MultimodalModel(encoders, fusion, heads).eval()


@pytest.fixture
def networks():
    """Of three fusions and widths, one with an encoder as wide as no fusion's tokens."""
    return [network(0), network(1, Attention(16, layers=1)), network(2, Gated(12), width=6)]


@pytest.fixture
def inputs():
    """Five rows: both inputs, one, the other, none; texts of several lengths."""
    torch.manual_seed(0)
    there = torch.tensor([1, 1, 0, 0, 1]).bool()
    tokens = torch.tensor([[3, 4, 5, 6], [0, 0, 0, 0], [7, 8, 0, 0], [0, 0, 0, 0], [9, 0, 0, 0]])
    return {"pose": Input(torch.randn(5, 3), there), "note": Input(tokens, tokens > 0)}


def summed(networks, inputs):
    told = [network(inputs) for network in networks]
    return {name: sum(w * own[name] for w, own in zip(ws, told, strict=True)) for name, ws in WEIGHTS.items()}


@torch.no_grad()
def test_its_logits_are_the_weighted_sum_of_the_networks(networks, inputs):
    expected = summed(networks, inputs)
    alone = {"note": summed(networks, {"note": inputs["note"]})}
    model = committee_of(networks, WEIGHTS).eval()
    assert is_committee(model)
    assert not is_committee(networks[0])
    found = model(inputs)
    for name in WEIGHTS:
        torch.testing.assert_close(found[name], expected[name])
        torch.testing.assert_close(model({"note": inputs["note"]})[name], alone["note"][name])
        assert torch.isfinite(found[name]).all()


@torch.no_grad()
def test_a_row_depends_on_itself_alone(networks, inputs):
    model = committee_of(networks, WEIGHTS).eval()
    whole = model(inputs)
    for row in range(5):
        part = {name: Input(*(x[row : row + 1] for x in given[:2])) for name, given in inputs.items()}
        for name, logits in model(part).items():
            torch.testing.assert_close(logits, whole[name][row : row + 1], rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_pieces_with_an_input_left_out_answer_as_the_model_without_it(networks, inputs):
    model = committee_of(networks, WEIGHTS).eval()
    found = pieces(model, inputs)
    there = torch.ones(1, 5, dtype=torch.bool)
    kept = {name: piece.keep(there if name == "pose" else ~there) for name, piece in found.items()}
    expected = model(model.drop(inputs, ["pose"]))
    for name, logits in answer(model, kept).items():
        torch.testing.assert_close(logits, expected[name])


def test_what_heads_can_do_it_can_too(networks, inputs):
    model = committee_of(networks, WEIGHTS).eval()
    logits = model(inputs)
    torch.testing.assert_close(model.head("kind").probabilities(logits["kind"]), logits["kind"].softmax(1))
    assert model.head("yes").probabilities(logits["yes"]).shape == (5, 2)
    assert not hasattr(model.head("size"), "probabilities")  # by which numbers are told from classes
    assert torch.isfinite(model.loss(logits, {"size": (torch.zeros(5), torch.ones(5, dtype=torch.bool))}))
    slots, present = model.fusion.slots(model.encode(inputs))
    assert slots.shape == (5, 2, 8 + 16 + 12)
    assert present.tolist() == [[True, True], [True, False], [False, True], [False, False], [True, True]]


def test_its_weights_go_into_another_one(networks, inputs):
    model = committee_of(networks, WEIGHTS).eval()
    others = [network(5), network(6, Attention(16, layers=1)), network(7, Gated(12), width=6)]
    other = committee_of(others, {name: [1.0] * 3 for name in WEIGHTS}).eval()
    other.load_state_dict(model.state_dict())
    for name, logits in other(inputs).items():
        torch.testing.assert_close(logits, model(inputs)[name])


@torch.no_grad()
@pytest.mark.parametrize("bag", [False, True])
def test_frozen_bodies_are_kept_once(bag):
    body = _body()

    def one(seed):
        torch.manual_seed(seed)
        encoder = Pretrained(body, 8)
        heads = {"yes": Binary(8)}
        return MultimodalModel({"pose": Bag(encoder) if bag else encoder}, Concat(8), heads).eval()

    networks = [one(0), one(1)]
    values = torch.randn(4, 2, 3) if bag else torch.randn(4, 3)
    given = {"pose": Input(values, torch.ones(values.shape[:-1], dtype=torch.bool))}
    expected = 0.5 * networks[0](given)["yes"] + 0.5 * networks[1](given)["yes"]
    model = committee_of(networks, {"yes": [0.5, 0.5]}).eval()
    assert model.frozen == ("pose",)
    torch.testing.assert_close(model(given)["yes"], expected)
    torch.testing.assert_close(model(model.look(given))["yes"], expected)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    assert sum(".body." in name for name in state) == len(body.state_dict())
    body.network.weight.zero_()
    other = committee_of([one(2), one(3)], {"yes": [1.0, 1.0]}).eval()
    other.load_state_dict(state)
    torch.testing.assert_close(other(given)["yes"], expected)


def _body():
    class Numbers(nn.Module):
        mask_dims, hidden, even, has_cls, pooling = 1, 5, True, False, "mean"

        def __init__(self):
            super().__init__()
            self.network = nn.Linear(3, 5)
            self.blocks = [self.network]

        def forward(self, values, mask, every):
            return [self.network(values)[:, None]], mask[:, None]

    return Numbers()


def test_what_can_be_no_committee_is_refused(networks):
    torch.manual_seed(0)
    other = MultimodalModel({"pose": VectorDense(3, width=8)}, Concat(8), {"yes": Binary(8)})
    with pytest.raises(
        ConfigError, match=r"the same inputs and targets; got pose to yes beside pose, note to kind, yes"
    ):
        committee_of([networks[0], other], WEIGHTS)
    single = MultimodalModel({"pose": VectorDense(3, width=8)}, Concat(8), {"yes": Binary(8)})
    other.single = Single(single)
    with pytest.raises(ConfigError, match="must be plain; one has a linear part or a network of one input"):
        committee_of([other, other], {"yes": [1.0, 1.0]})
