"""From a datasheet to matrices: nodal analysis of resistors, capacitors and inductors.

Node charges q and node voltages v obey q = C v with the Maxwell capacitance matrix: its diagonal is
the sum of all capacitors at the node, its off-diagonal minus the capacitor between two nodes. A
resistor between nodes a and b takes charge out of a and puts it into b: its direction is b_k = e_a
- e_b (ground has no entry), its coefficient 1/R, its Johnson noise its own.

Inductor fluxes and currents obey phi = L i; the inductance matrix has the inductors on its diagonal
and k sqrt(L1 L2) off it. The incidence matrix M has a row e_a - e_b per inductor: its current
leaves a and arrives in b, its flux grows by v_a - v_b. A series resistance acts on the flux alone,
with coefficient R.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy

from thermohw.circuit.device import LinearDevice
from thermohw.circuit.scale import Scale
from thermohw.errors import InputError
from thermohw.intake import MOST_MATRIX, require_room
from thermohw.units import engineering

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.datasheet import Datasheet

__all__ = ["assemble_network", "ends_of"]


def assemble_network(datasheet: Datasheet) -> LinearDevice:
    """The passive elements of a datasheet as matrices, without asking whether they come to rest.

    Raises:
        InputError: singular capacitance or inductance matrix.
    """
    index = {node.name: i for i, node in enumerate(datasheet.nodes)}
    resistors, inductors = datasheet.resistors, datasheet.inductors
    size = len(index) + len(inductors)
    what = f"a matrix of {size} x {max(size, len(resistors))} for the circuit"
    require_room(8.0 * size * max(size, len(resistors)), what, datasheet.name, most=MOST_MATRIX)
    lossy = [x for x in inductors if x.series_resistance is not None]
    resistances = (
        [r.resistance.value for r in resistors if r.source]
        or [r.resistance.value for r in resistors]
        or [x.series_resistance.value for x in lossy if x.series_resistance is not None]
    )
    resistance = _middle(resistances)
    scale = Scale(
        capacitance=_usual_capacitance(datasheet, resistance),
        resistance=resistance,
        temperature=_middle([bath.value for bath in datasheet.baths.values()]),
    )
    _check_scale(scale, datasheet)
    capacitance = np.diag([node.capacitance.value / scale.capacitance for node in datasheet.nodes])
    for capacitor in datasheet.capacitors:
        direction = _direction(capacitor.between, index)
        value = capacitor.capacitance.value / scale.capacitance
        capacitance += value * np.outer(direction, direction)
    hessian: Any = scipy.linalg.block_diag(
        _inverse(capacitance, datasheet), _inverse_inductance(datasheet, scale.inductance)
    )
    incidence = np.array([ends_of(x.between, index) for x in inductors])
    incidence = incidence.reshape(len(inductors), len(index))
    structure = np.zeros_like(hessian)
    structure[len(index) :, : len(index)] = incidence
    structure[: len(index), len(index) :] = -incidence.T
    series = np.eye(len(inductors))[[x.series_resistance is not None for x in inductors]]
    directions: Any = scipy.linalg.block_diag(
        np.array([_direction(r.between, index) for r in resistors]).reshape(
            len(resistors), len(index)
        ),
        series,
    )
    coefficients = [scale.resistance / r.resistance.value for r in resistors]
    for inductor in lossy:
        assert inductor.series_resistance is not None
        coefficients.append(inductor.series_resistance.value / scale.resistance)
    return LinearDevice(
        name=datasheet.name,
        scale=scale,
        nodes=tuple(index),
        elements=tuple(datasheet.baths),
        hessian=hessian,
        structure=structure,
        directions=directions,
        coefficients=np.array(coefficients),
        temperatures=np.array([t.value / scale.temperature for t in datasheet.baths.values()]),
        controlled=tuple(k for k, x in enumerate([*resistors, *lossy]) if x.source),
        datasheet=datasheet,
        fluxes=tuple(x.name for x in inductors),
    )


def _check_scale(scale: Scale, datasheet: Datasheet) -> None:
    """Values whose products leave the range of a double are slips of a prefix."""
    try:
        units = (scale.energy, scale.time, scale.voltage, scale.charge, scale.current,
                 scale.inductance, scale.flux, scale.inductance * scale.current**2)  # fmt: skip
        sane = all(1e-200 < unit < 1e200 for unit in units)
    except (OverflowError, ZeroDivisionError):
        sane = False
    if not sane:
        raise InputError(
            f"no circuit has {engineering(scale.capacitance, 'F')}, "
            f"{engineering(scale.resistance, 'ohm')} and {engineering(scale.temperature, 'K')}: "
            "its thermal units leave the range of a double",
            where=datasheet.name,
        )


def _usual_capacitance(datasheet: Datasheet, resistance: float) -> float:
    """C_ref: of nodes; where coupling capacitors hold them all, of those; without any, L/R^2."""
    own = [node.capacitance.value for node in datasheet.nodes if node.capacitance.value > 0.0]
    shared = [capacitor.capacitance.value for capacitor in datasheet.capacitors]
    coils = [inductor.inductance.value / resistance**2 for inductor in datasheet.inductors]
    return _middle(own or shared or coils)


def _middle(values: list[float]) -> float:
    """The lower median: a value that some element really has, so that equal elements scale to
    exactly 1.
    """
    return sorted(values)[(len(values) - 1) // 2]


def ends_of(between: tuple[str, str], index: dict[str, int]) -> NDArray[Any]:
    """e_a - e_b over the names of `index`, without an entry for ground, shape (len(index),)."""
    row = np.zeros(len(index))
    for name, sign in zip(between, (1.0, -1.0), strict=True):
        if name in index:  # ground is no state variable
            row[index[name]] += sign
    return row


def _direction(between: tuple[str, str], index: dict[str, int]) -> NDArray[Any]:
    direction = ends_of(between, index)
    # A grounded element written as ("gnd", node) is the same element: count the charge that
    # leaves the node.
    return -direction if direction.sum() < 0 else direction


def _inverse(capacitance: NDArray[Any], datasheet: Datasheet) -> NDArray[Any]:
    diagonal = np.diag(capacitance)
    if len(diagonal) == 0:
        return capacitance
    if not (diagonal > 0.0).all():
        bare = datasheet.nodes[int(np.argmin(diagonal))].name
        raise InputError(f"{bare}.capacitance: must be positive, or a capacitor must end at this "
                         "node", where=datasheet.name)  # fmt: skip
    if np.array_equal(capacitance, np.diag(diagonal)):
        return np.diag(1.0 / diagonal)  # exact ones stay exact
    root = np.sqrt(diagonal)
    scaled = capacitance / root / root[:, None]  # a farad beside a picofarad is no singularity
    values, vectors = np.linalg.eigh(scaled)
    if values[0] < 1e-12:
        weight = np.abs(vectors[:, 0])
        names = [datasheet.nodes[i].name for i in np.flatnonzero(weight > 1e-6 * weight.max())]
        raise InputError(
            f"the capacitance matrix is singular: the capacitors of {', '.join(names[:4])} to "
            "ground vanish beside those between them; give every node its own capacitance",
            where=datasheet.name,
        )
    inverse = np.linalg.inv(scaled) / root / root[:, None]
    return 0.5 * (inverse + inverse.T)


def _inverse_inductance(datasheet: Datasheet, unit: float) -> NDArray[Any]:
    """L^-1 in 1/unit; exact reciprocals where nothing is coupled."""
    place = {inductor.name: i for i, inductor in enumerate(datasheet.inductors)}
    own = np.array([inductor.inductance.value / unit for inductor in datasheet.inductors])
    if not datasheet.mutuals:
        return np.diag(1.0 / own)
    coupling = np.eye(len(own))
    for mutual in datasheet.mutuals:
        one, other = (place[name] for name in mutual.between)
        coupling[one, other] = coupling[other, one] = mutual.k.value
    values, vectors = np.linalg.eigh(coupling)
    if values[0] <= 1e-12:
        worst = [n for n, weight in zip(place, vectors[:, 0], strict=True) if abs(weight) > 1e-6]
        raise InputError(
            f"the inductance matrix is not positive definite: the couplings k of "
            f"{', '.join(worst[:4])} contradict each other; make them smaller",
            where=datasheet.name,
        )
    root = 1.0 / np.sqrt(own)
    inverse = root[:, None] * np.linalg.inv(coupling) * root
    return 0.5 * (inverse + inverse.T)
