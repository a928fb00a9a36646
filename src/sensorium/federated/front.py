"""Federated learning: simulate it, serve it, take part in it."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sensorium.data.table import read_table
from sensorium.errors import ConfigError
from sensorium.federated.library import need_flower
from sensorium.federated.options import parse_terms
from sensorium.federated.partition import by_column, by_shares, without_inputs
from sensorium.planning import over
from sensorium.predictor import Predictor, Say
from sensorium.training.parts import Report

__all__ = ["join", "serve", "simulate"]

MESSAGE = 512  # MB


def simulate(
    table: Any,
    target: str | Sequence[str],
    *,
    by: str | None = None,
    sites: int = 5,
    alpha: float = 1.0,
    lacks: Sequence[str] = (),
    away: Callable[[str, int], bool] | None = None,
    out: str | os.PathLike[str] | None = None,
    config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    settings: Sequence[str] = (),
    ignore: Sequence[str] = (),
    modalities: Mapping[str, str] | None = None,
    media_root: str | os.PathLike[str] | None = None,
    terms: Mapping[str, Any] | None = None,
    say: Say = lambda _: None,
    report: Report = lambda _: None,
    **training: Any,
) -> Predictor:
    """Learn as several sites would that keep their rows, each with a part of one table, in this process.

    Args:
        table: anything `read_table` takes.
        target: the column, or several.
        by: a column; each value of it is a site. None: `sites` of them, with shares of each class drawn by `alpha`.
        sites, alpha: see `sensorium.federated.partition.by_shares`.
        lacks: SITE:COLUMN, columns that a site is to lack.
        away: whether a site (its name) is away in a round (from 1).
        out: the run folder; None keeps the run in memory.
        config, settings, ignore, modalities, media_root, training: as for `fit`.
        terms: see `sensorium.federated.options.Terms`, such as {"rounds": 20, "strategy": "fedprox"}.
        say, report: called with lines of text, and after each round.

    Raises:
        SensoriumError: whatever is wrong with the table, the options or the media.
    """
    need_flower()
    from sensorium.federated.grid import LocalGrid
    from sensorium.federated.rounds import Server
    from sensorium.federated.site import Site

    _free(out)
    rows, names = read_table(table, media_root), [target] if isinstance(target, str) else list(target)
    seed = training.get("seed", 0)
    parts = by_shares(rows, names[0], sites, alpha, seed) if by is None else by_column(rows, by)
    parts = without_inputs(parts, lacks)
    chosen = parse_terms({"sites": 3 if (terms or {}).get("secure") else 2, **(terms or {}), "wait": 0.1})
    members = {
        name: Site(
            part, name, None, [column for column in ignore if column in part.columns],
            {column: kind for column, kind in (modalities or {}).items() if column in part.columns}, say=say,
        )
        for name, part in parts.items()
    }  # fmt: skip
    state = {"round": 0}
    grid = LocalGrid(members, lambda: {name for name in members if away is not None and away(name, state["round"])})

    def told(row: dict[str, Any]) -> None:
        state["round"] = row["round"] + 1
        report(row)

    state["round"] = 1
    predictor = Server(grid, chosen, _given(config, settings, training), names, say, told).run()
    if out is not None:
        predictor.save(out)
    return predictor


def serve(
    target: str | Sequence[str],
    *,
    listen: str = "0.0.0.0:8700",
    certificates: str | os.PathLike[str] | None = None,
    insecure: bool = False,
    out: str | os.PathLike[str] | None = None,
    config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    settings: Sequence[str] = (),
    terms: Mapping[str, Any] | None = None,
    most: int = MESSAGE,
    say: Say = lambda _: None,
    report: Report = lambda _: None,
    **training: Any,
) -> Predictor:
    """Lead a federation: wait for its sites, agree, and average what they learn. It needs no rows.

    Args:
        target: the column, or several.
        listen: host:port.
        certificates: a folder with authority.pem, server.pem and server.key, see `sensorium federate keys`.
        insecure: without certificates: anybody may come, and read what passes.
        out: the run folder; None keeps the run in memory.
        config, settings, training: as for `fit`; the sites' tables fill in what is left open.
        terms: see `sensorium.federated.options.Terms`.
        most: MB of a message; a model's weights must fit in.
        say, report: called with lines of text, and after each round.

    Raises:
        SensoriumError: whatever is wrong with the options, or too few sites came.
    """
    need_flower()
    from sensorium.federated.network import NetworkGrid
    from sensorium.federated.rounds import Server

    _free(out)
    chosen, given = parse_terms(dict(terms or {})), _given(config, settings, training)
    credentials = _credentials(certificates, "server", insecure)
    grid = NetworkGrid(listen, credentials, most * 2**20, say)
    say(f"listening at port {grid.port}, {'without encryption' if insecure else 'encrypted, with certificates'}.")
    try:
        names = [target] if isinstance(target, str) else list(target)
        predictor = Server(grid, chosen, given, names, say, report).run()
    finally:
        grid.close()
    if out is not None:
        predictor.save(out)
    return predictor


def join(
    table: Any,
    server: str,
    name: str,
    *,
    valid: Any = None,
    certificates: str | os.PathLike[str] | None = None,
    insecure: bool = False,
    secure: bool = False,
    epsilon: float | None = None,
    delta: float = 1e-5,
    clip: float = 1.0,
    out: str | os.PathLike[str] | None = None,
    ignore: Sequence[str] = (),
    modalities: Mapping[str, str] | None = None,
    media_root: str | os.PathLike[str] | None = None,
    most: int = MESSAGE,
    patience: float = 600.0,
    say: Say = lambda _: None,
) -> Predictor | None:
    """Take part in a federation with the rows of a table, which stay here.

    Args:
        table: anything `read_table` takes.
        server: its host:port.
        name: of this site, as in its certificate.
        valid: rows to validate with; a part of `table` where left out.
        certificates: a folder with authority.pem, NAME.pem and NAME.key.
        insecure: without certificates: anybody may read what passes, and pose as the server.
        secure: take part only where the server uses secure aggregation.
        epsilon, delta, clip: noise on all updates before they leave, see `sensorium.federated.site.OwnNoise`; None: none.
        out: the folder for the federation's model; None: it is only returned.
        ignore: columns that no one is to hear of.
        modalities, media_root: as for `fit`.
        most: MB of a message.
        patience: s that the server may be away.
        say: called with lines of text.

    Returns:
        The federation's model; None where the federation ended without this site.

    Raises:
        SensoriumError: whatever is wrong with the table or the options, or the server is away for too long.
    """
    need_flower()
    from sensorium.federated.network import take_part
    from sensorium.federated.site import OwnNoise, Site

    _free(out)
    credentials = _credentials(certificates, name, insecure)
    rows = read_table(table, media_root)
    checked = None if valid is None else read_table(valid, media_root)
    noise = None if epsilon is None else OwnNoise(epsilon, delta, clip)
    folder = None if out is None else Path(out)
    site = Site(rows, name, checked, list(ignore), modalities, noise, secure, folder, say)
    take_part(server, credentials, site, name, most * 2**20, patience, say)
    return site.predictor


def _given(config: Any, settings: Sequence[str], training: Mapping[str, Any]) -> dict[str, Any]:
    """What is written of the configuration, as plain data."""
    from sensorium.config import set_value

    given = over(config, {"training": training})
    for setting in settings:
        set_value(given, setting)
    return given


def _free(out: str | os.PathLike[str] | None) -> None:
    if out is not None and (Path(out) / "run.json").exists():
        raise ConfigError(f"{out} already holds a run. Take another --out, or delete it.")


def _credentials(folder: str | os.PathLike[str] | None, name: str, insecure: bool) -> Any:
    from sensorium.federated.certificates import Credentials

    if insecure and folder is not None:
        raise ConfigError("certificates and insecure exclude each other: give one of them.")
    if insecure:
        return None
    if folder is None:
        raise ConfigError(
            "a federation needs certificates: give the folder that `sensorium federate keys` made (--certificates). "
            "--insecure does without, for trials on one machine."
        )
    return Credentials(Path(folder), name)
