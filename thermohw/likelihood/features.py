r"""A lower estimate of the gradient part of a score error, in any dimension, from samples.

For every function psi, with phi that of `helmholtz`,

    E[grad phi . D grad phi]  >=  2 E[d . D grad psi] - E[grad psi . D grad psi],

and equality holds for psi = phi. psi is sought among

    x_i,      x_i x_j  (up to 32 dimensions),      cos(w_k . y + b_k),   y = (x - mean)/deviation,

w_k, b_k random, drawn from a fixed stream. The best psi is a least-squares problem. Fitted and
evaluated on the same points it would flatter itself, so the points are halved: the right side
is taken on either half with the psi of the other. The mean is then below the true gradient part,
whatever the basis and however noisy the fit, whose ridge is chosen by cross-validation between
the quarters of which the fitting half consists. Expectations on a grid need no halves.

So `bound.score_error_gradient` is a LOWER estimate and `bound.score_error_solenoidal` beside it an
UPPER one. What is missing is the share of phi that the basis cannot express or that the points do
not determine: none for an affine error under a Gaussian law but for the noise of the fit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from thermohw.likelihood.ensemble import Draw
from thermohw.likelihood.helmholtz import captured
from thermohw.likelihood.timeline import Moment, apply

__all__ = ["FeatureSplit"]

_QUADRATIC_LIMIT = 32
_PER_FEATURE = 20  # numbers in half the points for every coefficient that is fitted to them
_RIDGES = tuple(10.0**k for k in range(-9, 3))  # over the mean square of a feature
_CHUNK = 2**22  # numbers of the basis held at once


@dataclass(frozen=True)
class FeatureSplit:
    """Gradient part from below, by least squares.

    Attributes:
        cosines: random functions at most; fewer where the points could not determine them.
    """

    cosines: int = 128
    note: str = (
        "fitted in a finite basis: the gradient part is a lower estimate, the solenoidal part an "
        "upper one"
    )

    def __call__(self, wrong: Tensor, draw: Draw, moment: Moment) -> Tensor:
        """See `helmholtz.Split`."""
        n, dim = wrong.shape
        if draw.weight is not None:
            basis = _Basis(draw.x, draw.weight, self._counts(10**9, dim))
            normal = basis.normal(draw.x, wrong, draw.weight, moment.mobility)
            found = basis.gradient(draw.x, _solve(*normal, ridge=_RIDGES[0]))
            return draw.reduce(captured(wrong, found, moment.mobility))
        quarter = torch.arange(n) % 4
        even = torch.full((n,), 1.0 / n, dtype=torch.float64)
        basis = _Basis(draw.x, even, self._counts(n // 2 * dim, dim))
        normals = []
        for part in range(4):
            own = quarter == part
            normals.append(basis.normal(draw.x[own], wrong[own], even[own], moment.mobility))
        values = torch.empty(n, dtype=torch.float64)
        for half in (0, 1):
            judged = quarter % 2 == half
            fitted = _cross_validated(normals[1 - half], normals[3 - half])
            found = basis.gradient(draw.x[judged], fitted)
            values[judged] = captured(wrong[judged], found, moment.mobility)
        return values

    def _counts(self, numbers: int, dim: int) -> tuple[bool, int]:
        """Whether products are in the basis, and how many cosines."""
        room = numbers // _PER_FEATURE - dim
        products = dim * (dim + 1) // 2
        quadratic = dim <= _QUADRATIC_LIMIT and products <= room
        return quadratic, max(0, min(self.cosines, room - products * quadratic))


class _Basis:
    """Gradients of the functions of the module."""

    def __init__(self, x: Tensor, weight: Tensor, counts: tuple[bool, int]) -> None:
        self.quadratic, cosines = counts
        dim = x.shape[1]
        self.mean = weight @ x / weight.sum()
        square = weight @ (x - self.mean).square() / weight.sum()
        self.deviation = square.sqrt().clamp_min(1e-12)
        fixed = torch.Generator().manual_seed(0)
        # Directions of unit length on average, at several frequencies.
        self.w = torch.randn(cosines, dim, dtype=torch.float64, generator=fixed) / math.sqrt(dim)
        self.w *= 2.0 ** torch.randint(-1, 3, (cosines, 1), generator=fixed)
        self.b = 2.0 * math.pi * torch.rand(cosines, dtype=torch.float64, generator=fixed)
        self.pairs = torch.triu_indices(dim, dim)

    def _gradients(self, x: Tensor) -> Tensor:
        """Shape (n, dim, features), in units of 1/deviation."""
        n, dim = x.shape
        y = (x - self.mean) / self.deviation
        parts = [torch.eye(dim, dtype=torch.float64).expand(n, dim, dim)]
        if self.quadratic:
            i, j = self.pairs
            products = torch.zeros(n, dim, len(i), dtype=torch.float64)
            k = torch.arange(len(i))
            products[:, i, k] += y[:, j]
            products[:, j, k] += y[:, i]
            parts.append(products)
        if len(self.w):
            slope = -torch.sin(y @ self.w.T + self.b)
            parts.append(slope[:, None, :] * self.w.T)
        return torch.cat(parts, 2) / self.deviation[:, None]

    def _chunks(self) -> int:
        features = self.w.shape[1] + len(self.w) + self.quadratic * self.pairs.shape[1]
        return max(1, _CHUNK // (features * self.w.shape[1]))

    def normal(
        self, x: Tensor, wrong: Tensor, weight: Tensor, mobility: float | Tensor
    ) -> tuple[Tensor, Tensor]:
        """Normal equations: matrix (features, features) and right side (features,)."""
        size = self.w.shape[1] + self.quadratic * self.pairs.shape[1] + len(self.w)
        gram, right = (torch.zeros(shape, dtype=torch.float64) for shape in ((size, size), size))
        rows = self._chunks()
        for a, d, w in zip(x.split(rows), wrong.split(rows), weight.split(rows), strict=True):
            g = self._gradients(a)
            flat = (g * w[:, None, None]).flatten(0, 1)
            pushed = torch.matmul(mobility.to(g), g) if isinstance(mobility, Tensor) else g
            gram += flat.T @ pushed.flatten(0, 1)
            right += flat.T @ apply(mobility, d).flatten()
        return gram, right

    def gradient(self, x: Tensor, coefficients: Tensor) -> Tensor:
        """grad psi, shape (n, dim)."""
        return torch.cat([self._gradients(a) @ coefficients for a in x.split(self._chunks())])


def _solve(gram: Tensor, right: Tensor, *, ridge: float) -> Tensor:
    """Coefficients of the best psi, shape (features,)."""
    scale = gram.diagonal().clamp_min(1e-300).rsqrt()
    scaled = gram * scale * scale[:, None]
    scaled.diagonal().add_(ridge)
    return scale * torch.linalg.solve(scaled, scale * right)


def _cross_validated(first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor]) -> Tensor:
    """Coefficients fitted to both quarters with the ridge that serves either best for the other."""

    def worth(ridge: float) -> float:
        total = 0.0
        for fit, (gram, right) in ((first, second), (second, first)):
            c = _solve(*fit, ridge=ridge)
            total += float((2.0 * right - gram @ c) @ c)
        return total

    both = (first[0] + second[0], first[1] + second[1])
    worths = [worth(ridge) for ridge in _RIDGES]
    best = max(range(len(_RIDGES)), key=worths.__getitem__)
    if worths[best] <= 0.0:  # nothing that carries over from one quarter to the other
        return torch.zeros_like(both[1])
    return _solve(*both, ridge=_RIDGES[best])
