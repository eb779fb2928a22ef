r"""The audit of electrons that jump through a circuit of nonlinear conductors.

    bath_heat          mean heats against the stationary master equation
    supply_work        mean works likewise
    event_rates        mean numbers of events likewise, forward and backward
    integral_theorem   <exp(-Sigma)> = 1, Sigma = sum_k Q_k/(k T_k) + ln p(N_0) - ln p(N_end), p the
                       stationary law
    second_law         <Sigma> >= 0

beside what every kind has (`audit.unscored.sums`): energies are worked out again from charges, and
works from charges and counted events. Approximate methods have no local detailed balance: their
heats are no logarithms of rates.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.audit.unscored.checks import integral_theorem, mean_accounts_check, quantities
from thermohw.audit.unscored.sums import Look, Sums, same_numbers
from thermohw.audit.verdict import Check, Quantity, not_applicable
from thermohw.run.kinds import rebuild_any

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from thermohw.books import Books
    from thermohw.jumps.run import Jumps
    from thermohw.store import RunReader

__all__ = ["JumpsKind"]

_WORDS = "the stationary master equation says"


class JumpsKind:
    """Stored jumps as an audit sees them; see `thermohw.audit.unscored.sums.Kind`."""

    varies, own_reverse, voltage = False, True, 0.0

    def __init__(self, run: RunReader, parameters: dict[str, Any]) -> None:
        where = str(run.path)
        self.jumps: Jumps = rebuild_any(parameters, where=where)
        self.made = self.jumps.prepare(1, 0)  # its start states are in the file
        self.device = device = self.jumps.device
        self.unit, self.temperatures = device.energy_unit, device.temperatures
        self.size, self.baths, self.sources = float(device.dim), device.elements, device.supplies
        self.events = 0.0
        same_numbers(where, "schedule/duration", parameters.get("schedule", {}).get("duration"),
                     self.made.duration)  # fmt: skip

    @property
    def expected(self) -> dict[str, float] | str:
        """Means in closed form, or why there are none."""
        return self._expected

    @cached_property
    def _expected(self) -> dict[str, float] | str:
        """Of the stationary law, over the duration."""
        if (reason := self._reason) is not None:
            return reason
        law, seconds = self.made.law, self.made.duration
        assert law is not None
        heats, works = law.heat_rates * seconds / self.unit, law.power * seconds / self.unit
        table = {f"heat.{bath}": float(x) for bath, x in zip(self.baths, heats, strict=True)}
        table |= {f"work.{name}": float(x) for name, x in zip(self.sources, works, strict=True)}
        return table | {"medium": law.entropy_production * seconds}

    @property
    def _events(self) -> list[str]:
        """Events of every conductor, forward ones first."""
        return [f"events.{bath}.{way}" for way in ("forward", "backward") for bath in self.baths]

    @property
    def _counts(self) -> dict[str, float] | str:
        """Mean number of every kind of event in the stationary law, over the duration."""
        if (reason := self._reason) is not None:
            return reason
        assert self.made.law is not None
        counts = self.made.law.events * self.made.duration
        return {name: float(x) for name, x in zip(self._events, counts, strict=True)}

    @property
    def _reason(self) -> str | None:
        """Why nothing is known of the means."""
        if self.made.method != "exact":
            return f"the method '{self.made.method}' is an approximation: no local detailed balance"
        if self.made.law is None:
            return "the paths did not start from the stationary law (start = 'stationary')"
        if self.made.stop is not None:
            return "paths that end at a stop are not all of one length"
        return None

    def blank(self, chunk: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """See `Kind`: no charge at all may be none of the states that the law knows."""
        if self.made.law is None:
            return chunk
        ends = ("charge.start", "charge.end")
        return chunk | {name: chunk[name] + self.made.law.states[0] for name in ends}

    def look(self, chunk: dict[str, NDArray[Any]], books: Books) -> Look:
        """Energies of charges, works of counted events, and the entropy production."""
        device, unit, count = self.device, self.unit, len(self.baths)
        gap = np.zeros(books.paths)
        for end in ("start", "end"):
            energy = device.energy(chunk[f"charge.{end}"]) * unit
            gap = np.maximum(gap, np.abs(energy - chunk[f"energy.{end}"]) / (energy + unit))
        transferred = chunk["events"][:, :count] - chunk["events"][:, count:]
        works = device.supply_work(transferred, chunk["charge.start"], chunk["charge.end"]) * unit
        if works.size:
            off = np.abs(works - books.work) / (np.abs(works) + unit)
            gap = np.maximum(gap, off.max(1))
        sigma = None
        if "log_prob.start" in chunk and self._reason is None:
            sigma = books.medium + chunk["log_prob.start"] - chunk["log_prob.end"]
            assert self.made.law is not None
            for end in ("start", "end"):
                again = self.made.law.log_probability(chunk[f"charge.{end}"])
                off = np.abs(again - chunk[f"log_prob.{end}"]) / (1.0 + np.abs(again))
                gap = np.maximum(gap, off)
        events = chunk["events"].sum(1)
        columns = {name: chunk["events"][:, i] for i, name in enumerate(self._events)}
        return Look(gap, sigma, columns | {"events": events}, events > 0)

    def checks(self, sums: Sums) -> dict[str, Callable[[], Check]]:
        """Those of this kind alone, in their order."""
        heats = [f"heat.{bath}" for bath in self.baths]
        works = [f"work.{name}" for name in self.sources]
        return {
            "bath_heat": lambda: mean_accounts_check(
                sums, self.expected, "bath_heat", heats, _WORDS
            ),
            "supply_work": lambda: mean_accounts_check(
                sums, self.expected, "supply_work", works, _WORDS
            ),
            "event_rates": lambda: mean_accounts_check(
                sums, self._counts, "event_rates", self._events, _WORDS, unit="events"
            ),
            "integral_theorem": lambda: integral_theorem(sums, "<exp(-Sigma)>", self._reason),
            "second_law": lambda: self._second_law(sums),
        }

    def _second_law(self, sums: Sums) -> Check:
        name = "second_law"
        if self._reason is not None or "exponent" not in sums.moments:
            return not_applicable(name, self._reason or "no law of the start", relation=">=")
        found = sums.moments["exponent"]
        detail = f"mean entropy production {found.text()} nats, never below zero"
        return Check.of(name, found, 0.0, detail, relation=">=")

    def quantities(self, sums: Sums) -> dict[str, Quantity]:
        """Means per path."""
        table = quantities(sums, self, "work.supplies")
        table["events.total"] = Quantity.of(sums.moments["events"], "1", "events a path")
        if "exponent" in sums.moments:
            table["production.total"] = Quantity.of(sums.moments["exponent"], "nat")
        return table

    def facts(self) -> dict[str, Any]:
        """What ran, for the head of the audit."""
        start = self.jumps.start
        return {
            "kind": "jumps",
            "device": self.device.name,
            "duration": self.made.duration,
            "method": self.made.method,
            "start": start if isinstance(start, str) else "voltages of the nodes",
            "temperature": self.device.temperature,
        }
