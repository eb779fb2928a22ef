"""Heat on the noised data: the identity with the likelihoods, and the ticks of a circuit."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from scipy.integrate import quad

import thermohw as th
from thermohw.control import make_plan
from thermohw.likelihood import device_elbo, evaluate
from thermohw.likelihood.device_heat import NoisedHeat
from thermohw.likelihood.device_terms import device_terms
from thermohw.likelihood.device_ticks import DeviceTicks
from thermohw.likelihood.progress import silent


def random(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def humps(std: float) -> Any:
    return th.targets.gaussian_mixture(means=[[-1.0], [1.0]], stds=std, weights=[0.5, 0.5])


def test_identity_without_drift() -> None:
    """VE(10), +-1 of deviation .2, score .95 s: Q/kT = 2 H1 + 4 U - 6 NLL_marg = 4.230342, and the
    same from the rates, int g^2 (2 c^2 - c) E|s|^2 dt, by quadrature over x and t.
    """
    process, target = th.VE(sigma=10.0), humps(0.2)
    score = target.score(process).scaled(0.95)
    found = evaluate(score, target, generator=random(0), progress=silent)
    prior, elbo, marginal = (
        found[n].value for n in ("entropy.cross_prior", "nll.sde_elbo", "nll.marginal")
    )
    heat = 2.0 * prior + 4.0 * elbo - 6.0 * marginal
    assert heat == pytest.approx(4.230342, abs=2e-6)
    assert found["energy_likelihood.heat"].value == pytest.approx(heat, abs=1e-9)
    assert found["energy_likelihood.drift"].value == pytest.approx(0.0, abs=1e-12)

    def square(v: float) -> float:
        """E|s|^2 of the two humps of variance v."""

        def density(x: float) -> tuple[float, float]:
            parts = [math.exp(-0.5 * (x - m) ** 2 / v) for m in (-1.0, 1.0)]
            whole = sum(parts)
            slope = sum(-(x - m) / v * p for m, p in zip((-1.0, 1.0), parts, strict=True))
            return 0.5 * whole / math.sqrt(2.0 * math.pi * v), slope / whole

        reach = 1.0 + 10.0 * math.sqrt(v)
        return quad(lambda x: density(x)[0] * density(x)[1] ** 2, -reach, reach, limit=400,
                    points=(-1.0, 0.0, 1.0), epsabs=1e-11)[0]  # fmt: skip

    begin, end = 0.04, 0.04 + (100.0 - 1.0) / (2.0 * math.log(10.0))
    rate = quad(lambda u: square(math.exp(u)) * math.exp(u), math.log(begin), math.log(end),
                epsabs=1e-9)[0]  # fmt: skip
    assert (2.0 * 0.95**2 - 0.95) * rate == pytest.approx(heat, abs=2e-6)


def walked(plan: Any, ticks: int, square: Any, share: float) -> NoisedHeat:
    """Books of states z = sqrt(v(t_n)) of one node, whose squares are the law's mean square."""
    kernels, t = DeviceTicks(plan), plan.schedule.model_time
    books = NoisedHeat(plan, kernels, 1)
    for tick in range(ticks + 1):
        state = torch.tensor([[math.sqrt(square(t[tick]) / share)]], dtype=torch.float64)
        source = plan.laws[tick].sources(state)
        if tick == ticks:
            books.close(state, source)
        else:
            books.add(tick, state, kernels.push(tick) * kernels.force(source))
    return books


def test_sums_of_a_gaussian() -> None:
    """N(0, 1/4) under OU: e^2 = v (1 - 2/v)^2 of its own law v(t), so that the strain is a known
    integral and held ticks are a sum; the trapezoidal rule is of second order, and the coarse rule
    tells its error.
    """
    process = th.OU(duration=3.0)
    target = th.targets.gaussian([0.0], 0.5)
    score, device = target.score(process), th.load_device("rc1")

    def variance(t: float) -> float:
        return 1.0 - 0.75 * math.exp(-2.0 * t)

    def strain(t: float) -> float:
        return variance(t) * (1.0 - 2.0 / variance(t)) ** 2

    exact = quad(strain, 0.0, 3.0, epsabs=1e-12)[0]
    errors = []
    for count in (64, 128):
        plan = make_plan(th.Protocol(device, process, score, wiring="emf", control="clocked",
                                     ticks=count, grid="uniform", allow_ringing=True))  # fmt: skip
        share = 1.0 / float(DeviceTicks(plan).law(0).covariance[0]) * -math.expm1(-6.0 / count)
        books = walked(plan, count, variance, share)
        decay, t = math.exp(-3.0 / count), plan.schedule.model_time
        held = sum(0.5 * (1.0 - decay**2) * (strain(t[n]) - 1.0) for n in range(count))
        assert float(books.held) == pytest.approx(held, rel=1e-9)
        errors.append(float(books.strain) - exact)
        assert (float(books.coarse) - float(books.strain)) / 3.0 == pytest.approx(
            errors[-1], rel=0.05
        )
    assert errors[0] / errors[1] == pytest.approx(4.0, rel=0.05)


@pytest.mark.parametrize("wiring", ["emf", "current"])
def test_circuit_and_likelihood_meet_unless_their_scores_differ(wiring: str) -> None:
    """Two humps on one node: sources at noised data give the heat of the likelihoods, four standard
    errors from that of a score 5 % larger, which is what the books would have called.
    """
    process, target = th.OU(duration=3.0), humps(math.sqrt(0.4))
    score = target.score(process)
    plan = make_plan(th.Protocol(th.load_device("rc1"), process, score, wiring=wiring,
                                 control="clocked", ticks=256, grid="uniform"))  # fmt: skip
    points = target.sample(10_000, random(1))
    right, wrong = (
        evaluate(score.scaled(factor), target, generator=random(0), progress=silent)
        for factor in (1.0, 1.05)
    )
    terms = device_terms(plan, target, points, prior="schedule", generator=random(2),
                         beside=right)[0]  # fmt: skip
    ticks, rule, residual = (
        terms[f"energy_likelihood.{name}"] for name in ("ticks", "quadrature", "residual")
    )
    assert ticks is not None and rule is not None and residual is not None
    strain = "energy_likelihood.strain"
    assert residual.value == pytest.approx(ticks.value - right[strain].value, abs=1e-12)
    assert rule.value < 0.1 * residual.stderr
    assert abs(residual.z()) < 4.0 < abs((ticks - wrong[strain]).z())


def test_no_books_of_noisy_readings_or_edges() -> None:
    """Readings that move the source, and a score without a value at the end, leave the bound."""
    process, target = th.OU(duration=3.0), humps(0.6)
    keys: Any = {"wiring": "emf", "control": "clocked", "ticks": 128}
    plan = make_plan(th.Protocol(th.load_device("rc1"), process, target.score(process), **keys,
                                 reading_noise="30 uV"))  # fmt: skip
    prior = process.prior("schedule", target.mean, target.covariance)
    points = target.sample(4, random(0))
    assert device_elbo(plan, points, prior, generator=random(0)).heat is None
    edges = th.targets.uniform_pixels(8)
    plan = make_plan(th.Protocol(th.load_device("rc64"), process, edges.score(process), **keys,
                                 allow_ringing=True))  # fmt: skip
    prior = process.prior("schedule", edges.mean, edges.covariance)
    found = device_elbo(plan, edges.sample(4, random(0)), prior, generator=random(0))
    assert found.heat is None and bool(torch.isfinite(found.total).all())
