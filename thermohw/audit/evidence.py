r"""What the device's own ticks make of held-out data: its evidence bound, and its heat there.

    evidence            U_device >= S(t_min),   U_device = prior + energy + control     (or + ticks)
                        (`thermohw.likelihood.device`). Where process and undriven tick are in
                        detailed balance the control's share is summed tick by tick, apart from
                        U: that the three add up is the physical split itself. The inequality needs
                        the data's entropy, the split does not.
    energy_likelihood   Q/kT = 2 H1 + 4 U - 6 NLL_marg + (what the process's drift adds)
                        (`thermohw.likelihood.device_heat`)

The second is an identity for any score, of the heat on the noised data. Its right-hand side comes
from the likelihoods; the other side from the circuit's sources, asked at noised data tick by tick,
in volts, through the drive of the plan. They agree unless drive and likelihood speak of different
scores, clocks or units: the check is of the path from the network to the source, on the data
themselves, where no law is known. What is compared is the part int b . D^-1 b dt that a drift alone
determines; the rest, int div b dt, follows from the likelihoods only.

The heat of a run is that of its own law, not of p_t. How far it is from the heat of the same ticks
on the noised data is printed, as what the samples' law differs from the data's.
"""

from __future__ import annotations

import numpy as np

from thermohw.audit.likelihood import why_unknown
from thermohw.audit.recorded import Recorded
from thermohw.audit.verdict import Check, not_applicable
from thermohw.estimate import FEWEST, HOLDS, VIOLATED, Estimate, judge
from thermohw.intake import parse_json
from thermohw.likelihood.device_terms import REFERENCED

__all__ = ["energy_likelihood", "evidence"]

_ROUND = 1e-9  # rounding of stored terms against each other, relative
_OLD = "the run was made before files kept this term"
_PARTS = ("prior", "energy", "control", "ticks")


def evidence(recorded: Recorded) -> Check:
    """The device's evidence bound U is no smaller than the data's entropy S(t_min), and its split
    adds up.
    """
    name, key = "evidence", "nll.device_elbo"
    bound, stored = recorded.term(key), _stored(recorded)
    if bound is None:
        return not_applicable(name, _why(recorded, key), relation=">=")
    parts = {part: recorded.term(f"{key}.{part}") for part in _PARTS if f"{key}.{part}" in stored}
    terms = {part: term.value for part, term in parts.items() if term is not None}
    rest = bound.value - sum(terms.values())
    sides = " + ".join(f"{part} {value:.4f}" for part, value in terms.items())
    note = recorded.notes.get(key, "")
    detail = f"U = {bound.text('.4f')} nats ({note}) = {sides}, residual {rest:+.1e}"
    excess, entropy = recorded.term(f"{key}.excess"), recorded.term("entropy.data")
    if (other := _off_points(recorded, key, bound)) is not None:
        detail += f"; the mean of its stored points is {other:.6f}"
        return Check(name, VIOLATED, bound.value, other, None, detail, ">=")
    if not abs(rest) <= _rounding(*terms.values()):
        return Check(name, VIOLATED, bound.value, None, None, detail, ">=")
    if excess is None:
        reason = f"{why_unknown(recorded, 'entropy.data')}; {detail}"
        apart = "control" in terms and recorded.setting.device.dim <= REFERENCED
        if not apart or _draws(recorded) > 1:  # the control's share is what is left: no test
            return not_applicable(name, reason, relation=">=")
        allowed = _rounding(*terms.values())
        return Check(name, HOLDS, bound.value, bound.value - rest, None, reason, power=allowed)
    if _points(recorded) < FEWEST:
        return not_applicable(name, _too_few(recorded), relation=">=")
    floor = entropy.value if entropy is not None else bound.value - excess.value
    detail += (
        f"; U - S(t_min) = {excess.text('+.3e')}, point by point above -ln p, "
        f"z = {excess.z(0.0):+.2f}"
    )
    status, power = judge(excess.z(0.0), relation=">="), excess.power(">=")
    return Check(name, status, bound.value, floor, excess.stderr, detail, ">=", power, beyond=True)


