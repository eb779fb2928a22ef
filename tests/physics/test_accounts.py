"""The accounts of the OU mixture: two wirings and two clockings of one law, with different heat.

Every number comes three ways: quadrature of the densities (`problems.rates`, no package code),
exact expectations of the engine extrapolated to no ticks, and sampled ensembles of 2e5 paths.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from acceptance import assert_z
from laws import first_law, reference_heat, sample_law
from problems import (
    REFERENCE,
    Sample,
    halved,
    make,
    mixture_protocol,
    mixture_score,
    rates,
    simulate,
)

from thermohw.books import Pumping, nearest_neighbour_entropy
from thermohw.integrate import tiles
from thermohw.integrate.tile import BLOCK
from thermohw.noise import Recording, TickNoise

PATHS = 49 * BLOCK  # 200,704
STDERR = 0.004  # kT; standard deviations per path are 0.9 to 1.1
F32 = torch.float32


def test_references_by_quadrature() -> None:
    """The contract's six-digit numbers, from densities alone."""
    found = rates([-1.0, 1.0], [0.4, 0.4], [0.5, 0.5], 3.0)
    for name, value in REFERENCE.items():
        assert found[name] == pytest.approx(value, abs=6e-7), name


def test_second_law_of_each_wiring() -> None:
    """dS + Q (emf), dS + Q - pumping (current) are one and the same production; clocked emf alone
    goes below zero: Maxwell's demon, until the information is counted.
    """
    r = rates([-1.0, 1.0], [0.4, 0.4], [0.5, 0.5], 3.0)
    ds = r["entropy change"]
    assert ds + r["emf continuous heat"] == pytest.approx(r["production"], abs=1e-8)
    assert ds + r["current heat"] - r["pumping"] == pytest.approx(r["production"], abs=1e-8)
    assert ds + r["emf clocked heat"] < -0.07


@pytest.mark.parametrize("wiring, control", [
    ("emf", "continuous"), ("emf", "clocked"), ("current", "continuous"), ("current", "clocked"),
])  # fmt: skip
def test_engine_in_the_limit_of_no_ticks(wiring: str, control: str) -> None:
    reference_heat(wiring, control)


@pytest.mark.parametrize("wiring", ["emf", "current"])
def test_generation_ends_in_the_data(wiring: str) -> None:
    sample_law(wiring)


# ------------------------------------------------------------------------------- sampled


@pytest.fixture(scope="module")
def continuous() -> Sample:
    """emf, continuous, 256 steps: biased by -0.0002 kT, a tenth of the standard error."""
    return simulate(make(mixture_protocol("emf", "continuous", 256), dtype=F32), PATHS)


@pytest.fixture(scope="module")
def clocked() -> dict[str, dict[str, np.ndarray]]:
    """Both wirings at 128 and 256 ticks on shared Brownian paths, extrapolated path by path."""
    found: dict[str, list[dict[str, np.ndarray]]] = {"emf": [], "current": []}
    engines = {}
    for wiring in found:
        for n in (128, 256):
            protocol = mixture_protocol(wiring, "clocked", n)
            engines[wiring, n] = make(protocol, Pumping(), divergence=True, closing=True,
                                      flux=True, dtype=F32)  # fmt: skip
    for tile in tiles(PATHS):
        noise = TickNoise(0, tile.first, tile.paths, dtype=torch.float64)
        fine = torch.stack([noise.normals(2, tick).clone() for tick in range(256)])
        tapes = {256: fine.float(), 128: halved(engines["emf", 256], fine).float()}
        start = engines["emf", 256].open(tile).state
        for wiring, rows in found.items():
            level = {}
            for n, tape in tapes.items():
                run = engines[wiring, n].open(tile, noise=Recording(tape), state=start.clone())
                run.advance(n)
                results = run.results()
                level[n] = {
                    "heat": results["ledger"]["heat"].sum(1),
                    "work": results["ledger"]["work"].sum(1),
                    "pumping": results["pumping"]["pumping"],
                }
            rows.append({k: (2 * level[256][k] - level[128][k]).numpy() for k in level[256]})
    return {
        wiring: {key: np.concatenate([row[key] for row in rows]) for key in rows[0]}
        for wiring, rows in found.items()
    }


def assert_mean(values: np.ndarray, exact: float) -> None:
    """Within 3 standard errors, of which one is at most 0.004 kT."""
    assert len(values) >= 200_000
    assert values.std() / len(values) ** 0.5 <= STDERR
    assert_z(values, exact, max_z=3.0)


def test_emf_continuous(continuous: Sample) -> None:
    assert_mean(continuous.total("heat"), 0.017577)
    first_law(continuous, tolerance=1e-4)  # float32 states


def test_emf_clocked(clocked: dict[str, dict[str, np.ndarray]]) -> None:
    """Extrapolated from 128 and 256 ticks; what remains is 5e-4 kT, a seventh of the error."""
    assert_mean(clocked["emf"]["heat"], -0.164350)


def test_current(clocked: dict[str, dict[str, np.ndarray]]) -> None:
    assert_mean(clocked["current"]["heat"], 0.199504)
    assert_mean(clocked["current"]["work"], 0.399008)
    assert_mean(clocked["current"]["pumping"], 0.181927)


def test_wirings_share_samples_not_joules(clocked: dict[str, dict[str, np.ndarray]]) -> None:
    """On the same noise the two wirings pump the same entropy path by path, and differ by 100
    standard errors in heat.
    """
    emf, current = clocked["emf"], clocked["current"]
    # float32 paths, 256 ticks of rounding
    assert np.abs(emf["pumping"] - current["pumping"]).max() < 1e-2
    gap = current["heat"] - emf["heat"]
    assert gap.mean() > 100 * gap.std() / len(gap) ** 0.5


def test_entropy_change_of_generation(continuous: Sample) -> None:
    """S(end) by nearest neighbours minus the exact S(p_3): +0.090963."""
    value, stderr = nearest_neighbour_entropy(continuous.end.double().numpy())
    start = float(mixture_score().entropy(3.0).value)
    assert stderr < 0.004
    assert_z(value - start, 0.090963, stderr=stderr)


def test_end_states_are_the_data(continuous: Sample) -> None:
    """Moments of p_0 and of its two humps, sampled through the engine's own streams."""
    x = continuous.end.double()
    assert_z(x, 0.0)
    assert_z(x.square(), 1.4, max_z=4.5)
    assert_z(torch.cos(2 * x), float(np.cos(2) * np.exp(-0.8)), max_z=4.5)
