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
quadratic in the efforts, so energy change = sum of works - sum of heats to round-off at any step.
With inductors, midpoint products of what capacitors and inductors exchange leave

    rotation = eps_mid . J int eps dt

of a step, zero in the exact law, of first order in h on a path and of second in the mean: an
account of its own, by which the first law is off. What the noise inside a step adds to an account
beyond its product has a known mean while the amplifiers are in their linear range; it is added as a
constant, and then the mean of every single account is of second order in h too. (Its fluctuation
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
        state: s after it, shape (..., dim).
        efforts: after it, shape (..., n).
        accounts: energy of every account, shape (..., accounts); None where no books are kept.
    """

    state: NDArray[Any]
    efforts: NDArray[Any]
    accounts: NDArray[Any] | None


class ActiveStepper:
    """Steps of equal length under constant sources; arrays of states have any leading shape.

    Blocks of paths, (blocks, paths of a block, dim), are multiplied block by block, so that the
    last bits of a path do not depend on how many blocks there are.

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
        self.free, self.shift = grown[:, :states].T.copy(), grown[:, size]
        self._first = grown[:, size + 1 : size + wide].T.copy()
        self._second = grown[:, size + wide + 1 :].T.copy() / h
        self.noise = law.transition(h)[1].T.copy()
        amps, poled = self.amps, law.poled
        self._sense, self._rate = amps.sense[poled].T, amps.rate[poled]
        self._slew, self._swing, self._offset = (
            amps.slew[poled],
            amps.swing[poled],
            amps.offset[poled],
        )
        self._books = law.books if books else None
        self._inside = law.midpoint_bias(h) if books else np.zeros(0)
        # What the constants of the accounts have in common is the mean of the noise's rotation.
        self.rotation_inside = float(law.books.signs @ self._inside) if books else 0.0

    @property
    def names(self) -> tuple[str, ...]:
        """Of the accounts."""
        names = () if self._books is None else self._books.names
        return (*names, "rotation") if names and self.device.gyrating else names

    def outputs(self, state: NDArray[Any]) -> NDArray[Any]:
        """Outputs of the amplifiers that have a pole, shape (..., p)."""
        w = state[..., self.law.free_count :]
        if not self.limited:
            return w
        bounded = np.isfinite(self._swing)
        swing = np.where(bounded, self._swing, 1.0)
        return np.where(bounded, swing * np.tanh(w / swing), w)

    def efforts(self, state: NDArray[Any]) -> NDArray[Any]:
        """Node voltages and inductor currents, shape (..., n)."""
        free = state[..., : self.law.free_count]
        maps = self.maps
        return free @ maps.charge.T + self.outputs(state) @ maps.output.T + maps.constant

    def energy(self, state: NDArray[Any]) -> NDArray[Any]:
        """Stored energy, shape (...,), k T_ref."""
        efforts = self.efforts(state)
        return 0.5 * np.einsum("...i,ij,...j->...", efforts, self.device.storage, efforts)

    def _excess(self, state: NDArray[Any]) -> NDArray[Any]:
        """eta, shape (..., 2 p)."""
        pull = self._rate * (self.efforts(state) @ self._sense + self._offset)
        bounded = np.isfinite(self._slew)
        slew = np.where(bounded, self._slew, 1.0)
        late = np.where(bounded, slew * np.tanh(pull / slew) - pull, 0.0)
        return np.concatenate(
            [self.outputs(state) - state[..., self.law.free_count :], late], axis=-1
        )

    def step(self, state: NDArray[Any], normals: NDArray[Any]) -> ActiveStep:
        """Advance states (..., dim) by one step with normals (..., `normals`)."""
        after = state @ self.free + self.shift + normals @ self.noise
        if self.limited:
            before = self._excess(state)
            after += before @ self._first
            after += (self._excess(after[..., : self.states]) - before) @ self._second
        end, device, count = after[..., : self.states], self.device, self.law.free_count
        if self._books is None:
            return ActiveStep(end, self.efforts(end), None)
        if not device.gyrating:
            # What flowed decides what is left: conservation to the last digit.
            moved = self._moved(after[..., self.states :])
            end[..., :count] = state[..., :count] + moved[..., device.free]
            return ActiveStep(end, *self._book(state, end, after))
        turned = self.turned(end - state, after[..., self.states :])
        efforts, accounts = self._book(state, end, after)
        middle = 0.5 * (self.efforts(state) + efforts)
        rotation = (middle * turned).sum(-1, keepdims=True) - self.rotation_inside
        return ActiveStep(end, efforts, np.concatenate([accounts, rotation], axis=-1))

    def _moved(self, flows: NDArray[Any]) -> NDArray[Any]:
        """Charge and flux that elements brought to every coordinate, shape (..., n), of the flows
        (..., size - states).
        """
        device = self.device
        y, x, u = (slice(s.start - self.states, s.stop - self.states)
                   for s in self.law.slices[2:5])  # fmt: skip
        moved = flows[..., u] @ device.places - flows[..., y] @ device.directions
        return moved - flows[..., x] @ device.output_incidence

    def turned(self, change: NDArray[Any], flows: NDArray[Any]) -> NDArray[Any]:
        """J int eps dt: what coordinates got from inductors and from voltages across them, shape
        (..., n), of the change of states (..., dim) and the flows.
        """
        device, integrals = self.device, flows[..., flows.shape[-1] - len(self.device.fluxes) :]
        turned = integrals @ device.structure[:, len(device.nodes) :].T
        free = change[..., : self.law.free_count] - self._moved(flows)[..., device.free]
        turned[..., device.free] = free
        return turned

    def _book(
        self, state: NDArray[Any], end: NDArray[Any], flows: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        books, maps = self._books, self.maps
        assert books is not None
        ends, outputs = [], []
        for s in (state, end):
            slow = self.outputs(s)
            free = s[..., : self.law.free_count]
            ends.append(free @ maps.charge.T + slow @ maps.output.T + maps.constant)
            outputs.append(free @ maps.all_charge.T + slow @ maps.all_output.T + maps.all_constant)
        force = 0.5 * (ends[0] + ends[1]) @ books.effort.T
        force += 0.5 * (outputs[0] + outputs[1]) @ books.output.T
        if self.sources is not None:
            force += books.source @ self.sources
        states = self.states
        flow = (
            flows[..., states:] @ books.flow[:, states:].T + (ends[1] - ends[0]) @ books.storage.T
        )
        return ends[1], force * flow + self._inside
