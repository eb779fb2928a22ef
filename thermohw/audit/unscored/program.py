r"""The audit of a circuit led through a program of its parameters, or left alone.

    bath_heat          mean heats against the second moments of the ticks (linear circuits)
    parameter_work     mean works likewise
    integral_theorem   <exp(-A)> = Z_1/Z_0, Jarzynski with A = int d_t(beta H) dt
    second_law         <A> >= -ln Z_1/Z_0
    limits             voltages that were kept against the rail

beside what every kind has (`audit.unscored.sums`).
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from thermohw.audit.unscored.checks import (
    integral_theorem,
    law_columns,
    mean_accounts_check,
    quantities,
    rail_check,
    state_law,
)
from thermohw.audit.unscored.sums import Look, Sums, same_numbers
from thermohw.audit.verdict import Check, Quantity, not_applicable
from thermohw.program.expected import mean_accounts, start_covariance

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from thermohw.books import Books
    from thermohw.program.drive import PreparedDrive
    from thermohw.store import RunReader

__all__ = ["ProgramKind"]

_WORDS = "second moments of the ticks say"


class ProgramKind:
    """A stored drive as an audit sees it; see `thermohw.audit.unscored.sums.Kind`."""

    own_reverse = False

    def __init__(self, run: RunReader, parameters: dict[str, Any], made: PreparedDrive) -> None:
        where, self.made = str(run.path), made
        self.device = device = made.play.first
        self.unit, self.temperatures = device.energy_unit, device.temperatures
        self.size, self.baths = float(device.dim), device.elements
        self.sources = made.names
        self.varies = self.made.play.varies
        self.run, self.voltage = run, 0.0
        times = parameters.get("schedule", {}).get("physical_time")
        same_numbers(where, "schedule/physical_time", times, self.made.grid)

    @property
    def expected(self) -> dict[str, float] | str:
        """Means in closed form, or why there are none."""
        return self._expected

    @cached_property
    def _expected(self) -> dict[str, float] | str:
        """From the second moments of the ticks."""
        found = mean_accounts(self.made)
        if isinstance(found, str):
            return found
        heat, work, medium = found
        table = {f"heat.{bath}": float(x) for bath, x in zip(self.baths, heat, strict=True)}
        table |= {f"work.{key}": float(x) for key, x in zip(self.sources, work, strict=True)}
        return table | {"medium": medium}

    @cached_property
    def _start(self) -> NDArray[Any] | None:
        """Covariance of the start states; None where their law is not Gaussian, or not known."""
        landscape = self.device.landscape
        known = landscape.linear and not landscape.bias.any()
        return start_covariance(self.made) if known else None

    def blank(self, chunk: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """See `Kind`."""
        return chunk

    def look(self, chunk: dict[str, NDArray[Any]], books: Books) -> Look:
        """Energies of stored states; Jarzynski's exponent plus ln Z_1/Z_0."""
        gap, columns = np.zeros(books.paths), {}
        for end, device in zip(("start", "end"), self.made.ends, strict=True):
            read = np.concatenate([chunk[f"{name}.{end}"] for name, *_ in device.readings], axis=1)
            state = torch.as_tensor(device.state_of(read))
            energy = device.landscape.energy(state).numpy() * self.unit
            off = np.abs(energy - chunk[f"energy.{end}"]) / (np.abs(energy) + self.unit)
            gap = np.maximum(gap, off)
            if end == "start" and self._start is not None:
                still = np.zeros(len(self._start))
                names = [str(label) for *_, labels in device.readings for label in labels]
                columns = law_columns(end, state.numpy(), still, self._start, names)
            if f"voltage.{end}" in chunk:
                largest = float(np.abs(chunk[f"voltage.{end}"]).max())
                self.voltage = max(self.voltage, largest)
        change, exponent = self.made.log_partition_change, chunk.get("exponent")
        known = change is not None and exponent is not None
        return Look(gap, exponent + change if known else None, columns)  # type: ignore[operator]

    def checks(self, sums: Sums) -> dict[str, Callable[[], Check]]:
        """Those of this kind alone, in their order."""
        heats = [f"heat.{bath}" for bath in self.baths]
        works = [f"work.{key}" for key in self.sources]
        label = "<exp(-A)> Z_0/Z_1"
        return {
            "bath_heat": lambda: mean_accounts_check(
                sums, self.expected, "bath_heat", heats, _WORDS
            ),
            "parameter_work": lambda: mean_accounts_check(
                sums, self.expected, "parameter_work", works, _WORDS
            ),
            "start_law": lambda: state_law(sums, "start"),
            "integral_theorem": lambda: integral_theorem(sums, label, self._reason),
            "second_law": lambda: self._second_law(sums),
            "limits": self._limits,
        }

    @property
    def _reason(self) -> str | None:
        """Why there is no theorem to hold the exponents against."""
        play = self.made.play
        if self.made.log_partition_change is None:
            return f"started from '{self.made.started}', or no equilibrium at the last parameters"
        if not play.one:
            return "the baths differ in temperature; the theorem needs one at a time"
        if play.sources == 0:
            return "no parameter is led through a program: the exponent is zero"
        if play.stepper not in ("exact", "midpoint"):
            return f"the {play.stepper} stepper keeps exp(-H/T) to the order of its tick only"
        return None

    def _second_law(self, sums: Sums) -> Check:
        name = "second_law"
        if self._reason is not None or "exponent" not in sums.moments:
            return not_applicable(name, self._reason or "exponents were not recorded",
                                  relation=">=")  # fmt: skip
        slack = sums.moments["exponent"]
        detail = f"<A> + ln Z_1/Z_0 = {slack.text()} nats lost, never below zero"
        return Check.of(name, slack, 0.0, detail, relation=">=")

    def _limits(self) -> Check:
        if self.device.readings[0][1] != "V":
            reason = "states of quartic units are no voltages"
            return not_applicable("limits", reason, relation="<=")
        return rail_check(self.run, self, self.voltage)

    def quantities(self, sums: Sums) -> dict[str, Quantity]:
        """Means per sample, and the numbers of the theorem."""
        table = quantities(sums, self, "work.parameters")
        change = self.made.log_partition_change
        error = 0.0 if change is not None else None
        table["theorem.log_partition_change"] = Quantity(change, error, "nat", "ln Z_1/Z_0")
        if change is not None and "exponent" in sums.moments:
            table["theorem.exponent"] = Quantity.of(sums.moments["exponent"] - change, "nat")
        return table

    def facts(self) -> dict[str, Any]:
        """What ran, for the head of the audit."""
        return {
            "kind": "program",
            "device": self.device.name,
            "program": ", ".join(self.sources) or "left alone",
            "duration": float(self.made.grid[-1]),
            "ticks": len(self.made.grid) - 1,
            "stepper": self.made.play.stepper,
            "start": self.made.started,
            "temperature": self.device.scale.temperature,
        }
