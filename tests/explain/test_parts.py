import copy
import sys

import numpy as np
import pytest
import torch
from planted import WIDTH, Body, Held

import sensorium as sm
from sensorium import encoders, heads
from sensorium.data.batches import Rows
from sensorium.data.media_readers import AudioReader, ImageReader, MotionReader
from sensorium.data.table import read_table
from sensorium.data.tabular import TabularReader
from sensorium.data.text import TextReader
from sensorium.encoders import Bag, Input
from sensorium.errors import ConfigError
from sensorium.explain.attribution.answer import Answer
from sensorium.explain.parts import explain_parts
from sensorium.fusion import Concat
from sensorium.model import MultimodalModel
from sensorium.single import Single


def made(encoder, head=None):
    """A model of one input x that learned nothing."""
    torch.manual_seed(0)
    return MultimodalModel({"x": encoder}, Concat(WIDTH), {"label": head or heads.Classification(2, WIDTH)}).eval()


def pictures(*mask):
    torch.manual_seed(0)
    return Held(
        {"x": Input(torch.rand(3, *mask, 3, 16, 16), torch.ones(3, *mask, dtype=torch.bool))},
        {"x": ImageReader("x", max((1, *mask)), size=(16, 16))},
    )


@pytest.fixture(scope="module")
def fitted(run, table):
    predictor = sm.load(run)
    rows = Rows(read_table(table), predictor.readers)
    return predictor.model, rows


def whole(model, rows, place, without=()):
    """The answer's logit of a row with some inputs missing."""
    inputs = rows.batch([place]).inputs
    with torch.no_grad():
        return float(model(model.drop(inputs, [name for name in model.modalities if name not in without]))["label"])


PLACE = 1  # of a row that has everything


@pytest.mark.parametrize("method", ["auto", "shapley"])
def test_parts_of_every_kind_add_up(fitted, method):
    model, rows = fitted
    assert model.wide is not None
    found = explain_parts(model, rows, PLACE, "label", 1, model.modalities, method)
    assert list(found) == list(model.modalities)
    for name, part in found.items():
        assert part.modality == name
        assert part.complete, (name, part.total, part.expected)
        assert np.isfinite(part.values).all()
    if method == "shapley":  # cells, tokens and spans are taken away until the input is missing
        for name in ("note", "columns", "call"):
            change = whole(model, rows, PLACE) - whole(model, rows, PLACE, [name])
            assert found[name].total == pytest.approx(change, abs=1e-4)
            assert found[name].beside == 0


def test_the_wide_part_is_spread_over_words_and_stands_beside_the_rest(fitted):
    model, rows = fitted
    inputs = rows.batch([PLACE]).inputs
    found = explain_parts(model, rows, PLACE, "label", 1, ["note", "photo"], "integrated_gradients")
    assert found["note"].beside == pytest.approx(0, abs=1e-5)
    with torch.no_grad():
        less = model.drop(inputs, [name for name in model.modalities if name != "photo"])
        change = float(model.wide(inputs)["label"] - model.wide(less)["label"])
    assert found["photo"].beside == pytest.approx(model.wide.shares("label")[1] * change, abs=1e-5)


def test_auto_is_gradients_where_the_networks_say_more_than_the_wide_part(fitted):
    model, rows = fitted
    model, inputs = copy.deepcopy(model), rows.batch([PLACE]).inputs
    shape = inputs["photo"].values.shape  # the table's pictures have one colour each, and nothing in them to explain
    noise = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    inputs["photo"] = Input(noise, inputs["photo"].mask)
    for network, wide, method in ((1.0, 1e-6, "integrated_gradients"), (1e-6, 1.0, "shapley")):
        model.wide.set_shares("label", network, wide)
        part = explain_parts(model, Held(inputs, rows.readers), 0, "label", 1, ["photo"])["photo"]
        assert part.method == method
        assert abs(part.beside) <= abs(part.expected)


