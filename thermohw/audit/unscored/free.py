r"""The audit of circuits left to their baths and noise sources.

    bath_heat, source_work   mean heats and works against the second moments of circuit and sources,
                             piece by piece (`thermohw.integrate.free_expected`)
    start_law, end_law       means and variances of the states at both ends against the same
    kept_states              the first and last kept states are those of start and end
    integral_theorem         <exp(-W/kT)> = 1, W the work of all sources
    second_law               <W> >= 0

beside what every kind has. A source that nothing in the circuit acts back on is a protocol, drawn
at random: given its course every path obeys local detailed balance (a current, odd in time, runs
backwards in the reversed process), and from equilibrium, with one temperature, Q/kT + ln p(z_0) -
ln p(z_N) is W/kT with p the equilibrium at both ends. Held pieces keep it exactly.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from thermohw.audit.unscored.checks import (
    FINER,
    integral_theorem,
    kept_states,
    law_columns,
    mean_accounts_check,
    quantities,
    rail_check,
    state_law,
    step_error,
)
from thermohw.audit.unscored.sums import Look, Sums, same_numbers
from thermohw.audit.verdict import Check, Quantity, not_applicable
from thermohw.integrate.free_expected import FreeMeans, free_means

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from thermohw.books import Books
    from thermohw.integrate.free import PreparedFree
    from thermohw.store import RunReader

__all__ = ["FreeKind"]

_WORDS = "second moments of the pieces say"


class FreeKind:
    """A stored free run as an audit sees it; see `thermohw.audit.unscored.sums.Kind`."""

    varies, own_reverse = False, True

    def __init__(self, run: RunReader, parameters: dict[str, Any], made: PreparedFree) -> None:
        self.run, self.made, self.voltage = run, made, 0.0
        self.device = device = made.device
        self.unit, self.temperatures = device.energy_unit, device.temperatures
        self.size, self.baths, self.sources = float(device.dim), device.elements, made.names
        times = parameters.get("schedule", {}).get("physical_time")
        same_numbers(str(run.path), "schedule/physical_time", times, made.grid)

    @cached_property
    def _means(self) -> FreeMeans | str:
        return free_means(self.made)

    @property
    def expected(self) -> dict[str, float] | str:
        """Means in closed form, or why there are none."""
        return self._means if isinstance(self._means, str) else self._means.accounts

    @cached_property
    def _laws(self) -> dict[str, tuple[NDArray[Any], NDArray[Any]] | None]:
        """Mean and covariance of the efforts at both ends; None where there is none."""
        hessian, means = self.device.hessian, self._means
        start = hessian @ self.made.start_covariance @ hessian
        end = None if isinstance(means, str) else (means.mean, means.covariance)
        return {"start": (np.zeros(len(start)), start), "end": end}

    def blank(self, chunk: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """See `Kind`."""
        return chunk

    def look(self, chunk: dict[str, NDArray[Any]], books: Books) -> Look:
        """Energies of stored states, and both ends by their law."""
        gap, device, columns = np.zeros(books.paths), self.device, {}
        for end in ("start", "end"):
            read = np.concatenate([chunk[f"{name}.{end}"] for name, *_ in device.readings], axis=1)
            energy = device.energy(torch.as_tensor(device.state_of(read))).numpy() * self.unit
            off = np.abs(energy - chunk[f"energy.{end}"]) / (np.abs(energy) + self.unit)
            gap = np.maximum(gap, off)
            largest = float(np.abs(chunk[f"voltage.{end}"]).max(initial=0.0))
            self.voltage = max(self.voltage, largest)
            law = self._laws[end]
            if law is not None:
                columns |= law_columns(end, read / device.effort_scale, *law, device.coordinates)
        exponent, one = None, device.temperature
        if one is not None and self._reason is None:
            exponent = books["work.total"] / (one * self.unit)
        return Look(gap, exponent, columns)

    def checks(self, sums: Sums) -> dict[str, Callable[[], Check]]:
        """Those of this kind alone, in their order."""
        heats = [f"heat.{bath}" for bath in self.baths]
        works = [f"work.{name}" for name in self.sources]
        reason = self._means if isinstance(self._means, str) else None
        return {
            "bath_heat": lambda: mean_accounts_check(
                sums, self.expected, "bath_heat", heats, _WORDS
            ),
            "source_work": lambda: mean_accounts_check(
                sums, self.expected, "source_work", works, _WORDS
            ),
            "start_law": lambda: state_law(sums, "start"),
            "end_law": lambda: state_law(sums, "end", reason),
            "kept_states": lambda: kept_states(self.run),
            "integral_theorem": lambda: integral_theorem(sums, "<exp(-W/kT)>", self._reason),
            "second_law": lambda: self._second_law(sums),
            "limits": lambda: rail_check(self.run, self, self.voltage),
        }

    @property
    def _reason(self) -> str | None:
        """Why there is no theorem to hold the works against."""
        if self.device.temperature is None:
            return "the baths differ in temperature; the theorem needs one"
        if self.made.started != "equilibrium":
            return f"started from '{self.made.started}', not from equilibrium"
        return None

    def _second_law(self, sums: Sums) -> Check:
        if self._reason is not None:
            return not_applicable("second_law", self._reason, relation=">=")
        found = sums.moments["exponent"]
        detail = f"mean work of the sources {found.text()} kT, never below zero"
        return Check.of("second_law", found, 0.0, detail, relation=">=")

    def quantities(self, sums: Sums) -> dict[str, Quantity]:
        """Means per path, and what holding the sources over a piece does to them."""
        table, made, means = quantities(sums, self, "work.sources"), self.made, self._means
        finer = free_means(replace(made, h=made.h / FINER, count=made.count * FINER))
        if not isinstance(means, str) and not isinstance(finer, str):
            table["step.error"] = step_error(means.accounts, finer.accounts)
        return table

    def facts(self) -> dict[str, Any]:
        """What ran, for the head of the audit."""
        return {
            "kind": "program",
            "device": self.device.name,
            "program": f"left to {', '.join(self.sources)}",
            "duration": float(self.made.grid[-1]),
            "ticks": self.made.count,
            "stepper": self.made.stepper,
            "start": self.made.started,
            "temperature": self.device.scale.temperature,
        }
