r"""The forward process of a circuit with inductors: Langevin diffusion, made of its own matrices.

Resistors shake the coordinates they touch; inductors and capacitors carry the noise on to the
others. Data go on the quiet coordinates (inductor currents of cells whose resistors are across
the nodes; node voltages where the resistors are in series with the inductors) and control acts on
the noisy ones. With z = (q, phi), w = H''z and D_k = gamma_k b_k b_k^T,

    w' = H'' (J - D) w + noise        the circuit let go, D = sum_k D_k
    w' = -H'' (J + D) w + noise       its mirror image: the forward process (`process.langevin`)

Their rotations H''J are opposite; the reverse of the mirror image rotates as the circuit does, and
what control has to add is 2 H''D w + 2 D_w grad ln p_t. Model units are thermal: coordinate j in
units of sqrt(kT H''_jj), sqrt(kT/C) of a node and sqrt(kT/L) of an inductor, so that the
equilibrium has variance one everywhere and A has entries of the size of the circuit's rates.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.circuit.device import require_linear
from thermohw.errors import InputError
from thermohw.process import Langevin

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.circuit.device import LinearDevice

__all__ = ["langevin", "mirror", "model_units"]


def mirror(device: LinearDevice) -> LinearDevice:
    """The circuit in which all energy exchanges run the other way, J -> -J: the same circuit seen
    with its inductor currents (or its node voltages) counted backwards.
    """
    return replace(device, structure=-device.structure)


def model_units(device: LinearDevice, theta: float = 1.0) -> NDArray[Any]:
    """Thermal units of effort per model unit, shape (n,): sqrt(H''_jj / theta)."""
    return np.sqrt(np.diag(device.hessian) / theta)


def langevin(
    device: LinearDevice,
    duration: float = 10.0,
    *,
    t_min: float = 0.0,
    data: str | None = None,
    momentum: float = 1.0,
    volts_per_unit: float | None = None,
) -> Langevin:
    """The noising process of a circuit with inductors in model units.

    Args:
        device: a linear circuit with inductors.
        duration: how long data are noised, in R_ref C_ref; amplitudes of a parallel cell decay in
            two of them.
        t_min: where generation stops, same unit.
        data: coordinates that carry the data: "flux" (inductors), "node", or None for those of
            the two that no resistor shakes.
        momentum: variance of the other coordinates beside clean data, in units of the
            equilibrium's.
        volts_per_unit: V0 in volt; default the thermal voltage sqrt(kT/C).

    Returns:
        The process on all n coordinates (v, i), mirrored as generation needs it.

    Raises:
        InputError: no inductors, no data coordinates by themselves, or noise that does not reach
            every other coordinate.
    """
    device = require_linear(device, "langevin")
    where = f"device {device.name}"
    if not device.gyrating:
        raise InputError(
            "process 'langevin' needs inductors; the process of a circuit without them is "
            "'relaxation'",
            where=where,
        )
    n, nodes = device.dim, len(device.nodes)
    noise = device.effort_diffusion
    sides = {"node": list(range(nodes)), "flux": list(range(nodes, n))}
    if data is None:
        quiet = [name for name, side in sides.items() if not noise[side].any()]
        if len(quiet) != 1:
            raise InputError(
                "resistors shake both nodes and inductors: say where the data go, data = 'flux' "
                "or 'node'",
                where="process.data",
            )
        data = quiet[0]
    if not isinstance(data, str) or data not in sides:
        raise InputError(f"{data!r}: expected 'flux' or 'node'", where="process.data")
    if not momentum > 0.0:
        raise InputError(f"{momentum!r}: expected a positive number", where="process.momentum")
    rest = sides["node" if data == "flux" else "flux"]
    theta = 1.0 if volts_per_unit is None else device.scale.theta(volts_per_unit)
    units = model_units(device, theta)
    settled = device.effort_covariance / units[:, None] / units
    return Langevin(
        A=mirror(device).effort_drift / units[:, None] * units,
        B2=noise / units[:, None] / units,
        duration=duration,
        t_min=t_min,
        positions=sides[data],
        momentum=momentum * settled[np.ix_(rest, rest)],
    )
