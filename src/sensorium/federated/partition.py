"""One table to the tables of several sites, to simulate a federation."""

from collections.abc import Sequence

import numpy as np

from sensorium.data.groups import row_names
from sensorium.data.table import Table
from sensorium.errors import ConfigError, DataError, did_you_mean

__all__ = ["by_column", "by_shares", "without_inputs"]

FEWEST = 10  # rows of a site
TRIES = 100  # drawings of shares


def by_column(table: Table, column: str) -> dict[str, Table]:
    """A site for each value of a column; rows without one belong to none.

    Raises:
        ConfigError: there is no such column, or it has one value.
    """
    if column not in table.columns:
        raise ConfigError(f"{table.name} has no column '{column}'. {did_you_mean(column, table.columns)}")
    called = row_names(table, column)
    names, sites = np.array(called), [name for name in sorted(set(called)) if name]
    if len(sites) < 2:
        raise ConfigError(f"--by {column}: must have 2 values at least, one a site; {table.name} has {len(sites)}.")
    return {name: table.take(np.flatnonzero(names == name)).without([column]) for name in sites}


def by_shares(table: Table, target: str, sites: int, alpha: float, seed: int) -> dict[str, Table]:
    """Sites that have different shares of each class, drawn from a Dirichlet distribution.

    Reference: Hsu, Qi and Brown 2019, Measuring the Effects of Non-Identical Data Distribution for Federated Visual
        Classification.

    Args:
        table: the rows; those without a target belong to no site.
        target: a column of classes.
        sites: how many.
        alpha: above 0; the smaller, the more a class is at one site; at 100 all sites are nearly alike.
        seed: of the drawing.

    Raises:
        ConfigError: there is no such column, or a number that can't be.
        DataError: some site has fewer than 10 rows in each of 100 drawings.
    """
    if target not in table.columns:
        raise ConfigError(f"{table.name} has no column '{target}'. {did_you_mean(target, table.columns)}")
    if sites < 2 or not alpha > 0:
        raise ConfigError(f"sites must be 2 or more and alpha above 0; got {sites} and {alpha:g}.")
    random, names = np.random.default_rng(seed), np.array(row_names(table, target))
    for _ in range(TRIES):
        parts: list[list[int]] = [[] for _ in range(sites)]
        for name in sorted(set(names) - {""}):
            rows = random.permutation(np.flatnonzero(names == name))
            ends = np.round(np.cumsum(random.dirichlet([alpha] * sites))[:-1] * len(rows)).astype(int)
            for part, more in zip(parts, np.split(rows, ends), strict=True):
                part.extend(more)
        if min(map(len, parts)) >= FEWEST:
            return {f"site{place + 1}": table.take(np.sort(part)) for place, part in enumerate(parts)}
    raise DataError(
        f"{sites} sites with alpha={alpha:g} leave some site fewer than {FEWEST} of {len(table)} rows. Take fewer sites, or a larger alpha."
    )


def without_inputs(sites: dict[str, Table], lacking: Sequence[str]) -> dict[str, Table]:
    """Sites some of which lack columns: each of `lacking` says SITE:COLUMN.

    Raises:
        ConfigError: there is no such site or column.
    """
    found = dict(sites)
    for pair in lacking:
        site, colon, column = pair.partition(":")
        if not colon or site not in found:
            raise ConfigError(
                f"lacks must be SITE:COLUMN, such as north:photo; got '{pair}'. {did_you_mean(site, found)}"
            )
        if column not in found[site].columns:
            raise ConfigError(f"site '{site}' has no column '{column}'. {did_you_mean(column, found[site].columns)}")
        found[site] = found[site].without([column])
    return found
