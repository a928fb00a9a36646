"""Options of the encoders, by modality and type."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from sensorium.config.part import Options

__all__ = [
    "ENCODERS",
    "AudioLogMelTransformer",
    "AudioMFCCCNN",
    "AudioMFCCRNN",
    "Auto",
    "CategoricalEncoder",
    "DenseEncoder",
    "ImageCNN",
    "ImageFlatCNN",
    "ImageResNet",
    "ImageViT",
    "NumericEncoder",
    "Pretrained",
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


class Auto(Options):
    """Becomes another, see `sensorium.pretrained.choose`."""

    type: Literal["auto"] = "auto"


def _check_train(value: Any) -> Any:
    words = str(value).split(":")
    counted = len(words) == 2 and words[0] == "top" and words[1].isdecimal() and int(words[1]) > 0
    if value not in {"frozen", "lora", "all"} and not counted:
        raise PydanticCustomError("train", "Input should be frozen, lora, all, or top:N for the last N blocks")
    return value


class Pretrained(Options):
    type: Literal["pretrained"] = "pretrained"
    model: str | None = Field(
        None,
        description="minilm-l6, efficientnet-lite0, resemblyzer, a folder, or a name on the Hugging Face hub; "
        "None: what is installed",
    )
    train: Annotated[str, BeforeValidator(_check_train)] = Field(
        "frozen", description="frozen (computed once), lora, top:N (the last N blocks) or all"
    )
    pooling: Literal["auto", "mean", "cls", "tokens"] = Field(
        "auto", description="one token of the mean or the first, or all tokens; auto: as the model was made for"
    )
    layers: Literal["last", "mix"] = Field("last", description="mix: a learned mean of all layers")
    dropout: float = Field(0.1, ge=0, lt=1, description="probability, on its tokens")
    learning_rate: float | None = Field(
        None, gt=0, description="of its own weights at the peak; None: 5e-5, of lora 5e-4"
    )
    gradual: bool = Field(False, description="blocks begin to learn one an epoch, the last first")
    checkpointing: bool = Field(False, description="layers are computed again instead of kept: less memory, more time")
    rank: int = Field(8, ge=1, le=1024, description="of lora")
    alpha: float = Field(16.0, gt=0, description="of lora: its strength is alpha / rank")


ENCODERS: dict[str, dict[str, type[Options]]] = {
    "audio": {
        "mfcc_cnn": AudioMFCCCNN,
        "mfcc_rnn": AudioMFCCRNN,
        "logmel_transformer": AudioLogMelTransformer,
        "pretrained": Pretrained,
        "auto": Auto,
    },
    "boolean": {"categorical": CategoricalEncoder},
    "categorical": {"categorical": CategoricalEncoder},
    "date": {"tabular": TabularEncoder},
    "image": {
        "cnn": ImageCNN,
        "flat_cnn": ImageFlatCNN,
        "resnet": ImageResNet,
        "vit": ImageViT,
        "pretrained": Pretrained,
        "auto": Auto,
    },
    "numeric": {"numeric": NumericEncoder},
    "tabular": {"tabular": TabularEncoder},
    "text": {"bag": TextBag, "rnn": TextRNN, "transformer": TextTransformer, "pretrained": Pretrained, "auto": Auto},
    "vector": {"dense": DenseEncoder, "relu": ReLUEncoder},
    "video": {
        "frames": VideoFrames,
        "cnn3d": VideoCNN3D,
        "motion": VideoMotion,
        "pretrained": Pretrained,
        "auto": Auto,
    },
}
