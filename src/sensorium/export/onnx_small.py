"""A graph made smaller and faster: weights and activations in 8 bits, or weights in 16."""

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sensorium.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    import onnx

__all__ = ["QUANTIZE", "halve", "quantize"]

QUANTIZE = ("dynamic", "int8")
# Modules whose products are done in 8 bits: what is learned by gradients. The linear part, spectra and heads keep 32:
# they are small, and an answer hangs on each of their digits.
LEARNED = (
    "model.encoders.",
    "model.projections.",
    "model.fusion",
    "model.single.network.encoders.",
    "model.single.network.fusion",
)
KEPT = (".mfcc", ".log_mel", ".mel", ".pools.")
PRODUCTS = ("Conv", "Gemm", "MatMul")
LARGE = 1024  # numbers of a weight that is worth halving


def quantize(graph: "onnx.ModelProto", how: str, rows: Iterable[Mapping[str, np.ndarray]] = ()) -> "onnx.ModelProto":
    """The graph with its products in 8 bits.

    Args:
        graph: in 32 bits.
        how: int8: activations by ranges that `rows` showed, convolutions included, the fastest. dynamic: activations by
            the range of each row anew, products alone; for Transformers, whose activations differ much.
        rows: feeds of training rows, for int8.

    Raises:
        ConfigError: another way.
    """
    if how not in QUANTIZE:
        raise ConfigError(f"unknown quantisation '{how}'. {did_you_mean(how, QUANTIZE)}")
    import onnx
    from onnxruntime import quantization

    with tempfile.TemporaryDirectory() as folder:
        plain, small = Path(folder) / "plain.onnx", Path(folder) / "small.onnx"
        _fuse(graph, plain)
        fused = onnx.load(plain)
        names = [node.name for node in fused.graph.node if node.op_type in PRODUCTS and _is_learned(node.name)]
        if not names:
            raise ConfigError(
                "there is nothing to quantize: this model has no dense layer or convolution that learned."
            )
        common = {"nodes_to_quantize": names, "per_channel": True, "weight_type": quantization.QuantType.QInt8}
        if how == "int8":
            quantization.quantize_static(
                plain, small, _Feeds(rows), op_types_to_quantize=list(PRODUCTS),
                activation_type=quantization.QuantType.QUInt8, **common,
            )  # fmt: skip
        else:
            quantization.quantize_dynamic(plain, small, op_types_to_quantize=["MatMul", "Gemm"], **common)
        return onnx.load(small)


def halve(graph: "onnx.ModelProto") -> "onnx.ModelProto":
    """The graph with its large weights kept in 16 bits, and widened once when it is loaded: half the size.

    Nothing is computed in 16 bits: processors have hardly an operator for it, and would go back and forth.
    """
    import onnx
    from onnx import numpy_helper

    found = onnx.ModelProto()
    found.CopyFrom(graph)
    widened = []
    for weight in found.graph.initializer:
        if weight.data_type != onnx.TensorProto.FLOAT or np.prod(weight.dims) < LARGE:
            continue
        values, name = numpy_helper.to_array(weight), weight.name
        if np.abs(values).max() > np.finfo(np.float16).max:
            continue
        weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}~half"))
        widened.append(
            onnx.helper.make_node("Cast", [weight.name], [name], name=f"{name}/widen", to=onnx.TensorProto.FLOAT)
        )
    nodes = [*widened, *found.graph.node]
    del found.graph.node[:]
    found.graph.node.extend(nodes)
    return found


class _Feeds:
    """What the quantizer reads training rows from."""

    def __init__(self, rows: Iterable[Mapping[str, np.ndarray]]):
        self.rows: Iterator[Mapping[str, np.ndarray]] = iter(rows)

    def get_next(self) -> Mapping[str, np.ndarray] | None:
        return next(self.rows, None)


def _is_learned(name: str) -> bool:
    return name.startswith(LEARNED) and not any(part in name for part in KEPT)


def _fuse(graph: "onnx.ModelProto", path: Path) -> None:
    """Write the graph with what belongs together as one node: a convolution takes in the norm after it."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(path)
    onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
