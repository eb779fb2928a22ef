r"""The marginal negative log-likelihood, which the entropy bound bounds, and the evidence bound.

Average the change of variables over the true noised law p_t instead of over the model's own
trajectories:

    NLL_marg = H1 - int E_{p_t}[div f] dt + (1/2) int g^2 E_{p_t}[div s] dt,
    H1 = -E_{p_T}[ln prior].

It needs held-out data and noise, no true score and no ODE. Integrating by parts (Stein) with the
denoising target s_cond = grad ln p(x_t | x_0),

    E_{p_t}[div s] = -E[s_cond . s],

gives the denoising form, without any divergence. Both are returned: they share their expectation
and differ in noise, so their difference tests the divergence.

For the exact score and prior = p_T it equals S(t_min). It is not the likelihood of a model: it
falls below the entropy when the score is too large (NLL_marg - S0 = (1 - c) ln(r)/2 for c times the
exact score of a Gaussian whose variance grows r-fold).

Evidence bound of the generative SDE:

    U = H1 + int ( (g^2/2) E|s|^2 + g^2 E[div s] - E[div f] ) dt
      = S(t_min) + K1 + (1/2) int g^2 E|s - s_true|^2 dt

bounds the negative log-likelihood of the law the reverse SDE generates (Girsanov; Song, Durkan,
Murray, Ermon, "Maximum likelihood training of score-based diffusion models", 2021). The first form
needs no true score; the denoising form replaces E[div s] by -E[s_cond . s]. U does not bound the
probability-flow likelihood, whose law is another one: 5 % too small a score on a mixture has
NLL_ode - S0 above U - S0.

In terms of the marginal likelihood, U = NLL_marg + int (g^2/2)(E|s|^2 + E[div s]) dt: the two agree
for a calibrated score.
"""

from __future__ import annotations

from torch import Tensor

from thermohw.likelihood.sweep import Sweep

__all__ = ["marginal_nll", "marginal_nll_denoising", "sde_elbo", "sde_elbo_denoising"]


def marginal_nll(swept: Sweep, cross_entropy: Tensor, log_volume: float) -> Tensor:
    """Divergence form.

    Args:
        swept: the time integrals.
        cross_entropy: -ln prior(x_T) per path, shape (paths,) or (1,), nats.
        log_volume: int E[div f] dt, nats.

    Returns:
        One value per path, shape (paths,) or (1,), nats, model units.
    """
    return cross_entropy - log_volume + swept.trace


def marginal_nll_denoising(swept: Sweep, cross_entropy: Tensor, log_volume: float) -> Tensor:
    """Denoising form; arguments and result as `marginal_nll`."""
    return cross_entropy - log_volume - swept.cross


def sde_elbo(swept: Sweep, cross_entropy: Tensor, log_volume: float) -> Tensor:
    """Divergence form of U; arguments and result as `marginal_nll`."""
    return cross_entropy - log_volume + swept.norm + 2.0 * swept.trace


def sde_elbo_denoising(swept: Sweep, cross_entropy: Tensor, log_volume: float) -> Tensor:
    """Denoising form of U; arguments and result as `marginal_nll`."""
    return cross_entropy - log_volume + swept.norm - 2.0 * swept.cross
