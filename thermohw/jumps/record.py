"""What a run of jumps leaves behind: every path's books, in SI, float64.

First law, path by path:  energy change = sum of works of the supplies - sum of heats into the
baths. The three come from different places (end states; counted charges; events), so the residual
is a check and not a definition.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.books import Booked, Books
from thermohw.circuit.jump import ELEMENTARY_CHARGE
from thermohw.errors import InputError
from thermohw.estimate import Estimate
from thermohw.units import engineering

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.circuit.jump import JumpDevice
    from thermohw.jumps.master import MasterEquation

__all__ = ["JumpRun"]


@dataclass(frozen=True, eq=False)
class JumpRun(Booked):
    """Paths of a circuit of nonlinear conductors.

    Attributes:
        device: what was played.
        method: "exact", "tau-leap" or "langevin".
        duration: as asked for, second.
        times: how long each path ran, shape (paths,), second; shorter than the duration where it
            met the stop.
        start: charges on the nodes, shape (paths, n), elementary charges.
        end: the same at the end.
        counts: events of every conductor, forward ones first, shape (paths, 2K).
        books: accounts of every path: a bath is a conductor's, a source a supply.
        mean_voltages: time average along each path, shape (paths, n), volt.
        mean_squares: time average of v v^T along each path, shape (paths, n, n), V^2.
        grid: times at which states were kept, shape (g,), second.
        voltages: of the nodes at those times, shape (paths, g, n), volt.
        stopped: which paths met the stop, shape (paths,), bool.
        step: length of the steps of an approximate method, second; 0 for the exact one.
        leap: mean relative change of the total rate in a step; 0 for the exact method.
        law: whose stationary law the start states were drawn from; None for other starts.
    """

    device: JumpDevice
    method: str
    duration: float
    times: NDArray[Any]
    start: NDArray[Any]
    end: NDArray[Any]
    counts: NDArray[Any]
    books: Books
    mean_voltages: NDArray[Any]
    mean_squares: NDArray[Any]
    grid: NDArray[Any] = field(repr=False)
    voltages: NDArray[Any] = field(repr=False)
    stopped: NDArray[Any] = field(repr=False)
    step: float = 0.0
    leap: float = 0.0
    law: MasterEquation | None = field(default=None, repr=False)

    @property
    def exact(self) -> bool:
        """Played event by event, with no time step and no Gaussian noise."""
        return self.method == "exact"

    @property
    def transferred(self) -> NDArray[Any]:
        """Forward less backward events of every conductor, shape (paths, K)."""
        count = len(self.device.elements)
        return self.counts[:, :count] - self.counts[:, count:]

    def current(self, conductor: str) -> Estimate:
        """Mean current through a conductor, ampere; unpacks as (value, standard error)."""
        flow = ELEMENTARY_CHARGE * self.transferred[:, self._place(conductor)] / self.times
        return Estimate.from_paths(flow)

    def fano(self, conductor: str) -> Estimate:
        """Variance over mean of the charges transferred, its standard error by jackknife.

        Raises:
            InputError: fewer than three paths, paths that a stop cut to unequal lengths, or no net
                charge transferred.
        """
        n = self.transferred[:, self._place(conductor)]
        if self.paths < 3 or self.stopped.any() or not n.sum():
            raise InputError("a Fano factor needs three paths or more of one length and a net "
                             "charge transferred", where=conductor)  # fmt: skip
        m = self.paths
        mean, square = (n.sum() - n) / (m - 1), (np.sum(n**2) - n**2) / (m - 1)
        left_out = (square - mean**2) * (m - 1) / (m - 2) / np.abs(mean)
        spread = np.sqrt((m - 1) / m * np.sum((left_out - left_out.mean()) ** 2))
        return Estimate(float(n.var(ddof=1) / abs(n.mean())), float(spread), m - 1.0)

    def _place(self, conductor: str) -> int:
        if conductor not in self.device.elements:
            raise InputError(
                f"no conductor '{conductor}'; known: {', '.join(self.device.elements)}",
                where=self.device.name,
            )
        return self.device.elements.index(conductor)

    def __str__(self) -> str:
        how = {
            "exact": "electron by electron, exact",
            "tau-leap": f"APPROXIMATE: Poisson numbers in steps of {engineering(self.step, 's')}",
            "langevin": "APPROXIMATE: Gaussian noise on nonlinear conductors, steps of "
            f"{engineering(self.step, 's')}",
        }[self.method]
        lines = [
            f"{self.device.name}: {self.paths} paths of "
            f"{engineering(float(self.times.mean()), 's')}, {how}",
            f"{self.counts.sum(1).mean():.4g} events a path",
        ]
        if self.step:
            lines.append(f"rates change by {100.0 * self.leap:.2g} % in a step")
        if self.stopped.any():
            lines.append(f"{int(self.stopped.sum())} of {self.paths} paths met the stop")
        lines.append(str(self.books))
        return "\n".join(lines)
