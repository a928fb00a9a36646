"""The wording of wrong sizes, for each function and through each encoder."""

import re

import pytest
import torch

from sensorium import encoders
from sensorium.encoders.checks import at_least, fraction, multiple, shaped, sizes
from sensorium.errors import ConfigError

CASES = [
    (lambda: at_least("A.b", 2.5), "A.b must be a whole number, 1 or more; got 2.5."),
    (lambda: at_least("A.b", True), "A.b must be a whole number, 1 or more; got True."),
    (lambda: at_least("A.b", 1, 2), "A.b must be a whole number, 2 or more; got 1."),
    (lambda: fraction("A.b", 1.0), "A.b must be from 0 up to, not including, 1; got 1.0."),
    (lambda: fraction("A.b", "0"), "A.b must be from 0 up to, not including, 1; got '0'."),
    (lambda: fraction("A.b", float("nan")), "A.b must be from 0 up to, not including, 1; got nan."),
    (lambda: multiple("A.b", 100, "heads", 8), "A.b must be a multiple of heads (8); got 100. Try 96 or 104."),
    (lambda: multiple("A.b", 3, "heads", 8), "A.b must be a multiple of heads (8); got 3. Try 8."),
    (lambda: multiple("A.b", 3, "heads", 0), "A.heads must be a whole number, 1 or more; got 0."),
    (lambda: sizes("A.b", []), "A.b must be one or more whole numbers, each 1 or more; got []."),
    (lambda: sizes("A.b", (8, 0)), "A.b must be one or more whole numbers, each 1 or more; got (8, 0)."),
    (lambda: sizes("A.b", 8), "A.b must be one or more whole numbers, each 1 or more; got 8."),
    (lambda: sizes("A.b", "12"), "A.b must be one or more whole numbers, each 1 or more; got '12'."),
    (lambda: shaped("A", torch.zeros(2, 3), ("rows", 4)), "A must have the shape (rows, 4); got (2, 3)."),
    (lambda: shaped("A", torch.zeros(2), ("rows", 4)), "A must have the shape (rows, 4); got (2,)."),
    (lambda: encoders.ImageCNN(width=0), "ImageCNN.width must be a whole number, 1 or more; got 0."),
    (lambda: encoders.ImageCNN(channels=()), "ImageCNN.channels must be one or more whole numbers, each 1 or"),
    (lambda: encoders.ImageCNN(dropout=2), "ImageCNN.dropout must be from 0 up to, not including, 1; got 2."),
    (lambda: encoders.ImageCNN(stride=0), "ImageCNN.stride must be a whole number, 1 or more; got 0."),
    (lambda: encoders.ImageResNet(blocks=0), "ImageResNet.blocks must be a whole number, 1 or more; got 0."),
    (
        lambda: encoders.ImageViT(size=(64, 30)),
        "ImageViT.size (width) must be a multiple of patch_size (8); got 30. Try 24 or 32.",
    ),
    (lambda: encoders.ImageViT(size=(64,)), "ImageViT.size must be two numbers, height and width; got (64,)."),
    (lambda: encoders.ImageViT(width=10, num_heads=4), "ImageViT.width must be a multiple of num_heads (4); got 10"),
    (lambda: encoders.TextBag(1), "TextBag.vocabulary must be a whole number, 2 or more; got 1."),
    (lambda: encoders.TextRNN(9, layers=0), "TextRNN.layers must be a whole number, 1 or more; got 0."),
    (lambda: encoders.TextTransformer(9, max_tokens=0), "TextTransformer.max_tokens must be a whole number, 1 or more"),
    (lambda: encoders.AudioMFCCCNN(channels=[0]), "AudioMFCCCNN.channels must be one or more whole numbers, each 1"),
    (lambda: encoders.AudioMFCCRNN(hidden=0), "AudioMFCCRNN.hidden must be a whole number, 1 or more; got 0."),
    (lambda: encoders.AudioLogMelTransformer(patch_frames=0), "AudioLogMelTransformer.patch_frames must be a whole"),
    (lambda: encoders.VideoFrames(max_frames=0), "VideoFrames.max_frames must be a whole number, 1 or more; got 0."),
    (lambda: encoders.VideoCNN3D(width=-2), "VideoCNN3D.width must be a whole number, 1 or more; got -2."),
    (lambda: encoders.Numeric(width=0), "Numeric.width must be a whole number, 1 or more; got 0."),
    (lambda: encoders.Categorical(0), "Categorical.categories must be a whole number, 1 or more; got 0."),
    (lambda: encoders.Tabular(), "Tabular must have a column; got numeric=0, categories=(). Give it one, or"),
    (lambda: encoders.Tabular(numeric=-1), "Tabular.numeric must be a whole number, 0 or more; got -1."),
    (lambda: encoders.Tabular(categories=(3, 0)), "Tabular.categories must be one or more whole numbers, each 1"),
    (lambda: encoders.VectorDense(0), "VectorDense.size must be a whole number, 1 or more; got 0."),
    (
        lambda: encoders.Bag(torch.nn.Linear(2, 2)),
        "Bag.encoder must be an encoder, which has a width; got Linear.",
    ),
    (
        lambda: encoders.add("image", "cnn", encoders.ImageViT),
        "encoder 'cnn' of modality 'image' must have a new name; got that of ImageCNN. Taken: cnn, flat_cnn, pretrained, resnet, vit.",
    ),
]


