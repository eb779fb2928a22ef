"""Per-path accounts of a ledger, summed over paths a chunk at a time.

Energies in k T_ref, everything else in nats. Per path, from the stored channels alone,

    residual    E_N - E_0 - (sum_j W_j - sum_k Q_k)
    medium      sum_k Q_k/(k T_k)                       every bath at its own temperature (stored
                                                        where that varied during the run)
    ledger      medium + ln q_0(x_0) - ln rho(x_N)      where both densities are known
    identity    sum_k Q_k less its conditional mean given the readings; of a network the medium
                less its own
    identity.codes  the medium less its conditional mean given a converter's codes
    production  log ratio of the ticks + ln q_0(x_0) - ln rho(x_N), where both densities are known
    untied      medium less (log ratio of the ticks - what of it is no heat)

and differences of those that share their noise, so that a comparison has the standard error of the
difference. The residual is worked out anew, and stored energies are held against those of the
stored voltages: an audit trusts no stored verdict.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from thermohw.audit.moments import Moments
from thermohw.audit.tally import PathTally
from thermohw.books.theorems import ExponentialMean
from thermohw.circuit import LinearDevice

__all__ = ["Accounts"]

_PLAIN = (
    "pumping",
    "log_prob.start",
    "log_prob.end",
    "sigma.even",
    "sigma.odd",
    "ratio.ticks",
    "ratio.returned",
    "ratio.learned",
    "information.pathwise",
)
_AVERAGED = ("sigma.even", "sigma.odd", "sagawa_ueda")

Chunk = dict[str, np.ndarray]


@dataclass(eq=False)
class Accounts:
    """Running sums over paths.

    Attributes:
        device: names and temperatures of the baths, capacitances.
        paths: how many there will be.
        single: states were float32.
        moments: means and variances of every heat and work, of the accounts above, and of the
            energy that a path "exchanged".
        exponentials: <e^{-x}> of "sigma.even", "sigma.odd" and "sagawa_ueda", where recorded.
        residual: largest |residual| of a path relative to the energy it exchanged,
            E_0 + E_N + sum |W| + sum |Q|; float32 states also move the thermal energy of the nodes,
            at its hottest: a tick's works against noise of T(t) are of that size, and cancel.
        untied: largest |untied| of a path relative to the same energy, over k times the coldest
            temperature.
        mismatch: largest relative difference of a stored energy from that of the stored voltages.
        tally: of values that are not finite, and of paths that agree.
        hottest: largest T(t)/T_ref of the run.
        coldest: smallest.
        contradiction: how far a file that keeps moments contradicts itself (`audit.kept`).
    """

    extremes: ClassVar = ("residual", "mismatch", "untied")

    device: LinearDevice
    paths: int
    single: bool
    moments: Moments = field(default_factory=lambda: Moments("residual"))
    exponentials: dict[str, ExponentialMean] = field(default_factory=dict)
    residual: float = 0.0
    mismatch: float = 0.0
    tally: PathTally = field(default_factory=PathTally)
    hottest: float = 1.0
    contradiction: float = 0.0
    coldest: float = 1.0
    untied: float = 0.0

    @property
    def idle(self) -> float:
        """Energy that float32 states move beside what they exchange, k T_ref."""
        warmest = self.hottest * float(self.device.temperatures.max())
        return 0.5 * self.device.dim * warmest if self.single else 0.0

    def columns(self, chunk: Chunk) -> Chunk:
        """Every account of some paths: channel -> values of shape (chunk,), SI, to account ->
        (chunk,).
        """
        kt = self.device.scale.energy
        heats = {f"heat.{bath}": chunk[f"heat.{bath}"] / kt for bath in self.device.elements}
        works = {name: value / kt for name, value in chunk.items() if name.startswith("work.")}
        begin, end = chunk["energy.start"] / kt, chunk["energy.end"] / kt
        columns = {
            **heats,
            **works,
            "heat.total": _total(heats),
            "energy.change": end - begin,
            "energy.ends": end + begin,
            "medium": sum(
                heat / t for heat, t in zip(heats.values(), self.device.temperatures, strict=True)
            ),
            **{name: chunk[name] for name in _PLAIN if name in chunk},
        }
        if "medium" in chunk:  # baths whose temperature varied
            columns["medium"] = chunk["medium"]
        columns["residual"] = end - begin - (_total(works) - columns["heat.total"])
        self._differences(columns, chunk, kt)
        return columns

    def add(self, chunk: Chunk) -> None:
        """Account for some paths: channel -> values of shape (chunk,) or (chunk, nodes), SI."""
        self.tally.add(chunk)
        columns = self.columns(chunk)
        kt = self.device.scale.energy
        begin, end = chunk["energy.start"] / kt, chunk["energy.end"] / kt
        flows = (name for name in chunk if name.startswith(("heat.", "work.")))
        exchanged = begin + end + sum(np.abs(chunk[name]) for name in flows) / kt
        self.moments.add(columns | {"exchanged": exchanged})
        for name in _AVERAGED:
            if name in columns:
                fresh = ExponentialMean(self.paths)
                self.exponentials.setdefault(name, fresh).add(columns[name])
        size = np.maximum(exchanged + self.idle, 1e-300)
        worst = np.abs(columns["residual"] / size).max()
        self.residual = _larger(self.residual, worst)
        if "untied" in columns:
            cold = self.coldest * float(self.device.temperatures.min())
            self.untied = _larger(self.untied, np.abs(columns["untied"] / size).max() * cold)
        self._energies(chunk, {"voltage.start": begin, "voltage.end": end})

    @staticmethod
    def _differences(columns: Chunk, chunk: Chunk, kt: float) -> None:
        """Accounts that are made of others."""
        if "pumping" in columns:
            columns["medium - pumping"] = columns["medium"] - columns["pumping"]
        if "identity.heat" in chunk:
            columns["identity"] = columns["heat.total"] - chunk["identity.heat"] / kt
        elif "identity.medium" in chunk:
            columns["identity"] = columns["medium"] - chunk["identity.medium"]
        if "identity.codes" in chunk:
            columns["identity.codes"] = columns["medium"] - chunk["identity.codes"]
        if "ratio.returned" in columns:
            heat = columns["ratio.ticks"] - columns["ratio.returned"]
            columns["untied"] = columns["medium"] - heat
        if not {"log_prob.start", "log_prob.end"} <= set(columns):
            return
        ledger = columns["medium"] + columns["log_prob.start"] - columns["log_prob.end"]
        columns["ledger"] = ledger
        if "ratio.ticks" in columns:
            boundary = columns["log_prob.start"] - columns["log_prob.end"]
            columns["production"] = columns["ratio.ticks"] + boundary
        if "sigma.even" in columns:
            columns["even - ledger"] = columns["sigma.even"] - ledger
            if "pumping" in columns:
                columns["even - held"] = columns["even - ledger"] - columns["pumping"]
        if {"sigma.odd", "pumping"} <= set(columns):
            columns["odd - ledger"] = columns["sigma.odd"] - (ledger - columns["pumping"])
        if "information.pathwise" in columns:
            columns["sagawa_ueda"] = ledger + columns["information.pathwise"]

    def _energies(self, chunk: Chunk, energies: Chunk) -> None:
        """Energies of the stored voltages against the stored ones."""
        for name, energy in energies.items():
            if name in chunk:
                v = chunk[name] / self.device.scale.voltage
                if self.device.fluxes:
                    i = chunk[f"inductor_current.{name.partition('.')[2]}"]
                    v = np.concatenate([v, i / self.device.scale.current], axis=1)
                again = 0.5 * ((v @ self.device.capacitance) * v).sum(1)
                worst = np.abs((again - energy) / (again + 1e-12)).max()
                self.mismatch = _larger(self.mismatch, worst)


def _total(parts: Chunk) -> np.ndarray:
    return np.sum(list(parts.values()), axis=0)


def _larger(before: float, now: float) -> float:
    """The larger one; not a number once one was, which a plain maximum would forget."""
    return float(np.maximum(before, now))
