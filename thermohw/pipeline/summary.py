"""The ledger as a person reads it: joules and k T, mean and standard error, per bath and source."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING

from thermohw.store import RunReader
from thermohw.units import engineering

if TYPE_CHECKING:
    import numpy as np

__all__ = ["LedgerSummary"]

_MOST_BATHS = 8  # of an array's baths, so many are printed one by one


@dataclass(frozen=True)
class LedgerSummary:
    """Means over paths.

    Attributes:
        rows: name -> (mean, standard error), joule per sample.
        energy: k T_ref, joule.
        paths: number of samples.
    """

    rows: dict[str, tuple[float, float]]
    energy: float
    paths: int

    @classmethod
    def of(cls, channels: dict[str, np.ndarray], energy: float) -> LedgerSummary:
        """Summarise per-path channels in joule."""
        heat = [name for name in channels if name.startswith("heat.")]
        table = {name: channels[name] for name in heat}
        table["heat.total"] = sum(table.values())  # type: ignore[assignment]
        table.update({name: channels[name] for name in channels if name.startswith("work.")})
        table["energy.change"] = channels["energy.end"] - channels["energy.start"]
        table["first_law.residual"] = channels["first_law.residual"]
        n = len(table["energy.change"])
        rows = {
            name: (
                float(values.mean()),
                float(values.std(ddof=1) / sqrt(n)) if n > 1 else float("nan"),
            )
            for name, values in table.items()
        }
        return cls(rows, energy, n)

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
            return cls.of(channels, float(run.parameters["units"]["energy"]))

    def __str__(self) -> str:
        baths = [n for n in self.rows if n.startswith("heat.") and n != "heat.total"]
        hidden = baths[_MOST_BATHS:]
        lines = [f"energy per sample, mean of {self.paths} (kT = {engineering(self.energy, 'J')})"]
        for name, (mean, error) in self.rows.items():
            if name in hidden:
                continue
            kt = f"{mean / self.energy:+.5g} +- {error / self.energy:.2g} kT"
            lines.append(f"  {name:<22}{engineering(mean, 'J'):>14}   {kt}")
        if hidden:
            lines.insert(1 + _MOST_BATHS, f"  ... and {len(hidden)} more baths")
        return "\n".join(lines)
