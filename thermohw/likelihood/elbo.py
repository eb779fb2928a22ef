r"""Evidence bound of the generative SDE.

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

__all__ = ["sde_elbo", "sde_elbo_denoising"]


def sde_elbo(swept: Sweep, cross_entropy: Tensor, log_volume: float) -> Tensor:
    """Divergence form.

    Args:
        swept: the time integrals.
        cross_entropy: -ln prior(x_T) per path, shape (paths,) or (1,), nats.
        log_volume: int E[div f] dt, nats.

    Returns:
        One value per path, shape (paths,) or (1,), nats, model units.
    """
    return cross_entropy - log_volume + swept.norm + 2.0 * swept.trace


def sde_elbo_denoising(swept: Sweep, cross_entropy: Tensor, log_volume: float) -> Tensor:
    """Denoising form; arguments and result as `sde_elbo`."""
    return cross_entropy - log_volume + swept.norm - 2.0 * swept.cross
