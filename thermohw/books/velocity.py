r"""Entropy production from trajectories alone: the current velocity, learned from increments.

For dx = b dt + sqrt(2 D) dW of law q the current velocity is nu = b - D grad ln q, and the
production of the even reversal is int E[nu . D^-1 nu] dt. Stratonovich products see nu without b or
q: E[w o dx] = E[w . nu] dt. Hence for ANY field w

    int E[2 w . D^-1 o dx - w . D^-1 w dt]   =   production - int E[(w - nu) . D^-1 (w - nu)] dt,

a lower bound of the production that is best, and equal, for w = nu: the loss of Lyu, Ray and
Crutchfield (arXiv:2504.19007) with another sign. For the best size of a given w it becomes the
short-time uncertainty bound

    int E[w . D^-1 o dx]^2 / E[w . D^-1 w] dt   <=   production

(Otsubo, Ito, Dechant and Sagawa, Phys. Rev. E 101, 062106 (2020)).

w is a ridge regression on features: a constant, the coordinates and, in few dimensions, cubic
splines of each of them (scikit-learn), constant in time over stretches. Which stretches, and which
ridge in each (an infinite one says that nothing is to be learned there), is a binary tree of time
chosen by cross-validation between two quarters of the paths: where the field changes and is strong
stretches are short, where it is weak nothing is fitted to the noise.

Fitted and judged on the same paths a field would flatter itself, so each half is judged by the
field of the other. The estimate is then below the production in the mean for any features and any
number of paths. What is missed is what the features cannot express and what the paths do not
determine (2 nats a coefficient, over the number of paths fitted to). Products over steps of h are
those of the continuous path up to O(h).

Only even coordinates: velocities and inductor currents would be reversed. Where more than x decides
what x does next (readings with a memory, latency), nu is the mean over what is not seen, and the
bound is one of the marginal law's production.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy.linalg
from sklearn.preprocessing import SplineTransformer

from thermohw.errors import InputError
from thermohw.estimate import Estimate

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LearnedProduction", "learned_production"]

_SPLINES = 3  # coordinates up to which splines are worth their parameters
_RIDGES = (0.0, 1e-4, 1e-3, 1e-2, 0.1, 1.0)  # over the mean square of a feature
_PER_FEATURE = 20  # increments for every coefficient that is fitted to them
_PLACED = 50_000  # states that place the knots


@dataclass(frozen=True)
class LearnedProduction:
    """Lower bounds of the entropy production, nats.

    Attributes:
        total: int E[2 w . D^-1 o dx - w . D^-1 w dt].
        uncertainty: the short-time uncertainty bound with the same fields.
        rate: `total` of every bin over its duration, shape (bins,), per unit of `times`.
        times: edges of the bins, shape (bins + 1,).
    """

    total: Estimate
    uncertainty: Estimate
    rate: NDArray[np.float64]
    times: NDArray[np.float64]


def learned_production(
    paths: NDArray[np.float64],
    times: NDArray[np.float64],
    diffusion: float | NDArray[np.float64],
    *,
    bins: int = 32,
    knots: int | None = None,
) -> LearnedProduction:
    """Bound the entropy production of trajectories from below.

    Args:
        paths: states, shape (paths, frames, n), any unit.
        times: of the frames, shape (frames,), rising; steps short against the relaxation.
        diffusion: D, half the growth of the variance per unit of time: a number, one for every
            coordinate, shape (n,), or a matrix (n, n).
        bins: stretches of equally many steps, the shortest that may have a field of their own.
        knots: of the splines of every coordinate, 0 for linear fields; default 8 in up to three
            dimensions, else 0.

    Returns:
        Bounds with standard errors, of independent paths.

    Raises:
        InputError: shapes that do not fit, times that do not rise, a diffusion that is not
            positive, states that are not finite, or fewer paths than the features need.
    """
    paths, times = _real(paths, "paths"), _real(times, "times")
    if paths.ndim != 3 or times.shape != (paths.shape[1],) or paths.shape[1] < 2:
        problem = f"shapes {paths.shape} and {times.shape}: expected (paths, frames, n), (frames,)"
        raise InputError(problem, where="learned_production")
    n, steps = paths.shape[2], np.diff(times)
    if not np.all(steps > 0.0):
        raise InputError("times must rise", where="learned_production.times")
    if not np.isfinite(paths).all():
        raise InputError("states must be finite numbers", where="learned_production.paths")
    inverse = _inverse(diffusion, n)
    knots = (8 if n <= _SPLINES else 0) if knots is None else knots
    if bins < 1 or knots < 0 or knots == 1:
        problem = f"bins {bins}, knots {knots}: expected 1 or more bins, and 0, 2 or more knots"
        raise InputError(problem, where="learned_production")
    features = 1 + n + (n * (knots + 2) if knots else 0)
    most = len(paths) // 4 * len(steps)
    if most < _PER_FEATURE * features:
        problem = (
            f"{most} increments of a quarter of the paths to fit {features} features to: expected "
            f"{_PER_FEATURE * features}; take more paths or fewer knots"
        )
        raise InputError(problem, where="learned_production")
    bins = min(bins, len(steps))
    per_bin = -(-len(steps) // bins)
    edges = np.append(np.arange(0, len(steps), per_bin), len(steps))
    basis = _Features(paths, knots)
    sums = [_FeatureSums.of(basis, paths[q::4], steps, edges) for q in range(4)]
    fields = [_grown(sums[1 - half], sums[3 - half], inverse) for half in (0, 1)]
    found = _judged(basis, fields, paths, times, edges, inverse)
    value = found.moved * 2.0 - found.square
    return LearnedProduction(
        Estimate.from_paths(value.sum(1)),
        _uncertainty(found),
        value.mean(0) / np.diff(times[edges]),
        times[edges],
    )


class _Features:
    """Features of states, of order one."""

    def __init__(self, paths: NDArray[np.float64], knots: int) -> None:
        states = paths.reshape(-1, paths.shape[2])
        some = states[:: max(1, len(states) // _PLACED)]
        self._mean, self._size = some.mean(0), np.maximum(some.std(0), 1e-300)
        self._splines = None
        if knots:
            self._splines = SplineTransformer(
                n_knots=knots, degree=3, knots="quantile", extrapolation="linear"
            ).fit(some)

    def __call__(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Of states (rows, n), shape (rows, features)."""
        linear = np.column_stack([np.ones(len(x)), (x - self._mean) / self._size])
        if self._splines is None:
            return linear
        return np.hstack([linear, np.asarray(self._splines.transform(x))])


