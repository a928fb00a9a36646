import numpy as np

from sensorium.federated.moments import moments_of, pooled


def test_sites_together_have_the_moments_of_all_their_rows():
    random = np.random.default_rng(0)
    sites = [random.normal(1e6, 2.0, (size, 3)) for size in (1, 40, 7)]  # far from 0: sums of squares would lose it
    sites[1][:, 2] = np.nan  # a site without numbers in a column
    whole, rows = pooled([moments_of(site) for site in sites]), np.concatenate(sites)
    np.testing.assert_array_equal(whole.count, np.isfinite(rows).sum(0))
    np.testing.assert_allclose(whole.mean, np.nanmean(rows, 0), rtol=1e-14)
    np.testing.assert_allclose(whole.scale, np.nanstd(rows, 0), rtol=1e-9)


def test_numbers_that_are_all_one_are_divided_by_1():
    assert pooled([moments_of(np.full((3, 1), 4.0)), moments_of(np.full((2, 1), 4.0))]).scale == 1.0
    assert moments_of(np.full((3, 1), np.nan)).mean == 0.0
