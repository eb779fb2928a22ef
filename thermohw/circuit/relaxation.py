"""The forward process that a device performs by itself.

Left alone, the node voltages of a linear circuit obey dv = -A_v v dt + noise: a matrix
Ornstein-Uhlenbeck process that forgets its start and ends in kT C^-1 (one temperature) or in a
non-equilibrium steady state (several). An uncoupled RC node is the variance-preserving process; a
resistor ladder blurs while it forgets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from thermohw.circuit.device import require_linear
from thermohw.process import Relaxation

if TYPE_CHECKING:
    from thermohw.circuit.device import LinearDevice

__all__ = ["relaxation"]


def relaxation(
    device: LinearDevice,
    duration: float = 5.0,
    *,
    t_min: float = 0.0,
    volts_per_unit: float | None = None,
) -> Relaxation:
    """The device's own relaxation as a noising process in model units x = V/V0.

    Args:
        device: a linear circuit.
        duration: how long it relaxes, in R_ref C_ref (the process's model time).
        t_min: where generation stops, same unit.
        volts_per_unit: V0 in volt; default the thermal voltage sqrt(kT/C).

    Returns:
        dx = -A x dt + noise with the device's matrices, shape (nodes, nodes).
    """
    device = require_linear(device, "relaxation")
    theta = 1.0 if volts_per_unit is None else device.scale.theta(volts_per_unit)
    return Relaxation(
        A=device.effort_drift,
        B2=theta * device.effort_diffusion,
        duration=duration,
        t_min=t_min,
    )
