"""Noise that coordinates share leaves each as hot as it should be, and shows in products alone."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from golden.runs import CHAIN, CLOCKED

from thermohw.audit.correlation import correlation_deviations, noise_correlation
from thermohw.audit.gain import gain
from thermohw.audit.gather import gather
from thermohw.audit.residuals import noise_temperature
from thermohw.audit.samples import compare, sample_law
from thermohw.books import Residuals, correlations
from thermohw.errors import InputError
from thermohw.integrate import make_engine, tiles
from thermohw.noise import TickNoise
from thermohw.pipeline import load_spec, run_spec
from thermohw.pipeline.build import build_setting

pytestmark = pytest.mark.usefixtures("readable")  # what tests break, runs must play

FOUR = [
    "device.name=rc64",
    "device.array.shape=[1, 4]",
    "target={kind='gaussian', mean=[1.0, 0.0, -1.0, 0.0], std=[0.5, 1.0, 0.7, 1.0]}",
    *CLOCKED,
]
CELLS = [
    "device.name=rlc64",
    "device.array.shape=[1, 3]",
    "process={kind='langevin', duration=6.0}",
    "target={kind='gaussian', mean=[1.0, 0.0, -1.0], std=[0.5, 1.0, 0.7]}",
    "protocol.stepper=splitting",
]
RHO = 0.1
PAIR, NEXT, ALL = np.eye(4), np.eye(4), np.full((4, 4), RHO)
PAIR[0, 2] = PAIR[2, 0] = RHO
for i in range(3):
    NEXT[i, i + 1] = NEXT[i + 1, i] = RHO
np.fill_diagonal(ALL, 1.0)


def run(path, *overrides, paths=500):
    common = ["protocol.ticks=64", f"simulate.paths={paths}", "store.every=0", "likelihood.test=0"]
    spec = load_spec("mixture_rc", [*common, "audit.twins=false", *overrides])
    run_spec(spec, path, progress=False)
    return gather(path)


def share(monkeypatch, covariance):
    """Normals of unit variance that nodes share as the covariance says."""
    right, mix = TickNoise.normals, np.linalg.cholesky(covariance)

    def normals(self, width, tick):
        drawn = right(self, width, tick)
        return drawn.copy_(drawn @ drawn.new_tensor(mix.T))

    monkeypatch.setattr(TickNoise, "normals", normals)


@pytest.mark.parametrize(
    ("covariance", "kind"),
    [(PAIR, []), (NEXT, ["protocol.control=continuous", "protocol.stepper=euler"]), (ALL, [])],
    ids=["pair", "neighbours", "all"],
)
def test_a_tenth_of_the_noise_in_common(tmp_path, monkeypatch, covariance, kind):
    """500 paths at 16 of 64 ticks: a correlation is known to 1/sqrt(8000) = .011, squares see
    nothing.
    """
    share(monkeypatch, covariance)
    found = run(tmp_path / "run.h5", *FOUR, *kind)
    check = noise_correlation(found)
    assert check.status == "violated" and check.power is not None and check.power < 0.07
    assert check.value is not None and abs(check.value - RHO) < 5 * 8000**-0.5
    assert noise_temperature(found).status == gain(found).status == "holds"


def test_groups_of_many_coordinates(tmp_path, monkeypatch):
    """Two groups of two stand for 64: what neighbours share raises the variance of a sum by rho,
    the mean of both known to 1/sqrt(8000); what all share makes the covariance of the sums 4 rho of
    2, known as well.
    """
    monkeypatch.setattr(correlations, "_GROUPS", 2)
    for name, covariance, expected in (("next", NEXT, RHO), ("all", ALL, 2.0 * RHO)):
        with monkeypatch.context() as wrong:
            share(wrong, covariance)
            check = noise_correlation(run(tmp_path / f"{name}.h5", *FOUR))
        assert check.status == "violated" and "n0[0,0]..n0[0,1]" in check.detail
        assert check.value is not None and abs(check.value - expected) < 5.0 * 8000**-0.5


def test_end_states_that_follow_each_other(tmp_path, monkeypatch):
    """Noise that two nodes share in part leaves means and variances of the samples as they should
    be; half of it in common makes a correlation that 1000 paths know to 3 %.
    """
    covariance = np.eye(4)
    covariance[1, 3] = covariance[3, 1] = 0.5
    share(monkeypatch, covariance)
    found = run(tmp_path / "run.h5", *FOUR, "audit.twins=true", paths=1000)
    check = sample_law(found, compare(found))
    assert check.status == "violated" and "covariance of n0[0,1] and n0[0,3]" in check.detail


@pytest.mark.parametrize(
    ("overrides", "groups"),
    [([*CHAIN, *CLOCKED], 64), (CELLS, 64), ([*CHAIN, *CLOCKED], 2), (FOUR, 2)],
    ids=["chain", "cells", "chain in groups", "nodes in groups"],
)
def test_deviations_are_as_large_as_their_errors(monkeypatch, overrides, groups):
    """z of n numbers of a family over 12 runs, uncorrelated, has mean square 1 to sqrt(2/n): 4 of
    these either way.
    """
    monkeypatch.setattr(correlations, "_GROUPS", groups)
    coarse = ["protocol.ticks=12", "protocol.allow_ringing=true", "likelihood.test=0"]
    spec = load_spec("mixture_rc", [*overrides, *coarse])
    setting = build_setting(spec, progress=False)
    engine = make_engine(setting.protocol, target=setting.target, dtype=torch.float64)
    engine.observers, families = (Residuals(engine.plan),), {}
    for engine.seed in range(12):
        one = engine.open(tiles(60)[0])
        one.advance(12)
        evidence: Any = SimpleNamespace(
            setting=SimpleNamespace(device=engine.plan.protocol.board),
            plan=engine.plan,
            paths=60,
            residuals={k: v.numpy() for k, v in one.results()["residuals"].items()},
            simulate={"dtype": "float64"},
            peaks=None,
        )
        for found in correlation_deviations(evidence):
            families.setdefault(found.family, []).append(found.z)
    assert {"pair"} <= families.keys() and (groups == 64) == ("group" not in families)
    for z in families.values():
        assert abs(np.mean(np.square(z)) - 1.0) < 4.0 * (2.0 / len(z)) ** 0.5


def test_a_single_coordinate_shares_nothing(tmp_path):
    check = noise_correlation(run(tmp_path / "one.h5", *CLOCKED, paths=64))
    assert check.status == "not-applicable" and "single coordinate" in check.detail


def test_products_of_another_device_are_refused(tmp_path, monkeypatch):
    found = run(tmp_path / "run.h5", *FOUR, paths=64)
    monkeypatch.setattr(correlations, "_GROUPS", 2)
    with pytest.raises(InputError, match="changed after the run"):
        noise_correlation(found)
