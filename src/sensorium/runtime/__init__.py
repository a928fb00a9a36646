"""Answers from a graph that `sensorium export` wrote: needs numpy, onnxruntime and what reads its inputs, and no torch."""

from sensorium.runtime.predictor import OnnxPredictor, load

__all__ = ["OnnxPredictor", "load"]
