r"""The weighted divergence tr(D grad s) of a score at given points: exactly, or by random probes.

Exact: for isotropic processes D = 1 (per unit of diffusion time) and tr(grad s) = div s, which the
field knows. For a matrix D = L L^T,

    tr(D grad s) = sum_j l_j . (grad s) l_j,     l_j the columns of L,

one Jacobian-vector product per column that is not zero: affordable up to about 128 dimensions.
Fields that know the weighted divergence are asked for it.

Hutchinson: for probes r with E[r r^T] = 1 the number (L r) . (grad s)(L r) has that trace as its
mean. Rademacher entries +-1 have the least variance of all independent entries, 2 sum_{i != j}
A_ij^2 with A the symmetrised L^T (grad s) L, zero for a diagonal one. Every probe is drawn
independently for every point and kept apart from the others in the result, so that each probe is
an independent estimate and their spread gives a standard error per point. A caller that integrates
along a trajectory prepares the probes once: a probe that changed during a solve would make the
integrand rough and the result wrong by the quadrature error of white noise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from thermohw.score import Field

__all__ = ["ExactTrace", "Hutchinson", "Trace", "Tracer", "choose_trace"]

EXACT_LIMIT = 128  # dimensions up to which `choose_trace` takes the exact divergence
DEFAULT_PROBES = 64  # beyond it
_TILE = 2**15  # path-coordinates per tile: bounds the memory of dim simultaneous tangents

Tracer = Callable[[Field, Tensor, "float | Tensor"], Tensor]


class Trace(Protocol):
    """How traces are taken."""

    @property
    def products(self) -> int | None:
        """Jacobian-vector products per point; None where the field's own divergence is used."""
        ...

    def prepare(self, paths: int, dim: int) -> Tracer:
        """A function (field, x of shape (paths, dim), D) -> traces of shape (estimates, paths)."""
        ...


def _root(mobility: float | Tensor, dim: int) -> Tensor:
    """L with L L^T = D, shape (dim, dim); D may be singular."""
    if isinstance(mobility, float):
        return mobility**0.5 * torch.eye(dim, dtype=torch.float64)
    values, vectors = torch.linalg.eigh(mobility)
    return vectors * values.clamp_min(0.0).sqrt()


def _products(field: Field, x: Tensor, tangents: Tensor) -> Tensor:
    """v . (grad s) v for tangents v of shape (k, paths, dim); shape (k, paths)."""

    def one(tangent: Tensor) -> Tensor:
        return torch.func.jvp(field, (x,), (tangent,))[1]

    moved = torch.func.vmap(one)(tangents)
    return (tangents * moved).sum(-1)


def _tiles(x: Tensor, tangents: int) -> list[slice]:
    rows = max(1, _TILE // x.shape[1] * 64 // max(64, tangents))
    return [slice(start, start + rows) for start in range(0, len(x), rows)]


@dataclass(frozen=True)
class ExactTrace:
    """The trace itself; one "estimate" per point."""

    products: int | None = None

    def prepare(self, paths: int, dim: int) -> Tracer:
        """See `Trace`."""

        def trace(field: Field, x: Tensor, mobility: float | Tensor) -> Tensor:
            parts = []
            for tile in _tiles(x, dim):
                if isinstance(mobility, float):
                    parts.append(mobility * field.divergence(x[tile]))
                    continue
                assert isinstance(mobility, Tensor)
                known = field.weighted_divergence(x[tile], mobility)
                if known is not None:
                    parts.append(known)
                    continue
                columns = _root(mobility, dim).T.to(x)
                columns = columns[columns.abs().amax(1) > 0.0]
                tangents = columns[:, None, :].expand(-1, len(x[tile]), dim)
                parts.append(_products(field, x[tile], tangents).sum(0))
            return torch.cat(parts)[None]

        return trace


@dataclass(frozen=True)
class Hutchinson:
    """Rademacher probes.

    Attributes:
        probes: independent probes per point; at least 2, so that a standard error exists.
        generator: where the signs come from.
    """

    probes: int
    generator: torch.Generator

    @property
    def products(self) -> int:
        """One Jacobian-vector product per probe."""
        return self.probes

    def prepare(self, paths: int, dim: int) -> Tracer:
        """See `Trace`; the probes are drawn here and stay fixed."""
        assert self.probes >= 2, "one probe has no standard error"
        shape = (self.probes, paths, dim)
        signs = torch.randint(0, 2, shape, generator=self.generator, dtype=torch.int8).mul_(2)
        signs.sub_(1)

        def trace(field: Field, x: Tensor, mobility: float | Tensor) -> Tensor:
            parts = []
            for tile in _tiles(x, self.probes):
                tangents = signs[:, tile].to(x)
                if isinstance(mobility, float):
                    parts.append(mobility * _products(field, x[tile], tangents))
                else:
                    root = _root(mobility, dim).to(x)
                    parts.append(_products(field, x[tile], tangents @ root.T))
            return torch.cat(parts, dim=1)

        return trace


def choose_trace(
    probes: int, dim: int, generator: torch.Generator, *, closed_form: bool = False
) -> Trace:
    """Exact for probes = 0 up to 128 dimensions, else Hutchinson.

    Args:
        probes: number of probes per point; 0 asks for the exact divergence, which beyond 128
            dimensions is replaced by 64 probes.
        dim: dimension of the data.
        generator: where probes are drawn from.
        closed_form: the field knows its divergence without products, so any dimension is cheap.
    """
    if probes == 0 and (closed_form or dim <= EXACT_LIMIT):
        return ExactTrace()
    return Hutchinson(max(2, probes) if probes else DEFAULT_PROBES, generator)
