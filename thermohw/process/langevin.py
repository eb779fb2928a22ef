r"""Langevin: noising a circuit with inductors, where noise reaches some coordinates only.

A state w = (p, x): x the positions, which carry the data, p the momenta, which alone are noisy
(node voltages and inductor currents of RLC cells, or the other way round). Model units, in which
the circuit's equilibrium has variance one,

    dw = -A w dt + B dW,     A = G + R,     B B^T = B2 = 2D

with G the friction (G, B2 act on the momenta alone) and R the exchange of energy without loss. For
one cell with friction Gamma = 1/RC and frequency omega = 1/sqrt(LC), critically damped where
omega = Gamma/2,

    dp = -Gamma p dt - omega x dt + sqrt(2 Gamma) dW,        dx = omega p dt.

At t = 0 the momenta are independent of the data: p_0(p, x) = N(p; 0, M) p_data(x).

Time reversal. Run backwards, tau = T - t, the law p_t is that of

    dw = [A w + B2 grad ln p_t(w)] dtau + B dW.

Its rotation is +R. A circuit that is let go and driven does dw = [(-G - R_own) w + u] dtau + B dW,
and no control on the momenta could turn its rotation round. So this process is not the circuit's
own free motion (R = R_own) but that of its MIRROR IMAGE, R = -R_own, in which all exchanges run
the other way. Then circuit and reverse process rotate alike, and what is left,

    u = 2 G w + B2 grad ln p_t(w),

acts on the momenta alone and needs the score on them alone. The mirror image is no other physics:
flip the momenta, p -> -p, and the circuit's free motion becomes the mirror image's (a circuit is
reversible once odd variables change sign). The data law and the equilibrium do not notice the
flip. To noise data on the device itself and generate from the very states it ended in, the momenta
are flipped once between the two.

Because noise reaches the positions through the momenta only, Var(x_t | w_0) grows like t^3. What
a score is trained against is therefore conditioned on the data alone, the momenta's start being
averaged over ("hybrid score matching"):

    w_t | x_0 ~ N(e^{-A t} (0, x_0), Q(t) + e^{-A t} diag(M, 0) e^{-A^T t}),   Var(x_t | x_0) ~ t^2

What such a state tells of the data, and the noise level that follows: `process.sufficient`.

Reference: T. Dockhorn, A. Vahdat and K. Kreis, "Score-based generative modeling with
critically-damped Langevin diffusion", ICLR 2022, https://arxiv.org/abs/2112.07068
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import scipy

from thermohw.errors import InputError
from thermohw.process.base import require
from thermohw.process.normal import Normal
from thermohw.process.relaxation import Relaxation
from thermohw.process.sufficient import PhaseSpace, Statistic

__all__ = ["Langevin", "Statistic"]


@dataclass(frozen=True, eq=False)
class Langevin(PhaseSpace):
    """dw = -A w dt + B dW with noise on the momenta alone; data are laid on the positions.

    Attributes:
        positions: indices of the coordinates that carry the data, in the data's order.
        momentum: covariance M of the other coordinates at t = 0, shape (n - d, n - d); a number
            stands for a multiple of the identity.
    """

    positions: Sequence[int] = ()
    momentum: Any = 1.0
    kind: ClassVar[str] = "langevin"

    def __post_init__(self) -> None:
        super().__post_init__()
        where = "process (langevin)"
        places = tuple(int(i) for i in self.positions)
        fine = len(set(places)) == len(places) > 0 and all(0 <= i < self.dim for i in places)
        require(
            fine and len(places) < self.dim,
            where,
            f"positions must be some, not all, of the {self.dim} coordinates, got {list(places)}",
        )
        object.__setattr__(self, "positions", places)
        size = self.dim - len(places)
        momentum = np.array(self.momentum, dtype=np.float64)
        momentum = momentum * np.eye(size) if momentum.ndim == 0 else momentum
        require(
            momentum.shape == (size, size) and np.allclose(momentum, momentum.T, rtol=1e-12),
            where,
            f"momentum must be a symmetric matrix of {size} rows, got shape {momentum.shape}",
        )
        require(
            bool(np.isfinite(momentum).all()) and float(np.linalg.eigvalsh(momentum)[0]) > 0.0,
            where,
            "momentum must be positive definite",
        )
        object.__setattr__(self, "momentum", momentum)
        assert self.cells  # every part has data and noise, or says so now

    # A dataclass that defines __eq__ by hand drops the inherited hash.
    __hash__ = Relaxation.__hash__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Langevin) and self.to_dict() == other.to_dict()

    @property
    def momenta(self) -> tuple[int, ...]:
        """Indices of the noisy coordinates, ascending."""
        return tuple(i for i in range(self.dim) if i not in self.positions)

    def irreversible(self, t: float) -> np.ndarray:
        """-G: what is left of F when the momenta change sign; exchange with the positions does not
        stay.
        """
        places = np.zeros(self.dim, dtype=bool)
        places[list(self.positions)] = True
        return np.where(places[:, None] == places, self.drift(t), 0.0)

    def joint(self, mean: Any, covariance: Any) -> tuple[np.ndarray, np.ndarray]:
        """Mean (..., n) and covariance (..., n, n) of (p, x) at t = 0 from those of the data.

        Args:
            mean: shape (..., d), model units.
            covariance: shape (..., d, d).
        """
        mean, covariance = np.asarray(mean, np.float64), np.asarray(covariance, np.float64)
        x, p = list(self.positions), list(self.momenta)
        whole = np.zeros((*mean.shape[:-1], self.dim))
        whole[..., x] = mean
        spread = np.zeros((*covariance.shape[:-2], self.dim, self.dim))
        spread[..., np.array(x)[:, None], x] = covariance
        spread[..., np.array(p)[:, None], p] = self.momentum
        return whole, spread

    def narrowest(self, variance: float, t: float) -> np.ndarray:
        """Covariance of p_t for data of one variance, shape (n, n)."""
        d = len(self.positions)
        decay, noise = self.transition(t)
        return decay @ self.joint(np.zeros(d), variance * np.eye(d))[1] @ decay.T + noise

    def conditional(self, t: float) -> tuple[np.ndarray, np.ndarray]:
        """(decay, noise) of w_t given the data alone; the decay ignores the momenta' start."""
        decay, noise = self.transition(t)
        start = decay[:, list(self.momenta)]
        decay = decay.copy()
        decay[:, list(self.momenta)] = 0.0
        return decay, noise + start @ self.momentum @ start.T

    @cached_property
    def cells(self) -> tuple[tuple[Langevin, np.ndarray], ...]:
        """The parts that nothing joins to each other: every distinct one as a process of its own,
        and the coordinates of all its copies, shape (copies, coordinates of one).
        """
        joined = (self.A != 0.0) | (self.B2 != 0.0)
        x, p = list(self.positions), list(self.momenta)
        joined[np.ix_(p, p)] |= self.momentum != 0.0
        count, label = scipy.sparse.csgraph.connected_components(joined, directed=False)
        if count == 1:
            return ((self, np.arange(self.dim)[None]),)
        found: dict[bytes, tuple[Langevin, list[np.ndarray]]] = {}
        for index in range(count):
            part = np.flatnonzero(label == index)
            places = [i for i, j in enumerate(part) if j in x]
            rest = [p.index(int(j)) for j in part if j not in x]
            if not places or not rest:
                raise InputError(
                    "a part of the circuit has no data or no noise", where="process (langevin)"
                )
            block = np.ix_(part, part)
            parts = self.A[block], self.B2[block], self.momentum[np.ix_(rest, rest)]
            key = b"".join(np.ascontiguousarray(m).tobytes() for m in parts) + repr(places).encode()
            if key not in found:
                one = Langevin(*parts[:2], self.duration, positions=places, momentum=parts[2])
                found[key] = one, []
            found[key][1].append(part)
        return tuple((one, np.stack(copies)) for one, copies in found.values())

    def transition(self, t: float, start: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        """(e^{-A (t - start)}, Q(t - start)), float64 arrays (n, n), one cell of an array at a
        time.
        """
        if len(self.cells) == 1 and len(self.cells[0][1]) == 1:
            return super().transition(t, start)
        decay, noise = np.zeros_like(self.A), np.zeros_like(self.A)
        for one, places in self.cells:
            rows, columns = places[:, :, None], places[:, None, :]
            decay[rows, columns], noise[rows, columns] = one.transition(t, start)
        return decay, noise

    def prior(self, kind: str, mean: np.ndarray, covariance: Any) -> Normal:
        """As `Process.prior`, for moments of the joint state or of the data alone; the "schedule"
        is the law at T of data that are all zero.
        """
        mean = np.atleast_1d(np.asarray(mean, dtype=np.float64))
        if len(mean) == len(self.positions):
            flat = np.ndim(covariance) == 0
            spread = float(covariance) * np.eye(len(mean)) if flat else covariance
            mean, covariance = self.joint(mean, spread)
        if len(mean) != self.dim:
            raise InputError(
                f"the process has {len(self.positions)} positions but the data have {len(mean)} "
                "coordinates",
                where="process",
            )
        if kind == "schedule":
            return Normal(np.zeros(self.dim), self.conditional(self.duration)[1])
        return super().prior(kind, mean, covariance)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and nested lists; see `process_from_dict`."""
        extra = {"positions": list(self.positions), "momentum": self.momentum.tolist()}
        return super().to_dict() | extra
