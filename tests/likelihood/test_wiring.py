"""Physical rates by quadrature: reference heats, the account that closes, the energy law."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from acceptance import assert_z
from likelihood.altered import Altered

from thermohw.errors import InputError
from thermohw.likelihood import (
    ExactTrace,
    Likelihood,
    SampleEnsemble,
    Timeline,
    energy_law,
    evaluate,
    integrate_rates,
    physical_rates,
)
from thermohw.likelihood.moments import moment_values
from thermohw.likelihood.reference import Reference
from thermohw.process import OU, VE, VP, Relaxation
from thermohw.score import Score
from thermohw.target import Target, gaussian, gaussian_mixture

LINE = gaussian_mixture([-1.0, 1.0], math.sqrt(0.4))
PRINTED = 6e-7  # half a unit of the last of six digits, and quadrature


def run(score: Score, target: Target, generator: torch.Generator, **more: object) -> Likelihood:
    options = {"prior": "matched", "tolerance": 1e-3, "moments": 223} | more
    return evaluate(score, target, generator=generator, **options)  # type: ignore[arg-type]


def totals(result: Likelihood, score: Score, wiring: str, control: str, theta: float = 1.0) -> dict:
    rates = physical_rates(
        result.profile,
        score.process,
        dim=score.dim,
        theta=theta,
        wiring=wiring,
        control=control,
    )
    return integrate_rates(result.profile, rates)


def test_ou_mixture(generator: torch.Generator) -> None:
    """The demon in numbers: heats of three wirings of one process, to the printed digits."""
    score = LINE.score(OU(duration=3.0))
    result = run(score, LINE, generator)
    smooth, held, current = (
        totals(result, score, *way)
        for way in (("emf", "continuous"), ("emf", "clocked"), ("current", "clocked"))
    )
    assert smooth["heat"] == pytest.approx(0.017577, abs=PRINTED)
    assert held["heat"] == pytest.approx(-0.164350, abs=PRINTED)
    assert current["heat"] == pytest.approx(0.199504, abs=PRINTED)
    assert current["work"] == pytest.approx(0.399008, abs=PRINTED)
    assert current["pumping"] == pytest.approx(0.181927, abs=PRINTED)
    for account in (smooth, current):
        assert account["production"] == pytest.approx(0.108541, abs=PRINTED)
        # system entropy of generation, -(S1 - S0)
        assert account["system"] == pytest.approx(0.090963, abs=PRINTED)
    assert held["heat"] + held["system"] < 0.0  # only the information restores the second law
    assert "production" not in held
    assert smooth["energy"] == pytest.approx(0.5 * (1.4 - 1.0 - 0.4 * math.exp(-6.0)), abs=PRINTED)


@pytest.mark.parametrize(
    ("theta", "held", "current"), [(1e4, 2.7724, 0.0), (1.0, 1.2726, 2.25), (0.1, -12.2274, 360.0)]
)
def test_ve_gaussian(theta: float, held: float, current: float, generator: torch.Generator) -> None:
    """r = 4: the leak that a driftless process has to cancel decides over clocked and current."""
    process = VE(sigma=10.0)
    variance = process.transition(1.0)[1] / 3.0  # model units in which v0 = 1: theta scales along
    target = gaussian(0.0, math.sqrt(variance))
    score = target.score(process)
    result = run(score, target, generator)
    scaled = theta * variance
    emf = totals(result, score, "emf", "continuous", scaled)
    assert emf["heat"] == pytest.approx(2.0 * math.log(2.0), abs=1e-8)  # leak or not
    assert emf["production"] == pytest.approx(math.log(2.0), abs=1e-8)
    clocked = totals(result, score, "emf", "clocked", scaled)["heat"]
    assert clocked == pytest.approx(4.0 * math.log(2.0) - 1.5 / theta, abs=1e-8)
    assert clocked == pytest.approx(held, abs=6e-5)
    parallel = totals(result, score, "current", "continuous", scaled)
    exact = 0.5 * (7.5 - 3.0 * theta) / theta**2  # int (v/theta - 1) dv/(2 theta) over 1 to 4
    assert parallel["heat"] == pytest.approx(exact, abs=1e-8 * max(1.0, exact))
    if theta < 1e4:
        assert parallel["heat"] == pytest.approx(current, abs=1e-6)
    assert parallel["pumping"] == pytest.approx(-2.0 * math.log(2.0) + 1.5 / theta, abs=1e-7)


@pytest.mark.parametrize("process", [VE(sigma=10.0), VP(), OU(duration=3.0)])
def test_accounts_close(process: VE | VP | OU, generator: torch.Generator) -> None:
    """Any score: work from the sources themselves, productions as squares, at every time.

    emf: e = x + (theta/D) b drives the charge, work = (E[e . b] + D E div e)/theta; current: the
    source u works against the voltage, work = E[x . u]/theta. Neither uses the first law.
    """
    score = Altered(LINE.score(process), lambda s, x, t: 0.8 * s + 0.1 * torch.sin(x))
    result = run(score, LINE, generator, moments=55)
    profile, theta = result.profile, 0.7
    times, square, position = (profile[k] for k in ("time", "second_moment", "position_score"))
    d = np.array([0.5 * process.diffusion(t) for t in times])
    f = np.array([process.drift(t) for t in times])
    norm, spread = profile["score_square"], -f + 2.0 * profile["trace"]
    x_b = -f * square + 2.0 * d * position
    b_b = f**2 * square - 4.0 * d * f * position + 4.0 * d**2 * norm
    options: dict[str, Any] = {"dim": 1, "theta": theta}
    emf = physical_rates(profile, process, wiring="emf", control="continuous", **options)
    expected = (b_b + d / theta * x_b) / d + spread + d / theta
    assert np.allclose(emf["work"], expected, rtol=1e-10, atol=1e-10 * np.abs(expected).max())
    current = physical_rates(profile, process, wiring="current", control="continuous", **options)
    expected = (x_b + d / theta * square) / theta
    assert np.allclose(current["work"], expected, rtol=1e-10, atol=1e-10 * np.abs(expected).max())
    for rates in (emf, current):
        assert (rates["production"] > 0.0).all()
        assert np.allclose(rates["work"] - rates["heat"], rates["energy"])
    # productions are squares: E|b - D s_true|^2/D and E|b_free - D s_true|^2/D with Stein
    fisher = profile["score_error"] - d * norm - 2.0 * profile["trace"]
    squares = b_b / d + 2.0 * spread + fisher
    assert np.allclose(emf["production"], squares, rtol=1e-9, atol=1e-9 * np.abs(squares).max())
    squares = d / theta**2 * square - 2.0 * d / theta + fisher
    assert np.allclose(current["production"], squares, rtol=1e-9, atol=1e-9 * squares.max())


def test_moments_from_samples(generator: torch.Generator) -> None:
    """E[x . s] = -d for the exact score, with its control variate, at little and at much noise."""
    target = gaussian_mixture([[-1.0, 0.0], [1.0, 0.5]], 0.5)
    process = VP()
    score, timeline = target.score(process), Timeline.of(process, target.narrowest)
    # a reference of other moments than the data's: a worse control variate, still without bias
    reference = Reference(timeline, 2.0 * np.eye(2), np.array([0.3, 0.1]))
    ensemble = SampleEnsemble(process, target.sample(4000, generator), generator)
    for u in timeline.rule(6)[0]:
        moment = timeline.at(float(u))
        values = moment_values(
            score,
            ensemble.draw(moment.time),
            moment,
            truth=None,
            trace=ExactTrace(),
            reference=reference,
        )
        assert_z(values["position_score"], -2.0, label=f"t = {moment.time:.3g}")


def test_exchange_and_heat(generator: torch.Generator) -> None:
    """exchange = -heat for the true score, and for an altered one by 2 E[b . (s - s_true)]."""
    for process in (VE(sigma=10.0), VP()):
        exact = LINE.score(process)
        for c in (1.0, 0.8):
            result = run(exact.scaled(c), LINE, generator, moments=111)
            profile = result.profile
            heat = physical_rates(
                profile, process, dim=1, theta=1.0, wiring="emf", control="continuous"
            )["heat"]
            d = np.array([0.5 * process.diffusion(t) for t in profile["time"]])
            f = np.array([process.drift(t) for t in profile["time"]])
            # s - s_true = (1 - 1/c) s
            seen = (1.0 - 1.0 / c) * (
                -f * profile["position_score"] + 2.0 * d * profile["score_square"]
            )
            scale = np.abs(heat).max()
            assert np.allclose(profile["exchange"] + heat, 2.0 * seen, atol=1e-9 * scale)
            assert (np.abs(seen).max() > 1e-2 * scale) == (c != 1.0)
            if c == 1.0:
                emf = physical_rates(
                    profile, process, dim=1, theta=1.0, wiring="emf", control="continuous"
                )
                assert np.allclose(profile["intrinsic"], emf["production"], atol=1e-9 * scale)


def test_energy_law(generator: torch.Generator) -> None:
    """Q - surplus >= 2 [(S0 + S1) - 2 NLL_marg], with slack 4 (NLL_marg - B)."""
    process, r = VE(sigma=10.0), 4.0
    target = gaussian(0.0, math.sqrt(process.transition(1.0)[1] / 3.0))
    for c in (1.0, 0.9):
        score = target.score(process).scaled(c)
        result = run(score, target, generator)
        law = energy_law(result)
        # norm = c^2 ln(r)/2, trace = -c ln(r)/2
        assert law.heat.value == pytest.approx((2.0 * c**2 - c) * math.log(r), abs=1e-8)
        assert law.surplus.value == pytest.approx(c * (c - 1.0) * math.log(r), abs=1e-8)
        emf = totals(result, score, "emf", "continuous")
        assert law.heat.value == pytest.approx(emf["heat"], abs=1e-8)
        assert law.least is not None and law.slack is not None
        slack = law.heat.value - law.surplus.value - law.least.value
        assert slack == pytest.approx(law.slack.value, abs=1e-8)
        assert slack == pytest.approx((1.0 - c) ** 2 * math.log(r), abs=1e-8)
        # without the surplus the law fails for a score that is too small
        assert (law.heat.value < law.least.value - 1e-8) == (c == 0.9)
    result = run(LINE.score(VP()), LINE, generator, moments=27)
    with pytest.raises(InputError, match="without drift"):
        energy_law(result)


def test_energy_law_from_samples(generator: torch.Generator) -> None:
    """Every side of the law lies within its own standard error of the closed form."""
    process, r, c = VE(sigma=10.0), 4.0, 0.9
    target = gaussian(0.0, math.sqrt(process.transition(1.0)[1] / 3.0))
    score, zs = target.score(process).scaled(c), []
    for _ in range(40):
        law = energy_law(run(score, target, generator, points=64, moments=27))
        assert law.least is not None and law.slack is not None
        # error = norm + 2 trace + norm of the true score; least = 2 [(S0 + S1) - 2 NLL_marg]
        exact = {"slack": (1.0 - c) ** 2 * math.log(r), "least": 2.0 * (c - 0.5) * math.log(r)}
        zs.append([(getattr(law, k).value - v) / getattr(law, k).stderr for k, v in exact.items()])
    size = np.square(zs).mean(0)
    assert_z(size, np.ones(2), stderr=math.sqrt(2.0 / len(zs)), label="size of the errors")


def test_bad_requests(generator: torch.Generator) -> None:
    process = VP()
    profile = run(LINE.score(process), LINE, generator, moments=27).profile
    good: dict[str, Any] = {"dim": 1, "theta": 1.0, "wiring": "emf", "control": "continuous"}
    for change, words in (
        ({"wiring": "both"}, "choose emf or current"),
        ({"control": "held"}, "continuous or clocked"),
        ({"theta": 0.0}, "theta must be positive"),
    ):
        bad: dict[str, Any] = {**good, **change}
        with pytest.raises(InputError, match=words):
            physical_rates(profile, process, **bad)
    with pytest.raises(InputError, match="uncoupled"):
        physical_rates(profile, Relaxation(np.eye(1), 2.0 * np.eye(1)), **good)
    with pytest.raises(InputError, match="lacks position_score"):
        rest = {name: values for name, values in profile.items() if name != "position_score"}
        physical_rates(rest, process, **good)
