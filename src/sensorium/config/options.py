"""Every option there is, with its unit and range.

An option left at None gets its value from the table (see `sensorium.build.complete`).
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

__all__ = [
    "ENCODERS",
    "FUSIONS",
    "INPUTS",
    "Config",
    "CustomPart",
    "Imbalance",
    "LimitOptions",
    "Options",
    "Split",
    "Target",
    "Training",
]


class Options(BaseModel):
    """A part of the configuration: unknown keys are errors, values don't change once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), allow_inf_nan=False)


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


class CustomPart(BaseModel):
    """A type that somebody's own `add(name, Class)` made known; `build` checks its options against the class."""

    model_config = ConfigDict(extra="allow", frozen=True)
    type: str


def _check_size(value: Any) -> Any:
    sides = value if isinstance(value, list | tuple) and len(value) == 2 else [value]
    if not all(isinstance(side, int) and not isinstance(side, bool) and side > 0 for side in sides):
        raise PydanticCustomError("size", "Input should be pixels, 1 or more: one side of a square, or [height, width]")
    return value


ImageSize = Annotated[int | tuple[int, int], BeforeValidator(_check_size)]


class Input(Options):
    column: str | None = Field(None, description="the table's column; the input's own name where left out")
    modality: str
    encoder: Any


class ImageInput(Input):
    modality: Literal["image"] = "image"
    size: ImageSize | None = Field(None, description="pixels: one side of a square, or [height, width]")
    encoder: Any = ImageCNN()


class TextInput(Input):
    modality: Literal["text"] = "text"
    vocabulary: int | None = Field(None, ge=300, description="entries of the byte-pair encoding, at most")
    max_tokens: int | None = Field(None, ge=1, description="tokens; longer texts are cut, and the run says how many")
    encoder: Any = TextTransformer()


class AudioInput(Input):
    modality: Literal["audio"] = "audio"
    sample_rate: int = Field(16000, ge=1000, description="Hz; recordings are resampled to it")
    seconds: float | None = Field(None, gt=0, description="s; longer ones are cut, and the run says how many")
    encoder: Any = AudioMFCCCNN()


class VideoInput(Input):
    modality: Literal["video"] = "video"
    frames: int = Field(16, ge=1, le=512, description="frames, evenly spaced over the clip; of motion: spans of time")
    size: ImageSize | None = Field(None, description="pixels: one side of a square, or [height, width]")
    encoder: Any = VideoFrames()


class NumericInput(Input):
    modality: Literal["numeric"] = "numeric"
    encoder: Any = NumericEncoder()


class CategoricalInput(Input):
    modality: Literal["categorical"] = "categorical"
    encoder: Any = CategoricalEncoder()


class BooleanInput(Input):
    modality: Literal["boolean"] = "boolean"
    encoder: Any = CategoricalEncoder()


class DateInput(Input):
    modality: Literal["date"] = "date"
    encoder: Any = TabularEncoder()


class TabularInput(Options):
    modality: Literal["tabular"] = "tabular"
    columns: tuple[str, ...] = Field(min_length=1, description="numbers, categories, booleans and dates, read together")
    encoder: Any = TabularEncoder()


class VectorInput(Input):
    modality: Literal["vector"] = "vector"
    encoder: Any = DenseEncoder()


class Concat(Options):
    type: Literal["concat"] = "concat"
    width: int = Field(128, ge=1, description="size of every token and of the fused vector")
    dropout: float = Field(0.1, ge=0, lt=1, description="probability")


class Mean(Options):
    type: Literal["mean"] = "mean"
    width: int = Field(128, ge=1, description="size of every token and of the fused vector")


class Weighted(Options):
    type: Literal["weighted"] = "weighted"
    width: int = Field(128, ge=1, description="size of every token and of the fused vector")


class Gated(Options):
    type: Literal["gated"] = "gated"
    width: int = Field(128, ge=1, description="size of every token and of the fused vector")
    dropout: float = Field(0.1, ge=0, lt=1, description="probability")


class Deep(Options):
    type: Literal["deep"] = "deep"
    width: int = Field(128, ge=1, description="size of every token and of the fused vector")
    layers: int = Field(3, ge=1, description="residual layers")
    dropout: float = Field(0.1, ge=0, lt=1, description="probability")


