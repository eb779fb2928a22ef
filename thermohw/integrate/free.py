r"""Free runs: a linear circuit left to its baths and its noise sources, no score, no controller.

Pieces of length h; in each a noise source rests at its exact mean over the piece
(`integrate.waveforms`) and the circuit takes its exact held tick, so that the books close to
round-off on every path:

    energy change = sum_j work.<noise> - sum_k heat.<bath>

Baths exchange heat, noise sources do work: a source has no temperature, so what it does is not heat
into a bath of its own. Holding means costs the response a relative (h/tau)^2/12 or so in variance,
and a source in series with a resistor loses the power of what varies inside a piece, a relative
h/(3 T) of a pole of correlation time T; the default step is a twentieth of whatever is fastest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from thermohw.books import Booked, Books, Ledger
from thermohw.books.ledger import ledger_accounts
from thermohw.circuit import require_linear
from thermohw.circuit.noises import noise_inputs
from thermohw.control import Control, Piece
from thermohw.errors import InputError
from thermohw.intake import whole
from thermohw.integrate.choice import make_stepper
from thermohw.integrate.tile import Tile, tiles
from thermohw.integrate.waveforms import Waveforms, WaveNoise
from thermohw.noise import Draws, TickNoise
from thermohw.units import engineering, seconds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.circuit import LinearDevice
    from thermohw.circuit.noises import NoiseInput
    from thermohw.estimate import Estimate

__all__ = ["FreeRun", "PreparedFree", "free_run", "prepare_free"]

_MOST = 10_000_000  # pieces
_FINE = 20.0  # pieces in the fastest time constant


@dataclass(frozen=True, eq=False)
class FreeRun(Booked):
    """A free run, SI.

    Attributes:
        device: the circuit.
        seconds: how long.
        step: length of a piece, second.
        efforts: node voltages (volt) and inductor currents (ampere) at the end, shape (paths, n).
        mean_square: their squares averaged over the second half, shape (paths, n).
        books: accounts of every path: heat.<bath>, work.<noise>, energy.start, energy.end.
    """

    device: LinearDevice
    seconds: float
    step: float
    efforts: NDArray[Any]
    mean_square: NDArray[Any]
    books: Books

    @property
    def covariance(self) -> NDArray[Any]:
        """E of the products of end efforts, shape (n, n)."""
        return self.efforts.T @ self.efforts / len(self.efforts)

    def power(self, name: str) -> Estimate:
        """Mean of an account over the run's duration, watt; unpacks as (value, standard error)."""
        return self.books.mean(name) * (1.0 / self.seconds)

    def __str__(self) -> str:
        scale = self.device.scale
        lines = [
            f"{self.device.name}: {self.paths} paths of {engineering(self.seconds, 's')} "
            f"({self.seconds / scale.time:.4g} R C), pieces of {engineering(self.step, 's')}"
        ]
        kinds = ["V"] * len(self.device.nodes) + ["A"] * len(self.device.fluxes)
        for i, (name, unit) in enumerate(zip(self.device.coordinates, kinds, strict=True)):
            rms = sqrt(float(self.mean_square[:, i].mean()))
            lines.append(f"  rms of {name:<16}{engineering(rms, unit):>14}")
        for name in self.books:
            if name.startswith(("heat.", "work.")):
                mean, error = self.power(name)
                text = f"{engineering(mean, 'W')} +- {engineering(error, 'W', 2)}"
                lines.append(f"  power of {name:<16}{text:>24}")
        worst = float(np.abs(self.residual).max())
        lines.append(f"  largest residual of the first law {worst / self.energy_unit:.2g} kT")
        return "\n".join(lines)


