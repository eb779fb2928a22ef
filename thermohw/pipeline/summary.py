"""The ledger as a person reads it: joules and k T, mean and standard error, per bath and source."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

from thermohw.estimate import Estimate
from thermohw.store import RunReader
from thermohw.units import engineering

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

__all__ = ["LedgerSummary"]

_MOST_BATHS = 8  # of an array's baths, so many are printed one by one


@dataclass(frozen=True)
class LedgerSummary:
    """Means over paths.

    Attributes:
        rows: name -> mean with its standard error, joule per sample.
        energy: k T_ref, joule.
        baths: k T of every bath at its own temperature, joule; k T_ref counts for everything else.
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
        table["first_law.residual"] = channels["first_law.residual"]
        rows = {name: Estimate.from_paths(values) for name, values in table.items()}
        baths = dict(zip(heat, map(float, bath_energies), strict=True))
        return cls(rows, energy, baths, len(table["energy.change"]))

    @classmethod
    def read(cls, path: str | Path) -> LedgerSummary:
        """Summarise a stored run."""
        with RunReader.open(path) as run:
            names = [
                n
                for n in run.ledger_names
                if n.split(".")[0] in ("heat", "work", "energy", "first_law")
            ]
            channels = {name: run.ledger(name) for name in names}
            known = run.parameters
            return cls.of(channels, float(known["units"]["energy"]), known["baths"]["energy"])

    def __str__(self) -> str:
        hidden = list(self.baths)[_MOST_BATHS:]
        own = any(energy != self.energy for energy in self.baths.values())
        note = "; a bath's own kT on its line" if own else ""
        lines = [
            f"energy per sample, mean of {self.paths} (kT = {engineering(self.energy, 'J')}{note})"
        ]
        for name, (mean, error) in self.rows.items():
            if name in hidden:
                continue
            energy = self.baths.get(name, self.energy)
            spread = f" +- {error / energy:.2g}" if isfinite(error) else ""
            lines.append(
                f"  {name:<22}{engineering(mean, 'J'):>14}   {mean / energy:+.5g}{spread} kT"
            )
        if hidden:
            lines.insert(1 + _MOST_BATHS, f"  ... and {len(hidden)} more baths")
        return "\n".join(lines)