class PlainConcat(Options):
    type: Literal["plain_concat"] = "plain_concat"
    width: int = Field(128, ge=1, description="size of the fused vector")
    token_width: int | None = Field(None, ge=1, description="size of every token; width where left out")
    dropout: float = Field(0.0, ge=0, lt=1, description="probability")


class TensorFusion(Options):
    type: Literal["tensor"] = "tensor"
    width: int = Field(128, ge=1, description="size of every token and of the fused vector")
    size: int | None = Field(None, ge=1, description="features a modality; as many as most allows where left out")
    most: int = Field(4096, ge=2, le=10**6, description="products at most, (size + 1) ** modalities")
    dropout: float = Field(0.1, ge=0, lt=1, description="probability")


class LowRank(Options):
    type: Literal["low_rank"] = "low_rank"
    width: int = Field(128, ge=1, description="size of every token and of the fused vector")
    rank: int = Field(4, ge=1, description="terms of the sum of products")
    dropout: float = Field(0.1, ge=0, lt=1, description="probability")


class Film(Options):
    type: Literal["film"] = "film"
    width: int = Field(128, ge=1, description="size of every token and of the fused vector")
    dropout: float = Field(0.1, ge=0, lt=1, description="probability")


class Attention(Options):
    type: Literal["attention"] = "attention"
    width: int = Field(128, ge=1, description="size of every token and of the fused vector")
    layers: int = Field(2, ge=1, description="cross-modal blocks a modality")
    num_heads: int = Field(4, ge=1, description="attention heads; divides width")
    dropout: float = Field(0.1, ge=0, lt=1, description="probability")


class Bottleneck(Options):
    type: Literal["bottleneck"] = "bottleneck"
    width: int = Field(128, ge=1, description="size of every token and of the fused vector")
    tokens: int = Field(4, ge=1, description="tokens that all modalities share")
    layers: int = Field(2, ge=2, description="Transformer blocks a modality")
    num_heads: int = Field(4, ge=1, description="attention heads; divides width")
    dropout: float = Field(0.1, ge=0, lt=1, description="probability")


class Late(Options):
    type: Literal["late"] = "late"
    width: int = Field(128, ge=1, description="size of every token and of the fused vector")
    weights: Literal["learned", "equal"] = Field("learned", description="how much each modality's decision counts")
    dropout: float = Field(0.1, ge=0, lt=1, description="probability")


class Experts(Options):
    type: Literal["experts"] = "experts"
    width: int = Field(128, ge=1, description="size of every token and of the fused vector")
    dropout: float = Field(0.1, ge=0, lt=1, description="probability")


class Target(Options):
    task: Literal["classification", "multilabel", "regression"] | None = Field(
        None, description="what is to be learned"
    )
    weight: float = Field(1.0, gt=0, description="this target's share of the loss beside other targets")
    class_weights: Literal["auto", "none"] = Field(
        "auto", description="auto: rare classes count more, where imbalance.method trains by class weights"
    )
    label_smoothing: float = Field(0.05, ge=0, lt=1, description="share of a class's probability spread over all")
    dropout: float = Field(0.1, ge=0, lt=1, description="probability, before the head")


class Imbalance(Options):
    """What is done for rare classes of binary and classification targets; labels and numbers are left as they are.

    auto, threshold and gan train as class_weights does, then change the head or its answers alone, by the validation
    rows; the others change the training itself.
    """

    method: Literal[
        "auto", "class_balanced", "class_weights", "focal", "gan", "logit_adjustment", "none", "oversampling",
        "threshold", "undersampling", "weighted_sampling",
    ] = Field("class_weights", description="class_weights: by the square root of the inverse frequency")  # fmt: skip
    gamma: float = Field(2.0, ge=0, le=10, description="of focal: how much less a row counts that is answered well")
    beta: float = Field(0.999, ge=0, lt=1, description="of class_balanced: 0 even weights, near 1 inverse frequency")
    tau: float = Field(1.0, ge=0, le=10, description="of logit_adjustment: share of the classes' log frequency")
    gan_steps: int = Field(400, ge=1, le=100_000, description="steps of the generator, each of 5 of its critic")
    gan_noise: int = Field(16, ge=1, le=4096, description="numbers that a generated vector is made from")
    gan_hidden: int = Field(128, ge=1, le=4096, description="units of each layer of generator and critic")
    gan_penalty: float = Field(0.5, ge=0, le=1000, description="weight of the critic's gradient penalty")


