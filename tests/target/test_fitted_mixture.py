"""A mixture fitted to a data set: its moments, units, images and entropy; files; refusals."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from acceptance import assert_z

from thermohw.errors import InputError
from thermohw.process import VP
from thermohw.score.network.design import design, schedule
from thermohw.target import FittedMixture, digits, fitted_mixture, target_from_dict
from thermohw.target.joint import join
from thermohw.target.registry import stored_target


@pytest.fixture(scope="module")
def mixture() -> FittedMixture:
    """Ten Gaussians fitted to the digits."""
    return fitted_mixture("digits")


def again(target: FittedMixture, **changed: np.ndarray) -> FittedMixture:
    """The target rebuilt from what a file holds, perhaps with other arrays."""
    table = json.loads(json.dumps(target.to_dict()))
    found = stored_target(table, target.arrays() | changed)
    assert isinstance(found, FittedMixture)
    return found


def test_it_has_the_moments_and_units_of_the_data(mixture: FittedMixture) -> None:
    """A step of expectation-maximisation keeps mean and covariance of the rows; the variance of
    their dequantisation is in every component.
    """
    data = digits()
    np.testing.assert_allclose(mixture.mean, data.mean, atol=1e-12)
    np.testing.assert_allclose(mixture.covariance, data.covariance, atol=1e-12)
    assert mixture.scale == data.scale and np.array_equal(mixture.shift, data.shift)
    assert mixture.image_shape == (8, 8) and mixture.analytic and mixture.entropy is None
    assert mixture.narrowest == pytest.approx(1.0 / 12.0 / data.scale**2, rel=1e-9)
    assert mixture.counts == {"train": 1350, "validation": 150}


def test_entropy_to_a_hundredth_of_a_nat(mixture: FittedMixture) -> None:
    """S0 split into known and told part against -E ln p of other samples."""
    score = mixture.score(VP(t_min=4e-4))
    s0 = score.entropy(0.0)
    assert s0.stderr < 1e-2
    x = mixture.sample(30_000, torch.Generator().manual_seed(11))
    plain = -score.log_prob(x, 0.0)
    error = np.hypot(s0.stderr, float(plain.std()) / np.sqrt(len(plain)))
    assert_z(float(plain.mean()), s0.value, stderr=error)


def test_images_have_the_law_and_repeat(mixture: FittedMixture) -> None:
    """Training images are drawn once and their noise anew; both together follow the law."""
    many = again(mixture, counts=np.array([20_000, 5]))
    generator = torch.Generator().manual_seed(3)
    x, y = many.training(None, generator), many.training(None, generator)
    assert_z(x, mixture.mean, label="mean")
    axes = torch.as_tensor(np.linalg.eigh(mixture.covariance)[1][:, ::9])
    along = torch.as_tensor(mixture.covariance) @ axes
    assert_z((x @ axes) ** 2, (axes * along).sum(0).numpy(), label="variance")
    assert_z((x - y) ** 2, 2.0 * mixture.noise, label="noise drawn anew")
    few = mixture.training_draws(4000, generator)
    distance = torch.cdist(few, mixture.training(None, generator)).min(1).values
    # Two noises of the same image, 64 coordinates: 2 v (64 +- 11); other images are farther.
    assert float(distance.max()) < (2.0 * mixture.noise * 150.0) ** 0.5
    assert len(mixture.training(None, generator)) == 1350
    assert len(mixture.validation(7, generator)) == 7


def test_files_rebuild_without_a_fit(mixture: FittedMixture) -> None:
    """Law, images and units from the stored numbers alone; with momenta beside them too."""
    same = again(mixture)
    for name in ("weights", "means", "spread"):
        assert np.array_equal(getattr(same.law, name), getattr(mixture.law, name))
    one, two = (t.training(20, torch.Generator().manual_seed(1)) for t in (same, mixture))
    assert torch.equal(one, two)
    beside = join(mixture, tuple(range(64)), np.eye(64))
    rebuilt = stored_target(beside.to_dict(), beside.arrays())
    assert np.array_equal(rebuilt.covariance, beside.covariance)
    with pytest.raises(InputError, match="its numbers are not stored"):
        stored_target(mixture.to_dict())


def test_networks_are_those_of_the_data(mixture: FittedMixture) -> None:
    """The same trunk and schedule as for the digits: its images are as few."""
    process, data = VP(t_min=4e-4), digits()
    ours, theirs = design(mixture, process), design(data, process)
    assert ours.kind == "gaussian" and theirs.kind == "levels"
    assert ours.trunk.to_dict() == theirs.trunk.to_dict()
    assert schedule(mixture, {}) == schedule(data, {})


DIGITS = {"kind": "digits"}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"data": DIGITS, "components": 0}, "target.components: .*whole number"),
        ({"data": DIGITS, "components": 5000}, "target.components: .*at most|to 512"),
        ({"data": "gaussian"}, "target.data: expected a data set"),
        ({"data": 3}, "target.data: expected a data set"),
        ({}, "needs data"),
        ({"data": DIGITS, "seed": -1}, "target.seed"),
    ],
)
def test_refusals(table: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        target_from_dict({"kind": "fitted_mixture", **table})


@pytest.mark.parametrize(
    ("rows", "dim", "components", "message"),
    [
        (40, 40, 2, "target.data: 32 training rows .* in 40 dimensions: .*more rows than dim"),
        (400, 8, 330, "target.components: 330 Gaussians for 320 training rows: ask for fewer"),
        (100, 8, 30, "target.components: 30 Gaussians: one of them has a singular covariance"),
    ],
)
def test_too_few_rows(tmp_path, rows: int, dim: int, components: int, message: str) -> None:
    """Fewer images than dimensions or Gaussians, and components without a density."""
    path = tmp_path / "rows.npy"
    values = np.random.default_rng(0).standard_normal((rows, dim))
    rounded = dim == 40  # continuous rows would have no density in any case
    np.save(path, np.round(4.0 * values) if rounded else values)
    table = {"kind": "array", "path": str(path)} | ({"dequantise": 1.0} if rounded else {})
    with pytest.raises(InputError, match=message):
        fitted_mixture(table, components)


def _flat(values: np.ndarray) -> np.ndarray:
    flat = values.copy()
    flat[3, 0], flat[3, :, 0] = 0.0, 0.0
    return flat


@pytest.mark.parametrize(
    ("name", "edit"),
    [
        ("covariances", _flat),
        ("covariances", lambda old: old[:, :5]),
        ("covariances", lambda old: old + np.eye(64)[0]),
        ("weights", lambda old: old * 2.0),
        ("weights", lambda old: old * np.nan),
        ("means", lambda old: old[0]),
        ("scale", lambda old: -old),
        ("noise", lambda old: old * 1.1),
        ("counts", lambda old: old * 0),
    ],
)
def test_stored_numbers_that_are_no_law(mixture: FittedMixture, name: str, edit) -> None:
    with pytest.raises(InputError, match="target"):
        again(mixture, **{name: edit(mixture.arrays()[name])})
