"""What single encoders promise about values."""

import pytest
import torch
from torch.nn import functional as F

from sensorium import encoders


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(0)


ALL = torch.ones(2, dtype=torch.bool)


@pytest.mark.parametrize("build", [encoders.ImageCNN, encoders.ImageResNet, encoders.ImageViT])
def test_bytes_are_floats(build):
    encoder = build(16).eval()
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    torch.testing.assert_close(encoder(images, ALL).tokens, encoder(images / 255, ALL).tokens)


@pytest.mark.parametrize("build", [encoders.VideoFrames, encoders.VideoCNN3D])
def test_bytes_are_floats_in_clips(build):
    encoder, mask = build(16).eval(), torch.ones(1, 4, dtype=torch.bool)
    clip = torch.randint(0, 256, (1, 4, 3, 16, 16), dtype=torch.uint8)
    torch.testing.assert_close(encoder(clip, mask).tokens, encoder(clip / 255, mask).tokens)


@pytest.mark.parametrize(("size", "tokens"), [((8, 8), 4), ((9, 30), 12), ((64, 64), 16), ((65, 33), 16)])
def test_the_cnn_takes_any_size(size, tokens):
    encoder = encoders.ImageCNN(16, channels=(4, 4, 4))
    assert encoder(torch.rand(2, 3, *size), ALL).tokens.shape == (2, tokens, 16)


@pytest.mark.parametrize("build", [encoders.ImageCNN, encoders.ImageResNet])
def test_the_smallest_image_alone_trains_through_many_stages(build):
    encoder = build(16, channels=(4,) * 6).train()
    assert encoder(torch.rand(1, 3, 8, 8), ALL[:1]).tokens.isfinite().all()


def test_the_flat_cnn_is_keras_order_of_layers_with_its_gradients():
    """Convolution, ReLU, max-pooling, as Keras stacks them, in float64: where ReLU stands makes no difference."""
    encoder = encoders.ImageFlatCNN(width=3, size=(14, 17), channels=(4, 5)).double()
    images = torch.rand(2, 3, 14, 17, dtype=torch.float64)
    x = images
    for conv in (encoder.stages[0], encoder.stages[3]):
        x = F.max_pool2d(F.conv2d(x, conv.weight, conv.bias).relu(), 2)
    expected = F.linear(x.flatten(1), encoder.dense.weight, encoder.dense.bias).relu()
    found = encoder(images, ALL).tokens[:, 0]
    torch.testing.assert_close(found, expected)
    given = torch.rand(2, 3, dtype=torch.float64)
    parameters = list(encoder.parameters())
    torch.testing.assert_close(
        torch.autograd.grad((found * given).sum(), parameters),
        torch.autograd.grad((expected * given).sum(), parameters),
    )


def test_the_mean_over_tokens_still_knows_places():
    """A dot moved to another quarter changes the mean token by much more than a nudge does."""
    encoder = encoders.ImageCNN(16).eval()
    images = torch.zeros(3, 3, 32, 32)
    images[0, :, 4:8, 4:8] = images[1, :, 4:8, 5:9] = images[2, :, 20:24, 20:24] = 1
    here, near, far = encoder(images, torch.ones(3, dtype=torch.bool)).tokens.mean(1)
    assert (here - far).norm() > 1.5 * (here - near).norm()


@pytest.mark.parametrize("build", [encoders.TextBag, encoders.TextRNN, encoders.TextTransformer])
def test_ids_outside_the_vocabulary_are_unknown(build):
    encoder, mask = build(10, 16).eval(), torch.ones(1, 3, dtype=torch.bool)
    unknown = encoder(torch.tensor([[4, 1, 1]]), mask).tokens
    assert torch.equal(encoder(torch.tensor([[4, 10, -3]]), mask).tokens, unknown)


def test_the_bag_knows_pairs_and_not_more():
    encoder, mask = encoders.TextBag(100, 16).eval(), torch.ones(1, 4, dtype=torch.bool)
    a, b = (encoder(torch.tensor([ids]), mask).tokens[0] for ids in ([5, 6, 7, 8], [6, 5, 7, 8]))
    assert not torch.allclose(a[2], b[2])  # 6 7 against 5 7
    assert torch.equal(a[3], b[3])  # 7 8 in both


def test_long_padding_is_no_long_text():
    encoder = encoders.TextTransformer(10, 16, max_tokens=4).eval()
    ids = torch.tensor([[3, 4, 0, 0, 0, 0]])
    assert encoder(ids, ids != 0).tokens.shape == (1, 4, 16)


def test_categories_outside_the_known_are_unknown():
    encoder, mask = encoders.Categorical(3, 16).eval(), torch.ones(4, 1, dtype=torch.bool)
    tokens = encoder(torch.tensor([[0], [4], [-2], [3]]), mask).tokens
    assert torch.equal(tokens[0], tokens[1])
    assert torch.equal(tokens[0], tokens[2])
    assert not torch.allclose(tokens[0], tokens[3])
    assert torch.equal(tokens, encoder(torch.tensor([[0.0], [4.0], [-2.0], [3.0]]), mask).tokens)


def test_tabular_columns_of_codes_do_not_share_embeddings():
    encoder = encoders.Tabular(16, 0, (2, 3))
    assert encoder.codes.num_embeddings == 3 + 4
    assert encoder.start.tolist() == [0, 3]
    mask = torch.ones(3, 2, dtype=torch.bool)
    tokens = encoder.eval()(torch.tensor([[1.0, 0.0], [1.0, 4.0], [1.0, 3.0]]), mask).tokens
    assert torch.equal(tokens[0], tokens[1])
    assert not torch.allclose(tokens[0], tokens[2])


def test_a_missing_cell_is_not_a_zero():
    encoder = encoders.Tabular(16, 2).eval()
    mask = torch.tensor([[True, True], [True, False]])
    tokens, real = encoder(torch.zeros(2, 2), mask)
    assert not torch.allclose(tokens[0], tokens[1])
    assert real.tolist() == [[True], [True]]


def test_a_bag_is_its_items_side_by_side():
    encoder = encoders.ImageCNN(16, channels=(4, 4)).eval()
    images, mask = torch.rand(2, 3, 3, 16, 16), torch.tensor([[True, True, True], [False, True, False]])
    tokens, real = encoders.Bag(encoder).eval()(images, mask)
    assert tokens.shape == (2, 48, 16)
    assert real.sum(1).tolist() == [48, 16]
    torch.testing.assert_close(tokens[1, 16:32], encoder(images[1, 1:2], ALL[:1]).tokens[0])


def test_an_empty_bag():
    bag = encoders.Bag(encoders.VectorDense(3, 16))
    tokens, real = bag(torch.zeros(2, 0, 3), torch.zeros(2, 0, dtype=torch.bool))
    assert tokens.shape[0] == 2
    assert not real.any()


def test_add():
    encoders.add("radar", "radar_cnn", encoders.ImageCNN)
    assert encoders.ENCODERS.pop("radar") == {"radar_cnn": encoders.ImageCNN}
