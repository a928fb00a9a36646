"""sensorium cache"""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from sensorium.cli.options import Json, print_json

__all__ = ["cache"]


def cache(
    folder: Annotated[
        Path | None,
        typer.Option("--folder", help="Where it lies; $SENSORIUM_CACHE or the user's folder for caches else."),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Verify every value; delete damaged ones.")] = False,
    clear: Annotated[bool, typer.Option("--clear", help="Delete everything.")] = False,
    json: Json = False,
) -> None:
    """Show, check or clear what was decoded and kept on disk.

    Example: sensorium cache --check
    """
    from sensorium.media.cache import cache_folder, clear_cache, open_cache

    folder = folder or cache_folder()
    found = {}
    if clear:
        found["freed"] = clear_cache(folder)
    opened = open_cache(folder)
    if check:
        found["damaged"] = opened.check()
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
    oldest = found["oldest"]
    since = "" if oldest is None else f", the oldest last used {datetime.fromtimestamp(oldest):%Y-%m-%d %H:%M}"
    print(
        f"{found['folder']}: {found['entries']} values, {found['bytes'] / 1e6:.1f} MB{since}; {found['files']} files known"
    )
