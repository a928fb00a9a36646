"""A run as one file, model.sensorium: its folder's files in a container, with a manifest of their checksums.

Nothing of a file is opened before all of it is checked: the container's spelling, the names, the sizes, every SHA-256 and,
where one is asked for, the signature. What comes out is a run folder, which is read as any other.
"""

import hashlib
import json
import os
import re
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from sensorium.data.table import write_atomically
from sensorium.errors import ConfigError, DataError, SensoriumError
from sensorium.export.archive import check_files, read_json
from sensorium.export.container import PIECE, Entry, contained, pieces, read_entries

__all__ = [
    "CARD", "LIMITS", "MANIFEST", "SIGNATURE", "SUFFIX", "check_unpacked", "is_packed", "opened", "pack", "save_packed",
    "sign", "unpack",
]  # fmt: skip

FORMAT = 1
SUFFIX = ".sensorium"
MANIFEST, SIGNATURE, CARD = "manifest.json", "signature.json", "README.md"
ROWS = ("out_of_fold.csv", "problems.csv")  # what tells of single rows that were learned from
MIB = 2**20
# The most bytes of each file that may be there; the weights are as large as the network, which is checked against them.
LIMITS = {
    CARD: 4 * MIB,
    "config.yaml": MIB // 4,
    "history.csv": 64 * MIB,
    "history.png": 16 * MIB,
    "inputs.json": 256 * MIB,
    MANIFEST: MIB,
    "metrics.json": 64 * MIB,
    "out_of_fold.csv": 2048 * MIB,
    "problems.csv": 2048 * MIB,
    "run.json": 64 * MIB,
    "schema.json": 64 * MIB,
    SIGNATURE: MIB,
    "weights.safetensors": 2**50,
}
TOKENIZER = re.compile(r"tokenizers/(target-)?(0|[1-9]\d{0,3})\.json", re.ASCII)


def pack(run: str | os.PathLike[str], file: str | os.PathLike[str], card: str = "", rows: bool = True) -> None:
    """Write the folder of a finished run as one file. The same run gives the same bytes.

    Args:
        run: the folder.
        file: that must not be there yet.
        card: Markdown for README.md, where the folder has none.
        rows: also what tells of single rows that were learned from: answers to them, cells that could not be read, their
            numbers, and the folders that they lay in.

    Raises:
        ConfigError: the file is there already.
        DataError: no finished run, or one that was changed since it was saved.
    """
    folder, file = Path(run), Path(file)
    if file.exists():
        raise ConfigError(f"{file} is there already. Take another name, or delete it.")
    files = packable(folder)
    if card and CARD not in files:
        files[CARD] = card.encode()
    if not rows:
        files = without_rows(files)
    manifest = write_manifest(files)
    signed = folder / SIGNATURE
    if signed.is_file() and (folder / MANIFEST).is_file() and (folder / MANIFEST).read_bytes() == manifest:
        files[SIGNATURE] = signed  # of exactly these files
    write_atomically(file, contained({**files, MANIFEST: manifest}))


def save_packed(file: Path, predictor: Any) -> None:
    """Write a predictor as one file, with its card; see `pack`."""
    from sensorium.export.card import card
    from sensorium.export.run_folder import write_run

    if file.exists():
        raise ConfigError(f"{file} is there already. Take another name, or delete it.")
    with tempfile.TemporaryDirectory() as place:
        write_run(Path(place) / "run", predictor)
        pack(Path(place) / "run", file, card(predictor, file.stem))


def packable(folder: Path) -> dict[str, Path | bytes]:
    """The files of a finished run that a packed one has, by name, once they are sure to be those that were saved."""
    run = read_json(folder / "run.json")
    if not isinstance(run, dict) or not isinstance(run.get("files"), dict):
        raise DataError(f"{folder / 'run.json'} is damaged and can't be read. Restore it or fit again.")
    check_files(folder, run["files"])
    found = [folder / name for name in LIMITS if name not in {MANIFEST, SIGNATURE}]
    found += [path for path in sorted(folder.glob("tokenizers/*.json")) if limit(_name(folder, path)) is not None]
    return {_name(folder, path): path for path in found if path.is_file()}


