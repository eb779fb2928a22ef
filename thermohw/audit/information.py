r"""The demon's account of a clocked run: what its readings told it, and whether that pays for what
it did.

    (a)  dS + sum Q/kT >= -T + I(X_N; Y) >= -T,      T the transfer entropy
    (b)  E[Q] = E[conditional mean of Q given the readings]        exact, paired path by path
    (c)  < exp(-Q/kT + ln rho(x_N) - ln q_0(x_0) - sum i_k) > = 1           Sagawa and Ueda 2010

with I_k = (1/2) ln det(1 + P_k^- R^-1) at reading k, i_k its pathwise version, and T = sum I_k for
a Gaussian start without a converter (`thermohw.books.information`; there, too, what bounds T
otherwise). Which of these need the Gaussian start?

    (a)  No: T is at most sum I_k, or what bounds it behind a converter. dS + sum Q/kT is used as
         measured; the stronger form is the second law's.
    E sum i_k = sum I_k    No: it takes second moments of the filter's errors only, and those of a
         linear filter depend on neither the start law's shape nor the control.
    (c)  No: it holds for any normalised prediction of the readings, and the filter's is one.
    (b)  Yes: the control is a nonlinear function of the readings, and errors that are only
         uncorrelated with linear ones may correlate with it.

By how much (b) may then be off: let F be a path's gap between the two sides, G the same run from a
Gaussian start of the same moments, E_G F = 0, and J = KL(start || Gaussian). Path laws are at most
J apart (data processing), and by Donsker and Varadhan's inequality, for any l > 0,

    E F <= ( J + ln E_G e^{lF} )/l = ( J + l^2 var F/2 + ... )/l   ->   |E F| <= sqrt(2 J var F),

the best l being sqrt(2 J/var F), so small for small J that the higher cumulants do not count. In
standard errors of n paths that is sqrt(2 J n). A verdict is given where it is at most 0.1.

The weights of (c) have a variance only where kappa = lambda_max(C)/R is below 1, C the covariance
of all readings' voltages in the uncontrolled run (their tail index is kappa/(1 + kappa)). Otherwise
the average rests on paths too rare to be seen, at any number of them that can be simulated.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite, sqrt

import numpy as np
from scipy.linalg import expm

from thermohw.audit.entropy import SystemChange
from thermohw.audit.recorded import Recorded
from thermohw.audit.verdict import Check, Quantity, not_applicable
from thermohw.books.information import converter_bounds
from thermohw.estimate import NOT_APPLICABLE, Estimate, judge, worst

__all__ = ["Learned", "information", "information_identity", "information_quantities", "learned"]

_BIAS = 0.1  # standard errors by which a comparison may be off at most
_READINGS = 1024  # whose joint covariance is still diagonalised


@dataclass(frozen=True)
class Learned:
    """What a clocked run's readings told its controller, nats per sample.

    Attributes:
        most: an upper bound; infinite for exact readings.
        away: what the true value can be less; 0 to 1e-6 where `most` is the transfer entropy, None
            where nothing is known.
        source: what the number follows from.
    """

    most: float
    away: float | None
    source: str

    @property
    def exact(self) -> bool:
        """Whether it is the transfer entropy and no mere bound."""
        return self.away is not None and self.source == ""


def learned(recorded: Recorded) -> Learned:
    """What the readings carry.

    A converter's bounds are worked out anew from plan and start law, whatever the file says of
    them; the entropy of its codes is what the run counted.
    """
    plan, protocol = recorded.plan, recorded.setting.protocol
    if plan.adc is not None:
        start = recorded.start
        bounds = converter_bounds(
            plan,
            protocol.to_thermal(start.mean),
            protocol.covariance_to_thermal(start.covariance),
            codes=recorded.codes,
        )
        source = min(bounds, key=bounds.__getitem__)
        return Learned(bounds[source], None, source)
    acquired = float(recorded.information.get("acquired", inf))
    if not isfinite(acquired):
        return Learned(inf, None, "readings without noise or converter")
    start = recorded.start
    if start.gaussian:
        assert start.negentropy is not None
        return Learned(acquired, start.negentropy.value, "")
    away = None if start.negentropy is None else start.negentropy.value
    return Learned(acquired, away, "sum I_k for a start that is not Gaussian")


def information(recorded: Recorded, change: SystemChange) -> Check:
    """Heat and entropy change against the information acquired."""
    name = "information"
    if not recorded.clocked:
        return not_applicable(
            name,
            "continuous control takes no readings whose information could be counted",
            relation=">=",
        )
    told = learned(recorded)
    if not isfinite(told.most):
        return not_applicable(
            name, "readings without noise or converter carry infinite information", relation=">="
        )
    if change.value is None:
        return not_applicable(name, change.method, relation=">=")
    value = recorded.moments["medium"] + Estimate(change.value, change.stderr)
    words = "in all" if told.exact else f"at most, {told.source}"
    detail = f"dS + sum Q/kT = {value.text()} >= -{told.most:.5g} nats ({words})"
    parts = [judge(value.z(-told.most), relation=">=")]
    if "information.pathwise" in recorded.moments:
        mean = recorded.moments["information.pathwise"]
        z = mean.z(told.most)
        parts.append(judge(z))
        detail += (
            f"; mean of sum i_k = {mean.text('.4g')}, z = {z:+.2f} against sum I_k "
            f"(seen if {mean.power():.2g} off)"
        )
    average, remark = _sagawa_ueda(recorded)
    power = value.power(">=")
    return Check(
        name, worst(*parts, average), value.value, -told.most, value.stderr,
        f"{detail}; {remark}", ">=", power,
    )  # fmt: skip


def _sagawa_ueda(recorded: Recorded) -> tuple[str, str]:
    """Status and remark of (c)."""
    total = recorded.accounts.exponentials.get("sagawa_ueda")
    if total is None:
        return (
            NOT_APPLICABLE,
            "Sagawa-Ueda average not taken: pathwise information or end densities not recorded",
        )
    average, weight, kappa = total.average, total.weight(), _kappa(recorded)
    if kappa is None:
        reason = f"of more than {_READINGS} readings ({weight})"
        return NOT_APPLICABLE, f"Sagawa-Ueda average not applicable: {reason}"
    weight = f"kappa {kappa:.3g}, {weight}"
    if kappa >= 1.0 or not total.trusted:
        return NOT_APPLICABLE, f"Sagawa-Ueda average not applicable at {weight}"
    return (
        total.judge_against(),
        f"Sagawa-Ueda average {average.value:.5f} +- {average.stderr:.5f}, z = {total.z():+.2f} "
        f"(seen if {total.power:.2g} off), {weight}",
    )


def _kappa(recorded: Recorded) -> float | None:
    """lambda_max(C)/R of the run's readings had nobody controlled it; None for too many."""
    plan, device = recorded.plan, recorded.plan.protocol.board
    n, count = device.dim, sum(piece.reads for piece in plan.timeline)
    if n * count > _READINGS or count != len(plan.timeline):
        return None
    covariance = recorded.setting.protocol.covariance_to_thermal(recorded.start.covariance)
    joint = np.zeros((count, n, count, n))
    for k, piece in enumerate(plan.timeline):
        joint[k, :, k, :] = covariance
        steady = device.effort_covariance * piece.temperature
        decay = expm(-device.effort_drift * piece.duration)
        covariance = steady + decay @ (covariance - steady) @ decay.T
        if k + 1 < count:  # what is read next is the present decayed, and fresh noise
            joint[k + 1, :, : k + 1] = np.einsum("ij,jkl->ikl", decay, joint[k, :, : k + 1])
            joint[: k + 1, :, k + 1] = joint[k + 1, :, : k + 1].transpose(1, 2, 0)
    largest = np.linalg.eigvalsh(joint.reshape(count * n, count * n))[-1]
    return float(largest) / plan.reading_noise**2


