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
from thermohw.integrate.choice import make_stepper
from thermohw.integrate.tile import Tile, tiles
from thermohw.integrate.waveforms import Waveforms
from thermohw.noise import BLOCK, BlockNoise, Stream, block_generator
from thermohw.units import engineering, parse

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.circuit import LinearDevice
    from thermohw.circuit.noises import NoiseInput
    from thermohw.estimate import Estimate

__all__ = ["FreeRun", "free_run"]

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
    device = require_linear(device, "free_run")
    if paths < 1:
        raise InputError(f"paths = {paths}: expected a positive whole number", where="free_run")
    if start not in ("equilibrium", "zero"):
        raise InputError(f"{start!r}: expected 'equilibrium' or 'zero'", where="free_run.start")
    sources = noise_inputs(device)
    series = {s.element is not None for s in sources}
    if len(series) > 1:
        raise InputError(
            "sources at nodes and sources in series with resistors cannot run together in this "
            "version; write one as the other's Norton or Thevenin equivalent",
            where=f"device {device.name}",
        )
    wiring = "emf" if series == {True} else "current"
    unit = device.scale.time
    length = _seconds(duration, "free_run.duration") / unit
    asked = None if step is None else _seconds(step, "free_run.step") / unit
    count, h = _pieces(device, sources, length, asked)
    run = _Run(device, sources, wiring, h, count, seed)
    previous = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        parts = [run.tile(tile, start) for tile in tiles(paths, BLOCK)]
    finally:
        torch.set_num_threads(previous)
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    size, energy = device.effort_scale, device.energy_unit
    efforts, square = joined["efforts"] * size, joined["square"] * size**2
    names = [source.name for source in sources]
    accounts = ledger_accounts(joined, device.elements, names, energy)
    books = Books(accounts, energy, device.temperatures)
    return FreeRun(device, count * h * unit, h * unit, efforts, square, books)


def _seconds(value: str | float, where: str) -> float:
    seconds = parse(value, "s", where) if isinstance(value, str) else float(value)
    if not (np.isfinite(seconds) and seconds > 0.0):
        raise InputError(f"{value!r}: expected a positive time", where=where)
    return seconds


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


class _Run:
    """What all tiles share."""

    def __init__(
        self,
        device: LinearDevice,
        sources: tuple[NoiseInput, ...],
        wiring: str,
        h: float,
        count: int,
        seed: int,
    ) -> None:
        own = tuple(range(len(device.elements)))
        self.device = replace(device, controlled=own) if wiring == "emf" else device
        self.sources, self.wiring, self.h, self.count, self.seed = sources, wiring, h, count, seed
        self.stepper = make_stepper(self.device, wiring, "exact", dtype=torch.float64)
        width = len(own) if wiring == "emf" else device.port_matrix.shape[1]
        self.places = torch.zeros(len(sources), width, dtype=torch.float64)
        for row, source in zip(self.places, sources, strict=True):
            if source.element is not None:
                row[source.element] = 1.0
            else:
                row += torch.tensor(source.port)
        self.ledger = Ledger(self.device, "noise", sources=len(sources))

    def tile(self, tile: Tile, start: str) -> dict[str, NDArray[Any]]:
        """Books, end efforts and mean squares of one block of paths, thermal units."""
        device, paths, block = self.device, tile.paths, tile.blocks[0]
        state = torch.zeros(paths, device.dim, dtype=torch.float64)
        if start == "equilibrium":
            root = np.linalg.cholesky(device.stationary_covariance)
            generator = block_generator(self.seed, block, Stream.START)
            drawn = torch.randn(BLOCK, device.dim, generator=generator, dtype=torch.float64)
            state = drawn[:paths] @ torch.tensor(root.T.copy())
        noise = BlockNoise(self.seed, tile.blocks, paths, dtype=torch.float64)
        generator = block_generator(self.seed, block, Stream.WAVEFORMS)
        waves = Waveforms(self.sources, self.h, BLOCK, generator=generator)
        square, half, books = torch.zeros_like(state), self.count // 2, self.ledger.init(state)
        for tick in range(self.count):
            values = waves.next()[:paths] if self.sources else torch.zeros(paths, 0).double()
            piece = Piece(tick, tick * self.h, self.h, True, tick, True)
            control = Control(tick, values @ self.places)
            step = self.stepper.step(piece, state, control, noise=noise, act=None)
            # Noise by noise, as ports: a source in series with an element sees -y_k as its flux.
            seen = step.flux if step.emf is None else -step.charge
            flux = None if seen is None else seen @ self.places.T
            self.ledger.update(books, step._replace(emf=None, current=values, flux=flux))
            state = step.end
            if tick >= half:
                square += device.efforts(state).square()
        found = self.ledger.result(books, state)
        found |= {"efforts": device.efforts(state), "square": square / (self.count - half)}
        return {name: values.numpy() for name, values in found.items()}
