r"""Chosen paths of a run as noise waveforms, and the package's own answer to the same noise.

Clocked control. A tick's record is its end state, the charge through every element and, where a
port works, int v dt: linear functions of the noise inside the tick. `recorded_path` finds the
weakest staircase (least squares, as few levels a tick as will do) that produces just these numbers,
so that the exported path IS the stored one at every tick, with its works. What happens inside a
tick is only one of many courses that fit; the heat of single baths that share a node depends on it.

Continuous control. The noise of a step of length h is held, w = sqrt(2 T gamma / h) xi with the
run's own normals xi (two half steps for the splitting scheme, each so strong that its charge comes
out right). Held noise is smooth in between: under it the loop is an ordinary differential equation,
which `closed_loop` solves with the package's own Heun stepper, laws and ledger on `refine` steps a
piece; `extrapolated` takes its error of order two out of two such solutions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from thermohw.circuit.tick import tick_moments
from thermohw.control import Controller, Schedule, make_timeline
from thermohw.control.plan import Laws
from thermohw.errors import InputError
from thermohw.integrate import Engine, Recording, Tile, make_engine
from thermohw.integrate.continuous import Heun
from thermohw.integrate.noise import BLOCK, BlockNoise
from thermohw.integrate.rotation import Rotating
from thermohw.spice.response import Response
from thermohw.spice.waveform import Waveform, interpolated, staircase
from thermohw.thermo import Ledger

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.circuit import LinearDevice
    from thermohw.control import Plan, Protocol
    from thermohw.integrate import Step
    from thermohw.target import Target

__all__ = ["Path", "chosen_path", "closed_loop", "extrapolated"]

F64 = torch.float64


@dataclass(frozen=True, eq=False)
class Path:
    """One path of a run; thermal units.

    Attributes:
        plan: the run's plan.
        index: which path.
        start: initial efforts, shape (n,).
        noise: flow noise of every element, K channels.
        edges: corners of its pieces, shape (M + 1,).
        control: recorded source values of a clocked run; None for continuous control.
        times: tick ends, shape (N + 1,).
        recorded: efforts of the run itself at `times`, shape (N + 1, n); None for continuous
            control, whose stepper has an error of its own.
        work: of every source in the run itself, shape (sources,); None likewise.
    """

    plan: Plan
    index: int
    start: NDArray[Any]
    noise: Waveform
    edges: NDArray[Any]
    control: Waveform | None
    times: NDArray[Any]
    recorded: NDArray[Any] | None
    work: NDArray[Any] | None


class _Tap:
    """Observer that keeps one row of every step."""

    name = "tap"

    def __init__(self, row: int) -> None:
        self.row, self.steps = row, []

    def init(self, state: torch.Tensor) -> dict[str, torch.Tensor]:
        return {}

    def update(self, carry: dict[str, torch.Tensor], step: Step) -> None:
        def row(value: torch.Tensor | None) -> NDArray[Any] | None:
            return None if value is None else value[self.row].double().numpy().copy()

        source = None if step.control is None else row(step.control.source)
        work = None
        if step.emf is not None:
            work = row(-step.emf * step.charge)
        elif step.current is not None and step.flux is not None:
            work = row(step.current * step.flux)
        kept = (row(step.start), row(step.end), row(step.charge), row(step.flux), source, work)
        self.steps.append((step.piece, *kept))

    def result(self, carry: Any, state: torch.Tensor) -> dict[str, torch.Tensor]:
        return {}


def chosen_path(
    protocol: Protocol,
    index: int = 0,
    *,
    seed: int = 0,
    start: str = "marginal",
    target: Target | None = None,
    prior: str = "schedule",
    dtype: torch.dtype = torch.float32,
    engine: Engine | None = None,
) -> Path:
    """The noise, start and (clocked) control of one path of a run, from its settings alone.

    Args:
        protocol: what is played.
        index: which path of the run.
        seed, start, target, prior, dtype: as the run was made with.
        engine: the run's own, whose seed and start count then; its observers are replaced.
    """
    block, row = divmod(index, BLOCK)
    tap = _Tap(row)
    if engine is None:
        engine = make_engine(
            protocol, seed=seed, start=start, target=target, prior=prior, dtype=dtype
        )
    engine.observers = (tap,)
    plan, device = engine.plan, protocol.device
    run = engine.open(Tile(block * BLOCK, row + 1, (block,)))
    first = (run.state[row].double().numpy() @ device.hessian).copy()
    times = plan.schedule.physical_time
    if not plan.clocked:
        draw = BlockNoise(engine.seed, (block,), row + 1, dtype=engine.dtype)
        edges, levels = _held_noise(plan, draw, row, width=engine.stepper.normals)
        return Path(plan, index, first, staircase(edges, levels), edges, None, times, None, None)
    run.advance(plan.schedule.ticks)
    edges, levels = _weakest_noise(device, tap.steps)
    held = [np.zeros_like(tap.steps[-1][5]) if s[5] is None else s[5] for s in tap.steps]
    cuts = np.array([piece.start for piece, *_ in tap.steps] + [times[-1]])
    ends = [s[2] for s in tap.steps if s[0].ends_tick]
    works = [s[6] for s in tap.steps if s[6] is not None]
    work = np.sum(works, axis=0)
    if protocol.wiring == "emf":
        work = work[list(device.controlled)]
    return Path(
        plan, index, first, staircase(edges, levels), edges, staircase(cuts, np.stack(held)),
        times, np.stack([first @ device.capacitance, *ends]) @ device.hessian, work,
    )  # fmt: skip


def _held_noise(
    plan: Plan, draw: BlockNoise, row: int, *, width: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Corners and levels of a continuous run's noise."""
    device, times = plan.protocol.device, plan.schedule.physical_time
    k = len(device.elements)
    strength = np.sqrt(2.0 * device.temperatures * device.coefficients)
    halves = width == 2 * k and not device.gyrating  # the splitting scheme
    edges, levels = [0.0], []
    for tick, h in enumerate(plan.schedule.durations):
        normals = draw.normals(width)[row].double().numpy().reshape(-1, k)
        if not halves:
            levels.append(strength * normals[0] / np.sqrt(h))
            edges.append(float(times[tick + 1]))
            continue
        m = tick_moments(device, 0.5 * float(h))
        emf = np.linalg.solve(m.flow_input[:k, :k], m.factor[:k, :k] @ normals.T).T
        levels += list(device.coefficients * emf)
        edges += [float(0.5 * (times[tick] + times[tick + 1])), float(times[tick + 1])]
    return np.array(edges), np.stack(levels)


