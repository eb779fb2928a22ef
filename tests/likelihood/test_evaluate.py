"""The whole account: uniform pixels, units, what is unknown for data sets, reproducibility."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
import torch
from acceptance import assert_z

from thermohw.errors import InputError
from thermohw.likelihood import Likelihood, evaluate
from thermohw.process import OU, VE, VP, Relaxation
from thermohw.target import DataSet, gaussian, gaussian_mixture, uniform_pixels


@pytest.mark.parametrize(
    ("sigma", "prior_entropy", "end", "cross", "mismatch"),
    [
        (10.0, 2.952909, 2.954843, 2.960661, 0.005818),
        (25.0, 3.705924, 3.706354, 3.707644, 0.001290),
    ],
)
def test_uniform_pixel(
    sigma: float,
    prior_entropy: float,
    end: float,
    cross: float,
    mismatch: float,
    generator: torch.Generator,
) -> None:
    """One uncentred pixel under VE: S1, H1, K1, and the truncation term of t_min = 1e-4."""
    target, process = uniform_pixels(1), VE(sigma=sigma, t_min=1e-4)
    result = evaluate(target.score(process), target, generator=generator)
    shift = math.log(256.0)
    printed = 5.1e-7
    assert abs(result["entropy.reference"].value - shift - prior_entropy) < printed
    assert abs(result["entropy.prior"].value - shift - end) < printed
    assert abs(result["entropy.cross_prior"].value - shift - cross) < printed
    assert abs(result["bound.prior_mismatch"].value - mismatch) < 2.0 * printed
    assert result["entropy.clean"].value == pytest.approx(shift)
    # leading order 2 c sd(t_min), c = int phi^2/Phi = 0.9031973; the next order is sd^2
    deviation = math.sqrt(process.transition(1e-4)[1])
    assert result["bound.truncation"].value == pytest.approx(
        2.0 * 0.9031973 * deviation, abs=deviation**2
    )
    assert abs(result["bound.residual"].value) < 1e-9
    variant = result["bound.lower"].value - result["bound.lower_reference"].value
    assert variant == pytest.approx(0.5 * (end - prior_entropy), abs=printed)
    # clean points under the exact flow: the cross entropy of the data and p_{t_min}
    assert result["nll.ode"].value > result["entropy.clean"].value - 4.0 * result["nll.ode"].stderr


def test_units(generator: torch.Generator) -> None:
    """Densities shift by d ln(scale) and differences do not; grey levels in bits per pixel."""
    target, process = uniform_pixels(2), OU(duration=3.0, t_min=1e-3)
    score = target.score(process)
    result = evaluate(score, target, generator=generator, points=300)
    shift = 4.0 * math.log(256.0)
    model = -score.log_prob(target.sample(300, generator), 1e-3)
    for name in ("nll.ode", "nll.marginal", "nll.sde_elbo"):
        bits = result[f"{name}.bits_per_dim"]
        assert bits.value == pytest.approx(result[name].value / (4.0 * math.log(2.0)), rel=1e-12)
        assert bits.stderr == pytest.approx(result[name].stderr / (4.0 * math.log(2.0)), rel=1e-12)
    spread = math.hypot(float(model.std()) / math.sqrt(300), result["nll.ode"].stderr)
    assert_z(result["nll.ode"].value, float(model.mean()) + shift, stderr=spread)
    assert result.points["nll.ode"].mean() == pytest.approx(result["nll.ode"].value, rel=1e-12)
    half = 0.5 * (result["entropy.data"].value + result["entropy.prior"].value)
    lower = half - 0.5 * result["entropy.sigma_forward"].value
    assert result["bound.lower"].value == pytest.approx(lower, rel=1e-12)
    assert (
        "nll.ode.bits_per_dim"
        not in evaluate(
            gaussian(0.0, 1.0).score(process), gaussian(0.0, 1.0), generator=generator
        ).terms
    )


def test_exact_score_from_samples(generator: torch.Generator) -> None:
    """Clean points, exact score, coupled process: NLL_ode is the cross entropy at t_min."""
    target = gaussian_mixture([[-1.0, 0.0], [1.0, 0.5]], [[0.3, 0.5], [0.4, 0.2]], [0.3, 0.7])
    rates, noise = np.array([[1.0, 2.0], [0.0, 1.5]]), np.array([[1.0, 0.3], [0.3, 2.0]])
    process = Relaxation(rates, noise, duration=12.0, t_min=0.05)
    score, points = target.score(process), target.sample(200, generator)
    result = evaluate(score, target, points=points, generator=generator, prior="matched")
    exact = -score.log_prob(points, 0.05).numpy()
    allowed = 10.0 * result.points["nll.ode.solver_error"] + 1e-4
    assert (np.abs(result.points["nll.ode"] - exact) < allowed).all()
    assert_z(result["bound.residual"].value, 0.0, stderr=result["bound.residual"].stderr)
    for name in ("nll.marginal", "nll.marginal_denoising", "nll.sde_elbo", "bound.lower"):
        spread = math.hypot(result[name].stderr, result["entropy.data"].stderr)
        assert_z(result[name].value, result["entropy.data"].value, stderr=spread, label=name)


def toy_digits(generator: torch.Generator) -> DataSet:
    """A dequantised data set of two pixels: unknown law, three splits."""
    rows = torch.randint(0, 4, (600, 2), generator=generator).numpy().astype(np.uint8)
    rows[:, 1] = (rows[:, 0] + rows[:, 1]) // 2
    split = np.repeat([0, 1, 2], 200).astype(np.int8)
    return DataSet(rows, split, table={"kind": "array"}, name="toy", step=1.0)


def test_data_set(generator: torch.Generator) -> None:
    """Unknown law: bound terms are None with a reason, likelihoods and entropies are numbers."""
    target = toy_digits(generator)
    process = VP(beta_min=0.1, beta_max=20.0, t_min=1e-3)
    model = gaussian(np.zeros(2), covariance=target.covariance).score(process)
    result = evaluate(model, target, generator=generator, points=150)
    unknown = (
        "bound.lower",
        "bound.gap",
        "bound.score_error",
        "bound.residual",
        "bound.truncation",
    )
    for name in (*unknown, "bound.prior_mismatch", "bound.ode_margin", "entropy.data"):
        assert result.terms[name] is None
        assert "not known" in result.notes[name]
        with pytest.raises(InputError, match="not known"):
            result[name]
    for name in ("plugin", "inversion", "elbo"):
        assert math.isfinite(result[f"entropy.estimate_{name}"].value)
    assert "upper bound" in result.notes["entropy.prior"]
    # the model is the Gaussian of the training moments: its cross entropy with the test rows
    held_out = result["nll.ode"]
    exact = (
        0.5 * math.log(np.linalg.det(2.0 * math.pi * math.e * target.covariance))
        + target.log_volume
    )
    assert (
        abs(held_out.value - exact) < 0.5
    )  # the test rows' own moments differ from the training's
    expected = held_out.value / (2.0 * math.log(2.0))
    assert result["nll.ode.bits_per_dim"].value == pytest.approx(expected, rel=1e-12)
    total = result["bound.terminal_mismatch"].value + result["bound.trajectory_drift"].value
    assert total == pytest.approx(held_out.value - result["nll.marginal"].value, abs=1e-9)


def test_bits_know_the_spacing_of_the_levels(generator: torch.Generator) -> None:
    """The same levels a quarter apart: nats of the density move by d ln 4, bits do not."""
    whole = toy_digits(generator)
    rows, split = whole.arrays()["rows"], whole.arrays()["split"]
    fine = DataSet(0.25 * rows, split, table={"kind": "array"}, name="toy", step=0.25)
    process, found = VP(beta_min=0.1, beta_max=20.0, t_min=1e-3), []
    for target in (whole, fine):
        model = gaussian(np.zeros(2), covariance=target.covariance).score(process)
        stream = torch.Generator().manual_seed(11)
        found.append(evaluate(model, target, generator=stream, points=20))
    for name in ("nll.ode", "nll.marginal", "nll.sde_elbo"):
        one, other = (result[name].value for result in found)
        assert one - other == pytest.approx(2.0 * math.log(4.0), abs=1e-9)
        one, other = (result[f"{name}.bits_per_dim"].value for result in found)
        assert one == pytest.approx(other, abs=1e-9)


def test_plain_result(generator: torch.Generator) -> None:
    """Numbers and arrays that any store takes; same seed, same numbers; progress is told."""
    target, process = gaussian_mixture([[-1.0, -0.5], [1.0, 0.5]], 0.5), OU(duration=3.0)
    seen: list[str] = []

    def watch(items: Iterable, label: str) -> Iterable:
        seen.append(label)
        return items

    def once() -> Likelihood:
        fresh = torch.Generator().manual_seed(5)
        return evaluate(
            target.score(process), target, generator=fresh, points=64, probes=8, progress=watch
        )

    first, second = once(), once()
    assert first.terms == second.terms
    for name in first.points:
        assert np.array_equal(first.points[name], second.points[name])
        assert first.points[name].dtype == np.float64 and first.points[name].shape == (64,)
    for name, values in first.profile.items():
        assert values.shape == (first.settings["moments"],) and np.isfinite(values).all(), name
    # equal signs of all 8 probes, one point in 128, leave no spread in two dimensions
    assert first.settings["probes"] == 8
    assert (first.points["nll.ode.divergence_stderr"] > 0.0).mean() > 0.8
    assert {"noised held-out points", "probability flow"} <= set(seen)
    json.dumps([first.settings, first.notes, {k: [*v] for k, v in first.terms.items() if v}])


def test_bad_requests(generator: torch.Generator) -> None:
    target, process = gaussian(np.zeros(3), 1.0), OU(duration=3.0)
    score = target.score(process)
    with pytest.raises(InputError, match="choose auto, samples or grid"):
        evaluate(score, target, generator=generator, expectation="guess")
    with pytest.raises(InputError, match="one or two dimensions"):
        evaluate(score, target, generator=generator, expectation="grid")
    with pytest.raises(InputError, match=r"shape \(>= 2, 3\), got \(10, 2\)"):
        evaluate(score, target, generator=generator, points=torch.zeros(10, 2))
    with pytest.raises(InputError, match="choose schedule or matched"):
        evaluate(score, target, generator=generator, prior="flat")


def test_flow_at_noised_points() -> None:
    """Where the other likelihoods are: N(0, .25) noised to t_min, an exact score and p_T for the
    prior give -E ln p(t_min) point by point; what was there before stays as it was, bit for bit.
    """
    process, target = VP(beta_min=0.1, beta_max=20.0, t_min=0.01), gaussian([0.0, 0.0], 0.5)
    keys: dict[str, Any] = {"points": 200, "prior": "matched", "expectation": "samples"}
    plain, more = (
        evaluate(target.score(process), target, generator=torch.Generator().manual_seed(7),
                 noised=noised, **keys)
        for noised in (False, True)
    )  # fmt: skip
    assert set(more.terms) - set(plain.terms) == {"nll.ode.noised"}
    assert all(more.terms[name] == term for name, term in plain.terms.items())
    decay, noise = process.transition(0.01)
    entropy = math.log(2.0 * math.pi * math.e * (float(decay) ** 2 * 0.25 + float(noise)))
    assert abs(more["nll.ode.noised"].z(entropy)) < 4.0
    # Of n points in two dimensions -ln p scatters by 1: the error is that of their number.
    assert more["nll.ode.noised"].stderr == pytest.approx(200**-0.5, rel=0.2)
