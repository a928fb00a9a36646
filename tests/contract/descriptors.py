"""One row for every public encoder, fusion and head: how to build a small one, and an example batch.

An example has four rows: 0 is full, 1 is shorter, 2 is absent, 3 is shorter with a hole where the kind allows one.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sensorium import encoders, fusion, heads
from sensorium.encoders import Input

WIDTH = 16
ROWS = 4


@dataclass(frozen=True)
class EncoderRow:
    modality: str
    name: str
    build: Callable[[], nn.Module]
    example: Callable[[], Input]
    time: bool = False  # dimension 1 of values is time, and may be padded

    def __str__(self) -> str:
        return f"{self.modality}-{self.name}"


@dataclass(frozen=True)
class FusionRow:
    name: str
    build: Callable[[], nn.Module]

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class HeadRow:
    name: str
    build: Callable[[], nn.Module]
    target: Callable[[], Tensor]  # ROWS targets

    def __str__(self) -> str:
        return self.name


def lengths_mask(lengths: list[int], hole: int | None = None) -> Tensor:
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    if hole is not None:
        mask[3, hole] = False
    return mask


def image() -> Input:
    return Input(torch.rand(ROWS, 3, 24, 16), torch.tensor([True, True, False, True]))


def text() -> Input:
    return Input(torch.randint(1, 30, (ROWS, 9)), lengths_mask([9, 4, 0, 6], hole=2))


def audio() -> Input:
    return Input(torch.rand(ROWS, 4000) * 2 - 1, lengths_mask([4000, 1999, 0, 2600]))


def video() -> Input:
    return Input(torch.rand(ROWS, 7, 3, 16, 16), lengths_mask([7, 3, 0, 5], hole=2))


def motion() -> Input:
    """3 steps of a 4 x 4 grid, their bytes, 2 pictures of 8 x 16."""
    mask = torch.tensor([True, True, False, True])
    return Input(torch.cat([torch.randn(ROWS, 3 * 49) * 0.02, torch.rand(ROWS, 2 * 3 * 8 * 16)], dim=1), mask)


def vector() -> Input:
    return Input(torch.randn(ROWS, 5), torch.tensor([True, True, False, True]))


def numeric() -> Input:
    return Input(torch.randn(ROWS, 1), torch.tensor([[True], [True], [False], [True]]))


def categorical() -> Input:
    return Input(torch.tensor([[1.0], [0.0], [2.0], [4.0]]), torch.tensor([[True], [True], [False], [True]]))


def tabular() -> Input:
    codes = torch.tensor([[1.0, 2.0], [3.0, 0.0], [0.0, 1.0], [2.0, 2.0]])
    mask = torch.tensor(
        [[True, True, True, True], [True, False, True, False], [False, False, False, False], [False, True, False, True]]
    )
    return Input(torch.cat([torch.randn(ROWS, 2), codes], dim=1), mask)


def bag_of_images() -> Input:
    mask = torch.tensor([[True, True, True], [True, False, False], [False, False, False], [True, False, True]])
    return Input(torch.rand(ROWS, 3, 3, 16, 16), mask)


def bag_of_texts() -> Input:
    ids, mask, *_ = text()
    return Input(
        torch.stack([ids, ids.flip(1)], dim=1),
        torch.stack([mask, mask & torch.tensor([[True], [False], [True], [True]])], dim=1),
    )


class TinyBody(nn.Module):
    """A pretrained network of a modality, called as those of sensorium.pretrained are."""

    has_cls, even, pooling, hidden = True, True, "mean", 8

    def __init__(self, modality: str):
        super().__init__()
        self.modality, self.mask_dims = modality, 1 if modality == "image" else 2
        first = {"text": nn.Embedding(30, 8), "image": nn.Linear(3, 8), "audio": nn.Linear(1, 8), "video": nn.Linear(3, 8)}
        self.first = first[modality]
        self.blocks = nn.ModuleList(nn.Linear(8, 8) for _ in range(2))

    def forward(self, values: Tensor, mask: Tensor, every: bool = False) -> tuple[tuple[Tensor, ...], Tensor]:
        if self.modality == "text":
            values = values.masked_fill(~mask, 0)
        elif self.modality == "image":
            values, mask = values.flatten(2).transpose(1, 2)[:, :6], mask[:, None].expand(-1, 6)
        elif self.modality == "audio":
            values, mask = values[:, ::400, None], mask[:, ::400]
        else:
            values = values.mean((3, 4))
        layers = [self.first(values)]  # (B, T, 8)
        for block in self.blocks:
            layers.append(layers[-1] + block(layers[-1]).tanh())
        return tuple(layers) if every else (layers[-1],), mask


def pretrained(modality: str) -> nn.Module:
    return encoders.Pretrained(TinyBody(modality), WIDTH, pooling="tokens", layers="mix", train="all")


small = {"width": WIDTH, "layers": 2, "num_heads": 2}
ENCODER_ROWS = [
    EncoderRow("image", "cnn", lambda: encoders.ImageCNN(WIDTH, channels=(8, 8)), image),
    EncoderRow("image", "flat_cnn", lambda: encoders.ImageFlatCNN(WIDTH, (24, 16), channels=(8, 8)), image),
    EncoderRow("image", "resnet", lambda: encoders.ImageResNet(WIDTH, channels=(8, 8), blocks=1), image),
    EncoderRow("image", "vit", lambda: encoders.ImageViT(size=(24, 16), **small), image),
    EncoderRow("text", "bag", lambda: encoders.TextBag(30, WIDTH), text, time=True),
    EncoderRow("text", "rnn", lambda: encoders.TextRNN(30, WIDTH, layers=2), text, time=True),
    EncoderRow("text", "transformer", lambda: encoders.TextTransformer(30, max_tokens=40, **small), text, time=True),
    EncoderRow("text", "pretrained", lambda: pretrained("text"), text, time=True),
    EncoderRow("image", "pretrained", lambda: pretrained("image"), image),
    EncoderRow("audio", "pretrained", lambda: pretrained("audio"), audio, time=True),
    EncoderRow("video", "pretrained", lambda: pretrained("video"), video, time=True),
    EncoderRow(
        "audio", "mfcc_cnn", lambda: encoders.AudioMFCCCNN(WIDTH, 8000, n_mels=32, channels=(8, 8)), audio, time=True
    ),
    EncoderRow(
        "audio", "mfcc_rnn", lambda: encoders.AudioMFCCRNN(WIDTH, 8000, n_mels=32, hidden=8, layers=2), audio, time=True
    ),
    EncoderRow(
        "audio",
        "logmel_transformer",
        lambda: encoders.AudioLogMelTransformer(sample_rate=8000, n_mels=32, **small),
        audio,
        time=True,
    ),
    EncoderRow("video", "frames", lambda: encoders.VideoFrames(channels=(8, 8), **small), video, time=True),
    EncoderRow("video", "cnn3d", lambda: encoders.VideoCNN3D(WIDTH, channels=(8, 8)), video, time=True),
    EncoderRow("video", "motion", lambda: encoders.VideoMotion(WIDTH, 3, 4, 2, (8, 16), channels=(8, 8)), motion),
    EncoderRow("numeric", "numeric", lambda: encoders.Numeric(WIDTH), numeric),
    EncoderRow("categorical", "categorical", lambda: encoders.Categorical(4, WIDTH), categorical),
    EncoderRow("tabular", "tabular", lambda: encoders.Tabular(WIDTH, 2, (3, 2)), tabular),
    EncoderRow("vector", "dense", lambda: encoders.VectorDense(5, WIDTH), vector),
    EncoderRow("vector", "relu", lambda: encoders.VectorReLU(5, WIDTH), vector),
    EncoderRow("bag", "image", lambda: encoders.Bag(encoders.ImageCNN(WIDTH, channels=(8, 8))), bag_of_images),
    EncoderRow("bag", "text", lambda: encoders.Bag(encoders.TextRNN(30, WIDTH)), bag_of_texts),
]
FUSION_ROWS = [
    FusionRow("attention", lambda: fusion.Attention(WIDTH)),
    FusionRow("bottleneck", lambda: fusion.Bottleneck(WIDTH)),
    FusionRow("concat", lambda: fusion.Concat(WIDTH)),
    FusionRow("deep", lambda: fusion.Deep(WIDTH, layers=2)),
    FusionRow("experts", lambda: fusion.Experts(WIDTH)),
    FusionRow("film", lambda: fusion.Film(WIDTH)),
    FusionRow("gated", lambda: fusion.Gated(WIDTH)),
    FusionRow("late", lambda: fusion.Late(WIDTH)),
    FusionRow("low_rank", lambda: fusion.LowRank(WIDTH)),
    FusionRow("mean", lambda: fusion.Mean(WIDTH)),
    FusionRow("plain_concat", lambda: fusion.PlainConcat(WIDTH)),
    FusionRow("tensor", lambda: fusion.TensorFusion(WIDTH)),
    FusionRow("weighted", lambda: fusion.Weighted(WIDTH)),
]


class TinyLanguage(nn.Module):
    """A causal language model of 12 tokens, the last of which ends a text; as those of transformers are called."""

    def __init__(self, size: int = 8):
        super().__init__()
        self.embedding, self.rnn = nn.Embedding(12, size), nn.GRU(size, size, batch_first=True)
        self.last = nn.Linear(size, 12)

    def get_input_embeddings(self) -> nn.Module:
        return self.embedding

    def forward(self, inputs_embeds, cache=None, use_cache=False):
        told, cache = self.rnn(inputs_embeds, cache)
        return {"logits": self.last(told), "cache": cache}


def texts() -> Tensor:
    """Tokens of a question, and those of the text with its end."""
    nothing = [-1, -1, -1]
    return torch.tensor(
        [[[1, 2, -1], [3, 4, 11]], [[5, -1, -1], [6, 11, -1]], [nothing, [7, 8, 11]], [[1, 9, 10], [11, -1, -1]]]
    )


HEAD_ROWS = [
    HeadRow("binary", lambda: heads.Binary(WIDTH), lambda: torch.tensor([0.0, 1.0, 1.0, 0.0])),
    HeadRow("classification", lambda: heads.Classification(3, WIDTH), lambda: torch.tensor([0, 2, 1, 1])),
    HeadRow("generation", lambda: heads.Generation(TinyLanguage(), WIDTH, 2, max_tokens=4, end=11), texts),
    HeadRow("multilabel", lambda: heads.Multilabel(2, WIDTH), lambda: torch.tensor([[0.0, 1], [1, 1], [0, 0], [1, 0]])),
    HeadRow("regression", lambda: heads.Regression(WIDTH), lambda: torch.randn(ROWS)),
]
