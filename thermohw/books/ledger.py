"""The ledger: joules of every path, by bath and by source.

Per step the stepper hands over conjugate pairs; the ledger multiplies and adds (see
`thermohw.integrate.step`):

    heat into bath k   Q_k += X_k o y_k
    work of emf k      W -= e_k y_k
    work of a port     W += i int v dt

Heat is never work minus energy change: it is summed from its own products, so the residual of the
first law,

    residual = E_N - E_0 - (sum_j W_j - sum_k Q_k),

is a measurement per path. It vanishes to round-off for a linear circuit, and a heat that is 0.1 %
off shows up in it.

Accumulators are float64. A float32 run adds at most 16 ticks in float32 before they are flushed;
that costs no accuracy against the rounding of the states themselves and saves a third of the time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from thermohw.circuit import LinearDevice
    from thermohw.integrate import Carry, Step

__all__ = ["FLUSH", "Ledger"]

FLUSH = 16
"""Ticks summed in the state's own precision before they enter the float64 accounts."""


class Ledger:
    """Observer that keeps energy, heat per bath and work per source of every path; thermal units (k
    T_ref).

    Args:
        device: names the baths and values the stored energy.
        wiring: which kind of source works.
        varying: the temperature of the baths varies during the run: keep int dQ_k/T_k(t), too.
    """

    name = "ledger"
    sums = False

    def __init__(self, device: LinearDevice, wiring: str, *, varying: bool = False) -> None:
        self.device, self.wiring, self.varying = device, wiring, varying

    def init(self, state: torch.Tensor) -> Carry:
        """Accounts at zero, and the start energy."""
        k, p = len(self.device.elements), self.device.port_matrix.shape[1]
        width = {"heat": k, "work": k if self.wiring == "emf" else p}
        carry: Carry = {"start": self.device.energy(state)}
        for name, columns in width.items():
            carry[name] = torch.zeros(len(state), columns, dtype=torch.float64)
            if state.dtype != torch.float64:
                carry[f"{name}_part"] = torch.zeros(len(state), columns, dtype=state.dtype)
        if self.varying:
            carry["nats"] = torch.zeros(len(state), dtype=torch.float64)
        return carry

    def update(self, carry: Carry, step: Step) -> None:
        """Book one step."""
        single = "heat_part" in carry
        heat, work = (
            carry["heat_part" if single else "heat"],
            carry["work_part" if single else "work"],
        )
        heat.addcmul_(step.force, step.charge)
        if step.excess is not None:
            heat.add_(step.excess)
        if self.varying:
            self._count_nats(carry["nats"], step)
        if step.emf is not None:
            work.addcmul_(step.emf, step.charge, value=-1.0)
        elif step.current is not None:
            assert step.flux is not None
            work.addcmul_(step.current, step.flux)
        if step.extra is not None:
            work.add_(step.extra)
        if single and (step.piece.tick + 1) % FLUSH == 0 and step.piece.ends_tick:
            self._flush(carry)

    def _count_nats(self, account: torch.Tensor, step: Step) -> None:
        """Add sum_k dQ_k/(k T_k) of one step."""
        heat = (step.force * step.charge).double()
        if step.excess is not None:
            heat = heat + step.excess
        temperatures = torch.as_tensor(self.device.temperatures * step.piece.temperature)
        account.add_((heat / temperatures).sum(1))

    @staticmethod
    def _flush(carry: Carry) -> None:
        for name in ("heat", "work"):
            carry[name].add_(carry[f"{name}_part"])
            carry[f"{name}_part"].zero_()

    def result(self, carry: Carry, state: torch.Tensor) -> Carry:
        """Channels per path, float64: heat.<bath>, work.emf or work.current, energy.start,
        energy.end, first_law.residual.

        Also heat (paths, K) and work (paths, sources) under "heat" and "work", and where the
        temperature varies "medium", sum_k int dQ_k/(k T_k(t)) in nats.
        """
        if "heat_part" in carry:
            self._flush(carry)
        heat, work = carry["heat"], carry["work"]
        end = self.device.energy(state)
        total = work.sum(1)
        nats = {"medium": carry["nats"]} if self.varying else {}
        return nats | {
            "heat": heat,
            "work": work,
            f"work.{self.wiring}": total,
            "energy.start": carry["start"],
            "energy.end": end,
            "first_law.residual": end - carry["start"] - (total - heat.sum(1)),
        }
