"""A run as a graph: the same answers without torch, and errors that name what can't be exported."""

import csv
import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

pytest.importorskip("onnxscript", reason="the extra sensorium[onnx] is not installed")

import onnx
import onnxruntime

import sensorium as sm
from sensorium.baselines.wide import Wide
from sensorium.build import build_model
from sensorium.data.table import read_table
from sensorium.data.tabular import VectorReader
from sensorium.data.targets import TargetCoder
from sensorium.data.text import TextReader
from sensorium.encoders import Features, Input, TextTransformer, VectorDense, VectorReLU
from sensorium.errors import ConfigError, DataError
from sensorium.evaluation.calibration import Calibration
from sensorium.export import onnx as export
from sensorium.export.onnx import export_onnx, graph_of, requirements, write_graph
from sensorium.export.onnx_forms import as_forms
from sensorium.export.onnx_graph import Answer, feed_of, mask_names, trace, write_part
from sensorium.export.onnx_report import compare_graph, session_of
from sensorium.export.onnx_small import halve, quantize
from sensorium.fusion import Concat
from sensorium.heads import Binary, Classification, Multilabel, Regression
from sensorium.model import MultimodalModel
from sensorium.runtime import load
from sensorium.single import Single

pytestmark = pytest.mark.slow
HEAVY = (
    "lightning",
    "lmdb",
    "pandas",
    "pyarrow",
    "pydantic",
    "safetensors",
    "scipy",
    "sklearn",
    "torch",
    "transformers",
    "yaml",
)
WITHOUT = f"""
import csv, json, sys


class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {HEAVY!r}:
            raise ImportError(f"{{name}} is not to be loaded")


sys.meta_path.insert(0, Nothing())
from sensorium.runtime import load

predictor = load(sys.argv[1])
with open(sys.argv[2]) as file:
    rows = list(csv.DictReader(file))
root = sys.argv[2].rpartition("/")[0]
print(json.dumps([predictor.predict(rows, root), predictor.predict_proba(rows, root).tolist(), predictor.classes]))
"""


@pytest.fixture(scope="module")
def predictor(config, table, tmp_path_factory):
    """A run with a linear part, and beside it the network of one input, which this table would not ask for."""
    inputs = {name: config["inputs"][name] for name in ("photo", "call", "note", "pose", "columns")}
    folder = tmp_path_factory.mktemp("to export") / "run"
    predictor = sm.fit(table, "label", config={**config, "inputs": inputs}, out=folder)
    own = predictor.config.model_copy(update={"inputs": {"note": predictor.config.inputs["note"]}})
    torch.manual_seed(0)
    predictor.model.single = Single(build_model(own, {"note": predictor.readers["note"]}, predictor.coders))
    predictor.model.single.set_share("label", 0.3)
    return predictor


@pytest.fixture(scope="module")
def graph(predictor):
    return graph_of(predictor)


@pytest.fixture(scope="module")
def folder(predictor, graph, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported") / "model"
    write_graph(folder, predictor, graph)
    return folder


def cells(table) -> list[dict[str, str]]:
    with table.open() as file:
        return list(csv.DictReader(file))


def test_without_torch_it_answers_as_the_run(folder, predictor, table):
    """The network, the linear part and the network of one input; every kind of input, some of them missing."""
    assert predictor.model.wide is not None
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, folder, table], capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answers, shares, classes = json.loads(done.stdout)
    want = predictor.predict_proba(table)
    assert classes == list(want.columns) == ["no", "yes"]
    assert answers == predictor.predict(table).tolist()
    np.testing.assert_allclose(shares, want, atol=1e-4)
    rows = cells(table)
    assert sum(not row["photo"] for row in rows) == 8
    assert sum(not row["call"] for row in rows) == 6


@pytest.mark.parametrize("column", ["photo", "call", "note", "pose", "age"])
def test_it_answers_from_any_one_input(folder, predictor, table, column):
    rows = [{column: row[column]} for row in cells(table)[:6]]
    want = predictor.predict_proba(pd.DataFrame(rows), table.parent)
    np.testing.assert_allclose(load(folder).predict_proba(rows, table.parent), want, atol=1e-4)


def test_a_row_alone_is_the_row_among_others(folder, table):
    model, rows = load(folder, threads=1), cells(table)
    together = model.predict_proba(rows, table.parent)
    alone = [model.predict_proba([row], table.parent)[0] for row in rows[:5]]
    np.testing.assert_allclose(alone, together[:5], atol=1e-5)


def test_its_inputs_are_named_and_take_any_number_of_rows(graph, predictor):
    sizes = {
        value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in graph.graph.input
    }
    assert list(sizes) == [name for given in predictor.readers for name in (given, f"{given}.mask")]
    assert sizes["photo"] == ["rows", 3, 16, 16]
    assert sizes["photo.mask"] == ["rows"]
    assert sizes["note"] == sizes["note.mask"] == ["rows", "note.tokens"]
    assert sizes["call"] == ["rows", "call.samples"]
    assert [value.name for value in graph.graph.output] == ["label"]
    onnx.checker.check_model(graph)


