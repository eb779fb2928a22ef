r"""The entropy bound on the likelihood, and what its gap is made of.

With Sigma = int (E[div f] + (g^2/2) E|s|^2) dt the forward plug-in entropy change,

    NLL_marg >= B = (S0 + S1)/2 - Sigma/2,        S0 = S(t_min), S1 = S(T), of the true p_t,

and the gap is known exactly for any drift with known divergence:

    NLL_marg = B + K1 + (1/4) int g^2 E_{p_t}|s - s_true|^2 dt,      K1 = KL(p_T || prior).

Polarisation of s . s_true plus dS/dt = E[div f] + (g^2/2) E|s_true|^2 is the whole proof (the
inequality: Kodama and Hinczewski, arXiv:2510.06174). `bound.residual` is the difference of the two
sides: zero up to quadrature or sampling error, a check on everything in this room.

B bounds NLL_marg, not the likelihood of the probability flow. With q_t the law of the flow's own
trajectories that start from the data,

    NLL_ode - NLL_marg = [-E_{q_T} ln prior + E_{p_T} ln prior]         terminal mismatch
                         + (1/2) int g^2 (E_{q_t} - E_{p_t})[div s] dt  trajectory drift

and NLL_ode - S0 is second order in the score error while B - S0 is first order, so any good score
slightly too small in norm has NLL_ode < B. `bound.ode_margin` = NLL_ode - B is then negative; that
is explained by the two terms above, not a violation.

With t_min > 0, points at which the model's density is asked for are clean: q_{t_min} is the data
itself, and the difference to p_{t_min} is part of the drift. `bound.truncation` is S(t_min) less
the entropy of the clean data.

The error splits into a part that moves the marginals and one that does not (`helmholtz`):
`bound.score_error` = `bound.score_error_gradient` + `bound.score_error_solenoidal`.

`bound.calibration_surplus` = int g^2 (E|s|^2 + E[div s]) = 2 (U - NLL_marg) is zero for a
calibrated score. `bound.prior_mismatch_gaussian` is KL(Gaussian of p_T's mean and covariance ||
prior): the prior is Gaussian, so K1 is that plus the negentropy of p_T - a lower bound on K1 that
does not need S1.

`energy_likelihood.heat` is the heat, in kT, of continuously controlled sources in series on the
noised data, `energy_likelihood.strain` its part int b . D^-1 b dt; less `energy_likelihood.drift`
it is 2 H1 + 4 U - 6 NLL_marg (`device_heat`), H1 = `entropy.cross_prior`.

Estimates of S0 without its knowledge (biases; K1 = 0 and calibration make them agree):
    plugin     S1 - Sigma                   (1/2) int g^2 (E|s_true|^2 - E|s|^2), either sign
    inversion  2 NLL_marg - S1 + Sigma      2 K1 + (1/2) int g^2 E|s - s_true|^2 >= 0
    elbo       U                            K1 + (1/2) int g^2 E|s - s_true|^2 >= 0
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from thermohw.likelihood.estimate import Estimate
from thermohw.likelihood.marginal import (
    marginal_nll,
    marginal_nll_denoising,
    sde_elbo,
    sde_elbo_denoising,
)
from thermohw.likelihood.sweep import Sweep
from thermohw.likelihood.terms import Terms

__all__ = ["HEAT", "Known", "bound_terms", "flow_terms"]


@dataclass(frozen=True)
class Known:
    """What is known of the true law, model units, nats.

    Attributes:
        start: S(t_min), or None.
        end: S(T), or None.
        clean: S0 of the data at t = 0, or None.
        end_substitute: entropy of the Gaussian with the mean and covariance of p_T, >= S(T).
        prior_entropy: entropy of the prior, S_pi.
        gaussian_mismatch: KL(Gaussian of the mean and covariance of p_T || prior).
        reason: why the unknown ones are unknown.
    """

    start: Estimate | None
    end: Estimate | None
    clean: Estimate | None
    end_substitute: Estimate
    prior_entropy: float
    gaussian_mismatch: float
    reason: str


HEAT = "energy_likelihood"
_PARTS = ("bound.score_error_gradient", "bound.score_error_solenoidal")
_MISMATCH = 0.05  # nats a sample of prior mismatch that are worth a note
_SUBSTITUTED = "S(T) replaced by its upper bound, the entropy of the Gaussian of equal covariance"


def _half(term: Estimate | None, factor: float) -> Estimate | None:
    return None if term is None else term * factor


def bound_terms(
    swept: Sweep, cross: Tensor, log_volume: float, known: Known, *, unsplit: str = ""
) -> Terms:
    """Every term that does not involve the flow.

    Args:
        swept: the time integrals.
        cross: -ln prior(x_T) per path, shape (paths,) or (1,), nats.
        log_volume: int E[div f] dt, nats.
        known: entropies of the true law.
        unsplit: why the score error was not split, or what qualifies the split.

    Returns:
        Terms in nats, model units.
    """
    terms, reason = Terms(), known.reason
    sigma = log_volume + swept.norm
    marginal = marginal_nll(swept, cross, log_volume)
    elbo = sde_elbo(swept, cross, log_volume)
    terms.add("nll.marginal", marginal, density=True)
    terms.add(
        "nll.marginal_denoising", marginal_nll_denoising(swept, cross, log_volume), density=True
    )
    terms.add("nll.sde_elbo", elbo, density=True)
    terms.add("nll.sde_elbo_denoising", sde_elbo_denoising(swept, cross, log_volume), density=True)

    s0, s1 = known.start, known.end
    terms.add(
        "bound.lower", -0.5 * sigma, _half(s0, 0.5), _half(s1, 0.5), density=True, reason=reason
    )
    reference = Estimate(0.5 * known.prior_entropy, 0.0)
    terms.add(
        "bound.lower_reference",
        -0.5 * sigma,
        _half(s0, 0.5),
        reference,
        density=True,
        reason=reason,
    )
    gap = marginal + 0.5 * sigma
    terms.add("bound.gap", gap, _half(s0, -0.5), _half(s1, -0.5), reason=reason)
    terms.add("bound.prior_mismatch", cross, _half(s1, -1.0), reason=reason)
    terms.put("bound.prior_mismatch_gaussian", Estimate(known.gaussian_mismatch, 0.0))
    _prior_note(terms)
    terms.add("bound.calibration_surplus", 2.0 * (swept.norm + swept.trace))
    if swept.error is None:
        for name in ("bound.score_error", "bound.residual", *_PARTS):
            terms.put(name, None, reason=reason)
    else:
        error = 0.5 * swept.error
        terms.add("bound.score_error", error)
        _split(terms, swept, unsplit)
        residual = gap - cross - error
        terms.add("bound.residual", residual, _half(s0, -0.5), _half(s1, 0.5), reason=reason)
    truncation = None
    if s0 is not None and known.clean is not None:
        truncation = s0 - known.clean
    terms.put("bound.truncation", truncation, reason=reason)

    terms.put("entropy.data", s0, density=True, reason=reason)
    terms.put("entropy.clean", known.clean, density=True, reason=reason)
    end, note = (s1, "") if s1 is not None else (known.end_substitute, _SUBSTITUTED)
    terms.put("entropy.prior", end, density=True, note=note)
    terms.put("entropy.reference", Estimate(known.prior_entropy, 0.0), density=True)
    terms.add("entropy.cross_prior", cross, density=True)
    terms.add("entropy.sigma_forward", sigma)
    terms.put("entropy.sigma_drift", Estimate(log_volume, 0.0))
    terms.add("entropy.sigma_score", swept.norm)
    terms.add("entropy.estimate_plugin", -sigma, end, density=True, note=note)
    terms.add(
        "entropy.estimate_inversion",
        2.0 * marginal + sigma,
        -end,
        density=True,
        note=note,
    )
    terms.add("entropy.estimate_elbo", elbo, density=True)
    terms.add(f"{HEAT}.heat", swept.drift + 4.0 * swept.norm + 2.0 * swept.trace - log_volume)
    terms.add(f"{HEAT}.strain", swept.drift + 4.0 * swept.norm)
    terms.add(f"{HEAT}.drift", swept.drift - 3.0 * log_volume)
    return terms


def _prior_note(terms: Terms) -> None:
    """Say so where the prior misses the noised law by more than a likelihood may ignore."""
    for name in ("bound.prior_mismatch", "bound.prior_mismatch_gaussian"):
        value = terms.values[name]
        if value is not None and value.value > _MISMATCH + 2.0 * value.stderr:
            least = "at least " if name.endswith("gaussian") else ""
            terms.notes[name] = (
                f"the prior misses the noised law at T by {least}{value.value:.3g} nats a sample, "
                "all of it in every likelihood: take prior = matched, centre the data, or let the "
                "process run longer"
            )


def _split(terms: Terms, swept: Sweep, note: str) -> None:
    """Gradient and solenoidal part of the score error."""
    if swept.error is None or swept.gradient is None:
        for name in _PARTS:
            terms.put(name, None, reason=note or "the score error was not split")
        return
    values = (0.5 * swept.gradient, 0.5 * (swept.error - swept.gradient))
    for name, value in zip(_PARTS, values, strict=True):
        terms.add(name, value, note=note)


def flow_terms(
    terms: Terms,
    swept: Sweep,
    cross: Tensor,
    log_volume: float,
    known: Known,
    *,
    flow: tuple[Tensor, Tensor],
) -> None:
    """Add the probability-flow likelihood and its two differences from the marginal one.

    Args:
        terms: where to add.
        swept: the time integrals.
        cross: -ln prior(x_T) of the noised points, per path.
        log_volume: int E[div f] dt, nats.
        known: entropies of the true law.
        flow: (-ln prior(x_T), int trace) along the flow's trajectories, each of the shape of
            `cross` and path by path from the same points.
    """
    prior_term, trace = flow
    ode = prior_term - log_volume + trace
    terms.add("nll.ode", ode, density=True)
    terms.add("bound.terminal_mismatch", prior_term - cross)
    terms.add("bound.trajectory_drift", trace - swept.trace)
    sigma = log_volume + swept.norm
    halves = (_half(known.start, -0.5), _half(known.end, -0.5))
    terms.add("bound.ode_margin", ode + 0.5 * sigma, *halves, reason=known.reason)
