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
from math import inf, isfinite, log, sqrt

import numpy as np
from scipy.linalg import expm

from thermohw.audit.entropy import SystemChange
from thermohw.audit.recorded import Recorded
from thermohw.audit.verdict import EXACT_READINGS, Check, Quantity, not_applicable
from thermohw.books.information import BY_NOISE, converter_bounds
from thermohw.circuit import tick_moments
from thermohw.estimate import HOLDS, NOT_APPLICABLE, Estimate, judge, worst

__all__ = [
    "Learned",
    "information",
    "information_identity",
    "information_paid",
    "information_quantities",
    "learned",
]

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
        readings: sum I_k of the analog readings, what sum i_k averages to; None where not known.
    """

    most: float
    away: float | None
    source: str
    readings: float | None = None

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
        return Learned(bounds[source], None, source, bounds.get(BY_NOISE))
    acquired = float(recorded.information.get("acquired", inf))
    if not isfinite(acquired):
        return Learned(inf, None, "readings without noise or converter")
    start = recorded.start
    if start.gaussian:
        assert start.negentropy is not None
        return Learned(acquired, start.negentropy.value, "", acquired)
    away = None if start.negentropy is None else start.negentropy.value
    return Learned(acquired, away, "sum I_k for a start that is not Gaussian", acquired)


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
        return not_applicable(name, EXACT_READINGS, relation=">=")
    if change.value is None:
        return not_applicable(name, change.method, relation=">=")
    value = recorded.moments["medium"] + Estimate(change.value, change.stderr)
    words = "in all" if told.exact else f"at most, {told.source}"
    detail = f"dS + sum Q/kT = {value.text()} >= -{told.most:.5g} nats ({words})"
    parts = [judge(value.z(-told.most), relation=">=")]
    mean = None
    if "information.pathwise" in recorded.moments and told.readings is not None:
        mean = recorded.moments["information.pathwise"]
        z = mean.z(told.readings)
        parts.append(judge(z))
        detail += (
            f"; mean of sum i_k = {mean.text('.4g')}, z = {z:+.2f} against sum I_k "
            f"{'' if told.readings == told.most else f'= {told.readings:.5g} '}"
            f"(seen if {mean.power():.2g} off)"
        )
    average, remark = _sagawa_ueda(recorded)
    status, power = worst(*parts, average), value.power(">=")
    size = max(abs(recorded.moments["medium"].value), told.most)
    if status == HOLDS and value.value + told.most + power > 0.5 * size:
        # As of the second law: no verdict on sums, and the pathwise mean speaks for the check.
        blind = f"half of {size:.4g} could be missing from the sums and nothing would be called"
        if mean is not None:
            assert told.readings is not None
            return Check(
                name, status, mean.value, told.readings, mean.stderr,
                f"{detail}; {remark}; {blind}: the verdict is that of sum i_k", power=mean.power(),
            )  # fmt: skip
        if average == NOT_APPLICABLE:
            reason = f"{detail}; {remark}: {blind}"
            return not_applicable(name, reason, relation=">=")
    return Check(
        name, status, value.value, -told.most, value.stderr, f"{detail}; {remark}", ">=", power,
        beyond=True,
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
    weight = f"kappa {kappa:.3g} (kappa/(1 + kappa) = {kappa / (1.0 + kappa):.3g}), {weight}"
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
    coded = _of_codes(recorded)
    away = recorded.start.negentropy
    if away is None:
        return not_applicable(
            name,
            "the identity needs a Gaussian start, and how far this one is from it is unknown"
            + coded,
        )
    bias = sqrt(2.0 * (away.value + 3.0 * away.stderr) * recorded.paths)
    if bias > _BIAS:
        return not_applicable(
            name,
            f"the start law is {away.value:.2g} nats from Gaussian: control may correlate with the "
            f"filter's errors, by up to {bias:.2g} standard errors of {recorded.paths} paths"
            + coded,
        )
    gap, medium = recorded.moments["identity"], recorded.moments["medium"]
    z = gap.z(0.0)
    detail = (
        f"sum Q/kT = {medium.value:.5f}, less its conditional mean given the readings, path by "
        f"path: {gap.text('+.5f')}, z = {z:+.2f}"
    )
    paid = information_paid(recorded)
    if paid is not None:
        left = medium.value + paid - away.value
        detail += (
            f"; sum Q/kT + (1/2) ln det P_N/P_0 + sum I = {left:.5f}, the squares of the "
            f"right-hand side {left - gap.value:.5f} nats"
        )
    expected = medium.value - gap.value
    return Check(
        name, judge(z), medium.value, expected, gap.stderr, detail + coded, power=gap.power()
    )


def _of_codes(recorded: Recorded) -> str:
    """The same given a converter's codes, in words; empty without one.

    Steps are no Gaussian noise: in second moments they are one of variance LSB^2/12 where noise or
    motion in a tick exceeds them, and no verdict is given.
    """
    plan = recorded.plan
    if plan.adc is None or "identity.codes" not in recorded.moments:
        return ""
    gap, step = recorded.moments["identity.codes"], plan.adc.lsb
    noise, motion = plan.reading_noise, _least_motion(recorded)
    fine = "exceeds" if max(noise, motion) > step else "does not exceed"
    return (
        f"; given the codes, their steps taken for noise of LSB^2/12: {gap.text('+.5f')}, no "
        f"verdict, at LSB^2/R = {step**2 / noise**2:.3g} (noise {noise / step:.3g} LSB, motion in "
        f"a tick from {motion / step:.3g} LSB: the larger {fine} a step)"
    )


def _least_motion(recorded: Recorded) -> float:
    """Least standard deviation by which a node's noise moves a reading in a tick, thermal units."""
    device, plan = recorded.plan.protocol.board, recorded.plan
    shortest = min(plan.timeline, key=lambda piece: piece.duration)
    moved = tick_moments(device, shortest.duration).end_covariance * shortest.temperature
    variance = np.diag(device.hessian @ moved @ device.hessian)
    return float(np.sqrt(variance.min()) * np.min(np.abs(plan.chain.sense.gain)))