def test_the_folder_says_what_it_needs(folder, predictor):
    needed = [line.partition("==")[0] for line in (folder / "requirements.txt").read_text().split()]
    assert needed == ["av", "numpy", "onnxruntime", "pillow", "soundfile", "soxr", "tokenizers"]
    dated = SimpleNamespace(modality="tabular", kinds={"day": "date"})
    assert [line.partition("==")[0] for line in requirements({"columns": dated})] == ["numpy", "onnxruntime", "pandas"]


def test_what_was_changed_is_not_loaded(folder, tmp_path, predictor, graph):
    with pytest.raises(ConfigError, match=r"model already holds an exported model\. Export to another folder"):
        write_graph(folder, predictor, graph)
    with pytest.raises(ConfigError, match=r"model already holds an exported model\. Export to another folder"):
        export_onnx(predictor, folder)
    with pytest.raises(DataError, match=r"is no exported model: it has no model\.json"):
        load(tmp_path)
    told = json.loads((folder / "model.json").read_text())
    (tmp_path / "model.onnx").write_bytes((folder / "model.onnx").read_bytes() + b"\0")
    for text, message in [
        (json.dumps(told), r"model\.onnx is not the graph that was exported"),
        ("{", r"model\.json is damaged"),
        ("[]", r"model\.json has the format None; this sensorium reads format 1"),
        (json.dumps(told | {"format": 9}), r"has the format 9; this sensorium reads format 1"),
    ]:
        (tmp_path / "model.json").write_text(text)
        with pytest.raises(DataError, match=message):
            load(tmp_path)


def test_int8_and_half_keep_the_answers(predictor, graph, table):
    """Answers of this table are sure; what 8 bits cost on real rows, benchmarks/onnx_export.py measures."""
    rows = read_table(table)
    seen = export._training_rows(predictor, lambda _: None)
    small = {"int8": quantize(graph, "int8", seen), "dynamic": quantize(graph, "dynamic"), "half": halve(graph)}
    for name, made in small.items():
        found = compare_graph(predictor, made, rows)
        assert found["bytes"]["onnx"] < graph.ByteSize(), name
        assert found["scores"]["label"]["onnx"] >= found["scores"]["label"]["torch"] - 0.05, name
        assert found["difference"] < (0.01 if name == "half" else 0.3), name
        assert set(found["latency"]) == {1, 32}
    kinds = {node.op_type for node in small["int8"].graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= kinds
    weights = {weight.name for weight in small["int8"].graph.initializer if weight.data_type == onnx.TensorProto.INT8}
    assert any("model.encoders." in name for name in weights)
    assert not any("model.wide" in name or "model.heads" in name for name in weights)


def test_quantize_says_what_it_can(graph):
    with pytest.raises(
        ConfigError, match=r"unknown quantisation 'int9'\. Did you mean 'int8'\? There are: dynamic, int8"
    ):
        quantize(graph, "int9")
    nothing = write_part(nn.Tanh(), [torch.zeros(2, 2)], None, ["x"], ["y"])
    with pytest.raises(ConfigError, match="there is nothing to quantize"):
        quantize(nothing, "dynamic")


def test_int8_needs_training_rows(predictor, tmp_path):
    lost = SimpleNamespace(coders=predictor.coders, run={})
    with pytest.raises(
        DataError, match=r"int8 needs rows .* and their table is unknown\. Put it back, or take --quantize dynamic"
    ):
        export_onnx(lost, tmp_path / "out", quantization="int8")
    with pytest.raises(ConfigError, match="--half can't go with --quantize"):
        export_onnx(lost, tmp_path / "out", quantization="int8", half=True)


def test_what_has_no_answers_is_refused(predictor, monkeypatch):
    with pytest.raises(ConfigError, match="this run was pretrained, without a target, and has no answers to export"):
        graph_of(SimpleNamespace(coders={}))
    writer = SimpleNamespace(coders={"caption": TargetCoder("caption", "generation")})
    with pytest.raises(ConfigError, match=r"the head of the target 'caption' \(Generation\) can't be exported to ONNX"):
        graph_of(writer)
    monkeypatch.setattr(export, "MOST", 1)
    with pytest.raises(ConfigError, match="a graph must be under 2 GB to be one file; the weights of this run have"):
        graph_of(predictor)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr("sensorium.export.onnx_graph.find_spec", lambda name: None if name == "onnxscript" else 1)
    with pytest.raises(ConfigError, match=r"needs onnxscript\. Install it with: pip install 'sensorium\[onnx\]'"):
        graph_of(SimpleNamespace(coders={}))


class Moody(VectorDense):
    """Looks at what the values are."""

    def _encode(self, values, mask):
        return super()._encode(values if values.sum() > 0 else -values, mask)


class MoodyConcat(Concat):
    def fuse(self, slots, present):
        return super().fuse(slots if slots.sum() > 0 else -slots, present)


class MoodyHead(Classification):
    def forward(self, fused):
        return super().forward(fused if fused.sum() > 0 else -fused)


def tiny(encoder=VectorDense, fusion=Concat, head=Classification, names=("a", "b"), target="kind"):
    torch.manual_seed(0)
    model = MultimodalModel(
        {names[0]: VectorReLU(3, 8), names[1]: encoder(4, 8)}, fusion(8), {target: head(3, 8)}
    ).eval()
    readers = {name: VectorReader(name, size) for name, size in zip(names, (3, 4), strict=True)}
    return model, readers, {target: TargetCoder(target, "classification", ["x", "y", "z"])}, {target: Calibration(2.0)}


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"encoder": Moody}, r"the encoder of the input 'b' \(Moody\) can't be exported to ONNX: "),
        ({"fusion": MoodyConcat}, r"the fusion \(MoodyConcat\) can't be exported to ONNX: "),
        ({"head": MoodyHead}, r"the head of the target 'kind' \(MoodyHead\) can't be exported to ONNX: "),
    ],
)
def test_the_part_that_cant_be_exported_is_named(part, message):
    with pytest.raises(ConfigError, match=message):
        trace(*tiny(**part))


