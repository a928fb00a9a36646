"""A predictor's whole answer as one ONNX graph: from the arrays that its readers make to calibrated probabilities."""

import ast
import logging
import warnings
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from sensorium.data.batches import Reader
from sensorium.data.targets import TargetCoder
from sensorium.encoders.features import Features, Input
from sensorium.encoders.graph import as_graph
from sensorium.errors import ConfigError
from sensorium.evaluation.calibration import Calibration
from sensorium.export.onnx_forms import as_forms
from sensorium.model import MultimodalModel

if TYPE_CHECKING:
    import onnx

__all__ = [
    "LENGTHS",
    "OPSET",
    "Answer",
    "example",
    "feed_of",
    "installed",
    "least_length",
    "mask_names",
    "trace",
    "write_part",
]

OPSET = 20
LENGTHS = {"text": "tokens", "audio": "samples"}  # what the last dimension counts, where it is of any length
ROWS = 3
LONGEST = 2**40  # samples: as many as there are


def mask_names(names: Collection[str]) -> dict[str, str]:
    """What the graph calls the mask of each input: NAME.mask, and nothing that another input is called."""
    found: dict[str, str] = {}
    for name in names:
        mask = f"{name}.mask"
        while mask in names or mask in found.values():
            mask += "_"
        found[name] = mask
    return found


def installed() -> None:
    """Refuse to go on without what writes and runs graphs.

    Raises:
        ConfigError: it is not installed.
    """
    for name in ("onnx", "onnxruntime", "onnxscript"):
        if find_spec(name) is None:
            raise ConfigError(f"an export to ONNX needs {name}. Install it with: pip install 'sensorium[onnx]'")


def feed_of(inputs: Mapping[str, Input], readers: Mapping[str, Reader]) -> dict[str, np.ndarray]:
    """A batch's inputs as the graph of `trace` is fed."""
    feed = {}
    for name, mask_name in mask_names(readers).items():
        values, mask = (part.numpy() for part in inputs[name][:2])
        if readers[name].modality in LENGTHS:
            more = max(0, least_length(readers[name]) - mask.shape[-1])
            values, mask = (np.pad(part, [(0, 0)] * (part.ndim - 1) + [(0, more)]) for part in (values, mask))
        feed |= {name: values, mask_name: mask}
    return feed


class Answer(nn.Module):
    """A model with what comes after it: probabilities at their temperature, numbers in their own unit.

    Args:
        model: in eval mode.
        coders, calibration: by target.

    Shape:
        flat: values and mask of each modality, in the model's order. Returns for each target (B, classes), or (B,).
    """

    def __init__(
        self, model: MultimodalModel, coders: Mapping[str, TargetCoder], calibration: Mapping[str, Calibration]
    ):
        super().__init__()
        self.model, self.coders, self.calibration = model, dict(coders), dict(calibration)

    def forward(self, *flat: Tensor) -> tuple[Tensor, ...]:
        inputs = {name: Input(flat[2 * place], flat[2 * place + 1]) for place, name in enumerate(self.model.modalities)}
        return tuple(self._say(name, logits) for name, logits in self.model(inputs).items())

    def _say(self, name: str, logits: Tensor) -> Tensor:
        coder, temperature, head = self.coders[name], self.calibration[name].temperature, self.model.head(name)
        if coder.task == "regression":
            return logits.double() * coder.scale + coder.mean
        shares = head.probabilities(logits)  # (B, classes)
        if temperature == 1:
            return shares
        both = torch.stack([1 - shares, shares], 2) if coder.task == "multilabel" else shares
        scaled = (both.double().clamp(1e-12, 1).log() / temperature).softmax(-1).float()
        return scaled[..., 1] if coder.task == "multilabel" else scaled


