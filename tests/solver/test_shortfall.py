"""Errors of a board's answer hold what is known to be missing: start, rounding, finite average."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr

import thermohw as th
from thermohw.circuit import SolverDevice
from thermohw.circuit.recursion import congruent_sum, power_sum
from thermohw.solver import covariance_error, product_error
from thermohw.solver.shortfall import rounding_left

BOARD: SolverDevice = th.load_device("opamp-solver")  # pyright: ignore[reportAssignmentType]
A = np.array([[1.0, 0.3, -0.2], [0.3, 0.8, 0.1], [-0.2, 0.1, 1.2]])
B = np.array([0.4, -1.1, 0.7])
STILL = ("johnson", "amplifier_noise")


def solved(settling: float, **options: object) -> th.Solution:
    board: SolverDevice = options.pop("board", BOARD)  # pyright: ignore[reportAssignmentType]
    wait = settling * board.program(A, B).slowest
    kept = {"duration": "40 us", "paths": 1, "seed": 1} | options
    return th.solve(board, A, B, settling=wait, **kept)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("settling", [1.0, 3.0, 10.0, 40.0])
@pytest.mark.parametrize("paths", [1, 16])
@pytest.mark.parametrize("ideal", [True, (*STILL, "slew", "swing"), (*STILL, "bandwidth")])
def test_without_noise_the_printed_error_covers_what_is_missing(
    settling: float, paths: int, ideal: object
) -> None:
    """Rounding is at most l/2 = sqrt(3) l/sqrt(12); the rest is exact, or a bound."""
    found = solved(settling, ideal=ideal, paths=paths)
    missing = np.abs(found.x - found.settled)
    assert (missing <= np.sqrt(3.0) * found.uncertainty).all()
    if ideal is True and settling <= 3.0:  # nothing but the start, and that is known exactly
        assert found.bias == pytest.approx(missing, rel=1e-6)


@pytest.mark.parametrize(
    ("settling", "paths", "ideal"),
    [(1.0, 1, True), (1.0, 16, True), (3.0, 1, True), (10.0, 16, True),
     (3.0, 16, ("bandwidth",)), (10.0, 1, ("bandwidth",)), (1.0, 16, ("slew", "swing"))],
)  # fmt: skip
def test_with_noise_too(settling: float, paths: int, ideal: object) -> None:
    """4 errors of Gaussian scatter and a bias that is no larger than one."""
    found = solved(settling, ideal=ideal, paths=paths, noise=True)
    assert (np.abs(found.x - found.settled) <= 4.0 * found.uncertainty).all()
    assert np.isfinite(found.uncertainty).all()  # one batch of one path has no scatter of its own


def test_a_saturating_output_shifts_the_rest_point() -> None:
    found = solved(30.0, ideal=(*STILL, "converters"))
    missing = np.abs(found.x - found.settled)
    assert missing.max() > 1e-8  # far above round-off, so that the next line can fail
    assert found.bias == pytest.approx(missing, rel=0.05, abs=1e-9)


def test_a_slewing_board_forgets_later_than_its_linear_law() -> None:
    slow: SolverDevice = th.load_device(
        "opamp-solver", {"amp.slew": "0.05 V/us", "amp.gbw": "3 MHz"}
    )  # pyright: ignore[reportAssignmentType]
    ideal = (*STILL, "converters", "swing")
    found = solved(2.0, board=slow, ideal=ideal, duration="2 us")
    missing = np.abs(found.x - found.settled)
    assert found.bias == pytest.approx(missing, rel=1e-6)
    linear = solved(2.0, board=slow, ideal=(*ideal, "slew"), duration="2 us")
    assert missing.max() > 1.1 * linear.bias.max()


def test_predicted_scatter_of_readings_that_still_remember_the_start() -> None:
    """V - T P T^T against 4000 paths of a window of half a slowest motion after as long a wait."""
    found = solved(0.5, ideal=True, noise=True, paths=4000, duration="1 us", every="0.1 us")
    spread = found.runs.std(0, ddof=1) / np.sqrt(4000)
    assert found.predicted == pytest.approx(spread, rel=4.0 / np.sqrt(2 * 4000))


@pytest.mark.parametrize("noise", [0.05, 0.2, 0.6])
def test_what_rounding_leaves_in_a_mean(noise: float) -> None:
    """rms over the place of the mean on the grid, by quadrature."""
    places, codes = (np.arange(400) + 0.5) / 400.0, np.arange(-8, 9)
    below = ndtr((codes + 0.5 - places[:, None]) / noise)
    mean = (np.diff(below, axis=1) * codes[1:]).sum(1)
    rms = np.sqrt(np.mean((mean - places) ** 2))
    # smooth and periodic in the place: the sum over 400 of them is exact but for sharp steps
    assert rounding_left(np.array(noise), 1.0) == pytest.approx(rms, rel=1e-6)
    assert rounding_left(np.zeros(1), 0.3)[0] == pytest.approx(0.3 / np.sqrt(12.0), rel=1e-5)


@pytest.mark.parametrize(("paths", "count", "duration"), [(4000, 1, "1 us"), (1, 100, "2 us")])
def test_an_inverse_knows_what_it_lacks(paths: int, count: int, duration: str) -> None:
    """The transient of the covariance with many paths, the finite average with one."""
    wait = 0.3 * BOARD.program(A).slowest
    runs = [
        th.invert(BOARD, A, duration=duration, settling=wait, every="0.5 us", ideal=True,
                  paths=paths, seed=40 + i)
        for i in range(count)
    ]  # fmt: skip
    gaps, bias = np.array([run.inverse - run.settled for run in runs]), runs[0].bias
    stderr = runs[0].stderr if count == 1 else gaps.std(0, ddof=1) / np.sqrt(count)
    assert (bias / stderr).max() > 8.0  # it can be told from nothing
    assert np.abs((np.abs(gaps.mean(0)) - bias) / stderr).max() < 4.0
    assert all(
        (np.abs(gap) < 4.0 * run.uncertainty).all() for gap, run in zip(gaps, runs, strict=True)
    )


def test_rounding_adds_to_an_inverse_what_sheppard_says() -> None:
    """Readings of 5 bits: l^2/12 on the diagonal, exactly what the bias states."""
    coarse: SolverDevice = th.load_device("opamp-solver", {"solver.adc_bits": 5})  # pyright: ignore
    ideal = tuple(name for name in ("slew", "swing", "bandwidth", "offset", "gain", "resistors",
                                    "johnson", "amplifier_noise"))  # fmt: skip
    found = th.invert(coarse, A, duration="400 us", noise=0.1, ideal=ideal, paths=256, seed=8)
    gap, step = found.inverse - found.settled, 4.0 / 2**5 / found.system.volts
    sheppard = step**2 / 12.0 / found.system.temperature
    assert np.diag(gap) == pytest.approx(np.full(3, sheppard), abs=4.0 * found.stderr.max())
    assert sheppard > 8.0 * found.stderr.max()
    assert (np.diag(found.bias) >= 0.99 * sheppard).all()
    assert (np.abs(gap) <= 4.0 * found.uncertainty).all()


def test_scatter_of_an_inverse_has_the_constant_of_wick() -> None:
    """Dense readings over a long time; both sides are closed forms."""
    dense, long = 0.02, 60_000
    values, vectors = np.linalg.eigh(A)
    phi = vectors @ np.diag(np.exp(-values * dense)) @ vectors.T
    found = product_error(phi, np.linalg.inv(A), long, np.eye(3))
    # corrections: slowest/duration, and (h l)^2/12 of the trapezoid
    assert found.sum() == pytest.approx(covariance_error(A, dense * long), rel=2e-3)


def test_sums_of_powers() -> None:
    rng = np.random.default_rng(5)
    phi, x = 0.4 * rng.normal(size=(3, 3)), rng.normal(size=(3, 3))
    for n in (1, 2, 7, 12):
        powers = [np.linalg.matrix_power(phi, k) for k in range(n)]
        assert np.allclose(power_sum(phi, n), sum(powers), rtol=1e-12)
        assert np.allclose(congruent_sum(phi, x, n), sum(p @ x @ p.T for p in powers), rtol=1e-12)


def test_the_page_prints_the_whole_error() -> None:
    found = solved(3.0, ideal=True)
    row = str(found).splitlines()[2].split()
    assert float(row[1]) == pytest.approx(found.uncertainty[0], rel=0.06)
    assert float(row[2]) == 0.0 and float(row[3]) == pytest.approx(found.bias[0], rel=0.06)
