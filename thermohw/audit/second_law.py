"""The second law of the wiring and clocking that ran.

    emf, continuous        dS + sum_k Q_k/kT_k                                >= 0
    current, continuous    dS + sum_k Q_k/kT_k - int E div u                  >= 0
    clocked, either        dS + sum_k Q_k/kT_k + sum_k I_k - I(X_N; Y)        >= 0

every bath at its own temperature. A clocked controller is a demon: only the information it acquires
restores the law. With Gaussian reading noise the final entropy cancels from it: for the Kalman
covariance P_N of the end state given all readings,

    dS - I(X_N; Y) <= (1/2) ln det(2 pi e P_N) - S(start),

equal for a Gaussian start, and the law holds with the right-hand side for any start and any score
(Jensen's inequality on the Sagawa-Ueda average with rho = N(xhat_N, P_N), the filter's own
prediction of the readings, and E sum i_k = sum I_k). Converted readings carry at most what the
converter passes, and a converted source lets at most B ln 2 nats a tick and source of it act on the
circuit. Exact readings carry infinite information, and of these sums no statement is left; what is
held against 0 then is the production bound of `thermohw.audit.production`, where the heat in it is
tied to the kernel: path by path where that was recorded, else by the comparison that follows.

Where log path ratios were recorded, dS + Q/kT (minus pumping) must agree with their mean up to the
step. For Euler steps under emf control the two differ per path by exactly sum h (|b_{n+1}|^2 -
|b_n|^2)/4. As E|b|^2 is about n r, with n nodes and r the rate of the control loop, and h r is at
most eps everywhere, the difference is at most about

    eps n (1 + ln(r_max/r_min)),        eps = max (tick x rate of the loop)

(and eps |E x|^2/theta for data off the origin), while books kept with the wrong product (left or
right point for midpoint) are off by int E div u or more. A larger difference is a violation.

A held source cannot follow the noise inside a tick: the books of a clocked emf run are short of the
even ratios by int div u, so dS + Q/kT + int div u is held against them, whether or not the second
law itself can be stated. There and under current wiring the sources also work against the leak, at
rate a: with b_free = -a x beside u the same algebra leaves sums like h a^2 (E_N - E_0) and
(h a/2) int div u, hence the further allowance

    h a (|int E div u|/2 + 2 E[E_0 + E_N]/kT)

which matters where V0 is far above the thermal voltage. These bounds serve files that measured
nothing; where the run's twins (`thermohw.audit.twins`) say what half the tick does to the
difference, that is taken out instead. Ticks longer than the loop's own time are not compared: no
order of magnitude holds there.

Path ratios are those of the states. With one resistor a node the states determine the charge
through each, and the two accounts are one. Where more resistors than nodes meet, currents circulate
between them (a source driving through a divider, baths of different temperature) that no state
shows: ratios of the states are then only a lower bound on the production, by the data-processing
inequality, and the books may exceed them by any amount but not fall short.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, log

import numpy as np

from thermohw.audit.entropy import SystemChange
from thermohw.audit.information import information_paid, learned
from thermohw.audit.production import Bounds, tied
from thermohw.audit.recorded import Recorded
from thermohw.audit.twins import read_twins
from thermohw.audit.verdict import Check, Quantity, not_applicable
from thermohw.estimate import HOLDS, VIOLATED, Estimate, judge, largest_of, worst

__all__ = ["Slack", "entropy_quantities", "second_law", "second_law_slack"]


@dataclass(frozen=True)
class Slack:
    """The left-hand side of the second law, nats.

    Attributes:
        value: None where it cannot be had.
        law: which sum it is, or why there is none.
        bounds: of how many production bounds it is the smallest; 0: of none.
        remark: what stands beside a production bound.
    """

    value: Estimate | None
    law: str
    bounds: int = 0
    remark: str = ""


def second_law_slack(recorded: Recorded, change: SystemChange, bounds: Bounds) -> Slack:
    """What must not be negative; see the module."""
    medium = recorded.moments["medium"]
    if recorded.clocked:
        paid = information_paid(recorded)
        if paid is not None and not _fewer_codes(recorded, change, paid):
            ahead = ", I of the noise ahead of the converter" * (recorded.plan.adc is not None)
            return Slack(medium + paid, f"dS + sum Q/kT + sum I - I(X_N;Y){ahead}")
    produced = recorded.clocked and _information_bound(recorded)[0] is None and _tied(recorded)
    produced = produced and bounds.smallest.value is not None
    if change.value is None:
        if produced:
            return _produced(recorded, bounds, change.method)
        return Slack(None, change.method)
    found = Estimate(change.value, change.stderr)
    books = medium + found
    if recorded.clocked:
        bound, source = _information_bound(recorded)
        if bound is not None:
            return Slack(books + bound, f"dS + sum Q/kT + I, with I <= {bound:.4g} nats ({source})")
        demon = " (a demon: only the information restores the law)" if books.value < 0.0 else ""
        sums = f"dS + sum Q/kT = {books.text('+.5f')} nats{demon}; dS by {change.method}"
        if produced:
            return _produced(recorded, bounds, sums)
        return Slack(None, f"exact readings carry infinite information; {sums}")
    if not recorded.plan.chain.lag.is_ideal:
        return Slack(
            None,
            "a source with a pole remembers past states: what the node and it know of each other "
            f"is not booked; dS + sum Q/kT = {books.text('+.5f')} nats",
        )
    if recorded.setting.protocol.wiring == "emf":
        return Slack(books, "dS + sum Q/kT")
    if "medium - pumping" not in recorded.moments:
        return Slack(
            None,
            "int div u was not recorded (a learned score, or control that is not ideal); "
            "without it dS + sum Q/kT = "
            f"{books.text('+.5f')} nats",
        )
    pumped = recorded.moments["medium - pumping"]
    return Slack(pumped + found, "dS + sum Q/kT - int E div u")


def _tied(recorded: Recorded) -> bool:
    """Whether the heat of the books is held against the path ratios, from both sides."""
    moments, emf = recorded.moments, recorded.setting.protocol.wiring == "emf"
    compared = "even - held" in moments and recorded.step <= 1.0 and not _hidden(recorded)
    return emf and ("untied" in moments or compared)


def _produced(recorded: Recorded, bounds: Bounds, remark: str) -> Slack:
    """The production bound as the second law of exact readings."""
    sums = "Q/kT + returned" if "untied" in recorded.moments else "sum ln K/K~"
    words = f" with rho {bounds.smallest.words}; information: infinite; {remark}"
    return Slack(bounds.smallest.value, f"ln q_0 - ln rho + {sums}", bounds.count, words)


def _fewer_codes(recorded: Recorded, change: SystemChange, paid: float) -> bool:
    """Whether a converter passes less than its readings pay for, so that the law is tighter with
    what it passes; without converter never.
    """
    if recorded.plan.adc is None or change.value is None:
        return False
    bound, _ = _information_bound(recorded)
    return bound is not None and bound + change.value < paid


def _information_bound(recorded: Recorded) -> tuple[float | None, str]:
    """An upper bound on the information that acts on the circuit, nats, and where it comes from."""
    plan, told = recorded.plan, learned(recorded)
    candidates = [(told.most, told.source or "the sum of its readings")]
    if plan.dac is not None:
        device, emf = recorded.setting.device, recorded.setting.protocol.wiring == "emf"
        sources = len(device.controlled) if emf else device.port_matrix.shape[1]
        codes = plan.schedule.ticks * sources * plan.dac.bits * log(2.0)
        candidates.append((codes, f"{plan.dac.bits} bits a tick and source"))
    bound, source = min(candidates)
    return (bound, source) if isfinite(bound) else (None, "")


def second_law(recorded: Recorded, change: SystemChange, slack: Slack) -> Check:
    """The second law, and whether the books agree with recorded path ratios."""
    name, value = "second_law", slack.value
    heat, words = tied(recorded, short=True) if slack.bounds else ("", "")
    wrong, remark, reach = _against_paths(recorded)
    if value is None:
        if wrong:
            return Check(name, VIOLATED, None, 0.0, None, slack.law + remark, ">=")
        return not_applicable(name, slack.law + remark, relation=">=")
    z = largest_of(value.z(0.0), max(slack.bounds, 1))
    detail = f"{slack.law} = {value.text('.5g')} >= 0 nats" + (f", z = {z:+.2f}" if z < 0.0 else "")
    if slack.bounds:
        detail += slack.remark + (f"; {words}" if words else "")
    elif change.value is not None and not slack.law.startswith("dS + sum Q/kT + sum I -"):
        detail += f"; dS {Estimate(change.value, change.stderr).text('+.5f')} by {change.method}"
    status = VIOLATED if wrong else judge(z, relation=">=")
    status = worst(status, heat) if heat else status
    if not wrong and not recorded.clocked and recorded.step > 1.0:  # whatever its sign
        blind = f"ticks of {recorded.step:.2g} loop times leave as large an error in these books"
        return not_applicable(name, f"{detail}: {blind}", value=value.value, relation=">=")
    power = max(value.power(">=", count=max(slack.bounds, 1)), reach)
    size = _largest(recorded, value)
    if (
        status == HOLDS
        and recorded.clocked
        and not slack.bounds
        and value.value + power > 0.5 * size
    ):
        blind = (
            f"half of its largest term, {size:.4g}, could be missing and nothing would be called"
        )
        return not_applicable(name, f"{detail}{remark}: {blind}", value=value.value, relation=">=")
    return Check(
        name, status, value.value, 0.0, value.stderr, detail + remark, ">=", power, beyond=not reach
    )


def _largest(recorded: Recorded, slack: Estimate) -> float:
    """The larger one of heat over kT and of what the law adds to it, nats."""
    medium = recorded.moments["medium"].value
    return max(abs(medium), abs(slack.value - medium))


def _against_paths(recorded: Recorded) -> tuple[bool, str, float]:
    """Whether the books contradict the recorded path ratios, a remark, and the contradiction that
    would have been called (0 where they are not compared: then the slack alone speaks).
    """
    device, moments = recorded.setting.device, recorded.moments
    emf = recorded.setting.protocol.wiring == "emf"
    held = recorded.clocked and emf
    column = "even - held" if held else "even - ledger" if emf else "odd - ledger"
    if column not in moments:
        return False, "", 0.0
    gap, hidden = moments[column], _hidden(recorded)
    books = f"these books{' and int div u' if held else ''}"
    if recorded.step > 1.0:
        remark = (
            f"; log path ratios differ from {books} by {gap.text('+.5f')}, with ticks of "
            f"{recorded.step:.2g} loop times too long to be compared"
        )
        return False, remark, 0.0
    left, rest, source = _beyond_ticks(recorded, gap, column)
    reach = rest + left.power()
    relation = "<=" if hidden else "="
    excess = max(left.value if hidden else abs(left.value), 0.0) - rest
    beyond = Estimate(max(excess, 0.0), left.stderr, left.freedom)
    wrong = judge(beyond.z(), relation=relation) == VIOLATED
    if hidden and not wrong:
        remark = (
            f"; log path ratios of the states differ from these books by {gap.text('+.5f')}, what "
            f"circulates between the {len(device.elements)} resistors of {device.dim} nodes unseen"
        )
        return False, remark, reach
    remark = (
        f"; log path ratios differ from {books} by {gap.text('+.5f')}, "
        f"{'more than' if wrong else 'within'} {source}"
    )
    return wrong, remark, reach


def _beyond_ticks(recorded: Recorded, gap: Estimate, column: str) -> tuple[Estimate, float, str]:
    """The gap less what a finite tick was measured to make of it, what the tick may still leave,
    and both in words; for a file that measured nothing, the bound derived in the module.
    """
    twins = read_twins(recorded.parameters, recorded.step, recorded.data)
    if twins is not None and not twins.causes:
        tables = {
            name: recorded.accounts.columns(twins.channels[name]) for name in ("as_is", "halved")
        }
        if all(column in table for table in tables.values()):
            shift = twins.shift(lambda name: tables[name][column])
            rest = twins.remainder(lambda name: tables[name][column])
            return (
                gap - shift,
                rest,
                f"the {shift.text('+.2g')} that a finite step was measured to make",
            )
    allowed = _derived(recorded)
    return gap, allowed, f"the {allowed:.2g} of a finite step"


def _derived(recorded: Recorded) -> float:
    """The module's bound on what a finite step does to the difference, nats."""
    device, moments = recorded.setting.device, recorded.moments
    emf = recorded.setting.protocol.wiring == "emf"
    spread = log(float(recorded.loop_rates.max() / recorded.loop_rates.min()))
    allowed = recorded.step * (device.dim * (1.0 + spread) + _mean_square(recorded))
    if not emf or recorded.clocked:
        schedule = recorded.plan.schedule
        ends = moments["energy.ends"].value / float(schedule.temperatures.min())
        work = 0.5 * abs(moments["pumping"].value) + 2.0 * ends
        allowed += recorded.leak * float(schedule.relaxations.max()) * work
    return allowed


