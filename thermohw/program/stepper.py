r"""One tick of a circuit whose parameters are held: end state, charges, heat.

Every stepper returns the charges y_k that left through the resistors, with z' = z + J-part -
sum_k b_k y_k, and for these very increments the force X_k (`thermohw.integrate.step`)

    Q_k = X_k y_k,     X_k = b_k . grad~H,     grad~H the mean gradient between the two ends

a Stratonovich product. Because grad~H . (z' - z) is the difference of the energies, sum_k Q_k =
H(z) - H(z') to round-off for every stepper, and for one resistor a node Q is exact path by path.

    exact      separate linear nodes      the Gaussian transition; no error at any tick
    midpoint   any linear circuit         (1 + h A/2) z' = (1 - h A/2) z + noise; weak order 2, and
                                          its steady state at one temperature is exactly exp(-H/T)
    heun       quartic units              predictor and corrector on one increment; weak order 2
    euler      quartic units              x' = x - h M grad H + noise, the update of published
                                          Langevin computers; weak order 1

A program is played by symmetric splitting: parameters jump at the borders of the ticks and are held
at their midpoint values inside. That is of second order in the tick. At one temperature `exact` and
`midpoint` keep exp(-H/T) of every tick, so that theorems about the jumps hold at ANY tick.

ln K/K~ of a tick, K the probability of the step and K~ that of the step back at the same
parameters, is known where the kernel is Gaussian. `exact`: (H(x) - H(x'))/T = Q/T, no more and no
less. `euler`, with D = M T and f = -M grad H:

    ln K(x'|x) - ln K(x|x') = [(x - x' - h f(x')) D^-1 (x - x' - h f(x'))
                               - (x' - x - h f(x)) D^-1 (x' - x - h f(x))] / (4 h)
                            = trapezoidal heat / T + h [f(x') M^-1 f(x') - f(x) M^-1 f(x)] / (4 T)
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np
import torch

from thermohw.errors import InputError
from thermohw.integrate import Step

if TYPE_CHECKING:
    from thermohw.circuit.passive import PassiveDevice
    from thermohw.control import Piece

__all__ = ["ORDERS", "STEPPERS", "choose", "log_ratio"]

ORDERS = {
    "exact": "exact between jumps, order 2 in the program's ticks",
    "midpoint": "order 2",
    "heun": "weak order 2",
    "euler": "weak order 1",
}
"""What each stepper's error does as ticks get shorter."""


def choose(name: str | None, device: PassiveDevice) -> str:
    """The stepper asked for, or the best there is.

    Raises:
        InputError: an unknown one, or one that cannot play this circuit.
    """
    linear, separate = device.landscape.linear, device.separate
    if name is None:
        return "exact" if separate else "midpoint" if linear else "heun"
    if name not in STEPPERS:
        raise InputError(f"stepper {name!r}: expected one of {', '.join(STEPPERS)}")
    if name == "exact" and not separate:
        raise InputError("stepper 'exact' needs linear nodes with one grounded resistor each; "
                         "leave it out")  # fmt: skip
    if name == "midpoint" and not linear:
        raise InputError("stepper 'midpoint' needs a linear circuit; use 'heun'")
    if name in ("heun", "euler") and device.structure.any():
        raise InputError(f"stepper '{name}' would feed energy into what rings; use 'midpoint'")
    return name


def _exact(device: PassiveDevice, piece: Piece, z: torch.Tensor, normals: torch.Tensor) -> Step:
    own, b = device.landscape, np.diag(device.directions)
    stiffness = np.diag(own.quadratic)
    rate = device.coefficients * b * b * stiffness
    decay, rest = np.exp(-rate * piece.duration), -own.bias / stiffness
    spread = np.sqrt(device.temperatures / stiffness * -np.expm1(-2.0 * rate * piece.duration))
    end = (z * _t(decay)).addcmul_(normals, _t(spread))
    if own.bias.any():
        end += _t(-np.expm1(-rate * piece.duration) * rest)
    force = own.mean_gradient(z, end).mul_(_t(b))
    return _step(device, piece, z, end, force, (z - end).mul_(_t(1.0 / b)))


