"""The model twin: what is stored of it, that it changes nothing else, its check, and refusals."""

from __future__ import annotations

import shutil
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from acceptance import assert_z
from store.toy import unsealed

from thermohw.audit import audit
from thermohw.errors import InputError
from thermohw.likelihood import evaluate
from thermohw.pipeline import load_spec, run_spec
from thermohw.process import VP
from thermohw.report import report
from thermohw.score.mixture import MixtureScore
from thermohw.store import RunReader
from thermohw.target import fitted_mixture

SMALL = [
    "simulate.paths=64", "simulate.start=prior", "protocol.control=clocked", "protocol.ticks=64",
    "protocol.stepper=auto", "protocol.grid=log-snr", "process={kind='vp', t_min=1e-3}",
    "likelihood.test=40", "store.every=0", "audit.twins=false", "score.kind=network",
    "score.steps=60", "score.architecture={width=8, bumps=4}",
]  # fmt: skip


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """Two humps on the line, 400 rows."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("data") / "rows.npy"
    np.save(path, rng.normal(rng.choice([-1.5, 1.5], 400), 0.4)[:, None])
    return path


@pytest.fixture(scope="module")
def run_of(rows, tmp_path_factory):
    """Further settings -> path of a finished run on the rows; made once."""
    folder, made = tmp_path_factory.mktemp("twins"), {}

    def make(*extra):
        if extra not in made:
            out = folder / f"{len(made)}.h5"
            data = f"target={{kind='array', path='{rows}'}}"
            run_spec(load_spec("mixture_rc", [*SMALL, data, *extra]), out, progress=False)
            made[extra] = out
        return made[extra]

    return make


@pytest.fixture
def changed(run_of, tmp_path):
    """(place below known_law, function of the old values) -> path of a changed copy."""

    def change(place, edit):
        path = tmp_path / "changed.h5"
        shutil.copy(run_of("likelihood.twin=2"), path)
        with h5py.File(unsealed(path), "r+") as file:
            data: Any = file[f"parameters/known_law/{place}"]
            data[...] = edit(data[()])
        return path

    return change


def test_the_bound_is_known_on_the_twin_and_not_on_the_data(run_of):
    """The theorem with its gap on the law that is known; the same terms again from the file."""
    result = audit(run_of("likelihood.twin=2"), recompute=True)
    check, found = result.check("twin_bound"), result.quantities
    both: Any = [found[f"twin.{name}"].value for name in ("nll.marginal", "bound.lower")]
    assert (
        check.status in ("holds", "explained") and "2 Gaussians fitted to the data" in check.detail
    )
    assert result.check("bound_marginal").status == "not-applicable"
    assert found["twin.bound.gap"].value == pytest.approx(both[0] - both[1], abs=1e-9)
    assert check.value == found["twin.nll.marginal"].value
    for name in ("nll.ode", "nll.sde_elbo", "entropy.data", "bound.score_error"):
        assert found[f"twin.{name}"].stderr is not None
    assert found["entropy.data"].value is None
    again = result.check("recomputed")
    assert again.status == "holds" and "terms of its twin from the same noise" in again.detail


def test_no_number_of_the_run_depends_on_its_twin(run_of):
    """Ledger, likelihood and weights are those of the run without one."""
    with RunReader.open(run_of("likelihood.twin=2")) as one, RunReader.open(run_of()) as two:
        for name in one.ledger_names:
            assert np.array_equal(one.ledger(name), two.ledger(name))
        for name, pair in two.parameters["likelihood"]["terms"].items():
            np.testing.assert_array_equal(one.parameters["likelihood"]["terms"][name], pair)
        assert one.parameters["score"]["weights"] == two.parameters["score"]["weights"]
        assert one.parameters["known_law"]["weights"] != two.parameters["score"]["weights"]
    check = audit(run_of()).check("twin_bound")
    assert check.status == "not-applicable" and "[likelihood] twin = 10" in check.detail


@pytest.mark.parametrize(
    "name", ["nll.marginal", "bound.score_error", "entropy.data", "entropy.sigma_forward"]
)
def test_wrong_terms_are_called_from_the_power_on(run_of, changed, name):
    """A term off by the check's power and what the identity already leaves is a violation; by half
    of that it is not.
    """
    good = audit(run_of("likelihood.twin=2")).check("twin_bound")
    left = audit(run_of("likelihood.twin=2")).quantities["twin.bound.residual"].value
    assert good.power is not None and left is not None
    share = 0.5 if name.startswith("entropy") else 1.0  # B has half of S0 and of Sigma
    size = (1.1 * good.power + abs(left)) / share
    for shift, wanted in ((-size, True), (size, True), (0.1 * good.power, False)):
        path = changed(f"terms/{name}", lambda old, by=shift: old + [by, 0.0])
        assert (audit(path).check("twin_bound").status == "violated") == wanted, (name, shift)


@pytest.mark.parametrize(
    ("place", "edit"),
    [
        ("terms/nll.marginal", lambda old: old + [1e-2, 0.0]),
        ("scale", lambda old: old + 0.001),
        ("arrays/covariances", lambda old: old * 1.01),
    ],
)
def test_changed_files_do_not_reproduce(changed, place, edit):
    check = audit(changed(place, edit), recompute=True).check("recomputed")
    assert check.status == "violated" and "twin." in check.detail


@pytest.fixture(scope="module")
def digits_law():
    """Ten Gaussians fitted to the digits."""
    return fitted_mixture("digits")


@pytest.fixture(scope="module")
def entropies():
    """S(t) of one law, averaged once for all seeds."""
    entropy = MixtureScore.entropy
    known = {}

    def of(score, t):
        if t not in known:
            known[t] = entropy(score, t)
        return known[t]

    return of


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_identity_closes_in_many_dimensions(digits_law, entropies, monkeypatch, seed):
    """NLL_marg = B + K1 + score error for the exact score of ten Gaussians in 64 dimensions times
    1/2, whose entropies are averages; the score error is then half of what its square integrates
    to, and B bounds.
    """
    monkeypatch.setattr(MixtureScore, "entropy", entropies)
    score = digits_law.score(VP(t_min=4e-4)).scaled(0.5)
    generator = torch.Generator().manual_seed(seed)
    found = evaluate(
        score, digits_law, generator=generator, points=40, moments=27, solver="fixed", steps=4
    )
    assert found["entropy.data"].stderr < 1e-2 and found["entropy.clean"].stderr < 1e-2
    half, error = 0.5 * found["entropy.sigma_score"], found["bound.score_error"]
    assert_z(error.value, half.value, stderr=np.hypot(half.stderr, error.stderr))
    residual = found["bound.residual"]
    error = np.hypot(residual.stderr, found["error.quadrature"].value)
    assert_z(residual.value, 0.0, stderr=error)
    assert found["bound.gap"].value > 10.0 * found["bound.gap"].stderr


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["likelihood.twin=2", "score.kind=exact", "score.steps=none", "score.architecture=none"],
         "likelihood.twin: the law of the .* is known: a twin is for data sets"),
        (["likelihood.twin=-1"], "likelihood.twin"),
    ],
)  # fmt: skip
def test_known_laws_have_no_twin(tmp_path, settings, message):
    with pytest.raises(InputError, match=message):
        run_spec(load_spec("mixture_rc", [*SMALL, *settings]), tmp_path / "a.h5", progress=False)
    assert list(tmp_path.iterdir()) == []


def test_a_mixture_that_cannot_be_fitted_is_told_before_the_training(tmp_path, rows):
    """And nothing is left behind."""
    data = f"target={{kind='array', path='{rows}'}}"
    spec = load_spec("mixture_rc", [*SMALL, data, "likelihood.twin=400"])
    with pytest.raises(InputError, match=r"likelihood.twin: 400 Gaussians for 320 training rows"):
        run_spec(spec, tmp_path / "a.h5", progress=False)
    assert list(tmp_path.iterdir()) == []


def test_the_page_shows_twin_and_data(run_of, tmp_path):
    page = report(run_of("likelihood.twin=2"), tmp_path / "a.html").read_text()
    assert "On a law that is known" in page and "twin.bound.gap" in page
    assert "On a law that is known" not in report(run_of(), tmp_path / "b.html").read_text()
