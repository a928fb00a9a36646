"""encoders -> fusion -> heads, with any modality missing and any name."""

import re

import pytest
import torch
from torch import nn

from sensorium.encoders import Bag, Features, ImageCNN, Input, TextBag, VectorDense
from sensorium.errors import ConfigError
from sensorium.fusion import Concat, Gated, Mean
from sensorium.heads import Binary, Classification, Regression
from sensorium.model import MultimodalModel

B = 5


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(0)


def build(fusion=None, names=("photo", "review", "pose"), targets=("label", "price")):
    photo, review, pose = names
    return MultimodalModel(
        encoders={
            photo: ImageCNN(16, channels=(4, 4)),
            review: TextBag(20, 24),
            pose: VectorDense(3, 16),
        },
        fusion=Gated(16) if fusion is None else fusion,
        heads={targets[0]: Classification(3, 16), targets[1]: Regression(16)},
    )


def batch(names=("photo", "review", "pose")):
    torch.manual_seed(1)
    photo, review, pose = names
    words = torch.arange(6) < torch.tensor([[6], [3], [0], [0], [2]])
    return {
        photo: Input(torch.rand(B, 3, 16, 16), torch.tensor([True, False, True, False, True])),
        review: Input(torch.randint(1, 20, (B, 6)), words),
        pose: Input(torch.randn(B, 3), torch.tensor([True, True, True, False, False])),
    }


def absent(given: Input) -> Input:
    return Input(given.values, torch.zeros_like(given.mask))


def test_forward_and_loss():
    model = build()
    assert model.modalities == ("photo", "review", "pose")
    assert model.targets == ("label", "price")
    assert model.fusion.modalities == model.modalities
    outputs = model(batch())
    assert {name: tuple(logits.shape) for name, logits in outputs.items()} == {"label": (B, 3), "price": (B,)}
    mask = torch.tensor([True, True, False, True, True])
    targets = {"label": (torch.tensor([0, 1, -1, 2, 0]), mask), "price": (torch.randn(B), ~mask)}
    parts = {name: model.head(name).loss(outputs[name], *targets[name]) for name in targets}
    torch.testing.assert_close(model.loss(outputs, targets), parts["label"] + parts["price"])
    weighted = model.loss(outputs, targets, weights={"price": 0.0})
    torch.testing.assert_close(weighted, parts["label"])
    torch.testing.assert_close(model.loss(outputs, {"label": targets["label"]}), parts["label"])


def test_every_parameter_gets_a_gradient():
    model = build()
    everyone = torch.ones(B, dtype=torch.bool)
    targets = {"label": (torch.tensor([0, 1, 2, 2, 0]), everyone), "price": (torch.randn(B), everyone)}
    model.loss(model(batch()), targets).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_another_width_goes_through_a_linear_layer():
    model = build()
    assert [type(p) for p in model.projections.values()] == [nn.Identity, nn.Linear, nn.Identity]
    features = model.encode(batch())
    assert {name: tokens.shape[2] for name, (tokens, _) in features.items()} == dict.fromkeys(model.modalities, 16)
    tokens, mask = features["review"]
    assert mask.any(1).tolist() == [True, True, False, False, True]
    assert (tokens[2:4] == 0).all()


class Strict(nn.Module):
    """An encoder that fails on anything absent, as somebody else's may."""

    width, mask_dims = 16, 1

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 16)
        self.rows = 0

    def forward(self, values, mask):
        if not mask.all() or not values.isfinite().all() or not len(values):
            raise AssertionError
        self.rows += len(values)
        return Features(self.linear(values)[:, None], mask[:, None])


def test_only_present_rows_reach_an_encoder():
    model = MultimodalModel({"a": Strict()}, Mean(16), {"y": Binary(16)})
    mask = torch.tensor([True, False, False, True])
    values = torch.randn(4, 3).masked_fill(~mask[:, None], float("nan"))
    assert model({"a": Input(values, mask)})["y"].isfinite().all()
    assert model.encoder("a").rows == 2
    tokens, real = model.encode({"a": Input(values, torch.zeros_like(mask))})["a"]
    assert (tokens == 0).all()
    assert not real.any()
    assert model.encoder("a").rows == 2


def test_absent_in_three_ways_is_one_thing():
    model, inputs = build().eval(), batch()
    left_out = model({name: inputs[name] for name in ("photo", "pose")})
    masked = model(inputs | {"review": absent(inputs["review"])})
    dropped = model(model.drop(inputs, keep={"photo", "pose"}))
    for target in model.targets:
        torch.testing.assert_close(left_out[target], masked[target])
        assert torch.equal(dropped[target], masked[target])
    nothing = model(model.drop(inputs, keep=set()))
    assert torch.equal(nothing["label"], nothing["label"][:1].expand(B, 3))
    assert inputs["review"].mask.any()  # untouched
    assert model.drop(inputs, keep={"photo"})["photo"].values is inputs["photo"].values


@pytest.mark.parametrize("fusion", [Concat, Gated, Mean])
def test_a_row_alone_is_the_row_in_the_batch(fusion):
    model, inputs = build(fusion(16)).eval(), batch()
    together = model(inputs)
    for i in range(B):
        alone = model({name: Input(v[i : i + 1], m[i : i + 1]) for name, (v, m, _) in inputs.items()})
        for target in model.targets:
            torch.testing.assert_close(alone[target][0], together[target][i], rtol=1e-4, atol=1e-5)