def without_rows(files: Mapping[str, Path | bytes]) -> dict[str, Path | bytes]:
    """The files of a run, but for what tells of single rows and of where they lay."""
    run = json.loads(b"".join(pieces(files["run.json"])))
    for source in (run.get("data") or {}).values():
        if source is not None:
            del source["rows"]
    kept = {name: content for name, content in files.items() if name not in ROWS}
    return {**kept, "run.json": (json.dumps(_names_alone(run), ensure_ascii=False, indent=1) + "\n").encode()}


def unpack(
    file: str | os.PathLike[str], folder: str | os.PathLike[str], key: str | os.PathLike[str] | None = None
) -> None:
    """Write the run of one file as a folder, all of it or nothing.

    Args:
        file: of `pack`.
        folder: that must not be there yet, or be empty.
        key: the file of a public key, which it must be signed for.

    Raises:
        ConfigError: the folder holds something already.
        DataError: it is no packed run, was changed, or is not signed as asked.
    """
    file, folder = Path(file), Path(folder)
    if not is_packed(file):
        raise DataError(f"cannot unpack {file}: there is no such file.")
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise ConfigError(f"{folder} is there already and not empty. Take another folder.")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as place:
            made = Path(place) / folder.name
            made.mkdir()
            _extract(file, made, key)
            made.replace(folder)
    except OSError as error:
        raise DataError(f"cannot write {folder}: {error.strerror}.") from error


@contextmanager
def opened(run: Path, key: str | os.PathLike[str] | None = None) -> Iterator[Path]:
    """The folder of a run that is a folder or one file; that of a file is there for the while.

    Args:
        run: the folder or file.
        key: the file of a public key, which it must be signed for.

    Raises:
        DataError: the file is no packed run, was changed, or is not signed as asked.
    """
    if not is_packed(run):
        if key is not None:
            check_unpacked(run, key)
        yield run
        return
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "run"
        folder.mkdir()
        _extract(run, folder, key)
        try:
            yield folder
        except SensoriumError as error:  # what is told is about the file, the folder is gone soon
            raise type(error)(str(error).replace(str(folder), str(run))) from error


def sign(run: str | os.PathLike[str], key: str | os.PathLike[str]) -> None:
    """Sign a run, a folder or one file, with a private key; another signature that it had is gone.

    Raises:
        ConfigError: the key can't be read, or cryptography is not installed.
        DataError: no finished run, or one that was changed since it was saved.
    """
    from sensorium.export.signature import signature_of  # here: it needs a library that is not always there

    run = Path(run)
    with opened(run) as folder:
        files = packable(folder)
        manifest = write_manifest(files)
        signed = signature_of(manifest, Path(key))
        if is_packed(run):
            write_atomically(run, contained({**files, MANIFEST: manifest, SIGNATURE: signed}))
        else:
            write_atomically(run / MANIFEST, manifest)
            write_atomically(run / SIGNATURE, signed)


def check_unpacked(folder: Path, key: str | os.PathLike[str] | None) -> None:
    """Be sure that the files of a run's folder are those that its manifest names, if it has one.

    Args:
        folder: of the run.
        key: the file of a public key, which the manifest must be there and signed for.

    Raises:
        DataError: they are not.
    """
    signed, listed = folder / SIGNATURE, folder / MANIFEST
    if not listed.is_file():
        if key is not None:
            raise DataError(f"{folder} is not signed, and a signature is asked for.")
        return
    manifest = listed.read_bytes()
    if key is not None:
        _verify(manifest, signed.read_bytes() if signed.is_file() else None, key, folder)
    files = packable(folder)
    sums, found = read_manifest(manifest, str(folder)), read_manifest(write_manifest(files), str(folder))
    if odd := sorted(set(sums) ^ set(found)):
        raise DataError(f"{folder} is not what its {MANIFEST} says: {odd[0]!r:.80} is in one of them alone.")
    if changed := [name for name in sums if found[name] != sums[name]]:
        raise DataError(f"{folder} is not what its {MANIFEST} says: the checksum of '{changed[0]}' differs.")


