"""What a file stores is what comes out of it again."""

import numpy as np
import pytest

from thermohw.audit import audit

TERM = "parameters/likelihood/terms/"


@pytest.mark.parametrize("name", ["emf", "scaled", "noisy", "one bit", "chain"])
def test_right_files_reproduce(run_file, name):
    check = audit(run_file(name), recompute=True).check("recomputed")
    assert check.status == "holds" and "same noise" in check.detail
    assert ("information" in check.detail) == (name in ("noisy", "one bit"))


@pytest.mark.parametrize(
    ("name", "place", "edit"),
    [
        ("emf", TERM + "nll.ode", lambda old: old + [1e-4, 0.0]),
        ("emf", TERM + "entropy.prior", lambda old: old * [1.0001, 1.0]),
        ("emf", TERM + "nll.marginal", lambda old: np.full(2, np.nan)),
        ("chain", TERM + "nll.sde_elbo", lambda old: old + [1e-2, 0.0]),
        ("noisy", "parameters/information/acquired", lambda old: old * 1.0001),
        ("one bit", "parameters/information/acquired", lambda old: old * 0.9999),
        # the score that is in the file is not the one whose terms are in it
        ("scaled", "parameters/score/scale", lambda old: old + 0.001),
    ],
)
def test_changed_files_do_not(tampered, name, place, edit):
    result = audit(tampered(name, {place: edit}), recompute=True)
    assert result.check("recomputed").status == "violated" and not result.holds


def test_other_test_points_are_judged_by_their_errors(tampered):
    # A generator of another version draws other points; the stored ones are used, with fresh noise.
    place = "parameters/likelihood/test"
    check = audit(tampered("chain", {place: lambda old: old + 1e-9}), recompute=True).check(
        "recomputed"
    )
    assert check.status in ("holds", "explained") and "fresh noise" in check.detail


def test_nothing_to_compare(run_file):
    path = run_file("emf", ("likelihood.test=0",))
    result = audit(path, recompute=True)
    assert result.check("recomputed").status == "not-applicable"
    for name in ("bound_marginal", "bound_ode", "nll_above_entropy"):
        assert "likelihood.test = 0" in result.check(name).detail
    assert result.quantities["nll.ode"].value is None
