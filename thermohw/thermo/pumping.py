"""Entropy pumping: int div u over the run.

A current-source controller is a flow field that contracts phase space; div u is the rate at which
it takes entropy out of the state without heat to the resistor's bath:

    dS + Q/kT - int E div u ds = production >= 0        (current wiring, continuous control)

The integral is a trapezoid over tick boundaries (left sum where the decision at the end is not
known yet). For a clocked run it is a sum over ticks of a law that acts only at ticks, hence O(h)
and labelled so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from thermohw.integrate import Carry, Step

__all__ = ["Pumping"]


class Pumping:
    """Observer that sums div u of every path; nats. Needs an engine made with divergence = True and
    ideal converters.
    """

    name = "pumping"

    def init(self, state: torch.Tensor) -> Carry:
        """Nothing pumped yet."""
        return {"total": torch.zeros(len(state), dtype=torch.float64)}

    def update(self, carry: Carry, step: Step) -> None:
        """Add one step's trapezoid."""
        assert step.control is not None and step.control.divergence is not None
        h, rate = step.piece.duration, step.control.divergence
        if step.next_control is not None and step.next_control.divergence is not None:
            carry["total"].add_(rate + step.next_control.divergence, alpha=0.5 * h)
        else:
            carry["total"].add_(rate, alpha=h)

    def result(self, carry: Carry, state: torch.Tensor) -> Carry:
        """pumping per path, nats."""
        return {"pumping": carry["total"]}
