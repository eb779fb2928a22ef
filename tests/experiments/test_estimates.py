"""Statistics over seeds: Student's quantiles, families of z."""

from __future__ import annotations

import math

import numpy as np
import pytest

from thermohw.experiments.shared.estimates import family, interval, mean_and_error, reach


def test_a_mean_and_its_interval() -> None:
    """Student's interval of 1, 2, 3: 2 +- 4.302653/sqrt(3), and 9.924843 at 5 % of five."""
    values = np.array([1.0, 2.0, 3.0])
    mean, low, high = interval(values)
    assert (mean, high - mean) == pytest.approx((2.0, 4.302653 / math.sqrt(3.0)), rel=1e-6)
    assert low == pytest.approx(4.0 - high)
    assert reach(values, 5) == pytest.approx(9.924843 / math.sqrt(3.0), rel=1e-6)
    assert mean_and_error(values) == pytest.approx((2.0, 1.0 / math.sqrt(3.0)))


def test_one_seed_has_no_interval() -> None:
    one = np.array([7.0])
    assert interval(one) == (7.0, -math.inf, math.inf)
    assert math.isnan(mean_and_error(one)[1])


def test_many_numbers_are_judged_as_a_family() -> None:
    """The largest of a hundred normals is 2.5 to 3 sigma: no reason to be alarmed."""
    assert family([3.2] + 99 * [0.0]) < 3.0 < family([3.2])


def test_a_family_is_as_unlikely_as_its_largest() -> None:
    """n P(Z > max) = P(Z > z'), from erfc; never below zero; no tail left: the largest itself."""
    found = family([1.0, 3.5, 0.0, -9.0])
    tail = [0.5 * math.erfc(z / math.sqrt(2.0)) for z in (3.5, found)]
    assert tail[1] == pytest.approx(4.0 * tail[0], rel=1e-9)
    assert family([2.0]) == pytest.approx(2.0, abs=1e-12)
    assert family(100 * [0.5]) == 0.0
    assert family([60.0, 1.0]) == 60.0
    assert family([math.inf, 0.0]) == math.inf
