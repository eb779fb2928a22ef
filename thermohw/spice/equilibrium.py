r"""Thermal equilibrium as the simulator sees it: Cov(v) = kT C_M^-1, Cov(i) = kT L^-1, <v i> = 0.

Copies of the bare circuit run under Johnson noise that ngspice draws itself and holds for h. Held
noise is a little weaker than white noise: at its own corners the stationary covariance P_h solves

    P_h = Phi P_h Phi^T + Gamma diag(2 T_k/(gamma_k h)) Gamma^T,   Phi = e^{-A h},
    Gamma = int_0^h e^{-A s} S ds

which for one RC node is kT/C times (2/r) tanh(r/2) = 1 - r^2/12, r = h/RC. The difference from
white noise is added back. Several temperatures are allowed: the stationary state is then that of
the device's Lyapunov equation.

Standard errors come from the scatter between copies, which share nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg import solve_discrete_lyapunov

from thermohw.circuit.tick import tick_moments
from thermohw.spice.board import RandomNoise
from thermohw.spice.deck import CELLS, make_deck
from thermohw.spice.elements import require_sheet
from thermohw.spice.runner import run_deck

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.circuit import LinearDevice

__all__ = ["EquilibriumCheck", "check_equilibrium", "held_covariance"]


@dataclass(frozen=True, eq=False)
class EquilibriumCheck:
    """Second moments of efforts in thermal units (kT_ref/C_ref, kT_ref/L_ref).

    Attributes:
        device: its name.
        coordinates: nodes, then inductors.
        covariance: the simulator's, corrected for held noise, shape (n, n).
        stderr: of its entries.
        expected: the device's own, shape (n, n).
        copies: of the circuit.
        duration: of each after thermalisation, R_ref C_ref.
    """

    device: str
    coordinates: tuple[str, ...]
    covariance: NDArray[Any]
    stderr: NDArray[Any]
    expected: NDArray[Any]
    copies: int
    duration: float

    @property
    def z(self) -> NDArray[Any]:
        """Deviations in standard errors, shape (n, n)."""
        return (self.covariance - self.expected) / self.stderr

    @property
    def holds(self) -> bool:
        """No entry is more than four standard errors away."""
        return float(np.abs(self.z).max()) <= 4.0

    def __str__(self) -> str:
        word = "agrees" if self.holds else "DIFFERS"
        rows = [
            f"  <{a} {b}>  {self.covariance[i, j]:+.4f} +- {self.stderr[i, j]:.4f}, expected "
            f"{self.expected[i, j]:+.4f}"
            for i, a in enumerate(self.coordinates)
            for j, b in enumerate(self.coordinates) if i <= j
        ]  # fmt: skip
        head = f"{self.device}: {word}; {self.copies} copies, {self.duration:g} R C each"
        return "\n".join([head, *rows])


def held_covariance(device: LinearDevice, interval: float) -> NDArray[Any]:
    """Stationary covariance of efforts under held noise, at its corners; thermal units, (n, n).

    Args:
        device: any linear circuit.
        interval: h, R_ref C_ref.
    """
    moments = tick_moments(device, interval)
    gamma = moments.input[:, : len(device.elements)]
    power = 2.0 * device.temperatures / (device.coefficients * interval)
    state = solve_discrete_lyapunov(moments.propagator, (gamma * power) @ gamma.T)
    return device.hessian @ state @ device.hessian


def check_equilibrium(
    device: LinearDevice,
    *,
    copies: int = CELLS,
    duration: float = 100.0,
    interval: float = 0.1,
    seed: int = 1,
    rest: float | None = None,
) -> EquilibriumCheck:
    """Covariance of a circuit left alone, by the simulator's own noise.

    Args:
        device: any linear circuit with a datasheet.
        copies: of the circuit, two or more.
        duration: of each, R_ref C_ref.
        interval: of the noise, R_ref C_ref.
        seed: of the simulator's generator, positive.
        rest: time to forget the empty start, left out; default eight of the slowest time constant.

    Raises:
        InputError: a device that cannot be written as a deck, or what `run_deck` raises.
    """
    require_sheet(device)
    rest = 8.0 * float(device.time_constants.max()) if rest is None else rest
    first, last = int(np.ceil(rest / interval)), int(np.ceil((rest + duration) / interval))
    step = interval / 4.0
    if len(device.resonances):
        step = min(step, 0.05 / float(device.resonances[:, 0].max()))
    deck = make_deck(device, duration=last * interval, step=step, cells=copies, reltol=1e-5,
                     noise=RandomNoise(seed, interval), meters=False,
                     title=f"{device.name}, {copies} copies left alone, seed {seed}")  # fmt: skip
    run = run_deck(deck)
    seconds = np.arange(first, last + 1) * interval * device.scale.time
    efforts = run.split(run.at(seconds))[0] / device.effort_scale
    each = np.einsum("tci,tcj->cij", efforts, efforts) / len(seconds)
    expected = device.effort_covariance
    bias = held_covariance(device, interval) - expected
    return EquilibriumCheck(
        device.name, device.coordinates, each.mean(axis=0) - bias,
        each.std(axis=0, ddof=1) / sqrt(copies), expected, copies, duration,
    )  # fmt: skip
