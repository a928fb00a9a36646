"""Encoders: one modality of a batch -> tokens of one width, with a mask."""

from torch import nn

from sensorium.encoders.audio_logmel_transformer import AudioLogMelTransformer
from sensorium.encoders.audio_mfcc_cnn import AudioMFCCCNN
from sensorium.encoders.audio_mfcc_rnn import AudioMFCCRNN
from sensorium.encoders.bag import Bag
from sensorium.encoders.categorical import Categorical
from sensorium.encoders.features import Features, Input
from sensorium.encoders.image_cnn import ImageCNN
from sensorium.encoders.image_flat_cnn import ImageFlatCNN
from sensorium.encoders.image_resnet import ImageResNet
from sensorium.encoders.image_vit import ImageViT
from sensorium.encoders.numeric import Numeric
from sensorium.encoders.pretrained import Pretrained
from sensorium.encoders.tabular import Tabular
from sensorium.encoders.text_bag import TextBag
from sensorium.encoders.text_rnn import TextRNN
from sensorium.encoders.text_transformer import TextTransformer
from sensorium.encoders.vector import VectorDense
from sensorium.encoders.vector_relu import VectorReLU
from sensorium.encoders.video_cnn3d import VideoCNN3D
from sensorium.encoders.video_frames import VideoFrames
from sensorium.encoders.video_motion import VideoMotion
from sensorium.errors import ConfigError

__all__ = [
    "ENCODERS",
    "AudioLogMelTransformer",
    "AudioMFCCCNN",
    "AudioMFCCRNN",
    "Bag",
    "Categorical",
    "Features",
    "ImageCNN",
    "ImageFlatCNN",
    "ImageResNet",
    "ImageViT",
    "Input",
    "Numeric",
    "Pretrained",
    "Tabular",
    "TextBag",
    "TextRNN",
    "TextTransformer",
    "VectorDense",
    "VectorReLU",
    "VideoCNN3D",
    "VideoFrames",
    "VideoMotion",
    "add",
]

ENCODERS: dict[str, dict[str, type[nn.Module]]] = {
    "audio": {
        "logmel_transformer": AudioLogMelTransformer,
        "mfcc_cnn": AudioMFCCCNN,
        "mfcc_rnn": AudioMFCCRNN,
        "pretrained": Pretrained,
    },
    "categorical": {"categorical": Categorical},
    "image": {
        "cnn": ImageCNN,
        "flat_cnn": ImageFlatCNN,
        "pretrained": Pretrained,
        "resnet": ImageResNet,
        "vit": ImageViT,
    },
    "numeric": {"numeric": Numeric},
    "tabular": {"tabular": Tabular},
    "text": {"bag": TextBag, "pretrained": Pretrained, "rnn": TextRNN, "transformer": TextTransformer},
    "vector": {"dense": VectorDense, "relu": VectorReLU},
    "video": {"cnn3d": VideoCNN3D, "frames": VideoFrames, "motion": VideoMotion, "pretrained": Pretrained},
}


def add(modality: str, name: str, cls: type[nn.Module]) -> None:
    """Makes an encoder of yours available as `encoder: {type: name}` of a modality, old or new.

    Raises:
        ConfigError: the name is taken.

    Example:
        >>> add("radar", "radar_cnn", ImageCNN)
        >>> ENCODERS["radar"].pop("radar_cnn").__name__, ENCODERS.pop("radar")
        ('ImageCNN', {})
    """
    taken = ENCODERS.get(modality, {})
    if name in taken:
        raise ConfigError(
            f"encoder '{name}' of modality '{modality}' must have a new name; got that of {taken[name].__name__}. "
            f"Taken: {', '.join(sorted(taken))}."
        )
    ENCODERS.setdefault(modality, {})[name] = cls
