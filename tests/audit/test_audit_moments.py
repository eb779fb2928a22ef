"""Streaming means, exponential averages and the index of their tail."""

import numpy as np
import pytest

from thermohw.audit.moments import Moments
from thermohw.books.theorems import ExponentialMean


def chunks(values, sizes):
    return np.split(values, np.cumsum(sizes)[:-1])


def test_merged_chunks_equal_the_whole(rng):
    # Offsets a million times the spread: a sum of squares would lose every digit.
    n = 5000
    a = 1e6 + rng.normal(size=n)
    b = 0.3 * (a - 1e6) + 0.1 * rng.normal(size=n) - 1e6
    moments = Moments("b")
    for part in chunks(np.arange(n), [1, 1999, 3000]):
        moments.add({"a": a[part], "b": b[part]})
    for name, x in (("a", a), ("b", b)):
        assert moments[name].value == pytest.approx(x.mean(), rel=1e-15)
        assert moments[name].stderr == pytest.approx(x.std(ddof=1) / n**0.5, rel=1e-9)
    slope, stderr = moments.slope("a")
    assert slope == pytest.approx(np.polyfit(a - 1e6, b, 1)[0], rel=1e-9)
    left = b - b.mean() - slope * (a - a.mean())
    assert stderr == pytest.approx(np.sqrt(left @ left / (n - 2) / (n * a.var())), rel=1e-6)


def test_exponential_average_merges_without_overflow(rng):
    x = rng.normal(scale=0.5, size=4000)
    total = ExponentialMean(len(x))
    for part in chunks(x, [100, 3900]):
        total.add(part - 800.0)  # e^800 is no float64
    weights = np.exp(-x)
    mean, stderr = weights.mean(), weights.std(ddof=1) / len(x) ** 0.5
    assert total.average.stderr / total.average.value == pytest.approx(stderr / mean, rel=1e-10)
    assert total.effective == pytest.approx(weights.sum() ** 2 / (weights**2).sum(), rel=1e-10)
    plain = ExponentialMean(len(x))
    plain.add(x)
    assert plain.average.value == pytest.approx(mean, rel=1e-12)
    assert plain.average.stderr == pytest.approx(stderr, rel=1e-9)


@pytest.mark.parametrize("index", [0.2, 0.5, 1.0])
def test_tail_index_of_a_pareto_law(rng, index):
    # Weights u^-k have tail index k. With m points in the tail the estimate scatters by (1 +
    # k)/sqrt(m).
    n = 100_000
    total = ExponentialMean(n)
    for part in chunks(rng.uniform(size=n), [n // 2, n // 2]):
        total.add(index * np.log(part))
    m = int(3.0 * n**0.5)
    assert abs(total.tail - index) < 4.0 * (1.0 + index) / m**0.5 + 10.0 * abs(0.5 - index) / m


def test_weights_without_a_tail():
    total = ExponentialMean(1000)
    total.add(np.zeros(1000))
    assert total.tail == 0.0 and tuple(total.average) == (1.0, 0.0) and total.effective == 1000.0
    assert ExponentialMean(10).tail == float("inf")


@pytest.mark.filterwarnings("error")
def test_an_infinite_column_is_quiet_and_spoils_no_other(rng):
    # -log p of a sample outside the support of its law is infinite.
    x = rng.normal(size=40)
    moments = Moments("x")
    for part in chunks(np.arange(40), [10, 30]):
        moments.add({"x": x[part], "bad": np.full(len(part), np.inf)})
    assert moments["x"].value == pytest.approx(x.mean(), rel=1e-12)
    assert not np.isfinite(moments["bad"].stderr)


def test_which_averages_are_deviations(rng):
    """Above its law always; below it only where weights hardly differ: a kind of path that is rare
    and weighs much may be missing from a sample."""
    n = 4000
    wide, narrow = 1.3 * rng.normal(size=n), 0.3 * rng.normal(size=n)
    for x, below in ((wide, "not-applicable"), (narrow, "violated")):
        found = ExponentialMean.of(x)
        off = 40.0 * found.average.stderr  # of skewed weights less than 5 below
        assert found.trusted and found.even == (below == "violated")
        assert found.judge_against(found.average.value + off) == below
        assert found.judge_against(found.average.value - off) == "violated"
        assert found.judge_against(found.average.value) == "holds"
