"""From a datasheet with active elements to an `ActiveDevice`, in thermal units.

Passive elements are assembled as in every circuit (`network`). An amplifier's gain-bandwidth f_t
becomes the rate w_t = 2 pi f_t, its noise density e_n the intensity e_n^2/2 of a white input
voltage; slew and swing become volts and times of the scale. A circuit that does not come to rest
is refused with its eigenvalue.
"""

from __future__ import annotations

from math import pi
from typing import TYPE_CHECKING

import numpy as np

from thermohw.circuit.active import ActiveDevice, Amplifiers
from thermohw.circuit.active_law import require_stable
from thermohw.circuit.network import assemble_network, ends_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thermohw.circuit.scale import Scale
    from thermohw.datasheet import Amplifier, Datasheet, RatedValue

__all__ = ["amplifiers_of", "build_active"]


def build_active(datasheet: Datasheet) -> ActiveDevice:
    """The circuit of a datasheet that has amplifiers or transconductors.

    Raises:
        InputError: a singular capacitance matrix, an ideal amplifier without feedback, an unstable
            loop (with its eigenvalue).
    """
    network = assemble_network(datasheet)
    index = {name: i for i, name in enumerate(network.coordinates)}
    outputs = [ends_of(x.between, index) for x in datasheet.transconductors]
    controls = [ends_of(x.control, index) for x in datasheet.transconductors]
    values = [x.conductance.value * network.scale.resistance for x in datasheet.transconductors]
    device = ActiveDevice(
        name=datasheet.name,
        scale=network.scale,
        nodes=network.nodes,
        fluxes=network.fluxes,
        storage=network.capacitance,
        structure=network.structure,
        elements=network.elements,
        directions=network.directions,
        coefficients=network.coefficients,
        temperatures=network.temperatures,
        controlled=network.controlled,
        transconductors=tuple(x.name for x in datasheet.transconductors),
        output_incidence=np.array(outputs).reshape(-1, len(index)),
        control_incidence=np.array(controls).reshape(-1, len(index)),
        transconductances=np.array(values),
        amplifiers=amplifiers_of(datasheet.amplifiers, index, network.scale),
        injections=(),
        places=np.zeros((0, len(index))),
        strengths=np.zeros(0),
        datasheet=datasheet,
    )
    return require_stable(device)


def amplifiers_of(items: Sequence[Amplifier], index: dict[str, int], scale: Scale) -> Amplifiers:
    """Amplifiers of a datasheet over coordinates `index`, thermal units."""
    hold = np.zeros((len(items), len(index)))
    for row, item in zip(hold, items, strict=True):
        row[index[item.output]] = 1.0
        if item.complement is not None:
            row[index[item.complement]] = -1.0

    def sizes(key: str, unit: float, absent: float) -> np.ndarray:
        found: list[RatedValue | None] = [getattr(item, key) for item in items]
        return np.array([absent if x is None else x.value / unit for x in found])

    return Amplifiers(
        names=tuple(item.name for item in items),
        sense=np.array([ends_of((x.plus, x.minus), index) for x in items]).reshape(hold.shape),
        hold=hold,
        leak=1.0 / sizes("gain", 1.0, np.inf),
        rate=sizes("gbw", 1.0 / (2.0 * pi * scale.time), np.inf),
        slew=sizes("slew", scale.voltage / scale.time, np.inf),
        swing=sizes("swing", scale.voltage, np.inf),
        offset=sizes("offset", scale.voltage, 0.0),
        noise=0.5 * sizes("noise", scale.voltage * np.sqrt(scale.time), 0.0) ** 2,
        quiescent=sizes("quiescent", 1.0, 0.0),
    )
