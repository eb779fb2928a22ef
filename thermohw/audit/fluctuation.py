"""Integral fluctuation theorems on the tick kernel: <e^-Sigma> = 1.

Sigma is the log ratio of the probability of a path to that of its reverse on the same device with
the schedule reversed and the control re-evaluated (`thermohw.books.fluctuation`); even parity for
a source in series, odd for an injected current. Both theorems hold for any control and any tick
size, whichever wiring ran, as long as the kernel is Gaussian and known.

The average is carried by rare paths. No verdict is given where it is not to be trusted
(`thermohw.books.theorems`): the paths that matter did not occur, and the error bar is too small.
Where the error bar alone is not honest a deviation is no violation, nor is an average below 1 whose
weights differ much: paths rare as a kind would raise it. Jensen's inequality needs no tail: a mean
Sigma below zero always is one.
"""

from __future__ import annotations

import numpy as np

from thermohw.audit.recorded import Recorded, model_tensor
from thermohw.audit.verdict import Check, not_applicable
from thermohw.estimate import NOT_APPLICABLE, VIOLATED, judge, worst

__all__ = ["fluctuation"]

_THEOREM_DIM = 3


def fluctuation(recorded: Recorded, parity: str) -> Check:
    """<e^-Sigma> = 1 for one parity of the control.

    Args:
        recorded: the run.
        parity: "even" or "odd".
    """
    name, column = f"fluctuation_{parity}", f"sigma.{parity}"
    if column not in recorded.accounts.exponentials:
        return not_applicable(name, f"log path ratios were not recorded: {_why_not(recorded)}")
    total, mean = recorded.accounts.exponentials[column], recorded.moments[column]
    average = total.average
    below = judge(mean.z(0.0), relation=">=")
    weight = total.weight()
    if below != VIOLATED and not total.trusted:
        return not_applicable(
            name,
            f"{weight}, mean Sigma {mean.value:.4g} nats: the average {average.value:.4g} rests on "
            "paths too rare to have been seen",
            value=average.value,
        )
    against = total.judge_against()
    if below != VIOLATED and against == NOT_APPLICABLE:
        return not_applicable(
            name,
            f"{weight}: the average {average.text()} is below 1, as where paths that are rare as a "
            "kind did not occur",
            value=average.value,
        )
    status = worst(against, below)
    detail = (
        f"<exp(-Sigma)> = {average.text()} with {parity} control reversed, z = {total.z():+.2f}; "
        f"{weight}; mean Sigma {mean.text()} nats"
    )
    if not total.even:
        detail += "; paths too rare to be seen may be missing, so that below 1 nothing is called"
    wrong = _wrong_densities(recorded)
    if wrong:
        status, detail = VIOLATED, f"{detail}; {wrong}"
    return Check(name, status, average.value, 1.0, average.stderr, detail, power=total.power)


def _why_not(recorded: Recorded) -> str:
    """Everything that the run lacked for a theorem."""
    protocol, dim = recorded.setting.protocol, recorded.setting.device.dim
    imperfections = recorded.describe_imperfections()
    reasons = []
    if recorded.truth is None:
        reasons.append("the density of the end states is not known")
    if recorded.setting.kind == "network":
        reasons.append("a learned score's own law has no closed density")
    if dim > _THEOREM_DIM:
        reasons.append(f"in {dim} dimensions no effective samples are left")
    if imperfections:
        reasons.append(
            f"they need exact readings and sources, this run has {', '.join(imperfections)}"
        )
    if protocol.control == "continuous" and protocol.stepper != "euler":
        reasons.append(
            f"the kernel of the {recorded.plan.stepper} stepper is not Gaussian (that of "
            "stepper = 'euler' or of clocked control is)"
        )
    if recorded.simulate["dtype"] != "float64":
        reasons.append(
            "float32 normals end too early for exponential averages (run dtype = 'float64')"
        )
    return "; ".join(reasons) or "the run was made without them"


def _wrong_densities(recorded: Recorded) -> str:
    """Whether stored log densities are those of the stored voltages; "" if they are."""
    laws = {"log_prob.start": recorded.start.log_prob}
    if recorded.truth is not None:
        truth = recorded.truth
        laws["log_prob.end"] = lambda x: truth.log_prob(x, truth.process.t_min)
    states = {"log_prob.start": recorded.first_start, "log_prob.end": recorded.first}
    for name, stored in recorded.log_prob.items():
        law = laws.get(name)
        if law is None or len(states[name]) < len(stored):
            continue
        again = law(model_tensor(states[name][: len(stored)])).numpy()
        gap = float(np.abs(again - stored).max())
        if not gap <= 1e-8 * (1.0 + float(np.abs(stored).max())):
            return (
                f"stored {name} differs from the density at the stored voltages by {gap:.2g} nats"
            )
    return ""
