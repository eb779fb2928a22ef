"""Intervals of a share, and what a board must do."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from thermohw.errors import InputError
from thermohw.tolerance import Fraction, Metric, Requirement, clopper_pearson, wilson


def test_intervals_of_eight_in_ten() -> None:
    """Newcombe, Statistics in Medicine 17, 857 (1998), for 81 of 263; and 8 of 10."""
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert clopper_pearson(81, 263) == pytest.approx((0.2527, 0.3676), abs=5e-5)
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=5e-5)
    assert clopper_pearson(8, 10) == pytest.approx((0.4439, 0.9748), abs=5e-5)


def test_ends() -> None:
    assert wilson(0, 20)[0] == 0.0 and wilson(20, 20)[1] == 1.0
    assert clopper_pearson(0, 20) == (0.0, pytest.approx(1.0 - 0.025 ** (1 / 20)))
    assert "0 of 20 = 0.0 %" in str(Fraction.of(0, 20))


def test_coverage() -> None:
    """Of all outcomes of 30 boards with yield 0.8: exact covers 95 % at least, Wilson about."""
    weights = binom.pmf(np.arange(31), 30, 0.8)
    covered = {}
    for method in (wilson, clopper_pearson):
        ends = [method(k, 30) for k in range(31)]
        covered[method] = sum(w for w, (a, b) in zip(weights, ends, strict=True) if a <= 0.8 <= b)
    assert covered[clopper_pearson] >= 0.95
    assert abs(covered[wilson] - 0.95) < 0.03


def test_requirements() -> None:
    metrics = {"quality.w1": Metric(0.05, 0.01), "work.emf.kT": Metric(3.0, 0.1)}
    assert not Requirement.parse("quality.w1 < 0.05").met(metrics)
    assert Requirement.parse("quality.w1<=0.05").met(metrics)
    rule = Requirement.parse("work.emf < 2.5e0 kT")
    assert str(rule) == "work.emf.kT < 2.5" and not rule.met(metrics)
    assert rule.miss(metrics) == pytest.approx(0.2)
    assert Requirement.parse("work.emf.kT > 2").miss(metrics) == pytest.approx(-0.5)


@pytest.mark.parametrize("text", ["quality.w1", "quality.w1 = 3", "quality.w1 < low", "< 3"])
def test_refused(text: str) -> None:
    with pytest.raises(InputError, match="expected a name"):
        Requirement.parse(text)


def test_unknown_names_are_listed() -> None:
    with pytest.raises(InputError, match="there is work.emf.kT"):
        Requirement.parse("speed < 3").met({"work.emf.kT": Metric(3.0, 0.1)})