def information_paid(recorded: Recorded) -> float | None:
    """sum I + (1/2) ln det(2 pi e P_N) - S(start) of the analog readings, nats; None without
    Gaussian reading noise, or where the start's entropy is not known.

    What pays for the heat at any start law and score (`thermohw.audit.second_law`). Ahead of a
    converter, too: control is a function of the readings there, whatever it learns of them. For
    S(start) only its distance J from that of a Gaussian must be known: left out, a slack of less
    than J below zero would look like a violation.
    """
    plan, away = recorded.plan, recorded.start.negentropy
    if away is None or plan.reading_noise == 0.0 or not recorded.clocked:
        return None
    if plan.adc is None:
        facts = recorded.information
        if "log_det_change" not in facts:
            return None
        return float(facts["acquired"]) + float(facts["log_det_change"]) + away.value
    ahead = recorded.analog
    dets = [np.linalg.slogdet(p)[1] for p in (ahead.start_covariance, ahead.final_covariance)]
    if not np.isfinite(dets).all():  # a start that spans no volume
        return None
    told = sum(reading.information for reading in ahead.readings)
    return float(told + 0.5 * (dets[1] - dets[0]) + away.value)


def _why_not(recorded: Recorded) -> str:
    protocol = recorded.setting.protocol
    if not recorded.clocked:
        return "continuous control takes no readings"
    if protocol.reading_noise is None:
        exact = recorded.plan.adc is None
        return EXACT_READINGS if exact else "the identity needs readings with Gaussian noise"
    if protocol.wiring == "current":
        return "the identity is one of the emf wiring"
    if protocol.latency is not None:
        return "with latency a tick's input is not that of its own reading"
    chain = recorded.plan.chain
    if not chain.sense.exact:
        return "readings with a gain or an offset are not those of the identity"
    if not chain.lag.is_ideal:
        return "sources with a memory do not rest between decisions"
    return "the run did not record what its readings say of the heat"


