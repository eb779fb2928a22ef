"""The horizontal axis of everything that happens during a run.

Generation runs model time backwards while device seconds run forwards:

    generation time  tau_g = T - t,     device seconds s(t), rising from 0

On a uniform grid the axis is device time, in its own unit; rates are per that unit, so that the
area under a curve is kT or nats. A log-SNR grid crowds its ticks towards the end, where a linear
axis would show a wall: there the axis counts ticks (each one score evaluation), its marks say how
much device time is left, and rates are per tick. Areas stay kT or nats.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.report.numerals import plain, quantity, time_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from thermohw.process import Process
    from thermohw.report.facts import Facts

__all__ = ["Clock"]


@dataclass(frozen=True, eq=False)
class Clock:
    """Maps ticks and model times to the axis.

    Attributes:
        seconds: device seconds of every tick boundary, shape (N + 1,).
        model_time: the same in model time.
        linear: the axis is device time, not ticks.
        unit: size of the axis' unit in seconds.
        per: what rates are per, such as "µs" or "tick".
        label: name of the axis.
    """

    seconds: np.ndarray
    model_time: np.ndarray
    linear: bool
    unit: float
    per: str
    label: str

    @classmethod
    def of(cls, facts: Facts) -> Clock:
        """The clock of a run."""
        seconds = np.asarray(facts.schedule["physical_time"], dtype=np.float64)
        model = np.asarray(facts.schedule["model_time"], dtype=np.float64)
        if str(facts.schedule["grid"]) == "uniform":
            unit, name = time_unit(float(seconds[-1]))
            return cls(seconds, model, True, unit, name, f"device time ({name})")
        return cls(seconds, model, False, 1.0, "tick", "device time left (axis: ticks)")

    @property
    def end(self) -> float:
        """Right end of the axis."""
        return float(self.seconds[-1] / self.unit) if self.linear else len(self.seconds) - 1.0

    def at_ticks(self, ticks: Any) -> np.ndarray:
        """Positions of tick boundaries."""
        ticks = np.asarray(ticks)
        return self.seconds[ticks] / self.unit if self.linear else ticks.astype(np.float64)

    def at_model_times(self, t: np.ndarray) -> np.ndarray:
        """Positions of model times."""
        where = np.interp(-t, -self.model_time, np.arange(len(self.model_time)))
        if not self.linear:
            return where
        return np.interp(where, np.arange(len(self.seconds)), self.seconds) / self.unit

    def rates(self, per_model_time: np.ndarray, t: np.ndarray, process: Process, scale: Any) -> Any:
        """Rates per model time -> per unit of the axis.

        Args:
            per_model_time: rates at the model times t.
            t: model times.
            process: gives ds/dt = g^2/(2 theta) in R C (isotropic) or 1 (its own relaxation).
            scale: the file's units: time (s) and theta.
        """
        if self.linear:
            speed = (
                np.array([float(process.diffusion(float(x))) for x in t]) / (2.0 * scale["theta"])
                if process.isotropic
                else np.ones_like(t)
            )
            return per_model_time / (speed * scale["time"] / self.unit)
        # Model time per tick, in the tick that each moment falls into.
        tick = np.clip(np.searchsorted(-self.model_time, -t, side="right") - 1, 0, None)
        lengths = -np.diff(self.model_time)
        return per_model_time * lengths[np.minimum(tick, len(lengths) - 1)]

    def dress(self, axes: Axes, *, model: bool = False) -> None:
        """Limits, marks and label of the horizontal axis; model time on top if asked."""
        axes.set_xlim(0.0, self.end)
        axes.set_xlabel(self.label)
        if not self.linear:
            ticks, names = self._left()
            axes.set_xticks(ticks, names)
        if model:
            top = axes.secondary_xaxis("top")
            ticks, names = self._model_marks()
            top.set_xticks(ticks, names)
            top.tick_params(length=2, pad=1)
            top.spines["top"].set_visible(False)

    def _left(self) -> tuple[list[float], list[str]]:
        """Five marks: how much device time is left there."""
        last = len(self.seconds) - 1
        ticks = [round(last * part) for part in (0.0, 0.25, 0.5, 0.75, 1.0)]
        names = [quantity(float(self.seconds[-1] - self.seconds[n]), "s", 2) for n in ticks]
        names[-1] = "0"
        return [float(n) for n in ticks], names

    def _model_marks(self) -> tuple[list[float], list[str]]:
        last = len(self.model_time) - 1
        ticks = [round(last * part) for part in (0.0, 0.25, 0.5, 0.75, 1.0)]
        names = [plain(float(self.model_time[n]), 2) for n in ticks]
        names[0] = f"t = {names[0]}"
        return [float(x) for x in self.at_ticks(ticks)], names
