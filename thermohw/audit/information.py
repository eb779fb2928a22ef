"""The demon's account of a clocked run: what its readings told it, and whether that pays for what
it did.

    (a)  dS + sum Q/kT >= -sum I_k + I(X_N; Y) >= -sum I_k
    (b)  E[Q] = E[conditional mean of Q given the readings]                        exact, paired
    path by path
    (c)  < exp(-Q/kT + ln rho(x_N) - ln q_0(x_0) - sum i_k) > = 1                   Sagawa and Ueda
    2010

with I_k = (1/2) ln det(1 + P_k^- R^-1) the transfer entropy at reading k and i_k its pathwise
version, whose mean must be sum I_k. (c) holds for any normalised prediction of the readings, but
its average is hopeless beyond about one nat of information. The `information` check uses dS + sum
Q/kT as measured; the stronger form of (a) is the second law's.
"""

from __future__ import annotations

from math import hypot, isfinite

import numpy as np

from thermohw.audit.entropy import SystemChange
from thermohw.audit.evidence import Evidence
from thermohw.audit.fluctuation import ENOUGH, HEAVY, SLOW
from thermohw.audit.verdict import Check, Quantity, not_applicable
from thermohw.estimate import EXPLAINED, VIOLATED, Estimate, judge, worst

__all__ = ["information", "information_identity", "information_quantities"]

_MOST = 1.0  # nats up to which the Sagawa-Ueda average is tried


def information(evidence: Evidence, change: SystemChange) -> Check:
    """Heat and entropy change against the information acquired."""
    name = "information"
    if not evidence.clocked:
        return not_applicable(
            name,
            "continuous control takes no readings whose information could be counted",
            relation=">=",
        )
    acquired = float(evidence.information.get("acquired", float("inf")))
    if not isfinite(acquired):
        return not_applicable(
            name, "readings without noise or converter carry infinite information", relation=">="
        )
    if change.value is None:
        return not_applicable(name, change.method, relation=">=")
    medium = evidence.moments["medium"]
    value = Estimate(change.value + medium.value, hypot(change.stderr, medium.stderr))
    z = value.z(-acquired)
    status = judge(z, relation=">=")
    word = "at most" if evidence.information.get("bound") else "in all"
    detail = f"dS + sum Q/kT = {value.text()} >= -{acquired:.5g} nats ({word}, by its readings)"
    if "information.pathwise" in evidence.moments:
        mean = evidence.moments["information.pathwise"]
        status = worst(status, judge(mean.z(acquired)))
        z = mean.z(acquired)
        detail += f"; mean of sum i_k = {mean.text('.4g')}, z = {z:+.2f} against sum I_k"
    average, remark = _sagawa_ueda(evidence, acquired)
    status = worst(status, average)
    return Check(name, status, value.value, -acquired, value.stderr, f"{detail}; {remark}", ">=")


def _sagawa_ueda(evidence: Evidence, acquired: float) -> tuple[str, str]:
    """Status and remark of (c)."""
    total = evidence.accounts.exponentials.get("sagawa_ueda")
    if total is None:
        return (
            "holds",
            "Sagawa-Ueda average not taken: pathwise information or end densities not recorded",
        )
    average, effective, tail = total.average, total.effective, total.tail
    weight = f"effective sample number {effective:.3g} of {evidence.paths}, tail index {tail:.2f}"
    if acquired > _MOST or effective < ENOUGH or tail >= HEAVY:
        return "holds", f"Sagawa-Ueda average not applicable at {acquired:.3g} nats ({weight})"
    z = average.z(1.0)
    status = judge(z)
    if status == VIOLATED and tail >= SLOW:
        status = EXPLAINED
    return (
        status,
        f"Sagawa-Ueda average {average.value:.5f} +- {average.stderr:.5f}, z = {z:+.2f}, {weight}",
    )


def information_identity(evidence: Evidence) -> Check:
    """Heat against its conditional mean given the readings, a paired difference."""
    name = "information_identity"
    if "identity" not in evidence.moments:
        return not_applicable(name, f"{_why_not(evidence)}")
    gap = evidence.moments["identity"]
    heat = evidence.moments["heat.total"]
    z = gap.z(0.0)
    detail = (
        f"Q/kT = {heat.value:.5f}, less its conditional mean given the readings, path by path: "
        f"{gap.text('+.5f')}, z = {z:+.2f}"
    )
    return Check(name, judge(z), heat.value, heat.value - gap.value, gap.stderr, detail)


def _why_not(evidence: Evidence) -> str:
    protocol = evidence.setting.protocol
    if not evidence.clocked:
        return "continuous control takes no readings"
    if protocol.reading_noise is None:
        return "the identity needs readings with Gaussian noise"
    if protocol.wiring == "current":
        return "the identity is one of the emf wiring"
    if protocol.adc_bits is not None:
        return "a converter's readings are not Gaussian"
    if protocol.latency is not None:
        return "with latency a tick's input is not that of its own reading"
    chain = evidence.plan.chain
    if not chain.sense.exact:
        return "readings with a gain or an offset are not those of the identity"
    if not chain.lag.is_ideal:
        return "sources with a memory do not rest between decisions"
    return "the identity is one of uncoupled nodes"


def information_quantities(evidence: Evidence) -> dict[str, Quantity]:
    """information.acquired: nats per sample."""
    if not evidence.clocked:
        return {
            "information.acquired": Quantity(
                None, None, "nat", "continuous control takes no readings"
            )
        }
    acquired = float(evidence.information.get("acquired", np.inf))
    if not isfinite(acquired):
        return {
            "information.acquired": Quantity(
                None, None, "nat", "infinite: readings without noise or converter"
            )
        }
    bound = bool(evidence.information.get("bound"))
    note = (
        "an upper bound: readings pass a converter"
        if bound
        else "transfer entropy of the Kalman recursion"
    )
    return {"information.acquired": Quantity(acquired, 0.0, "nat", note)}