def example(readers: Mapping[str, Reader], rows: int = ROWS) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Arrays of rows that hold nothing, as long as a graph is traced with."""
    found = {}
    for name, reader in readers.items():
        values, mask = reader.collate([None] * rows)
        if reader.modality in LENGTHS:
            longer = max(least_length(reader), min(4 * least_length(reader), _most(reader)))
            values, mask = (np.zeros((*part.shape[:-1], longer), dtype=part.dtype) for part in (values, mask))
        found[name] = values, mask
    return found


def least_length(reader: Reader) -> int:
    """Tokens or samples that a graph must be given at least: a few frames of a spectrum."""
    return 2 if reader.modality == "text" else reader.options["sample_rate"] // 20


def trace(
    model: MultimodalModel,
    readers: Mapping[str, Reader],
    coders: Mapping[str, TargetCoder],
    calibration: Mapping[str, Calibration],
) -> "onnx.ModelProto":
    """The graph: inputs NAME and NAME.mask for each input, an output for each target, any number of rows.

    Raises:
        ConfigError: a part can't be written as a graph; the message names it.
    """
    whole = Answer(as_forms(model).eval(), coders, calibration)
    arrays, masks = example(readers), mask_names(readers)
    flat, names, shapes = [], [], []
    rows = torch.export.Dim("rows", min=1)
    for place, (name, (values, mask)) in enumerate(arrays.items()):
        modality = readers[name].modality
        for part in (values, mask):
            shape = {0: rows}
            if modality in LENGTHS and (least := least_length(readers[name])) < _most(readers[name]):
                shape[part.ndim - 1] = torch.export.Dim(f"length_{place}", min=least, max=_most(readers[name]))
            flat.append(torch.from_numpy(part))
            shapes.append(shape)
        names += [name, masks[name]]
    try:
        graph = write_part(
            whole, flat, {"flat": tuple(shapes)}, [f"input.{n}" for n in names], [f"output.{n}" for n in model.targets]
        )
    except Exception as error:  # torch's exporter raises whatever its passes and the model's code raise
        raise ConfigError(
            _blame(whole.model, dict(zip(names[::2], zip(flat[::2], flat[1::2], strict=True), strict=True)), error)
        ) from error
    _rename(graph, {f"input.{name}": name for name in names} | {f"output.{name}": name for name in model.targets})
    _name_sizes(graph, readers)
    return graph


def _most(reader: Reader) -> int:
    """Tokens or samples at most."""
    return reader.max_tokens if reader.modality == "text" else LONGEST


def write_part(
    module: nn.Module,
    args: list[Tensor],
    shapes: dict[str, Any] | None,
    inputs: list[str] | None,
    outputs: list[str] | None,
) -> "onnx.ModelProto":
    with _quiet(), as_graph(), torch.no_grad():
        program = torch.export.export(module, tuple(args), dynamic_shapes=shapes, strict=False)
        found = torch.onnx.export(
            program, (), dynamo=True, verbose=False, opset_version=OPSET, input_names=inputs, output_names=outputs
        )
    return _plain(found.model_proto)


def _plain(graph: "onnx.ModelProto") -> "onnx.ModelProto":
    """Nodes named by the module that they are of, and without what else the exporter notes: it can outweigh the weights."""
    for node in graph.graph.node:
        scopes = {entry.key: entry.value for entry in node.metadata_props}.get("pkg.torch.onnx.name_scopes", "[]")
        modules = [scope for scope in ast.literal_eval(scopes)[:-1] if scope]
        node.name = f"{modules[-1] if modules else ''}/{node.name}"
        del node.metadata_props[:]
    for value in graph.graph.value_info:
        del value.metadata_props[:]
    return graph


def _rename(graph: "onnx.ModelProto", names: Mapping[str, str]) -> None:
    """Give values other names; those inside that are called so already get a mark."""
    taken = set(names.values())

    def renamed(name: str) -> str:
        return names.get(name, f"{name}~" if name in taken else name)

    for node in graph.graph.node:
        node.input[:] = map(renamed, node.input)
        node.output[:] = map(renamed, node.output)
    for values in (graph.graph.input, graph.graph.output, graph.graph.value_info, graph.graph.initializer):
        for value in values:
            value.name = renamed(value.name)


def _name_sizes(graph: "onnx.ModelProto", readers: Mapping[str, Reader]) -> None:
    """Call the sizes that may vary what they are: rows, and tokens or samples of an input."""
    names, of = {}, {mask: name for name, mask in mask_names(readers).items()}
    for value in graph.graph.input:
        name = of.get(value.name, value.name)
        sizes = value.type.tensor_type.shape.dim
        names[sizes[0].dim_param] = "rows"
        if readers[name].modality in LENGTHS and sizes[-1].dim_param:
            names[sizes[-1].dim_param] = f"{name}.{LENGTHS[readers[name].modality]}"
    for value in [*graph.graph.input, *graph.graph.output, *graph.graph.value_info]:
        for size in value.type.tensor_type.shape.dim:
            if size.dim_param in names:
                size.dim_param = names[size.dim_param]


@contextmanager
def _quiet() -> Iterator[None]:
    """torch's exporter warns of what it does not need."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


class _Part(nn.Module):
    def __init__(self, run: Any, parts: nn.Module):
        super().__init__()
        self.run, self.parts = run, parts

    def forward(self, *args: Tensor) -> Any:
        return self.run(*args)


def _blame(model: MultimodalModel, inputs: Mapping[str, tuple[Tensor, Tensor]], error: Exception) -> str:
    """Which part can't be exported: each is tried alone."""
    root = error
    while root.__cause__ is not None:
        root = root.__cause__
    why = (str(root).strip().splitlines() or [type(root).__name__])[0][:200]

    def fails(run: Any, part: nn.Module, args: list[Tensor]) -> bool:
        try:
            write_part(_Part(run, part), args, None, None, None)
        except Exception:  # whatever comes of it, this part is one
            return True
        return False

    for name, given in inputs.items():
        encoder = model.encoder(name)
        if fails(encoder, encoder, list(given)):
            inner = getattr(encoder, "body", None)
            kind = type(encoder).__name__ + ("" if inner is None else f", {type(inner).__name__}")
            return f"the encoder of the input '{name}' ({kind}) can't be exported to ONNX: {why}"
    tokens = torch.zeros(ROWS, 2, model.fusion.token_width)
    real = torch.ones(ROWS, 2, dtype=torch.bool)

    def fuse(tokens: Tensor, real: Tensor) -> Tensor:
        return model.fusion({name: Features(tokens, real) for name in model.modalities})

    if fails(fuse, model.fusion, [tokens, real]):
        return f"the fusion ({type(model.fusion).__name__}) can't be exported to ONNX: {why}"
    for name in model.targets:
        head = model.head(name)
        if fails(head, head, [torch.zeros(ROWS, model.fusion.width)]):
            return f"the head of the target '{name}' ({type(head).__name__}) can't be exported to ONNX: {why}"
    if model.wide is not None and fails(
        lambda *flat: model.wide({name: Input(flat[2 * i], flat[2 * i + 1]) for i, name in enumerate(inputs)}),
        model.wide, [part for given in inputs.values() for part in given],
    ):  # fmt: skip
        return f"the linear model beside the network can't be exported to ONNX: {why}"
    return f"the model can't be exported to ONNX: {why}"
