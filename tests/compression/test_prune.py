"""What is kept of a larger network: features that matter, the same ones wherever they meet."""

import copy

import pytest
import torch

from sensorium.compression.prune import prune
from sensorium.encoders import (
    AudioMFCCCNN,
    AudioMFCCRNN,
    ImageCNN,
    ImageResNet,
    TextTransformer,
    VectorDense,
    VideoCNN3D,
)
from sensorium.fusion import Concat, Gated
from sensorium.heads import Classification
from sensorium.model import MultimodalModel


def network(width: int, channels: tuple[int, ...], fusion=Concat) -> MultimodalModel:
    torch.manual_seed(width)
    return MultimodalModel(
        encoders={
            "photo": ImageCNN(width=width, channels=channels),
            "drawing": ImageResNet(width=width, channels=channels, blocks=1),
            "call": AudioMFCCCNN(width=width, channels=channels),
            "pose": VectorDense(3, width=width),
        },
        fusion=fusion(width=width),
        heads={"label": Classification(3, width=width)},
    ).eval()


INPUTS = {
    "photo": torch.rand(4, 3, 20, 20, generator=torch.Generator().manual_seed(0)),
    "drawing": torch.rand(4, 3, 20, 20, generator=torch.Generator().manual_seed(1)),
    "call": torch.rand(4, 4000, generator=torch.Generator().manual_seed(2)) - 0.5,
    "pose": torch.rand(4, 3, generator=torch.Generator().manual_seed(3)),
}


def test_the_same_sizes_keep_everything():
    teacher, student = network(32, (16, 32)), network(32, (16, 32))
    torch.nn.init.normal_(student.heads["t0"].linear.weight)
    count = prune(student, teacher)
    assert count == len(teacher.state_dict())
    assert torch.equal(student(INPUTS)["label"], teacher(INPUTS)["label"])


def test_feature_maps_that_are_zero_are_left_out():
    """Convolutions alone: their layers have no statistics over the features, so nothing may change."""
    torch.manual_seed(0)

    def one(channels):
        encoders = {"photo": ImageCNN(width=16, channels=channels)}
        return MultimodalModel(encoders, Concat(width=16), {"label": Classification(3, width=16)}).eval()

    teacher, student = one((16, 24)), one((8, 12))
    silent = {16: torch.tensor([0, 3, 4, 7, 8, 10, 13, 15]), 24: torch.arange(0, 24, 2)}
    for name, value in teacher.state_dict().items():
        if name.startswith("encoders.m0.stages") and value.is_floating_point():
            if "running" not in name:
                value.index_fill_(0, silent[len(value)], 0.0)
            else:
                value.uniform_(0.5, 1.5)
                if "mean" in name:
                    value.index_fill_(0, silent[len(value)], 0.0)
    photo = {"photo": INPUTS["photo"]}
    assert prune(student, teacher) == len(student.state_dict())
    torch.testing.assert_close(student(photo)["label"], teacher(photo)["label"])
    assert sum(p.numel() for p in student.parameters()) < 0.5 * sum(p.numel() for p in teacher.parameters())


def test_every_tensor_of_smaller_sizes_is_a_part_of_the_larger_one():
    teacher, student = network(64, (32, 48), Gated), network(32, (16, 24), Gated)
    before = copy.deepcopy(student.state_dict())
    count = prune(student, teacher)
    same = [name for name, value in student.state_dict().items() if torch.equal(value, before[name])]
    assert count >= len(before) - 2
    for name, value in student.state_dict().items():
        if value.dim() and name not in same:
            assert torch.isin(value, teacher.state_dict()[name]).all(), name
    assert torch.isfinite(student(INPUTS)["label"]).all()


def test_dimensions_that_meet_keep_the_same_places():
    """Each weight of a residual encoder is cut by one and the same set of feature maps."""
    teacher, student = network(64, (32, 32)), network(64, (16, 16))
    for value in teacher.state_dict().values():  # every number once, so that it tells where it was
        if value.is_floating_point():
            value.copy_(torch.randperm(value.numel()).reshape(value.shape) + 1)
    prune(student, teacher)
    for encoder in ("encoders.m1.", "encoders.m2."):
        sets = set()
        for name, value in student.state_dict().items():
            whole = teacher.state_dict()[name]
            if not name.startswith(encoder) or not value.is_floating_point():
                continue
            for dim in (dim for dim, size in enumerate(whole.shape) if size == 32):
                parts = torch.stack([torch.isin(part, value).any() for part in whole.unbind(dim)])
                sets.add(tuple(parts.nonzero()[:, 0].tolist()))
        assert len(sets) == 1
        assert len(next(iter(sets))) == 16


@pytest.mark.parametrize(
    ("encoder", "values"),
    [
        (lambda width, some: AudioMFCCRNN(width=width, hidden=some), INPUTS["call"]),
        (lambda width, some: VideoCNN3D(width=width, channels=(some, some)), torch.rand(2, 4, 3, 16, 16)),
        (lambda width, some: TextTransformer(20, width=width, layers=some // 8, num_heads=4), torch.ones(2, 5).long()),
    ],
)
def test_other_encoders_stay_finite(encoder, values):
    def one(width, some):
        return MultimodalModel(
            {"x": encoder(width, some)}, Gated(width=width), {"y": Classification(2, width=width)}
        ).eval()

    teacher, student = one(64, 32), one(32, 16)
    assert prune(student, teacher) > len(student.state_dict()) / 2
    assert torch.isfinite(student({"x": values})["y"]).all()
