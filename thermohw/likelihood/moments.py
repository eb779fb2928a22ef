r"""What one instant of noising contributes: per-path values at one moment, noise taken out.

Per unit of diffusion time, with s the score and D, F as in `timeline`:

    norm           s . D s                 score_square    |s|^2
    trace          tr(D grad s)            second_moment   |x|^2
    cross          s_cond . D s            drift_score     F x . s
    error          d . D d, d = s - s_true drift_square    F x . D^-1 F x  (F: what dissipates)
    error_gradient gradient part of error  position_score  x . s

For samples x = c + noise^{1/2} z all of these but the trace and the error are made mostly of noise
when the noise is large: |s|^2 alone scatters by sqrt(2 dim) per point. A Gaussian score g (see
`reference`) makes the same expressions quadratic in z, with known means given the data point,

    E_z q(c + noise^{1/2} z) = q(c) + tr(Q noise),      q(x) = x^T Q x + linear,

so value(s) - value(g) + E_z value(g) has the same mean for every point and far less scatter:
a control variate conditional on the data, hence free of bias whatever the data's true moments.
"""

from __future__ import annotations

import torch
from torch import Tensor

from thermohw.likelihood.ensemble import Draw
from thermohw.likelihood.helmholtz import Split
from thermohw.likelihood.reference import Reference
from thermohw.likelihood.timeline import Moment, apply
from thermohw.likelihood.trace import Trace
from thermohw.score import Score

__all__ = ["moment_values"]


def moment_values(
    score: Score,
    draw: Draw,
    moment: Moment,
    *,
    truth: Score | None,
    trace: Trace,
    reference: Reference,
    split: Split | None = None,
) -> dict[str, Tensor]:
    """All values of the module at one moment.

    Args:
        score: the model's score.
        draw: points of p_t.
        moment: when.
        truth: exact score of p_t, where known.
        trace: how traces are taken.
        reference: the Gaussian used as control variate.
        split: how the error's gradient part is found, if it is.

    Returns:
        Name -> values of shape (paths,), or (1,) where the draw is a grid; nats per unit of
        diffusion time ("second_moment": model units squared).
    """
    field, x = score.at(moment.time), draw.x
    s = field(x)
    values = _forms(s, x, draw.conditional, moment)
    if draw.centre is not None and draw.noise is not None:
        slope, mean = reference.score(moment.time)
        noisy = _forms((x - mean) @ slope, x, draw.conditional, moment)
        known = _forms((draw.centre - mean) @ slope, draw.centre, None, moment)
        scatter = _scatter(slope, draw.noise, moment)
        for name, value in values.items():
            values[name] = value - noisy[name] + (known[name] + scatter[name])
    values["trace"] = trace.prepare(*x.shape)(field, x, moment.mobility).mean(0)
    reduced = {name: draw.reduce(value) for name, value in values.items()}
    if truth is not None:
        wrong = s - truth.at(moment.time)(x)
        reduced["error"] = draw.reduce((wrong * apply(moment.mobility, wrong)).sum(1))
        if split is not None:
            reduced["error_gradient"] = split(wrong, draw, moment)
    return reduced


def _forms(s: Tensor, x: Tensor, conditional: Tensor | None, moment: Moment) -> dict[str, Tensor]:
    """The quadratic expressions for a score s at points x; s_cond None counts as zero."""
    pushed, flow = apply(moment.mobility, s), apply(moment.irreversible, x)
    cross = torch.zeros_like(s) if conditional is None else conditional * pushed
    return {
        "norm": (s * pushed).sum(1),
        "cross": cross.sum(1),
        "drift_score": (flow * s).sum(1),
        "drift_square": (flow * apply(_inverse(moment.mobility), flow)).sum(1),
        "score_square": s.square().sum(1),
        "second_moment": x.square().sum(1),
        "position_score": (x * s).sum(1),
    }


def _scatter(slope: Tensor, noise: Tensor, moment: Moment) -> dict[str, float]:
    """tr(Q noise) of each expression for the linear score of that slope (symmetric)."""
    identity = torch.eye(len(slope), dtype=slope.dtype)
    mobility, drift = moment.mobility * identity, moment.irreversible * identity
    if isinstance(moment.mobility, Tensor):
        mobility = moment.mobility
    if isinstance(moment.irreversible, Tensor):
        drift = moment.irreversible
    inverse = apply(_inverse(moment.mobility), identity)
    forms = {
        "norm": slope @ mobility @ slope @ noise,
        "cross": -mobility @ slope,
        "drift_score": drift.T @ slope @ noise,
        "drift_square": drift.T @ inverse @ drift @ noise,
        "score_square": slope @ slope @ noise,
        "second_moment": noise,
        "position_score": slope @ noise,
    }
    return {name: float(form.trace()) for name, form in forms.items()}


def _inverse(mobility: float | Tensor) -> float | Tensor:
    """D^-1; for a singular D the pseudo-inverse, which keeps the directions that noise reaches."""
    if isinstance(mobility, Tensor):
        return torch.linalg.pinv(mobility, hermitian=True)
    return 1.0 / mobility
