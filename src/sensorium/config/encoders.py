"""Options of the encoders, by modality and type."""

from typing import Literal

from pydantic import Field

from sensorium.config.part import Options

__all__ = [
    "ENCODERS",
    "AudioLogMelTransformer",
    "AudioMFCCCNN",
    "AudioMFCCRNN",
    "CategoricalEncoder",
    "DenseEncoder",
    "ImageCNN",
    "ImageFlatCNN",
    "ImageResNet",
    "ImageViT",
    "NumericEncoder",
    "ReLUEncoder",
    "TabularEncoder",
    "TextBag",
    "TextRNN",
    "TextTransformer",
    "VideoCNN3D",
    "VideoFrames",
    "VideoMotion",
]


class ImageCNN(Options):
    type: Literal["cnn"] = "cnn"
    channels: tuple[int, ...] = Field((32, 64, 128), description="feature maps a stage; each stage halves the picture")
    dropout: float = Field(0.1, ge=0, lt=1, description="probability")


class ImageFlatCNN(Options):
    type: Literal["flat_cnn"] = "flat_cnn"
    channels: tuple[int, ...] = Field((32, 64), description="feature maps a stage; each stage halves the picture")


class ImageResNet(Options):
    type: Literal["resnet"] = "resnet"
    channels: tuple[int, ...] = Field((32, 64, 128, 256), description="feature maps a stage")
    blocks: int = Field(2, ge=1, description="residual blocks a stage")
    dropout: float = Field(0.1, ge=0, lt=1, description="probability")


class ImageViT(Options):
    type: Literal["vit"] = "vit"
    patch_size: int = Field(8, ge=1, description="pixels; divides both sides of the input's size")
    layers: int = Field(4, ge=1, description="Transformer blocks")
    num_heads: int = Field(4, ge=1, description="attention heads; divides fusion.width")
    dropout: float = Field(0.1, ge=0, lt=1, description="probability")


class TextBag(Options):
    type: Literal["bag"] = "bag"
    dropout: float = Field(0.3, ge=0, lt=1, description="probability")


class TextRNN(Options):
    type: Literal["rnn"] = "rnn"
    layers: int = Field(1, ge=1, description="recurrent layers, each in both directions")
    dropout: float = Field(0.2, ge=0, lt=1, description="probability")


class TextTransformer(Options):
    type: Literal["transformer"] = "transformer"
    layers: int = Field(4, ge=1, description="Transformer blocks")
    num_heads: int = Field(4, ge=1, description="attention heads; divides fusion.width")
    dropout: float = Field(0.1, ge=0, lt=1, description="probability")


class AudioMFCCCNN(Options):
    type: Literal["mfcc_cnn"] = "mfcc_cnn"
    n_mfcc: int = Field(20, ge=2, description="cepstral coefficients")
    n_mels: int = Field(64, ge=2, description="mel bands")
    channels: tuple[int, ...] = Field((128, 128, 128), description="feature maps a stage; each stage halves the time")
    dropout: float = Field(0.1, ge=0, lt=1, description="probability")


class AudioMFCCRNN(Options):
    type: Literal["mfcc_rnn"] = "mfcc_rnn"
    n_mfcc: int = Field(20, ge=2, description="cepstral coefficients")
    n_mels: int = Field(64, ge=2, description="mel bands")
    layers: int = Field(1, ge=1, description="recurrent layers, each in both directions")
    dropout: float = Field(0.1, ge=0, lt=1, description="probability")


class AudioLogMelTransformer(Options):
    type: Literal["logmel_transformer"] = "logmel_transformer"
    n_mels: int = Field(64, ge=2, description="mel bands")
    patch_frames: int = Field(4, ge=1, description="spectrogram frames (10 ms each) a token")
    layers: int = Field(4, ge=1, description="Transformer blocks")
    num_heads: int = Field(4, ge=1, description="attention heads; divides fusion.width")
    dropout: float = Field(0.1, ge=0, lt=1, description="probability")


class VideoFrames(Options):
    type: Literal["frames"] = "frames"
    channels: tuple[int, ...] = Field((32, 64, 128), description="feature maps a stage of the frames' encoder")
    layers: int = Field(2, ge=1, description="Transformer blocks over time")
    num_heads: int = Field(4, ge=1, description="attention heads; divides fusion.width")
    dropout: float = Field(0.1, ge=0, lt=1, description="probability")


class VideoCNN3D(Options):
    type: Literal["cnn3d"] = "cnn3d"
    channels: tuple[int, ...] = Field((24, 48, 96), description="feature maps a stage")
    dropout: float = Field(0.1, ge=0, lt=1, description="probability")


class VideoMotion(Options):
    type: Literal["motion"] = "motion"
    grid: int = Field(8, ge=1, le=64, description="cells of motion along each side of the picture")
    pictures: int = Field(
        4, ge=0, le=64, description="pictures beside the motion, of the input's size; 0: motion alone"
    )
    channels: tuple[int, ...] = Field((32, 64, 128), description="feature maps a stage of the pictures' encoder")
    dropout: float = Field(0.1, ge=0, lt=1, description="probability")


class NumericEncoder(Options):
    type: Literal["numeric"] = "numeric"


class CategoricalEncoder(Options):
    type: Literal["categorical"] = "categorical"


class TabularEncoder(Options):
    type: Literal["tabular"] = "tabular"
    dropout: float = Field(0.1, ge=0, lt=1, description="probability")


class DenseEncoder(Options):
    type: Literal["dense"] = "dense"
    dropout: float = Field(0.1, ge=0, lt=1, description="probability")


class ReLUEncoder(Options):
    type: Literal["relu"] = "relu"


ENCODERS: dict[str, dict[str, type[Options]]] = {
    "audio": {"mfcc_cnn": AudioMFCCCNN, "mfcc_rnn": AudioMFCCRNN, "logmel_transformer": AudioLogMelTransformer},
    "boolean": {"categorical": CategoricalEncoder},
    "categorical": {"categorical": CategoricalEncoder},
    "date": {"tabular": TabularEncoder},
    "image": {"cnn": ImageCNN, "flat_cnn": ImageFlatCNN, "resnet": ImageResNet, "vit": ImageViT},
    "numeric": {"numeric": NumericEncoder},
    "tabular": {"tabular": TabularEncoder},
    "text": {"bag": TextBag, "rnn": TextRNN, "transformer": TextTransformer},
    "vector": {"dense": DenseEncoder, "relu": ReLUEncoder},
    "video": {"frames": VideoFrames, "cnn3d": VideoCNN3D, "motion": VideoMotion},
}
