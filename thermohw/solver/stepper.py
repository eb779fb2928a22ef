r"""One step of a circuit with active elements, and its books.

In the linear range a step of any length draws the next state and all flows from their exact joint
Gaussian. Where amplifiers slew or saturate, what they do beyond the linear law,

    eta = ( V_s tanh(w/V_s) - w,   SR tanh(w_t u/SR) - w_t u ),       da = (F a + B eta) dt + M dW,

is added by an exponential Runge-Kutta rule of two stages (Cox and Matthews, J. Comput. Phys. 176,
430 (2002), ETD2RK): with phi_1, phi_2 of F h acting on B,

    predict   a* = e^{Fh} a + h phi_1 (B eta(a) + constant) + L xi
    correct   a' = a* + h phi_2 B (eta(a*) - eta(a))

of second order in h; the stiff poles of the amplifiers and the noise stay exact, and without eta
it is the exact step. Noise reaches eta through integrators only, so paths converge with the order
of the rule or near it.

Books: with both ends of a step, force at the mean of the ends times the flow between them. H is
quadratic in the efforts, so energy change = sum of works - sum of heats to round-off at any step
(with inductors: to first order in h, without bias). What the noise inside a step adds to an account
beyond that product has a known mean while the amplifiers are in their linear range; it is added as
a constant, and then the mean of every single account is of second order in h too. (Its fluctuation
inside a step is missing, so the accounts must not enter fluctuation theorems.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.linalg import expm

from thermohw.circuit.active_law import active_law

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.circuit import ActiveDevice

__all__ = ["ActiveStep", "ActiveStepper"]


class ActiveStep(NamedTuple):
    """What a step did; thermal units.

    Attributes:
        state: s after it, shape (paths, dim).
        efforts: after it, shape (paths, n).
        accounts: energy of every account, shape (paths, accounts); None where no books are kept.
    """

    state: NDArray[Any]
    efforts: NDArray[Any]
    accounts: NDArray[Any] | None


class ActiveStepper:
    """Steps of equal length under constant sources.

    Args:
        device: the circuit.
        h: step, in R_ref C_ref.
        sources: e (K,), thermal units; None: at rest.
        books: keep energy books; without them the flows are not drawn.
    """

    def __init__(
        self, device: ActiveDevice, h: float, sources: NDArray[Any] | None, *, books: bool = True
    ) -> None:
        self.device, self.h, self.sources = device, h, sources
        self.law = law = active_law(device, books)
        self.maps, self.amps = device.efforts, device.amplifiers
        self.limited = self.amps.limited
        size, states = law.size, law.states
        self.states, self.normals = states, size
        p = len(law.poled)
        kicks = np.zeros((size, 2 * p))
        kicks[:, :p] = law.reply @ self.maps.output
        kicks[law.slices[1], p:] = np.eye(p)
        inputs = np.concatenate([law.input(sources)[:, None], kicks], axis=1)
        wide = inputs.shape[1]
        block = np.zeros((size + 2 * wide, size + 2 * wide))
        block[:size, :size], block[:size, size : size + wide] = law.generator, inputs
        block[size : size + wide, size + wide :] = np.eye(wide)
        grown = expm(block * h)[:size]
        self._free = grown[:, :states].T.copy()
        self._shift = grown[:, size]
        self._first = grown[:, size + 1 : size + wide].T.copy()
        self._second = grown[:, size + wide + 1 :].T.copy() / h
        self._noise = law.transition(h)[1].T.copy()
        amps, poled = self.amps, law.poled
        self._sense, self._rate = amps.sense[poled].T, amps.rate[poled]
        self._slew, self._swing, self._offset = (
            amps.slew[poled],
            amps.swing[poled],
            amps.offset[poled],
        )
        self._books = law.books if books else None
        self._inside = law.midpoint_bias(h) if books else 0.0

    def outputs(self, state: NDArray[Any]) -> NDArray[Any]:
        """Outputs of the amplifiers that have a pole, shape (paths, p)."""
        w = state[:, self.law.free_count :]
        if not self.limited:
            return w
        bounded = np.isfinite(self._swing)
        swing = np.where(bounded, self._swing, 1.0)
        return np.where(bounded, swing * np.tanh(w / swing), w)

    def efforts(self, state: NDArray[Any]) -> NDArray[Any]:
        """Node voltages and inductor currents, shape (paths, n)."""
        free = state[:, : self.law.free_count]
        maps = self.maps
        return free @ maps.charge.T + self.outputs(state) @ maps.output.T + maps.constant

    def energy(self, state: NDArray[Any]) -> NDArray[Any]:
        """Stored energy, shape (paths,), k T_ref."""
        efforts = self.efforts(state)
        return 0.5 * np.einsum("pi,ij,pj->p", efforts, self.device.storage, efforts)

    def _excess(self, state: NDArray[Any]) -> NDArray[Any]:
        """eta, shape (paths, 2 p)."""
        pull = self._rate * (self.efforts(state) @ self._sense + self._offset)
        bounded = np.isfinite(self._slew)
        slew = np.where(bounded, self._slew, 1.0)
        late = np.where(bounded, slew * np.tanh(pull / slew) - pull, 0.0)
        return np.concatenate([self.outputs(state) - state[:, self.law.free_count :], late], axis=1)

    def step(self, state: NDArray[Any], normals: NDArray[Any]) -> ActiveStep:
        """Advance states (paths, dim) by one step with normals (paths, `normals`)."""
        after = state @ self._free + self._shift + normals @ self._noise
        if self.limited:
            before = self._excess(state)
            after += before @ self._first
            after += (self._excess(after[:, : self.states]) - before) @ self._second
        end, device = after[:, : self.states], self.device
        if self._books is None:
            return ActiveStep(end, self.efforts(end), None)
        if not device.gyrating:
            # What flowed decides what is left: conservation to the last digit.
            _, _, y, x, u, _ = self.law.slices
            moved = after[:, u] @ device.places - after[:, y] @ device.directions
            moved -= after[:, x] @ device.takes
            end[:, : self.law.free_count] = state[:, : self.law.free_count] + moved[:, device.free]
        return ActiveStep(end, *self._book(state, end, after))

    def _book(
        self, state: NDArray[Any], end: NDArray[Any], flows: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        books, maps = self._books, self.maps
        assert books is not None
        ends, outputs = [], []
        for s in (state, end):
            slow = self.outputs(s)
            free = s[:, : self.law.free_count]
            ends.append(free @ maps.charge.T + slow @ maps.output.T + maps.constant)
            outputs.append(free @ maps.all_charge.T + slow @ maps.all_output.T + maps.all_constant)
        force = 0.5 * (ends[0] + ends[1]) @ books.effort.T
        force += 0.5 * (outputs[0] + outputs[1]) @ books.output.T
        if self.sources is not None:
            force += books.source @ self.sources
        states = self.states
        flow = flows[:, states:] @ books.flow[:, states:].T + (ends[1] - ends[0]) @ books.storage.T
        return ends[1], force * flow + self._inside
