r"""Chosen paths of a run as noise waveforms.

Clocked control. The weakest noise that explains what every tick recorded (`weakest`): the exported
path IS the stored one at every tick, with its works.

Continuous control. The noise of a step of length h is held, w = sqrt(2 T gamma / h) xi with the
run's own normals xi (two half steps for the splitting scheme, each so strong that its charge comes
out right); what the loop makes of it is worked out anew (`loop`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from thermohw.circuit.tick import tick_moments
from thermohw.control.realisation import require_clock
from thermohw.errors import InputError
from thermohw.integrate import Engine, Tile, make_engine
from thermohw.integrate.cells import equal_cells
from thermohw.noise import TickNoise
from thermohw.spice.waveform import Waveform, staircase
from thermohw.spice.weakest import RecordedPiece, weakest_noise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.control import Plan, Protocol
    from thermohw.integrate import Step
    from thermohw.target import Target

__all__ = ["RunPath", "chosen_path"]


@dataclass(frozen=True, eq=False)
class RunPath:
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
        heat: into every bath in the run itself, shape (K,); None likewise.
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
    heat: NDArray[Any] | None = None


class _Tap:
    """Observer that keeps one row of every step."""

    name = "tap"
    sums = False

    def __init__(self, row: int) -> None:
        self.row = row
        self.steps: list[RecordedPiece] = []

    def init(self, state: torch.Tensor) -> dict[str, torch.Tensor]:
        return {}

    def update(self, carry: dict[str, torch.Tensor], step: Step) -> None:
        def row(value: torch.Tensor | None) -> NDArray[Any] | None:
            return None if value is None else value[self.row].double().numpy().copy()

        work = None
        if step.emf is not None:
            work = row(-step.emf * step.charge)
        elif step.current is not None and step.flux is not None:
            work = row(step.current * step.flux)
        start, end, charge = row(step.start), row(step.end), row(step.charge)
        assert start is not None and end is not None and charge is not None
        source = None if step.control is None else row(step.control.source)
        heat = row(step.force * step.charge)
        if step.heat_correction is not None:
            heat = row(step.force * step.charge + step.heat_correction)
        self.steps.append(
            RecordedPiece(step.piece, start, end, charge, row(step.flux), source, work, heat)
        )

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
) -> RunPath:
    """The noise, start and (clocked) control of one path of a run, from its settings alone.

    Args:
        protocol: what is played.
        index: which path of the run.
        seed, start, target, prior, dtype: as the run was made with.
        engine: the run's own, whose seed and start count then; its observers are replaced.
    """
    require_clock(protocol, "netlists have elements of")
    tap = _Tap(0)
    if engine is None:
        engine = make_engine(
            protocol, seed=seed, start=start, target=target, prior=prior, dtype=dtype
        )
    engine.observers = (tap,)
    plan, device = engine.plan, protocol.device
    _require_plain(plan)
    run = engine.open(Tile(index, 1))
    first = (run.state[0].double().numpy() @ device.hessian).copy()
    times = plan.schedule.physical_time
    if not plan.clocked:
        draw = TickNoise(engine.seed, index, 1, dtype=engine.dtype)
        edges, levels = _held_noise(plan, draw, width=engine.stepper.normals)
        return RunPath(plan, index, first, staircase(edges, levels), edges, None, times, None, None)
    run.advance(plan.schedule.ticks)
    steps = tap.steps
    edges, levels = weakest_noise(device, steps, protocol.wiring)
    width = len(next(s.source for s in steps if s.source is not None))
    held = [np.zeros(width) if s.source is None else s.source for s in steps]
    cuts = np.array([s.piece.start for s in steps] + [times[-1]])
    ends = [s.end for s in steps if s.piece.ends_tick]
    work = np.sum([s.work for s in steps if s.work is not None], axis=0)
    if protocol.wiring == "emf":
        work = work[list(device.controlled)]
    heat = np.sum([s.heat for s in steps if s.heat is not None], axis=0)
    return RunPath(
        plan, index, first, staircase(edges, levels), edges, staircase(cuts, np.stack(held)),
        times, np.stack([first @ device.capacitance, *ends]) @ device.hessian, work, heat,
    )  # fmt: skip


def _require_plain(plan: Plan) -> None:
    """Refuse imperfections that a netlist does not show.

    Raises:
        InputError: naming the stages.
    """
    chain = plan.chain
    if chain.lag.is_ideal and chain.node.is_ideal and (plan.ideal or plan.clocked):
        return
    raise InputError(
        f"netlists do not show these imperfections yet ({', '.join(plan.protocol.imperfect)}): "
        "make those stages ideal, or use held control without memory",
        where="protocol",
    )


def _held_noise(plan: Plan, draw: TickNoise, *, width: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Corners and levels of a continuous run's noise."""
    device, times = plan.protocol.device, plan.schedule.physical_time
    k = len(device.elements)
    # Steppers turn energy exchanges apart from the noise: what it does is that of the circuit
    # without them; an array of equal cells deals its normals out cell by cell.
    still = replace(device, structure=np.zeros_like(device.structure), datasheet=None)
    division = equal_cells(device)
    order = np.arange(k)[None] if division is None else division.elements
    strength = np.sqrt(2.0 * device.temperatures * device.coefficients)
    parts = width // k  # the splitting scheme draws for two half steps
    edges, levels = [0.0], []
    for tick, h in enumerate(plan.schedule.durations):
        drawn = draw.normals(width, tick)[0].double().numpy().reshape(len(order), parts, -1)
        normals = np.empty((parts, k))
        for place, cell in zip(order, drawn, strict=True):
            normals[:, place] = cell
        if parts == 1:
            levels.append(strength * normals[0] / np.sqrt(h))
            edges.append(float(times[tick + 1]))
            continue
        m = tick_moments(still, 0.5 * float(h))
        emf = np.linalg.solve(m.flow_input[:k, :k], m.factor[:k, :k] @ normals.T).T
        levels += list(device.coefficients * emf)
        edges += [float(0.5 * (times[tick] + times[tick + 1])), float(times[tick + 1])]
    return np.array(edges), np.stack(levels)
