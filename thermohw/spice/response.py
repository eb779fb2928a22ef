r"""What the package's own matrices say of a circuit under piecewise-linear inputs: exactly.

    dz = -A z dt + S (e + w/gamma) dt + B i dt,     dy_k = gamma_k (b_k.H''z - e_k) dt - w_k dt

with emfs e, port inputs i and noise flows w that are linear between common points. On a segment the
state is propagated with the input AND its slope by one matrix exponential of (z, y, c, dc/dt): no
step error whatever its length. Heat int X_k dy_k and works are smooth on a segment and integrated
by Boole's rule with the exact state at five points, an error of order h^7.

This is what a circuit simulator is compared with where control is a recording; it shares no code
with the steppers, only the device's matrices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg import expm

from thermohw.circuit.tick import augmented_system

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.circuit import LinearDevice
    from thermohw.spice.waveform import Waveform

__all__ = ["Response", "linear_response"]

_NODES = (0.0, 0.25, 0.5, 0.75, 1.0)
_WEIGHTS = (7.0 / 90.0, 32.0 / 90.0, 12.0 / 90.0, 32.0 / 90.0, 7.0 / 90.0)


@dataclass(frozen=True, eq=False)
class Response:
    """A path under given inputs; thermal units.

    Attributes:
        times: shape (M,), R_ref C_ref.
        efforts: node voltages and inductor currents, shape (M, n).
        work: done by every source since the start, shape (M, sources).
        heat: into every bath since the start, shape (M, K).
    """

    times: NDArray[Any]
    efforts: NDArray[Any]
    work: NDArray[Any]
    heat: NDArray[Any]


def linear_response(
    device: LinearDevice,
    noise: Waveform,
    *,
    start: NDArray[Any],
    times: NDArray[Any],
    control: Waveform | None = None,
    wiring: str = "emf",
) -> Response:
    """The exact path of a linear device.

    Args:
        device: any linear circuit.
        noise: flow noise w of every element, K channels, thermal units.
        start: initial efforts, shape (n,).
        times: when to report, shape (M,), increasing from 0 inside the waveforms.
        control: source values, a channel per controlled element (emf) or port (current).
        wiring: which of the two.
    """
    f, g, _ = augmented_system(device)
    n, k, a = device.dim, len(device.elements), len(f)
    points = np.unique(np.concatenate(
        [times, noise.times] + ([] if control is None else [control.times])))  # fmt: skip
    points = points[(points >= 0.0) & (points <= times[-1])]
    points = points[np.concatenate([[True], np.diff(points) > 1e-12 * points[-1]])]
    emf, port = _inputs(device, control, wiring, points)
    flow = noise.at(points)
    inputs = np.concatenate([emf + flow / device.coefficients, port], axis=1)
    c = inputs.shape[1]
    block = np.zeros((a + 2 * c, a + 2 * c))
    block[:a, :a], block[:a, a : a + c] = f, g
    block[a : a + c, a + c :] = np.eye(c)
    forces = device.directions @ device.hessian
    state = np.concatenate([device.capacitance @ start, np.zeros(a - n)])
    sources = slice(None) if wiring == "current" else list(device.controlled)
    works = np.zeros(0 if control is None else control.channels)
    rows = [(state[:n], works, np.zeros(k))]
    quarters: dict[str, NDArray[Any]] = {}
    for left, right in zip(range(len(points) - 1), range(1, len(points)), strict=True):
        h = points[right] - points[left]
        key = f"{h:.10g}"
        if key not in quarters:
            quarters[key] = expm(block * (0.25 * h))
        slope = (inputs[right] - inputs[left]) / h
        inside = [np.concatenate([state, inputs[left], slope])]
        for _ in range(4):
            inside.append(quarters[key] @ inside[-1])
        heat, work = np.zeros(k), np.zeros(len(works))
        for share, weight, full in zip(_NODES, _WEIGHTS, inside, strict=True):
            z = full[:n]
            e = (1.0 - share) * emf[left] + share * emf[right]
            w = (1.0 - share) * flow[left] + share * flow[right]
            force = forces @ z - e
            rate = device.coefficients * force - w
            heat += weight * h * force * rate
            if control is not None and wiring == "emf":
                work += weight * h * (-e * rate)[sources]
            elif control is not None:
                drive = ((1.0 - share) * port[left] + share * port[right])[: len(works)]
                work += weight * h * drive * (device.hessian @ z)[: len(works)]
        state = inside[-1][:a]
        rows.append((state[:n], rows[-1][1] + work, rows[-1][2] + heat))
    keep = np.searchsorted(points, times - 1e-12 * points[-1])
    states, work, heat = (np.stack(column)[keep] for column in zip(*rows, strict=True))
    return Response(times, states @ device.hessian, work, heat)


def _inputs(
    device: LinearDevice, control: Waveform | None, wiring: str, points: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Emfs (points, K) and port inputs (points, P)."""
    emf = np.zeros((len(points), len(device.elements)))
    port = np.zeros((len(points), device.port_matrix.shape[1]))
    if control is not None and wiring == "emf":
        emf[:, list(device.controlled)] = control.at(points)
    elif control is not None:
        port[:, : control.channels] = control.at(points)
    return emf, port
