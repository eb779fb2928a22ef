r"""The weakest noise that explains a clocked run's record.

A tick's record is its end state, the charge through every element and, where a port works or
inductors swing, int v dt: linear functions of the noise inside the tick. The weakest staircase
(least squares, as few levels a tick as will do) that produces just these numbers is a path of the
run for all that was recorded. What happens inside a tick is only one of many courses that fit; the
heat of single baths that share a node depends on it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from thermohw.circuit.tick import tick_moments
from thermohw.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.circuit import LinearDevice
    from thermohw.control import Piece

__all__ = ["RecordedPiece", "weakest_noise"]


class RecordedPiece(NamedTuple):
    """What one piece of a run recorded of one path; thermal units.

    Attributes:
        piece: which stretch of time.
        start, end: states, shape (n,).
        charge: through every element, shape (K,).
        flux: int H''z dt of the ports, shape (P,), or None.
        source: held source values, shape (sources,); None while they rest.
        work: of every source, or None.
        heat: into every bath, shape (K,), or None.
    """

    piece: Piece
    start: NDArray[Any]
    end: NDArray[Any]
    charge: NDArray[Any]
    flux: NDArray[Any] | None
    source: NDArray[Any] | None
    work: NDArray[Any] | None
    heat: NDArray[Any] | None = None


def weakest_noise(
    device: LinearDevice, steps: list[RecordedPiece], wiring: str
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Corners and levels of the weakest staircase that explains what held ticks recorded.

    Args:
        device: the circuit.
        steps: what every piece of the run recorded.
        wiring: where the sources are.
    """
    k = len(device.elements)
    solvers: dict[tuple[float, bool], tuple[int, NDArray[Any]]] = {}
    edges, levels = [0.0], []
    for step in steps:
        h, flux, source = step.piece.duration, step.flux, step.source
        moments = tick_moments(device, h)
        inputs = np.zeros(k + device.port_matrix.shape[1])
        if source is not None and wiring == "emf":
            inputs[list(device.controlled)] = source
        elif source is not None:
            inputs[k : k + len(source)] = source
        flows = moments.flow_state @ step.start + moments.flow_input @ inputs
        mean = moments.propagator @ step.start + moments.input @ inputs
        missing = [step.end - mean, step.charge - flows[:k]]
        if flux is not None:
            missing.append(flux - flows[k : k + len(flux)])
        wanted = np.concatenate(missing)
        key = (float(f"{h:.10g}"), flux is not None)
        if key not in solvers:
            solvers[key] = _solver(device, h, 0 if flux is None else len(flux))
        count, inverse = solvers[key]
        emf = (inverse @ wanted).reshape(count, k)
        levels += list(device.coefficients * emf)
        edges += [step.piece.start + h * (j + 1) / count for j in range(count)]
    return np.array(edges), np.stack(levels)


def _solver(device: LinearDevice, h: float, flux: int) -> tuple[int, NDArray[Any]]:
    """Levels a tick, and the pseudo-inverse from (end, charge, flux) to noise emfs (levels * K).

    The rank of what can be recorded is that of the joint law; one more level until it is reached.
    """
    k, n = len(device.elements), device.dim
    whole = tick_moments(device, h)
    noise = np.concatenate([whole.end_noise @ whole.factor, whole.factor[: k + flux]])
    scale = np.linalg.norm(noise, axis=1)
    scale = np.where(scale > 1e-12 * scale.max(), scale, 1.0)
    rank = np.linalg.matrix_rank(noise / scale[:, None], tol=1e-6)
    for count in range(1, 9):
        part = tick_moments(device, h / count)
        response = np.zeros((n + k + flux, count * k))
        for j in range(count):
            state, flow = part.input[:, :k], part.flow_input[: k + flux, :k]
            for _ in range(count - 1 - j):
                flow = flow + part.flow_state[: k + flux] @ state
                state = part.propagator @ state
            response[:, j * k : (j + 1) * k] = np.concatenate([state, flow])
        scaled = response / scale[:, None]
        if np.linalg.matrix_rank(scaled, tol=1e-6 * np.linalg.norm(scaled, 2)) >= rank:
            inverse = np.linalg.pinv(scaled, rcond=1e-8)
            return count, inverse / scale
    raise InputError(
        "the noise of a tick of this circuit cannot be told from its record",
        where=f"device {device.name}",
    )
