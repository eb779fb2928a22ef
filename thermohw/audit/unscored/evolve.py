r"""The audit of circuits with active elements, and of boards that solve or invert.

    bath_heat, source_work   mean heats and works against the second moments of the steps; where
                             amplifiers slew or saturate, what they do beyond the linear law is
                             measured on pairs of paths that share their noise, with and without
                             limits, and added
    start_law, end_law       means and variances of the states at both ends against the linear law
    kept_states              the last kept states are the end states
    answer                   the solution or the inverse against what this board tends to in closed
                             form, within its printed errors

beside what every kind has. There is no fluctuation theorem: amplifiers and transconductors act on
what they sense, so heat of the baths alone obeys none, and the accounts lack the noise inside a
step.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.audit.unscored.checks import (
    FINER,
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
from thermohw.estimate import Estimate, called_of, judge, largest_of
from thermohw.run.kinds import rebuild_any
from thermohw.solver.expected import end_moments, mean_accounts, start_moments
from thermohw.worlds.active import stored_answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from thermohw.books import Books
    from thermohw.solver import Evolve, Inverse, Solution
    from thermohw.store import RunReader

__all__ = ["EvolveKind"]

_WORDS = "second moments of the steps say"
_FEEDBACK = (
    "amplifiers and transconductors act on what they sense: heat of the baths alone obeys no "
    "theorem, and accounts of a step lack the fluctuation inside it"
)
_LIMITED = "amplifiers slew or saturate: states have no closed form"
_TWINS, _MOST = 64, 100_000  # pairs of paths; steps that they take, some ten seconds


class EvolveKind:
    """A stored `Evolve` as an audit sees it; see `thermohw.audit.unscored.sums.Kind`."""

    varies, own_reverse = False, False

    def __init__(self, run: RunReader, parameters: dict[str, Any]) -> None:
        where = str(run.path)
        self.asked: Evolve = rebuild_any(parameters, where=where)
        self.made = made = self.asked.prepare()
        self.run, self.device, self.voltage = run, made.device, 0.0
        self.unit, self.temperatures = self.device.scale.energy, self.device.temperatures
        self.size, self.baths = float(self.device.dim), self.device.elements
        self.sources = made.sources_of_work
        schedule = parameters.get("schedule", {})
        same_numbers(where, "schedule/duration", schedule.get("duration"), made.seconds)
        same_numbers(where, "schedule/steps", schedule.get("steps"), made.steps)

    @property
    def expected(self) -> dict[str, Any] | str:
        """Means in closed form, or why there are none."""
        return self._expected

    @cached_property
    def _expected(self) -> dict[str, Any] | str:
        table: dict[str, Any] = mean_accounts(self.made)
        if self.device.amplifiers.limited:
            if self.made.steps > _MOST:
                return (
                    f"amplifiers slew or saturate, and pairs of paths that tell what this does "
                    f"would take {self.made.steps} steps"
                )
            beyond = self._beyond_linear()
            table = {name: beyond[name] + value for name, value in table.items()}
        return table

    def _beyond_linear(self) -> dict[str, Estimate]:
        """What limits of slew and swing add to every account, on pairs that share their noise."""
        tiles = [made.tile(self._seed, 0, _TWINS) for made in (self.made, self.made.linear())]
        for tile in tiles:
            tile.advance(self.made.steps)
        limited, linear = (tile.accounts for tile in tiles)
        return {name: Estimate.paired(limited[name], linear[name]) for name in limited}

    @property
    def _seed(self) -> int:
        """Of the pairs; not the run's, whose chance must stay its own."""
        return 1 + int(self.run.spec_hash[:8], 16)

    @cached_property
    def _laws(self) -> dict[str, tuple[NDArray[Any], NDArray[Any]] | None]:
        """Mean and covariance of the efforts at both ends; None of a start at rest."""
        start = start_moments(self.made) if self.made.start == "steady" else None
        return {"start": start, "end": end_moments(self.made)}

    def blank(self, chunk: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """See `Kind`."""
        return chunk

    def look(self, chunk: dict[str, NDArray[Any]], books: Books) -> Look:
        """Energies of stored states, and end states by their law."""
        gap, unit, columns = np.zeros(books.paths), self.device.effort_scale, {}
        for end in ("start", "end"):
            parts = [chunk[f"voltage.{end}"]]
            self.voltage = max(self.voltage, float(np.abs(parts[0]).max(initial=0.0)))
            if self.device.fluxes:
                parts.append(chunk[f"inductor_current.{end}"])
            efforts = np.concatenate(parts, axis=1)
            seen = efforts / unit
            energy = 0.5 * np.einsum("pi,ij,pj->p", seen, self.device.storage, seen) * self.unit
            off = np.abs(energy - chunk[f"energy.{end}"]) / (np.abs(energy) + self.unit)
            gap = np.maximum(gap, off)
            place, names = self._laws[end], self.device.coordinates
            columns |= {} if place is None else law_columns(end, seen, *place, names)
        # Without noise every path is every other.
        moved = None if columns else np.zeros(books.paths, dtype=bool)
        return Look(gap, None, columns, moved)

    def checks(self, sums: Sums) -> dict[str, Callable[[], Check]]:
        """Those of this kind alone, in their order."""
        heats = [f"heat.{bath}" for bath in self.baths]
        works = [f"work.{name}" for name in self.sources]
        works += ["rotation"] if self.device.gyrating else []
        limited = self.device.amplifiers.limited
        return {
            "bath_heat": lambda: mean_accounts_check(
                sums, self.expected, "bath_heat", heats, _WORDS
            ),
            "source_work": lambda: mean_accounts_check(
                sums, self.expected, "source_work", works, _WORDS
            ),
            "start_law": lambda: state_law(sums, "start", _LIMITED if limited else None),
            "end_law": lambda: state_law(sums, "end", _LIMITED if limited else None),
            "kept_states": lambda: kept_states(self.run),
            "answer": self._answered,
            "integral_theorem": lambda: not_applicable("integral_theorem", _FEEDBACK),
            "second_law": lambda: not_applicable("second_law", _FEEDBACK, relation=">="),
            "limits": lambda: rail_check(self.run, self, self.voltage),
        }

    @cached_property
    def _answer(self) -> Solution | Inverse | None:
        if self.made.system is None:
            return None
        voltages = None
        if "voltage" in self.run.series_names:
            voltages = self.run.series("voltage").read()
        return stored_answer(self.made, self.run.ledger, voltages)

    def _answered(self) -> Check:
        name, answer = "answer", self._answer
        if answer is None:
            return not_applicable(name, "no system was to be solved or inverted")
        away, error = (answer.estimate - answer.settled).ravel(), answer.uncertainty.ravel()
        worst = int(np.argmax(np.abs(away) / np.maximum(error, 1e-300)))
        z = largest_of(float(away[worst] / error[worst]), len(away)) if error[worst] else 0.0
        detail = (
            f"{len(away)} numbers against what this board tends to: the farthest is off by "
            f"{away[worst]:.3g}, printed error {error[worst]:.3g}: z = {z:+.2f}; the exact answer "
            f"is {answer.error:.2g} away, of which {answer.floor:.2g} never averages away"
        )
        power = float(error.max()) * called_of(len(away))
        return Check(
            name, judge(z), float(answer.estimate.ravel()[worst]),
            float(answer.settled.ravel()[worst]), float(error[worst]), detail, power=power,
        )  # fmt: skip

    def quantities(self, sums: Sums) -> dict[str, Quantity]:
        """Means per path, what stepping does to them, and the bill of an answer."""
        table = quantities(sums, self, "work.sources")
        table["supplies.static.J"] = Quantity(
            self.made.static, 0.0, "J", "amplifiers at rest, beside what they deliver"
        )
        finer = replace(self.made, h=self.made.h / FINER, steps=self.made.steps * FINER)
        table["step.error"] = step_error(mean_accounts(self.made), mean_accounts(finer))
        if self.device.gyrating:
            table["rotation.kT"] = Quantity.of(
                sums.moments["rotation"], "kT", "what midpoint products leave of the first law"
            )
        answer = self._answer
        if answer is not None:
            table["answer.error"] = Quantity(answer.error, None, "1", "relative to the exact one")
            table["answer.floor"] = Quantity(answer.floor, 0.0, "1", "of it, never averages away")
            table["budget.time"] = Quantity(answer.budget.time, 0.0, "s", "transfer included")
            table["budget.energy"] = Quantity(answer.budget.energy, 0.0, "J", "what is priced")
        return table

    def facts(self) -> dict[str, Any]:
        """What ran, for the head of the audit."""
        system = self.made.system
        if system is None:
            task = "left to its sources"
        else:
            task = f"{'inverting' if self.made.products else 'solving'} {system.dim} unknowns"
        return {
            "kind": "evolve",
            "device": self.device.name,
            "task": task,
            "duration": self.made.seconds,
            "steps": self.made.steps,
            "start": self.made.start,
            "temperature": self.device.scale.temperature,
        }
