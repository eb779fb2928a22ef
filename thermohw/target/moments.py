r"""Mean and covariance of the rows of a data set, without a copy of them in double precision.

Images are bytes, and 45000 colour images of 3072 numbers would be 1.1 GB as doubles. Moments of
bytes are sums of whole numbers, and these come out exactly, in single precision too:

    n = 128 + m,   |m| <= 128,   |sum over 1024 rows of m_i m_j| <= 2^24

so that a product of matrices of 1024 rows in float32 makes no rounding at all, at half the time of
float64; only the sums over blocks need doubles. Then, with N rows,

    mean = 128 + sum m / N,        covariance = sum m m^T / N - (sum m)(sum m)^T / N^2.

Small sets, and rows that are not bytes, are centred in double precision as a whole.
"""

from __future__ import annotations

import numpy as np

__all__ = ["moments"]

_BLOCK = 1024
_CENTRE = 128
_LARGE = 1 << 24  # numbers, 128 MB as doubles


def moments(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (d,) and covariance (d, d), divided by n, of rows (n, d); float64, data units."""
    if rows.dtype != np.uint8 or rows.size < _LARGE:
        values = rows.astype(np.float64)
        centre = values.mean(0)
        values -= centre
        return centre, values.T @ values / len(values)
    n, dim = rows.shape
    first, second = np.zeros(dim), np.zeros((dim, dim))
    for start in range(0, n, _BLOCK):
        m = rows[start : start + _BLOCK].astype(np.float32) - np.float32(_CENTRE)
        first += m.sum(0, dtype=np.float64)
        second += m.T @ m
    first /= n
    second /= n
    second -= first[:, None] * first
    return _CENTRE + first, second