def _midpoint(device: PassiveDevice, piece: Piece, z: torch.Tensor, normals: torch.Tensor) -> Step:
    own, one, h = device.landscape, np.eye(z.shape[1]), piece.duration
    flow = device.mobility - device.structure
    a = 0.5 * h * flow @ own.quadratic
    left = np.linalg.inv(one + a)
    end = z @ _t((left @ (one - a)).T) + normals @ _t(sqrt(h) * (left @ device.noise_matrix).T)
    if own.bias.any():
        end = end - _t(h * left @ flow @ own.bias)
    force = own.mean_gradient(z, end) @ _t(device.directions).T
    charge = h * force * _t(device.coefficients) - _kick(device, h, normals)
    return _step(device, piece, z, end, force, charge)


def _heun(device: PassiveDevice, piece: Piece, z: torch.Tensor, normals: torch.Tensor) -> Step:
    own, b, h = device.landscape, _t(device.directions), piece.duration
    flow, kick = h * _t(device.coefficients), _kick(device, h, normals)
    force = own.gradient(z) @ b.T
    ahead = z - (flow * force - kick) @ b
    charge = 0.5 * flow * (force + own.gradient(ahead) @ b.T) - kick
    end = z - charge @ b
    return _step(device, piece, z, end, own.mean_gradient(z, end) @ b.T, charge)


def _euler(device: PassiveDevice, piece: Piece, z: torch.Tensor, normals: torch.Tensor) -> Step:
    own, b, h = device.landscape, _t(device.directions), piece.duration
    force = own.gradient(z) @ b.T
    charge = h * _t(device.coefficients) * force - _kick(device, h, normals)
    end = z - charge @ b
    return _step(device, piece, z, end, own.mean_gradient(z, end) @ b.T, charge)


STEPPERS: dict[str, Callable[[PassiveDevice, Piece, torch.Tensor, torch.Tensor], Step]] = {
    "exact": _exact,
    "midpoint": _midpoint,
    "heun": _heun,
    "euler": _euler,
}
"""Each takes the circuit of the tick, the tick, states (paths, n) and normals (paths, K)."""


def log_ratio(
    name: str, device: PassiveDevice, h: float, z: torch.Tensor, end: torch.Tensor
) -> torch.Tensor:
    """ln K(z'|z) - ln K(z|z') of a tick, nats, shape (paths,), from the kernel's own Gaussians.

    Args:
        name: "exact" or "euler".
        device: the circuit.
        h: the tick.
        z: where it started, shape (paths, n).
        end: where it ended, shape (paths, n).
    """
    own = device.landscape
    if name == "exact":
        stiffness, b = np.diag(own.quadratic), np.diag(device.directions)
        rate = device.coefficients * b * b * stiffness
        rest = _t(-own.bias / stiffness)
        variance = device.temperatures / stiffness * -np.expm1(-2.0 * rate * h)
        decay = _t(np.exp(-rate * h))
        there = end - rest - decay * (z - rest)
        back = z - rest - decay * (end - rest)
        return (0.5 * (back**2 - there**2) / _t(variance)).sum(1)
    assert name == "euler"
    precision = _t(np.linalg.inv(device.noise_matrix @ device.noise_matrix.T * h))
    move = _t(device.mobility * h)
    there = end - z + own.gradient(z) @ move
    back = z - end + own.gradient(end) @ move
    return 0.5 * ((back @ precision * back).sum(1) - (there @ precision * there).sum(1))


def _step(
    device: PassiveDevice,
    piece: Piece,
    z: torch.Tensor,
    end: torch.Tensor,
    force: torch.Tensor,
    charge: torch.Tensor,
) -> Step:
    return Step(piece, z, end, None, None, force, charge, temperatures=device.temperatures)


def _kick(device: PassiveDevice, h: float, normals: torch.Tensor) -> torch.Tensor:
    """Noise charges of a tick, shape (paths, K)."""
    return normals * _t(np.sqrt(2.0 * h * device.temperatures * device.coefficients))


def _t(array: np.ndarray) -> torch.Tensor:
    return torch.tensor(np.ascontiguousarray(array))
