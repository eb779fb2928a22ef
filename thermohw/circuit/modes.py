r"""A circuit of resistors and capacitors in its own modes, where every exponential is a number.

Without inductors A = D H'' with D = sum_k gamma_k b_k b_k^T and the Hessian H'' both symmetric, so
A, normal or not, is similar to a symmetric matrix. With the Cholesky factor H'' = R R^T,

    R^T D R = U diag(a) U^T,     z = R^-T U zeta,     zeta = U^T R^T z,

the modes relax at the rates a_i >= 0 and for any time s

    e^{-A s}               = out diag(e^{-a s}) into,      out = R^-T U,  into = U^T R^T
    int_0^s e^{-A u} du    = out diag(kappa(s)) into,      kappa = (1 - e^{-a s})/a

to round-off, at the price of two products of matrices. A board of hundreds of resistors has one
decomposition for all ticks of a run, where matrix exponentials of (state, charges, integrals) would
take hours. Noise is not diagonal in the modes where temperatures differ; nothing here assumes it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.circuit.device import LinearDevice

__all__ = ["Modes", "modes"]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)


class Modes(NamedTuple):
    """Relaxation modes of n charges.

    Attributes:
        rates: a_i, shape (n,), per R_ref C_ref, ascending.
        out: charges of unit modes as columns, shape (n, n).
        into: its inverse, shape (n, n).
    """

    rates: NDArray[Any]
    out: NDArray[Any]
    into: NDArray[Any]

    def decay(self, s: float) -> NDArray[Any]:
        """e^{-a s}, shape (n,)."""
        return np.exp(-self.rates * s)

    def integral(self, s: float | NDArray[Any]) -> NDArray[Any]:
        """int_0^s e^{-a u} du, shape (n,); for times (m, 1) shape (m, n)."""
        x = self.rates * s
        still = x == 0.0
        return np.where(still, 1.0, -np.expm1(-x) / np.where(still, 1.0, x)) * s

    def twice(self, s: float) -> NDArray[Any]:
        """int_0^s of `integral`, shape (n,), by doubling panels: nothing cancels."""
        edges = [0.0, min(s, 1.0 / max(float(self.rates[-1]), 1.0 / s))]
        while edges[-1] < s:
            edges.append(min(s, 2.0 * edges[-1]))
        total = np.zeros_like(self.rates)
        for left, right in zip(edges[:-1], edges[1:], strict=True):
            half = 0.5 * (right - left)
            total += half * _WEIGHTS @ self.integral((left + half * (1.0 + _NODES))[:, None])
        return total

    def matrix(self, diagonal: NDArray[Any]) -> NDArray[Any]:
        """out diag into, shape (n, n)."""
        return (self.out * diagonal) @ self.into


@lru_cache(maxsize=16)
def modes(device: LinearDevice) -> Modes:
    """The modes of a circuit without inductors."""
    assert not device.gyrating, "inductors turn modes into rotations"
    root = np.linalg.cholesky(device.hessian)
    dissipation = device.source_matrix @ device.directions
    rates, turn = np.linalg.eigh(root.T @ dissipation @ root)
    return Modes(np.maximum(rates, 0.0), np.linalg.solve(root.T, turn), turn.T @ root.T)
