"""What is refused before anything is computed, with the number that shows why."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from thermohw.errors import InputError
from thermohw.likelihood import evaluate
from thermohw.likelihood.admission import admit_points
from thermohw.process import VE, VP
from thermohw.target import DataSet, gaussian, gaussian_mixture, uniform_pixels


def grey_rows(generator: torch.Generator, n: int = 600) -> np.ndarray:
    """Four coupled pixels of 17 levels."""
    base = torch.randint(0, 17, (n, 1), generator=generator)
    noise = torch.randint(-4, 5, (n, 4), generator=generator)
    return (base + noise).clamp(0, 16).numpy().astype(np.float64)


def data_set(rows: np.ndarray, step: float) -> DataSet:
    split = np.arange(len(rows)).astype(np.int8) % 3
    return DataSet(rows, split, table={"kind": "array"}, name="greys", step=step)


def test_another_process(generator: torch.Generator) -> None:
    target = gaussian(0.0, 1.0)
    score = target.score(VP())
    with pytest.raises(InputError, match=r"belongs to vp\(beta_min=0.1.*asked for is ve\(sigma=10"):
        evaluate(score, target, generator=generator, process=VE(sigma=10.0))
    with pytest.raises(InputError, match="beta_max=20.0.*beta_max=19.0"):
        evaluate(score, target, generator=generator, process=VP(beta_max=19.0))
    evaluate(score, target, generator=generator, process=VP(), tolerance=1e-3)
    with pytest.raises(InputError, match="has 1 coordinates"):
        evaluate(score, gaussian(np.zeros(2), 1.0), generator=generator)


def test_grey_levels_for_model_units(generator: torch.Generator) -> None:
    """Data units where model units are expected; the mean that was measured is in the message."""
    target = uniform_pixels(4, centred=True)
    x = target.held_out(20, generator)
    grey = target.to_data(x)
    size = math.sqrt(float(grey.square().mean()) * 12.0)  # of the expected 1/sqrt(12)
    words = rf"mean is {float(grey.mean()):.4g}.*expected are 0 and 0.2887 \({size:.3g} times"
    with pytest.raises(InputError, match=words):
        evaluate(target.score(VP()), target, points=grey, generator=generator)
    # scaled twice: far too narrow, in enough points to tell
    with pytest.raises(InputError, match="not in the model units"):
        admit_points(x / 256.0, target)
    # two points near the mean are chance, not units
    admit_points(0.2 * x[:2], target)
    admit_points(x, target)


def test_units_are_judged_generously(generator: torch.Generator) -> None:
    """One class of a data set, or tails twice as wide as the law's, are legitimate questions."""
    target = gaussian_mixture([[-3.0, 0.0], [3.0, 0.0]], 0.3)
    admit_points(target.sample(300, generator).abs(), target)
    admit_points(3.0 * target.sample(300, generator), target)
    with pytest.raises(InputError, match="must be finite"):
        admit_points(torch.full((3, 2), math.nan), target)


@pytest.mark.parametrize("n", [12, 60, 190])
def test_missing_dequantisation(n: int, generator: torch.Generator) -> None:
    """Held-out rows that are still levels: refused however few, with spacing and remedy."""
    rows = grey_rows(generator)
    bare = data_set(rows, 0.0)
    with pytest.raises(InputError, match="entropy -inf.*dequantise = 1"):
        admit_points(bare.held_out(n, generator), bare)
    model = gaussian(np.zeros(4), covariance=bare.covariance).score(VP(t_min=1e-3))
    with pytest.raises(InputError, match="entropy -inf"):
        evaluate(model, bare, points=n, generator=generator)
    whole = data_set(rows, 1.0)
    admit_points(whole.held_out(n, generator), whole)


def test_levels_that_do_not_repeat(generator: torch.Generator) -> None:
    """Ten bits in thirty points: hardly a value twice, the spacing tells."""
    target = gaussian(0.0, 1.0)
    x = torch.randn(30, 1, dtype=torch.float64, generator=generator)
    admit_points(x, target)
    with pytest.raises(InputError, match=r"levels 0.0078125 data units apart"):
        admit_points((x * 128.0).round() / 128.0, target)
    admit_points((x * 1e4).round() / 1e4, target)  # four decimals are measured numbers
    # single precision is no lattice, and the same points twice are no levels
    many = torch.randn(5000, 1, dtype=torch.float64, generator=generator)
    admit_points(many.float().double(), target)
    admit_points(x.repeat(10, 1), target)
    admit_points(torch.rand(3, 1, dtype=torch.float64, generator=generator), target)