def energy_likelihood(recorded: Recorded) -> Check:
    """Heat on the noised data from the likelihoods, against the circuit's own sources there."""
    name = key = "energy_likelihood"
    names = (f"{key}.heat", f"{key}.drift", f"{key}.strain", f"{key}.ticks", f"{key}.residual")
    heat, drift, strain, ticks, residual = map(recorded.term, names)
    sums = [recorded.term(n) for n in ("entropy.cross_prior", "nll.sde_elbo", "nll.marginal")]
    if heat is None or drift is None or strain is None or None in sums:
        return not_applicable(name, _why(recorded, f"{key}.heat"))
    prior, elbo, marginal = (term.value for term in sums if term is not None)
    likelihoods = 2.0 * prior + 4.0 * elbo - 6.0 * marginal
    gap = heat.value - likelihoods - drift.value
    detail = (
        f"Q/kT on the noised data = {heat.text('.5g')} = 2 H1 + 4 U - 6 NLL_marg + drift = "
        f"{likelihoods:.5g} {drift.value:+.5g}"
    )
    if not abs(gap) <= _rounding(heat.value, 4.0 * elbo, 6.0 * marginal, drift.value):
        problem = f"{detail}, residual {gap:+.2g}: the stored terms do not add up"
        return Check(name, VIOLATED, heat.value, heat.value - gap, None, problem)
    if (other := _off_points(recorded, f"{key}.strain", strain)) is not None:
        problem = f"{detail}; the mean of the stored points of int b^2/D dt is {other:.6f}"
        return Check(name, VIOLATED, strain.value, other, None, problem)
    if ticks is None or residual is None:
        reason = f"{_why_no_ticks(recorded)}; {detail}"
        return not_applicable(name, reason)
    detail += (
        f"; of it int b^2/D dt = {strain.text('.5g')}, by the circuit's sources at its "
        f"{recorded.plan.schedule.ticks} ticks {ticks.text('.5g')}, difference "
        f"{residual.text('+.2g')}"
    )
    apart = ticks.value - strain.value - residual.value
    if not abs(apart) <= _rounding(ticks.value, strain.value):
        problem = f"{detail}, which the terms contradict by {apart:+.2g}"
        return Check(name, VIOLATED, ticks.value, strain.value, residual.stderr, problem)
    law = _law(recorded, heat)
    if not recorded.plan.nominal:
        what = ", ".join(recorded.describe_imperfections()) or "imperfect sensors or sources"
        rest = "circuit is" if recorded.plan.ideal else "sources are"
        reason = f"{what}: the {rest} not the score's own; {detail}{law}"
        return not_applicable(name, reason)
    if _points(recorded) < FEWEST:
        return not_applicable(name, _too_few(recorded))
    left = recorded.term(f"{key}.quadrature")
    allowed = abs(left.value) if left is not None else 0.0
    beyond = Estimate(max(abs(residual.value) - allowed, 0.0), residual.stderr, residual.freedom)
    power = allowed + residual.power()
    detail += f", of which a rule over the ticks may leave {allowed:.2g}, z = {beyond.z():.2f}"
    blind = power > 0.5 * abs(strain.value)
    if judge(beyond.z()) == HOLDS and blind:
        reason = f"{detail}: half of it could be missing and nothing would be called"
        return not_applicable(name, reason, value=ticks.value)
    if strain.value > 0.0:
        detail += f" (seen if the drift were {50.0 * power / strain.value:.2g} % off)"
    return Check(
        name, judge(beyond.z()), ticks.value, strain.value, residual.stderr, f"{detail}{law}",
        power=power,
    )  # fmt: skip


def _law(recorded: Recorded, heat: Estimate) -> str:
    """How far the run's own heat is from that of its ticks on the noised data, in words."""
    if recorded.setting.protocol.wiring != "emf":
        return ""
    held, measured = heat, recorded.moments["medium"]
    if recorded.clocked:
        term = recorded.term("energy_likelihood.held")
        if term is None:
            return ""
        held = term
    own = measured - held
    words = "ticks that hold their source" if recorded.clocked else "continuous sources"
    return (
        f"; {words} give {held.text('.5g')} on the noised data, the run's own "
        f"{measured.text('.5g')}: {own.text('+.3g')} for what its law differs from the data's"
    )


def _stored(recorded: Recorded) -> dict:
    return recorded.parameters.get("likelihood", {}).get("terms", {})


def _why(recorded: Recorded, key: str) -> str:
    """Why a term is not there: of an older file, or unknown."""
    stored = _stored(recorded)
    return _OLD if stored and key not in stored else why_unknown(recorded, key)


def _why_no_ticks(recorded: Recorded) -> str:
    """Why the circuit's sources were not asked."""
    if recorded.term("nll.device_elbo") is None:
        return _why(recorded, "nll.device_elbo")
    if not recorded.setting.process.isotropic:
        return "with inductors or coupled nodes sources do not reach every coordinate alike"
    if recorded.plan.reading_noise > 0.0 or recorded.plan.chain.score.noise > 0.0:
        return "noisy readings move the sources"
    if recorded.plan.latency > 0.0 or not recorded.plan.chain.lag.is_ideal:
        return "late sources are not those of the present state"
    if recorded.plan.protocol.process.t_min == 0.0:
        return "the score has no value at the end of the run"
    return "books of nodes with one resistor each"


def _draws(recorded: Recorded) -> int:
    """Readings of a tick that the bound was averaged over."""
    settings = parse_json(recorded.parameters["likelihood"]["settings"])
    return int(settings.get("device", {}).get("draws", 1))


def _off_points(recorded: Recorded, name: str, term: Estimate) -> float | None:
    """The mean of the stored points of a term where it is not the stored mean; else None."""
    points = recorded.parameters["likelihood"].get("points", {}).get(name)
    if points is None or not len(points):
        return None
    mean = float(np.mean(points))
    return None if abs(mean - term.value) <= _rounding(term.value) else mean


def _points(recorded: Recorded) -> int:
    return len(recorded.parameters["likelihood"]["points"]["nll.device_elbo"])


def _too_few(recorded: Recorded) -> str:
    return f"{_points(recorded)} held-out points: a verdict on a mean needs {FEWEST}"


def _rounding(*sizes: float) -> float:
    return _ROUND * (1.0 + sum(map(abs, sizes)))