def test_names_that_the_graph_has_inside_do_no_harm():
    names = ("view", "view.mask")
    assert mask_names(names) == {"view": "view.mask_", "view.mask": "view.mask.mask"}
    model, readers, coders, calibration = tiny(names=names, target="mean")
    session = session_of(trace(model, readers, coders, calibration))
    a, b, there = torch.randn(5, 3), torch.randn(5, 4), torch.tensor([True, True, False, True, False])
    feed = {"view": a, "view.mask_": there, "view.mask": b, "view.mask.mask": ~there}
    (got,) = session.run(["mean"], {name: part.numpy() for name, part in feed.items()})
    logits = model({"view": Input(a, there), "view.mask": Input(b, ~there)})["mean"].detach()
    np.testing.assert_allclose(got, (logits / 2).softmax(1), atol=1e-5)


@pytest.mark.parametrize("most", [1, 5])
def test_texts_may_be_short(most):
    torch.manual_seed(0)
    encoders = {"note": TextTransformer(20, 8, layers=1, num_heads=2, max_tokens=most)}
    model = MultimodalModel(encoders, Concat(8), {"kind": Classification(3, 8)}).eval()
    reader = TextReader("note", max_tokens=most)
    coders = {"kind": TargetCoder("kind", "classification", ["x", "y", "z"])}
    session = session_of(trace(model, {"note": reader}, coders, {"kind": Calibration()}))
    for length in {1, most}:
        ids, mask = torch.randint(2, 20, (2, length)), torch.ones(2, length, dtype=torch.bool)
        (got,) = session.run(["kind"], feed_of({"note": Input(ids, mask)}, {"note": reader}))
        np.testing.assert_allclose(got, model({"note": ids})["kind"].detach().softmax(1), atol=1e-5)


@pytest.mark.parametrize(
    ("head", "task", "classes"),
    [
        (Binary(4), "binary", ["no", "yes"]),
        (Classification(3, 4), "classification", ["x", "y", "z"]),
        (Multilabel(2, 4), "multilabel", ["p", "q"]),
        (Regression(4), "regression", []),
    ],
)
def test_what_comes_after_the_logits_is_part_of_the_graph(head, task, classes):
    torch.manual_seed(1)
    model = MultimodalModel({"a": VectorReLU(3, 4)}, Concat(4), {"t": head}).eval()
    coder, calibration = TargetCoder("t", task, classes, mean=50.0, scale=7.0), Calibration(0.4)
    values, mask = torch.randn(6, 3) * 9, torch.ones(6, dtype=torch.bool)
    with torch.no_grad():
        got = Answer(model, {"t": coder}, {"t": calibration})(values, mask)[0].numpy()
        logits = model({"a": values})["t"]
    if task == "regression":
        np.testing.assert_allclose(got, coder.decode_numbers(logits.numpy()), rtol=1e-6)
    else:
        np.testing.assert_allclose(got, calibration.apply(task, head.probabilities(logits).numpy()), atol=1e-6)