class _FeatureSums(NamedTuple):
    """Of some paths, bin by bin: features times features times h, features times increments, both
    over the number of paths.
    """

    square: NDArray[np.float64]
    moved: NDArray[np.float64]

    @classmethod
    def of(
        cls, basis: _Features, paths: NDArray[np.float64], steps: NDArray[np.float64],
        edges: NDArray[np.int_],
    ) -> _FeatureSums:  # fmt: skip
        """Taken over middles of the steps (Stratonovich)."""
        squares, moves = [], []
        for begin, end in zip(edges[:-1], edges[1:], strict=True):
            middle, moved = _steps(paths[:, begin : end + 1])
            phi = basis(middle)
            h = np.tile(steps[begin:end], len(paths))
            squares.append(phi.T @ (phi * h[:, None]) / len(paths))
            moves.append(phi.T @ moved / len(paths))
        return cls(np.stack(squares), np.stack(moves))

    def over(self, begin: int, end: int) -> _FeatureSums:
        """Of a stretch of bins."""
        return _FeatureSums(self.square[begin:end].sum(0), self.moved[begin:end].sum(0))

    def gain(self, weights: NDArray[np.float64], inverse: NDArray[np.float64]) -> float:
        """The bound with a field of these weights (features, n)."""
        linear = 2.0 * float(np.sum((weights @ inverse) * self.moved))
        return linear - float(np.sum((weights @ inverse) * (self.square @ weights)))


