r"""Expectations over the noised law p_t: from samples with standard errors, or exactly on a grid.

`SampleEnsemble`: given points x_0 (held-out data) are noised afresh at every time,

    x_t = decay x_0 + noise^{1/2} z,      s_cond = grad ln p(x_t | x_0) = -noise^{-1/2} z,

independently between times, so that a point's time integral averages its noise. One value per
point is kept; no true score is needed.

`GridEnsemble`: where the law itself is known in one or two dimensions, E_{p_t} is a trapezoidal
sum over a wide grid. For a density that is a Gaussian convolution the trapezoidal rule converges
exponentially, so the grid, no coarser than half the data's narrowest deviation, is refined until
mass and entropy stop changing; closed forms are then reproduced to round-off. Its conditional score
is the exact one, E[s_cond | x_t] = s(x_t).

Both deliver `Draw`s and reduce values on them to one number per path; an exact expectation counts
as a single path.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from thermohw.errors import InputError
from thermohw.estimate import Estimate
from thermohw.process import Langevin, Normal, Process
from thermohw.score import ExactScore
from thermohw.target import Target

__all__ = ["Draw", "Ensemble", "GridEnsemble", "SampleEnsemble"]

_WHOLE = 0.5  # of the mass: what a grid that sees the law finds at least
_LOG_NEGLIGIBLE = -46.0  # grid points less likely than 1e-20 of the maximum are left out


class Draw(NamedTuple):
    """Points of p_t.

    Attributes:
        x: shape (n, dim), model units.
        conditional: the denoising target s_cond, shape (n, dim); its mean given x is the score.
        weight: probability of each grid point, shape (n,); None for equally likely samples.
        centre: E[x | x_0] for samples, shape (n, dim); None on a grid.
        noise: Cov[x | x_0], shape (dim, dim); None on a grid.
    """

    x: Tensor
    conditional: Tensor
    weight: Tensor | None = None
    centre: Tensor | None = None
    noise: Tensor | None = None

    def reduce(self, values: Tensor) -> Tensor:
        """Per-path values, shape (n,) for samples; their exact mean, shape (1,), on a grid."""
        return values if self.weight is None else (self.weight @ values)[None]


class Ensemble(Protocol):
    """Where expectations come from."""

    def draw(self, t: float) -> Draw:
        """Points of p_t."""
        ...

    def clean(self) -> Draw:
        """Points of the data, at which the model's density is asked for."""
        ...

    def cross_entropy(self, prior: Normal) -> Tensor:
        """-E[ln prior(x_T)] per path, shape (paths,) or (1,), nats."""
        ...

    def entropy(self, t: float) -> Estimate | None:
        """S(t) in nats, model units; None where the law is not known."""
        ...


@dataclass(frozen=True)
class SampleEnsemble:
    """Held-out points and their noise.

    Attributes:
        process: the forward process.
        points: x_0, shape (n, dim), float64, model units.
        generator: where the noise comes from.
        exact: the law of p_t where it is known, for entropies only.
    """

    process: Process
    points: Tensor
    generator: torch.Generator
    exact: ExactScore | None = None

    def draw(self, t: float) -> Draw:
        """See `Ensemble`; fresh noise at every call."""
        decay, noise = self.process.conditional(t)
        dim = self.points.shape[1]
        z = torch.randn(self.points.shape, dtype=torch.float64, generator=self.generator)
        if self.process.isotropic:
            centre, root = float(decay) * self.points, math.sqrt(float(noise))
            conditional = -z / root if root > 0.0 else torch.zeros_like(z)
            spread = float(noise) * torch.eye(dim, dtype=torch.float64)
            return Draw(centre + root * z, conditional, None, centre, spread)
        centre = self.points @ torch.as_tensor(np.array(decay)).T
        root, inverse = _roots(np.asarray(noise))
        return Draw(centre + z @ root.T, -z @ inverse, None, centre, root @ root.T)

    def clean(self) -> Draw:
        """The points themselves; under a Langevin process states at t_min that read the data's."""
        points = self.points
        if isinstance(self.process, Langevin) and self.process.t_min > 0.0:
            data = points[:, list(self.process.positions)]
            points = self.process.lay(data, self.process.t_min, self.generator)
        return Draw(points, torch.zeros_like(points))

    def cross_entropy(self, prior: Normal) -> Tensor:
        """Averaged over the noise in closed form: -ln prior(E[x_T|x_0]) + tr(C^-1 noise)/2."""
        decay, noise = self.process.transition(self.process.duration)
        if self.process.isotropic:
            mean, noise = float(decay) * self.points, float(noise) * np.eye(prior.dim)
        else:
            mean = self.points @ torch.as_tensor(np.array(decay)).T
        return 0.5 * float(np.trace(np.linalg.solve(prior.matrix, noise))) - prior.log_prob(mean)

    def entropy(self, t: float) -> Estimate | None:
        """From the exact law, where there is one."""
        return None if self.exact is None else self.exact.entropy(t)