def test_of_two_classes_the_first_is_the_other_way_round(fitted):
    model, rows = fitted
    yes, no = (explain_parts(model, rows, PLACE, "label", place, ["note"])["note"] for place in (1, 0))
    np.testing.assert_allclose(yes.values, -no.values, atol=1e-6)
    assert yes.expected == pytest.approx(-no.expected)


def test_what_the_row_lacks_is_left_out(fitted):
    model, rows = fitted
    assert list(explain_parts(model, rows, 0, "label", 1, ["photo", "call", "note"])) == ["note"]


def test_nothing_stays_on_the_model(fitted):
    model, rows = fitted
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    for method in ("integrated_gradients", "shapley", "grad_cam"):
        explain_parts(model, rows, PLACE, "label", 1, ["note", "call", "photo"], method)
    assert torch.equal(torch.get_rng_state(), random)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_bag_is_explained_file_by_file():
    rows = pictures(2)
    rows.inputs["x"].mask[1, 0] = False
    model = made(Bag(encoders.ImageCNN(WIDTH, channels=(4, 4))))
    for method in ("integrated_gradients", "grad_cam", "shapley"):
        both, one = (explain_parts(model, rows, place, "label", 1, ["x"], method)["x"] for place in (0, 1))
        assert both.values.shape == (2, 16, 16)
        assert one.values.shape == (1, 16, 16)
        assert both.complete
        assert one.complete


def test_a_bag_of_recordings():
    torch.manual_seed(0)
    mask = torch.arange(4000) < torch.tensor([[[4000], [2400]]])
    rows = Held(
        {"x": Input(torch.randn(1, 2, 4000) * 0.1, mask)}, {"x": AudioReader("x", 2, sample_rate=8000, seconds=1)}
    )
    model = made(Bag(encoders.AudioMFCCRNN(WIDTH, 8000, n_mels=32, hidden=8)))
    part = explain_parts(model, rows, 0, "label", 1, ["x"])["x"]
    assert part.values.shape == (2, 51, 32)
    assert part.complete
    assert [len(sound) for sound in part.shown["sounds"]] == [4000, 2400]
    taken = explain_parts(model, rows, 0, "label", 1, ["x"], "shapley")["x"]
    assert taken.values.shape == (2, 32, 1)
    assert taken.complete


@pytest.mark.parametrize(
    ("kind", "encoder", "values"),
    [
        ("numeric", encoders.Numeric(WIDTH), [0.5, -1.0, 2.0]),
        ("categorical", encoders.Categorical(2, WIDTH), ["a", "b", "a"]),
    ],
)
def test_of_one_cell_all_is_its(kind, encoder, values):
    reader = TabularReader({"x": kind})
    reader.fit([(value,) for value in values])
    rows = Rows(read_table({"x": values}), {"x": reader})
    model = made(encoder)
    part = explain_parts(model, rows, 1, "label", 1, ["x"])["x"]
    inputs = rows.batch([1]).inputs
    with torch.no_grad():
        change = (model(inputs)["label"] - model(model.drop(inputs, []))["label"])[0, 1]
    assert part.labels == ["x"]
    assert part.values.tolist() == pytest.approx([float(change)], abs=1e-5)


def test_an_empty_cell_has_no_value():
    reader = TabularReader({"a": "numeric", "day": "date", "c": "categorical"})
    cells = {"a": [1.0, 2.0, None], "day": ["2024-01-02", "", "2023-05-06"], "c": ["u", "v", "u"]}
    reader.fit(list(zip(*cells.values(), strict=True)))
    rows = Rows(read_table(cells), {"x": reader})
    part = explain_parts(made(encoders.Tabular(WIDTH, 8, (2,))), rows, 1, "label", 1, ["x"])["x"]
    assert part.labels == ["a", "day", "c"]
    assert (part.values != 0).tolist() == [True, False, True]
    assert part.shown["cells"] == ["2.0", None, "v"]
    assert part.complete


class Blind(Body):
    """A network that gradients can't pass."""

    def forward(self, values, mask, every=False):
        layers, mask = super().forward(values, mask, every)
        return tuple(layer.detach() for layer in layers), mask


