"""What a board of integrators can be asked: systems that relax, voltages and noise in its range.

A matrix that is not positive definite makes the integrators run away; voltages beyond the range of
converters or amplifiers are clipped, and a clipped answer has an error that no average shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["check_noise", "check_range", "checked_system", "noise_volts"]


def check_range(
    a: NDArray[Any], b: NDArray[Any], volts: float, converters: float, swing: float
) -> None:
    """Refuse voltages that would be clipped, whose answer no average mends.

    Args:
        a: matrix.
        b: vector.
        volts: V_x.
        converters: their full scale; inf where they are ideal.
        swing: of the amplifiers; inf where it is ideal.

    Raises:
        InputError: naming the largest volts that fit.
    """
    shown, driven = np.abs(np.linalg.solve(a, b)).max(), np.abs(b).max() / np.abs(a).max()
    most = min(converters / max(shown, driven, 1e-300), swing / max(shown, 1e-300))
    if volts > most:
        raise InputError(
            f"{volts:.4g} V per unit of x drives converters or amplifiers out of their range; at "
            f"most {most:.4g} V fit this system",
            where="volts",
        )


def check_noise(spread: float, reach: float) -> None:
    """Refuse noise of which four standard deviations are clipped: the covariance would be wrong."""
    if 4.0 * spread > reach:
        raise InputError(
            f"the slowest mode fluctuates by {spread:.3g} V rms, which converters or amplifiers of "
            f"{reach:.3g} V would clip; take noise = True, or less by {4.0 * spread / reach:.3g}",
            where="noise",
        )


def noise_volts(asked: bool | float, sheet: Any, most: float) -> float:
    """The rms voltage of the noise sources; True: the sheet's, where the range allows it."""
    if asked is False:
        return 0.0
    if asked is True:
        if sheet is None:
            raise InputError("the datasheet has no noise sources: give solver.noise", where="noise")
        return min(sheet.value, float(most))
    if isinstance(asked, str) or not (np.isfinite(asked) and asked >= 0.0):
        raise InputError(f"{asked!r}: expected an rms voltage in volt", where="noise")
    return float(asked)


def checked_system(
    matrix: Any, vector: Any, size: int, name: str
) -> tuple[NDArray[Any], NDArray[Any]]:
    """A symmetric positive definite matrix and a vector of its size, or a refusal."""
    try:
        a = np.array(matrix, dtype=float)
        b = np.zeros(len(a)) if vector is None else np.array(vector, dtype=float)
    except (TypeError, ValueError):
        raise InputError("expected a matrix and a vector of numbers", where="matrix") from None
    if a.ndim != 2 or a.shape[0] != a.shape[1] or not a.size or not np.isfinite(a).all():
        raise InputError(f"expected a square matrix of finite numbers: shape {a.shape}",
                         where="matrix")  # fmt: skip
    if b.shape != (len(a),) or not np.isfinite(b).all():
        raise InputError(
            f"expected {len(a)} finite numbers, as the matrix has rows: shape {b.shape}",
            where="vector",
        )
    if len(a) > size:
        raise InputError(f"{len(a)} rows, but {name} has {size} integrators", where="matrix")
    if not np.allclose(a, a.T, rtol=1e-9, atol=1e-12 * np.abs(a).max()):
        raise InputError("not symmetric: the board relaxes to A^-1 b for symmetric positive "
                         "matrices; solve A^T A x = A^T b instead", where="matrix")  # fmt: skip
    a = 0.5 * (a + a.T)
    values = np.linalg.eigvalsh(a)
    if values[0] <= 1e-12 * np.abs(values).max():
        raise InputError(
            f"not positive definite: smallest eigenvalue {values[0]:.6g} of up to "
            f"{values[-1]:.6g}, so the integrators run away; solve A^T A x = A^T b instead",
            where="matrix",
        )
    return a, b
