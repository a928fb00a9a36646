"""One run that answers requests."""

import asyncio
import base64
import copy
import json
from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import numpy as np

from sensorium.evaluation.answers import outputs
from sensorium.media.cache import content_digest
from sensorium.media.limits import Limits
from sensorium.media.pool import DecoderPool
from sensorium.predictor import Predictor, load
from sensorium.serving.batching import Batcher
from sensorium.serving.examples import EXAMPLES
from sensorium.serving.fields import fields_of
from sensorium.serving.metrics import Metrics
from sensorium.serving.options import Options
from sensorium.serving.refusal import Refusal
from sensorium.serving.rows import ReadRow, ReadRows, read_row
from sensorium.serving.schema import RunSchema

__all__ = ["Engine", "Workers", "mark"]

MOST_EXPLAINED = 8  # rows of one request
NOT_FINITE = "what comes out is no finite number; a number in it is far from all of training"


class Workers:
    """What the runs of a server share: processes that decode, a thread for the network, one for explanations.

    Args:
        decoders: processes that decode media.
        network, explaining: of one thread each.
    """

    def __init__(self, decoders: DecoderPool, network: Executor, explaining: Executor):
        self.decoders, self.network, self.explaining = decoders, network, explaining

    def warm(self) -> None:
        """Have a decoding process start, so that the first request needn't wait for it."""
        self.decoders.submit("image", base64.b64decode(EXAMPLES["image"]()), {"size": (2, 2)})

    def close(self) -> None:
        """End them, when what they are at is done. What still waits in line is of requests that nobody waits for any more."""
        for thread in (self.network, self.explaining):
            thread.shutdown(cancel_futures=True)
        self.decoders.close()


