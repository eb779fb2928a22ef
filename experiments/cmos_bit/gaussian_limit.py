r"""The chemical Langevin equation of two nodes as the limit of smaller and smaller jumps.

Jumps of charge q/m at rates

    lambda'+- = m^2 (lambda+ + lambda-)/2 +- m (lambda+ - lambda-)/2

carry the same mean current and the same noise density whatever m; m = 1 is the circuit itself, and
the limit m -> infinity has no third cumulant: it is the Gaussian with the shot noise of the same
conductors, dN = sum_k S_k [(lambda+ - lambda-) dt + sqrt(lambda+ + lambda-) dW_k]. Its mean passage
times follow from sparse linear systems at two values of m, extrapolated in 1/m^2: no time step and
no sampling error, however rare the passage.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import splu

from thermohw.circuit import JumpDevice


def divided_passage(
    device: JumpDevice, *, fineness: int, form: NDArray[Any], level: float, start: NDArray[Any],
    reach: NDArray[Any],
) -> float:  # fmt: skip
    """Mean time until form . v <= level with jumps of charge q/m, second.

    Args:
        device: two nodes.
        fineness: m.
        form: weights of the voltages, shape (n,).
        level: k T_ref/q.
        start: charges, shape (n,).
        reach: half sides of the box of charges, whole numbers, shape (n,).
    """
    axes = [np.arange(-r * fineness, r * fineness + 1) / fineness for r in reach.astype(int)]
    states = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, device.dim)
    above = device.voltages(states) @ form > level + 1e-9
    place = np.cumsum(above) - 1
    strides = np.array([len(axes[1]), 1])
    rates, count = device.event_rates(states), len(device.elements)
    half, lean = 0.5 * (rates[:, :count] + rates[:, count:]), rates[:, :count] - rates[:, count:]
    inside = np.arange(len(states))[above]
    rows, columns, values = [], [], []
    for k, jump in enumerate(device.jumps):
        for sign in (1.0, -1.0):
            rate = fineness**2 * half[above, k] + 0.5 * sign * fineness * lean[above, k]
            there = states[above] + sign * jump / fineness
            stays = (np.abs(there) <= reach + 1e-9).all(1)
            source, rate = inside[stays], rate[stays]
            target = source + int(sign * jump @ strides)
            kept = above[target]
            rows += [place[source], place[source[kept]]]
            columns += [place[source], place[target[kept]]]
            values += [rate, -rate[kept]]
    size = int(above.sum())
    matrix = sparse.csc_matrix(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))),
        shape=(size, size),
    )
    factors = splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0,
                   options={"SymmetricMode": True})  # fmt: skip
    times = factors.solve(np.ones(size))
    nearest = np.abs(states[inside] - start).sum(1).argmin()
    return float(times[nearest])


def gaussian_passage(device: JumpDevice, fineness: tuple[int, int], **task: Any) -> float:
    """The limit of `divided_passage`, by extrapolation of its logarithm in 1/m^2."""
    coarse, fine = (np.log(divided_passage(device, fineness=m, **task)) for m in fineness)
    ratio = (fineness[1] / fineness[0]) ** 2
    return float(np.exp(fine + (fine - coarse) / (ratio - 1.0)))
