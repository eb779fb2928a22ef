"""Run a circuit with active elements: paths, moments over time, energy books of every path.

No score and no protocol: the circuit does what its elements do under constant sources. Numbers go
in and come out in SI; energies are also kept in k T of the scale.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil, isfinite
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.books import Books
from thermohw.circuit import ActiveDevice, active_law
from thermohw.errors import InputError
from thermohw.noise import PathNoise
from thermohw.solver.stepper import ActiveStepper
from thermohw.units import engineering, parse

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ActiveRun", "check_counts", "evolve", "march", "step_of"]

_FRAMES = 64
_BLOCK = 64  # paths per noise block
MOST_STEPS = 50_000_000


@dataclass(frozen=True, eq=False)
class ActiveRun:
    """What a run left.

    Attributes:
        device: the circuit.
        duration: second.
        step: second.
        times: of the frames, second, shape (frames,).
        mean: of the efforts over paths (V, A), shape (frames, n).
        variance: of the efforts over paths, shape (frames, n).
        end: efforts of every path at the end, shape (paths, n).
        static: joule from the supplies of the amplifiers, beside what they deliver.
        books: accounts of every path: "heat.<bath>", "work.emf.<element>", "work.<active
            element>", "work.noise.<node>"; None where none were kept.
    """

    device: ActiveDevice
    duration: float
    step: float
    times: NDArray[Any]
    mean: NDArray[Any]
    variance: NDArray[Any]
    end: NDArray[Any]
    static: float
    books: Books | None

    def __str__(self) -> str:
        head = (
            f"{self.device.name}: {len(self.end)} paths for {engineering(self.duration, 's')} in "
            f"steps of {engineering(self.step, 's')}"
        )
        rest = f"  {'supplies, at rest':<28}{self.static / self.device.scale.energy:12.5g} kT = "
        rest += engineering(self.static, "J")
        return head if self.books is None else f"{head}\n{self.books}\n{rest}"


def evolve(
    device: ActiveDevice,
    duration: str | float,
    *,
    step: str | float | None = None,
    paths: int = 64,
    seed: int = 0,
    sources: Mapping[str, str | float] | None = None,
    start: str = "rest",
    books: bool = True,
) -> ActiveRun:
    """Run a circuit with amplifiers or transconductors under constant sources.

    Args:
        device: from `load_device`.
        duration: "50 us", or seconds.
        step: of the books, and of amplifiers that slew or saturate; states of linear circuits are
            exact at any step. Default: a fifth of the fastest motion.
        paths: independent runs.
        seed: of their noise.
        sources: element name -> volts in series with it (amperes for an inductor's resistance).
        start: "rest" (every charge zero) or "steady" (the linear steady state under the sources).
        books: keep the energy books.

    Raises:
        InputError: a device of another kind, an unknown source, a time that is not positive.
    """
    if not isinstance(device, ActiveDevice):
        raise InputError(
            f"{getattr(device, 'name', device)} has no active elements; play it with a Protocol",
            where="device",
        )
    check_counts(paths, seed)
    time = device.scale.time
    lasts = seconds(duration, "duration") / time
    h = step_of(device) if step is None else seconds(step, "step") / time
    e = _sources(device, sources)
    law = active_law(device, books)
    if start not in ("rest", "steady"):
        raise InputError(f"{start!r}: expected 'rest' or 'steady'", where="start")
    state = np.zeros((paths, law.states))
    if start == "steady":
        factor = np.linalg.cholesky(_jittered(law.covariance))
        normals = PathNoise(seed + 2**32, paths, size=_BLOCK).normals(law.states, 0)
        state = law.mean(e) + normals @ factor.T
    return march(device, lasts, h, state, e, seed=seed, books=books)[0]


def march(
    device: ActiveDevice,
    lasts: float,
    h: float,
    state: NDArray[Any],
    sources: NDArray[Any],
    *,
    seed: int,
    books: bool,
    observe: Callable[[int, NDArray[Any]], None] | None = None,
) -> tuple[ActiveRun, NDArray[Any]]:
    """Steps of h for a time, thermal units; `observe(step, efforts)` sees every step's end.

    Returns:
        The run, and the end states.
    """
    if not 0.0 < lasts / h <= MOST_STEPS:
        raise InputError(
            f"{lasts / h:.3g} steps; expected at most {MOST_STEPS:g}: a longer step or books = "
            "False",
            where="duration",
        )
    steps = max(1, ceil(lasts / h - 1e-9))
    h = lasts / steps
    stepper = ActiveStepper(device, h, sources, books=books)
    noise = PathNoise(seed, len(state), size=_BLOCK)
    kept = np.unique(np.linspace(1, steps, min(_FRAMES, steps)).round().astype(int))
    unit, frames = device.effort_scale, []
    first = stepper.efforts(state)
    frames.append((first.mean(0), first.var(0)))
    before = stepper.energy(state)
    accounts: Any = 0.0
    efforts, places = first, set(kept.tolist())
    for n in range(1, steps + 1):
        state, efforts, booked = stepper.step(state, noise.normals(stepper.normals, n))
        if booked is not None:
            accounts = accounts + booked
        if observe is not None:
            observe(n, efforts)
        if n in places:
            if not np.isfinite(efforts).all():
                raise InputError(
                    f"the state is not finite after step {n}: take a shorter step", where="step"
                )
            frames.append((efforts.mean(0), efforts.var(0)))
    scale, kept_books = device.scale, None
    if books:
        names, unit_energy = stepper.law.books.names, scale.energy
        booked = {name: accounts[:, i] * unit_energy for i, name in enumerate(names)}
        booked |= {"energy.start": before * unit_energy}
        booked |= {"energy.end": stepper.energy(state) * unit_energy}
        kept_books = Books(booked, unit_energy, device.temperatures)
    static = float(device.amplifiers.quiescent.sum()) * lasts * scale.time
    means, variances = (np.array(x) for x in zip(*frames, strict=True))
    times = np.concatenate([[0], kept]) * h * scale.time
    return ActiveRun(
        device, lasts * scale.time, h * scale.time, times, means * unit, variances * unit**2,
        efforts * unit, static, kept_books,
    ), state  # fmt: skip


def step_of(device: ActiveDevice) -> float:
    """A fifth of the fastest motion, R_ref C_ref."""
    return 0.2 / float(np.abs(active_law(device, False).rates).max())


def seconds(value: str | float, where: str) -> float:
    """A positive time, "50 us" or seconds.

    Raises:
        InputError: not a positive finite time.
    """
    time = parse(value, "s", where) if isinstance(value, str) else float(value)
    if not (isfinite(time) and time > 0.0):
        raise InputError(f"{value!r}: expected a positive time such as '50 us'", where=where)
    return time


def check_counts(paths: int, seed: int) -> None:
    """Refuse what is no number of paths or no seed.

    Raises:
        InputError: not whole numbers, no path, a negative seed.
    """
    for name, value, least in (("paths", paths, 1), ("seed", seed, 0)):
        if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
            raise InputError(f"{value!r}: expected a whole number, at least {least}", where=name)


def _sources(device: ActiveDevice, asked: Mapping[str, str | float] | None) -> NDArray[Any]:
    e = np.zeros(len(device.elements))
    for name, value in (asked or {}).items():
        if name not in device.elements:
            raise InputError(
                f"no element '{name}'; known: {', '.join(device.elements[:8])}", where="sources"
            )
        k = device.elements.index(name)
        shunt = device.directions[k, : len(device.nodes)].any()
        unit, size = ("V", device.scale.voltage) if shunt else ("A", device.scale.current)
        volts = parse(value, unit, f"sources.{name}") if isinstance(value, str) else float(value)
        if not isfinite(volts):
            raise InputError(f"{value!r}: expected a finite number", where=f"sources.{name}")
        e[k] = volts / size
    return e


def _jittered(covariance: NDArray[Any]) -> NDArray[Any]:
    """A covariance that round-off cannot make indefinite."""
    return covariance + 1e-14 * np.diag(np.diag(covariance))
