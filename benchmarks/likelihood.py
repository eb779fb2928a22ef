"""Probability-flow likelihood of 256 held-out digits against a scipy loop, at equal accuracy.

Both integrate the same flow with the same exact divergence of the same images, in one process on
one thread: here by `flow_nll`; there by RK45 (rtol = atol = 1e-5) on the flattened batch, points
and log-density together, in model time. Equal accuracy: ours runs at the loosest tolerance of a
short list at which its root mean square error over the images is not the larger one, both against a
much tighter solution. Networks are trained on the spot.

What an exact divergence costs decides the ratio. The U-Net pays a pass for each coordinate, and so
does the levels head, whose read-out makes them cheaper; the Gaussian head on two layers has its
trace in closed form, about twice the score, so that there is next to nothing to save. The U-Net
runs on fewer images and once: scipy alone takes a minute there.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.integrate import solve_ivp
from torch import Tensor

from benchmarks.clock import Row, alternate, row
from thermohw.likelihood import Flow, Timeline, flow_nll
from thermohw.likelihood.reference import Reference
from thermohw.process import VP, Normal
from thermohw.score import Score
from thermohw.score.training import fit_score
from thermohw.target import digits

__all__ = ["against_scipy"]

TOLERANCES = (1e-3, 5e-4, 3e-4, 2e-4, 1e-4, 5e-5, 3e-5, 2e-5, 1e-5, 5e-6, 2e-6)


class _Network(NamedTuple):
    """A network and how to measure it; `tight` is the tolerance of what both are compared with."""

    name: str
    architecture: dict[str, Any]
    steps: int = 400
    images: int = 256
    repeat: int = 5
    tight: float = 1e-9
    asked: str = ">= 5"


NETWORKS = (
    _Network("levels head", {}, repeat=3),
    _Network("Gaussian head", {"head": "gaussian"}, asked=">= 1"),
    _Network("U-Net", {"trunk": "unet", "width": 16}, steps=60, images=32, repeat=1, tight=1e-6),
)


def against_scipy() -> list[Row]:
    """One row for each network."""
    return [_row(network) for network in NETWORKS]


def _row(network: _Network) -> Row:
    target, process = digits(), VP(beta_min=0.1, beta_max=20.0)
    score = fit_score(
        target,
        process,
        seed=0,
        steps=network.steps,
        architecture=network.architecture,
        progress=False,
    )
    points = target.held_out(network.images, torch.Generator().manual_seed(0))
    prior = process.prior("schedule", target.mean, target.covariance)
    timeline = Timeline.of(process)
    reference = Reference(timeline, target.covariance, target.mean)

    def ours(tolerance: float) -> Flow:
        return flow_nll(
            score,
            points,
            prior,
            timeline=timeline,
            reference=reference,
            tolerance=tolerance,
            progress=lambda items, _: items,
        )

    truth = ours(network.tight).nll
    theirs, calls = scipy_nll(score, points, prior)
    allowed = float((theirs - truth).square().mean().sqrt())
    for tolerance in TOLERANCES:
        flow = ours(tolerance)
        error = float((flow.nll - truth).square().mean().sqrt())
        if error <= allowed:
            break
    pairs = alternate(
        lambda: ours(tolerance),
        lambda: scipy_nll(score, points, prior),
        repeat=network.repeat,
    )
    detail = (
        f"{pairs.told()}; error {error:.1e} against {allowed:.1e} "
        f"nats; {flow.score_evaluations} scores + {flow.divergence_evaluations} divergences "
        f"against {calls} of both"
    )
    workload = f"flow_nll(): {network.images} digits, exact divergence, {network.name}"
    return row(workload, "scipy RK45, equal accuracy", pairs.ratios(), network.asked, detail)


@torch.no_grad()
def scipy_nll(
    score: Score, points: Tensor, prior: Normal, tolerance: float = 1e-5
) -> tuple[Tensor, int]:
    """The peer: nats per point, shape (paths,), model units; and how often it called the score."""
    process, (paths, dim) = score.process, points.shape
    calls = 0

    def slope(t: float, y: np.ndarray) -> np.ndarray:
        nonlocal calls
        calls += 1
        x = torch.as_tensor(y[: paths * dim].reshape(paths, dim))
        s, divergence = score.at(t).with_divergence(x)
        drift, half = process.drift(t), 0.5 * process.diffusion(t)
        change = dim * drift - half * divergence
        return np.concatenate([(drift * x - half * s).numpy().ravel(), change.numpy()])

    start = np.concatenate([points.numpy().ravel(), np.zeros(paths)])
    span = (process.t_min, process.duration)
    end = solve_ivp(slope, span, start, method="RK45", rtol=tolerance, atol=tolerance).y[:, -1]
    final = torch.as_tensor(end[: paths * dim].reshape(paths, dim))
    return -prior.log_prob(final) - torch.as_tensor(end[paths * dim :]), calls
