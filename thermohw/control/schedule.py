"""When the controller acts: physical ticks and the model times they belong to.

Generation runs the model clock backwards. At fixed R and T the device's diffusion is fixed, so a
process with coefficient g(t) is played by stretching time: dt_phys = R C g^2/(2 theta) dt, i.e.
equal diffusion takes equal time. With the process's diffusion time d(t) = int g^2/2 and theta =
(kT/C)/V0^2,

    s(t) = (d(T) - d(t)) / theta      physical time in R C; a device's own relaxation: s = T - t

Other realisations of g(t) let time run evenly, s = c (T - t), and change the circuit instead. A
tick that the clock would stretch to D_n (in R_ref C_ref) then lasts h_n = c (t_n - t_{n+1}), and
during it, piecewise constant,

    resistance              R_ref/R_n = D_n/h_n    it lasts D_n of its own R_n C
    temperature, injected   T_n/T_ref = D_n/h_n    noise of the strength that moves as far

so that every tick diffuses as far as under the clock. c defaults to that of the clock's whole
duration (mean 1/R and mean T are then the reference's), for injected noise, which only adds to the
bath, to the longest run whose coldest moment is the bath's own: c = min g^2/(2 theta).

Grids: "uniform" ticks are equally long on the device (a clock rate); "log-snr" ticks are equally
spaced in ln(signal/noise), which spends score evaluations where the law changes. With t_min = 0
the log-SNR grid ends where the noise is a thousandth of the narrowest mode's variance and closes
with one tick to zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.circuit.scale import FARTHEST
from thermohw.errors import InputError
from thermohw.intake import whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.process import Process

__all__ = [
    "Schedule",
    "make_schedule",
]

_END_NOISE = (
    1e-3  # of the narrowest mode, where a log-SNR grid to t_min = 0 hands over to its last tick
)


@dataclass(frozen=True, eq=False)
class Schedule:
    """N ticks of a generation run.

    Attributes:
        grid: "uniform" or "log-snr".
        model_time: t_n of the tick boundaries, shape (N + 1,), falling from the process's duration
            to t_min.
        physical_time: s_n, shape (N + 1,), rising from 0, in R_ref C_ref.
        relaxing: tick lengths in the R_n C in force, shape (N,); None where R is the reference's.
        heating: T_n/T_ref of every tick, shape (N,); None where T is the reference's.
    """

    grid: str
    model_time: NDArray[Any]
    physical_time: NDArray[Any]
    relaxing: NDArray[Any] | None = None
    heating: NDArray[Any] | None = None

    @property
    def ticks(self) -> int:
        """N."""
        return len(self.model_time) - 1

    @property
    def durations(self) -> NDArray[Any]:
        """Tick lengths, shape (N,), in R_ref C_ref; bitwise equal on a uniform grid, so that
        moments are shared.
        """
        if self.grid == "uniform":
            return np.full(self.ticks, self.duration / self.ticks)
        return np.diff(self.physical_time)

    @property
    def relaxations(self) -> NDArray[Any]:
        """Tick lengths in the resistance in force times C, shape (N,): what a stepper sees."""
        return self.durations if self.relaxing is None else self.relaxing

    @property
    def conductances(self) -> NDArray[Any]:
        """R_ref/R_n of every tick, shape (N,)."""
        return self.relaxations / self.durations

    @property
    def temperatures(self) -> NDArray[Any]:
        """T_n/T_ref of every tick, shape (N,)."""
        return np.ones(self.ticks) if self.heating is None else self.heating

    @property
    def duration(self) -> float:
        """Length of the whole run in R_ref C_ref."""
        return float(self.physical_time[-1])


def make_schedule(
    process: Process,
    theta: float,
    ticks: int,
    *,
    grid: str = "uniform",
    narrowest: float = 1.0,
    realisation: str = "clock",
    run_time: float | None = None,
) -> Schedule:
    """Lay `ticks` ticks over the generation of a process.

    Args:
        process: the forward process; its duration and t_min bound the run.
        theta: thermal variance of a node in model units (1 for a relaxation process, whose clock is
            the device's).
        ticks: number of ticks N.
        grid: "uniform" in physical time, or "log-snr".
        narrowest: smallest variance of a mode of the data, model units; used by "log-snr" with
            t_min = 0.
        realisation: "clock", "resistance", "temperature" or "injected".
        run_time: length of the run in R_ref C_ref for those that do not stretch time; None: see the
            module.

    Raises:
        InputError: unknown grid, no ticks, or injected noise that would have to cool.
    """
    ticks = whole(ticks, 1, "protocol.ticks")
    rate = theta if process.isotropic else 1.0
    start = process.diffusion_time(process.duration)
    if grid == "uniform" and realisation != "clock":
        inner = list(np.linspace(process.duration, process.t_min, ticks + 1)[1:-1])
    elif grid == "uniform":
        total = start - process.diffusion_time(process.t_min)
        inner = [process.model_time(start - total * n / ticks) for n in range(1, ticks)]
    elif grid == "log-snr":
        inner = _log_snr_times(process, ticks, narrowest)
    else:
        raise InputError(f"grid = {grid!r}: expected 'uniform' or 'log-snr'", where="protocol.grid")
    model = np.array([process.duration, *inner, process.t_min])
    physical = np.array([(start - process.diffusion_time(float(t))) / rate for t in model])
    physical[0] = 0.0
    _require_apart(process, grid, model, physical)
    if realisation == "clock":
        return Schedule(grid, model, physical)
    slowest = None
    if realisation == "injected":
        ends = (process.t_min, process.duration)
        slowest = min(float(process.diffusion(t)) for t in ends) / (2.0 * rate)
    return _evenly(grid, model, physical, slowest=slowest, run_time=run_time,
                   heats=realisation != "resistance")  # fmt: skip


def _require_apart(
    process: Process, grid: str, model: NDArray[Any], physical: NDArray[Any]
) -> None:
    """Refuse boundaries that doubles do not tell apart."""
    fine = np.isfinite(physical).all() and (np.diff(physical) > 0.0).all()
    if fine and (np.diff(model) < 0.0).all():
        return
    raise InputError(
        f"{len(model) - 1} {grid} ticks from duration = {process.duration:.17g} to t_min = "
        f"{process.t_min:.17g} are too short for doubles to tell their ends apart: expected a "
        "t_min farther from the duration, a gentler process, or fewer ticks",
        where=f"process ({process.kind})",
    )


def _evenly(
    grid: str,
    model: NDArray[Any],
    stretched: NDArray[Any],
    *,
    slowest: float | None,
    run_time: float | None,
    heats: bool,
) -> Schedule:
    """A schedule whose time runs evenly, from the one that stretches it.

    Args:
        grid: its name.
        model: model times, shape (N + 1,).
        stretched: what the clock would make of them, in R_ref C_ref, shape (N + 1,).
        slowest: R_ref C_ref per model time beyond which the bath alone is too warm; None where it
            can be cooled.
        run_time: length of the run in R_ref C_ref, or None.
        heats: the temperature varies, else the resistance.
    """
    reach, wanted = np.diff(stretched), -np.diff(model)
    whole = float(model[0] - model[-1])
    pace = float(stretched[-1]) / whole if slowest is None else slowest
    if run_time is not None:
        pace, clock = run_time / whole, float(stretched[-1])
        if not clock / FARTHEST <= run_time <= clock * FARTHEST:
            raise InputError(
                f"a run of {run_time:.4g} R C is too far from the {clock:.4g} R C that the clock "
                f"would take, for doubles: expected at most a factor of {FARTHEST:g}",
                where="protocol.run_time",
            )
        if slowest is not None and pace > slowest * (1.0 + 1e-9):
            raise InputError(
                f"a run of {run_time:.4g} R C is so slow that its noise falls below the bath's "
                f"own, and injected noise cannot cool; expected at most {slowest * whole:.4g} "
                "R C, or realisation = 'temperature'",
                where="protocol.run_time",
            )
    physical = pace * (model[0] - model)
    if heats:
        return Schedule(grid, model, physical, heating=reach / (pace * wanted))
    return Schedule(grid, model, physical, relaxing=reach)


def _log_snr_times(process: Process, ticks: int, narrowest: float) -> list[float]:
    first = process.log_snr(process.duration)
    if process.t_min > 0:
        levels = np.linspace(first, process.log_snr(process.t_min), ticks + 1)[1:-1]
    elif ticks == 1:
        return []
    else:
        levels = np.linspace(first, -log(_END_NOISE * narrowest), ticks)[1:]
    return [process.time_at_log_snr(float(level)) for level in levels]
