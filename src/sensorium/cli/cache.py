"""sensorium cache"""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from sensorium.cli.options import CacheSize, Cluster, ConfigFile, Json, MediaRoot, Workers, print_json, say

__all__ = ["cache"]


def cache(
    folder: Annotated[
        Path | None,
        typer.Option("--folder", help="Where it lies; $SENSORIUM_CACHE or the user's folder for caches else."),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Verify every value; delete damaged ones.")] = False,
    clear: Annotated[bool, typer.Option("--clear", help="Delete everything.")] = False,
    fill: Annotated[
        Path | None, typer.Option("--fill", metavar="TABLE", help="With --cluster: decode the media of its rows.")
    ] = None,
    run: Annotated[
        Path | None, typer.Option("--from", metavar="RUN", help="With --fill: as this run reads them.")
    ] = None,
    config: ConfigFile = None,
    media_root: MediaRoot = None,
    cluster: Cluster = None,
    workers: Workers = None,
    cache_size: CacheSize = None,
    json: Json = False,
) -> None:
    """Show, check, clear or fill what was decoded and kept on disk.

    Example: sensorium cache --fill train.csv --config sensorium.yaml --cluster auto --folder /shared/cache
    """
    from sensorium.errors import ConfigError
    from sensorium.media.cache import cache_folder, clear_cache, open_cache

    folder = folder or cache_folder()
    found = {}
    if (fill is None) != (cluster is None):
        raise ConfigError(
            "--fill TABLE and --cluster ADDRESS go together; --cluster local: by processes of this machine."
        )
    if clear:
        found["freed"] = clear_cache(folder)
    opened = open_cache(folder)
    if check:
        found["damaged"] = opened.check()
    if fill is not None:
        from sensorium.cluster.cache import fill as fill_cache

        found |= fill_cache(fill, run, config, folder, cluster, workers, cache_size, media_root, say=say)
    found |= opened.summary()
    if json:
        print_json(found)
        return
    if clear:
        print(f"{found['freed'] / 1e6:.1f} MB deleted.")
    if check:
        print(
            f"{found['entries'] + len(found['damaged'])} values checked; {len(found['damaged'])} damaged and deleted."
        )
    if fill is not None:
        print(f"{found['decoded']} files of {found['rows']} rows decoded.")
    oldest = found["oldest"]
    since = "" if oldest is None else f", the oldest last used {datetime.fromtimestamp(oldest):%Y-%m-%d %H:%M}"
    print(
        f"{found['folder']}: {found['entries']} values, {found['bytes'] / 1e6:.1f} MB{since}; {found['files']} files known"
    )
