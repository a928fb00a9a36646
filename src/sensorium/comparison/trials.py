"""One cell of a comparison, from rows to answers on disk."""

import io
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from sensorium.baselines.handmade import HandMade, together
from sensorium.baselines.kernel import fit_kernel
from sensorium.baselines.naive_bayes import fit_naive_bayes
from sensorium.baselines.stacking import fit_stack, stack_answers
from sensorium.build import build_loader, build_readers
from sensorium.comparison.cells import Cell, network
from sensorium.comparison.held_out import Part
from sensorium.config import Config
from sensorium.data.batches import Rows
from sensorium.data.problems import Problems
from sensorium.data.schema import Schema
from sensorium.data.table import write_atomically
from sensorium.data.targets import CLASSED, TargetCoder, fit_target, shifted
from sensorium.evaluation.alone import said
from sensorium.evaluation.answers import outputs
from sensorium.evaluation.metrics import MAIN
from sensorium.export.archive import read_json, write_json
from sensorium.training.fit import fit_readers, run_fit

__all__ = ["Outcome", "Trials"]

MOST_ROWS = {"svm": 8000, "logistic": 20_000, "ridge": 20_000}  # an SVM's time grows with the square of the rows
TIME_OUT = "the time limit"  # as training says it


@dataclass
class Outcome:
    """What came of a cell.

    Args:
        cell: whose it is.
        output: what it says of each held-out row, in the order of the parts: probabilities (seeds, N, classes), or
            numbers in the target's unit (seeds, N).
        answers: class numbers (seeds, N) where there are classes.
        seconds: it took, all folds and seeds together.
        parameters: of one model.
        valid: the mean score on the validation rows, of a network.
        cut: the time limit stopped its training.
        note: what else there is to say.
    """

    cell: Cell
    output: np.ndarray
    answers: np.ndarray
    seconds: float
    parameters: int
    valid: float | None = None
    cut: bool = False
    note: str = ""

    def save(self, folder: Path) -> None:
        """Write answers, then the rest, which says that both are there."""
        content = io.BytesIO()
        np.savez(content, output=self.output, answers=self.answers)
        write_atomically(folder / f"{self.cell.file}.npz", content.getvalue())
        told = {"cell": asdict(self.cell), "seconds": self.seconds, "parameters": self.parameters}
        told |= {"valid": self.valid, "cut": self.cut, "note": self.note}
        write_json(folder / f"{self.cell.file}.json", told)

    @classmethod
    def load(cls, cell: Cell, folder: Path) -> "Outcome | None":
        """The outcome that is there, or None."""
        path = folder / f"{cell.file}.json"
        if not (path.exists() and path.with_suffix(".npz").exists()):
            return None
        told = read_json(path)
        with np.load(path.with_suffix(".npz"), allow_pickle=False) as arrays:
            return cls(cell, arrays["output"], arrays["answers"], **{k: v for k, v in told.items() if k != "cell"})


