r"""How boards differ from their datasheet, and from each other.

Every entry of a datasheet has a tolerance, three standard deviations between devices. A share of
its variance is common to all entries of one kind on a board (the same lot, the same etch), the rest
is each element's own. Devices drawn side by side on one chip differ besides by Pelgrom's law (M.
Pelgrom, A. Duinmaijer, A. Welbers, IEEE J. Solid-State Circuits 24, 1433 (1989)),

    sigma(dP/P) = A_P / sqrt(area)

with A_P some 1 to 3 % um for polysilicon resistors and 0.5 to 1 % um for metal-insulator-metal
capacitors (textbook values: replace them by the process's own). Temperature multiplies:

    T -> T_corner,   R -> R (1 + TCR (T_corner - T_ref)),   C -> C (1 + TCC (T_corner - T_ref))

Front ends have offsets and gain errors of their own, one of each at every node. All factors are
drawn log-normal-free, as 1 + sigma xi, cut at a tenth.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.circuit import LinearDevice
    from thermohw.control import Protocol

__all__ = ["CORNERS", "Spread", "board_generator", "noise_seed"]

CORNERS = (-40.0, 27.0, 85.0, 125.0)
"""The usual temperature corners, degrees Celsius."""

_ZERO = 273.15


@dataclass(frozen=True)
class Spread:
    """What varies between boards.

    Attributes:
        shared: share of a tolerance's variance that is common to a board, 0 to 1.
        area: of a matched element, um^2; None for elements that are not drawn side by side.
        resistor_matching: Pelgrom's A of resistors, relative times um (0.02 is 2 % um).
        capacitor_matching: of capacitors.
        offset: standard deviation of the front ends' offsets, volt.
        gain: of their gains, relative.
        corners: temperatures, degrees Celsius; () for the datasheet's own.
        tcr: temperature coefficient of resistance, per kelvin.
        tcc: of capacitance.
    """

    shared: float = 1.0
    area: float | None = None
    resistor_matching: float = 0.02
    capacitor_matching: float = 0.0075
    offset: float = 0.0
    gain: float = 0.0
    corners: tuple[float, ...] = ()
    tcr: float = 0.0
    tcc: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.shared <= 1.0:
            raise InputError(f"{self.shared}: expected 0 to 1", where="spread.shared")
        if self.area is not None and not self.area > 0.0:
            raise InputError(f"{self.area}: expected a positive area in um^2", where="spread.area")
        for name in ("resistor_matching", "capacitor_matching", "offset", "gain"):
            if getattr(self, name) < 0.0:
                raise InputError("expected a standard deviation", where=f"spread.{name}")
        for corner in self.corners:
            if not corner > -_ZERO:
                raise InputError(f"{corner} degC: below absolute zero", where="spread.corners")

    def draw(self, device: LinearDevice, generator: np.random.Generator) -> dict[str, Any]:
        """The deviations of one board at the reference temperature, as protocol keys."""
        resistors, nodes = _tolerances(device)
        kinds = {
            "node_resistance": (resistors, self.resistor_matching),
            "node_capacitance": (nodes, self.capacitor_matching),
        }
        keys: dict[str, Any] = {}
        for name, (tolerance, matching) in kinds.items():
            common, own = generator.standard_normal(), generator.standard_normal(len(tolerance))
            sigma = tolerance / 3.0
            relative = sigma * (sqrt(self.shared) * common + sqrt(1.0 - self.shared) * own)
            local = generator.standard_normal(len(tolerance))
            if self.area is not None:
                relative = relative + matching / sqrt(self.area) * local
            keys[name] = np.maximum(1.0 + relative, 0.1).tolist()
        n = len(device.nodes)
        offset, gain = generator.standard_normal(n), generator.standard_normal(n)
        if self.offset > 0.0:
            keys["sense_offset"] = (self.offset * offset).tolist()
        if self.gain > 0.0:
            keys["sense_gain"] = np.maximum(1.0 + self.gain * gain, 0.1).tolist()
        return keys

    def at(
        self, corner: float | None, keys: dict[str, Any], device: LinearDevice
    ) -> dict[str, Any]:
        """The same board at a temperature corner (degrees Celsius; None: the datasheet's)."""
        if corner is None:
            return keys
        reference = device.scale.temperature
        warmer = corner + _ZERO - reference
        factors = {"node_resistance": 1.0 + self.tcr * warmer,
                   "node_capacitance": 1.0 + self.tcc * warmer}  # fmt: skip
        moved = {k: [v * factors[k] for v in keys[k]] for k in factors}
        count = len(device.elements)
        return {**keys, **moved, "node_temperature": [(corner + _ZERO) / reference] * count}

    def onto(self, protocol: Protocol, keys: dict[str, Any]) -> dict[str, Any]:
        """The keys on top of what a protocol says already: factors multiply, offsets add."""
        counts = {"node_resistance": len(protocol.device.elements),
                  "node_temperature": len(protocol.device.elements)}  # fmt: skip
        result = {}
        for name, values in keys.items():
            present = getattr(protocol, name)
            if present is None:
                result[name] = values
                continue
            count = counts.get(name, len(protocol.device.nodes))
            from thermohw.control.quantity import per_item

            offset = name == "sense_offset"
            unit = "V" if offset else ""
            row = per_item(present, unit, f"protocol.{name}", count=count, signed=offset)
            both = np.asarray(values) + row if offset else np.asarray(values) * row
            result[name] = both.tolist()
        return result

    def varies(self, device: LinearDevice) -> bool:
        """Whether there is anything to draw or visit."""
        stated = any(t.any() for t in _tolerances(device))
        return bool(stated or self.area or self.offset or self.gain or self.corners)


def _tolerances(device: LinearDevice) -> tuple[NDArray[Any], NDArray[Any]]:
    """Stated tolerances of the elements' resistances and the nodes' capacitances; 0 unstated."""
    sheet = device.datasheet
    if sheet is None:
        return np.zeros(len(device.elements)), np.zeros(len(device.nodes))
    ohms = {r.name: r.resistance.tolerance for r in sheet.resistors}
    farads = {n.name: n.capacitance.tolerance for n in sheet.nodes}
    return (
        np.array([ohms.get(name) or 0.0 for name in device.elements]),
        np.array([farads.get(name) or 0.0 for name in device.nodes]),
    )


def board_generator(seed: int, board: int) -> np.random.Generator:
    """The draws of one board, independent of how many there are."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(7, board)))


def noise_seed(seed: int, board: int) -> int:
    """Seed of the noise that one board is measured with, independent of how many there are."""
    return int(np.random.SeedSequence(seed, spawn_key=(8, board)).generate_state(1)[0])