def _grown(
    one: _FeatureSums, other: _FeatureSums, inverse: NDArray[np.float64]
) -> list[NDArray[np.float64] | None]:
    """Weights (features, n) of every bin, None for no field, by the tree of the module."""
    bins = len(one.square)

    def best(begin: int, end: int) -> tuple[float, list[NDArray[np.float64] | None]]:
        first, second = one.over(begin, end), other.over(begin, end)
        gain, ridge = 0.0, None
        for candidate in _RIDGES:
            judged = second.gain(_ridge(first, candidate), inverse)
            judged += first.gain(_ridge(second, candidate), inverse)
            if judged > gain:
                gain, ridge = judged, candidate
        weights = None
        if ridge is not None:
            both = _FeatureSums(first.square + second.square, first.moved + second.moved)
            weights = _ridge(both, ridge)
        if end - begin > 1:
            middle = (begin + end) // 2
            (left, before), (right, after) = best(begin, middle), best(middle, end)
            if left + right > gain:
                return left + right, before + after
        return gain, [weights] * (end - begin)

    return best(0, bins)[1]


def _ridge(sums: _FeatureSums, ridge: float) -> NDArray[np.float64]:
    """Weights that the sums ask for; splines of one coordinate add up to a constant, so of all best
    ones the smallest.
    """
    penalty = ridge * np.diag(sums.square.diagonal())
    solved: Any = scipy.linalg.lstsq(sums.square + penalty, sums.moved)
    return np.asarray(solved[0])


class _JudgedBound(NamedTuple):
    """sum w . D^-1 o dx and sum w . D^-1 w h of every path and bin, shape (paths, bins)."""

    moved: NDArray[np.float64]
    square: NDArray[np.float64]


def _judged(
    basis: _Features,
    fields: list[list[NDArray[np.float64] | None]],
    paths: NDArray[np.float64],
    times: NDArray[np.float64],
    edges: NDArray[np.int_],
    inverse: NDArray[np.float64],
) -> _JudgedBound:
    """Each half of the paths by the field of the other."""
    shape = len(paths), len(edges) - 1
    found, steps = _JudgedBound(np.zeros(shape), np.zeros(shape)), np.diff(times)
    for half, weights in enumerate(fields):
        for number, (begin, end) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
            own = weights[number]
            if own is None:
                continue
            middle, moved = _steps(paths[half::2, begin : end + 1])
            field = basis(middle) @ own
            push = field @ inverse
            rows = -1, end - begin
            found.moved[half::2, number] = (push * moved).sum(1).reshape(rows).sum(1)
            square = (push * field).sum(1).reshape(rows)
            found.square[half::2, number] = square @ steps[begin:end]
    return found


def _uncertainty(found: _JudgedBound) -> Estimate:
    """sum over bins of E[moved]^2/E[square]; the mean's own variance is taken out of its square."""
    mean, size = found.moved.mean(0), found.square.mean(0)
    used = size > 0.0
    moved, square = found.moved[:, used], found.square[:, used]
    mean, size = mean[used], size[used]
    value = float(((mean**2 - moved.var(0, ddof=1) / len(moved)) / size).sum())
    influence = 2.0 * mean / size * (moved - mean) - (mean / size) ** 2 * (square - size)
    spread = Estimate.from_paths(influence.sum(1))
    return Estimate(value, spread.stderr, spread.freedom, spread.lean)


def _steps(paths: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Middles and increments of all steps, shape (paths x steps, n)."""
    n = paths.shape[2]
    middle = 0.5 * (paths[:, 1:] + paths[:, :-1])
    return middle.reshape(-1, n), np.diff(paths, axis=1).reshape(-1, n)


def _real(values: object, name: str) -> NDArray[np.float64]:
    """An array of real numbers."""
    try:
        given = np.asarray(values)
        if given.dtype.kind in "biuf":
            return given.astype(np.float64)
    except (TypeError, ValueError):  # rows of different lengths
        pass
    raise InputError("expected an array of real numbers", where=f"learned_production.{name}")


def _inverse(diffusion: float | NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """D^-1, shape (n, n)."""
    given = _real(diffusion, "diffusion")
    if given.ndim == 0:
        given = np.full(n, float(given))
    matrix = np.diag(given) if given.ndim == 1 else given
    problem = f"shape {given.shape}: expected a number, ({n},) or ({n}, {n}), positive definite"
    if matrix.shape != (n, n) or not np.allclose(matrix, matrix.T):
        raise InputError(problem, where="learned_production.diffusion")
    try:
        return scipy.linalg.cho_solve(scipy.linalg.cho_factor(matrix), np.eye(n))
    except (np.linalg.LinAlgError, ValueError):
        raise InputError(problem, where="learned_production.diffusion") from None
