r"""Continuous control: a source that follows the state inside the step, integrated with midpoint
products.

Three steppers for dz = -sum_k b_k dy_k + B i dt, dy_k = gamma_k (b_k.v - e_k) dt - sigma_k dW_k,
with e or i a function of z and time:

    euler      left point; weak and (additive noise) strong order 1; its kernel is Gaussian, so
               fluctuation theorems hold exactly
    heun       trapezoid on the same noise; strong order 1, weak order 2
    splitting  exact free circuit for h/2, source alone for h (explicit midpoint), exact free
               circuit for h/2; weak order 2, no stability limit from the circuit itself, only
               from the control

All book Stratonovich products: the work of a source is -e_mid y with y the charge that really
moved, the heat X_mid y with X_mid from the same ends and the same e_mid, so the first law closes
to round-off for any step. Left-point products would be off by an O(1) amount (twice the heat for a
driftless process), not by a small one. What e_mid is decides the order of the books:

    euler            (e(z, t) + e(z', t'))/2: order 1, like its paths
    heun, splitting  mean of e(., t + h/2) at the two Gauss points of the chord from z to z'

The plain trapezoid would leave them at order 1. A chord over a Brownian path has (z' - z)^2 ~ h,
so its error (z' - z)^3 e'' is O(h^2) a step; and as int E(z_s - chord)^2 ds = D h^2/3, so is that
of a law that changes in time between the ends. Gauss points and the mid-time law push both to
O(h^3). Two things stay at order 1. Under current wiring the books of heun: its injected charge and
its int v dt are two trapezoids, whose product misses (i' - i)(v' - v)/4 a step; splitting, whose
source acts alone on a known move, has no such error. And the share of each bath where baths of
different temperature meet on a node, since the area between force and charge has a mean there;
the sum over baths is of order 2.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import torch

from thermohw.circuit import node_moments, tick_moments
from thermohw.integrate.step import Step
from thermohw.integrate.terminals import Terminals

if TYPE_CHECKING:
    from thermohw.circuit import LinearDevice
    from thermohw.control import Control, Piece
    from thermohw.integrate.step import Act
    from thermohw.noise import NoiseSource

__all__ = ["Euler", "Heun", "Splitting"]

_GAUSS = 0.5 / 3.0**0.5  # the two-point rule on [-1/2, 1/2]


class _Continuous:
    """What the three share: terminals, and the books of a finished step."""

    def __init__(self, device: LinearDevice, wiring: str, *, dtype: torch.dtype) -> None:
        self.device, self.dtype = device, dtype
        self.terminals = Terminals(device, wiring, dtype=dtype)
        self.normals = len(device.elements)

    def _injected(self, current: torch.Tensor | None, h: float) -> torch.Tensor | None:
        """Change of state by injected currents, shape (paths, n)."""
        if current is None:
            return None
        n, p = self.device.port_matrix.shape
        return current * h if n == p else torch.nn.functional.pad(current * h, (0, n - p))

    def _flow(
        self, voltage: torch.Tensor, emf: torch.Tensor | None, h: float, kick: torch.Tensor
    ) -> torch.Tensor:
        """Charge gamma (b.v - e) h - sigma sqrt(h) xi through every element; `kick` is the last
        term.
        """
        force = self.terminals.across(voltage)
        if emf is not None:
            force = force - emf
        return force * self.terminals.conductance * h - kick

    def _move(
        self, state: torch.Tensor, charge: torch.Tensor, current: torch.Tensor | None, h: float
    ) -> torch.Tensor:
        end = state - self.terminals.collect(charge)
        injected = self._injected(current, h)
        return end if injected is None else end + injected

    def _books(
        self,
        piece: Piece,
        state: torch.Tensor,
        end: torch.Tensor,
        control: Control,
        following: Control,
        *,
        charge: torch.Tensor,
        current: torch.Tensor | None,
        act: Act | None = None,
    ) -> Step:
        """Midpoint products between the two ends of the step; with `act` the source along the
        chord.
        """
        middle = 0.5 * (self.terminals.voltage(state) + self.terminals.voltage(end))
        force = self.terminals.across(middle)
        emf, flux = None, None
        if current is None:
            if act is None:
                two = control, following
            else:
                centre, reach = 0.5 * (state + end), _GAUSS * (end - state)
                two = act(centre - reach, middle=True), act(centre + reach, middle=True)
            one, other = (self.terminals.emf(decided) for decided in two)
            assert one is not None and other is not None
            emf = 0.5 * (one + other)
            force = force - emf
        else:
            flux = middle[:, : current.shape[1]] * piece.duration
        return Step(piece, state, end, control, following, force, charge, None, emf, current, flux)


class Euler(_Continuous):
    """Left-point step with midpoint books."""

    def step(
        self,
        piece: Piece,
        state: torch.Tensor,
        control: Control | None,
        *,
        noise: NoiseSource,
        act: Act | None,
    ) -> Step:
        """One step; see `Stepper.step`."""
        assert control is not None and act is not None
        h = piece.duration
        size = self.terminals.noise * (h * piece.temperature) ** 0.5
        kick = noise.normals(self.normals, piece.tick) * size
        current = self.terminals.current(control)
        charge = self._flow(self.terminals.voltage(state), self.terminals.emf(control), h, kick)
        end = self._move(state, charge, current, h)
        return self._books(piece, state, end, control, act(end), charge=charge, current=current)


class Heun(_Continuous):
    """Predictor by Euler, corrector by the trapezoid on the same noise."""

    def step(
        self,
        piece: Piece,
        state: torch.Tensor,
        control: Control | None,
        *,
        noise: NoiseSource,
        act: Act | None,
    ) -> Step:
        """One step; see `Stepper.step`."""
        assert control is not None and act is not None
        h, ports = piece.duration, self.terminals
        size = ports.noise * (h * piece.temperature) ** 0.5
        kick = noise.normals(self.normals, piece.tick) * size
        first = self._flow(ports.voltage(state), ports.emf(control), h, kick)
        guess = self._move(state, first, ports.current(control), h)
        ahead = act(guess)
        charge = 0.5 * (first + self._flow(ports.voltage(guess), ports.emf(ahead), h, kick))
        current = ports.current(control)
        if current is not None:
            current = 0.5 * (current + ahead.source)
        end = self._move(state, charge, current, h)
        step = self._books(
            piece, state, end, control, act(end), charge=charge, current=current, act=act
        )
        return step._replace(pushed=(control.source, ahead.source))


class Splitting(_Continuous):
    """Free circuit, source, free circuit: the linear part is exact, the source is evaluated in the
    middle of the step.
    """

    def __init__(self, device: LinearDevice, wiring: str, *, dtype: torch.dtype) -> None:
        super().__init__(device, wiring, dtype=dtype)
        self.normals = 2 * len(device.elements)
        self.free = lru_cache(maxsize=None)(self._free)

    def _free(self, h: float) -> tuple[torch.Tensor | float, torch.Tensor | float]:
        """Right-multipliers of state and normals for the charges of an uncontrolled piece."""
        if self.device.uncoupled:
            m = node_moments(self.device, h)
            rows = (1.0 - m.decay, m.spread)
            return tuple(  # type: ignore[return-value]
                r if isinstance(r, float) else torch.tensor(r, dtype=self.dtype) for r in rows
            )
        m, k = tick_moments(self.device, h), len(self.device.elements)
        return (
            torch.tensor(m.flow_state[:k].T.copy(), dtype=self.dtype),
            torch.tensor(m.factor[:k, :k].T.copy(), dtype=self.dtype),
        )

    def _drift_freely(
        self, state: torch.Tensor, normals: torch.Tensor, h: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(end state, charges) of the uncontrolled circuit after h, exact."""
        mean, spread = self.free(h)
        if self.terminals.identity:
            charge = state * mean + normals * spread
        else:
            charge = state @ torch.as_tensor(mean) + normals @ torch.as_tensor(spread)
        return state - self.terminals.collect(charge), charge

    def _push(
        self, state: torch.Tensor, control: Control, h: float
    ) -> tuple[torch.Tensor, torch.Tensor | float]:
        """(end state, charges) when the source alone acts for h."""
        emf = self.terminals.emf(control)
        if emf is None:
            injected = self._injected(self.terminals.current(control), h)
            assert injected is not None
            return state + injected, 0.0
        charge = emf * self.terminals.conductance * (-h)
        return state - self.terminals.collect(charge), charge

    def step(
        self,
        piece: Piece,
        state: torch.Tensor,
        control: Control | None,
        *,
        noise: NoiseSource,
        act: Act | None,
    ) -> Step:
        """One step; see `Stepper.step`."""
        assert control is not None and act is not None
        h, k, ports = piece.duration, len(self.device.elements), self.terminals
        normals = noise.normals(self.normals, piece.tick)
        if piece.temperature != 1.0:
            normals = normals * piece.temperature**0.5
        first, charge_a = self._drift_freely(state, normals[:, :k], 0.5 * h)
        half, _ = self._push(first, act(first, middle=True), 0.5 * h)
        pushing = act(half, middle=True)
        second, charge_b = self._push(first, pushing, h)
        end, charge_c = self._drift_freely(second, normals[:, k:], 0.5 * h)
        charge = charge_a + charge_b + charge_c
        current = ports.current(pushing)
        step = self._books(
            piece, state, end, control, act(end), charge=charge, current=current, act=act
        )
        # Every move is linear in charge between its own ends, so its v o dy is an exact midpoint
        # product; what the product of the totals misses goes to `heat_correction`.
        v = [ports.voltage(z) for z in (state, first, second, end)]
        moves = ((v[0], v[1], charge_a), (v[1], v[2], charge_b), (v[2], v[3], charge_c))
        booked = sum(0.5 * ports.across(a + b) * y for a, b, y in moves)
        heat_correction = booked - 0.5 * ports.across(v[0] + v[3]) * charge
        flux = None if current is None else 0.5 * h * (v[1] + v[2])[:, : current.shape[1]]
        return step._replace(heat_correction=heat_correction, flux=flux, pushed=(pushing.source,))
