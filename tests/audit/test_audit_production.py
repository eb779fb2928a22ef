"""Production without the law of the data: the check, what it calls, and what it says otherwise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from thermohw.audit import audit
from thermohw.audit.gather import gather
from thermohw.audit.mixture import _fitted, cross_fitted_nll
from thermohw.audit.production import production_bounds
from thermohw.estimate import Estimate

NETWORK = ["score={kind='network', steps=30, seed=0}", "simulate.dtype=float32",
           "protocol.ticks=64", "simulate.paths=1024", "likelihood.test=64",
           "protocol.allow_ringing=true", "audit.twins=false"]  # fmt: skip


def found(path, **options):
    result = audit(path, **options)
    return result, {check.name: check for check in result.checks}


def test_a_learned_score_on_exact_readings(run_file):
    """The second law is judged on the bound, the heat is tied to it, and an audit finds the same
    density again.
    """
    result, checks = found(run_file("clocked", NETWORK), recompute=True)
    best = checks["production"]
    assert best.status == checks["second_law"].status == "holds"
    assert checks["recomputed"].status == "holds", checks["recomputed"].detail
    assert "density of the end states" in checks["recomputed"].detail
    assert "information: infinite" in checks["second_law"].detail
    table = result.quantities
    both: Any = [table[f"production.{name}"].value for name in ("bound", "bound_mixture")]
    assert best.value == table["production.total"].value == min(both)
    smallest = production_bounds(gather(run_file("clocked", NETWORK))).smallest.value
    assert smallest is not None and best.stderr == smallest.stderr
    assert best.power == smallest.power(">=", count=2)
    assert "own density of 64 end states" in table["production.bound"].method
    change = table["entropy.system_change"]
    assert "nearest neighbours" in change.method


@pytest.mark.parametrize(
    "place, factor", [("heat.r0", 1.001), ("ratio.ticks", 1.001), ("ratio.returned", 0.999)]
)
def test_heat_that_is_not_that_of_the_ticks(tampered, place, factor):
    _, checks = found(tampered("clocked", {f"ledger/{place}": lambda x: factor * x}, NETWORK))
    assert checks["production"].status == checks["second_law"].status == "violated"


def test_what_it_says_a_heat_must_be_off_is_called(tampered, run_file):
    """The share of the heat that the detail names, and not a hundredth of it."""
    detail = found(run_file("clocked", NETWORK))[1]["production"].detail
    share = float(detail.partition("a heat ")[2].partition(" of itself")[0])
    for size, status in ((2.0, "violated"), (0.01, "holds")):
        path = tampered(
            "clocked", {"ledger/heat.r0": lambda x, size=size: (1.0 + size * share) * x}, NETWORK
        )
        assert found(path)[1]["production"].status == status


def test_a_bound_below_zero(tampered):
    """Densities that are not normalised: every state ten nats too likely."""
    edits = {"results/density.nll": lambda x: x - 10.0}
    _, checks = found(tampered("clocked", edits, NETWORK), recompute=True)
    assert {checks[name].status for name in ("production", "second_law", "recomputed")} == {
        "violated"
    }


def test_noisy_readings_are_part_of_the_chain(run_file):
    result, checks = found(run_file("noisy", NETWORK))
    assert checks["production"].status == "holds"
    assert "states and readings together" in checks["production"].detail
    assert "augmented chain" in result.quantities["production.bound"].note


@pytest.mark.parametrize(
    "more, word",
    [
        (["protocol.reading_noise=60 uV", "protocol.filter=kalman"], "filter"),
        (["protocol.latency=20 ns"], "late"),
    ],
)
def test_controllers_that_remember(run_file, more, word):
    _, checks = found(run_file("clocked", [*NETWORK, *more, "simulate.paths=256"]))
    assert checks["production"].status == "not-applicable"
    assert word in checks["production"].detail


def test_exact_scores_have_their_law(run_file):
    """Log path ratios of a theorem's run serve; compiled ticks keep none, and say so."""
    result, checks = found(run_file("clocked"))
    sigma = result.quantities["production.total"]
    assert checks["production"].status == "holds"
    assert result.quantities["production.bound"].value == sigma.value
    extra = ["simulate.dtype=float32", "protocol.stepper=auto", "simulate.paths=256"]
    _, checks = found(run_file("clocked", extra))
    assert checks["production"].status == checks["second_law"].status == "not-applicable"
    assert "compiled" in checks["production"].detail
    extra = ["simulate.dtype=float32", "simulate.paths=4096"]
    result, checks = found(run_file("emf", extra))  # Euler steps
    assert checks["production"].status == "holds"
    assert "the data's law at t_min" in result.quantities["production.bound"].method


# ------------------------------------------------------------------ densities


def test_cross_fitted_density_of_a_gaussian(rng):
    """Its mean is the entropy and what 2,000 samples leave of it, never below."""
    x = rng.normal(size=(2000, 3)) @ np.diag([0.1, 1.0, 3.0]) + 5.0
    nll, words = cross_fitted_nll(x)
    entropy = 1.5 * np.log(2.0 * np.pi * np.e) + np.log(0.3)
    error = nll.std() / len(nll) ** 0.5
    assert -4.0 * error < nll.mean() - entropy < 0.05 + 4.0 * error
    assert "component" in words


def test_it_does_not_know_the_points_it_is_evaluated_at(rng):
    """Each half's values are those of a density of the other half alone."""
    x = rng.normal(size=(400, 2))
    moved = x.copy()
    moved[:200] = moved[rng.permutation(200)]
    one, other = cross_fitted_nll(x)[0], cross_fitted_nll(moved)[0]
    np.testing.assert_allclose(np.sort(one[:200]), np.sort(other[:200]), atol=1e-12)


@pytest.mark.parametrize("case", ["flat", "few", "constant"])
def test_samples_that_span_nothing(rng, case):
    x = rng.normal(size=(300, 3))
    x = {"flat": x[:, [0, 1, 1]], "few": x[:6], "constant": x * [1.0, 1.0, 0.0]}[case]
    nll, reason = cross_fitted_nll(x)
    assert len(nll) == 0
    assert "do not span" in reason


def test_no_mixture_knows_its_points() -> None:
    """230 numbers fitted to 100 samples of N(0, 1) in 20 dimensions: -ln rho of other samples lies
    above -ln p point by point (a relative entropy), of those it was fitted to far below.
    """
    x = np.random.default_rng(20260101).standard_normal((200, 20))
    own = 0.5 * (np.square(x).sum(1) + 20 * np.log(2.0 * np.pi))
    found = Estimate.paired(cross_fitted_nll(x)[0], own)
    assert found.z(0.0) > 4.0
    flattered = np.concatenate([_fitted(half, half)[0] for half in (x[:100], x[100:])])
    assert Estimate.paired(flattered, own).z(0.0) < -4.0


def test_a_lower_bound_above_an_upper_one(tampered, run_file):
    """Learned production shifted by six of the pair's errors and what its ticks may do (a fifth of
    it) beyond the upper bound of the same run.
    """
    right = found(run_file("clocked", NETWORK))[0].quantities
    lower, upper = right["production.learned"], right["production.total"]
    assert lower.value is not None and upper.value is not None
    assert lower.stderr is not None and upper.stderr is not None
    error = float(np.hypot(lower.stderr, upper.stderr))
    shift = (upper.value + 6.0 * error) / 0.75 - lower.value
    _, checks = found(tampered("clocked", {"ledger/ratio.learned": lambda x: x + shift}, NETWORK))
    assert checks["production"].status == "violated"
    assert "more than what it is a bound of" in checks["production"].detail