def information_quantities(recorded: Recorded, change: SystemChange) -> dict[str, Quantity]:
    """information.acquired and .per_tick, nats; .efficiency of the demon; .bits_read."""
    return {
        "information.acquired": _acquired(recorded),
        "information.per_tick": _per_tick(recorded),
        "information.efficiency": _efficiency(recorded, change),
        "information.bits_read": _bits_read(recorded),
    }


def _per_tick(recorded: Recorded) -> Quantity:
    """Mean information of a tick."""
    whole, ticks = _acquired(recorded), recorded.plan.schedule.ticks
    if whole.value is None:
        return Quantity(None, None, "nat", whole.note)
    note = f"{whole.note}; mean of {ticks} ticks"
    if recorded.plan.reading_noise > 0.0:
        told = [reading.information for reading in recorded.analog.readings]
        most = int(np.argmax(told))
        note += f", I_k of the analog readings {min(told):.4g} to {told[most]:.4g} at tick {most}"
    stderr = None if whole.stderr is None else whole.stderr / ticks
    return Quantity(whole.value / ticks, stderr, "nat", note)


def _efficiency(recorded: Recorded, change: SystemChange) -> Quantity:
    """eta = -(dS + sum Q/kT)/(sum I - I(X_N;Y)) <= 1, physics of `thermohw.audit.second_law`.

    With K = sum I - I(X_N;Y) + dS known without dS (`information_paid`), eta = -(m + s)/(K - s) of
    the measured m = sum Q/kT and s = dS; K - s >= m + s by the second law.
    """
    if not recorded.clocked:
        return Quantity(None, None, "1", "continuous control takes no readings")
    told = learned(recorded)
    if not isfinite(told.most):
        return Quantity(None, None, "1", "infinite information: nothing to compare with")
    if change.value is None:
        return Quantity(None, None, "1", change.method)
    medium, s = recorded.moments["medium"], change.value
    paid, note = information_paid(recorded), "of sum I - I(X_N;Y)"
    if paid is None or paid - s > told.most:  # the converter tells less than the readings did
        spent, slope = told.most, -1.0 / told.most
        note = f"of the information acquired, {'' if told.exact else 'at most '}{spent:.5g} nats"
    else:
        spent = paid - s
        slope = -(spent + medium.value + s) / spent**2
    if not spent > 0.0:
        return Quantity(None, None, "1", "all that was learned is still known: nothing was spent")
    value = -(medium.value + s) / spent
    stderr = float(np.hypot(medium.stderr / spent, slope * change.stderr))
    if value < 0.0:
        note += "; negative: no demon"
    elif not told.exact or change.upper:
        note += "; at least, from bounds"
    return Quantity(value, stderr, "1", note)


def _bits_read(recorded: Recorded) -> Quantity:
    """What the controller's memory would have to hold, bits per sample."""
    if not recorded.clocked:
        return Quantity(None, None, "bit", "continuous control takes no readings")
    plan, told = recorded.plan, learned(recorded)
    if plan.adc is None:
        if not isfinite(told.most):
            return Quantity(None, None, "bit", "infinite: readings without noise or converter")
        return Quantity(
            told.most / log(2.0), None, "bit", "readings without converter: the information alone"
        )
    readings = plan.schedule.ticks * recorded.setting.device.dim
    note = (
        f"{readings} readings of {plan.adc.bits} bits; at most {told.most / log(2.0):.5g} bits of "
        "them tell anything of the circuit, and to forget those costs what cost.erasure says"
    )
    return Quantity(float(readings * plan.adc.bits), 0.0, "bit", note)


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
