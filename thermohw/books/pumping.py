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

from thermohw.books.ledger import FLUSH

if TYPE_CHECKING:
    from thermohw.integrate import Carry, Step

__all__ = ["Pumping"]


class Pumping:
    """Observer that sums div u of every path; nats. Needs an engine made with divergence = True and
    ideal converters.
    """

    name = "pumping"
    sums = False

    def init(self, state: torch.Tensor) -> Carry:
        """Nothing pumped yet."""
        carry: Carry = {"total": torch.zeros(len(state), dtype=torch.float64)}
        if state.dtype != torch.float64:  # as in the ledger: a few ticks in the state's precision
            carry["part"] = torch.zeros(len(state), dtype=state.dtype)
        return carry

    def update(self, carry: Carry, step: Step) -> None:
        """Add one step's trapezoid."""
        assert step.control is not None and step.control.divergence is not None
        h, account = step.piece.duration, carry.get("part", carry["total"])
        if step.next_control is not None and step.next_control.divergence is not None:
            account.add_(step.control.divergence, alpha=0.5 * h)
            account.add_(step.next_control.divergence, alpha=0.5 * h)
        else:
            account.add_(step.control.divergence, alpha=h)
        if "part" in carry and (step.piece.tick + 1) % FLUSH == 0 and step.piece.ends_tick:
            self._flush(carry)

    @staticmethod
    def _flush(carry: Carry) -> None:
        carry["total"].add_(carry["part"])
        carry["part"].zero_()

    def result(self, carry: Carry, state: torch.Tensor) -> Carry:
        """pumping per path, nats."""
        if "part" in carry:
            self._flush(carry)
        return {"pumping": carry["total"]}