def free_run(
    device: LinearDevice,
    *,
    duration: str | float,
    paths: int,
    seed: int = 0,
    step: str | float | None = None,
    start: str = "equilibrium",
) -> FreeRun:
    """Let a linear circuit run.

    Args:
        device: with the noise sources of its datasheet.
        duration: text with a unit ("100 us") or seconds.
        paths: how many.
        seed: of the noise streams, non-negative.
        step: length of a piece; default a twentieth of whatever is fastest.
        start: "equilibrium" (of the baths alone) or "zero".

    Raises:
        InputError: a device that is not linear, sources of both kinds, sample intervals that are no
            multiples of each other, or more than ten million pieces.
    """
    paths, seed = whole(paths, 1, "free_run.paths"), whole(seed, 0, "free_run.seed")
    made = prepare_free(device, duration, step=step, start=start)
    previous = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        parts = [made.group(seed, tile.first, tile.paths) for tile in tiles(paths)]
    finally:
        torch.set_num_threads(previous)
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    square = joined["square"] * device.effort_scale**2
    accounts = ledger_accounts(joined, device.elements, made.names, device.energy_unit)
    books = Books(accounts, device.energy_unit, device.temperatures)
    h = made.h * device.scale.time
    return FreeRun(device, made.count * h, h, device.read(joined["end"]), square, books)


def prepare_free(
    device: Any,
    duration: str | float,
    *,
    step: str | float | None = None,
    start: str = "equilibrium",
    every: int = 0,
) -> PreparedFree:
    """Work a free run out; arguments and errors as of `free_run`.

    Args:
        device: the circuit.
        duration: how long.
        step: length of a piece.
        start: of every path.
        every: keep a snapshot every so many pieces, and at the end; 0 for none.
    """
    device = require_linear(device, "free_run")
    if start not in ("equilibrium", "zero"):
        raise InputError(f"{start!r}: expected 'equilibrium' or 'zero'", where="free_run.start")
    sources = noise_inputs(device)
    if len({s.element is not None for s in sources}) > 1:
        raise InputError(
            "sources at nodes and sources in series with resistors cannot run together in this "
            "version; write one as the other's Norton or Thevenin equivalent",
            where=f"device {device.name}",
        )
    unit = device.scale.time
    length = seconds(duration, "free_run.duration") / unit
    asked = None if step is None else seconds(step, "free_run.step") / unit
    count, h = _pieces(device, sources, length, asked)
    kept = np.unique(np.append(np.arange(0, count + 1, every), count)) if every else None
    return PreparedFree(device, sources, h, count, start, kept)


def _pieces(
    device: LinearDevice, sources: tuple[NoiseInput, ...], length: float, step: float | None
) -> tuple[int, float]:
    """Number and length of the pieces: sample intervals are whole numbers of them."""
    h = step if step is not None else _usual_step(device, sources)
    intervals = [float(s.times[0]) for s in sources if s.kind in ("staircase", "interpolated")]
    if intervals:
        shortest = min(intervals)
        h = shortest / ceil(shortest / min(h, shortest) - 1e-9)
        for interval in intervals:
            if abs(interval / h - round(interval / h)) > 1e-6 * interval / h:
                raise InputError(
                    "the sample intervals of its noise sources must be multiples of the shortest",
                    where=f"device {device.name}",
                )
    count = max(1, ceil(length / h - 1e-9))
    if count > _MOST:
        raise InputError(
            f"{count} pieces of {h * device.scale.time:.3g} s: more than {_MOST}; give a shorter "
            "duration or a longer step",
            where="free_run.step",
        )
    return count, h if intervals else length / count


def _usual_step(device: LinearDevice, sources: tuple[NoiseInput, ...]) -> float:
    fastest = [1.0 / float(np.abs(device.rates).max())]
    for source in sources:
        if source.kind == "telegraph" or (source.kind == "poles" and source.element is not None):
            fastest.append(float(source.times.min()))
    return min(fastest) / _FINE