class Engine:
    """A predictor, what its requests look like, and the batches of its rows.

    Args:
        predictor: of a run with targets.
        run: its name for clients.
        options: of the server.
        workers: of the server.
        metrics: of the server.
    """

    def __init__(self, predictor: Predictor, run: str, options: Options, workers: Workers, metrics: Metrics):
        predictor._answering()
        self.predictor, self.run, self.options, self.workers, self.metrics = predictor, run, options, workers, metrics
        coders = predictor.coders.items()
        self.writers = {name: coder for name, coder in coders if coder.task == "generation"}
        prompts = tuple(coder.prompt for coder in self.writers.values() if coder.prompt is not None)
        self.schema = RunSchema(fields_of(predictor.readers, prompts, options.max_characters), options.max_rows)
        own = predictor.config.limits
        self.limits = Limits(
            min(own.max_pixels, options.max_pixels),
            min(own.max_seconds, options.max_seconds),
            min(own.max_bytes, options.max_bytes),
        )
        self._explained: Any = None
        self._batcher: Batcher | None = None

    @classmethod
    def load(cls, folder: Path, options: Options, workers: Workers, metrics: Metrics) -> "Engine":
        """The engine of a run, once it has answered a row.

        Raises:
            DataError: no finished run, damaged or changed.
            ConfigError: a run without targets.
        """
        folder = folder.resolve()  # another run may take its place meanwhile
        predictor = load(folder)
        engine = cls(predictor, run_name(folder), options, workers, metrics)
        engine.answer([engine._empty_row()])
        return engine

    async def predict(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The answers to the rows of a request, as `RunSchema.read` gives them.

        Raises:
            Refusal: 422, no number comes out of it.
        """
        if self._batcher is None:  # it belongs to the loop that it is used in
            self._batcher = Batcher(self.answer, self.options.batch, self.options.wait, self.workers.network)
        wanted = True
        try:
            read = await self._read(rows)
            found = await asyncio.gather(*(self._batcher.answer(row, lambda: wanted) for row in read))
        finally:
            wanted = False  # where the request's time was up
        for place, answer in enumerate(found):
            if answer is None:
                raise Refusal(422, "the rows can't be answered.", [(f"rows.{place}", NOT_FINITE)])
        return [self._told(row, answer) for row, answer in zip(read, found, strict=True)]

    async def explain(
        self,
        rows: Sequence[dict[str, Any]],
        target: str | None,
        label: str | None,
        parts: bool,
        language: str | None = None,
    ) -> list[dict[str, Any]]:
        """Explanations of the rows of a request, see `Explanation.to_json`; in a language, drawn as HTML besides.

        Raises:
            ConfigError: an unknown target or class; a package that `parts` need is not installed.
            Refusal: 422, more rows than are explained at once, or no number comes out of it.
        """
        from sensorium.explain.rows import asked  # here: it is asked for rarely

        if len(rows) > MOST_EXPLAINED:
            reason = f"must be at most {MOST_EXPLAINED} rows to explain; got {len(rows)}."
            raise Refusal(422, "too many rows.", [("rows", reason)])
        coder, output = asked(self.predictor.coders, target, label)
        read = await self._read(rows)
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self.workers.explaining, self._explain, read, coder, output, parts, language)
        try:
            json.dumps(found, allow_nan=False)
        except ValueError:
            raise Refusal(422, "the rows can't be explained.", [("rows", NOT_FINITE)]) from None
        return found

    def answer(self, rows: Sequence[ReadRow]) -> list[dict[str, Any] | None]:
        """The answers to rows of several requests, by target as (answer, probabilities); None: no finite number."""
        model, coders = self.predictor.model, self.predictor.coders
        with self.metrics.model_seconds.time(), np.errstate(all="ignore"):
            said = outputs(model, ReadRows(rows, self.predictor.readers, self.writers), len(rows))
            told: dict[str, tuple[list[Any], np.ndarray | None]] = {}
            finite = np.ones(len(rows), dtype=bool)
            for name, coder in coders.items():
                output = self.predictor.calibration[name].apply(coder.task, said[name])
                finite &= np.isfinite(output.reshape(len(rows), -1)).all(1)
                told[name] = coder.decode(output).tolist(), output if coder.classes else None
        self.metrics.batch_rows.observe(len(rows))
        return [
            {name: (answers[i], None if all_ is None else all_[i]) for name, (answers, all_) in told.items()}
            if finite[i]
            else None
            for i in range(len(rows))
        ]

    async def _read(self, rows: Sequence[dict[str, Any]]) -> list[ReadRow]:
        with self.metrics.read_seconds.time():
            pool = self.workers.decoders
            read = await asyncio.gather(*(read_row(row, self.predictor.readers, pool, self.limits) for row in rows))
        for row in read:
            for _, kind, _ in row.problems:
                self.metrics.problems.labels(kind).inc()
        return read

    def _told(self, row: ReadRow, answer: dict[str, Any]) -> dict[str, Any]:
        classes = {name: coder.classes for name, coder in self.predictor.coders.items()}
        return {
            "answers": {name: said for name, (said, _) in answer.items()},
            "probabilities": {
                name: dict(zip(classes[name], map(float, probabilities), strict=True))
                for name, (_, probabilities) in answer.items()
                if probabilities is not None
            },
            "missing": row.missing,
            "problems": [{"field": column, "kind": kind, "reason": reason} for column, kind, reason in row.problems],
        }

    def _explain(
        self, rows: list[ReadRow], coder: Any, output: int | None, parts: bool, language: str | None
    ) -> list[dict[str, Any]]:
        from sensorium.explain.rows import explain_rows

        if self._explained is None:  # attributions put hooks into a network, where predictions must not meet them
            self._explained = copy.deepcopy(self.predictor.model)
        calibration = self.predictor.calibration[coder.name]
        told = ReadRows(rows, self.predictor.readers)
        with self.metrics.explain_seconds.time(), np.errstate(all="ignore"):
            method = "auto" if parts else None
            found = explain_rows(self._explained, told, coder, calibration, len(rows), output, method)
            drawn = [{} if language is None else {"html": one.html(language)} for one in found]
        return [{**one, **html} for one, html in zip(found.to_json(), drawn, strict=True)]

    def _empty_row(self) -> ReadRow:
        return ReadRow(dict.fromkeys(self.schema.fields), dict.fromkeys(self.predictor.readers))


def mark(run: Path) -> Path:
    """The file that is another one where a run is another: of a folder run.json, of one file itself."""
    return run if run.is_file() else run / "run.json"


def run_name(run: Path) -> str:
    """A short name of what is in a run: the beginning of its checksum."""
    return content_digest(mark(run)).hex()[:12]