def test_the_linear_part_says_the_same_of_every_kind_of_input():
    torch.manual_seed(0)
    motion = {"steps": 3, "grid": 4, "pictures": 1, "size": (8, 8)}
    readers = {
        "photos": SimpleNamespace(modality="image", bag=2),
        "clip": SimpleNamespace(modality="video"),
        "move": SimpleNamespace(modality="motion", options=motion),
        "call": SimpleNamespace(modality="audio", options={"sample_rate": 8000}),
        "note": SimpleNamespace(modality="text", vocabulary=20),
        "columns": SimpleNamespace(modality="tabular", numeric=2, sizes=(3, 2)),
        "pose": SimpleNamespace(modality="vector"),
        "never": SimpleNamespace(modality="vector"),  # that no training row had
    }
    rows = 12
    there = torch.rand(len(readers), rows) > 0.3
    codes = torch.cat([torch.randn(rows, 2), torch.randint(0, 3, (rows, 2))], 1)
    values = [
        torch.randint(0, 255, (rows, 2, 3, 20, 12)).byte(), torch.rand(rows, 4, 3, 16, 16),
        torch.rand(rows, 3 * 48 + 3 + 192), torch.rand(rows, 2400) - 0.5, torch.randint(0, 20, (rows, 9)), codes,
        torch.randn(rows, 5), torch.randn(rows, 5),
    ]  # fmt: skip
    masks = [
        there[0][:, None] & (torch.rand(rows, 2) > 0.4), there[1][:, None].expand(rows, 4), there[2],
        there[3][:, None] & (torch.arange(2400) < torch.randint(600, 2400, (rows, 1))),
        there[4][:, None] & (torch.rand(rows, 9) > 0.2), there[5][:, None] & (torch.rand(rows, 4) > 0.3), there[6],
        torch.zeros(rows, dtype=torch.bool),
    ]  # fmt: skip
    wide = Wide(readers, ["label", "price"])
    for part, value, mask in zip(wide.features.parts, values, masks, strict=True):
        part.fit([part.look(value, mask)])
    random, width = np.random.default_rng(0), sum(wide.features.sizes)
    for target, outputs in (("label", 3), ("price", 1)):
        wide.set_layer(target, random.normal(size=(outputs, width)), np.arange(outputs) * 1.0)
        wide.set_shares(target, 0.7, 0.6)
    masks[-1] = there[7]

    class Said(nn.Module):
        def __init__(self):
            super().__init__()
            self.wide = wide

        def forward(self, *flat):
            inputs = {name: Input(flat[2 * i], flat[2 * i + 1]) for i, name in enumerate(readers)}
            beside = self.wide.answer(self.wide.features(inputs))
            return tuple(self.wide.join(name, torch.ones_like(logits), logits) for name, logits in beside.items())

    flat = [part for pair in zip(values, masks, strict=True) for part in pair]
    shapes = [{0: torch.export.Dim("rows", min=1)}] * len(flat)
    names = [f"in_{i}" for i in range(len(flat))]
    graph = write_part(
        as_forms(Said()), [part[:3] for part in flat], {"flat": tuple(shapes)}, names, ["label", "price"]
    )
    got = session_of(graph).run(None, {name: part.numpy() for name, part in zip(names, flat, strict=True)})
    want = [part.detach() for part in Said()(*flat)]
    assert [tuple(part.shape) for part in want] == [(rows, 3), (rows,)]
    for one, other in zip(got, want, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_an_lstm_is_onnxs():
    torch.manual_seed(0)
    layer, x = nn.Sequential(nn.LSTM(3, 5, batch_first=True)), torch.randn(2, 4, 3)
    graph = write_part(as_forms(layer), [x], None, ["x"], ["y"])
    (got,) = onnxruntime.InferenceSession(graph.SerializeToString()).run(["y"], {"x": x.numpy()})
    assert [node.op_type for node in graph.graph.node].count("LSTM") == 1
    np.testing.assert_allclose(got, layer(x)[0].detach(), atol=1e-6)


def test_features_are_not_told_of_what_is_absent(graph, predictor, table):
    """An input that a row misses may hold anything, NaN included."""
    session, count = session_of(graph), 3
    feed = {}
    for value in graph.graph.input:
        shape = [count, *(d.dim_value or 2000 for d in value.type.tensor_type.shape.dim[1:])]
        kind = onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
        feed[value.name] = np.zeros(shape, dtype=kind)
    feed["note"], feed["note.mask"] = np.full((count, 4), 7), np.ones((count, 4), dtype=bool)
    (clean,) = session.run(None, feed)
    feed["pose"] = np.full_like(feed["pose"], np.nan)
    feed["photo"] = np.full_like(feed["photo"], 200)
    feed["columns"] = np.full_like(feed["columns"], np.nan)
    (dirty,) = session.run(None, feed)
    assert np.isfinite(clean).all()
    np.testing.assert_allclose(dirty, clean, atol=1e-6)
    assert isinstance(predictor.model.encode({"pose": torch.zeros(1, 3)})["pose"], Features)