def _hidden(recorded: Recorded) -> bool:
    """Whether more resistors than nodes let currents circulate that the states do not show."""
    return len(recorded.setting.device.elements) > recorded.setting.device.dim


def _mean_square(recorded: Recorded) -> float:
    """|E x|^2/theta of the data: what the drift of the mean adds to |b|^2, in units of r >= 1."""
    target = recorded.setting.target
    mean = 0.0 if target is None else float(np.square(target.mean).sum())
    return mean / recorded.setting.protocol.theta


def entropy_quantities(
    recorded: Recorded, change: SystemChange, slack: Slack, bounds: Bounds
) -> dict[str, Quantity]:
    """dS, medium entropy, slack, production and pumping; nats per sample."""
    moments, value = recorded.moments, slack.value
    medium = moments["medium"]
    table = {
        "entropy.system_change": Quantity(
            change.value, change.stderr, "nat", change.others, method=change.method
        ),
        "entropy.medium": Quantity.of(medium, "nat", _medium_note(recorded)),
        "second_law.slack": Quantity.of(value, "nat", slack.law),
        "production.total": _production(recorded, slack, change, bounds),
    }
    if "pumping" in moments:
        note = "int div u as a sum over ticks, O(h)" if recorded.clocked else "int div u"
        table["pumping.total"] = Quantity.of(moments["pumping"], "nat", note)
    else:
        table["pumping.total"] = Quantity(None, None, "nat", "div u was not evaluated in this run")
    return table


