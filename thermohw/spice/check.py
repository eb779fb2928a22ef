r"""Path by path: a circuit simulator that nobody here wrote, on the same noise.

    deviation    max over the corners of the noise of |v_spice - v| in units of each coordinate's
                 own thermal size, sqrt(kT/C) for a node ("V0"), sqrt(kT/L) for an inductor
    energy       |work or heat - ours| over the larger of its size and 1 kT

Ours is exact for linear circuits with recorded inputs (`response`), and for score control the
package's own stepper on a grid so fine that its error, printed beside, is far below the tolerance.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from thermohw.errors import InputError
from thermohw.spice.controllers import Replay
from thermohw.spice.deck import Deck, make_deck
from thermohw.spice.law_cards import computing_cards
from thermohw.spice.loop import extrapolated
from thermohw.spice.paths import RunPath, chosen_path
from thermohw.spice.response import Response, linear_response
from thermohw.spice.runner import run_deck
from thermohw.spice.waveform import interpolated, largest_step, sharpened, staircase

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.circuit import LinearDevice
    from thermohw.control import Protocol
    from thermohw.spice.controllers import ControlCards

__all__ = ["CONTROLLED", "ENERGY", "LINEAR", "PathCheck", "check_free", "check_path", "path_deck"]

LINEAR, CONTROLLED, ENERGY = 1e-4, 1e-3, 0.01
"""Tolerances: deviation of linear circuits and of score-controlled ones, V0; energies, relative."""


@dataclass(frozen=True, eq=False)
class PathCheck:
    """One path, twice.

    Attributes:
        label: what was compared.
        deviation: largest difference of any coordinate, thermal sizes.
        own_error: a bound of our own part (`extrapolated`); 0 where ours is exact.
        work: of every source: simulator's and ours, shape (sources, 2), kT_ref.
        heat: into every bath, shape (K, 2), kT_ref.
        tolerance: of the deviation.
        rows: time points of the simulator.
        seconds: it took.
        recorded: largest difference from the stored run at its tick ends; None without one.
        books: (simulator's, stored run's) work of every source and heat, kT_ref, shape (m, 2): of
            every bath where the states determine it, else of all together; None likewise.
    """

    label: str
    deviation: float
    own_error: float
    work: NDArray[Any]
    heat: NDArray[Any]
    tolerance: float
    rows: int
    seconds: float
    recorded: float | None = None
    books: NDArray[Any] | None = None

    @property
    def energy(self) -> float:
        """Largest relative difference of a work or a heat."""
        pairs = np.concatenate([self.work, self.heat])
        if self.books is not None:
            pairs = np.concatenate([pairs, self.books])
        size = np.maximum(np.abs(pairs).max(axis=1), 1.0)
        return float((np.abs(pairs[:, 0] - pairs[:, 1]) / size).max())

    @property
    def holds(self) -> bool:
        """Both within tolerance, and so is the stored run where there is one."""
        return not self.failing

    @property
    def failing(self) -> tuple[str, ...]:
        """What is not within tolerance."""
        found = {
            "deviation": self.deviation <= self.tolerance,
            "deviation from the stored run": (self.recorded or 0.0) <= self.tolerance,
            "work or heat": self.energy <= ENERGY,
        }
        return tuple(name for name, good in found.items() if not good)

    def __str__(self) -> str:
        word = "agrees" if self.holds else f"DIFFERS in {' and '.join(self.failing)}"
        text = (
            f"{self.label}: {word}; deviation {self.deviation:.2g} V0 (tolerance "
            f"{self.tolerance:g}, of it ours at most {self.own_error:.1g}), work and heat within "
            f"{100.0 * self.energy:.2g} %"
        )
        if self.recorded is not None:
            text += f", from the stored run {self.recorded:.2g} V0"
        work, heat = self.work.sum(axis=0), self.heat.sum(axis=0)
        if len(self.work):
            text += f"; work {work[0]:.5g} / {work[1]:.5g} kT"
        return text + f"; heat {heat[0]:.5g} / {heat[1]:.5g} kT; {self.rows} points, " \
                      f"{self.seconds:.2g} s"  # fmt: skip


def check_free(
    device: LinearDevice,
    *,
    duration: float = 5.0,
    interval: float = 0.02,
    seed: int = 0,
    shape: str = "staircase",
    keep: Path | None = None,
) -> PathCheck:
    """The bare circuit under its Johnson noise, against the exact answer.

    Args:
        device: any linear circuit with a datasheet.
        duration: R_ref C_ref.
        interval: between noise samples.
        seed: of the noise and of the start, which is drawn from the steady state.
        shape: "staircase" or "interpolated".
        keep: folder for the deck, its data and the log.
    """
    random = np.random.default_rng(seed)
    count = max(1, round(duration / interval))
    edges = np.linspace(0.0, duration, count + 1)
    strength = np.sqrt(2.0 * device.temperatures * device.coefficients / (duration / count))
    if shape == "staircase":
        noise = staircase(edges, strength * random.standard_normal((count, len(strength))))
    else:
        noise = interpolated(edges, strength * random.standard_normal((count + 1, len(strength))))
    start = random.multivariate_normal(np.zeros(device.dim), device.effort_covariance)
    deck = make_deck(device, duration=duration, step=_step(device, edges), noise=noise,
                     start=start, title=f"{device.name}, Johnson noise, seed {seed}")  # fmt: skip
    ours = linear_response(device, noise, start=start, times=edges)
    label = f"{device.name}, free, {count} pieces of {shape} noise"
    return _compare(device, deck, ours, 0.0, label=label, tolerance=LINEAR, keep=keep)


def path_deck(
    protocol: Protocol,
    index: int = 0,
    *,
    replay: bool = False,
    refine: int = 8,
    **settings: Any,
) -> tuple[Deck, RunPath, Response, float]:
    """The deck of one path of a run, that path, our answer to its noise and a bound of its error.

    Args:
        protocol: what is played.
        index: which path.
        replay: play the recorded control even where the score could be written as sources.
        refine: steps of our own integration in a piece of noise (continuous control).
        settings: of `chosen_path`: the run's seed, start, target, prior and dtype, or its engine.
    """
    if protocol.realisation != "clock":
        raise InputError(
            f"{protocol.realisation!r}: the elements of a deck are fixed; only 'clock' is written",
            where="protocol.realisation",
        )
    path = chosen_path(protocol, index, **settings)
    plan, device = path.plan, protocol.device
    step = _step(device, path.edges)
    control: ControlCards
    error = 0.0
    if path.control is not None:
        control = Replay(path.control, protocol.wiring)
        ours = linear_response(device, path.noise, start=path.start, times=path.edges,
                               control=path.control, wiring=protocol.wiring)  # fmt: skip
    else:
        ours, sources, error = extrapolated(path, refine=refine)
        computed = None if replay else computing_cards(plan)
        control = computed or Replay(sources, protocol.wiring)
    kind = "replayed" if isinstance(control, Replay) else "computed by the deck"
    deck = make_deck(device, duration=plan.schedule.duration, step=step, noise=path.noise,
                     control=control, start=path.start,
                     title=f"{device.name}, {protocol.wiring}, {protocol.control}, path {index}, "
                           f"control {kind}")  # fmt: skip
    return deck, path, ours, error


def check_path(
    protocol: Protocol,
    index: int = 0,
    *,
    replay: bool = False,
    refine: int = 8,
    keep: Path | None = None,
    **settings: Any,
) -> PathCheck:
    """One path of a run in the simulator and here; see `path_deck`."""
    if "engine" not in settings:
        settings.setdefault("dtype", torch.float64)
    deck, path, ours, error = path_deck(protocol, index, replay=replay, refine=refine, **settings)
    title = deck.text.partition("\n")[0].removeprefix("* ")
    tolerance = LINEAR if path.control is not None else CONTROLLED
    return _compare(protocol.device, deck, ours, error, label=title, tolerance=tolerance,
                    keep=keep, path=path)  # fmt: skip


def _step(device: LinearDevice, edges: NDArray[Any]) -> float:
    """Largest step of the simulator: a part of a piece of noise, and where the circuit rings small
    enough for the trapezoidal rule's error of phase, (a h)^2 a T / 12 at angular frequency a.
    """
    step = largest_step(edges)
    if len(device.resonances):
        fastest = float(device.resonances[:, 0].max())
        step = min(step, (12.0 * 0.2 * LINEAR / (fastest**3 * edges[-1])) ** 0.5)
    return step


def _distance(device: LinearDevice, one: NDArray[Any], other: NDArray[Any]) -> float:
    size = np.sqrt(np.diag(device.hessian))
    return float((np.abs(one - other) / size).max())


def _ramps(device: LinearDevice, path: RunPath) -> NDArray[Any]:
    """What the finite ramps of a deck do to the efforts at tick ends, where the half of a ramp that
    comes before the edge has acted and the other has not; shape (N + 1, n).

    It grows with the jumps of noise and control over short ticks and belongs to the deck, not to
    the run, whose inputs step. To first order it is proportional to the width of the ramps.
    """
    assert path.control is not None
    wiring = path.plan.protocol.wiring
    wide, narrow = (
        linear_response(device, noise, start=path.start, times=path.times, control=control,
                        wiring=wiring).efforts
        for noise, control in ((path.noise, path.control),
                               (sharpened(path.noise, 0.1), sharpened(path.control, 0.1)))
    )  # fmt: skip
    return (wide - narrow) / 0.9


def _compare(
    device: LinearDevice,
    deck: Deck,
    ours: Response,
    error: float,
    *,
    label: str,
    tolerance: float,
    keep: Path | None,
    path: RunPath | None = None,
) -> PathCheck:
    begun = time.perf_counter()
    run = run_deck(deck, keep=keep)
    seconds = time.perf_counter() - begun

    def efforts(times: NDArray[Any]) -> NDArray[Any]:
        return run.split(run.at(times * device.scale.time))[0][:, 0] / device.effort_scale

    last = run.split(run.values[-1, 0])
    recorded = books = None
    if path is not None and path.recorded is not None:
        assert path.work is not None and path.heat is not None
        recorded = _distance(device, efforts(path.times) - _ramps(device, path), path.recorded)
        heat = np.stack([last[2], path.heat], axis=1)
        # The heat of single baths that share a node depends on what no tick records.
        heat = heat if device.uncoupled else heat.sum(axis=0)[None]
        work = np.stack([last[1], path.work], axis=1).reshape(-1, 2)
        books = np.concatenate([work, heat])
    return PathCheck(
        label=label,
        deviation=_distance(device, efforts(ours.times), ours.efforts),
        own_error=error,
        work=np.stack([last[1], ours.work[-1]], axis=1).reshape(-1, 2),
        heat=np.stack([last[2], ours.heat[-1]], axis=1),
        tolerance=tolerance,
        rows=len(run.time),
        seconds=seconds,
        recorded=recorded,
        books=books,
    )
