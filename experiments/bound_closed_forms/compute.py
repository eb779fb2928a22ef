"""Accounts of scores made wrong on purpose, by quadrature; nats, model units."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from thermohw.experiments.shared.paired import clean_pixel
from thermohw.likelihood import evaluate
from thermohw.likelihood.progress import silent
from thermohw.process import VE, VP, Process
from thermohw.score import Field, Score
from thermohw.study import Cell, Row, Tools
from thermohw.target import Target, gaussian, gaussian_mixture, uniform_pixels

_TERMS = {
    "ode": "nll.ode", "marginal": "nll.marginal", "elbo": "nll.sde_elbo", "bound": "bound.lower",
    "score_error": "bound.score_error", "sigma": "entropy.sigma_forward", "s0": "entropy.data",
    "s1": "entropy.prior", "k1": "bound.prior_mismatch", "residual": "bound.residual",
    "terminal": "bound.terminal_mismatch", "drift": "bound.trajectory_drift",
}  # fmt: skip
_NARROW = (gaussian_mixture([-1.0, 1.0], 0.2), math.sqrt(1.04))  # and its standard deviation


class _TurnedField(Field):
    """(s + w J s)/(1 + w^2) of a field whose Jacobian is a multiple of the identity."""

    def __init__(self, field: Field, turn: float) -> None:
        self._field, self._share = field, 1.0 / (1.0 + turn**2)
        self._matrix = self._share * torch.tensor([[1.0, turn], [-turn, 1.0]], dtype=torch.float64)

    def __call__(self, x: Tensor) -> Tensor:
        return self._field(x) @ self._matrix

    def with_divergence(self, x: Tensor) -> tuple[Tensor, Tensor]:
        score, divergence = self._field.with_divergence(x)
        return score @ self._matrix, self._share * divergence  # tr(J grad s) = 0 here


class _Turned(Score):
    """The calibrated score of one isotropic Gaussian in two dimensions with a solenoidal error."""

    def __init__(self, base: Score, turn: float) -> None:
        self.base, self.turn = base, turn
        self.process, self.dim, self.narrowest = base.process, base.dim, base.narrowest

    def at(self, t: float) -> Field:
        return _TurnedField(self.base.at(t), self.turn)


def compute(cell: Cell, tools: Tools) -> Row:
    """The account of one score, or one pixel's entropies."""
    generator = tools.generator()
    kind = cell["kind"]
    if kind in ("scaled", "rotation"):
        process = VE(sigma=10.0)
        start = process.transition(1.0)[1] / (cell["growth"] - 1.0)
        dim = 1 if kind == "scaled" else 2
        target = gaussian([0.0] * dim, math.sqrt(start))
        true = target.score(process)
        score = true.scaled(cell["factor"]) if dim == 1 else _Turned(true, cell["turn"])
        return account(score, target, generator)
    if kind == "mixture":
        process = VE(sigma=10.0) if cell["process"] == "ve" else VP(0.1, 20.0)
        target, deviation = _NARROW
        if cell["score"] == "linear":
            return account(gaussian(0.0, deviation).score(process), target, generator)
        factor = 1.0 if cell["score"] == "exact" else float(cell["score"])
        return account(target.score(process).scaled(factor), target, generator)
    if kind == "pixel":
        return _pixel(cell)
    if kind == "truncation":
        return _truncation(cell["deviation"])
    return {"ode": _euler(cell["steps"], VE(sigma=25.0))}


def account(score: Score, target: Target, generator: torch.Generator) -> dict[str, float]:
    """Every term by quadrature over a grid, nats, model units = data units."""
    how = {"prior": "matched", "expectation": "grid", "tolerance": 1e-9, "progress": silent}
    terms = evaluate(score, target, generator=generator, **how)
    return {short: terms[name].value for short, name in _TERMS.items()}


def _pixel(cell: Cell) -> dict[str, float]:
    """Entropies of one noised uniform pixel against its prior, and against N(0, 1) for VP."""
    target = uniform_pixels(1, centred=cell["centred"])
    process = VE(cell["sigma"]) if cell["process"] == "ve" else VP(0.1, cell["sigma"])
    end = target.score(process).entropy(1.0).value
    decay, noise = process.transition(1.0)
    square = decay**2 * (1.0 / 12.0 + float(target.mean[0]) ** 2) + noise
    values = {"s1": end}
    for name, variance in (("schedule", noise), ("unit", 1.0)):
        own = 0.5 * math.log(2.0 * math.pi * variance)
        values[f"{name}.entropy"] = own + 0.5
        values[f"{name}.k1"] = own + 0.5 * square / variance - end
    return values


def _truncation(deviation: float) -> dict[str, float]:
    """A uniform pixel that starts with noise: S(t_min), and the true score's flow likelihood.

    The flow of the true score carries p_tmin to p_T; asked for a clean pixel it returns
    -ln p_tmin(x0) up to K1, here averaged over the pixel by Gauss-Legendre panels.
    """
    target = uniform_pixels(1)
    blank = VE(sigma=25.0)
    start = blank.time_at_log_snr(-2.0 * math.log(deviation))
    true = target.score(VE(sigma=25.0, t_min=start))
    x, weight = clean_pixel(target, deviation)
    log_p = true.log_prob(x, start)
    return {"s0": true.entropy(start).value, "ode": -float(weight @ log_p)}


def _euler(steps: int, process: Process) -> float:
    """nll.ode of the mixture by explicit Euler steps of equal model time, true score."""
    target, _ = _NARROW
    true = target.score(process)
    grid = torch.linspace(-3.0, 3.0, 1201, dtype=torch.float64)[:, None]
    weight = true.log_prob(grid, 0.0).exp()
    x, trace, dt = grid.clone(), torch.zeros(len(grid), dtype=torch.float64), 1.0 / steps
    for n in range(steps):
        score, divergence = true.at(n * dt).with_divergence(x)
        strength = 0.5 * float(process.diffusion(n * dt))
        trace += dt * strength * divergence
        x = x - dt * strength * score
    prior = process.prior("matched", target.mean, target.covariance)
    return float(weight @ (trace - prior.log_prob(x)) / weight.sum())