@pytest.mark.parametrize("modality", ["image", "audio"])
def test_where_no_gradient_reaches_pieces_are_taken_away(modality):
    rows = pictures()
    if modality == "audio":
        values = torch.randn(1, 2000)
        rows = Held(
            {"x": Input(values, torch.ones(1, 2000, dtype=torch.bool))},
            {"x": AudioReader("x", sample_rate=8000, seconds=1)},
        )
    model = made(encoders.Pretrained(Blind(modality), WIDTH))
    part = explain_parts(model, rows, 0, "label", 1, ["x"])["x"]
    assert part.method == "shapley"
    assert part.complete


def test_the_network_of_one_input_is_explained_with_the_rest():
    rows = pictures()
    model, own = (made(encoders.ImageCNN(WIDTH, channels=(4, 4))) for _ in range(2))
    alone = explain_parts(own, rows, 0, "label", 1, ["x"])["x"]
    model.single = Single(own)
    model.single.set_share("label", 1.0)  # it alone answers
    for method in ("integrated_gradients", "grad_cam"):
        mixed = explain_parts(model, rows, 0, "label", 1, ["x"], method)["x"]
        assert mixed.complete
        assert mixed.expected == pytest.approx(alone.expected, abs=1e-4)


def test_two_encoders_with_one_frozen_network_share_its_embeddings():
    reader = TextReader("x")
    reader.fit([("a fine day",), ("a dark night",)])
    rows = Rows(read_table({"x": ["a fine night"]}), {"x": reader})
    body = Body("text")
    model, own = (made(encoders.Pretrained(body, WIDTH)) for _ in range(2))
    model.single = Single(own)
    model.single.borrow(model)
    model.single.set_share("label", 0.5)
    part = explain_parts(model, rows, 0, "label", 1, ["x"])["x"]
    assert part.method == "integrated_gradients"
    assert part.complete
    assert part.labels == ["a", "fine", "night"]
    assert np.abs(part.values).min() > 0


def test_rollout_is_that_of_numpy():
    rows = pictures()
    encoder = encoders.ImageViT(WIDTH, (16, 16), patch_size=8, layers=2, num_heads=2)
    part = explain_parts(made(encoder), rows, 0, "label", 1, ["x"], "rollout")["x"]
    seen = []
    hooks = [
        block.register_forward_hook(lambda _, given, __: seen.append(given[0])) for block in encoder.transformer.blocks
    ]
    with torch.no_grad():
        encoder(rows.inputs["x"].values[:1], torch.tensor([True]))
    for hook in hooks:
        hook.remove()
    flow = np.eye(4)
    for block, x in zip(encoder.transformer.blocks, seen, strict=True):
        with torch.no_grad():
            qkv = block.qkv(block.norm1(x))[0].double().numpy().reshape(4, 3, 2, WIDTH // 2)  # (T, 3, heads, D)
        logits = np.einsum("qhd,khd->hqk", qkv[:, 0], qkv[:, 1]) / np.sqrt(WIDTH // 2)
        weights = np.exp(logits) / np.exp(logits).sum(2, keepdims=True)
        flow = (0.5 * weights.mean(0) + 0.5 * np.eye(4)) @ flow
    expected = np.kron(flow.mean(0).reshape(2, 2), np.ones((8, 8))) / 64
    np.testing.assert_allclose(part.values[0], expected, rtol=1e-4)
    assert part.expected is None
    assert part.complete is None


def test_an_answer_is_the_models(fitted):
    model, rows = fitted
    inputs = rows.batch([PLACE]).inputs
    for name in model.modalities:
        answer = Answer(model, inputs, "label", 1, name)
        with torch.no_grad():
            said = answer(answer.values), answer.whole(answer.values, answer.mask)
        absent = answer.whole(answer.values, torch.zeros_like(answer.mask))
        assert [float(one) for one in said] == pytest.approx([whole(model, rows, PLACE)] * 2, abs=1e-4)
        assert float(absent) == pytest.approx(whole(model, rows, PLACE, [name]), abs=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "gradcam"}, "unknown method 'gradcam' of explanation. Did you mean 'grad_cam'?"),
        ({"modalities": ["y"]}, "unknown modality 'y'. There are: x."),
        ({"target": "lable"}, "unknown target 'lable'. Did you mean 'label'?"),
        ({"method": "rollout"}, "input 'x': rollout is for the encoder vit; got ImageCNN."),
    ],
)
def test_mistakes_are_named(change, message):
    model = made(encoders.ImageCNN(WIDTH, channels=(4, 4)))
    given = {"target": "label", "output": 1, "modalities": ["x"], **change}
    with pytest.raises(ConfigError, match=message.replace("(", r"\(").replace("?", r"\?")):
        explain_parts(model, pictures(), 0, **given)


