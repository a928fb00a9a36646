"""Options of the inputs, by modality: which column is read, and how."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from sensorium.config import encoders
from sensorium.config.part import Options

__all__ = ["INPUTS"]


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
    encoder: Any = encoders.ImageCNN()


class TextInput(Input):
    modality: Literal["text"] = "text"
    vocabulary: int | None = Field(None, ge=300, description="entries of the byte-pair encoding, at most")
    max_tokens: int | None = Field(None, ge=1, description="tokens; longer texts are cut, and the run says how many")
    encoder: Any = encoders.TextTransformer()


class AudioInput(Input):
    modality: Literal["audio"] = "audio"
    sample_rate: int = Field(16000, ge=1000, description="Hz; recordings are resampled to it")
    seconds: float | None = Field(None, gt=0, description="s; longer ones are cut, and the run says how many")
    encoder: Any = encoders.AudioMFCCCNN()


class VideoInput(Input):
    modality: Literal["video"] = "video"
    frames: int = Field(16, ge=1, le=512, description="frames, evenly spaced over the clip; of motion: spans of time")
    size: ImageSize | None = Field(None, description="pixels: one side of a square, or [height, width]")
    encoder: Any = encoders.VideoFrames()


class NumericInput(Input):
    modality: Literal["numeric"] = "numeric"
    encoder: Any = encoders.NumericEncoder()


class CategoricalInput(Input):
    modality: Literal["categorical"] = "categorical"
    encoder: Any = encoders.CategoricalEncoder()


class BooleanInput(Input):
    modality: Literal["boolean"] = "boolean"
    encoder: Any = encoders.CategoricalEncoder()


class DateInput(Input):
    modality: Literal["date"] = "date"
    encoder: Any = encoders.TabularEncoder()


class TabularInput(Options):
    modality: Literal["tabular"] = "tabular"
    columns: tuple[str, ...] = Field(min_length=1, description="numbers, categories, booleans and dates, read together")
    encoder: Any = encoders.TabularEncoder()


class VectorInput(Input):
    modality: Literal["vector"] = "vector"
    encoder: Any = encoders.DenseEncoder()


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