def is_packed(run: Path) -> bool:
    """Whether a run is one file."""
    return run.is_file() or (run.suffix == SUFFIX and not run.exists())


def limit(name: str) -> int | None:
    """The most bytes that a packed file of this name may have; None: it has no such file."""
    return 256 * MIB if TOKENIZER.fullmatch(name) else LIMITS.get(name)


def write_manifest(files: Mapping[str, Path | bytes]) -> bytes:
    """The SHA-256 of each file, as JSON."""
    sums = {}
    for name in sorted(files):
        digest = hashlib.sha256()
        for piece in pieces(files[name]):
            digest.update(piece)
        sums[name] = digest.hexdigest()
    return (json.dumps({"format": FORMAT, "files": sums}, indent=1) + "\n").encode()


def read_manifest(content: bytes, name: str) -> dict[str, str]:
    """The SHA-256 of each file.

    Raises:
        DataError: it is damaged, or of another format; the message begins with `name`.
    """
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name} is damaged: its {MANIFEST} can't be read.") from error
    if not isinstance(found, dict) or not isinstance(found.get("files"), dict):
        raise DataError(f"{name} is damaged: its {MANIFEST} can't be read.")
    if found.get("format") != FORMAT:
        raise DataError(f"{name} has the format {found.get('format')!r:.20}; this sensorium reads format {FORMAT}.")
    return found["files"]


def _extract(path: Path, folder: Path, key: str | os.PathLike[str] | None) -> None:
    """Write the files of a packed run to an empty folder, and be sure of all of them."""
    try:
        with path.open("rb") as file:
            entries = read_entries(file, os.fstat(file.fileno()).st_size, str(path), limit)
            if MANIFEST not in entries:
                raise DataError(f"{path} is no archive of sensorium: it has no {MANIFEST}.")
            manifest = b"".join(_content(file, entries[MANIFEST], path))
            sums = read_manifest(manifest, str(path))
            if odd := sorted(set(sums) ^ (set(entries) - {MANIFEST, SIGNATURE})):
                raise DataError(f"{path} is not what its {MANIFEST} says: {odd[0]!r:.80} is in one of them alone.")
            signed = b"".join(_content(file, entries[SIGNATURE], path)) if SIGNATURE in entries else None
            if key is not None:
                _verify(manifest, signed, key, path)
            for name, entry in entries.items():
                digest, target = hashlib.sha256(), folder / name  # a name of `limit`'s: it can't lead elsewhere
                target.parent.mkdir(exist_ok=True)
                with target.open("xb") as made:
                    for piece in _content(file, entry, path):
                        digest.update(piece)
                        made.write(piece)
                if name in sums and digest.hexdigest() != sums[name]:
                    raise _changed(path, name)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}.") from error


def _content(file: BinaryIO, entry: Entry, path: Path) -> Iterator[bytes]:
    file.seek(entry.begin)
    left, crc = entry.size, 0
    while left:
        piece = file.read(min(left, PIECE))
        if not piece:
            raise DataError(f"{path} ends early, within '{entry.name}': it is not whole.")
        left, crc = left - len(piece), zlib.crc32(piece, crc)
        yield piece
    if crc != entry.crc:
        raise _changed(path, entry.name)


def _changed(path: Path, name: str) -> DataError:
    return DataError(f"{path} was changed since it was written: the checksum of '{name}' differs. It is not loaded.")


def _verify(manifest: bytes, signed: bytes | None, key: str | os.PathLike[str], path: Path) -> None:
    from sensorium.export.signature import check_signature  # here: it needs a library that is not always there

    check_signature(manifest, signed, Path(key), str(path))


def _name(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix()


def _names_alone(told: Any) -> Any:
    """Plain data with the names of files in place of their paths."""
    if isinstance(told, dict):
        return {key: _names_alone(value) for key, value in told.items()}
    if isinstance(told, list):
        return [_names_alone(value) for value in told]
    return Path(told).name if isinstance(told, str) and Path(told).is_absolute() else told
