r"""What a score is: the control field that turns noise into data, frozen at one time or over all.

    s(x, t) = grad_x ln p_t(x)                    (model units, t along noising)

`Score.at(t)` works out everything that depends on time alone, once, and returns a `Field`, which is
what runs over millions of states. An `ExactScore` knows the law p_t itself, hence also densities,
samples and entropies; a learned score does not.

Divergence of the field: div s = sum_i d s_i/d x_i, a number for each state. E[div s] = -E|s|^2 for
the exact score (Stein).

`affine`: where s(x) = slope x + offset exactly (one Gaussian), the two constants, so that a stepper
may fold them into its own matrices; else None. The slope is a float, a vector of shape (dim,) that
multiplies coordinate by coordinate, or a matrix (dim, dim), s = x @ slope.T + offset; the offset a
float or shape (dim,). Arrays are float64.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor

from thermohw.errors import InputError
from thermohw.estimate import Estimate
from thermohw.noise import Random
from thermohw.process import Process
from thermohw.target import Target

__all__ = ["Estimate", "ExactScore", "Field", "Score"]

Affine = tuple[float | Tensor, float | Tensor]


class Field(ABC):
    """A score at one model time.

    Attributes:
        affine: (slope, offset) when s(x) = slope x + offset, else None.
        symmetric: the Jacobian of the field is symmetric, as that of every gradient is.
    """

    affine: Affine | None = None
    symmetric: bool = False

    @abstractmethod
    def __call__(self, x: Tensor) -> Tensor:
        """Score at states x of shape (paths, dim); same shape, dtype and device."""

    @abstractmethod
    def with_divergence(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Score (paths, dim) and its divergence (paths,), exact."""

    def divergence(self, x: Tensor) -> Tensor:
        """Divergence of the score, shape (paths,), exact."""
        return self.with_divergence(x)[1]

    def weighted_divergence(self, x: Tensor, weight: Tensor) -> Tensor | None:
        """tr(W grad s) for one symmetric W of shape (dim, dim), shape (paths,), exact; None where
        the field has no better way than a Jacobian-vector product for every column of W."""
        del x, weight
        return None

    def quick_divergence(self, x: Tensor) -> Tensor | None:
        """A share of the divergence (under a process with matrices of tr(D grad s), 2D = g g^T),
        shape (paths,), as cheap as the score, whose remainder is much smoother in time; None where
        there is none. Integrals over time sum the two apart."""
        del x
        return None


class Constants:
    """Float64 constants of a field, converted once for each dtype and device that asks.

    A 0-d tensor of the right dtype enters a fused operation without a conversion, which on a tile
    of a few thousand states is a third of what the operation costs.
    """

    def __init__(self, *values: Any) -> None:
        self._values = [torch.as_tensor(v, dtype=torch.float64) for v in values]
        self._cast: dict[tuple[torch.dtype, torch.device], tuple[Tensor, ...]] = {}

    def like(self, x: Tensor) -> tuple[Tensor, ...]:
        """The constants in the dtype and on the device of x."""
        key = x.dtype, x.device
        if key not in self._cast:
            self._cast[key] = tuple(v.to(x.device, x.dtype) for v in self._values)
        return self._cast[key]


class Score(ABC):
    """A score for every model time of a process.

    Attributes:
        process: the forward process whose p_t the score belongs to.
        dim: number of coordinates.
        exact: it is the true score of the target, not a learned or altered one.
        narrowest: smallest variance of any mode of the data at zero noise, model units; what a
            held control loop must be fast enough for.
        target: the data, where the score knows them.
    """

    process: Process
    dim: int
    exact: bool = False
    narrowest: float
    target: Target | None = None

    @abstractmethod
    def at(self, t: float) -> Field:
        """The field at model time t, 0 <= t <= duration."""

    @property
    def divergence_products(self) -> int:
        """What an exact divergence costs, in products of the Jacobian with a vector for each state:
        0 in closed form (about a forward pass), else dim. A score made from another one, its
        `base`, costs what that costs."""
        base = getattr(self, "base", None)
        return base.divergence_products if isinstance(base, Score) else 0

    @property
    def breakpoints(self) -> tuple[float, ...]:
        """Model times at which the score is continuous but not smooth in time: solvers end a step
        there. A score made from another one, its `base`, has those of that."""
        base = getattr(self, "base", None)
        return base.breakpoints if isinstance(base, Score) else ()

    def __call__(self, x: Tensor, t: float) -> Tensor:
        """Score at states x (paths, dim) and model time t."""
        return self.at(t)(x)

    def scaled(self, factor: float) -> Score:
        """The field factor * s: a deliberately wrong score, for tests of bounds and checks."""
        if not math.isfinite(factor):
            raise InputError(
                f"the scale of a score must be finite, got {factor!r}", where="score.scale"
            )
        return self if factor == 1.0 else _ScaledScore(self, float(factor))


class ExactScore(Score):
    """The score of a known law p_t, and that law."""

    exact = True

    @abstractmethod
    def log_prob(self, x: Tensor, t: float) -> Tensor:
        """Log density ln p_t(x), nats, model units, shape (paths,), dtype of x."""

    @abstractmethod
    def sample(self, n: int, t: float, generator: Random) -> Tensor:
        """Draw n samples of p_t, shape (n, dim), float64, model units."""

    @abstractmethod
    def entropy(self, t: float) -> Estimate:
        """Entropy S(t) = -int p_t ln p_t, nats, model units."""


class _ScaledField(Field):
    """A field times a number."""

    def __init__(self, field: Field, factor: float) -> None:
        self._field, self._factor, self.symmetric = field, factor, field.symmetric
        if field.affine is not None:
            slope, offset = field.affine
            self.affine = slope * factor, offset * factor

    def __call__(self, x: Tensor) -> Tensor:
        return self._field(x).mul_(self._factor)

    def with_divergence(self, x: Tensor) -> tuple[Tensor, Tensor]:
        score, divergence = self._field.with_divergence(x)
        return score.mul_(self._factor), divergence.mul_(self._factor)

    def weighted_divergence(self, x: Tensor, weight: Tensor) -> Tensor | None:
        trace = self._field.weighted_divergence(x, weight)
        return None if trace is None else trace.mul_(self._factor)

    def quick_divergence(self, x: Tensor) -> Tensor | None:
        share = self._field.quick_divergence(x)
        return None if share is None else share.mul_(self._factor)


class _ScaledScore(Score):
    """factor * s.

    Attributes:
        base: the score that is multiplied.
        factor: by what.
    """

    def __init__(self, base: Score, factor: float) -> None:
        self.base, self.factor = base, factor
        self.process, self.dim = base.process, base.dim
        self.narrowest, self.target = base.narrowest, base.target

    def at(self, t: float) -> Field:
        return _ScaledField(self.base.at(t), self.factor)