@pytest.mark.parametrize(("build", "message"), CASES, ids=[message[:30] for _, message in CASES])
def test_wrong_sizes(build, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        build()


TRUE = torch.ones(2, dtype=torch.bool)
CLIPS = torch.ones(2, 6, dtype=torch.bool)
INPUTS = [
    (
        lambda: encoders.ImageCNN(8)(torch.zeros(2, 1, 28, 28), TRUE),
        "channels, 8 x 8 pixels or more: (rows, 3, height, width); got (2, 1, 28, 28).",
    ),
    (lambda: encoders.ImageResNet(8)(torch.zeros(2, 3, 7, 28), TRUE), "ImageResNet must be given images of 3 channels"),
    (
        lambda: encoders.ImageViT(8)(torch.zeros(2, 3, 32, 64), TRUE),
        "ImageViT must be given images of (64, 64), its size; got (32, 64).",
    ),
    (
        lambda: encoders.TextTransformer(9, 8, max_tokens=4)(torch.ones(2, 6), torch.ones(2, 6, dtype=torch.bool)),
        "TextTransformer.max_tokens must be at least the longest text's tokens (6); got 4.",
    ),
    (
        lambda: encoders.VideoFrames(8, max_frames=4)(torch.ones(2, 6, 3, 8, 8), torch.ones(2, 6, dtype=torch.bool)),
        "VideoFrames.max_frames must be at least the longest clip's frames (6); got 4.",
    ),
    (
        lambda: encoders.VideoCNN3D(8)(torch.zeros(2, 6, 1, 8, 8), CLIPS),
        "VideoCNN3D must be given images of 3 channels",
    ),
    (
        lambda: encoders.VideoFrames(8)(torch.zeros(2, 6, 1, 8, 8), CLIPS),
        "VideoFrames must be given images of 3 channels",
    ),
    (
        lambda: encoders.VectorDense(5, 8)(torch.zeros(2, 4), TRUE),
        "VectorDense's values must have the shape (rows, 5); ",
    ),
    (lambda: encoders.Numeric(8)(torch.zeros(2), TRUE), "Numeric's values must have the shape (rows, 1); got (2,)."),
    (lambda: encoders.Categorical(3, 8)(torch.zeros(2, 3), TRUE), "Categorical's values must have the shape (rows, 1)"),
    (
        lambda: encoders.Tabular(8, 2)(torch.zeros(2, 3), torch.ones(2, 3, dtype=torch.bool)),
        "Tabular's values must have the shape (rows, 2); got (2, 3).",
    ),
    (
        lambda: encoders.Bag(encoders.VectorDense(5, 8))(torch.zeros(2, 4, 5), TRUE),
        "Bag's values and mask must share their first two sizes, rows and items; got (2, 4, 5) and (2,).",
    ),
]


@pytest.mark.parametrize(("encode", "message"), INPUTS, ids=[message[:30] for _, message in INPUTS])
def test_wrong_inputs(encode, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        encode()
