"""The process that answers a table's parts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch

from sensorium.cluster.parts import Parts
from sensorium.cluster.stream import PartWorker
from sensorium.data.slices import Slices
from sensorium.data.table import Table
from sensorium.predictor import load

__all__ = ["Answerer"]


class Answerer(PartWorker):
    """Loads the run once, and answers part after part with a processor for the network and one decoding process.

    Args:
        parts, slices: of the table.
        run: its folder, or its one file.
        options: coverage and sample, as `Predictor.answers` takes them.
        cache_size: MB of decoded media that this machine keeps; None: as the run says.
    """

    def __init__(self, parts: Parts, slices: Slices, run: Path, options: Mapping[str, Any], cache_size: int | None):
        super().__init__(parts, slices)
        torch.set_num_threads(1)  # as many processes as there are processors
        self.options, self.predictor = options, load(run)
        training = self.predictor.config.training
        changed = {"workers": 0 if training.workers == 0 else 1}
        if cache_size is not None:
            changed["cache_size"] = cache_size
        self.predictor.config = self.predictor.config.model_copy(
            update={"training": training.model_copy(update=changed)}
        )

    def work(self, part: int, table: Table) -> tuple[list[pa.Table], dict[str, Any]]:
        said: list[str] = []
        answers = self.predictor._answers(table, said.append, **self.options, checked=part > 0)
        problems, before = self.predictor.problems, part * self.slices.size
        own = set(problems.lines())
        about = {
            "said": [line for line in said if line not in own],
            "problems": [count._replace(row=count.row + before) for count in problems.counts()],
        }
        return [pa.Table.from_pandas(answers, preserve_index=False)], about
