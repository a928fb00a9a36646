"""Answers to a table of any size by many processes: in streams, resumable, exactly one answer a row."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sensorium import __version__
from sensorium.cluster.answerer import Answerer
from sensorium.cluster.connect import LOCAL
from sensorium.cluster.parts import begin
from sensorium.cluster.stream import tell, work_through
from sensorium.data.slices import lay_out
from sensorium.data.table import check_writable, write_parts
from sensorium.media.cache import content_digest
from sensorium.predictor import Say, load

__all__ = ["predict"]

ROWS = 8192  # of a part, about


def predict(
    run: str | os.PathLike[str],
    table: str | os.PathLike[str],
    output: str | os.PathLike[str],
    address: str = LOCAL,
    workers: int | None = None,
    coverage: float | None = None,
    sample: Mapping[str, float] | None = None,
    media_root: str | os.PathLike[str] | None = None,
    cache_size: int | None = None,
    rows: int = ROWS,
    say: Say = lambda _: None,
    report: Callable[[dict[str, Any]], None] = lambda _: None,
) -> int:
    """Write what `Predictor.answers` says of a table's rows, in their order, by processes of a Ray cluster.

    The table is cut into numbered parts. Each part's answers are a Parquet file, written whole or not at all; a part that
    is there is skipped when the same is asked again, after whatever stopped it. Rows are read, decoded and answered in the
    same batches as by one machine, and no process holds more than a part. Run, table, media and output must lie in
    folders that all machines see under the same path.

    Args:
        run: its folder, or its one file.
        table: .csv, .tsv, .parquet, .jsonl.
        output: a file, written once all parts are there (they lie in OUTPUT.parts until then); or, without an ending, a
            folder: the parts themselves, which readers of Parquet take as one table.
        address: see `sensorium.cluster.connect.cluster`.
        workers: processes, of one processor each; None: as many as the cluster has processors.
        coverage, sample: see `Predictor.answers`.
        media_root: where relative paths start.
        cache_size: MB of decoded media that each machine keeps; 0: none; None: as the run says.
        rows: of a part; made a multiple of the run's batch.
        say: called with warnings, and how far it is.
        report: called with `part` and `process` when a part is there.

    Returns:
        the number of rows.

    Raises:
        ConfigError: an option that can't be, no Ray, or parts of something else where the output is to be.
        DataError: the table or the run can't be read, or the output can't be written.
    """
    run, table, output = Path(run).absolute(), Path(table).absolute(), Path(output).absolute()
    into = bool(output.suffix)
    if into:
        check_writable(output)
    predictor = load(run)
    predictor._check_asked(coverage, sample)
    batch = predictor._batch
    size = batch * max(1, rows // batch)
    options = {"coverage": coverage, "sample": None if sample is None else dict(sample)}
    mark = content_digest(run if run.is_file() else run / "run.json").hex()
    root = None if media_root is None else Path(media_root).absolute()
    made_from = {
        "run": mark,
        "options": options,
        "rows a part": size,
        "media root": str(root),
        "sensorium": __version__,
    }
    folder = output.with_name(f"{output.name}.parts") if into else output
    parts, slices = begin(folder, table, made_from, lambda: lay_out(table, folder, size, root))
    work_through(address, Answerer, parts, slices, (run, options, cache_size), workers, say, report)
    tell(parts, slices, say)
    if into:
        write_parts(parts.tables(len(slices)), output)
        parts.remove()
    else:
        for laid in folder.glob("_table.*"):
            laid.unlink()
    return slices.rows
