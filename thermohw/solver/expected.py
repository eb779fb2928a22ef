r"""Mean heats and works of a circuit with active elements, as the steps that were played have them.

While amplifiers are in their linear range a step maps s' = Phi s + c + L xi and its flows likewise,
and every account is a product of a force and a flow,

    E[(alpha.(s,1) + beta.xi) (gamma.(s,1) + delta.xi)] = alpha.X gamma + beta.delta

with X the second moments of (s, 1) before the step, summed over all steps at once
(`thermohw.circuit.recursion`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.circuit import active_law
from thermohw.circuit.recursion import summed_moments

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.solver.prepared import PreparedEvolve

__all__ = ["end_moments", "mean_accounts", "start_moments"]


def mean_accounts(made: PreparedEvolve) -> dict[str, float]:
    """Mean of every account of a path by name, k T_ref, of the linear law."""
    made = made.linear()
    stepper, law = made.stepper, active_law(made.device, True)
    states, books, device = law.states, law.books, made.device
    step = np.vstack([stepper.free, stepper.shift])  # (s, 1) -> a after a step
    one = np.eye(states + 1, states)  # (s, 1) -> s before it
    xi = stepper.noise
    middle = 0.5 * (one + step[:, :states]), 0.5 * xi[:, :states]
    change = step[:, :states] - one, xi[:, :states]
    flows = step[:, states:], xi[:, states:]

    def product(force: Any, flow: Any) -> NDArray[Any]:
        """Mean of products of force and flow, each a pair of maps of (s, 1) and xi."""
        pushed = np.einsum("ia,ij,ja->a", force[0], moments, flow[0])
        return pushed + made.steps * np.einsum("ia,ia->a", force[1], flow[1])

    def efforts(of: Any, reading: Any, constant: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        """Efforts of s as maps, with their constant for whole states."""
        before = of[0] @ reading.T
        before[-1] += constant
        return before, of[1] @ reading.T

    moments = summed_moments(_transition(made), *_moments(made), made.steps)
    maps = device.efforts
    seen = efforts(middle, law.reading, maps.constant)
    out = efforts(middle, law.outputs, maps.all_constant)
    force = [a @ books.effort.T + b @ books.output.T for a, b in zip(seen, out, strict=True)]
    force[0][-1] += books.source @ made.sources
    moved = [x @ law.reading.T for x in change]
    flow = [
        a @ books.flow[:, states:].T + b @ books.storage.T
        for a, b in zip(flows, moved, strict=True)
    ]
    total = product(force, flow) + made.steps * law.midpoint_bias(made.h)
    table = {name: float(x) for name, x in zip(books.names, total, strict=True)}
    if device.gyrating:
        turned = stepper.turned
        rows = [turned(a, b) for a, b in zip(change, flows, strict=True)]
        table["rotation"] = float(product(seen, rows).sum())
        table["rotation"] -= made.steps * stepper.rotation_inside
    return table


def _moments(made: PreparedEvolve) -> tuple[Any, Any]:
    """Mean and covariance of the states, steady and at the start."""
    law = active_law(made.device, True)
    steady = law.mean(made.sources), law.covariance
    rest = np.zeros(law.states), np.zeros((law.states, law.states))
    return steady, steady if made.start == "steady" else rest


def _transition(made: PreparedEvolve) -> NDArray[Any]:
    law = active_law(made.device, True)
    return law.transition(made.h)[0][: law.states, : law.states]


def start_moments(made: PreparedEvolve) -> tuple[NDArray[Any], NDArray[Any]]:
    """Mean (n,) and covariance (n, n) of the efforts at the start, thermal units, linear law."""
    made = made.linear()
    return _seen(made, *_moments(made)[1])


def _seen(made: PreparedEvolve, mean: Any, covariance: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Efforts of the states."""
    reading = active_law(made.device, True).reading
    return reading @ mean + made.device.efforts.constant, reading @ covariance @ reading.T


def end_moments(made: PreparedEvolve) -> tuple[NDArray[Any], NDArray[Any]]:
    """Mean (n,) and covariance (n, n) of the efforts at the end, thermal units, linear law."""
    made = made.linear()
    decay = np.linalg.matrix_power(_transition(made), made.steps)
    (mean, covariance), (first, spread) = _moments(made)
    mean = mean + decay @ (first - mean)
    covariance = covariance + decay @ (spread - covariance) @ decay.T
    return _seen(made, mean, covariance)