def _weakest_noise(
    device: LinearDevice, steps: list[tuple[Any, ...]]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Corners and levels of the weakest staircase that explains what held ticks recorded."""
    k, n = len(device.elements), device.dim
    solvers: dict[tuple[float, bool], tuple[int, NDArray[Any]]] = {}
    edges, levels = [0.0], []
    for piece, begin, end, charge, flux, source, _ in steps:
        h = piece.duration
        moments = tick_moments(device, h)
        inputs = np.zeros(k + device.port_matrix.shape[1])
        if source is not None and flux is None:
            inputs[list(device.controlled)] = source
        elif source is not None:
            inputs[k : k + len(source)] = source
        flows = moments.flow_state @ begin + moments.flow_input @ inputs
        mean = moments.propagator @ begin + moments.input @ inputs
        missing = [end - mean, charge - flows[:k]]
        if flux is not None:
            missing.append(flux - flows[k : k + len(flux)])
        wanted = np.concatenate(missing)
        key = (float(f"{h:.10g}"), flux is not None)
        if key not in solvers:
            solvers[key] = _solver(device, h, 0 if flux is None else len(flux))
        count, inverse = solvers[key]
        emf = (inverse @ wanted).reshape(count, k)
        levels += list(device.coefficients * emf)
        edges += [piece.start + h * (j + 1) / count for j in range(count)]
    assert n == len(steps[0][1])
    return np.array(edges), np.stack(levels)


def _solver(device: LinearDevice, h: float, flux: int) -> tuple[int, NDArray[Any]]:
    """Levels a tick, and the pseudo-inverse from (end, charge, flux) to noise emfs (levels * K).

    The rank of what can be recorded is that of the joint law; one more level until it is reached.
    """
    k, n = len(device.elements), device.dim
    whole = tick_moments(device, h)
    noise = np.concatenate([whole.end_noise @ whole.factor, whole.factor[: k + flux]])
    scale = np.linalg.norm(noise, axis=1)
    scale = np.where(scale > 1e-12 * scale.max(), scale, 1.0)
    rank = np.linalg.matrix_rank(noise / scale[:, None], tol=1e-6)
    for count in range(1, 9):
        part = tick_moments(device, h / count)
        response = np.zeros((n + k + flux, count * k))
        for j in range(count):
            state, flow = part.input[:, :k], part.flow_input[: k + flux, :k]
            for _ in range(count - 1 - j):
                flow = flow + part.flow_state[: k + flux] @ state
                state = part.propagator @ state
            response[:, j * k : (j + 1) * k] = np.concatenate([state, flow])
        scaled = response / scale[:, None]
        if np.linalg.matrix_rank(scaled, tol=1e-6 * np.linalg.norm(scaled, 2)) >= rank:
            inverse = np.linalg.pinv(scaled, rcond=1e-8)
            return count, inverse / scale
    raise InputError(
        "the noise of a tick of this circuit cannot be told from its record",
        where=f"device {device.name}",
    )


def closed_loop(path: Path, *, refine: int = 8) -> tuple[Response, Waveform]:
    """A continuous run under a path's held noise, by the package's Heun stepper and ledger.

    Args:
        path: of a run with continuous control.
        refine: steps in every piece of noise, a power of two.

    Returns:
        The path at the ends of the pieces of noise, and its source values at four points a piece,
        linear in between (what a deck replays where the controller cannot be written as sources).
    """
    plan, device = path.plan, path.plan.protocol.device
    fine = _subdivided(path.edges, refine)
    refined = _refined(plan, fine)
    lengths = refined.schedule.durations
    area = np.diff(path.noise.integral(fine), axis=0)
    strength = np.sqrt(2.0 * device.temperatures * device.coefficients)
    normals = area / (strength * np.sqrt(lengths)[:, None])
    rest = partial(Heun, wiring=plan.protocol.wiring, dtype=F64)
    stepper = Rotating(device, rest, dtype=F64) if device.gyrating else rest(device)
    ledger, tap = Ledger(device, plan.protocol.wiring), _Energies(refine)
    unused = np.zeros(device.dim), np.eye(device.dim)
    engine = Engine(
        refined, Controller(refined, start_mean=unused[0], start_covariance=unused[1]), stepper,
        None, (ledger, tap), 0, F64,  # type: ignore[arg-type]
    )  # fmt: skip
    state = torch.as_tensor(device.capacitance @ path.start)[None]
    recording = Recording(torch.as_tensor(normals)[:, None])
    run = engine.open(Tile(0, 1, (0,)), noise=recording, state=state)
    run.advance(refined.schedule.ticks)
    run.results()
    work, heat = np.stack(tap.work), np.stack(tap.heat)
    if plan.protocol.wiring == "emf":
        work = work[:, list(device.controlled)]
    efforts = np.stack(tap.state) @ device.hessian
    answer = Response(path.edges, efforts, work, heat)
    sparse = slice(None, None, max(1, refine // 4))
    return answer, interpolated(fine[sparse], np.stack(tap.source)[sparse])


def extrapolated(path: Path, *, refine: int = 8) -> tuple[Response, Waveform, float]:
    """`closed_loop` on `refine` steps a piece and on half of them, extrapolated to none.

    Returns:
        The path, the source values of the finer solution, and the largest change of an effort by
        the extrapolation (thermal units): an upper bound of what is left.
    """
    fine, sources = closed_loop(path, refine=refine)
    coarse, _ = closed_loop(path, refine=max(1, refine // 2))
    pairs = ((fine.efforts, coarse.efforts), (fine.work, coarse.work), (fine.heat, coarse.heat))
    better = [(4.0 * one - other) / 3.0 for one, other in pairs]
    change = float(np.abs(better[0] - fine.efforts).max())
    return Response(fine.times, *better), sources, change


class _Energies:
    """Observer that adds up work and heat of one path and keeps them every `every` steps."""

    name = "energies"

    def __init__(self, every: int) -> None:
        self.every = every
        self.state, self.work, self.heat, self.source = [], [], [], []

    def init(self, state: torch.Tensor) -> dict[str, torch.Tensor]:
        self.state = [state[0].numpy().copy()]
        return {}

    def update(self, carry: dict[str, torch.Tensor], step: Step) -> None:
        heat = (step.force * step.charge)[0].numpy()
        heat = heat if step.excess is None else heat + step.excess[0].numpy()
        if step.emf is not None:
            work = -(step.emf * step.charge)[0].numpy()
        else:
            assert step.current is not None and step.flux is not None
            work = (step.current * step.flux)[0].numpy()
        if not self.work:
            self._work, self._heat = np.zeros_like(work), np.zeros_like(heat)
            self.work, self.heat = [self._work], [self._heat]
        self._work, self._heat = self._work + work, self._heat + heat
        assert step.control is not None
        self.source.append(step.control.source[0].numpy().copy())
        if (step.piece.tick + 1) % self.every == 0:
            self.work.append(self._work)
            self.heat.append(self._heat)
            self.state.append(step.end[0].numpy().copy())
            self._last = step.next_control

    def result(self, carry: Any, state: torch.Tensor) -> dict[str, torch.Tensor]:
        assert self._last is not None
        self.source.append(self._last.source[0].numpy().copy())
        return {}


def _subdivided(edges: NDArray[Any], refine: int) -> NDArray[Any]:
    shares = np.arange(refine) / refine
    inner = edges[:-1, None] + np.diff(edges)[:, None] * shares
    return np.append(inner.reshape(-1), edges[-1])


def _refined(plan: Plan, times: NDArray[Any]) -> Plan:
    """The same protocol on a grid of physical times."""
    process, protocol = plan.protocol.process, plan.protocol
    rate = protocol.theta if process.isotropic else 1.0
    first = process.diffusion_time(process.duration)

    def model(s: float) -> float:
        last = process.diffusion_time(process.t_min)
        return process.model_time(max(last, first - rate * s))

    clock = np.array([model(float(s)) for s in times])
    clock[0], clock[-1] = process.duration, process.t_min
    middles = np.array([model(float(s)) for s in 0.5 * (times[1:] + times[:-1])])
    schedule = Schedule("given", clock, times)
    score = protocol.score
    return replace(
        plan, schedule=schedule, timeline=make_timeline(schedule), stepper="heun",
        laws=Laws(plan.drive, score, clock), middle_laws=Laws(plan.drive, score, middles),
    )  # fmt: skip
