r"""The marginal negative log-likelihood: the quantity that the entropy bound bounds.

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
"""

from __future__ import annotations

from torch import Tensor

from thermohw.likelihood.sweep import Sweep

__all__ = ["marginal_nll", "marginal_nll_denoising"]


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
