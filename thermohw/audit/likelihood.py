"""The entropy bound and the likelihoods: checks on stored terms.

    NLL_marg >= B = (S0 + S1)/2 - Sigma/2                                   a theorem about the
    marginal likelihood
    NLL_marg  = B + K1 + (1/4) int g^2 E|s - s_true|^2 dt                   its gap, exactly
    NLL_ode   = NLL_marg + terminal mismatch + trajectory drift             the probability flow may
    lie below B
    NLL_ode >= S(data),   U >= S(t_min)                                     relative entropies are
    not negative

Nothing is taken on trust: B is worked out from S0, S1 and Sigma, margins from the likelihoods, and
both sides of every identity must add up to what the numbers' own errors allow (standard error of
the held-out points, quadrature, solver). NLL_ode < B is then "explained" by terms that account for
it; it is a violation only if they do not.
"""

from __future__ import annotations

from math import hypot

import numpy as np

from thermohw.audit.recorded import Recorded
from thermohw.audit.verdict import Check, Quantity, not_applicable
from thermohw.estimate import EXPLAINED, FEWEST, HOLDS, VIOLATED, Estimate, judge, worst
from thermohw.intake import parse_json

__all__ = ["bound_marginal", "bound_ode", "likelihood_quantities", "nll_above_entropy",
           "why_unknown"]  # fmt: skip

_ROUND = 1e-9  # rounding of stored terms against each other, relative


def why_unknown(recorded: Recorded, name: str) -> str:
    """Why a term is not there."""
    if "likelihood" not in recorded.parameters:
        return "the run stored no likelihood terms (likelihood.test = 0)"
    note = recorded.notes.get(name, f"{name} is not known")
    return note.partition(" (")[0]


def _numerical(recorded: Recorded, *names: str) -> float:
    """Size of the numerical errors and of rounding, nats."""
    errors = [abs(term.value) for name in names if (term := recorded.term(name)) is not None]
    marginal = recorded.term("nll.marginal")
    return hypot(*errors, _ROUND * (1.0 + abs(marginal.value if marginal else 0.0)))


def _bound(recorded: Recorded) -> Estimate | None:
    """B from its parts."""
    parts = [
        recorded.term(name) for name in ("entropy.data", "entropy.prior", "entropy.sigma_forward")
    ]
    stored = recorded.term("bound.lower")
    if stored is None or None in parts:
        return None
    s0, s1, sigma = (part.value for part in parts if part is not None)
    return Estimate(0.5 * (s0 + s1 - sigma), stored.stderr)


def _accounts(recorded: Recorded) -> tuple[float, float]:
    """K1 and the score error, nats."""
    terms = [recorded.term(name) for name in ("bound.prior_mismatch", "bound.score_error")]
    return tuple(term.value if term is not None else float("nan") for term in terms)  # type: ignore[return-value]


def _residual_error(recorded: Recorded, *numerical: str) -> float:
    """One standard error of the identity's two sides against each other."""
    stored = recorded.term("bound.residual")
    return hypot(
        stored.stderr if stored else 0.0, _numerical(recorded, "error.quadrature", *numerical)
    )


def _too_few(recorded: Recorded, name: str) -> Check | None:
    """The verdict on fewer held-out points than a mean can be judged by; None for enough, or for
    integrals over a known law.
    """
    found = _points(recorded)
    if found is None or found[1] is not None or len(found[0]) >= FEWEST:
        return None
    reason = f"{len(found[0])} held-out points: a verdict on a mean needs {FEWEST}"
    return not_applicable(name, reason, relation=">=")


def bound_marginal(recorded: Recorded) -> Check:
    """NLL_marg >= B, and its gap adds up."""
    name = "bound_marginal"
    if (few := _too_few(recorded, name)) is not None:
        return few
    bound, marginal = _bound(recorded), recorded.term("nll.marginal")
    if bound is None or marginal is None:
        return not_applicable(
            name, why_unknown(recorded, "bound.lower") + _estimates(recorded), relation=">="
        )
    stored = recorded.term("bound.gap")
    error = hypot(stored.stderr if stored else 0.0, _numerical(recorded, "error.quadrature"))
    gap = Estimate(marginal.value - bound.value, error)
    k1, wrong = _accounts(recorded)
    residual = Estimate(gap.value - k1 - wrong, _residual_error(recorded))
    status = worst(judge(gap.z(0.0), relation=">="), judge(residual.z(0.0)))
    detail = (
        f"NLL_marg = {marginal.value:.6f} >= B = {bound.value:.6f} nats; gap {gap.value:.3e} = "
        f"prior mismatch {k1:.3e} + score error {wrong:.3e}, residual {residual.text('+.1e')}, "
        f"z = {residual.z(0.0):+.2f}"
    )
    power = max(gap.power(">="), residual.power())
    return Check(name, status, marginal.value, bound.value, error, detail, ">=", power)


