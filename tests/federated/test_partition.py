import numpy as np
import pytest

from sensorium.data.table import read_table
from sensorium.errors import ConfigError, DataError
from sensorium.federated.partition import by_column, by_shares, without_inputs

ROWS = {"x": list(range(300)), "label": [("a", "b", "c")[i % 3] for i in range(300)], "place": ["n", "s", ""] * 100}


def test_each_value_of_a_column_is_a_site():
    sites = by_column(read_table(ROWS), "place")
    assert list(sites) == ["n", "s"]
    assert list(sites["s"].cells("x"))[:3] == [1, 4, 7]
    assert "place" not in sites["n"].columns
    with pytest.raises(ConfigError, match=r"--by one: must have 2 values at least, one a site; the table has 1"):
        by_column(read_table({**ROWS, "one": ["k"] * 300}), "one")
    with pytest.raises(ConfigError, match=r"has no column 'plac'\. Did you mean 'place'"):
        by_column(read_table(ROWS), "plac")


def test_shares_differ_the_more_the_smaller_alpha_is():
    table = read_table(ROWS)

    def apart(alpha):
        sites = by_shares(table, "label", 3, alpha, seed=0)
        rows = sorted(x for site in sites.values() for x in site.cells("x"))
        assert rows == list(range(300))  # every row is at one site
        shares = [[list(site.cells("label")).count(c) / len(site) for c in "abc"] for site in sites.values()]
        return np.std(shares, axis=0).mean()

    assert apart(1000.0) < 0.05 < 0.15 < apart(0.3)
    with pytest.raises(DataError, match=r"40 sites with alpha=0\.1 leave some site fewer than 10 of 300 rows"):
        by_shares(table, "label", 40, 0.1, seed=0)
    with pytest.raises(ConfigError, match="sites must be 2 or more and alpha above 0; got 1 and 1"):
        by_shares(table, "label", 1, 1.0, seed=0)


def test_a_site_can_lack_a_column():
    sites = without_inputs(by_column(read_table(ROWS), "place"), ["n:x"])
    assert sites["n"].columns == ["label"]
    assert "x" in sites["s"].columns
    with pytest.raises(ConfigError, match="lacks must be SITE:COLUMN, such as north:photo; got 'nx'"):
        without_inputs(sites, ["nx"])
    with pytest.raises(ConfigError, match="site 's' has no column 'y'"):
        without_inputs(sites, ["s:y"])
