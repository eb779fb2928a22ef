"""Scores: the control field s = grad ln p_t, exact where the law is known.

`exact_score(target, process)` (or `target.score(process)`) knows the law p_t itself: density,
samples, entropy. Every score freezes to a `Field` at one time, the callable of the hot path.
"""

from __future__ import annotations

from thermohw.score.base import Estimate, ExactScore, Field, Score
from thermohw.score.calibrated import CalibratedScore, calibrated
from thermohw.score.exact import exact_score

__all__ = [
    "CalibratedScore",
    "Estimate",
    "ExactScore",
    "Field",
    "Score",
    "calibrated",
    "exact_score",
]