def _estimates(recorded: Recorded) -> str:
    """What is known in place of S0: NLL_marg and three estimates of it."""
    marginal = recorded.term("nll.marginal")
    if marginal is None:
        return ""
    found = {words: recorded.term(f"entropy.estimate_{key}") for key, words in _ESTIMATES.items()}
    listed = ", ".join(f"{words} {term.text('.4f')}" for words, term in found.items() if term)
    return f"; NLL_marg = {marginal.text('.4f')} nats; estimates of S0: {listed}"


_ESTIMATES = {"plugin": "plug-in", "inversion": "bound inversion", "elbo": "evidence bound"}


def bound_ode(recorded: Recorded) -> Check:
    """NLL_ode against B: below it is explained by terms that add up, or violated."""
    name = "bound_ode"
    if (few := _too_few(recorded, name)) is not None:
        return few
    bound, ode = _bound(recorded), recorded.term("nll.ode")
    if bound is None or ode is None:
        return not_applicable(name, why_unknown(recorded, "bound.lower"), relation=">=")
    margin = recorded.term("bound.ode_margin")
    numerical = ("error.solver", "error.divergence")
    error = hypot(
        margin.stderr if margin else 0.0, _numerical(recorded, "error.quadrature", *numerical)
    )
    difference = Estimate(ode.value - bound.value, error)
    shares = {text: recorded.term(f"bound.{key}") for key, text in _SHARES.items()}
    numbers = {
        text: term.value if term is not None else float("nan") for text, term in shares.items()
    }
    rest = difference.value - sum(numbers.values())
    missing = Estimate(rest, _residual_error(recorded, *numerical))
    adds_up = judge(missing.z(0.0))
    below = judge(difference.z(0.0), relation=">=") != HOLDS
    status = (
        VIOLATED if adds_up == VIOLATED else EXPLAINED if below or adds_up == EXPLAINED else HOLDS
    )
    truncation, solver = recorded.term("bound.truncation"), recorded.term("error.solver")
    sides = " + ".join(f"{text} {value:.4g}" for text, value in numbers.items())
    sign = "<" if difference.value < 0.0 else ">="
    detail = (
        f"NLL_ode = {ode.value:.6f} {sign} B = {bound.value:.6f} nats; difference "
        f"{difference.value:+.4g} = {sides}, residual {rest:+.1e} +- {missing.stderr:.1e} "
        f"(truncation {_show(truncation)}, solver error {_show(solver)})"
    )
    if below:
        detail += "; B bounds NLL_marg, not the probability flow"
    status, detail = _unsettled(recorded, status, detail)
    power = missing.power()
    return Check(name, status, ode.value, bound.value, error, detail, ">=", power)


_SHARES = {
    "terminal_mismatch": "terminal mismatch",
    "trajectory_drift": "trajectory drift",
    "prior_mismatch": "prior mismatch",
    "score_error": "score error",
}


def _show(term: Estimate | None) -> str:
    return "unknown" if term is None else f"{term.value:.1e}"


