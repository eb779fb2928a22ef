"""Sources with a memory on any linear circuit, and slew limits: a tick played as a staircase.

A tick is cut into parts, each shorter than a tenth of the fastest time constant of the sources; in
each part the source rests at the mean of its exact values at the part's two ends, and the circuit
takes its own exact held tick. The source's course is deterministic between decisions, so that the
error is that of a midpoint rule, second order in the parts. With a slew limit the source moves by
at most slew times the part's length, in at least sixteen parts a tick.
"""

from __future__ import annotations

from math import ceil, inf
from typing import TYPE_CHECKING

import torch

from thermohw.errors import InputError
from thermohw.integrate.step import Step

if TYPE_CHECKING:
    from thermohw.control import Control, Piece
    from thermohw.control.chain import Lag
    from thermohw.integrate.step import Act, Stepper
    from thermohw.noise import NoiseSource

__all__ = ["Staircase"]

_SHORT, _SLEW_PARTS, _MOST = 0.1, 16, 1000


class Staircase:
    """A held stepper whose sources move in small steps.

    Args:
        inner: exact held stepper of the circuit.
        lag: what the sources remember.
    """

    def __init__(self, inner: Stepper, lag: Lag) -> None:
        self.inner, self.lag, self.normals = inner, lag, inner.normals

    def parts(self, h: float) -> int:
        """How many steps a tick of length h has.

        Raises:
            InputError: the source is far faster than the tick.
        """
        count = max(1, ceil(h * self.lag.fastest / _SHORT))
        if self.lag.slew < inf:
            count = max(count, _SLEW_PARTS)
        if count > _MOST:
            raise InputError(
                f"the sources are {h * self.lag.fastest:.3g} times faster than a tick: their "
                "memory is of no consequence, leave it out",
                where="protocol.amplifier_pole",
            )
        return count

    def step(
        self,
        piece: Piece,
        state: torch.Tensor,
        control: Control | None,
        *,
        noise: NoiseSource,
        act: Act | None,
    ) -> Step:
        """One tick; see `Stepper.step`."""
        assert control is not None and control.lag is not None and act is None
        parts = self.parts(piece.duration)
        h = float(f"{piece.duration / parts:.15g}")
        lag, part = control.lag, piece._replace(duration=h)
        steps = []
        begin = state
        for _ in range(parts):
            ahead = self.lag.advance(lag, h)
            source = 0.5 * (lag[:, -1] + ahead[:, -1])
            step = self.inner.step(
                part, begin, control._replace(source=source), noise=noise, act=None
            )
            steps.append(step)
            begin, lag = step.end, ahead
        return _joined(piece, control, steps)._replace(lag=lag)


def _joined(piece: Piece, control: Control, steps: list[Step]) -> Step:
    """One record of several steps: totals, and what the products of means and totals miss."""
    charge = sum((s.charge for s in steps[1:]), steps[0].charge)
    heat = torch.zeros_like(charge)
    for s in steps:
        heat = heat + s.force * s.charge
        heat = heat if s.heat_correction is None else heat + s.heat_correction
    force = sum((s.force for s in steps[1:]), steps[0].force) / len(steps)
    emf = current = flux = extra = None
    if steps[0].emf is not None:
        rows = [s.emf for s in steps if s.emf is not None]
        emf = sum(rows[1:], rows[0]) / len(rows)
        extra = emf * charge
        for s, row in zip(steps, rows, strict=True):
            extra = extra - row * s.charge
    elif steps[0].current is not None:
        rows = [s.current for s in steps if s.current is not None]
        fluxes = [s.flux for s in steps if s.flux is not None]
        current, flux = sum(rows[1:], rows[0]) / len(rows), sum(fluxes[1:], fluxes[0])
        extra = -current * flux
        for row, area in zip(rows, fluxes, strict=True):
            extra = extra + row * area
    return Step(piece, steps[0].start, steps[-1].end, control, None, force, charge,
                heat - force * charge, emf, current, flux, work_correction=extra)  # fmt: skip