@dataclass(frozen=True, eq=False)
class PreparedFree:
    """A free run worked out, as a world plays it and an audit judges it; thermal units.

    Attributes:
        device: the circuit.
        noises: its noise sources.
        h: length of a piece.
        count: pieces.
        started: "equilibrium" (of the baths alone) or "zero".
        kept: borders of pieces that have a snapshot; None without.
    """

    stepper, one, log_partition_change = "held", False, None

    device: LinearDevice
    noises: tuple[NoiseInput, ...]
    h: float
    count: int
    started: str
    kept: NDArray[Any] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Of what does work: the noise sources."""
        return tuple(source.name for source in self.noises)

    @property
    def grid(self) -> NDArray[Any]:
        """Borders of the pieces, second, shape (pieces + 1,)."""
        return np.arange(self.count + 1) * (self.h * self.device.scale.time)

    @property
    def wiring(self) -> str:
        """How its sources work; of one kind all of them."""
        return "emf" if any(s.element is not None for s in self.noises) else "current"

    @property
    def ends(self) -> tuple[LinearDevice, LinearDevice]:
        """The circuit at the start and at the end."""
        return self.device, self.device

    @property
    def start_covariance(self) -> NDArray[Any]:
        """Of the charges and fluxes at the start, shape (n, n)."""
        steady = self.device.stationary_covariance
        return steady if self.started == "equilibrium" else np.zeros_like(steady)

    def group(self, seed: int, first: int, paths: int) -> dict[str, NDArray[Any]]:
        """Books, states at both ends, snapshots and mean squares of the efforts of paths first ..
        first + paths - 1.
        """
        own = tuple(range(len(self.device.elements)))
        emf = self.wiring == "emf"
        device = replace(self.device, controlled=own) if emf else self.device
        stepper = make_stepper(device, self.wiring, "exact", dtype=torch.float64)
        places = self._places(len(own) if emf else device.port_matrix.shape[1])
        ledger = Ledger(device, "noise", sources=len(self.noises))
        rows = Tile(first, paths).rows
        state = torch.zeros(rows, device.dim, dtype=torch.float64)
        if self.started == "equilibrium":
            root = np.linalg.cholesky(device.stationary_covariance)
            drawn = Draws(seed, first, rows).normals(device.dim)
            state = drawn @ torch.tensor(root.T.copy())
        noise = TickNoise(seed, first, rows, dtype=torch.float64)
        waves = Waveforms(self.noises, self.h, WaveNoise(seed, first, rows))
        found, books = {"start": state}, ledger.init(state)
        square, half = torch.zeros_like(state), self.count // 2
        kept = set() if self.kept is None else {int(n) for n in self.kept}
        snapshots = [state] if kept else []
        for tick in range(self.count):
            values = waves.at(tick) if self.noises else torch.zeros(rows, 0).double()
            piece = Piece(tick, tick * self.h, self.h, True, tick, True)
            step = stepper.step(piece, state, Control(tick, values @ places), noise=noise, act=None)
            # Noise by noise, as ports: a source in series with an element sees -y_k as its flux.
            seen = step.flux if step.emf is None else -step.charge
            flux = None if seen is None else seen @ places.T
            ledger.update(books, step._replace(emf=None, current=values, flux=flux))
            state = step.end
            if tick >= half:
                square += device.efforts(state).square()
            if tick + 1 in kept:
                snapshots.append(state)
        found |= ledger.result(books, state)
        found |= {"end": state, "square": square / (self.count - half)}
        table = {name: values[:paths].numpy() for name, values in found.items()}
        if snapshots:
            table["series"] = np.stack([device.read(z[:paths].numpy()) for z in snapshots], 1)
        return table

    def tile(self, seed: int, first: int, paths: int) -> dict[str, NDArray[Any]]:
        """What `group` gives, of several of them, and the entropy of the baths, nats."""
        parts = [self.group(seed, t.first, t.paths) for t in tiles(paths, first=first)]
        found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return found | {"medium": (found["heat"] / self.device.temperatures).sum(1)}

    def _places(self, width: int) -> torch.Tensor:
        """Where every source acts, shape (sources, width)."""
        places = torch.zeros(len(self.noises), width, dtype=torch.float64)
        for row, source in zip(places, self.noises, strict=True):
            if source.element is not None:
                row[source.element] = 1.0
            else:
                row += torch.tensor(source.port)
        return places
