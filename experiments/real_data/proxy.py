r"""A proxy in the place of the true score: what it says of the bound, and what it gets wrong.

In units of diffusion time, ds = g^2/2 dt, with V = int E[div f] dt, a model's score s, the proxy's
s_P, the Gaussian entropy S1 of p_T's moments and E over noised held-out points:

    Sigma = V + int E|s|^2 ds,   Sigma_P likewise,   S0_P = S1 - Sigma_P
    bound     B_P = (S0_P + S1)/2 - Sigma/2
    gap       M - B_P,   M = H1 - V - int E[s_cond.s] ds     (nll.marginal by denoising)
    error     (1/2) int E|s - s_P|^2 ds
    residual  gap - (H1 - S1) - error = int E[s.(s_P - s_cond)] ds: zero for s_P = s*, measurable

and where the true score s* is known

    true.bound_bias   B_P - B = (1/2) int E[|s*|^2 - |s_P|^2] ds
    true.error        (1/2) int E|s - s*|^2 ds,      true.proxy_error  the same of s_P
    true.overlap      int E[(s - s*).(s_P - s*)] ds: errors that model and proxy share

    error = true.error + true.proxy_error - true.overlap

Known truth gives the distance of every estimate from S0 too, free of the scatter of S0 over
points, up to K1:

    U - S0 = 2 true.error,   true.plugin = E1 - S0 = 2 (B - S0),   true.marginal = M - S0
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from thermohw.experiments.shared.problems import noised_both_ways
from thermohw.likelihood import Timeline
from thermohw.score import Score
from thermohw.target import GaussianMixture, Target

_TIMES = 27


@torch.no_grad()
def against(
    model: Score, proxy: Score, target: Target, points: Tensor, generator: torch.Generator
) -> dict[str, tuple[float, float]]:
    """A model held against a proxy of the true score, and both against the truth where it is known.

    Over held-out points, shape (n, dim), model units, and an isotropic process. Every noise is used
    with both signs, and all terms share it, so that differences keep the small errors they deserve.

    Returns:
        name -> (value, standard error over points), nats: bound (data units), gap, error,
        residual, residual_direct (by its own definition, on the same draws), sigma_difference =
        Sigma - Sigma_P; with a known truth also true.bound_bias, true.error, true.overlap,
        true.plugin, true.marginal, and true.proxy_error, true.proxy_marginal of the proxy.
    """
    process = model.process
    smooth = isinstance(target, GaussianMixture)
    timeline = Timeline.of(process, target.narrowest if smooth else 0.0)
    truth = target.score(process) if smooth else None
    sums: dict[str, Tensor] = {}
    for t, step, pair in noised_both_ways(timeline, points, generator, _TIMES):
        fields = [s.at(t) for s in (model, proxy, truth) if s is not None]
        for x, conditional in pair:
            s, p, *rest = [field(x) for field in fields]
            products = {"ss": s * s, "pp": p * p, "sc": s * conditional, "sp": s * p}
            products["dd"] = (s - p).square()
            for true in rest:
                products |= {"tt": true * true, "st": (s - true).square()}
                products |= {"pt": (p - true).square(), "mix": (s - true) * (p - true)}
            for name, value in products.items():
                sums[name] = sums.get(name, 0.0) + step * value.sum(1)  # type: ignore[operator]
    end = process.prior("matched", target.mean, target.covariance).entropy
    decay, variance = process.transition(process.duration)  # prior N(0, variance)
    square = float(decay) ** 2 * points.square().sum(1) / float(variance) + target.dim
    cross = 0.5 * (target.dim * math.log(2.0 * math.pi * float(variance)) + square)
    volume, mismatch = timeline.log_volume(target.dim), cross - end
    bound = end - volume - 0.5 * (sums["ss"] + sums["pp"])
    marginal = cross - volume - sums["sc"]
    error = 0.5 * sums["dd"]
    terms = {
        "bound": bound + target.log_volume, "gap": marginal - bound, "error": error,
        "residual": marginal - bound - mismatch - error, "residual_direct": sums["sp"] - sums["sc"],
        "sigma_difference": sums["ss"] - sums["pp"],
    }  # fmt: skip
    if truth is not None:
        terms |= {
            "true.bound_bias": 0.5 * (sums["tt"] - sums["pp"]), "true.error": 0.5 * sums["st"],
            "true.proxy_error": 0.5 * sums["pt"], "true.overlap": sums["mix"],
            "true.plugin": sums["tt"] - sums["ss"],
            "true.marginal": 0.5 * (sums["tt"] - sums["ss"] + sums["st"]),
            "true.proxy_marginal": 0.5 * (sums["tt"] - sums["pp"] + sums["pt"]),
        }  # fmt: skip
    root = math.sqrt(len(points))
    return {name: (float(v.mean()), float(v.std()) / root) for name, v in terms.items()}
