"""What the model makes of each input, kept or not, answers as the inputs themselves do when they are dropped."""

import itertools

import pytest
import torch
from descriptors import FUSION_ROWS, WIDTH

from sensorium.encoders import Input, VectorDense
from sensorium.evaluation.pieces import answer, pieces
from sensorium.fusion import Concat
from sensorium.heads import Classification
from sensorium.model import MultimodalModel
from sensorium.single import Single

NAMES = ("photo", "review", "call")


def network(fusion, names=NAMES):
    encoders = {name: VectorDense(size=3, width=WIDTH) for name in names}
    return MultimodalModel(encoders, fusion, {"label": Classification(classes=3, width=WIDTH)}).eval()


def check_every_subset(model):
    """Of four rows, some of which lack inputs."""
    there = torch.tensor([[True, True, True], [True, False, True], [False, False, False], [False, True, False]])
    inputs = {name: Input(torch.randn(4, 3), there[:, i]) for i, name in enumerate(NAMES)}
    members = torch.tensor(list(itertools.product([True, False], repeat=3)))
    whole = pieces(model, inputs)
    kept = {name: whole[name].keep(members[:, i, None].expand(-1, 4)) for i, name in enumerate(NAMES)}
    with torch.no_grad():
        found = answer(model, kept)["label"].reshape(8, 4, 3)
        for subset, logits in zip(members, found, strict=True):
            keep = [name for name, here in zip(NAMES, subset, strict=True) if here]
            torch.testing.assert_close(logits, model(model.drop(inputs, keep))["label"], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("row", FUSION_ROWS, ids=str)
def test_pieces_that_are_kept_answer_as_inputs_that_are_dropped(row):
    torch.manual_seed(0)
    check_every_subset(network(row.build()))


def test_the_network_of_one_input_goes_with_its_input():
    torch.manual_seed(0)
    model = network(Concat(WIDTH))
    model.single = Single(network(Concat(WIDTH), ("review",)))
    model.single.set_share("label", 0.4)
    check_every_subset(model)
