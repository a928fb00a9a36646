"""Pretrained networks in a graph, tiny ones with random weights; those that torch can't trace are named."""

import numpy as np
import pytest
import tiny
import torch

pytest.importorskip("onnxscript", reason="the extra sensorium[onnx] is not installed")

from sensorium.config.encoders import Pretrained as Options
from sensorium.data.media_readers import AudioReader, ImageReader
from sensorium.data.targets import TargetCoder
from sensorium.data.text import TextReader
from sensorium.encoders import Input, Pretrained
from sensorium.errors import ConfigError
from sensorium.evaluation.calibration import Calibration
from sensorium.export.onnx_graph import feed_of, trace
from sensorium.export.onnx_report import session_of
from sensorium.fusion import Concat
from sensorium.heads import Classification
from sensorium.model import MultimodalModel
from sensorium.pretrained.load import body_of

pytestmark = pytest.mark.slow
CODERS = {"kind": TargetCoder("kind", "classification", ["x", "y", "z"])}


def model_of(family, modality, folder):
    torch.manual_seed(0)
    body = body_of(Options(model=tiny.save(family, folder)), modality, None)
    return MultimodalModel({"given": Pretrained(body, 8)}, Concat(8), {"kind": Classification(3, 8)}).eval()


@pytest.mark.parametrize(("family", "modality"), [("bert", "text"), ("vit", "image"), ("convnext", "image")])
def test_a_frozen_network_is_part_of_the_graph(family, modality, tmp_path):
    model = model_of(family, modality, tmp_path)
    if modality == "text":
        reader, values = TextReader("given", max_tokens=12), torch.randint(2, 8, (4, 9))
        mask = torch.arange(9) < torch.tensor([9, 4, 0, 2])[:, None]
    else:
        reader, values = ImageReader("given", size=(32, 32)), torch.randint(0, 255, (4, 3, 32, 32)).byte()
        mask = torch.tensor([True, True, False, True])
    session = session_of(trace(model, {"given": reader}, CODERS, {"kind": Calibration()}))
    for rows in (4, 1):
        given = Input(values[:rows], mask[:rows])
        (got,) = session.run(["kind"], feed_of({"given": given}, {"given": reader}))
        np.testing.assert_allclose(got, model({"given": given})["kind"].detach().softmax(1), atol=1e-4)


def test_a_spectrogram_made_outside_of_torch_cant_be_exported(tmp_path):
    model = model_of("ast", "audio", tmp_path)
    reader = AudioReader("given", sample_rate=16000, seconds=None)
    with pytest.raises(
        ConfigError, match=r"the encoder of the input 'given' \(Pretrained, SpectrumBody\) can't be exported"
    ):
        trace(model, {"given": reader}, CODERS, {"kind": Calibration()})
