r"""Numbers of a mixture's score at many model times at once.

The formulas are those of `thermohw.score.mixture_fields`, with time as a leading axis: what a
compiled tick reads instead of a field. Every row belongs to one time:

    pair      c, b, a, offset, rate, jump, gap: s = offset + rate x + r (jump + gap x) with
              r = 1/(1 + e^-(c + (b + a x) x)); a last number is not used
    shared    tr(W slope); centre (n); logits (K); pulls (K, n); slope (n), or (n, n) to multiply
              by from the right; pull^T W pull (K)
    general   logits at no distance (K); tr(W C_k^-1) (K); means (K, n); whitening factors (K, n),
              or (K, n, n)

W, diagonal, weighs the derivatives in div u; 1 for a plain divergence.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.score.mixture import MixtureScore

__all__ = ["MixtureTable", "affine_table", "mixture_kind", "mixture_table"]


class MixtureTable(NamedTuple):
    """Rows of numbers, float64, shape (times, numbers), see the module."""

    kind: str
    modes: int
    full: bool
    rows: NDArray[Any]


def _laws(score: MixtureScore, times: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Means (T, K, n) and variances (T, K, n) or covariances (T, K, n, n) of p_t."""
    law, process = score.target.law, score.process
    pairs = [process.transition(float(t)) for t in times]
    decay, noise = (np.array(column, dtype=np.float64) for column in zip(*pairs, strict=True))
    if decay.ndim == 3:
        eye = np.eye(decay.shape[1], dtype=bool)
        plain = not decay[:, ~eye].any() and not noise[:, ~eye].any()
        if plain and law.diagonal:
            decay, noise = (np.einsum("tii->ti", x)[:, None] for x in (decay, noise))
        else:
            means = np.einsum("tij,kj->tki", decay, law.means)
            spread = decay[:, None] @ law.covariances @ decay.swapaxes(1, 2)[:, None]
            return means, spread + noise[:, None]
    else:
        decay, noise = decay[:, None, None], noise[:, None, None]
    if law.diagonal:
        return decay * law.means, decay**2 * law.spread + noise
    grown = noise[..., None] * np.eye(law.dim)
    return decay * law.means, decay[..., None] ** 2 * law.spread + grown


def mixture_kind(score: MixtureScore) -> str:
    """ "affine" (one mode whose covariance is diagonal), "pair", "shared" or "general"."""
    law, process = score.target.law, score.process
    if len(law.weights) == 1 and law.diagonal:
        mixing = process.transition(process.duration)[0]
        if np.ndim(mixing) == 0 or not np.any(mixing - np.diag(np.diagonal(mixing))):
            return "affine"
    if law.dim == 1 and len(law.weights) == 2:
        return "pair"
    alike = np.array_equal(law.spread, np.broadcast_to(law.spread[:1], law.spread.shape))
    return "shared" if alike else "general"


def affine_table(score: MixtureScore, times: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Slope and offset of one mode with diagonal covariance, each (times, n)."""
    means, variances = _laws(score, times)
    slope = -1.0 / variances[:, 0]
    return slope, -slope * means[:, 0]


def mixture_table(
    score: MixtureScore, times: NDArray[Any], weight: float | NDArray[Any] = 1.0
) -> MixtureTable:
    """Rows of a mixture of two modes or more, or of one with a full covariance.

    Args:
        score: whose law p_t is a mixture.
        times: model times, shape (T,).
        weight: W, a number or shape (n,).
    """
    means, spread = _laws(score, times)
    full, n, modes = spread.ndim == 4, score.dim, means.shape[1]
    kind, log_weights = mixture_kind(score), np.log(score.target.law.weights)
    kind = "shared" if kind == "affine" else kind  # whoever asks needs the score itself
    w = np.broadcast_to(np.asarray(weight, dtype=np.float64), (n,))
    if kind == "pair":
        m, v = means[:, :, 0], spread.reshape(len(times), 2)
        square, linear = -0.5 / v, m / v
        constant = log_weights - 0.5 * (m**2 / v + np.log(v))
        a, b, c = (x[:, 0] - x[:, 1] for x in (square, linear, constant))
        rate = -1.0 / v
        columns = (c, b, a, linear[:, 1], rate[:, 1], b, rate[:, 0] - rate[:, 1])
        return MixtureTable(kind, 2, False, np.stack(columns, 1))
    if kind == "shared":
        centre = np.einsum("k,tki->ti", score.target.law.weights, means)
        gaps = means - centre[:, None]
        if full:
            precision = np.linalg.inv(spread[:, 0])
            pull, trace = gaps @ precision, -np.einsum("tii,i->t", precision, w)
        else:
            precision = 1.0 / spread[:, 0]
            pull, trace = gaps * precision[:, None], -(precision * w).sum(1)
        logits = log_weights - 0.5 * (gaps * pull).sum(2)
        squares = (np.square(pull) * w).sum(2)
        parts = (trace[:, None], centre, logits, pull, -precision, squares)
    else:
        if full:
            factor = np.linalg.cholesky(spread)
            whiten = np.linalg.inv(factor)
            log_det = np.log(np.einsum("tkii->tki", factor)).sum(2)
            traces = np.einsum("tkai,i->tk", np.square(whiten), w)
        else:
            whiten = 1.0 / np.sqrt(spread)
            log_det = 0.5 * np.log(spread).sum(2)
            traces = (np.square(whiten) * w).sum(2)
        levels = log_weights - log_det - 0.5 * n * math.log(2.0 * math.pi)
        parts = (levels, traces, means, whiten)
    rows = np.concatenate([part.reshape(len(times), -1) for part in parts], axis=1)
    return MixtureTable(kind, modes, full, rows)
