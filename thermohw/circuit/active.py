"""A linear noise circuit with active elements: transconductors, amplifiers, noise sources.

Coordinates Z = (charges of all nodes, inductor fluxes), efforts eps = M^-1 Z = (v, i) with the
storage matrix M = blkdiag(C, L); thermal units, float64. Beside the passive elements k,

    transconductor t   a current g_t (v_p - v_m) leaves between[0] and arrives in between[1]
    noise source i     white current sqrt(s_i) dW_i into a node (injected, not a bath)
    amplifier a        holds its output nodes (D) at +-o_a; the other coordinates (F) stay free

    dZ_F = [J eps]_F dt - sum_k b_k dy_k - sum_t d_t dx_t + sum_i p_i dU_i           (rows of F)
    dx_t = g_t (c_t . eps) dt,     d_t = e_from - e_to,  c_t = e_p - e_m,  dU_i = sqrt(s_i) dW_i
    eps_F = M_FF^-1 (Z_F - M_FD v_D),      v_D = sum_a hold_a o_a

An amplifier of gain A0 and gain-bandwidth f_t (w_t = 2 pi f_t) is one pole behind a stage that
slews, before an output that saturates:

    dw = SR tanh(w_t u/SR) dt - (w_t/A0) w dt + w_t sqrt(n) dW,   u = v_plus - v_minus + offset
    o  = V_s tanh(w/V_s)

n is half the one-sided input noise density squared. Without a bandwidth it is the limit w_t -> oo,
no state: u = o/A0 holds at all times (u = 0 without a gain: the nullor of textbooks). Far from both
limits everything is linear, ds = -A s dt + c dt + N dW for s = (Z_F, w); A is not symmetric and
nothing promises that it is stable, so that is checked (see `active_law`).

Books of one path (Stratonovich; midpoint products are exact because H is quadratic):

    energy          H = eps . M eps / 2, capacitors at held nodes included
    heat            (b_k . eps - e_k) o dy_k                into bath k
    emf             -e_k o dy_k                             by a source in series with element k
    transconductor  -(d_t . eps) o dx_t                     by it; negative where it takes energy up
    noise source    (p_i . eps) o dU_i                      by it
    amplifier       v_D o (dZ_D - [J eps]_D dt + b_D dy + d_D dx - p_D dU)   by what holds D

and dH = sum of works - sum of heats.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from thermohw.circuit.passive import Wired
from thermohw.circuit.scale import Scale
from thermohw.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.datasheet import Datasheet

__all__ = ["ActiveDevice", "Amplifiers", "EffortMap"]


@dataclass(frozen=True, eq=False)
class Amplifiers:
    """m amplifiers over n coordinates, thermal units; ideal ones have zeros and infinities.

    Attributes:
        names: of the amplifiers.
        sense: rows e_plus - e_minus, shape (m, n).
        hold: rows +1 at the output and -1 at the complement, shape (m, n).
        leak: 1/A0, shape (m,).
        rate: w_t R_ref C_ref, shape (m,); inf for an amplifier without a pole.
        slew: shape (m,), inf without a limit.
        swing: shape (m,), inf without a limit.
        offset: shape (m,).
        noise: half the squared one-sided input density, voltage^2 * time, shape (m,).
        quiescent: watt (SI), shape (m,).
    """

    names: tuple[str, ...]
    sense: NDArray[Any]
    hold: NDArray[Any]
    leak: NDArray[Any]
    rate: NDArray[Any]
    slew: NDArray[Any]
    swing: NDArray[Any]
    offset: NDArray[Any]
    noise: NDArray[Any]
    quiescent: NDArray[Any]

    @property
    def poled(self) -> NDArray[Any]:
        """Indices of the amplifiers that have a state of their own."""
        return np.flatnonzero(np.isfinite(self.rate))

    @property
    def limited(self) -> bool:
        """Whether some amplifier slews or saturates."""
        return bool(np.isfinite(self.slew).any() or np.isfinite(self.swing).any())


@dataclass(frozen=True, eq=False)
class EffortMap:
    """eps = charge Z_F + output o + constant, o the outputs of the amplifiers with a pole.

    Attributes:
        charge: shape (n, free).
        output: shape (n, poled).
        constant: shape (n,).
        all_charge, all_output, all_constant: the same for the outputs of all amplifiers.
    """

    charge: NDArray[Any]
    output: NDArray[Any]
    constant: NDArray[Any]
    all_charge: NDArray[Any]
    all_output: NDArray[Any]
    all_constant: NDArray[Any]


@dataclass(frozen=True, eq=False)
class ActiveDevice(Wired):
    """A circuit with active elements: n coordinates, K dissipative elements, m amplifiers.

    Attributes:
        name: the datasheet's name.
        scale: SI size of the thermal units.
        nodes: names of all nodes, free and held.
        fluxes: names of the inductors.
        storage: M, shape (n, n).
        structure: J, shape (n, n), skew.
        elements: names of the dissipative elements and their baths.
        directions: b_k as rows, shape (K, n).
        coefficients: gamma_k, shape (K,).
        temperatures: T_k / T_ref, shape (K,).
        controlled: indices of the elements with a source of their own.
        transconductors: names.
        output_incidence: rows e_from - e_to, shape (T, n).
        control_incidence: rows e_p - e_m, shape (T, n).
        transconductances: g_t, shape (T,), either sign.
        amplifiers: see `Amplifiers`.
        injections: names of the noise sources.
        places: rows p_i, shape (I, n).
        strengths: s_i, charge^2 per time, shape (I,).
        datasheet: where the numbers came from.
    """

    name: str
    scale: Scale
    nodes: tuple[str, ...]
    fluxes: tuple[str, ...]
    storage: NDArray[Any]
    structure: NDArray[Any]
    elements: tuple[str, ...]
    directions: NDArray[Any]
    coefficients: NDArray[Any]
    temperatures: NDArray[Any]
    controlled: tuple[int, ...]
    transconductors: tuple[str, ...]
    output_incidence: NDArray[Any]
    control_incidence: NDArray[Any]
    transconductances: NDArray[Any]
    amplifiers: Amplifiers
    injections: tuple[str, ...]
    places: NDArray[Any]
    strengths: NDArray[Any]
    datasheet: Datasheet | None = field(default=None, repr=False)
    runs_with: ClassVar[str] = "th.Evolve(device, ...), or th.evolve(device, ...) at once"
    kinds: ClassVar[tuple[str, ...]] = ("evolve",)

    @property
    def dim(self) -> int:
        """Number of state variables s = (Z_F, w)."""
        return len(self.free) + len(self.amplifiers.poled)

    @cached_property
    def held(self) -> NDArray[Any]:
        """Indices of the coordinates that amplifiers hold."""
        return np.flatnonzero(self.amplifiers.hold.any(0))

    @cached_property
    def free(self) -> NDArray[Any]:
        """Indices of the coordinates whose charge or flux is a state."""
        return np.flatnonzero(~self.amplifiers.hold.any(0))

    @cached_property
    def efforts(self) -> EffortMap:
        """How efforts follow from the free charges and the outputs.

        Raises:
            InputError: an amplifier without a pole whose input does not feel its own output.
        """
        n, free, held = len(self.storage), self.free, self.held
        amps = self.amplifiers
        by_charge = np.zeros((n, len(free)))
        inverse = np.linalg.inv(self.storage[np.ix_(free, free)])
        by_charge[free] = inverse
        by_held = np.zeros((n, len(held)))
        by_held[free] = -inverse @ self.storage[np.ix_(free, held)]
        by_held[held] = np.eye(len(held))
        by_output = by_held @ amps.hold[:, held].T  # (n, m)
        quick = np.flatnonzero(~np.isfinite(amps.rate))
        slow = amps.poled
        m = len(amps.names)
        # u = o/A0 for those without a pole, solved for their outputs
        loop = amps.sense[quick] @ by_output[:, quick] - np.diag(amps.leak[quick])
        if len(quick) and np.linalg.cond(loop) > 1e12:
            raise InputError(
                f"{amps.names[quick[0]]}: without gbw an amplifier needs a feedback that reaches "
                "its inputs at once, a capacitor or a wire; give it a gbw",
                where=self.name,
            )
        if len(quick) and np.linalg.eigvals(loop).real.max() > 0.0:
            raise InputError(
                f"{amps.names[quick[0]]}: unstable loop, the feedback arrives with the wrong sign; "
                "exchange minus and plus",
                where=self.name,
            )
        solved = -np.linalg.inv(loop) @ amps.sense[quick]
        all_charge, all_output = np.zeros((m, len(free))), np.zeros((m, len(slow)))
        all_constant = np.zeros(m)
        all_charge[quick] = solved @ by_charge
        all_output[quick] = solved @ by_output[:, slow]
        all_output[slow] = np.eye(len(slow))
        all_constant[quick] = -np.linalg.inv(loop) @ amps.offset[quick]
        return EffortMap(
            charge=by_charge + by_output @ all_charge,
            output=by_output @ all_output,
            constant=by_output @ all_constant,
            all_charge=all_charge,
            all_output=all_output,
            all_constant=all_constant,
        )

    def ideal(self) -> ActiveDevice:
        """The same circuit with ideal amplifiers: gain and bandwidth without end, nothing else."""
        count = len(self.amplifiers.names)
        endless, nothing = np.full(count, np.inf), np.zeros(count)
        perfect = replace(self.amplifiers, leak=nothing, rate=endless, slew=endless, swing=endless,
                          offset=nothing, noise=nothing)  # fmt: skip
        return replace(self, amplifiers=perfect)

    def linear(self) -> ActiveDevice:
        """The same circuit without limits of slew and swing, so that its laws are exact."""
        endless = np.full(len(self.amplifiers.names), np.inf)
        return replace(self, amplifiers=replace(self.amplifiers, slew=endless, swing=endless))

    def quiet(self) -> ActiveDevice:
        """The same circuit with its noise sources switched off; resistors keep their noise."""
        return replace(self, strengths=np.zeros_like(self.strengths))
