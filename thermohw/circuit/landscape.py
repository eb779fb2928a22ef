r"""Energies up to the fourth power, and the equilibrium they have.

    H(x) = x.K x / 2 + sum_i c_i x_i^4 + b.x

A linear circuit is the case c = b = 0 with K = H''. Between two states the mean gradient

    grad~H = K (x + x')/2 + c (x + x')(x^2 + x'^2) + b = int_0^1 grad H(x + s (x' - x)) ds

satisfies grad~H . (x' - x) = H(x') - H(x) exactly (a discrete gradient: Gonzalez, J. Nonlinear
Sci. 6, 449 (1996); McLachlan, Quispel and Robidoux, Phil. Trans. R. Soc. A 357, 1021 (1999)). Heat
booked with it obeys the first law to round-off on any increments.

Equilibrium exp(-H/T) is a product over parts that K does not couple. A part without a fourth power
is Gaussian. A part of one or two units is summed over a grid: where the integrand has fallen to
exp(-45) of its height the trapezoidal rule converges faster than any power. Samples are drawn cell
by cell, uniform inside a cell, which makes a variance wrong by 1/12 of the cell's square: 1e-8 of
it for one unit, 3e-5 for two. Larger parts have no such table and are refused,
as are wells so narrow beside their distance from 0 that the grid would miss them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy

from thermohw.errors import InputError

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from thermohw.noise import Random

__all__ = ["Equilibrium", "Landscape"]

_POINTS = {1: 20001, 2: 801}
_CELLS = 32.0  # per unit, that exp(-H/T) must fill: 9 a standard deviation, variance to 1e-3
_DEPTH = 45.0  # the box ends where exp(-H/T) has fallen by exp(-45)


@dataclass(frozen=True, eq=False)
class Landscape:
    """An energy of n coordinates.

    Attributes:
        quadratic: K, shape (n, n), symmetric.
        quartic: c, shape (n,).
        bias: b, shape (n,).
    """

    quadratic: NDArray[Any]
    quartic: NDArray[Any]
    bias: NDArray[Any]

    @cached_property
    def diagonal(self) -> bool:
        """Whether K couples no two coordinates."""
        return not (self.quadratic - np.diag(np.diag(self.quadratic))).any()

    @cached_property
    def linear(self) -> bool:
        """Whether the force is: no fourth power."""
        return not self.quartic.any()

    def energy(self, x: torch.Tensor) -> torch.Tensor:
        """H of states (paths, n): float64, shape (paths,)."""
        x = x.double()
        inner = 0.5 * self._stiff(x)
        if self._b is not None:
            inner = inner + self._b
        if self._c is not None:
            inner = inner + self._c * x**3
        return (x * inner).sum(-1)

    def heights(self, x: NDArray[Any]) -> NDArray[Any]:
        """H on a table of points (points, n), shape (points,): the same without torch, for
        laws that are looked at and never played.
        """
        k = self.quadratic
        inner = 0.5 * (x * np.diag(k) if self.diagonal else x @ k) + self.bias
        return (x * (inner + self.quartic * x**3)).sum(-1)

    def gradient(self, x: torch.Tensor) -> torch.Tensor:
        """grad H at states (paths, n), same shape, float64."""
        force = self._stiff(x)
        if self._b is not None:
            force = force + self._b
        return force if self._c is None else force + 4.0 * self._c * x**3

    def mean_gradient(self, start: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
        """grad~H between states (paths, n), same shape: its product with end - start is the
        difference of their energies.
        """
        both = start + end
        force = 0.5 * self._stiff(both)
        if self._b is not None:
            force = force + self._b
        return force if self._c is None else force + self._c * both * (start**2 + end**2)

    def spread(self, temperature: float) -> NDArray[Any]:
        """A thermal size of every coordinate alone, shape (n,): the root of <x^2> within a factor
        of two; where a double well has its minima, their distance from 0 too.
        """
        a, c = 0.5 * np.diag(self.quadratic), self.quartic
        held = np.maximum(a, 0.0)
        # a x^2 + c x^4 = T/2 with a >= 0 made free of cancellation
        root = np.maximum(held + np.sqrt(held**2 + 2.0 * c * temperature), 1e-300)
        wells = np.where(c > 0.0, np.maximum(-a, 0.0) / np.maximum(2.0 * c, 1e-300), 0.0)
        return np.sqrt(temperature / root + wells)

    def curvature(self, temperature: float) -> NDArray[Any]:
        """Second derivatives at twice the spread, shape (n, n): what sets the fastest rate."""
        far = 2.0 * self.spread(temperature)
        return self.quadratic + np.diag(12.0 * self.quartic * far**2)

    def minus(self, other: Landscape) -> Landscape:
        """The landscape of the difference of two energies."""
        return Landscape(
            self.quadratic - other.quadratic,
            self.quartic - other.quartic,
            self.bias - other.bias,
        )

    @cached_property
    def _k(self) -> torch.Tensor:
        import torch

        return torch.tensor(np.diag(self.quadratic) if self.diagonal else self.quadratic)

    @cached_property
    def _c(self) -> torch.Tensor | None:
        import torch

        return torch.tensor(self.quartic) if self.quartic.any() else None

    @cached_property
    def _b(self) -> torch.Tensor | None:
        import torch

        return torch.tensor(self.bias) if self.bias.any() else None

    def _stiff(self, x: torch.Tensor) -> torch.Tensor:
        return x * self._k if self.diagonal else x @ self._k


class Equilibrium:
    """exp(-H/T)/Z.

    Args:
        landscape: H.
        temperature: T, in H's units.
        names: of the coordinates, for errors.

    Raises:
        InputError: more than two coupled coordinates with a fourth power among them, or wells too
            narrow for the table.
    """

    def __init__(
        self, landscape: Landscape, temperature: float, names: tuple[str, ...] = ()
    ) -> None:
        self.landscape, self.temperature = landscape, temperature
        count, label = scipy.sparse.csgraph.connected_components(
            landscape.quadratic != 0.0, directed=False
        )
        self._parts = []
        for i in range(count):
            part = np.flatnonzero(label == i)
            if landscape.quartic[part].any() and len(part) > 2:
                who = ", ".join(names[j] for j in part[:4]) if names else "landscape"
                raise InputError(
                    f"{who}: the equilibrium of {len(part)} coupled quartic units has no closed "
                    "form or table; give start= states, such as the end of a free run"
                )
            block = landscape.quadratic[np.ix_(part, part)]
            own = Landscape(block, landscape.quartic[part], landscape.bias[part])
            kind = _Grid if own.quartic.any() else _Gaussian
            self._parts.append((part, kind(own, temperature)))

    @property
    def log_partition(self) -> float:
        """ln Z = ln int exp(-H/T) dx, x in its own units."""
        return float(sum(law.log_partition for _, law in self._parts))

    @property
    def mean(self) -> NDArray[Any]:
        """<x>, shape (n,)."""
        found = np.zeros(len(self.landscape.bias))
        for part, law in self._parts:
            found[part] = law.mean
        return found

    @property
    def covariance(self) -> NDArray[Any]:
        """Cov(x), shape (n, n)."""
        found = np.zeros_like(self.landscape.quadratic)
        for part, law in self._parts:
            found[np.ix_(part, part)] = law.covariance
        return found

    @property
    def fourth(self) -> NDArray[Any]:
        """<x_i^4>, shape (n,)."""
        found = np.zeros(len(self.landscape.bias))
        for part, law in self._parts:
            found[part] = law.fourth
        return found

    def sample(self, count: int, random: Random) -> torch.Tensor:
        """States (count, n), float64."""
        import torch

        found = torch.empty(count, len(self.landscape.bias), dtype=torch.float64)
        for part, law in self._parts:
            found[:, torch.as_tensor(part)] = law.sample(count, random)
        return found


class _Gaussian:
    def __init__(self, landscape: Landscape, temperature: float) -> None:
        values = np.linalg.eigvalsh(landscape.quadratic)
        if values[0] <= 0.0:
            raise InputError(f"the energy has no floor: smallest eigenvalue {values[0]:.3g}")
        inverse = np.linalg.inv(landscape.quadratic)
        self.mean = -inverse @ landscape.bias
        self.covariance = temperature * 0.5 * (inverse + inverse.T)
        own = np.diag(self.covariance)
        self.fourth = 3.0 * own**2 + 6.0 * own * self.mean**2 + self.mean**4
        depth = -0.5 * float(landscape.bias @ self.mean)
        self.log_partition = depth / temperature + 0.5 * float(
            np.log(2.0 * np.pi * temperature / values).sum()
        )

    def sample(self, count: int, random: Random) -> torch.Tensor:
        import torch

        from thermohw.noise import normal

        drawn = normal(count, len(self.mean), random)
        return drawn @ torch.tensor(np.linalg.cholesky(self.covariance).T) + torch.tensor(self.mean)


class _Grid:
    def __init__(self, landscape: Landscape, temperature: float) -> None:
        m = len(landscape.bias)
        count = _POINTS[m]
        edge = _box(landscape, temperature, m)
        axis = np.linspace(-edge, edge, count)
        self._axis, self._step = axis, 2.0 * edge / (count - 1)
        x = np.stack(np.meshgrid(*[axis] * m, indexing="ij"), -1).reshape(-1, m)
        exponent = -landscape.heights(x) / temperature
        top = float(exponent.max())
        self._weight = np.exp(exponent - top)
        total = float(self._weight.sum())
        self.log_partition = top + float(np.log(total)) + m * float(np.log(self._step))
        self._weight /= total
        seen = 1.0 / float((self._weight**2).sum())
        if seen < _CELLS**m:
            raise InputError(
                f"wells too narrow for their distance: {seen:.3g} of {count**m:,} cells of a table "
                "hold this equilibrium; give start= states, such as the end of a free run"
            )
        self.mean = self._weight @ x
        centred = x - self.mean
        self.covariance = (centred * self._weight[:, None]).T @ centred
        self.fourth = self._weight @ x**4
        self._m = m

    def sample(self, count: int, random: Random) -> torch.Tensor:
        import torch

        from thermohw.noise import uniform

        cumulative = torch.as_tensor(self._weight).cumsum(0)
        draws = uniform(count, 1, random)[:, 0] * cumulative[-1]
        cell = torch.searchsorted(cumulative, draws).clamp_(max=len(cumulative) - 1)
        jitter = uniform(count, self._m, random) - 0.5
        points = len(self._axis)
        index = torch.stack([cell // points, cell % points], 1) if self._m == 2 else cell[:, None]
        return torch.tensor(self._axis)[index] + self._step * jitter


def _box(landscape: Landscape, temperature: float, m: int) -> float:
    """Half width of a box around 0 on whose border exp(-H/T) is exp(-45) of its maximum."""
    edge = 1.0
    coarse = np.linspace(-1.0, 1.0, 201)

    def depth(edge: float) -> float:
        x = np.stack(np.meshgrid(*[edge * coarse] * m, indexing="ij"), -1).reshape(-1, m)
        energy = landscape.heights(x)
        border = np.abs(x).max(1) >= edge * (1.0 - 1e-12)
        return float((energy[border].min() - energy.min()) / temperature)

    while depth(edge) > _DEPTH:
        edge /= 1.25
    while depth(edge) < _DEPTH:
        edge *= 1.1
    return edge