def information_identity(recorded: Recorded) -> Check:
    """Heat against its conditional mean given the readings, a paired difference."""
    name = "information_identity"
    if "identity" not in recorded.moments:
        return not_applicable(name, f"{_why_not(recorded)}")
    away = recorded.start.negentropy
    if away is None:
        return not_applicable(
            name, "the identity needs a Gaussian start, and how far this one is from it is unknown"
        )
    bias = sqrt(2.0 * (away.value + 3.0 * away.stderr) * recorded.paths)
    if bias > _BIAS:
        return not_applicable(
            name,
            f"the start law is {away.value:.2g} nats from Gaussian: control may correlate with the "
            f"filter's errors, by up to {bias:.2g} standard errors of {recorded.paths} paths",
        )
    gap = recorded.moments["identity"]
    heat = recorded.moments["heat.total"]
    z = gap.z(0.0)
    detail = (
        f"Q/kT = {heat.value:.5f}, less its conditional mean given the readings, path by path: "
        f"{gap.text('+.5f')}, z = {z:+.2f}"
    )
    return Check(
        name, judge(z), heat.value, heat.value - gap.value, gap.stderr, detail, power=gap.power()
    )


def _why_not(recorded: Recorded) -> str:
    protocol = recorded.setting.protocol
    if not recorded.clocked:
        return "continuous control takes no readings"
    if protocol.reading_noise is None:
        return "the identity needs readings with Gaussian noise"
    if protocol.wiring == "current":
        return "the identity is one of the emf wiring"
    if protocol.adc_bits is not None:
        return "a converter's readings are not Gaussian"
    if protocol.latency is not None:
        return "with latency a tick's input is not that of its own reading"
    chain = recorded.plan.chain
    if not chain.sense.exact:
        return "readings with a gain or an offset are not those of the identity"
    if not chain.lag.is_ideal:
        return "sources with a memory do not rest between decisions"
    return "the identity is one of uncoupled nodes"


def information_quantities(recorded: Recorded) -> dict[str, Quantity]:
    """information.acquired: nats per sample."""
    return {"information.acquired": _acquired(recorded)}


def _acquired(recorded: Recorded) -> Quantity:
    if not recorded.clocked:
        return Quantity(None, None, "nat", "continuous control takes no readings")
    told = learned(recorded)
    if not isfinite(told.most):
        return Quantity(None, None, "nat", "infinite: readings without noise or converter")
    if told.exact:
        note = "transfer entropy of the Kalman recursion"
        return Quantity(told.most, told.away, "nat", note)
    if recorded.plan.adc is not None:
        note = f"an upper bound: readings pass a converter ({told.source})"
    elif told.away is None:
        note = "an upper bound: the start law's distance from Gaussian is not known"
    else:
        least = max(told.most - told.away, 0.0)
        note = f"an upper bound, the start not being Gaussian: in [{least:.5g}, {told.most:.5g}]"
    return Quantity(told.most, None, "nat", note)
