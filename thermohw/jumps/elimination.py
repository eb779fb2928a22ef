r"""Solving Markov chains without a subtraction (Grassmann, Taksar and Heyman, 1985).

A bit that errs once a day while its electrons jump 1e9 times a second has a generator whose
smallest eigenvalues differ by fourteen orders from the largest: an ordinary solver knows the split
between its two states to a per cent at best. Eliminating states one at a time and replacing every
diagonal entry by the sum of the rates that it balances uses additions, multiplications and
divisions of positive numbers alone, so that every entry of the answer is accurate to round-off
whatever the condition number.

    stationary   for k from the last: s = sum_{j<k} q_kj, q_ik /= s, q_ij += q_ik q_kj (i, j < k);
                 then p_0 = 1, p_k = sum_{i<k} p_i q_ik
    passage      with rates c_k into the target and waiting s_k = 1: d = sum_{j<k} q_kj + c_k,
                 f_i = q_ik/d, q_ij += f_i q_kj, c_i += f_i c_k, s_i += f_i s_k;
                 then tau_k = (s_k + sum_{j<k} q_kj tau_j)/d_k

The matrix is kept as a band: element (i, j) of width 2b + 1 lies at 2b i + j + b, so that any block
inside the band is a strided view. Cost M b^2 for M states and bandwidth b.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

if TYPE_CHECKING:
    from numpy.typing import NDArray

Sparse = Any  # scipy.sparse in COO form, whose stubs do not know its shape

__all__ = ["band_cost", "passage", "stationary"]

_LARGE = 1e200


def band_cost(rates: Sparse) -> float:
    """Multiplications that an elimination takes: states times bandwidth squared."""
    return float(rates.shape[0]) * float(_bandwidth(rates)) ** 2


def stationary(rates: Sparse) -> NDArray[Any]:
    """The stationary law (M,) of a chain that reaches every state from every other.

    Args:
        rates: from row to column, shape (M, M), off-diagonal entries.
    """
    band, width = _band(rates)
    size = rates.shape[0]
    for k in range(size - 1, 0, -1):
        low = max(0, k - width)
        row, column = _row(band, width, k, low), _column(band, width, k, low)
        column /= row.sum()
        _block(band, width, low, k)[...] += np.outer(column, row)
    law = np.zeros(size)
    law[0] = 1.0
    for k in range(1, size):
        low = max(0, k - width)
        law[k] = law[low:k] @ _column(band, width, k, low)
        if law[k] > _LARGE:  # the first state may be rarer than any float; then it is zero
            law[: k + 1] /= law[k]
    return law / law.sum()


def passage(rates: Sparse, into: NDArray[Any]) -> NDArray[Any]:
    """Mean time until a chain is absorbed, from every state, shape (M,).

    Args:
        rates: from row to column among the states that are not absorbed, shape (M, M).
        into: rate of absorption from every state, shape (M,).
    """
    band, width = _band(rates)
    size = rates.shape[0]
    wait, into, out = np.ones(size), into.copy(), np.zeros(size)
    for k in range(size - 1, -1, -1):
        low = max(0, k - width)
        row, column = _row(band, width, k, low), _column(band, width, k, low)
        out[k] = row.sum() + into[k]
        share = column / out[k]
        into[low:k] += share * into[k]
        wait[low:k] += share * wait[k]
        _block(band, width, low, k)[...] += np.outer(share, row)
    times = np.zeros(size)
    for k in range(size):
        low = max(0, k - width)
        times[k] = (wait[k] + _row(band, width, k, low) @ times[low:k]) / out[k]
    return times


def _bandwidth(rates: Sparse) -> int:
    return int(np.abs(rates.row - rates.col).max(initial=1))


def _band(rates: Sparse) -> tuple[NDArray[Any], int]:
    width = _bandwidth(rates)
    band = np.zeros((2 * width + 1) * rates.shape[0] + 2 * width)
    np.add.at(band, 2 * width * rates.row.astype(np.int64) + rates.col + width, rates.data)
    return band, width


def _row(band: NDArray[Any], width: int, k: int, low: int) -> NDArray[Any]:
    """A view of q_kj, low <= j < k."""
    begin = 2 * width * k + width
    return band[begin + low : begin + k]


def _column(band: NDArray[Any], width: int, k: int, low: int) -> NDArray[Any]:
    """A view of q_ik, low <= i < k."""
    return band[2 * width * low + k + width : 2 * width * k + k + width : 2 * width]


def _block(band: NDArray[Any], width: int, low: int, k: int) -> NDArray[Any]:
    """A view of q_ij, low <= i, j < k."""
    step = band.itemsize
    return as_strided(
        band[2 * width * low + low + width :],
        shape=(k - low, k - low),
        strides=(2 * width * step, step),
    )
