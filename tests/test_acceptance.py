"""The acceptance tools themselves: they pass what is right and fail what is slightly wrong."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from acceptance import assert_order, assert_z, false_alarm


def test_false_alarm_rates() -> None:
    """erfc(3/sqrt 2) = 2.6998e-3, erfc(4/sqrt 2) = 6.334e-5."""
    assert f"{false_alarm(3.0):.4e}" == "2.6998e-03"
    assert f"{false_alarm(4.0):.3e}" == "6.334e-05"
    assert false_alarm(0.1, comparisons=1000) == 1.0


def test_z_accepts_the_mean_and_sees_six_standard_errors(rng: np.random.Generator) -> None:
    sample = rng.standard_normal((10_000, 3))
    assert assert_z(sample, [0.0, 0.0, 0.0]) <= 4.0
    assert_z(torch.from_numpy(sample), 0.0)
    with pytest.raises(AssertionError, match=r"component 1 of 3.*exact 0\.1"):
        assert_z(sample, [0.0, 0.1, 0.0])  # ten standard errors off
    assert assert_z(1.02, 1.0, stderr=0.01) == pytest.approx(2.0)
    with pytest.raises(AssertionError):
        assert_z(1.02, 1.0, stderr=0.004)


def test_z_rate_over_many_samples(rng: np.random.Generator) -> None:
    """The z-scores of 2000 right samples are standard normal: their squares average to 1."""
    squares = [assert_z(rng.standard_normal(400), 0.0, 6.0) ** 2 for _ in range(2000)]
    assert_z(squares, 1.0)


@pytest.mark.parametrize("sample", [np.zeros(500), np.ones(10), np.array([np.nan] * 500)])
def test_z_refuses_what_has_no_standard_error(sample: np.ndarray) -> None:
    with pytest.raises(AssertionError):
        assert_z(sample, 0.0)


def test_order_slope_and_limit() -> None:
    steps = np.array([0.4, 0.2, 0.1, 0.05])
    assert assert_order(3.0 * steps**2, steps, 2.0, 1e-12) == pytest.approx(2.0)
    assert_order(steps[::-1], steps[::-1], 1.0, 1e-12)  # any order of steps
    with pytest.raises(AssertionError, match="order 1.000"):
        assert_order(steps, steps, 2.0, 0.2)
    with pytest.raises(AssertionError, match="stop shrinking"):
        assert_order([1.0, 0.1, 0.01, 0.0100001], steps, 2.2, 0.3)  # a wrong limit
    with pytest.raises(AssertionError, match="factor 4"):
        assert_order([1.0, 0.9, 0.8], [0.10, 0.09, 0.08], 1.0, 0.1)


def test_order_of_noisy_errors() -> None:
    """Ten per cent on each of three errors blurs the slope by 0.1/(sqrt 2 ln 2) = 0.102."""
    steps = np.array([0.4, 0.2, 0.1])
    assert_order(steps, steps, 1.0, 0.41, stderr=0.1 * steps)
    with pytest.raises(AssertionError, match="too noisy"):
        assert_order(steps, steps, 1.0, 0.40, stderr=0.1 * steps)
