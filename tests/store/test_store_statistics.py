"""Moments, histogram and quantiles, joined tile by tile, are those of all values at once."""

import numpy as np
import pytest
from scipy import stats

from thermohw.errors import InputError
from thermohw.estimate import Estimate
from thermohw.store import CELLS, Statistics

PATHS = 20_000
# A heat far from zero beside a narrow spread, in joule, heavy to the right; and a Gaussian.
VALUES = {
    "skewed": lambda rng: 5e-20 + 1e-21 * rng.gamma(2.0, size=(PATHS, 2)),
    "gaussian": lambda rng: rng.normal(size=(PATHS, 2)),
}


def joined(values, tile):
    found = Statistics(values.shape[1:])
    for start in range(0, len(values), tile):
        found.add(values[start : start + tile])
    return found


@pytest.fixture(params=VALUES)
def values(request):
    return VALUES[request.param](np.random.default_rng(1))


@pytest.mark.parametrize("tile", [PATHS, 4096, 333])
def test_moments_are_those_of_all_values(values, tile):
    """Round-off: a mean of n numbers is exact to n u of their size at worst, and so are sums of
    their powers, relative to the spread (2 n u = 4e-12, of which cubes and fourths take 4)."""
    found, size = joined(values, tile), np.abs(values).max(0)
    bound = 8.0 * PATHS * np.finfo(float).eps
    np.testing.assert_allclose(found.mean, values.mean(0), rtol=0, atol=bound * size.max())
    np.testing.assert_allclose(found.variance, values.var(0, ddof=1), rtol=bound)
    away = bound * (1.0 + size / values.std(0))  # a mean that is off shifts third powers
    assert (np.abs(found.skewness - stats.skew(values)) <= 8.0 * away).all()
    kurtosis = stats.kurtosis(values, fisher=False)
    assert (np.abs(found.kurtosis - kurtosis) <= 8.0 * away * kurtosis).all()
    assert (found["minimum"] == values.min(0)).all() and (found["maximum"] == values.max(0)).all()
    assert found.count == PATHS and (found.cells.sum(1) == PATHS).all()


def test_estimate_is_that_of_the_paths(values):
    found, direct = joined(values, 777), Estimate.from_paths(values[:, 0])
    one = Statistics.of(values[:, 0])
    assert one.estimate().value == pytest.approx(direct.value, rel=1e-12)
    assert one.estimate().stderr == pytest.approx(direct.stderr, rel=1e-10)
    assert one.estimate().lean == pytest.approx(direct.lean, rel=1e-8)
    assert found.stderr[0] == pytest.approx(direct.stderr, rel=1e-10)


def test_counts_do_not_depend_on_the_order_of_tiles(values):
    """The first tile fixes the cells; the rest may come in any order, bit for bit."""
    tiles = np.split(values, 10)
    one, other = Statistics((2,)), Statistics((2,))
    for tile in tiles:
        one.add(tile)
    for tile in [tiles[0], *tiles[:0:-1]]:
        other.add(tile)
    assert (one.cells == other.cells).all()
    np.testing.assert_allclose(one.table, other.table, rtol=1e-9)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.9, 0.999, 1.0])
def test_rank_of_a_quantile_is_off_by_no_more_than_its_cell(values, share):
    found = joined(values, 4096)
    for i, value in enumerate(found.quantile(share).tolist()):
        x, edges = values[:, i], found.edges()[i]
        cell = min(max(int(np.searchsorted(edges, value)) - 1, 0), CELLS - 1)
        near = found.cells[i, max(cell - 1, 0) : cell + 2].sum() / PATHS  # on an edge: either
        assert abs((x <= value).mean() - share) <= near + 1.0 / PATHS
    assert found.cells.max() / PATHS < 0.03  # what the module says of resolution: no coarser


def test_a_constant_and_what_lies_far_out():
    flat = joined(np.full((100, 1), 3.0), 10)
    assert flat.stderr[0] == 0.0 and flat.quantile(0.3)[0] == 3.0 and flat.skewness[0] == 0.0
    x = np.concatenate([np.random.default_rng(0).normal(size=999), [1e9, -np.inf]])[:, None]
    far = joined(x[:-1], 500)
    assert far.cells[0, -1] == 1 and far.quantile(1.0)[0] == 1e9
    assert not np.isfinite(joined(x, 500).mean[0])
    assert np.isnan(Statistics.of(np.ones(1)).stderr)


@pytest.mark.parametrize("share", [1.5, -0.1, float("nan"), [0.1, 0.5], "half", None])
def test_a_quantile_has_a_share(share):
    found = Statistics.of(np.arange(10.0))
    with pytest.raises(InputError, match="expected one number from 0 to 1"):
        found.quantile(share)
    assert repr(found) == "<Statistics of 10 paths: mean 4.5, minimum 0., maximum 9.>"