def test_a_plain_tensor_is_all_there():
    model = build().eval()
    words = torch.randint(1, 20, (B, 4))
    plain = model({"review": words, "pose": torch.ones(B, 3)})
    wrapped = model(
        {
            "review": Input(words, torch.ones(B, 4, dtype=torch.bool)),
            "pose": Input(torch.ones(B, 3), torch.ones(B, dtype=torch.bool)),
        }
    )
    assert torch.equal(plain["label"], wrapped["label"])
    bag = MultimodalModel({"photos": Bag(ImageCNN(16, channels=(4, 4)))}, Mean(16), {"y": Binary(16)})
    assert bag({"photos": torch.rand(2, 3, 3, 16, 16)})["y"].shape == (2,)


class Sums(nn.Module):
    """A wide part's shape: logits of one target are sums of what it makes of each input, zeros where it is absent."""

    def features(self, inputs):
        return {
            name: (given.mask.flatten(1).sum(1) if given.mask.dim() > 1 else given.mask) * 1.0
            for name, given in inputs.items()
        }

    def answer(self, features):
        return {"label": sum(features.values())[:, None] * torch.tensor([1.0, 2.0, 3.0])}

    def alone(self, targets):
        return False

    def join(self, target, network, wide):
        return 0.5 * network + 0.25 * wide


def test_a_wide_part_is_joined_where_it_has_an_answer():
    model, inputs = build().eval(), batch()
    network = model(inputs)
    model.wide = Sums()
    both = model(inputs)
    there = torch.tensor([1 + 6 + 1, 0 + 3 + 1, 1 + 0 + 1, 0, 1 + 2])  # photo, words, pose
    torch.testing.assert_close(both["label"], 0.5 * network["label"] + 0.25 * there[:, None] * torch.tensor([1, 2, 3]))
    assert torch.equal(both["price"], network["price"])
    made = model.wide.features(inputs)
    torch.testing.assert_close(model.answer(model.encode(inputs), made)["label"], both["label"])
    kept = model(model.drop(inputs, keep={"pose"}))["label"]
    model.wide = None
    alone = model(model.drop(inputs, keep={"pose"}))["label"]
    torch.testing.assert_close(kept, 0.5 * alone + 0.25 * inputs["pose"].mask[:, None] * torch.tensor([1, 2, 3]))


ODD = ("foto.1", "标签", "training")


def test_odd_names_survive_saving():
    targets = ("type", "no. of 'stars'")
    model, other = build(names=ODD, targets=targets).eval(), build(names=ODD, targets=targets).eval()
    inputs = batch(ODD)
    state = model.state_dict()
    assert all(re.fullmatch(r"[a-z0-9_.]+", key) for key in state)
    other.load_state_dict(state)
    for target in targets:
        assert torch.equal(model(inputs)[target], other(inputs)[target])
    assert model.encoder("标签").vocabulary == 20
    assert model.training is False


def test_order_of_keys_does_not_matter():
    model, inputs = build().eval(), batch()
    assert torch.equal(model(inputs)["label"], model(dict(reversed(inputs.items())))["label"])


def test_bf16():
    model = build()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = model(batch())
    assert all(logits.isfinite().all() for logits in outputs.values())


def encoders():
    return {"a": VectorDense(3, 16)}


WRONG = [
    (lambda: MultimodalModel({}, Mean(16), {"y": Binary(16)}), "must have an encoder and a head; got 0 encoders and 1"),
    (lambda: MultimodalModel(encoders(), Mean(16), {}), "must have an encoder and a head; got 1 encoders and 0 heads."),
    (
        lambda: MultimodalModel({"a": nn.Linear(3, 3)}, Mean(16), {"y": Binary(16)}),
        "encoder 'a' must have a width; got Linear, which has none.",
    ),
    (
        lambda: MultimodalModel(encoders(), Mean(16), {"y": Binary(32)}),
        "head 'y' must have the fusion's width (16); got 32.",
    ),
    (lambda: build()({"phto": torch.zeros(1)}), "unknown modality 'phto'. Did you mean 'photo'? There are: photo"),
    (lambda: build()({}), "inputs must hold a modality; got none. There are: photo, review, pose."),
    (
        lambda: build()({"photo": torch.zeros(4, 3, 16, 16), "review": torch.ones(5, 2)}),
        "inputs must have the same number of rows; 'photo' has 4, 'review' has 5.",
    ),
    (
        lambda: build()({"pose": Input(torch.zeros(4, 3), torch.ones(4, 3))}),
        "input 'pose': the mask must be bool of shape (4,); got float32 of shape (4, 3).",
    ),
    (lambda: build().drop({"pose": torch.zeros(4, 3)}, keep={"poses"}), "'poses'. Did you mean 'pose'?"),
    (lambda: build().encoder("post"), "unknown modality 'post'. Did you mean 'pose'?"),
    (lambda: build().head("labl"), "unknown target 'labl'. Did you mean 'label'? There are: label, price."),
    (lambda: build().loss({}, {}), "loss must be given a target; got none. There are: label, price."),
    (lambda: build().loss({}, {"labels": None}), "unknown target 'labels'. Did you mean 'label'?"),
    (lambda: build().loss({}, {"label": None}, weights={"prize": 1}), "unknown target 'prize'. Did you mean 'price'?"),
]


@pytest.mark.parametrize(("do", "message"), WRONG, ids=[message[:35] for _, message in WRONG])
def test_mistakes(do, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        do()
