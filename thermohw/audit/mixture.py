"""A Gaussian mixture's density of samples that it was not fitted to.

A density that is to bound anything must not know the points at which it is evaluated: fitted to one
half of the samples it is evaluated on the other, and the other way round. Samples are whitened by
the fitted half's own shrunken covariance (Ledoit and Wolf); how many components, and how much
variance every one of them keeps, is chosen on a quarter of the fitted half. Whatever is chosen, the
density is normalised.
"""

from __future__ import annotations

import warnings

import numpy as np

__all__ = ["cross_fitted_nll", "spans"]

_NUMBERS = 2**17  # of all samples used
_PLAIN = 8  # dimensions up to which components need no further variance
_LOW = [(1, 1e-6), (2, 1e-6), (4, 1e-6), (8, 1e-6)]
_HIGH = [(1, 1e-2), (1, 1e-1), (4, 1e-1), (8, 1e-1)]  # components, variance that each keeps


def spans(x: np.ndarray) -> bool:
    """Whether samples (n, d) fill a volume: with twice d of them, and a covariance of full rank."""
    n, d = x.shape
    if n < 2 * d + 2:
        return False
    centred = x - x.mean(0)
    covariance = centred.T @ centred / (n - 1)
    rounding = (np.finfo(float).eps * float(np.abs(x).max())) ** 2
    full = np.linalg.matrix_rank(covariance, hermitian=True) == d
    return bool(full and covariance.diagonal().min() > 4.0 * rounding)


def cross_fitted_nll(x: np.ndarray) -> tuple[np.ndarray, str]:
    """-ln rho of samples under mixtures fitted to the other half of them, nats.

    Args:
        x: independent samples, shape (n, d).

    Returns:
        Values of the first samples, shape (m,), m <= n, none where the samples do not span their
        space; and the fits in words, or the reason.
    """
    x = x[: _NUMBERS // x.shape[1]]
    n, d = x.shape
    half = n // 2
    parts = x[:half], x[half:]
    if not all(spans(part) for part in parts):
        return np.empty(0), f"{n} end states do not span their {d} dimensions twice"
    (one, words), (other, more) = (_fitted(parts[i], parts[1 - i]) for i in (1, 0))
    return np.concatenate([one, other]), words if words == more else f"{words} and {more}"


def _fitted(known: np.ndarray, fresh: np.ndarray) -> tuple[np.ndarray, str]:
    """-ln rho of fresh samples, rho fitted to the known ones."""
    from sklearn.covariance import LedoitWolf

    law = LedoitWolf().fit(known)
    root = np.linalg.cholesky(law.covariance_)
    whiten = np.linalg.inv(root).T
    log_volume = float(np.log(root.diagonal()).sum())
    known, fresh = ((x - law.location_) @ whiten for x in (known, fresh))
    cut = max(1, len(known) // 4)
    choices = _LOW if known.shape[1] <= _PLAIN else _HIGH
    choices = [c for c in choices if c[0] <= (len(known) - cut) // 2]
    scores = [_mixture(known[cut:], *choice).score(known[:cut]) for choice in choices]
    components, floor = choices[int(np.argmax(scores))]
    nll = log_volume - _mixture(known, components, floor).score_samples(fresh)
    return nll, f"{components} component{'s' if components > 1 else ''}"


def _mixture(x: np.ndarray, components: int, floor: float):  # noqa: ANN202  sklearn has no types
    from sklearn.mixture import GaussianMixture

    made = GaussianMixture(components, reg_covar=floor, max_iter=50, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # not converged: as normalised as any
        return made.fit(x)