def _roots(noise: np.ndarray) -> tuple[Tensor, Tensor]:
    """L with L L^T = noise, and its inverse, pseudo-inverted if singular."""
    values, vectors = np.linalg.eigh(noise)
    values = np.clip(values, 0.0, None)
    root = vectors * np.sqrt(values)
    inverse = np.linalg.pinv(root) if values[-1] > 0.0 else np.zeros_like(root)
    return torch.as_tensor(root), torch.as_tensor(inverse)


@dataclass(frozen=True)
class GridEnsemble:
    """Quadrature over a known law in one or two dimensions.

    Attributes:
        process: the forward process.
        exact: the law, of dimension at most 2.
        target: its mean and covariance place the grid.
        points: samples of the data, shape (n, dim), that stand for the law at t = 0 where it has
            edges and no grid will do; None where a grid does.
        reach: half width of the grid in standard deviations of p_t.
    """

    process: Process
    exact: ExactScore
    target: Target
    points: Tensor | None = None
    reach: float = 12.0

    def draw(self, t: float) -> Draw:
        """See `Ensemble`."""
        x, weight, _ = self._grid(t)
        return Draw(x, self.exact(x, t), weight)

    def clean(self) -> Draw:
        """The law at t = 0, or the samples that stand for it."""
        if self.points is not None:
            return Draw(self.points, torch.zeros_like(self.points))
        x, weight, _ = self._grid(0.0)
        return Draw(x, torch.zeros_like(x), weight)

    def settles(self, t: float) -> bool:
        """Whether the law at t is smooth enough for a grid."""
        try:
            self._grid(t)
        except InputError:
            return False
        return True

    def cross_entropy(self, prior: Normal) -> Tensor:
        """-int p_T ln prior."""
        x, weight, _ = self._grid(self.process.duration)
        return -(weight @ prior.log_prob(x))[None]

    def entropy(self, t: float) -> Estimate:
        """-int p_t ln p_t, without a standard error."""
        return Estimate(self._grid(t)[2], 0.0)

    def _grid(self, t: float) -> tuple[Tensor, Tensor, float]:
        """Points, weights and entropy on a grid fine enough that mass and entropy have settled."""
        mean, covariance = self.process.propagate(self.target.mean, self.target.covariance, t)
        dim = len(mean)
        assert dim <= 2, "grids are for one and two dimensions"
        half = self.reach * np.sqrt(np.diagonal(covariance))
        # A learned score may keep the data's own scale long after p_t has lost it.
        finest = 0.5 * math.sqrt(max(self.target.narrowest, 1e-6)) * 2.0 ** (dim - 1)
        count = min(max(int(2.0 * half.max() / finest), 128), 2 ** (14 // dim)) + 1
        previous = (math.inf, math.inf)
        while True:
            axes = [
                torch.linspace(m - h, m + h, count, dtype=torch.float64)
                for m, h in zip(mean, half, strict=True)
            ]
            x = torch.cartesian_prod(*axes).reshape(-1, dim)
            log_p = self.exact.log_prob(x, t)
            cell = float(np.prod(2.0 * half / (count - 1)))
            weight = log_p.exp() * cell
            mass = float(weight.sum())
            # 0 * -inf is 0 here: outside the support there is no probability
            entropy = -float((weight * log_p.clamp_min(-1e4)).sum())
            change = max(abs(mass - previous[0]), abs(entropy - previous[1]))
            # Of a law that falls between the points no mass is found, however often.
            if mass > _WHOLE and change < 1e-12 * (1.0 + abs(entropy)):
                break
            if count**dim > 2**19:
                raise InputError(
                    f"the law at model time {t:g} is too rough for a grid: its narrowest mode is "
                    f"{math.sqrt(self.target.narrowest):.3g} wide, all of it "
                    f"{2.0 * float(half.max()):.3g}; take samples or broader modes instead",
                    where="target",
                )
            count, previous = 2 * count - 1, (mass, entropy)
        keep = log_p > log_p.max() + _LOG_NEGLIGIBLE
        return x[keep], weight[keep] / mass, entropy / mass + math.log(mass)
