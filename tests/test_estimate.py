"""One class for a number with its error, one rule from a deviation to a verdict."""

from __future__ import annotations

import math

import numpy as np
import pytest

from thermohw.estimate import EXPLAINED, FEWEST, HOLDS, VIOLATED, Estimate, judge, largest_of


def test_mean_of_paths_is_the_usual_one():
    values = np.random.default_rng(0).normal(2.0, 3.0, 50)
    value, stderr = Estimate.from_paths(values)
    assert value == pytest.approx(values.mean(), rel=1e-14)
    assert stderr == pytest.approx(values.std(ddof=1) / 50**0.5, rel=1e-14)


def test_pairs_have_the_error_of_their_difference():
    rng = np.random.default_rng(1)
    noise = rng.normal(size=400)
    gap = Estimate.paired(noise + 0.5, noise + 0.01 * rng.normal(size=400))
    assert abs(gap.z(0.5)) < 4 and gap.stderr < 0.001


@pytest.mark.parametrize("count", [FEWEST, 100])
def test_rate_of_false_verdicts_of_skewed_samples(count):
    """Heats and log densities are chi-squares. A plain ratio calls 1.6 % of right ones at 30
    samples and 0.3 % at 100; here at most ten times the normal rate of 6.3e-5, which 20,000 means
    tell from 1.6 % (13 +- 4 against 320)."""
    rng = np.random.default_rng(2)
    z = [Estimate.from_paths(rng.chisquare(1, count)).z(1.0) for _ in range(20_000)]
    plain = [e.value and (e.value - 1.0) / e.stderr for e in
             (Estimate.from_paths(rng.chisquare(1, count)) for _ in range(2000))]  # fmt: skip
    called = sum(judge(value) == VIOLATED for value in z)
    noted = sum(judge(value) != HOLDS for value in z)
    assert called <= 10 * 6.3e-5 * 20_000 and noted <= 3 * 2.7e-3 * 20_000
    assert sum(abs(t) > 4 for t in plain) > 2  # the correction is needed


@pytest.mark.parametrize("lean", [-2.0, -0.5, 0.0, 0.5, 2.0])
@pytest.mark.parametrize("freedom", [29.0, math.inf])
def test_every_deviation_is_called_once_it_is_large_enough(lean, freedom):
    """z is monotone in the deviation: a parabola would acquit what is far off on one side."""
    estimate = Estimate(0.0, 1.0, freedom, lean)
    z = [estimate.z(x) for x in np.linspace(-60, 60, 241)]
    assert (np.diff(z) <= 0.0).all()
    reach = estimate.power()
    statuses = {judge(estimate.z(side * reach * 1.01)) for side in (-1, 1)}
    assert statuses == {VIOLATED}
    barely = {judge(estimate.z(side * reach * 0.98)) for side in (-1, 1)}
    assert barely != {VIOLATED}


def test_sums_carry_errors_freedom_and_lean():
    rng = np.random.default_rng(3)
    one, other = rng.chisquare(1, 200), rng.chisquare(2, 300)
    total = Estimate.from_paths(one) - Estimate.from_paths(other)
    assert total.stderr == pytest.approx(math.hypot(*(
        x.std(ddof=1) / len(x) ** 0.5 for x in (one, other))), rel=1e-12)  # fmt: skip
    assert 199 < total.freedom < 498
    shifted = 2.0 * (Estimate.from_paths(one) + 1.0)
    assert shifted.z(2.0 * (one.mean() + 1.0)) == pytest.approx(
        Estimate.from_paths(one).z(one.mean()), abs=1e-12
    )


def test_exact_numbers_and_numbers_without_an_error():
    assert Estimate(1.0, 0.0).z(1.0) == 0.0 and Estimate(1.0, 0.0).z(0.0) == math.inf
    assert math.isnan(Estimate.from_paths(np.ones(1)).z(1.0))
    assert judge(math.nan) == VIOLATED and judge(3.5) == EXPLAINED
    assert judge(9.0, relation=">=") == HOLDS and judge(-9.0, relation=">=") == VIOLATED
    far = Estimate(1e300, 1.0, 29.0)
    assert 30.0 < far.z() <= 40.0  # no number of 300 digits


def test_largest_of_many():
    """Bonferroni's limit for small probabilities, and no change for one."""
    assert largest_of(3.3, 1) == pytest.approx(3.3)
    assert largest_of(-4.0, 8) == pytest.approx(-3.4778, abs=1e-3)
    assert largest_of(50.0, 64) == 40.0
