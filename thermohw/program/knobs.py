"""The parameters of a device that a program sets, and what each of them does to the circuit.

The state does not change when a parameter jumps (`thermohw.circuit.passive`). What jumps is

    n0.capacitance, n0.elastance, c0.capacitance     K = C^-1, the whole inverse
    l0.inductance                                    1/L
    u0.j2, u0.j4, u0.bias, j0.strength               H itself
    r0.resistance, l0.series_resistance              gamma_k: no work
    r0.temperature                                   T_k: no work

The work of several parameters that jump at once is told apart by letting them jump one after the
other, in the program's order: exact where they add to H, and to the order of the tick where they
share one capacitance matrix. Their sum is exact either way.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.datasheet.fields import did_you_mean
from thermohw.datasheet.quartic import check_bounded
from thermohw.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from thermohw.circuit.landscape import Landscape
    from thermohw.circuit.passive import PassiveDevice
    from thermohw.program.schedule import Program

__all__ = ["Knobs"]


class Knobs:
    """The parameters of a program found in a device.

    Args:
        device: a linear circuit or one of quartic units, from a datasheet.
        program: whose keys to look up.

    Attributes:
        energetic: which of its parameters change the energy.
        heats: whether one is the temperature of a bath.

    Raises:
        InputError: an element or an entry that the device does not have, one parameter twice, an
            energy without a floor anywhere along the program.
    """

    def __init__(self, device: PassiveDevice, program: Program) -> None:
        self.device, self.program = device, program
        if device.datasheet is None:
            raise InputError("a program finds parameters by the names of a datasheet; this device "
                             "has none", where=device.name)  # fmt: skip
        self._sheet = device.datasheet
        # Every parameter acts on the matrices of the device in SI; farads and henries of linear
        # circuits are inverted when the circuit is made.
        self._taken: dict[tuple[str, str], str] = {}
        self._setters = [self._setter(key) for key in program.keys]
        still = ("resistance", "series_resistance", "temperature")
        self.energetic = np.array([key.rpartition(".")[2] not in still for key in program.keys])
        self.heats = any(key.endswith(".temperature") for key in program.keys)
        self._check()

    def jump(
        self, before: NDArray[Any], after: NDArray[Any]
    ) -> tuple[list[tuple[int, Landscape]], PassiveDevice]:
        """What happens while parameters jump one after the other.

        Args:
            before: old values, SI, in the order of the program's keys.
            after: new ones.

        Returns:
            (index of the parameter, energy after its jump) for each that changes the energy, and
            the circuit after all of them.
        """
        now, found = np.where(self.energetic, before, after), []
        draft = None
        for i in np.flatnonzero(now != after):
            now[i] = after[i]
            draft = self._draft(now)
            found.append((int(i), draft.energy()))
        return found, self.at(now) if draft is None else draft.device(found[-1][1])

    def at(self, values: NDArray[Any]) -> PassiveDevice:
        """The circuit at some values of the parameters, SI."""
        draft = self._draft(values)
        return draft.device(draft.energy())

    def _draft(self, values: NDArray[Any]) -> _Draft:
        draft = _Draft(self.device)
        for setter, value in zip(self._setters, values, strict=True):
            setter(draft, float(value))
        return draft

    def _check(self) -> None:
        for values in self.program.corners():
            found = self.at(values).landscape
            check_bounded(found.quadratic, found.quartic, self.device.coordinates, "program")

    def _setter(self, key: str) -> Callable[[_Draft, float], None]:
        owner, _, entry = key.rpartition(".")
        found = _entries(self._sheet)
        names = [name for name in found if owner in (name, name.partition("[")[0])]
        if not names:
            homes = list(dict.fromkeys(name.partition("[")[0] for name in found))
            hint = did_you_mean(owner, homes)
            raise InputError(f"no element '{owner}'; {hint}", where=f"program.{key}")
        allowed = found[names[0]]
        if entry not in allowed:
            hint = did_you_mean(entry, list(allowed))
            raise InputError(f"no parameter '{entry}' of {owner}; {hint}", where=f"program.{key}")
        kind = {"elastance": "capacitance"}.get(entry, entry)
        for name in names:
            other = self._taken.setdefault((name, kind), key)
            if other != key:
                raise InputError(f"{other} sets it already", where=f"program.{key}")
        places = [found[name][entry] for name in names]
        return lambda draft, value: draft.set(entry, places, value)


def _entries(sheet: Any) -> dict[str, dict[str, Any]]:
    """Element -> what a program may change of it -> its index."""
    found: dict[str, dict[str, Any]] = {}
    baths = {name: k for k, name in enumerate(sheet.baths)}
    if sheet.landscape.quartics:
        for i, unit in enumerate(sheet.landscape.quartics):
            found[unit.name] = {"j2": i, "j4": i, "bias": i}
        index = {node.name: i for i, node in enumerate(sheet.nodes)}
        for item in sheet.landscape.bilinears:
            found[item.name] = {"strength": tuple(index[end] for end in item.between)}
    else:
        for i, node in enumerate(sheet.nodes):
            found[node.name] = {"capacitance": i, "elastance": i}
        for i, item in enumerate(sheet.capacitors):
            found[item.name] = {"capacitance": (i, item)}
        wound = {end for mutual in sheet.mutuals for end in mutual.between}
        for i, item in enumerate(sheet.inductors):
            found[item.name] = {} if item.name in wound else {"inductance": i}
            if item.series_resistance is not None:
                found[item.name] |= dict.fromkeys(("series_resistance", "temperature"),
                                                  baths[item.name])  # fmt: skip
    for item in sheet.resistors:
        found[item.name] = dict.fromkeys(("resistance", "temperature"), baths[item.name])
    return found


class _Draft:
    """Matrices of a device while parameters are being set."""

    def __init__(self, base: PassiveDevice) -> None:
        assert base.datasheet is not None
        self.base, self.scale, self.landscape = base, base.scale, base.landscape
        self.nodes = base.datasheet.nodes
        self.coefficients, self.temperatures = base.coefficients, base.temperatures
        self._farads: NDArray[Any] | None = None
        self._henries: NDArray[Any] | None = None

    def set(self, entry: str, places: list[Any], value: float) -> None:
        """Give the elements at `places` a value in SI."""
        scale = self.scale
        if entry == "temperature":
            self.temperatures = self.temperatures.copy()
            self.temperatures[places] = value / scale.temperature
        elif entry in ("resistance", "series_resistance"):
            self.coefficients = self.coefficients.copy()
            ratio = value / scale.resistance
            self.coefficients[places] = 1.0 / ratio if entry == "resistance" else ratio
        elif entry in ("capacitance", "elastance", "inductance"):
            self._set_linear(entry, places, value)
        else:
            self._set_quartic(entry, places, value / scale.energy)

    def _set_quartic(self, entry: str, places: list[Any], value: float) -> None:
        old = self.landscape
        if entry in ("j2", "strength"):
            quadratic = old.quadratic.copy()
            for place in places:
                a, b = (place, place) if entry == "j2" else place
                quadratic[a, b] = quadratic[b, a] = 2.0 * value if entry == "j2" else value
            self.landscape = replace(old, quadratic=quadratic)
            return
        name = {"j4": "quartic", "bias": "bias"}[entry]
        array = getattr(old, name).copy()
        array[places] = value
        self.landscape = replace(old, **{name: array})

    def _set_linear(self, entry: str, places: list[Any], value: float) -> None:
        scale, n = self.scale, len(self.nodes)
        if entry == "inductance":
            if self._henries is None:
                self._henries = self.base.landscape.quadratic[n:, n:].copy()
            self._henries[places, places] = scale.inductance / value
            return
        matrix = self._farads
        if matrix is None:
            own = self.base.landscape.quadratic[:n, :n]
            plain = not (own - np.diag(np.diag(own))).any()
            matrix = np.diag(1.0 / np.diag(own)) if plain else np.linalg.inv(own)
        farads = (1.0 / value if entry == "elastance" else value) / scale.capacitance
        for place in places:
            if isinstance(place, tuple):  # a coupling capacitor
                item = place[1]
                row = np.array([float(node.name == item.between[0])
                                - float(node.name == item.between[1])
                                for node in self.nodes])  # fmt: skip
                old = item.capacitance.value / scale.capacitance
                matrix += (farads - old) * np.outer(row, row)
            else:
                old = self.nodes[place].capacitance.value / scale.capacitance
                matrix[place, place] += farads - old
        self._farads = matrix

    def energy(self) -> Landscape:
        """H at what was set."""
        landscape, n = self.landscape, len(self.nodes)
        if self._farads is not None or self._henries is not None:
            quadratic = landscape.quadratic.copy()
            if self._farads is not None:
                diagonal = np.diag(self._farads)
                if (self._farads - np.diag(diagonal)).any():
                    inverse = np.linalg.inv(self._farads)
                    quadratic[:n, :n] = 0.5 * (inverse + inverse.T)
                else:
                    quadratic[:n, :n] = np.diag(1.0 / diagonal)
            if self._henries is not None:
                quadratic[n:, n:] = self._henries
            landscape = replace(landscape, quadratic=quadratic)
        return landscape

    def device(self, landscape: Landscape) -> PassiveDevice:
        """The circuit at what was set, with H as `energy` found it."""
        return self.base.at(landscape, self.coefficients, self.temperatures)