class Dense(torch.nn.Module):
    """An encoder without maps."""

    width, mask_dims = WIDTH, 1

    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(3, WIDTH)

    def forward(self, values, mask):
        return encoders.Features(self.linear(values.mean((2, 3)))[:, None], mask[:, None])


def test_grad_cam_needs_a_map():
    with pytest.raises(ConfigError, match="input 'x': grad_cam is for convolutions, and Dense gives no map"):
        explain_parts(made(Dense()), pictures(), 0, "label", 1, ["x"], "grad_cam")


def test_texts_as_answers_have_no_explanation():
    from descriptors import TinyLanguage

    head = heads.Generation(TinyLanguage(), WIDTH, 2, max_tokens=4, end=11)
    model = made(encoders.ImageCNN(WIDTH, channels=(4, 4)), head)
    with pytest.raises(ConfigError, match="target 'label' is a text, and answers that are texts have no explanation"):
        explain_parts(model, pictures(), 0, "label", 1, ["x"])


def test_without_captum_the_command_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    model = made(encoders.ImageCNN(WIDTH, channels=(4, 4)))
    with pytest.raises(
        ConfigError, match=r"explaining needs captum. Install it with: pip install 'sensorium\[explain\]'"
    ):
        explain_parts(model, pictures(), 0, "label", 1, ["x"])


def test_of_a_long_text_neighbouring_words_are_taken_away_together():
    text = " ".join(f"w{place}" for place in range(300))
    reader = TextReader("x")
    reader.fit([(text,)])
    rows = Rows(read_table({"x": [text]}), {"x": reader})
    model = made(encoders.TextBag(reader.vocabulary, WIDTH))
    part = explain_parts(model, rows, 0, "label", 1, ["x"], "shapley")["x"]
    assert len(part.labels) == len(part.values) == 300
    assert part.complete
    read = [place for place, (start, _) in enumerate(part.shown["spans"]) if start < part.shown["read"]]
    assert np.count_nonzero(part.values[read]) == len(read)


@pytest.mark.parametrize("method", ["integrated_gradients", "shapley"])
def test_motion_and_pictures_of_a_bag_of_clips(method):
    torch.manual_seed(0)
    sizes = {"steps": 3, "grid": 4, "pictures": 2, "size": (8, 16)}
    values = torch.cat([torch.randn(2, 2, 3 * 49) * 0.02, torch.rand(2, 2, 2 * 3 * 8 * 16)], 2)
    rows = Held({"x": Input(values, torch.tensor([[True, True], [False, True]]))}, {"x": MotionReader("x", 2, **sizes)})
    model = made(Bag(encoders.VideoMotion(WIDTH, channels=(4, 4), **sizes)))
    both, one = (explain_parts(model, rows, place, "label", 1, ["x"], method)["x"] for place in (0, 1))
    assert both.values.shape == (2, values.shape[2])
    assert one.values.shape == (1, values.shape[2])
    assert both.complete
    assert one.complete
    assert [part.shape for part in one.shown["of"][0]] == [(3, 3, 4, 4), (3,), (2, 3, 8, 16)]
    assert "data:image/jpeg" in both.html()
