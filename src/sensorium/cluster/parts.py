"""What comes of a table's parts, a file each, written whole or not at all: a part that is there is never made again."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sensorium.data.slices import Slices
from sensorium.data.table import as_parquet, write_atomically
from sensorium.errors import ConfigError, DataError
from sensorium.media.cache import content_digest

__all__ = ["Parts", "begin"]

FORMAT = 1
MANIFEST = "_manifest.json"  # readers of folders of Parquet skip what begins with _
PARTS = "part-*.parquet"
TRIES = "_tries"  # holds a file for each part that is being made, with a byte for each time that it was begun
ABOUT = "sensorium"
GROUP = 8192  # rows that are read at once again


@dataclass(frozen=True)
class Parts:
    """Numbered parts of one folder.

    Args:
        folder: of the files.
        mark: what the parts were made from: a hash of the table, the run and the options. Others' parts do not count.
    """

    folder: Path
    mark: str

    def path(self, part: int) -> Path:
        return self.folder / f"part-{part:06d}.parquet"

    def write(self, part: int, tables: Iterable[pa.Table], about: Mapping[str, Any]) -> None:
        """Keep a part.

        Args:
            part: its number.
            tables: its content, one after another; one at least.
            about: plain data, which is read when the last table has been taken.
        """

        def told() -> dict[str, str]:
            return {ABOUT: json.dumps({"mark": self.mark, "part": part, "about": about}, ensure_ascii=False)}

        write_atomically(self.path(part), as_parquet(tables, GROUP, told, write_page_checksum=True))

    def about(self, part: int) -> dict[str, Any] | None:
        """What was told about a part; None where it isn't there, or is damaged, or was made from something else."""
        try:
            told = json.loads(pq.read_metadata(self.path(part)).metadata[ABOUT.encode()])
        except (OSError, ValueError, LookupError, TypeError, pa.ArrowException):
            return None
        return told["about"] if (told["mark"], told["part"]) == (self.mark, part) else None

    def tables(self, count: int) -> Iterator[pa.Table]:
        """The first `count` parts, in order, without what was told about them; of large ones in pieces.

        Raises:
            DataError: a part is damaged.
        """
        for part in range(count):
            try:
                with pq.ParquetFile(self.path(part), page_checksum_verification=True) as file:
                    for group in range(file.num_row_groups):
                        table = file.read_row_group(group, use_threads=False)
                        own = {key: value for key, value in table.schema.metadata.items() if key != ABOUT.encode()}
                        yield table.replace_schema_metadata(own)
            except (OSError, pa.ArrowException) as error:
                raise DataError(f"{self.path(part)} is damaged. Delete it and run the same command again.") from error

    def begun(self, part: int) -> int:
        """Note that a part is begun; how often it has been, which is more than once where a process died of it."""
        self.folder.joinpath(TRIES).mkdir(exist_ok=True)
        with self._tries(part).open("ab") as file:
            file.write(b".")
            return file.tell()

    def ended(self, part: int) -> None:
        """Note that a part is there."""
        self._tries(part).unlink(missing_ok=True)

    def forget_tries(self) -> None:
        """Begin to count anew."""
        shutil.rmtree(self.folder / TRIES, ignore_errors=True)

    def remove(self) -> None:
        """Delete the folder, its manifest after the parts: they are known until they are gone."""
        for path in self.folder.glob(PARTS):
            path.unlink()
        shutil.rmtree(self.folder)

    def _tries(self, part: int) -> Path:
        return self.folder / TRIES / str(part)


def begin(
    folder: Path, table: Path, made_from: Mapping[str, Any], lay_out: Callable[[], Slices]
) -> tuple[Parts, Slices]:
    """The parts of a folder, which may hold some from an earlier time, and where the rows for them are.

    Args:
        folder: made where it is not there.
        table: the file of the rows.
        made_from: all that the parts depend on beside the table's rows, as plain data.
        lay_out: called where there is nothing yet.

    Raises:
        ConfigError: the folder holds something else, or parts that were made from something else.
        DataError: the table can't be read, or the folder can't be written to.
    """
    manifest, some = folder / MANIFEST, any(folder.glob(PARTS))
    if not manifest.is_file() or not some:
        if folder.is_dir() and any(path for path in folder.iterdir() if not path.name.startswith(("_", "."))):
            raise ConfigError(f"{folder} holds something else than parts of a table. Take another place, or delete it.")
        slices = lay_out()
        told = {"format": FORMAT, "made_from": dict(made_from), "slices": slices.to_json()}
        write_atomically(manifest, json.dumps(told, ensure_ascii=False).encode())
    told = json.loads(manifest.read_bytes())
    slices = Slices.from_json(told["slices"])
    wanted = {"format": FORMAT, **json.loads(json.dumps(made_from)), "table": content_digest(table).hex()}
    there = {"format": told["format"], **told["made_from"], "table": slices.digest}
    if wanted != there:
        other = ", ".join(sorted(key for key in wanted.keys() | there.keys() if wanted.get(key) != there.get(key)))
        raise ConfigError(
            f"{folder} holds parts that were made from something else ({other} differs). Give the same again to go on "
            "with them, delete the folder, or take another place."
        )
    return Parts(folder, hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()), slices