def nll_above_entropy(recorded: Recorded) -> Check:
    """NLL_ode >= S of the clean data, evidence bound >= S(t_min)."""
    name = "nll_above_entropy"
    if (few := _too_few(recorded, name)) is not None:
        return few
    ode, elbo = recorded.term("nll.ode"), recorded.term("nll.sde_elbo")
    clean, noised = recorded.term("entropy.clean"), recorded.term("entropy.data")
    floor = clean or noised
    if ode is None or elbo is None:
        return not_applicable(name, why_unknown(recorded, "nll.ode"), relation=">=")
    mean = _mean_of_points(recorded)
    off = mean is not None and not abs(mean - ode.value) <= _ROUND * (1.0 + abs(ode.value))
    told = f"the stored mean differs from that of the stored points, {mean:.6f}" if off else ""
    if floor is None and off:
        return Check(name, VIOLATED, ode.value, mean, None, told)
    if floor is None:
        return not_applicable(
            name,
            f"{why_unknown(recorded, 'entropy.data')}; NLL_ode = {ode.text()}, "
            f"evidence bound {elbo.value:.5f} +- {elbo.stderr:.5f} nats",
            value=ode.value,
            relation=">=",
        )
    error = hypot(
        ode.stderr, floor.stderr, _numerical(recorded, "error.solver", "error.divergence")
    )
    excess = Estimate(ode.value - floor.value, error)
    start = noised or floor
    above = Estimate(
        elbo.value - start.value,
        hypot(elbo.stderr, start.stderr, _numerical(recorded, "error.quadrature")),
    )
    status = worst(judge(excess.z(0.0), relation=">="), judge(above.z(0.0), relation=">="))
    detail = (
        f"NLL_ode - S(data) = {excess.text('+.3e')}, evidence bound - S(t_min) = "
        f"{above.text('+.3e')} nats; both are relative entropies"
    )
    if off:
        status, detail = VIOLATED, f"{detail}; {told}"
    status, detail = _unsettled(recorded, status, detail)
    power = max(excess.power(">="), above.power(">="))
    return Check(name, status, ode.value, floor.value, error, detail, ">=", power, beyond=True)


def _unsettled(recorded: Recorded, status: str, detail: str) -> tuple[str, str]:
    """A flow that missed its tolerance holds nothing: its error estimate may be far too low."""
    settings = parse_json(recorded.parameters.get("likelihood", {}).get("settings", "{}"))
    if settings.get("converged", True):
        return status, detail
    remark = "the flow solver missed its tolerance, so its error is a guess; ask for more steps"
    return (EXPLAINED if status == HOLDS else status), f"{detail}; {remark}"


def _points(recorded: Recorded) -> tuple[np.ndarray, np.ndarray | None] | None:
    """NLL of every held-out point in data units, with quadrature weights on a grid."""
    points = recorded.parameters.get("likelihood", {}).get("points", {})
    return (points["nll.ode"], points.get("weight")) if "nll.ode" in points else None


def _mean_of_points(recorded: Recorded) -> float | None:
    found = _points(recorded)
    if found is None:
        return None
    values, weights = found
    return float(values.mean() if weights is None else (weights * values).sum() / weights.sum())


def likelihood_quantities(recorded: Recorded) -> dict[str, Quantity]:
    """Every stored term under its own name; median and worst points of a sampled set; the plug-in
    rates, integrated.
    """
    stored = recorded.parameters.get("likelihood", {})
    table: dict[str, Quantity] = {}
    for name in _NAMES if not stored else stored["terms"]:
        term = recorded.term(name)
        heat = name.startswith("energy_likelihood.")
        unit = "bit" if name.endswith(".bits_per_dim") else "kT" if heat else "nat"
        note = why_unknown(recorded, name) if term is None else recorded.notes.get(name, "")
        table[name] = Quantity(
            term.value if term else None, term.stderr if term else None, unit, note
        )
    found = _points(recorded)
    if found is not None and found[1] is None:
        values = np.sort(found[0])
        table["nll.ode.median"] = Quantity(
            float(np.median(values)), None, "nat", f"of {len(values)} held-out points"
        )
        for rank, value in enumerate(values[::-1][:3], start=1):
            table[f"nll.ode.worst_{rank}"] = Quantity(float(value), None, "nat")
    table |= _plug_in(stored)
    settings = parse_json(stored.get("settings", "{}"))
    for key in ("score_evaluations", "divergence_evaluations", "points"):
        if key in settings:
            table[f"likelihood.{key}"] = Quantity(float(settings[key]), 0.0, "1")
    return table


def _plug_in(stored: dict) -> dict[str, Quantity]:
    """Production and exchange of the model's own account (score in place of grad ln p), integrated
    over noising time.
    """
    profile = stored.get("profile", {})
    if not {"weight", "intrinsic", "exchange"} <= set(profile):
        return {}
    note = "plug-in (model): averaged over the noised data, not over what the circuit generated"
    return {
        f"plugin.{name}": Quantity(
            float((profile["weight"] * profile[column]).sum()), None, "nat", note
        )
        for name, column in (("production", "intrinsic"), ("exchange", "exchange"))
    }


_NAMES = (
    "entropy.data",
    "entropy.prior",
    "entropy.sigma_forward",
    "nll.ode",
    "nll.marginal",
    "nll.sde_elbo",
    "nll.device_elbo",
    "bound.lower",
    "bound.gap",
    "bound.terminal_mismatch",
    "bound.score_error",
    "bound.truncation",
)
