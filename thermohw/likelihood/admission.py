r"""What `evaluate` refuses, with the number that shows why.

process    a score belongs to the process it was made for; another one's p_t are other laws.
settings   a tolerance, probes or moments that no calculation could have.
units      points must be in the target's model units; see `thermohw.target.units`.
lattice    rounded numbers have no density: S0 = -inf, and every likelihood with it. In many
           points repeated values give them away. In few points the spacing does: the differences
           between neighbouring values of a coordinate have a greatest common divisor, for
           continuous numbers only by chance. Up to 4096 of it in the range (12 bits) are refused;
           finer rounding than that is any number's own.
"""

from __future__ import annotations

import math

import numpy as np
from torch import Tensor

from thermohw.errors import InputError
from thermohw.intake import whole
from thermohw.process import Process
from thermohw.score import Score
from thermohw.target import Target
from thermohw.target.lattice import refuse_levels
from thermohw.target.units import refuse_units

__all__ = ["admit_points", "admit_score", "admit_settings"]

_LEVELS, _FEWEST, _MOST = 4096, 8, 256  # levels refused; gaps to judge by
_FINEST = 1e-15  # nats: what a tolerance may be at least


def admit_score(score: Score, target: Target, process: Process | None) -> None:
    """Refuse a score of another process or dimension than asked for.

    Args:
        score: the model.
        target: the data.
        process: the process wanted; None takes the score's own.

    Raises:
        InputError: naming both.
    """
    if process is not None and process != score.process:
        problem = f"the score belongs to {_name(score.process)}, asked for is {_name(process)}"
        raise InputError(problem, where="process")
    if score.dim != target.dim:
        problem = f"the score has {score.dim} coordinates, {target.name} has {target.dim}"
        raise InputError(problem, where="score")


def admit_settings(*, tolerance: float, probes: int, moments: int | None) -> None:
    """Refuse numbers that mean nothing."""
    if not 0.0 < tolerance < math.inf:
        raise InputError(f"expected a number of nats > 0, got {tolerance!r}", where="tolerance")
    if tolerance < _FINEST:
        problem = f"{tolerance!r} nats: doubles round at more; expected at least {_FINEST:g}"
        raise InputError(problem, where="tolerance")
    whole(probes, 0, "probes")
    if moments is not None:
        whole(moments, 1, "moments")


def admit_points(points: Tensor, target: Target) -> None:
    """Refuse held-out points of the wrong shape, in the wrong units, or on a lattice.

    Args:
        points: shape (n, dim), model units.
        target: the data.

    Raises:
        InputError: with the measured and the expected number.
    """
    if points.ndim != 2 or points.shape[1] != target.dim or len(points) < 2:
        shape = tuple(points.shape)
        raise InputError(f"held-out points must have shape (>= 2, {target.dim}), got {shape}")
    x = points.detach().to("cpu").double().numpy()
    if not np.isfinite(x).all():
        raise InputError("held-out points must be finite")
    refuse_units(x, target)
    _continuous(x, target)


def _continuous(x: np.ndarray, target: Target) -> None:
    rows = np.unique(x, axis=0)  # the same point twice is no lattice
    if len(rows) < 3:
        return
    data = rows * target.scale + np.asarray(target.shift)
    refuse_levels(data, "points")
    values = np.sort(data, axis=0)
    span = float((values[-1] - values[0]).max())
    tolerance = 1e-9 * float(np.abs(values).max())
    gaps = np.diff(values, axis=0).ravel()
    gaps = np.sort(gaps[gaps > tolerance])
    if len(gaps) < _FEWEST:
        return
    step = _divisor(gaps[np.linspace(0, len(gaps) - 1, min(_MOST, len(gaps))).astype(int)], span)
    if step > span / _LEVELS:
        raise InputError(
            f"rounded data have no density (entropy -inf): all {data.size} held-out values lie on "
            f"{span / step + 1:.0f} levels {step:.6g} data units apart; give the data set "
            f"dequantise = {step:.6g}",
            where="points",
        )


def _divisor(gaps: np.ndarray, span: float) -> float:
    """Greatest common divisor of gaps, by Euclid's algorithm; 0 where it is not worth a name."""
    step = float(gaps[0])
    for gap in gaps:
        a, b = float(gap), step
        while b > 1e-3 * span / _LEVELS:
            a, b = b, abs(a - b * round(a / b))
        step = a
        if step <= span / _LEVELS:
            return 0.0
    return step


def _name(process: Process) -> str:
    numbers = (f"{k}={v}" for k, v in process.to_dict().items() if isinstance(v, int | float))
    return f"{process.kind}({', '.join(numbers)})"
