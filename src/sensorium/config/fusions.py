"""Options of the fusions, by type."""

from typing import Literal

from pydantic import Field

from sensorium.config.part import Options

__all__ = [
    "FUSIONS",
    "Attention",
    "Bottleneck",
    "Concat",
    "Deep",
    "Experts",
    "Film",
    "Gated",
    "Late",
    "LowRank",
    "Mean",
    "PlainConcat",
    "TensorFusion",
    "Weighted",
]


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
