r"""The heat of every single bath by a second route: its conditional mean, tick by tick.

The first law sees only the sum over baths, and the second law has slack. What a held tick of an
uncoupled node puts into its own bath is also known in the mean, given the state v and the input at
the tick's start (thermal units, C the node's capacitance, phi the decay over the tick):

    emf      E[Q | v, e] = (C/2) (1 - phi^2) [ (v - e)^2 - T/C ]
    current  E[Q | v, i] = (C/2) [ v^2 - E v'^2 ] + i E[int v dt],   both given (v, i)

No product of force and flow and no noise enters. Heat less this mean is a sum of martingale
differences: its mean vanishes at any tick length, for any score, converter, latency or start law,
in any dimension, so the paired difference tests every bath of a run on its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from thermohw.circuit import node_moments
from thermohw.thermo.ledger import FLUSH

if TYPE_CHECKING:
    from thermohw.circuit import LinearDevice
    from thermohw.integrate import Carry, Step

__all__ = ["HeatBalance"]


class HeatBalance:
    """Observer of clocked runs on uncoupled nodes: the conditional mean of every bath's heat.

    Args:
        device: an uncoupled device.
    """

    name = "balance"

    def __init__(self, device: LinearDevice) -> None:
        assert device.uncoupled
        self.device = device

    def init(self, state: torch.Tensor) -> Carry:
        """Nothing expected yet, shape (paths, K)."""
        carry: Carry = {"expected": torch.zeros(state.shape, dtype=torch.float64)}
        if state.dtype != torch.float64:
            carry["part"] = torch.zeros_like(state)
        carry["constant"] = torch.zeros(state.shape[1], dtype=torch.float64)
        return carry

    def update(self, carry: Carry, step: Step) -> None:
        """Add one tick's expectation."""
        account = carry.get("part", carry["expected"])
        h, device = step.piece.duration, self.device
        warm = step.piece.temperature
        m, stiffness = node_moments(device, h).heated(warm), np.diag(device.hessian)
        voltage = device.efforts(step.start)
        if step.current is None:
            share = 0.5 * (1.0 - np.square(m.decay)) / stiffness
            force = voltage if step.emf is None else voltage - step.emf
            _add(account, force, force, share)
            carry["constant"] -= torch.as_tensor(share * stiffness * device.temperatures * warm)
        else:
            push = stiffness * m.from_current  # of v' by i
            _add(account, voltage, voltage, 0.5 * (1.0 - np.square(m.decay)) / stiffness)
            _add(account, voltage, step.current, (m.sum_state - m.decay * push) / stiffness)
            _add(
                account,
                step.current,
                step.current,
                m.sum_current - 0.5 * np.square(push) / stiffness,
            )
            carry["constant"] -= torch.as_tensor(0.5 * stiffness * np.square(m.spread))
        if "part" in carry and (step.piece.tick + 1) % FLUSH == 0 and step.piece.ends_tick:
            self._flush(carry)

    @staticmethod
    def _flush(carry: Carry) -> None:
        carry["expected"].add_(carry["part"])
        carry["part"].zero_()

    def result(self, carry: Carry, state: torch.Tensor) -> Carry:
        """expected: heat into every bath in the conditional mean, shape (paths, K), k T_ref."""
        if "part" in carry:
            self._flush(carry)
        return {"expected": carry["expected"] + carry["constant"]}


def _add(
    account: torch.Tensor, x: torch.Tensor, y: torch.Tensor, weight: float | np.ndarray
) -> None:
    """account += weight x y; one operation where all nodes share the weight."""
    first = float(np.ravel(weight)[0])
    if (np.asarray(weight) == first).all():
        account.addcmul_(x, y, value=first)
    else:
        account.add_(x * y * x.new_tensor(weight))
