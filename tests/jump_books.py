"""Books of a run of jumps, held against numbers: means in standard errors, the first law."""

from __future__ import annotations

import numpy as np

from thermohw.jumps import JumpRun
from thermohw.units import K_B

KT = K_B * 300.0


def z_of(samples: np.ndarray, expected: np.ndarray | float) -> np.ndarray:
    """Deviation of means over the first axis in standard errors."""
    error = samples.std(0, ddof=1) / np.sqrt(len(samples))
    return (samples.mean(0) - expected) / error


def assert_first_law(run: JumpRun) -> None:
    # Thousands of float64 additions: round-off grows like their number times 1e-16.
    assert np.abs(run.residual / np.maximum(run.exchanged, KT)).max() < 1e-12