def test_no_false_alarm_over_many_draws() -> None:
    """Continuous samples of every size are admitted: 300 draws, none refused."""
    target = gaussian(np.zeros(3), 1.0)
    for seed in range(100):
        generator = torch.Generator().manual_seed(seed)
        for n in (2, 9, 40):
            admit_points(target.sample(n, generator), target)


def test_prior_that_misses(generator: torch.Generator) -> None:
    """K1 where it is known; at least the Gaussian share of it where it is not."""
    process = VE(sigma=10.0, t_min=1e-4)
    target = uniform_pixels(2)
    found = evaluate(target.score(process), target, generator=generator, points=64, tolerance=1e-2)
    noise, decay = process.transition(1.0)[1], 1.0
    ratio = (noise + decay / 12.0) / noise
    exact = 4 * 0.5 * (ratio - 1.0 - math.log(ratio) + 0.25 / noise)
    assert found["bound.prior_mismatch_gaussian"].value == pytest.approx(exact, rel=1e-9)
    # the negentropy of p_T is what is left: next to nothing under this much noise
    assert 4 * 0.005818 == pytest.approx(exact, abs=4 * 1.1e-6)
    assert "bound.prior_mismatch_gaussian" not in found.notes  # 0.023 nats
    rows = grey_rows(generator)
    greys = data_set(rows, 1.0)
    short = VP(beta_min=0.1, beta_max=3.0, t_min=1e-3)
    model = gaussian(np.zeros(4), covariance=greys.covariance).score(short)
    found = evaluate(model, greys, generator=generator, points=64, tolerance=1e-2)
    least = found["bound.prior_mismatch_gaussian"].value
    assert found.terms["bound.prior_mismatch"] is None and least > 0.05
    decay, noise = short.transition(1.0)
    excess = np.linalg.eigvalsh(decay**2 * greys.covariance + noise * np.eye(4)) / noise - 1.0
    assert least == pytest.approx(0.5 * (excess - np.log1p(excess)).sum(), rel=1e-9)
    note = found.notes["bound.prior_mismatch_gaussian"]
    assert f"at least {least:.3g} nats" in note and "prior = matched" in note
    matched = evaluate(
        model, greys, generator=generator, points=64, prior="matched", tolerance=1e-2
    )
    assert abs(matched["bound.prior_mismatch_gaussian"].value) < 1e-12


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"points": np.zeros((5, 1))}, "points: expected a torch tensor .* got ndarray"),
        ({"points": -1}, "points: expected .* got -1"),
        ({"points": 2.5}, "points: expected .* got 2.5"),
        ({"tolerance": 0.0}, "tolerance: expected a number of nats > 0"),
        ({"tolerance": 5e-324}, "tolerance: 5e-324 nats: doubles round at more"),
        ({"probes": -1}, "probes: expected a whole number >= 0"),
        ({"moments": 0}, "moments: expected a whole number >= 1"),
    ],
)
def test_settings_that_mean_nothing(generator: torch.Generator, settings: dict, words: str) -> None:
    target = gaussian(0.0, 1.0)
    with pytest.raises(InputError, match=words):
        evaluate(target.score(VP()), target, generator=generator, **settings)


def test_a_result_prints_its_terms_one_a_line(generator: torch.Generator) -> None:
    target = gaussian(0.0, 1.0)
    result = evaluate(target.score(VP()), target, generator=generator, points=8, tolerance=1e-3)
    lines = str(result).splitlines()
    assert [line.split()[0] for line in lines] == list(result.terms)
    value, sign, stderr = lines[list(result.terms).index("nll.ode")].split()[1:]
    assert float(value) == pytest.approx(result["nll.ode"].value, rel=1e-5) and sign == "+-"
    assert float(stderr) == pytest.approx(result["nll.ode"].stderr, rel=0.06)
