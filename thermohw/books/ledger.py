"""The ledger: joules of every path, by bath and by source.

Per step the stepper hands over conjugate pairs; the ledger multiplies and adds (see
`thermohw.integrate.step`):

    heat into bath k   Q_k += X_k o y_k
    work of emf k      W -= e_k y_k
    work of a port     W += i int v dt
    work beyond these  W += the step's extra: a source that moves inside it, a parameter that jumps

Heat is never work minus energy change: it is summed from its own products, so the residual of the
first law,

    residual = E_N - E_0 - (sum_j W_j - sum_k Q_k),

is a measurement per path. It vanishes to round-off for a linear circuit, and a heat that is 0.1 %
off shows up in it.

Accumulators are float64. A float32 run adds at most 16 ticks in float32 before they are flushed;
that costs no accuracy against the rounding of the states themselves and saves a third of the time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from thermohw.circuit.passive import PassiveDevice
    from thermohw.integrate import Carry, Step

__all__ = ["FLUSH", "Ledger", "ledger_accounts"]

FLUSH = 16
"""Ticks summed in the state's own precision before they enter the float64 accounts."""


class Ledger:
    """Observer that keeps energy, heat per bath and work per source of every path; thermal units (k
    T_ref).

    Args:
        device: names the baths and values the stored energy.
        wiring: which kind of source works.
        sources: how many there are; None: as many as the device has for the wiring.
        varying: the temperature of the baths varies during the run: keep int dQ_k/T_k(t), too.
        last: values the energy at the end; None: the device as it was.
    """

    name = "ledger"
    sums = False

    def __init__(
        self,
        device: PassiveDevice,
        wiring: str,
        *,
        sources: int | None = None,
        varying: bool = False,
        last: PassiveDevice | None = None,
    ) -> None:
        self.device, self.wiring, self.varying = device, wiring, varying
        if sources is None:
            sources = len(device.elements) if wiring == "emf" else device.dim
        self.sources, self.last = sources, device if last is None else last

    def init(self, state: torch.Tensor) -> Carry:
        """Accounts at zero, and the start energy."""
        width = {"heat": len(self.device.elements), "work": self.sources}
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
        if step.heat_correction is not None:
            heat.add_(step.heat_correction)
        if self.varying:
            self._count_nats(carry["nats"], step)
        if step.emf is not None:
            work.addcmul_(step.emf, step.charge, value=-1.0)
        elif step.current is not None:
            assert step.flux is not None
            work.addcmul_(step.current, step.flux)
        if step.work_correction is not None:
            work.add_(step.work_correction)
        if single and (step.piece.tick + 1) % FLUSH == 0 and step.piece.ends_tick:
            self._flush(carry)

    def _count_nats(self, account: torch.Tensor, step: Step) -> None:
        """Add sum_k dQ_k/(k T_k) of one step."""
        heat = (step.force * step.charge).double()
        if step.heat_correction is not None:
            heat = heat + step.heat_correction
        temperatures = step.temperatures
        if temperatures is None:
            temperatures = self.device.temperatures * step.piece.temperature
        account.add_((heat / torch.as_tensor(temperatures)).sum(1))

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
        end = self.last.energy(state)
        total, into = (x[:, 0] if x.shape[1] == 1 else x.sum(1) for x in (work, heat))
        nats = {"medium": carry["nats"]} if self.varying else {}
        return nats | {
            "heat": heat,
            "work": work,
            f"work.{self.wiring}": total,
            "energy.start": carry["start"],
            "energy.end": end,
            "first_law.residual": end - carry["start"] - (total - into),
        }


def ledger_accounts(
    found: Mapping[str, NDArray[Any]], baths: Sequence[str], sources: Sequence[str], unit: float
) -> dict[str, NDArray[Any]]:
    """Accounts (see `Books`) of what `Ledger.result` gave, as arrays, source by source.

    Args:
        found: thermal units.
        baths: names of the K baths.
        sources: names of the sources.
        unit: k T_ref, joule.
    """
    accounts = {f"heat.{name}": found["heat"][:, k] * unit for k, name in enumerate(baths)}
    accounts |= {f"work.{name}": found["work"][:, j] * unit for j, name in enumerate(sources)}
    accounts |= {name: found[name] * unit for name in ("energy.start", "energy.end")}
    return accounts | ({"medium": found["medium"]} if "medium" in found else {})
