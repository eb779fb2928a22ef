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

from dataclasses import dataclass, replace
from math import sqrt
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from thermohw.circuit import mirror, model_units
from thermohw.errors import InputError
from thermohw.process import Langevin

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.circuit import LinearDevice
    from thermohw.process import Process
    from thermohw.score import Field

__all__ = ["Drive", "Law", "make_drive"]


@dataclass(frozen=True, eq=False)
class Drive:
    """The linear map (v, s) -> source values, c = state v + score s.

    Attributes:
        wiring: "emf" or "current".
        theta: thermal variance in model units.
        state: response to the node voltages: float (times identity), or (sources, n).
        score: response to the score: float or (sources, n).
        divergence_state: tr of the drift u's response to x, i.e. div u without the score.
        divergence_score: W in div u = divergence_state + tr(W grad s): float or (n, n).
        units: thermal units per model unit of every coordinate, shape (n,); None: 1/sqrt(theta).
    """

    wiring: str
    theta: float
    state: float | NDArray[Any]
    score: float | NDArray[Any]
    divergence_state: float
    divergence_score: float | NDArray[Any]
    units: NDArray[Any] | None = None

    def heated(self, temperature: float, nodes: int) -> Drive:
        """The drive of equal uncoupled nodes at another T/T_ref.

        The bath then moves T times as far in the same time, so the reverse drift is T times as
        strong; the leak, one per R_ref C_ref, is what it was.
        """
        if temperature == 1.0:
            return self
        assert isinstance(self.state, float) and isinstance(self.score, float)
        assert isinstance(self.divergence_score, float)
        excess = (temperature - 1.0) * (self.state - 1.0)
        return replace(
            self,
            state=self.state + excess,
            score=self.score * temperature,
            divergence_state=self.divergence_state + nodes * excess,
            divergence_score=self.divergence_score * temperature,
        )

    def at(self, field: Field) -> Law:
        """The control law of one tick."""
        affine = getattr(field, "affine", None)
        if affine is not None and isinstance(self.state, float) and isinstance(self.score, float):
            slope, offset = affine
            if isinstance(slope, float) or slope.ndim == 1:
                gain = self.state + self.score * slope * sqrt(self.theta)
                return Law(self, field, gain, self.score * offset)
        return Law(self, field, None, None)


class Law(NamedTuple):
    """The control law at one tick: sources as a function of node voltages."""

    drive: Drive
    field: Field
    gain: (
        float | torch.Tensor | None
    )  # where the score is affine, the law is: sources = gain v + bias
    bias: float | torch.Tensor | None

    def model(self, voltage: torch.Tensor) -> torch.Tensor:
        """Model units x = sqrt(theta) v, shape (paths, n)."""
        if self.drive.units is not None:
            return voltage / voltage.new_tensor(self.drive.units)
        return voltage if self.drive.theta == 1.0 else voltage * sqrt(self.drive.theta)

    def sources(self, voltage: torch.Tensor) -> torch.Tensor:
        """Source values (paths, sources) for node voltages (paths, n), thermal units."""
        if self.gain is not None:
            product = voltage * _like(self.gain, voltage)
            return product if _is_zero(self.bias) else product + _like(self.bias, voltage)
        return self.combine(voltage, self.field(self.model(voltage)))

    def combine(self, voltage: torch.Tensor, score: torch.Tensor) -> torch.Tensor:
        """Sources from voltages and an already evaluated score, same shapes."""
        state, weight = self.drive.state, self.drive.score
        if isinstance(state, float) and isinstance(weight, float):
            scaled = voltage if state == 1.0 else voltage * state
            return scaled.add(score, alpha=weight)
        return _times(voltage, state) + _times(score, weight)

    def divergence(self, voltage: torch.Tensor) -> torch.Tensor:
        """div u of every path, shape (paths,), per R_ref C_ref (model or thermal units alike)."""
        x, weight = self.model(voltage), self.drive.divergence_score
        if isinstance(weight, float):
            return self.field.divergence(x) * weight + self.drive.divergence_state
        affine = self.field.affine if self.drive.units is not None else None
        if affine is not None:  # one number for all states
            slope = torch.as_tensor(affine[0], dtype=torch.float64).numpy()
            whole = slope if slope.ndim == 2 else slope * np.eye(x.shape[1])
            trace = float(np.sum(np.asarray(weight) * whole.T)) + self.drive.divergence_state
            return x.new_full((len(x),), trace)
        return _weighted_divergence(self.field, x, np.asarray(weight)) + self.drive.divergence_state


def _times(vectors: torch.Tensor, response: float | NDArray[Any]) -> torch.Tensor:
    """Response to vectors (paths, n): a multiple, or (sources, n)."""
    if isinstance(response, float):
        return vectors * response
    return vectors @ vectors.new_tensor(np.asarray(response).T)


def _weighted_divergence(field: Field, x: torch.Tensor, weight: NDArray[Any]) -> torch.Tensor:
    """tr(W grad s) of every path by one Jacobian-vector product a coordinate, shape (paths,)."""
    total = torch.zeros_like(x[:, 0])
    for i, row in enumerate(x.new_tensor(weight)):
        if not weight[i].any():
            continue  # a coordinate that nobody drives
        tangent = torch.zeros_like(x)
        tangent[:, i] = 1.0
        total += torch.func.jvp(field, (x,), (tangent,))[1] @ row
    return total


def _is_zero(bias: object) -> bool:
    return isinstance(bias, float) and bias == 0.0


def _like(value: float | torch.Tensor | None, voltage: torch.Tensor) -> float | torch.Tensor:
    """A coefficient in the state's precision."""
    assert value is not None
    return value.to(voltage.dtype) if isinstance(value, torch.Tensor) else value


def make_drive(device: LinearDevice, process: Process, *, wiring: str, theta: float) -> Drive:
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
    return Drive(
        wiring=wiring,
        theta=theta,
        state=_scalar(to_source @ state),
        score=_scalar(to_source @ score),
        divergence_state=float(np.trace(state)),
        divergence_score=_scalar(sqrt(theta) * score),
    )


def _langevin_drive(device: LinearDevice, process: Langevin, *, wiring: str, theta: float) -> Drive:
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
    return Drive(
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
