"""Two ways of accepting a number, each with its false-alarm rate: z-score and convergence order.

A sample mean is compared with an exact value in units of its own standard error,

    z = (mean - exact) / (s / sqrt(n)),   s^2 = sum (x - mean)^2 / (n - 1),

which is standard normal for large n when the code is right. The two-sided probability of |z| > m by
chance is erfc(m / sqrt 2): 2.7e-3 for m = 3, 6.3e-5 for m = 4. Of k quantities compared at once at
most k times that many fail by chance. Seeds are fixed, so a test that passes keeps passing; the
rate says how likely a right code would have failed when the test was written.

A convergence order is the least-squares slope of ln(error) over ln(step). Errors known only to a
standard error blur it by

    Var(slope) = sum_i c_i^2 (stderr_i / error_i)^2,
    c_i = (l_i - mean l) / sum (l - mean l)^2,   l = ln(step).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

__all__ = ["assert_order", "assert_z", "false_alarm"]


def false_alarm(max_z: float, comparisons: int = 1) -> float:
    """The chance that a right code fails: at most comparisons * erfc(max_z / sqrt 2)."""
    return min(1.0, comparisons * math.erfc(max_z / math.sqrt(2.0)))


def _array(values: Any) -> np.ndarray:
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    return np.asarray(values, dtype=np.float64)


def assert_z(
    sample: Any, exact: Any, max_z: float = 4.0, *, stderr: Any = None, label: str = ""
) -> float:
    """Assert that the mean of a sample agrees with an exact value; returns the largest |z|.

    Args:
        sample: independent draws along the first axis, shape (n, ...), n >= 100 (the normal law of
            the mean is assumed). With `stderr` given it is the estimate itself, any shape.
        exact: the value expected, broadcast against the mean.
        max_z: the largest |z| accepted; 4 fails a right code with probability 6.3e-5 a component.
        stderr: standard error of the estimate where the caller knows it (or of `exact`'s difference
            from it).
        label: named in the failure.
    """
    values = _array(sample)
    assert np.isfinite(values).all(), f"{label} the sample has non-finite entries"
    if stderr is None:
        count = values.shape[0] if values.ndim else 0
        assert count >= 100, f"{label} {count} draws are too few for a z-score"
        estimate = values.mean(axis=0)
        error = values.std(axis=0, ddof=1) / math.sqrt(count)
    else:
        estimate, error = values, np.broadcast_to(_array(stderr), values.shape)
    target = np.broadcast_to(_array(exact), np.shape(estimate))
    assert np.isfinite(error).all() and (error > 0.0).all(), f"{label} standard error {error}"
    z = np.atleast_1d((estimate - target) / error)
    worst = int(np.argmax(np.abs(z)))
    assert abs(z.flat[worst]) <= max_z, (
        f"{label} z = {z.flat[worst]:.2f} > {max_z} at component {worst} of {z.size}: "
        f"mean {np.atleast_1d(estimate).flat[worst]:.8g} "
        f"+- {np.atleast_1d(error).flat[worst]:.2g}, "
        f"exact {np.atleast_1d(target).flat[worst]:.8g} "
        f"(chance {false_alarm(max_z, z.size):.1e})"
    )
    return float(np.abs(z).max())


def assert_order(
    errors: Any, steps: Any, expected: float, tolerance: float, *, stderr: Any = None
) -> float:
    """Assert a convergence order, slope and limit; returns the slope of ln(error) over ln(step).

    The limit is asserted too: the error must shrink from each step to the next smaller one, so that
    a method that converges to a wrong value at the right rate before it stalls is caught.

    Args:
        errors: positive errors against the exact value (not against the finest step), shape (k,), k
            >= 3.
        steps: their step sizes, shape (k,), spanning at least a factor 4.
        expected: the order.
        tolerance: the largest |slope - expected| accepted: the size of the next order's share,
            never a guess.
        stderr: standard error of each error where it is statistical, shape (k,) or one number. Then
            the tolerance must be at least 4 standard errors of the slope, which keeps the
            false-alarm rate at 6.3e-5, and a neighbour may exceed the coarser one by 4 standard
            errors of the difference.
    """
    values, sizes = _array(errors), _array(steps)
    assert values.shape == sizes.shape and values.ndim == 1 and values.size >= 3, (
        "three steps or more"
    )
    assert (values > 0.0).all() and np.isfinite(values).all(), f"errors {values}"
    order = np.argsort(sizes)[::-1]
    values, sizes = values[order], sizes[order]
    assert sizes[0] >= 4.0 * sizes[-1] > 0.0, f"steps {sizes} span less than a factor 4"
    noise = np.zeros_like(values)
    if stderr is not None:
        noise = np.broadcast_to(_array(stderr), order.shape)[order]
    log_step = np.log(sizes) - np.log(sizes).mean()
    weights = log_step / (log_step**2).sum()
    slope = float(weights @ np.log(values))
    blur = float(np.sqrt((weights**2 * (noise / values) ** 2).sum()))
    assert 4.0 * blur <= tolerance, (
        f"the slope is known to {blur:.2g} only: too noisy for a tolerance of {tolerance}"
    )
    table = ", ".join(f"{h:.3g}: {e:.3g}" for h, e in zip(sizes, values, strict=True))
    assert abs(slope - expected) <= tolerance, (
        f"order {slope:.3f} +- {blur:.2g}, expected {expected} +- {tolerance} "
        f"(step: error = {table})"
    )
    allowed = values[:-1] + 4.0 * np.hypot(noise[:-1], noise[1:])
    assert (values[1:] < allowed).all(), f"errors stop shrinking (step: error = {table})"
    return slope
