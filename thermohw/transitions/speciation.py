r"""When generation decides between classes of data: speciation time and cloning probability.

Covariance. Noise drowns the widest direction of the data, Lambda its variance, where
Lambda e^{-2 t} = 1 (OU, noise of variance 1):

    tS = (1/2) ln Lambda                                                  (Biroli et al. 2024)

It asks nothing of the classes. What it stands for is the

Cloning probability. Two copies of a state x_t generate independently; phi(t) is the chance that
they end in the same class: E_x sum_k p(k|x)^2, for two equally likely classes

    phi = (1/2) int (G_1^2 + G_2^2)/(G_1 + G_2) dx = E[p^2 + (1 - p)^2],      from 1 down to 1/2.

In high dimension the log odds L = ln G_1/G_2 under class 1 (2) are sums of many small terms:
normal, with mean M (-M) and, because E e^{-L} = 1, variance 2 M. phi then depends on M alone,

    phi(M) = 1 - mmse(M/2)/2,    phi(2) = .775200,

whatever tells the classes apart: means (e^-2t |m_1 - m_2|^2/(2 D)), variances (N (D_1/D_2 - 1)^2/4
in N dimensions) or both. M = 2 is taken for the moment of speciation here: classes whose means
differ by |m_1 - m_2|^2 = 4 N have it at ln(N)/2 (unit variance, as in the covariance's criterion),
classes of variances 1 +- Delta/2 at ln(N Delta^2/8)/4, to order 1/N.

Gaussian classes. With means and covariances of each class of a data set, M is taken as the mean of
both relative entropies, (KL(1|2) + KL(2|1))/2; `pooled` gives both classes the mean of their
covariances, so that L is normal exactly and phi(M) no approximation.

References:
    G. Biroli, T. Bonnaire, V. de Bortoli and M. Mezard, "Dynamical regimes of diffusion models",
    Nat. Commun. 15, 9957 (2024), https://arxiv.org/abs/2402.18491
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy

from thermohw.errors import InputError
from thermohw.estimate import FEWEST, Estimate
from thermohw.process import OU, Process
from thermohw.transitions.one_bit import mmse
from thermohw.transitions.onset import Onset
from thermohw.transitions.two_humps import transition

__all__ = [
    "DECIDED",
    "GaussianClasses",
    "cloning_of_log_odds",
    "cloning_of_variances",
    "cloning_probability",
    "covariance_time",
    "gaussian_classes",
]

DECIDED = 2.0
"""Mean log odds M at which two classes count as told apart: a cloning probability of .775200."""

_ALIKE = 1e-9  # of a matrix: what rounding may leave of its symmetry
_EARLIEST = 1e-9


def covariance_time(covariance: Any) -> Onset:
    """(1/2) ln Lambda on the clock of OU, Lambda the largest variance of any direction.

    Args:
        covariance: of the data, shape (d, d), model units.

    Returns:
        The time; None where no direction is wider than the noise, Lambda <= 1.

    Raises:
        InputError: no covariance.
    """
    top = float(np.linalg.eigvalsh(_covariance(covariance, "transitions.covariance"))[-1])
    words = f"Lambda e^(-2 t) = 1 with Lambda = {top:.6g}"
    if top <= 1.0:
        return Onset(None, f"{words}: no direction of the data is wider than the noise")
    return Onset(0.5 * math.log(top), words)


def cloning_probability(log_odds: float) -> float:
    """phi(M) of two equally likely classes with normal log odds of mean M and variance 2 M.

    Args:
        log_odds: M, 0 or more, nats.

    Raises:
        InputError: a negative M.
    """
    if not log_odds >= 0.0:
        problem = f"mean log odds in favour of the truth are 0 or more, got {log_odds!r}"
        raise InputError(problem, where="transitions.log_odds")
    return 1.0 - 0.5 * mmse(0.5 * log_odds)


def cloning_of_log_odds(log_odds: Any) -> Estimate:
    """phi from samples: the log odds of class 1 at states x_t of both classes, as often of each.

    Args:
        log_odds: ln p(1|x)/p(2|x) of independent states, shape (n,), nats.

    Raises:
        InputError: too few samples for a mean with an error, or what is no number.
    """
    where = "transitions.log_odds"
    try:
        values = np.asarray(log_odds, dtype=np.float64).reshape(-1)
    except (TypeError, ValueError):
        raise InputError("expected numbers", where=where) from None
    if values.size < FEWEST:
        problem = f"{values.size} states are too few for a mean with an error: at least {FEWEST}"
        raise InputError(problem, where=where)
    if np.isnan(values).any():
        raise InputError("some log odds are no numbers", where=where)
    return Estimate.from_paths(0.5 * (1.0 + np.square(np.tanh(0.5 * values))))


def cloning_of_variances(dim: int, first: float, second: float) -> float:
    """phi of N(0, first) and N(0, second) in `dim` coordinates, exact at any dimension.

    L = (dim/2) ln(second/first) + (r^2/2)(1/second - 1/first) depends on the radius alone, r^2 over
    the variance being chi-squared.

    Args:
        dim: number of coordinates.
        first: variance of every coordinate in class 1 at the time asked about.
        second: in class 2.

    Raises:
        InputError: no dimension, or variances that are not positive.
    """
    fine = dim >= 1 and all(math.isfinite(v) and v > 0.0 for v in (first, second))
    if not fine:
        problem = f"expected a dimension and two variances, got {dim!r}, {first!r}, {second!r}"
        raise InputError(problem, where="transitions.variances")
    nodes, weights = np.polynomial.legendre.leggauss(16)
    edges = np.linspace(max(0.0, math.sqrt(dim) - 12.0), math.sqrt(dim) + 12.0, 65)
    half, middle = 0.5 * np.diff(edges)[:, None], 0.5 * (edges[1:] + edges[:-1])[:, None]
    chi, width = (middle + half * nodes).reshape(-1), (half * weights).reshape(-1)
    log_norm = (0.5 * dim - 1.0) * math.log(2.0) + math.lgamma(0.5 * dim)
    mass = width * np.exp((dim - 1.0) * np.log(chi) - 0.5 * np.square(chi) - log_norm)
    total = 0.0
    for variance in (first, second):
        odds = 0.5 * dim * math.log(second / first) + 0.5 * variance * np.square(chi) * (
            1.0 / second - 1.0 / first)  # fmt: skip
        total += 0.5 * float(mass @ (0.5 * (1.0 + np.square(np.tanh(0.5 * odds)))))
    return total


@dataclass(frozen=True, eq=False)
class GaussianClasses:
    """Two equally likely Gaussian classes, model units.

    Attributes:
        means: shape (2, d).
        covariances: shape (2, d, d).
    """

    means: np.ndarray
    covariances: np.ndarray

    def __post_init__(self) -> None:
        where = "transitions.classes"
        means = np.asarray(self.means, dtype=np.float64)
        if means.ndim != 2 or len(means) != 2 or not np.isfinite(means).all():
            problem = f"expected two finite means, shape (2, d), got shape {means.shape}"
            raise InputError(problem, where=where)
        covariances = np.stack([_covariance(c, where) for c in self.covariances])
        if covariances.shape != (2, means.shape[1], means.shape[1]):
            problem = f"covariances of shape {covariances.shape} do not fit means of {means.shape}"
            raise InputError(problem, where=where)
        object.__setattr__(self, "means", means)
        object.__setattr__(self, "covariances", covariances)

    def pooled(self) -> GaussianClasses:
        """Both classes with the mean of their covariances: log odds are normal exactly."""
        return GaussianClasses(self.means, np.stack([self.covariances.mean(0)] * 2))

    @property
    def covariance(self) -> np.ndarray:
        """Covariance of the mixture of both, shape (d, d)."""
        half = 0.5 * (self.means[0] - self.means[1])
        return self.covariances.mean(0) + np.outer(half, half)

    def log_odds(self, t: float, process: Process | None = None) -> float:
        """M(t): mean log odds in favour of the true class, nats.

        Args:
            t: model time; above 0 where a covariance has directions without width.
            process: an isotropic one. Default: OU.

        Raises:
            InputError: a negative time, a process with matrices, or a law without a density.
        """
        decay, noise = transition(t, process)
        gap = decay * (self.means[0] - self.means[1])
        first, second = (decay**2 * c + noise * np.eye(len(gap)) for c in self.covariances)
        try:
            widths = scipy.linalg.eigh(first, second, eigvals_only=True)
            pulls = [np.linalg.solve(c, gap) for c in (first, second)]
        except np.linalg.LinAlgError:
            problem = f"at t = {t:g} a class has a direction without width, hence no density"
            raise InputError(problem, where="transitions.classes") from None
        # (KL + KL)/2: logarithms of determinants cancel.
        spread = 0.25 * float(np.sum(np.square(widths - 1.0) / widths))
        return spread + 0.25 * float(gap @ (pulls[0] + pulls[1]))

    def cloning_probability(self, t: float, process: Process | None = None) -> float:
        """phi(t), as though the log odds were normal; arguments and errors of `log_odds`."""
        return cloning_probability(self.log_odds(t, process))

    def decision_time(self, process: Process | None = None) -> Onset:
        """When M(t) = 2, i.e. phi = .775200; None where it is not passed within the duration.

        Raises:
            InputError: a process with matrices.
        """
        process = OU() if process is None else process

        def excess(t: float) -> float:
            return self.log_odds(float(t), process) - DECIDED

        words = f"the mean log odds of the true class are M(t) = {DECIDED:g}"
        early, late = _EARLIEST * process.duration, process.duration
        start, end = excess(early), excess(late)
        if start <= 0.0:
            told = f"{words}: the classes overlap so much that M is {start + DECIDED:.4g} at most"
            return Onset(None, told)
        if end >= 0.0:
            told = f"{words}: M is still {end + DECIDED:.4g} at the end of the process"
            return Onset(None, told)
        return Onset(float(scipy.optimize.brentq(excess, early, late, xtol=1e-12)), words)


def gaussian_classes(rows: Any, labels: Any, classes: tuple[Any, Any], *, step: float = 0.0,
                     scale: float = 1.0) -> GaussianClasses:  # fmt: skip
    """Means and covariances of two classes of a data set, as two equally likely Gaussians.

    Args:
        rows: data, shape (n, d), data units.
        labels: class of each row, shape (n,).
        classes: the two labels that are compared.
        step: quantisation step; covariances grow by step^2/12, the expectation of dequantising.
        scale: data units for each model unit.

    Raises:
        InputError: shapes that do not fit, or a class with too few rows for a covariance.
    """
    where = "transitions.rows"
    rows, labels = np.asarray(rows, dtype=np.float64), np.asarray(labels)
    if rows.ndim != 2 or labels.shape != rows.shape[:1] or not np.isfinite(rows).all():
        problem = f"expected finite rows (n, d) and n labels, got {rows.shape} and {labels.shape}"
        raise InputError(problem, where=where)
    if not (scale > 0.0 and math.isfinite(scale) and step >= 0.0):
        problem = f"expected a positive scale and a step, got {scale!r}, {step!r}"
        raise InputError(problem, where=where)
    if classes[0] == classes[1]:
        raise InputError(f"two different classes are compared, got {classes!r}", where=where)
    parts = [rows[labels == c] for c in classes]
    for name, part in zip(classes, parts, strict=True):
        if len(part) < FEWEST:
            problem = f"class {name!r} has {len(part)} rows: too few, at least {FEWEST}"
            raise InputError(problem, where=where)
    extra = step**2 / 12.0 * np.eye(rows.shape[1])
    covariances = np.stack([np.atleast_2d(np.cov(p.T)) + extra for p in parts])
    return GaussianClasses(np.stack([p.mean(0) for p in parts]) / scale, covariances / scale**2)


def _covariance(value: Any, where: str) -> np.ndarray:
    """A finite symmetric matrix without negative variances."""
    try:
        matrix = np.atleast_2d(np.asarray(value, dtype=np.float64))
    except (TypeError, ValueError):
        raise InputError("expected a matrix of numbers", where=where) from None
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not np.isfinite(matrix).all():
        raise InputError(f"expected a finite square matrix, got {matrix.shape}", where=where)
    size = float(np.abs(matrix).max(initial=0.0))
    if np.abs(matrix - matrix.T).max(initial=0.0) > _ALIKE * size:
        raise InputError("a covariance is symmetric, this matrix is not", where=where)
    least = float(np.linalg.eigvalsh(matrix)[0])
    if least < -_ALIKE * size * len(matrix):
        problem = f"a covariance has no negative variances, this one has {least:g}"
        raise InputError(problem, where=where)
    return matrix
