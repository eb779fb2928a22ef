r"""Information: what the demon learns, and the exact account of a clocked run with noisy readings.

The controller learns I_k = (1/2) ln det(1 + P_k^- R^{-1}) at reading k (see
`thermohw.control.kalman`); the sum is the transfer entropy. Then

    (a)  dS + sum Q/kT >= -sum I_k
    (b)  Q/kT + (1/2) ln det(P_N^-/P_0) + sum I_k
           = sum_k (1/2) [ (xhat_k^+ - e_k)^2 (1 - phi^2)
                           + P_k^+ - P_{k+1}^- - ln(P_k^+ / P_{k+1}^-) ] >= 0       (emf, exact)
    (c)  < exp(-Q/kT + ln rho(x_N) - ln q_0(x_0) - sum i_k) > = 1            (Sagawa and Ueda)
           i_k = ln N(r; x, R) - ln N(r; xhat^-, P^- + R)

(b) needs no density: given the readings the tick's heat (1/2) C [(v - e)^2 - (v' - e)^2] has a
known conditional mean. Its two sides are accumulated path by path, so their difference is a paired
measurement.

A B-bit converter without reading noise is bounded from above: uniform quantisation noise LSB^2/12
taken as Gaussian understates the information by at most (1/2) ln(pi e/6) = 0.1765 nats a reading,
and B bits cannot carry more than B ln 2.
"""

from __future__ import annotations

from math import e, log, pi
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from thermohw.circuit import node_moments
from thermohw.control import KalmanFilter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.control import Controller, Plan
    from thermohw.integrate import Carry, Step

__all__ = ["Information", "acquired", "converter_information"]

_UNDERSTATED = 0.5 * log(pi * e / 6.0)  # nats a reading


class Information:
    """Observer of clocked runs with Gaussian reading noise, exact converters and no latency;
    uncoupled nodes at one temperature.

    Args:
        controller: with its filter.
    """

    name = "information"

    def __init__(self, controller: Controller) -> None:
        assert controller.filter is not None
        self.plan, self.filter = controller.plan, controller.filter
        self._variance = self.plan.reading_noise**2
        device = self.plan.protocol.board
        self._weights = torch.tensor(1.0 / np.diag(device.hessian))

    def init(self, state: torch.Tensor) -> Carry:
        """Nothing read yet."""
        zeros = torch.zeros(len(state), dtype=torch.float64)
        return {"quadratic": zeros.clone(), "pathwise": zeros.clone()}

    def update(self, carry: Carry, step: Step) -> None:
        """Account for one tick and the reading at its start."""
        control = step.control
        assert control is not None and control.reading is not None
        assert control.estimate is not None and control.predicted is not None
        reading, before = control.reading.double(), control.predicted.double()
        device, prior = self.plan.protocol.board, self.filter.readings[control.tick].prior
        voltage = device.efforts(step.start).double()
        noise = (reading - voltage).square().sum(1) / self._variance
        total = prior + self._variance * np.eye(len(prior))
        _, log_det = np.linalg.slogdet(total / self._variance)
        innovation = reading - before
        spread = (innovation @ torch.tensor(np.linalg.inv(total)) * innovation).sum(1)
        carry["pathwise"].add_(0.5 * (log_det + spread - noise))
        if self.plan.drive.wiring == "emf":
            decay = torch.as_tensor(
                node_moments(device, step.piece.duration).decay, dtype=torch.float64
            )
            pull = (control.estimate.double() - control.source.double()).square()
            carry["quadratic"].add_((0.5 * self._weights * (1.0 - decay**2) * pull).sum(1))

    def result(self, carry: Carry, state: torch.Tensor) -> Carry:
        """identity.heat: the conditional mean of Q of identity (b); information.pathwise: sum_k
        i_k; nats per path.
        """
        result = {"information.pathwise": carry["pathwise"]}
        if self.plan.drive.wiring == "emf":
            result["identity.heat"] = carry["quadratic"] + self._covariance_terms()
        return result

    def _covariance_terms(self) -> float:
        """sum_k (1/2) tr C (P_k^+ - P_{k+1}^-)."""
        weights = self._weights.numpy()
        after = [reading.prior for reading in self.filter.readings[1:]] + [
            self.filter.final_covariance
        ]
        return 0.5 * sum(
            float(weights @ np.diag(reading.posterior - following))
            for reading, following in zip(self.filter.readings, after, strict=True)
        )


def acquired(controller: Controller) -> float:
    """sum_k I_k of a plan's readings, nats per sample; infinite for exact readings.

    With a converter behind or instead of the reading noise it is an upper bound.
    """
    plan = controller.plan
    if not plan.clocked or (plan.reading_noise == 0.0 and plan.adc is None):
        return float("inf")
    if controller.filter is not None and plan.adc is None:
        return float(sum(reading.information for reading in controller.filter.readings))
    raise AssertionError("readings through a converter are bounded by `converter_information`")


def converter_information(
    plan: Plan, start_mean: NDArray[Any], start_covariance: NDArray[Any]
) -> float:
    """Upper bound on the information that a plan's B-bit readings carry, nats per sample.

    min(B ln 2 per node, I_k + 0.1765 per node) a reading, with I_k for Gaussian noise of variance R
    + LSB^2/12, both over the square of the front end's gain.
    """
    assert plan.adc is not None
    # What stands behind the front end's gain is that much smaller at the node.
    gain = np.square(plan.chain.sense.gain)
    variance = (plan.reading_noise**2 + plan.adc.lsb**2 / 12.0) / gain
    nodes = len(start_mean)
    bits = nodes * plan.adc.bits * log(2.0)
    kalman = KalmanFilter(
        plan.protocol.board,
        plan.timeline,
        variance,
        start_mean=start_mean,
        start_covariance=start_covariance,
        wiring=plan.drive.wiring,
    )
    return float(sum(min(bits, r.information + nodes * _UNDERSTATED) for r in kalman.readings))
