"""The ledger as a person reads it: k T and joules, mean and standard error, per bath and source."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

from thermohw.audit.table import MOST_BATHS
from thermohw.books import Books
from thermohw.estimate import Estimate
from thermohw.store import RunReader
from thermohw.units import engineering
from thermohw.worlds.played.channels import ENERGIES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

__all__ = ["LedgerSummary"]


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
        heat = [name for name in channels if name.startswith("heat.")]
        table = {name: channels[name] for name in heat}
        table["heat.total"] = sum(table.values())  # type: ignore[assignment]
        table.update({name: channels[name] for name in channels if name.startswith("work.")})
        table["energy.change"] = channels["energy.end"] - channels["energy.start"]
        table.update({name: channels[name] for name in channels if name == "rotation"})
        table["first_law.residual"] = Books(channels, energy)["first_law.residual"]
        rows = {name: Estimate.from_paths(values) for name, values in table.items()}
        baths = dict(zip(heat, map(float, bath_energies), strict=True))
        return cls(rows, energy, baths, len(table["energy.change"]))

    @classmethod
    def read(cls, path: str | Path) -> LedgerSummary:
        """Summarise a stored run."""
        with RunReader.open(path) as run:
            names = [n for n in run.ledger_names if n.split(".")[0] in ENERGIES]
            channels = {name: run.ledger(name) for name in names}
            known = run.parameters
            return cls.of(channels, float(known["units"]["energy"]), known["baths"]["energy"])

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
