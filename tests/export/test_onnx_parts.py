"""Every encoder, fusion and head in ONNX Runtime says what it says in torch."""

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from descriptors import ENCODER_ROWS, FUSION_ROWS, HEAD_ROWS, WIDTH
from torch import Tensor, nn

pytest.importorskip("onnxscript", reason="the extra sensorium[onnx] is not installed")

import onnxruntime

from sensorium.encoders import Features
from sensorium.export.onnx_forms import as_forms
from sensorium.export.onnx_graph import write_part

pytestmark = pytest.mark.slow
NAMES = ("photo", "review", "call")
EXPORTED = [row for row in HEAD_ROWS if row.name != "generation"]  # which no graph can hold; see test_onnx.py


def session(graph):
    return onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])


class Encoders(nn.Module):
    """All of them side by side, so that one export does for the lot; flat: values and mask of each."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.parts = nn.ModuleList(row.build().eval() for row in ENCODER_ROWS)
        for module in self.parts.modules():  # as after some training
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                nn.init.normal_(module.running_mean, std=0.3)
                nn.init.uniform_(module.running_var, 0.5, 2)

    def forward(self, *flat: Tensor) -> tuple[Tensor, ...]:
        found = (part(*flat[2 * i : 2 * i + 2]) for i, part in enumerate(self.parts))
        return tuple(part for tokens, mask in found for part in (tokens.masked_fill(~mask[..., None], 0), mask))


def is_time(row) -> bool:
    """A video's frames are of one number, see `VideoReader`."""
    return row.time and row.modality != "video"


def length(row, place: int):
    """Any number of tokens or samples; of TinyBody's sound whole tokens of 400."""
    if row.modality != "audio":
        return torch.export.Dim(f"time_{place}", min=2, max=40)
    if row.name == "pretrained":
        return 400 * torch.export.Dim(f"time_{place}", min=2)
    return torch.export.Dim(f"time_{place}", min=400)


@pytest.fixture(scope="module")
def encoders():
    """The module, its graph in a session, and the flat example."""
    module, flat, shapes = Encoders(), [], []
    rows = torch.export.Dim("rows", min=1)
    for place, row in enumerate(ENCODER_ROWS):
        values, mask, _ = row.example()
        flat += [values, mask]
        shapes += [{0: rows} | ({1: length(row, place)} if is_time(row) else {})] * 2
    names = [str(place) for place in range(len(flat))]
    graph = write_part(as_forms(module), flat, {"flat": tuple(shapes)}, names, [f"out_{name}" for name in names])
    return module, session(graph), flat


def ask(encoders, flat: Sequence[Tensor], place: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Tokens and mask of one encoder, in ONNX Runtime and in torch."""
    module, graph, _ = encoders
    names = [f"out_{2 * place}", f"out_{2 * place + 1}"]
    got = graph.run(names, {str(i): part.numpy() for i, part in enumerate(flat)})
    tokens, mask = module.parts[place](flat[2 * place], flat[2 * place + 1])
    return got, [tokens.masked_fill(~mask[..., None], 0).detach().numpy(), mask.numpy()]


@pytest.mark.parametrize("place", range(len(ENCODER_ROWS)), ids=[str(row) for row in ENCODER_ROWS])
def test_an_encoder_says_the_same(encoders, place):
    flat = encoders[2]
    (tokens, mask), (want, real) = ask(encoders, flat, place)
    assert np.array_equal(mask, real)
    assert not mask[2].any()  # the row that misses the input
    np.testing.assert_allclose(tokens, want, atol=1e-4)
    assert np.abs(want).max() > 0.1


@pytest.mark.parametrize("place", range(len(ENCODER_ROWS)), ids=[str(row) for row in ENCODER_ROWS])
def test_an_encoder_takes_any_number_of_rows_and_any_length(encoders, place):
    row, flat = ENCODER_ROWS[place], [part[:2] for part in encoders[2]]
    if is_time(row):
        for i in (2 * place, 2 * place + 1):
            zeros = torch.zeros(2, 3 * flat[i].shape[1] // 5, *flat[i].shape[2:], dtype=flat[i].dtype)
            flat[i] = torch.cat([flat[i], zeros], 1)
        flat[2 * place + 1][1] = True  # what is padding in one row is real in another
        if row.modality == "audio":
            flat[2 * place] = torch.rand_like(flat[2 * place]) - 0.5
    for rows in (2, 1):
        part = [one[:rows] for one in flat]
        (tokens, mask), (want, real) = ask(encoders, part, place)
        assert np.array_equal(mask, real)
        np.testing.assert_allclose(tokens, want, atol=1e-4)


class Fusions(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.parts = nn.ModuleList(row.build().eval() for row in FUSION_ROWS)
        for part in self.parts:
            part.connect(NAMES)
            for weight in part.pools.parameters():
                nn.init.normal_(weight)

    def forward(self, *flat: Tensor) -> tuple[Tensor, ...]:
        features = {name: Features(flat[2 * i], flat[2 * i + 1]) for i, name in enumerate(NAMES)}
        return tuple(part(features) for part in self.parts)


@pytest.fixture(scope="module")
def fused():
    """What each fusion says of eight rows, every subset of three modalities, in ONNX Runtime and in torch."""
    module, flat = Fusions(), []
    there = torch.tensor(list(itertools.product([True, False], repeat=3)))
    for place in range(3):
        flat += [torch.randn(8, 4, WIDTH), (torch.rand(8, 4) > 0.3) & there[:, place : place + 1]]
    rows = torch.export.Dim("rows", min=1)
    names = [str(place) for place in range(6)]
    graph = session(
        write_part(
            module,
            [part[:3] for part in flat],
            {"flat": ({0: rows},) * 6},
            names,
            [f"out_{row}" for row in FUSION_ROWS],
        )
    )
    with torch.no_grad():
        want = module(*flat)
    return graph.run(None, {str(i): part.numpy() for i, part in enumerate(flat)}), [part.numpy() for part in want]


@pytest.mark.parametrize("place", range(len(FUSION_ROWS)), ids=[str(row) for row in FUSION_ROWS])
def test_a_fusion_says_the_same_of_every_subset(fused, place):
    got, want = (part[place] for part in fused)
    assert want.shape == (8, WIDTH)
    np.testing.assert_allclose(got, want, atol=1e-4)


@pytest.mark.parametrize("row", EXPORTED, ids=str)
def test_a_head_says_the_same(row):
    torch.manual_seed(0)
    head, fused = row.build().eval(), torch.randn(5, WIDTH)

    class Said(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = head

        def forward(self, fused: Tensor) -> Tensor:
            logits = self.head(fused)
            return head.probabilities(logits) if hasattr(head, "probabilities") else logits

    rows = torch.export.Dim("rows", min=1)
    graph = session(write_part(Said(), [fused[:3]], {"fused": {0: rows}}, ["fused"], ["said"]))
    (got,) = graph.run(None, {"fused": fused.numpy()})
    np.testing.assert_allclose(got, Said()(fused).detach().numpy(), atol=1e-5)
