"""A run of any kind, in memory or in a file: the same questions, the same answers.

run.books["heat.r0"]     joules of every path (`thermohw.books.Books`)
run.moments["heat.r0"]   moments, histogram and quantiles of a channel (`thermohw.store.Statistics`)
run.ledger               their means with standard errors
run.frames["voltage"]    saved series of a stored run: (frames, paths, axis)
run.answer               of a board that solves or inverts
run.facts                what a reader needs besides: units, schedule, start
run.audit()  run.report("page.html")  run.to_xarray()      of a stored run
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.books import Books
from thermohw.errors import InputError
from thermohw.intake import parse_json
from thermohw.pipeline.summary import LedgerSummary
from thermohw.run import MOMENTS_ONLY, Keeper
from thermohw.run.kinds import rebuild_any
from thermohw.solver import Evolve
from thermohw.store import RunReader, Statistics, required
from thermohw.worlds.active import stored_answer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.audit import Audit
    from thermohw.control import Plan
    from thermohw.solver import Inverse, Solution

__all__ = ["Frames", "Run"]

_ACCOUNTS = ("heat.", "work.", "energy.", "rotation", "medium")


@dataclass(frozen=True, eq=False)
class Run:
    """A finished run.

    Attributes:
        setting: what was run: a `Setting` (score, protocol, data), a `Drive`, `Jumps` or `Evolve`.
        channels: per-path values by channel name, SI; empty for a stored run (ask `books`, or
            read the file).
        ledger: means and standard errors, in joules and k T.
        path: the run file, or None.
        settings: paths, seed, and how it was simulated besides.
        plan: the protocol worked out; None where there is none.
        keeper: took the moments of a run in memory that kept no paths; else None.
    """

    setting: Any
    channels: dict[str, NDArray[Any]]
    ledger: LedgerSummary
    path: Path | None
    settings: dict[str, Any]
    plan: Plan | None = field(repr=False, default=None)
    keeper: Keeper | None = field(repr=False, default=None)

    @classmethod
    def open(cls, path: str | Path) -> Run:
        """A run that was stored.

        Raises:
            StoreError: no run file, damaged, or unfinished (the message names --resume).
            InputError: the file lacks what a run needs.
        """
        with RunReader.open(path) as run:
            known = required(run.parameters, str(path))
            setting = rebuild_any(known, where=str(path))
            settings = parse_json(known["simulate"], str(path))
        return cls(setting, {}, LedgerSummary.read(path), Path(path), settings)

    @cached_property
    def books(self) -> Books:
        """Energies of every path.

        Raises:
            InputError: the run kept moments of its paths only.
        """
        if self.settings.get("keep") == "moments":
            problem = f"{MOMENTS_ONLY}: ask run.moments, which has the same names"
            raise InputError(problem, where="run.books")
        if self.path is None:
            found = {n: v for n, v in self.channels.items() if n.startswith(_ACCOUNTS)}
        else:
            with RunReader.open(self.path) as run:
                names = [n for n in run.ledger_names if n.startswith(_ACCOUNTS)]
                found = {name: run.ledger(name) for name in names}
        kt = self.ledger.energy
        return Books(found, kt, np.array(list(self.ledger.baths.values())) / kt)

    @cached_property
    def moments(self) -> Mapping[str, Statistics]:
        """Moments, histogram and quantiles of every channel, SI, whatever the run kept; of a run
        that kept moments also of "heat.total", "energy.change" and "first_law.residual".
        """
        if self.keeper is not None:
            return self.keeper.statistics
        if self.path is None:
            return {name: Statistics.of(values) for name, values in self.channels.items()}
        with RunReader.open(self.path) as run:
            return {name: run.statistics(name) for name in run.statistics_names}

    @cached_property
    def facts(self) -> dict[str, Any]:
        """Parameters of the file: units, schedule, start, and what the run was made from."""
        with self._stored() as run:
            return run.parameters

    @cached_property
    def frames(self) -> Frames:
        """Saved series."""
        return Frames(self._file)

    @cached_property
    def answer(self) -> Solution | Inverse:
        """What a board was read for: of runs of [evolve] with solve or invert.

        Raises:
            InputError: the run has no answer.
        """
        made = self.setting.prepare() if isinstance(self.setting, Evolve) else None
        if made is None or made.system is None:
            raise InputError("has no answer: it neither solves nor inverts", where="run")
        if self.path is None:
            return stored_answer(made, self.channels.__getitem__, None)
        with self._stored() as run:
            kept = run.series("voltage").read() if "voltage" in run.series_names else None
            return stored_answer(made, run.ledger, kept)

    def audit(self, *, recompute: bool = False, inject: bool = False) -> Audit:
        """Laws and bounds of a stored run; see `th.audit`."""
        from thermohw.audit import audit

        return audit(self._file, recompute=recompute, inject=inject)

    def report(self, out: str | Path | None = None) -> Path:
        """The page of a stored run; see `th.report`."""
        from thermohw.report import report

        return report(self._file, out)

    def to_xarray(self) -> Any:
        """The file as an xarray DataTree with named axes.

        Raises:
            InputError: the run is not stored, or xarray is not installed.
        """
        try:
            import xarray
        except ImportError as error:
            problem = "to_xarray needs xarray and h5netcdf: pip install 'thermohw[analysis]'"
            raise InputError(problem) from error
        return xarray.open_datatree(self._file, engine="h5netcdf")

    @property
    def _file(self) -> Path:
        if self.path is None:
            raise InputError("the run is not stored: make it with store='run.h5'", where="run")
        return self.path

    def _stored(self) -> RunReader:
        return RunReader.open(self._file)


class Frames(Mapping[str, Any]):
    """Saved series of a run file by name, SI, shape (frames, paths, axis); `times` in seconds."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with RunReader.open(path) as run:
            self._names = run.series_names
            self.times = np.array(run.layout.times)

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in self._names:
            raise KeyError(f"no series '{name}'; saved are {', '.join(self._names) or 'none'}")
        with RunReader.open(self._path) as run:
            return run.series(name).read()

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
