"""Decode a table's media on many machines, each file once, into one cache."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sensorium import __version__
from sensorium.build import build_readers
from sensorium.cluster.connect import LOCAL
from sensorium.cluster.decoder import Decoder
from sensorium.cluster.parts import Parts, begin
from sensorium.cluster.stream import tell, work_through
from sensorium.config import Config
from sensorium.data.media_readers import MediaReader
from sensorium.data.slices import lay_out
from sensorium.data.table import read_table
from sensorium.errors import ConfigError, DataError
from sensorium.media.cache import MediaCache, cache_folder, open_cache
from sensorium.planning import plan
from sensorium.predictor import Say, load

__all__ = ["fill"]

ROWS = 1024  # of a part


def fill(
    table: str | os.PathLike[str],
    run: str | os.PathLike[str] | None = None,
    config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    folder: str | os.PathLike[str] | None = None,
    address: str = LOCAL,
    workers: int | None = None,
    size: int | None = None,
    media_root: str | os.PathLike[str] | None = None,
    rows: int = ROWS,
    say: Say = lambda _: None,
    report: Callable[[dict[str, Any]], None] = lambda _: None,
) -> dict[str, Any]:
    """Decode what a table's cells name as a run, or a fit with a configuration, reads it; processes of a Ray cluster do.

    LMDB has one writer a file, and its locks do not hold over a network. So the processes write numbered parts beside
    the cache, as `sensorium.cluster.predict` does, and this one puts them into it at the end. What stopped it goes on
    when the same is asked again. Table, media and folder must be seen by all machines under the same path.

    Args:
        table: .csv, .tsv, .parquet, .jsonl.
        run: that reads its media so; or
        config: of a fit. Without either the table is read as a fit without a configuration reads it.
        folder: of the cache; the usual one where left out.
        address: see `sensorium.cluster.connect.cluster`.
        workers: processes, of one processor each; None: as many as the cluster has processors.
        size: MB that the cache may hold; None: as the run or the configuration says.
        media_root: where relative paths start.
        rows: of a part.
        say: called with warnings, and how far it is.
        report: called with `part` and `process` when a part is there.

    Returns:
        rows; decoded: how many files were, of which some may be alike; and what `MediaCache.summary` says.

    Raises:
        ConfigError: an option that can't be, no Ray, nothing to decode, or parts of something else where these would be.
        DataError: the table or the run can't be read, or the cache can't be written to.
    """
    table = Path(table).absolute()
    options, readers = _readers(table, run, config, media_root)
    folder = Path(folder or cache_folder()).absolute()
    limit = 10**6 * (options.training.cache_size if size is None else size)
    if not limit:
        raise ConfigError("the cache may hold nothing: training.cache_size is 0. Give --cache-size MB.")
    root = None if media_root is None else Path(media_root).absolute()
    recipes = {name: reader.recipe.digest.hex() for name, reader in readers.items()}
    inputs = {name: [reader.columns[0], reader.bag, recipes[name]] for name, reader in readers.items()}
    made_from = {"inputs": inputs, "rows a part": rows, "media root": str(root), "sensorium": __version__}
    place = folder / f"{table.name}.parts"
    parts, slices = begin(place, table, made_from, lambda: lay_out(table, place, rows, root))
    decode = options.limits.decode_seconds, options.limits.decode_memory
    work_through(address, Decoder, parts, slices, (readers, recipes, decode), workers, say, report)
    decoded = sum(about["files"] for about in tell(parts, slices, say))
    cache = open_cache(folder, limit)
    size = _put(parts, len(slices), cache)
    parts.remove()
    if size > limit:
        say(f"warning: the values have {size / 1e6:.0f} MB, and the cache keeps {limit / 1e6:.0f} MB of them.")
    return {"rows": slices.rows, "decoded": decoded, **cache.summary()}


def _readers(table: Path, run: Any, config: Any, media_root: Any) -> tuple[Config, dict[str, MediaReader]]:
    """The configuration, and the readers of columns of media."""
    if run is not None:
        if config is not None:
            raise ConfigError("a run has its configuration: give --from or --config, not both.")
        predictor = load(run)
        options, readers = predictor.config, predictor.readers
    else:
        options, schema = plan(read_table(table, media_root), config=config, targets=False)
        readers = build_readers(options, schema)
    found = {name: reader for name, reader in readers.items() if isinstance(reader, MediaReader)}
    if not found:
        raise ConfigError(f"{table.name} has no column of pictures, recordings or clips: there is nothing to decode.")
    return options, found


def _put(parts: Parts, count: int, cache: MediaCache) -> int:
    """Put all parts into the cache; the bytes of their values."""
    size = 0
    for table in parts.tables(count):
        found = dict(zip(table["key"].to_pylist(), table["value"].to_pylist(), strict=True))
        size += sum(map(len, found.values()))
        cache.put_packed(found)
        if cache.failure is not None:
            raise DataError(
                f"cannot write to {cache.folder}: {cache.failure}. The parts stay; run the same command again."
            )
    return size
