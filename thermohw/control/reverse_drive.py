"""What the controlled sources must do: the reverse drift as volts or amperes.

Generation needs the drift b(x) = reverse drift of the process in physical time; the circuit
supplies b_free(x) = -A x of itself. The controller supplies the difference u = b - b_free, linear
in the state and in the score:

    isotropic process   u = (kappa + A) x + 2 theta s    kappa = theta for ou and vp; 0 for ve,
                                                         where the leak is cancelled
    own relaxation      u = 2 A x + 2 D s
    with inductors      u = 2 G x + 2 D s                G the resistors' share of A: the rotations
                                                         go on by themselves (`process.langevin`)

Two wirings realise the same u, hence the same paths, with different joules:

    emf      a source in series with a resistor of every node, e = S_c^{-1} C u: the whole drift
             is force times mobility
    current  a current injected into every node, i = C u: a flow that the resistor does not see

With inductors only what resistors shake is driven: element k's own source is then simply e_k =
2 b_k . (v + T_k H'' s), whatever the network, and ports of quiet coordinates rest.

Everything here is in thermal units, with node voltages v = x / sqrt(theta) as the input.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.circuit import mirror, model_units
from thermohw.control.drive import ReverseDrive
from thermohw.errors import InputError
from thermohw.process import Langevin

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.circuit import LinearDevice
    from thermohw.process import Process

__all__ = ["make_drive"]


def make_drive(
    device: LinearDevice, process: Process, *, wiring: str, theta: float
) -> ReverseDrive:
    """The drive that plays a process's reverse on a device.

    Raises:
        InputError: the device's noise is not the process's, or it lacks the sources that the wiring
            needs.
    """
    if wiring not in ("emf", "current"):
        raise InputError(
            f"wiring = {wiring!r}: expected 'emf' or 'current'", where="protocol.wiring"
        )
    if isinstance(process, Langevin):
        return _langevin_drive(device, process, wiring=wiring, theta=theta)
    n, own = device.dim, device.effort_drift
    if process.isotropic:
        _require_equal_noise(device, process)
        # In physical time the forward drift is F (2 theta / g^2) x: -theta x for ou and vp, 0 for
        # ve.
        t = process.duration
        kappa = -float(process.drift(t)) * 2.0 * theta / float(process.diffusion(t))
        state, score = kappa * np.eye(n) + own, 2.0 * sqrt(theta) * np.eye(n)
    else:
        _require_own(device, process, theta)
        state, score = 2.0 * own, sqrt(theta) * device.effort_diffusion
    to_source = device.capacitance
    if wiring == "emf":
        to_source = _sources_from_charge_rate(device) @ to_source
    return ReverseDrive(
        wiring=wiring,
        theta=theta,
        state=_scalar(to_source @ state),
        score=_scalar(to_source @ score),
        divergence_state=float(np.trace(state)),
        divergence_score=_scalar(sqrt(theta) * score),
    )


def _langevin_drive(
    device: LinearDevice, process: Langevin, *, wiring: str, theta: float
) -> ReverseDrive:
    """The drive of a circuit with inductors: friction turned round, rotations left alone."""
    units = model_units(device, theta)
    mirrored = mirror(device).effort_drift / units[:, None] * units
    noise = device.effort_diffusion / units[:, None] / units
    _require_same(device, process, mirrored, noise)
    friction = device.hessian @ (device.source_matrix @ device.directions)
    # u = friction_rate v + diffusion grad_v ln p, and grad_v = grad_x / units
    state, score = 2.0 * friction, device.effort_diffusion / units
    to_source = device.capacitance
    if wiring == "emf":
        to_source = _sources_of_noisy(device) @ to_source
    return ReverseDrive(
        wiring=wiring,
        theta=theta,
        state=to_source @ state,
        score=to_source @ score,
        divergence_state=float(np.trace(state)),
        divergence_score=process.diffusion(0.0),
        units=units,
    )


def _sources_of_noisy(device: LinearDevice) -> NDArray[Any]:
    """Sources that make the least effort for a charge rate (n,) of the noisy coordinates."""
    own = device.source_matrix[:, list(device.controlled)]
    inverse = np.linalg.pinv(own) if own.size else own.T
    shaken = device.source_matrix @ device.directions
    if own.size == 0 or not np.allclose(own @ inverse @ shaken, shaken, rtol=0.0, atol=1e-9):
        raise InputError(
            f"wiring = 'emf': {len(device.controlled)} controlled sources cannot drive all that "
            "the resistors shake; give every resistor source = true, or use wiring = 'current'",
            where=f"device {device.name}",
        )
    return inverse


def _scalar(matrix: NDArray[Any]) -> float | NDArray[Any]:
    """A multiple of the identity as a float, so that uncoupled circuits never multiply matrices."""
    first = float(matrix[0, 0])
    return first if np.array_equal(matrix, first * np.eye(len(matrix))) else matrix


def _sources_from_charge_rate(device: LinearDevice) -> NDArray[Any]:
    sources = device.source_matrix[:, list(device.controlled)]
    if sources.shape[1] != device.dim or np.linalg.matrix_rank(sources) < device.dim:
        raise InputError(
            f"wiring = 'emf': {len(device.controlled)} controlled sources cannot drive "
            f"{device.dim} nodes; give every node one resistor with source = true, or use "
            "wiring = 'current'",
            where=f"device {device.name}",
        )
    return np.linalg.inv(sources)


def _require_equal_noise(device: LinearDevice, process: Process) -> None:
    noise = device.effort_diffusion
    if not np.allclose(noise, 2.0 * np.eye(device.dim), rtol=1e-9, atol=1e-9):
        raise InputError(
            f"process '{process.kind}' needs nodes with equal, independent noise; this device's "
            "are coupled or differ in R, C or T: use process kind 'relaxation', its own",
            where=f"device {device.name}",
        )


def _require_own(device: LinearDevice, process: Process, theta: float) -> None:
    _require_same(device, process, device.effort_drift, theta * device.effort_diffusion)


def _require_same(
    device: LinearDevice, process: Process, drift: NDArray[Any], diffusion: NDArray[Any]
) -> None:
    same = (
        process.dim == device.dim
        and np.allclose(-process.drift(0.0), drift, rtol=1e-9, atol=1e-12)
        and np.allclose(process.diffusion(0.0), diffusion, rtol=1e-9, atol=1e-12)
    )
    if not same:
        raise InputError(
            f"process '{process.kind}' was made for another device or another volts_per_unit; "
            "build it from this one",
            where=f"device {device.name}",
        )
