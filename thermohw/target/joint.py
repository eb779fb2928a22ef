r"""Data with momenta beside them: what a Langevin process noises.

    p_0(p, x) = N(p; 0, M) p_data(x)

To everything downstream - scores, likelihoods, start laws - this is a target like any other, in all
n coordinates. Since the momenta are independent and Gaussian,

    S_joint = S_data + S_momenta,        S_momenta = (1/2) ln det(2 pi e M),

and for any model with joint density p(p, x), by the chain rule of relative entropy,

    E[-ln p(x)] = E[-ln p(p, x)] - S_momenta - E_x KL( N(0, M) || p(p | x) ),

so the joint negative log-likelihood less S_momenta is an UPPER bound of that of the data, exact
where the model's momenta are as independent and Gaussian as the data's; every exact score is.

Data units: the one `scale` of the data is applied to the momenta as well.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.process import Langevin, Normal, Process
from thermohw.target.base import Target
from thermohw.target.gaussian import GaussianMixture
from thermohw.target.law import MixtureLaw

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from thermohw.noise import Random

__all__ = ["JointMixture", "JointTarget", "join", "lift", "momentum_entropy"]


class JointTarget(Target):
    """Data on the positions of a Langevin process, Gaussian momenta on its other coordinates.

    Attributes:
        base: the data alone.
        positions: their coordinates, in the data's order.
        momentum: covariance M of the others, model units.
    """

    kind = "joint"
    base: Target
    positions: tuple[int, ...]
    momentum: np.ndarray

    def __init__(self, base: Target, positions: tuple[int, ...], momentum: np.ndarray) -> None:
        _describe(self, base, positions, momentum)
        self.mean, self.covariance = _moments(self, base.mean, base.covariance)
        self.narrowest = min(base.narrowest, float(np.linalg.eigvalsh(momentum)[0]))

    def sample(self, n: int, generator: Random) -> Tensor:
        """Draw n states, shape (n, dim), float64, model units."""
        return self._beside(self.base.sample(n, generator), generator)

    def training(self, n: int | None, generator: torch.Generator) -> Tensor:
        """The data's training points with fresh momenta."""
        return self._beside(self.base.training(n, generator), generator)

    def validation(self, n: int | None, generator: torch.Generator) -> Tensor:
        """The data's validation points with fresh momenta."""
        return self._beside(self.base.validation(n, generator), generator)

    def held_out(self, n: int | None, generator: torch.Generator) -> Tensor:
        """The data's test points with fresh momenta."""
        return self._beside(self.base.held_out(n, generator), generator)

    def _beside(self, x: Tensor, generator: Random) -> Tensor:
        rest = Normal(np.zeros(len(self.momentum)), self.momentum).sample(len(x), generator)
        whole = x.new_empty(len(x), self.dim, dtype=rest.dtype)
        whole[:, list(self.positions)] = x.double()
        whole[:, _rest(self)] = rest
        return whole

    @property
    def counts(self) -> dict[str, int]:
        """Rows of a data set by split; none of an analytic target."""
        return getattr(self.base, "counts", {})

    def to_dict(self) -> dict[str, Any]:
        """Kind, the data's own table, positions and momenta."""
        return _table(self)

    def arrays(self) -> dict[str, np.ndarray]:
        """Those of the data."""
        return self.base.arrays()


class JointMixture(GaussianMixture):
    """The same for a Gaussian mixture, whose joint law is one.

    Attributes:
        base: the data alone.
        positions: their coordinates, in the data's order.
        momentum: covariance M of the others, model units.
    """

    base: Target
    positions: tuple[int, ...]
    momentum: np.ndarray

    def __init__(
        self, base: GaussianMixture, positions: tuple[int, ...], momentum: np.ndarray
    ) -> None:
        dim = len(positions) + len(momentum)
        self.dim, self.positions, self.momentum = dim, positions, momentum
        means, spread = _moments(self, base.law.means, base.law.covariances)
        super().__init__(MixtureLaw(base.law.weights, means, spread), {"kind": "joint"})
        _describe(self, base, positions, momentum)

    def to_dict(self) -> dict[str, Any]:
        """Kind, the data's own table, positions and momenta."""
        return _table(self)

    def arrays(self) -> dict[str, np.ndarray]:
        """Those of the data."""
        return self.base.arrays()


def lift(target: Target, process: Process) -> Target:
    """The target in all coordinates of a process: itself, or the data with momenta beside them."""
    if not isinstance(process, Langevin) or target.dim != len(process.positions):
        return target
    return join(target, tuple(process.positions), process.momentum)


def join(base: Target, positions: tuple[int, ...], momentum: np.ndarray) -> Target:
    """Data with momenta beside them; a mixture where the data are one."""
    if isinstance(base, GaussianMixture):
        return JointMixture(base, positions, momentum)
    return JointTarget(base, positions, momentum)


def _describe(target: Any, base: Target, positions: tuple[int, ...], momentum: np.ndarray) -> None:
    target.base, target.positions, target.momentum = base, positions, momentum
    target.dim = len(positions) + len(momentum)
    target.name, target.analytic = f"{base.name} with momenta", base.analytic
    target.scale, target.shift = base.scale, np.zeros(target.dim)
    target.shift[list(positions)] = base.shift
    target.entropy = None if base.entropy is None else base.entropy + momentum_entropy(target)


def momentum_entropy(target: JointTarget | JointMixture) -> float:
    """S of the momenta, nats, data units."""
    size = len(target.momentum)
    volume = float(np.linalg.slogdet(target.momentum)[1])
    return 0.5 * (size * (1.0 + math.log(2.0 * math.pi)) + volume) + size * math.log(target.scale)


def _rest(target: Any) -> list[int]:
    return [i for i in range(target.dim) if i not in target.positions]


def _moments(target: Any, mean: np.ndarray, covariance: np.ndarray) -> tuple[np.ndarray, ...]:
    """Those of the whole state, leading axes kept."""
    x, p = np.array(target.positions), np.array(_rest(target))
    whole = np.zeros((*mean.shape[:-1], target.dim))
    whole[..., x] = mean
    spread = np.zeros((*covariance.shape[:-2], target.dim, target.dim))
    spread[..., x[:, None], x] = covariance
    spread[..., p[:, None], p] = target.momentum
    return whole, spread


def _table(target: Any) -> dict[str, Any]:
    return {
        "kind": "joint",
        "base": target.base.to_dict(),
        "positions": list(target.positions),
        "momentum": target.momentum.tolist(),
    }
