"""The ledger as a person reads it: k T and joules, mean and standard error, per bath and source."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from thermohw.audit.table import MOST_BATHS
from thermohw.books import Books
from thermohw.estimate import Estimate
from thermohw.run import Keeper
from thermohw.store import Channel, RunReader
from thermohw.units import engineering
from thermohw.worlds.played.channels import ENERGIES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from thermohw.run.keep import Judged
    from thermohw.store import Layout, Statistics

__all__ = ["LedgerSummary", "moments_keeper"]

_HEAT = "heat."
_SUMS = ("heat.total", "energy.change", "first_law.residual")  # no channels of their own


def moments_keeper(layout: Layout, energy: float, judged: Judged | None) -> Keeper:
    """Takes the moments of channels and of what is summarised.

    Args:
        layout: of a file that keeps every path.
        energy: k T_ref, joule.
        judged: sums for an audit; None in memory.
    """
    derived = tuple(Channel(name, "J") for name in _SUMS)
    return Keeper(layout, lambda table: LedgerSummary.sums(table, energy), derived, judged)


@dataclass(frozen=True)
class LedgerSummary:
    """Means over paths.

    Attributes:
        rows: name -> mean with its standard error, joule per sample.
        energy: k T_ref, joule.
        baths: k T of every bath at its own temperature, joule. What is printed is in k T_ref.
        paths: number of samples.
    """

    rows: dict[str, Estimate]
    energy: float
    baths: dict[str, float]
    paths: int

    @classmethod
    def of(
        cls, channels: dict[str, np.ndarray], energy: float, bath_energies: Sequence[float]
    ) -> LedgerSummary:
        """Summarise per-path channels in joule; `bath_energies` are k T_k in the baths' order."""
        table = cls.columns(channels, energy)
        rows = {name: Estimate.from_paths(values) for name, values in table.items()}
        return cls._made(rows, energy, bath_energies, len(channels["energy.end"]))

    @classmethod
    def of_moments(
        cls, statistics: Mapping[str, Statistics], energy: float, bath_energies: Sequence[float]
    ) -> LedgerSummary:
        """Summarise moments, those of `columns` among them."""
        columns = {name: np.empty(0) for name in statistics if name not in _SUMS}
        rows = {name: statistics[name].estimate() for name in cls.columns(columns, energy)}
        return cls._made(rows, energy, bath_energies, statistics["energy.end"].count)

    @classmethod
    def kept(
        cls,
        channels: dict[str, np.ndarray],
        keeper: Keeper | None,
        energy: float,
        bath_energies: Sequence[float],
    ) -> LedgerSummary:
        """Summarise what a run kept: its channels, or the moments that a keeper took."""
        if keeper is None:
            return cls.of(channels, energy, bath_energies)
        return cls.of_moments(keeper.statistics, energy, bath_energies)

    @classmethod
    def columns(cls, channels: Mapping[str, np.ndarray], energy: float) -> dict[str, np.ndarray]:
        """What is summarised: per-path channels and sums of them, joule, in their order."""
        table = {name: channels[name] for name in channels if name.startswith(_HEAT)}
        table["heat.total"] = sum(table.values(), np.zeros(len(channels["energy.end"])))
        table.update({name: channels[name] for name in channels if name.startswith("work.")})
        table["energy.change"] = channels["energy.end"] - channels["energy.start"]
        table.update({name: channels[name] for name in channels if name == "rotation"})
        table["first_law.residual"] = Books(channels, energy)["first_law.residual"]
        return table

    @classmethod
    def sums(cls, channels: Mapping[str, np.ndarray], energy: float) -> dict[str, np.ndarray]:
        """Of `columns` those that are no channels."""
        table = cls.columns(channels, energy)
        return {name: table[name] for name in _SUMS}

    @classmethod
    def _made(
        cls, rows: dict[str, Estimate], energy: float, bath_energies: Sequence[float], paths: int
    ) -> LedgerSummary:
        heat = [name for name in rows if name.startswith(_HEAT) and name not in _SUMS]
        baths = dict(zip(heat, map(float, bath_energies), strict=True))
        return cls(rows, energy, baths, paths)

    @classmethod
    def read(cls, path: str | Path) -> LedgerSummary:
        """Summarise a stored run."""
        with RunReader.open(path) as run:
            known = run.parameters
            energy, baths = float(known["units"]["energy"]), known["baths"]["energy"]
            names = [n for n in run.statistics_names if n.split(".")[0] in ENERGIES]
            if run.keeps_moments:
                return cls.of_moments({n: run.statistics(n) for n in names}, energy, baths)
            return cls.of({name: run.ledger(name) for name in names}, energy, baths)

    def __str__(self) -> str:
        return self.text()

    def text(self, baths: int | None = None) -> str:
        """One line a number; of the baths the first so many (default 8)."""
        baths = MOST_BATHS if baths is None else baths
        hidden = list(self.baths)[baths:]
        lines = [f"energy per sample, mean of {self.paths} (kT = {engineering(self.energy, 'J')})"]
        for name, (mean, error) in self.rows.items():
            at_rest = name.startswith("work.") and mean == error == 0.0
            if name in hidden or at_rest:
                continue
            kt = self.energy
            spread = f" +- {error / kt:.2g}" if isfinite(error) else ""
            lines.append(f"  {name:<22}{mean / kt:+12.5g}{spread} kT = {engineering(mean, 'J')}")
        if hidden:
            lines.insert(1 + baths, f"  ... and {len(hidden)} more baths")
        return "\n".join(lines)