@dataclass
class Trials:
    """Runs cells on the same rows. It can be sent to another process.

    Args:
        parts: rows to learn from and rows to answer, one or a fold each.
        config: complete; of one target.
        schema: of the columns.
        coder: of the target, over all parts.
        seeds: networks of each cell; classical models have no chance in them.
        folder: where outcomes are kept.
    """

    parts: list[Part]
    config: Config
    schema: Schema
    coder: TargetCoder
    seeds: int
    folder: Path
    # Classical cells of one input share its features.
    features: dict[tuple[int, str], tuple[Any, Any]] = field(default_factory=dict, repr=False)

    def run(self, cell: Cell, limit: float | None = None) -> Outcome:
        """Fit and answer all parts with all seeds, and keep what comes of it.

        Args:
            cell: to run.
            limit: s for all of it; what is left is shared by the fits to come. Classical models pay it no heed.

        Raises:
            SensoriumError: the cell can't be run.
        """
        started = time.monotonic()
        seeds = 1 if cell.generation == "classical" else self.seeds
        found, valid, stops, parameters, left = [], [], set(), 0, seeds * len(self.parts)
        for seed in range(seeds):
            said_of_parts = []
            for place in range(len(self.parts)):
                if cell.generation == "classical":
                    one, parameters = self._classical(cell, place)
                else:
                    share = None if limit is None else max(0.1, (limit - (time.monotonic() - started)) / left)
                    one, parameters, score, stopped = self._network(cell, self.parts[place], seed, share)
                    stops.add(stopped)
                    valid.extend([] if score is None else [score])
                said_of_parts.append(one)
                left -= 1
            found.append([np.concatenate(arrays) for arrays in zip(*said_of_parts, strict=True)])
        output, answers = (np.stack(arrays) for arrays in zip(*found, strict=True))
        outcome = Outcome(
            cell, output, answers, time.monotonic() - started, parameters,
            float(np.mean(valid)) if valid else None, TIME_OUT in stops, self._note(cell),
        )  # fmt: skip
        outcome.save(self.folder)
        return outcome

    def _network(
        self, cell: Cell, part: Part, seed: int, limit: float | None
    ) -> tuple[tuple[np.ndarray, np.ndarray], int, float | None, str]:
        """Output and answers, parameters, validation score, and why the training stopped."""
        name, config = self.coder.name, network(self.config, cell)
        training = {"seed": config.training.seed + seed, "time_limit": limit, "probes": False}
        split = config.split.model_copy(update={"folds": None})
        config = config.model_copy(update={"training": config.training.model_copy(update=training), "split": split})
        with tempfile.TemporaryDirectory() as scratch:
            fitted = run_fit(part.train, None, config, self.schema, Path(scratch), False, _nothing, _nothing)
        coder = fitted.coders[name]
        rows = Rows(part.held, fitted.readers, None, Problems(), build_loader(config))
        output = outputs(fitted.model, rows, max(config.training.batch_size, 32))[name]
        if name in fitted.calibration:
            output = fitted.calibration[name].apply(coder.task, output)
        parameters = sum(parameter.numel() for parameter in fitted.model.parameters())
        if fitted.model.wide is not None:
            parameters += fitted.model.wide.fitted
        score = fitted.metrics["targets"].get(name, {}).get("valid", {}).get(MAIN[self.coder.task])
        valid = None if score is None else score["value"]
        return self._common(coder, output), parameters, valid, fitted.metrics["stopped"]

    def _classical(self, cell: Cell, place: int) -> tuple[tuple[np.ndarray, np.ndarray], int]:
        """Output and answers, and parameters."""
        table = self.parts[place].train
        coder = fit_target(self.coder.name, table.cells(self.coder.name), self.config.targets[self.coder.name].task)
        codes = coder.encode(table.cells(coder.name))[0]
        train, held = ({name: self._features(place, name)[side] for name in cell.inputs} for side in (0, 1))
        if cell.model == "naive_bayes":
            fitted = fit_naive_bayes(coder.task, train, codes)
            return self._common(coder, said(coder, fitted, held)), fitted.parameters
        chosen = _drawn(codes, coder, MOST_ROWS[cell.model])
        train, codes = {name: part[chosen] for name, part in train.items()}, codes[chosen]
        if cell.model == "svm":
            columns = [together(list(side.values())) for side in (train, held)]
            machine = fit_kernel(coder.task, columns[0], codes)
            return self._common(coder, said(coder, machine, columns[1])), _size(machine)
        stack = fit_stack(coder.task, train, codes, coder.outputs)
        return self._common(coder, stack_answers(coder.task, held, stack)), stack.weight.size + stack.bias.size

    def _features(self, place: int, name: str) -> tuple[Any, Any]:
        """Hand-made features of one input: of the rows to learn from, and of those to answer."""
        if (place, name) not in self.features:
            part = self.parts[place]
            config = self.config.model_copy(update={"inputs": {name: self.config.inputs[name]}})
            readers, loader = build_readers(config, self.schema), build_loader(config)
            fit_readers(readers, part.train)
            rows = [Rows(table, readers, None, Problems(), loader) for table in part]
            features = HandMade(readers)
            features.fit(rows[0], range(len(rows[0])))
            self.features[place, name] = tuple(features.matrix(own, range(len(own)))[name] for own in rows)
        return self.features[place, name]

    def _common(self, coder: TargetCoder, output: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Output and answers of a model with a coder of its own, as the common coder has the classes."""
        if coder.task == "regression":
            return coder.decode_numbers(output), np.zeros(len(output), dtype=np.int64)
        at = np.array([self.coder.classes.index(name) for name in coder.classes])
        full = np.zeros((len(output), len(self.coder.classes)))
        full[:, at] = output
        if coder.task not in CLASSED:
            return full, np.zeros(len(output), dtype=np.int64)
        return full, at[(shifted(output, coder.offsets) if coder.offsets else output).argmax(1)]

    def _note(self, cell: Cell) -> str:
        rows = max(len(part.train) for part in self.parts)
        most = MOST_ROWS.get(cell.model, rows) if cell.generation == "classical" else rows
        return f"learned from {most} of {rows} rows" if rows > most else ""


def _drawn(codes: np.ndarray, coder: TargetCoder, most: int) -> np.ndarray:
    """At most `most` rows, and one more of each class that the draw missed."""
    if len(codes) <= most:
        return np.arange(len(codes))
    drawn = np.random.default_rng(0).choice(len(codes), most, replace=False)
    if coder.task in CLASSED:
        drawn = np.union1d(drawn, np.unique(codes, return_index=True)[1])
    return np.sort(drawn)


def _size(machine: Any) -> int:
    """Numbers that a kernel machine keeps."""
    fitted = getattr(machine, "fitted", machine)
    arrays = (fitted.dual_coef_, fitted.support_vectors_, fitted.intercept_)
    return int(sum(array.nnz if sparse.issparse(array) else array.size for array in arrays))


def _nothing(_: Any) -> None:
    """A cell's own lines would drown the comparison's."""