def _medium_note(recorded: Recorded) -> str:
    """What heat was divided by."""
    name = recorded.setting.protocol.realisation
    if recorded.plan.schedule.heating is None:
        return "sum of Q_k/kT_k, every bath at its own T_k"
    return f"sum of int dQ_k/kT(t), T(t) the {'effective ' * (name == 'injected')}temperature"


def _production(recorded: Recorded, slack: Slack, change: SystemChange, bounds: Bounds) -> Quantity:
    """Entropy production: from log path ratios where recorded with the known law, else what
    continuous books say, else the smallest of the bounds.

    Ratios of the states miss what circulates between more resistors than nodes: there the books
    come first.
    """
    parity = "even" if recorded.setting.protocol.wiring == "emf" else "odd"
    hidden, value = _hidden(recorded), slack.value
    booked = value is not None and not recorded.clocked
    if f"sigma.{parity}" in recorded.moments and not (hidden and booked):
        note = "of the continuously controlled circuit, up to O(h)" if recorded.clocked else ""
        if hidden:
            note = f"{note}; of the states alone, a lower bound".removeprefix("; ")
        mean = recorded.moments[f"sigma.{parity}"]
        return Quantity.of(mean, "nat", note, method=f"log path ratios, {parity} control")
    if not booked and bounds.smallest.value is not None:
        note = "an upper bound of the production of the ticks, even control"
        if hidden:
            note += "; of the states alone"
        method = f"log path ratios with rho {bounds.smallest.words}"
        return Quantity.of(bounds.smallest.value, "nat", note, method=method)
    if recorded.clocked or value is None:
        reason = "needs log path ratios, or continuous control and a known entropy change"
        return Quantity(None, None, "nat", reason)
    bound = "an upper bound" if change.upper else ""
    return Quantity.of(value, "nat", bound, method="ledger: the second law's slack")
