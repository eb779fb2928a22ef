"""Thermal noise and mixtures by ngspice's own random numbers."""

import numpy as np
import pytest
import rlc

import thermohw as th
from thermohw.errors import InputError
from thermohw.spice import check_equilibrium, run_ensemble
from thermohw.spice.equilibrium import held_covariance
from thermohw.target import target_from_dict

MIXTURE = target_from_dict({"kind": "gaussian_mixture", "means": [[-2.0], [1.5]],
                            "stds": [0.3, 0.4], "weights": [0.3, 0.7]})  # fmt: skip
GROUNDED = [("a", "gnd", 1.0, 1.0), ("b", "gnd", 1.0, 1.0)]


def mixture(wiring):
    ou = th.OU(5.0)
    return th.Protocol(th.load_device("rc1"), ou, MIXTURE.score(ou), wiring=wiring,
                       control="continuous", ticks=250)  # fmt: skip


@pytest.mark.parametrize("r", [0.05, 0.5, 2.0])
def test_staircase_noise_makes_2_r_tanh_r_2(r):
    assert held_covariance(th.load_device("rc1"), r)[0, 0] == pytest.approx(
        2.0 / r * np.tanh(0.5 * r), rel=1e-12
    )


@pytest.mark.spice
@pytest.mark.parametrize(
    ("device", "expected"),
    [
        (th.load_device("rc1"), [[1.0]]),
        (rlc.network({"a": 1.0, "b": 1.0}, GROUNDED, capacitors=[("a", "b", 0.5)]),
         [[0.75, 0.25], [0.25, 0.75]]),
        (rlc.network({"a": 1.0, "b": 1.0}, [*GROUNDED, ("a", "b", 2.0, 1.0)]), np.eye(2)),
        (rlc.cell(2.0), np.diag([1.0, 4.0])),
    ],
    ids=["kT/C", "kT/C_M", "R-coupled", "kT/L, <v i> = 0"],
)  # fmt: skip
def test_equilibrium_by_the_simulators_own_noise(device, expected, seed):
    # Expected from closed forms: kT times the inverse of the Maxwell and inductance matrices.
    found = check_equilibrium(device, duration=60.0, seed=seed % 1000)
    assert found.holds, str(found)
    assert np.abs((found.covariance - expected) / found.stderr).max() < 4.0
    assert found.stderr.max() < 0.1 * np.max(expected)  # and it could have failed


@pytest.mark.spice
@pytest.mark.parametrize(("wiring", "work"), [("emf", 2.6975), ("current", 1.9139)])
def test_work_of_the_mixture(wiring, work, seed):
    found = run_ensemble(mixture(wiring), 20, seed=seed % 1000, interval=0.04, reltol=1e-4)
    mean, error = found.mean(found.work)
    assert abs(mean - work) < 4.0 * error and error < 1.0, str(found)
    assert found.residual < 0.1  # kT, of a trapezoidal rule at this step


@pytest.mark.spice
def test_the_same_seed_is_the_same_run(seed):
    one, two = (run_ensemble(mixture("current"), 2, seed=5, interval=0.1, rest=0.5, reltol=1e-3)
                for _ in range(2))  # fmt: skip
    other = run_ensemble(mixture("current"), 2, seed=6, interval=0.1, rest=0.5, reltol=1e-3)
    assert np.array_equal(one.samples, two.samples)
    assert not np.allclose(one.samples, other.samples)


@pytest.mark.spice
@pytest.mark.long
@pytest.mark.parametrize(("wiring", "work"), [("emf", 2.6975), ("current", 1.9139)])
def test_work_of_the_mixture_in_earnest(wiring, work, seed):
    found = run_ensemble(mixture(wiring), 200, seed=1)
    mean, error = found.mean(found.work)
    assert abs(mean - work) < 4.0 * error and error < 0.25, str(found)
    x = found.samples[:, 0]
    share = np.mean(x > 0.0)
    assert abs(share - 0.7) < 4.0 * np.sqrt(0.21 / len(x))


@pytest.mark.parametrize(
    ("change", "says"),
    [({"control": "clocked", "ticks": 250}, "replayed"), ({"realisation": "resistance"}, "fixed")],
)
def test_what_an_ensemble_cannot_play(change, says):
    from dataclasses import replace

    with pytest.raises(InputError, match=says):
        run_ensemble(replace(mixture("emf"), **change), 2)
