"""The verdict on a learned score: below the bound is explained, by terms that have to add up."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from thermohw.audit.likelihood import (
    bound_marginal,
    bound_ode,
    likelihood_quantities,
    nll_above_entropy,
)
from thermohw.audit.recorded import Recorded
from thermohw.estimate import EXPLAINED, HOLDS, VIOLATED
from thermohw.pipeline.terms import likelihood_tree
from thermohw.process import VP
from thermohw.score.training import fit_score
from thermohw.target import gaussian_mixture

TARGET = gaussian_mixture([-1.0, 1.0], 0.2)


@pytest.fixture(scope="module")
def tree() -> dict[str, Any]:
    """Likelihood terms of a small network, trained briefly and then scaled down by 5 %."""
    network = fit_score(
        TARGET,
        VP(t_min=1e-3),
        seed=1,
        steps=300,
        architecture={"width": 32},
        states=16,
        progress=False,
    )
    setting = SimpleNamespace(score=network.scaled(0.95), target=TARGET)
    return likelihood_tree(setting, test=64, seed=2, progress=False)  # type: ignore[arg-type]


def recorded(tree: dict[str, Any]) -> Recorded:
    """What the checks of likelihoods look at, without a run."""
    unused: Any = None
    return Recorded(
        path=Path("none"),
        parameters={"likelihood": tree},
        provenance={},
        spec_hash="",
        setting=unused,
        simulate={},
        paths=0,
        channels=(),
        peaks=None,
        accounts=unused,
    )


def changed(tree: dict[str, Any], name: str, by: float) -> dict[str, Any]:
    value, stderr = tree["terms"][name]
    return tree | {"terms": tree["terms"] | {name: [value + by, stderr]}}


def test_below_the_bound_is_explained(tree: dict[str, Any]) -> None:
    """NLL_ode < B on a learned score; mismatch, drift, K1 and score error add up to the margin."""
    value = {name: term[0] for name, term in tree["terms"].items()}
    margin = value["nll.ode"] - value["bound.lower"]
    assert margin < -0.05
    shares = ("terminal_mismatch", "trajectory_drift", "prior_mismatch", "score_error")
    total = sum(value[f"bound.{name}"] for name in shares)
    check = bound_ode(recorded(tree))
    assert check.status == EXPLAINED and "not the probability flow" in check.detail
    # within what quadrature and the flow's solver allow, which are far below the margin itself
    allowed = 4.0 * (value["error.quadrature"] + value["error.solver"]) + 1e-8
    assert abs(total - margin) < allowed < 0.05 * abs(margin)
    assert bound_marginal(recorded(tree)).status == HOLDS
    assert all(f"{value[f'bound.{name}']:.4g}" in check.detail for name in shares)


def test_terms_that_do_not_add_up_explain_nothing(tree: dict[str, Any]) -> None:
    for name in ("bound.trajectory_drift", "bound.score_error", "nll.ode"):
        assert bound_ode(recorded(changed(tree, name, 0.02))).status == VIOLATED
    assert bound_marginal(recorded(changed(tree, "bound.score_error", 0.02))).status == VIOLATED


def test_what_an_audit_lists(tree: dict[str, Any]) -> None:
    """Split of the error and calibration surplus; the settings tell the cost."""
    table = likelihood_quantities(recorded(tree))
    whole = table["bound.score_error"].value
    assert table["bound.score_error_gradient"].value == pytest.approx(whole, rel=1e-12)
    assert table["bound.score_error_solenoidal"].value == 0.0
    surplus = 2.0 * (tree["terms"]["nll.sde_elbo"][0] - tree["terms"]["nll.marginal"][0])
    assert table["bound.calibration_surplus"].value == pytest.approx(surplus, abs=1e-12)
    assert surplus < -0.01  # 5 % too small: E|s|^2 < E[s . s_true]
    cost = json.loads(tree["settings"])["cost"]
    assert cost["nll.ode"]["score_evaluations"] == table["likelihood.score_evaluations"].value


def test_a_flow_that_missed_its_tolerance_is_not_held(tree: dict[str, Any]) -> None:
    settled = nll_above_entropy(recorded(tree))
    settings = json.loads(tree["settings"])
    assert settings["converged"] and settled.status == HOLDS
    unsettled = tree | {"settings": json.dumps(settings | {"converged": False})}
    found = nll_above_entropy(recorded(unsettled))
    assert found.status == EXPLAINED and "missed its tolerance" in found.detail
