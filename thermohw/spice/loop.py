r"""The package's own answer to the noise of a continuous run.

Held noise is smooth in between: under it the closed loop of circuit and controller is an ordinary
differential equation, which `closed_loop` solves with the package's own Heun stepper, laws and
ledger on `refine` steps a piece of noise; `extrapolated` takes the error of order two out of two
such solutions and says how large it was.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from thermohw.books import Ledger
from thermohw.control import Controller, Schedule, make_timeline
from thermohw.control.plan import Laws
from thermohw.integrate import Engine, Tile
from thermohw.integrate.continuous import Heun
from thermohw.integrate.rotation import Rotating
from thermohw.noise import Recording
from thermohw.spice.clock import model_times, subdivided
from thermohw.spice.response import Response
from thermohw.spice.waveform import Waveform, interpolated

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.control import Plan
    from thermohw.integrate import Step
    from thermohw.spice.paths import RunPath

__all__ = ["closed_loop", "extrapolated"]

F64 = torch.float64


def closed_loop(path: RunPath, *, refine: int = 8) -> tuple[Response, Waveform]:
    """A continuous run under a path's held noise, by the package's Heun stepper and ledger.

    Args:
        path: of a run with continuous control.
        refine: steps in every piece of noise, a power of two.

    Returns:
        The path at the ends of the pieces of noise, and its source values at four points a piece,
        linear in between (what a deck replays where the controller cannot be written as sources).
    """
    plan, device = path.plan, path.plan.protocol.device
    fine = subdivided(path.edges, refine)
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
        (ledger, tap), 0, F64, start=None,  # type: ignore[arg-type]
    )  # fmt: skip
    state = torch.as_tensor(device.capacitance @ path.start)[None]
    recording = Recording(torch.as_tensor(normals)[:, None])
    run = engine.open(Tile(0, 1), noise=recording, state=state)
    run.advance(refined.schedule.ticks)
    run.results()
    work, heat = np.stack(tap.work), np.stack(tap.heat)
    if plan.protocol.wiring == "emf":
        work = work[:, list(device.controlled)]
    efforts = np.stack(tap.state) @ device.hessian
    answer = Response(path.edges, efforts, work, heat)
    sparse = slice(None, None, max(1, refine // 4))
    return answer, interpolated(fine[sparse], np.stack(tap.source)[sparse])


def extrapolated(path: RunPath, *, refine: int = 8) -> tuple[Response, Waveform, float]:
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
    sums = False

    def __init__(self, every: int) -> None:
        self.every = every
        self.state, self.work, self.heat, self.source = [], [], [], []

    def init(self, state: torch.Tensor) -> dict[str, torch.Tensor]:
        self.state = [state[0].numpy().copy()]
        return {}

    def update(self, carry: dict[str, torch.Tensor], step: Step) -> None:
        heat = (step.force * step.charge)[0].numpy()
        heat = heat if step.heat_correction is None else heat + step.heat_correction[0].numpy()
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


def _refined(plan: Plan, times: NDArray[Any]) -> Plan:
    """The same protocol on a grid of physical times."""
    process = plan.protocol.process
    clock = model_times(plan, times)
    clock[0], clock[-1] = process.duration, process.t_min
    middles = model_times(plan, 0.5 * (times[1:] + times[:-1]))
    schedule = Schedule("given", clock, times)
    score = plan.protocol.score
    return replace(
        plan, schedule=schedule, timeline=make_timeline(schedule), stepper="heun",
        laws=Laws(plan.drive, score, clock), middle_laws=Laws(plan.drive, score, middles),
    )  # fmt: skip
