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

For a start that is not Gaussian the filter stays the best linear one, its errors keep their second
moments whatever the control does, and so E sum i_k = sum I_k still holds; but the readings are then
not distributed as the filter predicts them, and the transfer entropy is

    T = sum_k I_k - KL(law of the readings || the filter's prediction of them).

The prediction is what a Gaussian start of the same moments would have led to, under the same
control. Both laws come from their start laws through one channel, so the relative entropy is at
most that of the starts (data processing): with J = KL(start || Gaussian of its moments),

    sum_k I_k - J <= T <= sum_k I_k.

Converters. Codes are functions of the noisy readings ahead of them, and control is a function of
codes, so T <= sum I_k with R the analog noise alone (the same argument: the law of states and
codes is that of states and readings, told through the converter). Independently of that each code
tells at most its own entropy, and a B-bit code at most B ln 2:

    T <= min( sum_k I_k,  sum over readings and nodes of H(code),  N B ln 2 a node ),

a minimum of SUMS. The smaller of two terms reading by reading is no bound: the P_k^- of sum I_k is
what is left after ALL of the earlier readings' analog information, which coarse codes did not tell.
(Eight 1-bit readings that bisect N(0, 1) with R = 1e-6 acquire 5.415 nats; sum I = 7.9 and
8 ln 2 = 5.545 bound them, the sum of the smaller terms, 1.7, does not.) Nor is quantisation a
Gaussian noise of variance LSB^2/12 with a fixed deficit: that is true of dithered channels only.
"""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from thermohw.books.held_heat import held_heat
from thermohw.circuit import node_moments
from thermohw.control import KalmanFilter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.control import Controller, Plan
    from thermohw.integrate import Carry, Step

__all__ = [
    "Information",
    "NetworkInformation",
    "acquired",
    "analog_filter",
    "converter_bounds",
    "converter_information",
    "information_account",
]

BY_NOISE, BY_CODES, BY_BITS = "noise ahead of the converter", "entropy of its codes", "its bits"
"""What bounds the information behind a converter."""


def information_account(controller: Controller) -> Information:
    """The observer that fits a device: nodes by themselves at one temperature, or any network."""
    device = controller.plan.protocol.board
    alone = device.uncoupled and float(np.ptp(device.temperatures)) == 0.0
    return Information(controller) if alone else NetworkInformation(controller)


class Information:
    """Observer of clocked runs with Gaussian reading noise and no latency; uncoupled nodes at one
    temperature.

    Ahead of a converter the readings are Gaussian all the same, and control is a function of them:
    the account is theirs, with a filter of its own. Beside it stands that of the codes, taken for
    readings with the noise of their steps added (`Plan.reading_variance`), as the run's filter
    takes them.

    Args:
        controller: with its filter.
    """

    name = "information"
    sums = False

    def __init__(self, controller: Controller) -> None:
        assert controller.filter is not None
        self.plan, self._codes = controller.plan, None
        self.filter = controller.filter
        if self.plan.adc is not None:
            self._codes = self.filter
            begin = self.filter.start_mean, self.filter.start_covariance
            self.filter = analog_filter(self.plan, *begin)
        self._variance = self.plan.reading_noise**2
        device = self.plan.protocol.board
        self._weights = torch.tensor(1.0 / np.diag(device.hessian))

    def init(self, state: torch.Tensor) -> Carry:
        """Nothing read yet."""
        zeros = torch.zeros(len(state), dtype=torch.float64)
        carry = {"quadratic": zeros.clone(), "pathwise": zeros.clone()}
        if self._codes is not None:
            carry |= {"coded": zeros.clone(), "mean": self.filter.start(len(state), zeros)}
        return carry

    def update(self, carry: Carry, step: Step) -> None:
        """Account for one tick and the reading at its start."""
        control = step.control
        assert control is not None and control.reading is not None
        assert control.estimate is not None and control.predicted is not None
        source, estimate = control.source.double(), control.estimate.double()
        emf = self.plan.drive.wiring == "emf"
        if self._codes is None:
            self._tell(
                carry["pathwise"], control.reading.double(), control.predicted.double(), step
            )
        else:
            if emf:
                self._expect(carry["coded"], estimate, source, step.piece.duration)
            assert control.analog is not None
            before, reading = carry["mean"], control.analog.double()
            self._tell(carry["pathwise"], reading, before, step)
            estimate = self.filter.update(before, reading, control.tick)
            carry["mean"] = self.filter.predict(estimate, source, step.piece)
        if emf:
            self._expect(carry["quadratic"], estimate, source, step.piece.duration)

    def _tell(
        self, account: torch.Tensor, reading: torch.Tensor, before: torch.Tensor, step: Step
    ) -> None:
        """Add i_k of a reading, given the filter's mean before it."""
        prior = self.filter.readings[step.piece.tick].prior
        voltage = self.plan.protocol.board.efforts(step.start).double()
        noise = (reading - voltage).square().sum(1) / self._variance
        total = prior + self._variance * np.eye(len(prior))
        _, log_det = np.linalg.slogdet(total / self._variance)
        innovation = reading - before
        spread = (innovation @ torch.tensor(np.linalg.inv(total)) * innovation).sum(1)
        account.add_(0.5 * (log_det + spread - noise))

    def _expect(
        self, account: torch.Tensor, estimate: torch.Tensor, source: torch.Tensor, h: float
    ) -> None:
        """Add the part of a tick's heat given the readings that follows from the filter's mean."""
        decay = node_moments(self.plan.protocol.board, h).decay
        share = 0.5 * self._weights * (1.0 - torch.as_tensor(decay, dtype=torch.float64) ** 2)
        account.add_((share * (estimate - source).square()).sum(1))

    def result(self, carry: Carry, state: torch.Tensor) -> Carry:
        """information.pathwise: sum_k i_k, nats; the conditional mean of identity (b), of one
        temperature "identity.heat", k T_ref, of a network "identity.medium", sum_j Q_j/kT_j;
        "identity.codes", nats: that sum given a converter's codes.
        """
        result = {"information.pathwise": carry["pathwise"]}
        if self.plan.drive.wiring == "emf":
            result[self._channel] = carry["quadratic"] + self._covariance_terms(self.filter)
            if self._codes is not None:
                coded = carry["coded"] + self._covariance_terms(self._codes)
                result["identity.codes"] = coded / self._unit()
        return result

    _channel = "identity.heat"

    def _unit(self) -> float:
        """What the accounts have to be divided by to be nats."""
        return float(self.plan.protocol.board.temperatures[0])

    def _covariance_terms(self, kalman: KalmanFilter) -> float:
        """sum_k (1/2) tr C (P_k^+ - P_{k+1}^-)."""
        weights = self._weights.numpy()
        after = [reading.prior for reading in kalman.readings[1:]] + [kalman.final_covariance]
        return 0.5 * sum(
            float(weights @ np.diag(reading.posterior - following))
            for reading, following in zip(kalman.readings, after, strict=True)
        )


class NetworkInformation(Information):
    """The same of any linear network with any number of baths, each over its own temperature
    (`thermohw.books.held_heat`).
    """

    _channel = "identity.medium"

    def _unit(self) -> float:
        return 1.0

    def _expect(
        self, account: torch.Tensor, estimate: torch.Tensor, source: torch.Tensor, h: float
    ) -> None:
        device = self.plan.protocol.board
        form = held_heat(device, h)
        charges = estimate @ torch.tensor(device.capacitance)
        known = torch.cat([charges, source], 1)
        account.add_((known @ torch.tensor(form.matrix) * known).sum(1))

    def _covariance_terms(self, kalman: KalmanFilter) -> float:
        device, total = self.plan.protocol.board, 0.0
        inward, n = device.capacitance, device.dim
        for reading, piece in zip(kalman.readings, self.plan.timeline, strict=True):
            form = held_heat(device, piece.duration)
            spread = inward @ reading.posterior @ inward
            total += form.constant + float(np.sum(form.matrix[:n, :n] * spread))
        return total


def acquired(controller: Controller) -> float:
    """sum_k I_k of a plan's readings, nats per sample; infinite for exact readings.

    The transfer entropy for a Gaussian start, an upper bound for any other.
    """
    plan = controller.plan
    if not plan.clocked or (plan.reading_noise == 0.0 and plan.adc is None):
        return float("inf")
    if controller.filter is not None and plan.adc is None:
        return float(sum(reading.information for reading in controller.filter.readings))
    raise AssertionError("readings through a converter are bounded by `converter_information`")


def converter_bounds(
    plan: Plan,
    start_mean: NDArray[Any],
    start_covariance: NDArray[Any],
    *,
    codes: float | None = None,
) -> dict[str, float]:
    """What bounds the information of a plan's converted readings from above, nats per sample.

    Args:
        plan: with an analog-to-digital converter.
        start_mean: mean voltages, shape (n,), thermal units.
        start_covariance: their covariance, shape (n, n).
        codes: sum over readings and nodes of the entropies of the codes that were seen, at their
            upper error (`thermohw.books.codes`), where a run counted them.

    Returns:
        What bounds -> bound; the smallest is the bound of the run.
    """
    assert plan.adc is not None
    bounds = {BY_BITS: len(start_mean) * plan.schedule.ticks * plan.adc.bits * log(2.0)}
    if codes is not None:
        bounds[BY_CODES] = codes
    if plan.reading_noise > 0.0:
        kalman = analog_filter(plan, start_mean, start_covariance)
        bounds[BY_NOISE] = float(sum(reading.information for reading in kalman.readings))
    return bounds


def analog_filter(
    plan: Plan, start_mean: NDArray[Any], start_covariance: NDArray[Any]
) -> KalmanFilter:
    """The filter of the readings ahead of a plan's converter: Gaussian noise alone.

    Args:
        plan: with reading noise.
        start_mean: mean voltages, shape (n,), thermal units.
        start_covariance: their covariance, shape (n, n).
    """
    return KalmanFilter(
        plan.protocol.board,
        plan.timeline,
        plan.reading_noise**2 / np.square(plan.chain.sense.gain),  # noise seen at the node
        start_mean=start_mean,
        start_covariance=start_covariance,
        wiring=plan.drive.wiring,
    )


def converter_information(
    plan: Plan,
    start_mean: NDArray[Any],
    start_covariance: NDArray[Any],
    *,
    codes: float | None = None,
) -> float:
    """The smallest of `converter_bounds`, nats per sample."""
    return min(converter_bounds(plan, start_mean, start_covariance, codes=codes).values())
