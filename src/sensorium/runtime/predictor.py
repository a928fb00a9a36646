"""An exported graph that answers rows."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sensorium.data.targets import TargetCoder
from sensorium.errors import ConfigError, DataError
from sensorium.runtime.folder import GRAPH, read_description
from sensorium.runtime.inputs import GraphInput

__all__ = ["OnnxPredictor", "load"]

BATCH = 32  # rows asked at once
Say = Callable[[str], None]


def load(folder: str | os.PathLike[str], threads: int | None = None) -> "OnnxPredictor":
    """The predictor of a folder that `sensorium export` wrote.

    Args:
        folder: with model.onnx and model.json.
        threads: of the processor; None: all.

    Raises:
        ConfigError: onnxruntime is not installed.
        DataError: no exported model, damaged, or another graph than the one exported.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise ConfigError("an exported model needs onnxruntime. Install it with: pip install onnxruntime") from error
    folder = Path(folder)
    told = read_description(folder)
    options = onnxruntime.SessionOptions()
    if threads is not None:
        options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(folder / GRAPH, options, providers=["CPUExecutionProvider"])
    return OnnxPredictor(session, told)


class OnnxPredictor:
    """The answers of a graph. Made by `load`.

    Args:
        session: of onnxruntime.
        told: what model.json says.
    """

    def __init__(self, session: Any, told: Mapping[str, Any]):
        self.session, self.told = session, told
        self.inputs = {name: GraphInput(one) for name, one in told["inputs"].items()}
        self.coders = {name: TargetCoder(name=name, **one) for name, one in told["outputs"].items()}
        self.problems: list[tuple[int, str, str, str]] = []  # of the last rows: number from 1, column, kind, reason

    def predict(self, rows: Any, media_root: str | os.PathLike[str] = ".", say: Say = lambda _: None) -> Any:
        """The answer for each row: a list for one target, a dict of lists for several. As `Predictor.predict`.

        Args:
            rows: dicts, one a row; or columns by name: a dict of lists, a DataFrame.
            media_root: where relative paths start.
            say: called with warnings.
        """
        found = {}
        for name, output in self.outputs(rows, media_root, say).items():
            coder = self.coders[name]
            found[name] = (output if coder.task == "regression" else coder.named(output)).tolist()
        return next(iter(found.values())) if len(found) == 1 else found

    def predict_proba(self, rows: Any, media_root: str | os.PathLike[str] = ".", say: Say = lambda _: None) -> Any:
        """Calibrated probabilities (rows, classes), in the order of `classes`; a dict of them for several targets.

        Raises:
            ConfigError: no target has classes.
        """
        classed = [name for name, coder in self.coders.items() if coder.classes]
        if not classed:
            raise ConfigError(f"targets {', '.join(self.coders)} are numbers and have no probabilities; use predict.")
        outputs = self.outputs(rows, media_root, say)
        return outputs[classed[0]] if len(self.coders) == 1 else {name: outputs[name] for name in classed}

    @property
    def classes(self) -> Any:
        """The classes' names; a dict of them for several targets."""
        names = {name: coder.classes for name, coder in self.coders.items() if coder.classes}
        return next(iter(names.values()), []) if len(self.coders) == 1 else names

    def outputs(
        self, rows: Any, media_root: str | os.PathLike[str] = ".", say: Say = lambda _: None
    ) -> dict[str, np.ndarray]:
        """What the graph says of each row, by target: probabilities (rows, classes), or numbers (rows,)."""
        columns, count = self._columns(rows, say)
        root, parts, self.problems = Path(media_root), [], []
        for start in range(0, max(count, 1), BATCH):  # of no rows one is asked, which holds nothing
            places = range(start, min(start + BATCH, max(count, 1)))
            parts.append(self.session.run(list(self.coders), self._feed(columns, places, root)))
        for line in sorted({f"{column}: {reason}" for _, column, _, reason in self.problems})[:5]:
            say(line)
        found = map(np.concatenate, zip(*parts, strict=True))
        return {name: output[:count] for name, output in zip(self.coders, found, strict=True)}

    def _feed(self, columns: Mapping[str, Sequence[Any]], places: Sequence[int], root: Path) -> dict[str, np.ndarray]:
        feed: dict[str, np.ndarray] = {}
        for one in self.inputs.values():

            def note(place: int, kind: str, reason: str, column: str = one.columns[0]) -> None:
                self.problems.append((places[place] + 1, column, kind, reason))

            feed |= one.read([[columns[name][place] for name in one.columns] for place in places], root, note)
        return feed

    def _columns(self, rows: Any, say: Say) -> tuple[dict[str, Sequence[Any]], int]:
        """The cells of every column that is read, and how many rows there are."""
        wanted = dict.fromkeys(name for one in self.inputs.values() for name in one.columns)
        if hasattr(rows, "keys"):
            given = {name: list(rows[name]) for name in rows.keys()}
            lengths = {len(cells) for cells in given.values()}
            if len(lengths) > 1:
                raise DataError(f"columns must have as many cells each; got {', '.join(map(str, sorted(lengths)))}.")
            count = next(iter(lengths), 0)
        else:
            rows = list(rows)
            count, names = len(rows), dict.fromkeys(name for row in rows for name in row)
            given = {name: [row.get(name) for row in rows] for name in names}
        absent = [name for name in wanted if name not in given]
        if count and len(absent) == len(wanted):
            raise DataError(
                f"the rows have none of the columns that the model reads: {', '.join(sorted(absent)[:5])}. "
                f"They have: {', '.join(list(given)[:5])}."
            )
        if absent and count:
            say(f"the rows lack the columns {', '.join(absent)}; they count as missing.")
        return {name: given.get(name) or [None] * max(count, 1) for name in wanted}, count