class Split(Options):
    """Which rows validate, where no table of them is given; how many, training.valid_share says."""

    by: str | None = Field(None, description="column; rows with one value of it stay on one side")
    time: str | None = Field(None, description="column of dates or numbers; the latest rows validate")
    duplicates: Literal["bytes", "near", "none"] = Field(
        "bytes", description="rows that share a media file stay on one side; near: near-same pictures count, too"
    )
    folds: int | None = Field(None, ge=2, description="models, each checked with the rows that the others learn from")


class Training(Options):
    epochs: int | None = Field(None, ge=1, description="passes over the rows, at most")
    batch_size: int | None = Field(None, ge=1, description="rows a step")
    learning_rate: float | None = Field(None, gt=0, description="of AdamW, at its peak")
    weight_decay: float = Field(0.02, ge=0, description="of AdamW")
    warmup: float = Field(0.1, ge=0, lt=1, description="share of the steps in which the learning rate rises")
    schedule: Literal["cosine", "constant"] = Field("cosine", description="the learning rate after the warm-up")
    patience: int | None = Field(None, ge=1, description="epochs without a better validation loss before stopping")
    gradient_clip: float = Field(1.0, gt=0, description="largest norm of the gradient")
    valid_share: float = Field(0.15, gt=0, lt=1, description="share of the rows kept for validation, without --valid")
    modality_dropout: float = Field(
        0.15, ge=0, lt=1, description="probability that a row's input is hidden in training"
    )
    augment: bool = Field(True, description="shift and vary images, clips, sounds and words in training")
    precision: Annotated[Literal["auto", "32", "bf16"], BeforeValidator(lambda v: "32" if v == 32 else v)] = Field(
        "auto", description="auto: bf16 where the processor is faster so"
    )  # YAML reads 32 as a number
    time_limit: float | None = Field(None, gt=0, description="s; training stops in time to be saved by then")
    probes: bool = Field(True, description="score every input alone after training (at most a third of the time)")
    seed: int = Field(0, ge=0, description="of weights, order, dropout and the split")
    threads: int | None = Field(None, ge=1, description="of torch; as many as processors where left out")
    cache_size: int = Field(10_000, ge=0, description="MB of decoded media kept on disk for all runs; 0: none")
    memory: int = Field(4096, ge=0, description="MB of decoded media kept in memory where the cache doesn't keep them")
    workers: int | None = Field(
        None, ge=0, description="processes that decode; one a processor where left out; 0: none"
    )
    strict: bool = Field(False, description="a file that can't be read is an error, not a missing input")


class LimitOptions(Options):
    max_pixels: int = Field(200_000_000, ge=1, description="pixels of one picture or frame")
    max_seconds: float = Field(14400.0, gt=0, description="s of one recording or clip")
    max_bytes: int = Field(2**31, ge=1, description="bytes of one file")
    decode_seconds: float = Field(60.0, gt=0, description="s that decoding one file may take")
    decode_memory: int = Field(2048, ge=64, description="MB that decoding one file may take")


class Config(Options):
    """The whole configuration. `inputs` and `targets` may be empty: `sensorium.build.complete` fills them."""

    inputs: dict[str, Any] = {}
    fusion: Any = Gated()
    targets: dict[str, Target] = {}
    imbalance: Imbalance = Imbalance()
    split: Split = Split()
    training: Training = Training()
    limits: LimitOptions = LimitOptions()


INPUTS: dict[str, type[BaseModel]] = {
    "audio": AudioInput,
    "boolean": BooleanInput,
    "categorical": CategoricalInput,
    "date": DateInput,
    "image": ImageInput,
    "numeric": NumericInput,
    "tabular": TabularInput,
    "text": TextInput,
    "vector": VectorInput,
    "video": VideoInput,
}
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
FUSIONS: dict[str, type[Options]] = {
    "attention": Attention,
    "bottleneck": Bottleneck,
    "concat": Concat,
    "deep": Deep,
    "experts": Experts,
    "film": Film,
    "gated": Gated,
    "late": Late,
    "low_rank": LowRank,
    "mean": Mean,
    "plain_concat": PlainConcat,
    "tensor": TensorFusion,
    "weighted": Weighted,
}
