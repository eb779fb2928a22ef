"""Linear systems on a board of integrators: laws, constants, imperfections one by one."""

from __future__ import annotations

import numpy as np
import pytest

import thermohw as th
from thermohw.circuit import SolverDevice, active_law
from thermohw.circuit.solver import IMPERFECTIONS
from thermohw.circuit.solver_system import quantise
from thermohw.errors import InputError
from thermohw.solver import average_covariance, covariance_error, mean_error

BOARD: SolverDevice = th.load_device("opamp-solver")  # pyright: ignore[reportAssignmentType]


def system(n: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A symmetric positive definite matrix with entries of both signs, and a vector."""
    rng = np.random.default_rng(seed)
    g = rng.normal(size=(n, 2 * n))
    return g @ g.T / (2 * n) + 0.5 * np.eye(n), rng.normal(size=n)


def only(*kept: str) -> tuple[str, ...]:
    """Everything ideal but some imperfections."""
    return tuple(name for name in IMPERFECTIONS if name not in kept)


@pytest.mark.parametrize("n", [1, 3, 8])
def test_the_ideal_board_is_the_published_process(n: int) -> None:
    """dx = -(A x - b)/a ds + noise, steady law N(A^-1 b, A^-1/beta), to round-off."""
    a, b = system(n)
    program = BOARD.program(a, b, noise=True, ideal=True)
    law, out = active_law(program.device), program.outputs
    assert np.allclose(program.realised, a, rtol=1e-12)
    assert np.allclose(program.read(law.effort_mean(program.sources)), np.linalg.solve(a, b))
    inverse = law.effort_covariance[out, out] / program.unit**2 / program.temperature
    assert np.allclose(inverse, np.linalg.inv(a), rtol=1e-10)
    # In x: one summing charge per integrator, x = -z / V_x
    assert np.allclose(law.drift_matrix, a / np.abs(a).max(), rtol=1e-12)


def test_ideal_paths_have_that_law() -> None:
    a, b = system(3)
    kept = {"ideal": True, "paths": 64, "duration": "400 us", "seed": 11}
    found = th.solve(BOARD, a, b, noise=True, **kept)
    assert np.abs((found.x - found.exact) / found.predicted).max() < 4.0
    inverse = th.invert(BOARD, a, **kept)
    assert np.abs((inverse.inverse - inverse.exact) / inverse.stderr).max() < 4.0
    assert np.allclose(inverse.settled, inverse.exact, rtol=1e-10)


def test_average_covariance_against_the_plain_sum() -> None:
    rng = np.random.default_rng(1)
    phi = 0.3 * rng.normal(size=(3, 3))
    root = rng.normal(size=(3, 3))
    p, n = root @ root.T, 7
    plain = sum(
        np.linalg.matrix_power(phi, i - j) @ p if i >= j
        else p @ np.linalg.matrix_power(phi, j - i).T
        for i in range(n) for j in range(n)
    ) / n**2  # fmt: skip
    assert np.allclose(average_covariance(phi, p, n), plain, rtol=1e-12)


def test_error_of_a_solution_falls_as_one_over_time() -> None:
    """Exact variance of the average against 2 tr A^-2/(beta D), and batches against both."""
    a, b = system(4)
    beta = BOARD.program(a, b, noise=True, ideal=True).temperature
    ratios = []
    for micro in (500, 1000, 2000):
        found = th.solve(BOARD, a, b, duration=micro * 1e-6, every="0.1 us", noise=True,
                         ideal=True, paths=8, seed=2)  # fmt: skip
        asked = mean_error(a, beta, micro / np.abs(a).max())
        ratios.append(8 * float((found.predicted**2).sum()) / asked)
        # 8 paths of 10 batches or more and 4 unknowns: (found/expected)^2 spreads by sqrt(2/320)
        assert found.stderr / found.predicted == pytest.approx(np.ones(4), abs=4 * 0.5 * 0.16)
    # 1/D falls short of the exact sum by a term of order slowest/D
    shortfall = np.abs(np.array(ratios) - 1.0)
    assert shortfall[2] < 3e-3
    assert shortfall[0] / shortfall[2] == pytest.approx(4.0, rel=0.3)


def test_error_of_an_inverse_has_the_constant_of_wick() -> None:
    """E|C - A^-1|_F^2 over 512 independent paths against the closed form."""
    a = system(3)[0]
    found = th.invert(BOARD, a, duration="400 us", every="0.2 us", ideal=True, paths=512, seed=3)
    asked = covariance_error(a, 400.0 / np.abs(a).max()) / 512
    # the spread of a sum of squares of some 512*8 batches times 6 entries, and slowest/D
    assert float((found.stderr**2).sum()) == pytest.approx(asked, rel=4 * np.sqrt(2 / 4096) + 0.01)
    assert np.linalg.norm(found.inverse - found.exact) < 3.0 * np.sqrt(asked)


@pytest.mark.parametrize("gain", [100.0, 1e5])
def test_gain_and_offset_at_rest_against_the_nodal_equations(gain: float) -> None:
    """(A/a + g/A0) o = V b-wards + g offset, g_i the conductances at summing node i."""
    a, b = system(5)
    board: SolverDevice = th.load_device("opamp-solver", {"amp.gain": gain})  # pyright: ignore
    program = board.program(a, b, ideal=only("gain", "offset", "bandwidth"))
    scaled = a / np.abs(a).max()
    load = np.abs(scaled).sum(1) + 1.0
    offset = 0.5e-3 / board.scale.voltage
    volts = -program.sources[-5:]
    out = np.linalg.solve(scaled + np.diag(load) / gain, volts + load * offset)
    settled = active_law(program.device).effort_mean(program.sources)[program.outputs]
    assert np.allclose(settled, out, rtol=1e-9)


def test_rounded_resistors_solve_the_rounded_system() -> None:
    a, b = system(4)
    board: SolverDevice = th.load_device("opamp-solver", {"solver.resistor_bits": 6})  # pyright: ignore
    program = board.program(a, b, ideal=only("resistors"))
    steps = np.round(a / np.abs(a).max() * 63) / 63 * np.abs(a).max()
    assert np.allclose(program.realised, steps, rtol=1e-12)
    settled = program.read_exact(active_law(program.device).effort_mean(program.sources))
    assert np.allclose(settled, np.linalg.solve(steps, b), rtol=1e-10)
    spread = board.program(a, b, ideal=only("resistors"), mismatch=4)
    assert not np.allclose(spread.realised, steps, rtol=1e-5)


def test_offset_spoils_the_first_moment_and_not_the_second() -> None:
    """Measured on a small board of programmable analog arrays: the same here, exactly."""
    a, b = system(3)
    laws = []
    for off in (only("bandwidth", "gain"), only("bandwidth", "gain", "offset")):
        program = BOARD.program(a, b, noise=True, ideal=off)
        law = active_law(program.device)
        laws.append((law.effort_mean(program.sources), law.effort_covariance))
    assert np.allclose(laws[0][1], laws[1][1], rtol=1e-13)
    assert np.abs(laws[0][0] - laws[1][0])[3:6].max() > 100.0  # of the thermal voltage
    # Readings of a board with 20 mV of offset: the covariance is right, raw products are not.
    bad: SolverDevice = th.load_device("opamp-solver", {"amp.offset": "20 mV"})  # pyright: ignore
    found = th.invert(bad, a, duration="800 us", ideal=only("offset"), paths=32, seed=6)
    assert np.abs((found.inverse - found.exact) / found.stderr).max() < 4.0
    raw = found.inverse + np.outer(found.mean, found.mean) / found.system.temperature
    assert np.abs((raw - found.exact) / found.stderr).max() > 10.0


def test_bandwidth_of_one_integrator_against_the_spectrum() -> None:
    """Var(x) of a 1 x 1 system with amplifiers of 2 MHz, by quadrature over all frequencies."""
    from scipy.integrate import quad

    board: SolverDevice = th.load_device("opamp-solver", {"amp.gbw": "2 MHz"})  # pyright: ignore
    program = board.program([[1.0]], noise=True, ideal=only("bandwidth", "gain"))
    rate, stray = 2 * np.pi * 2e6 * 1e-6, 5e-3

    def density(w: float) -> float:
        s = 1j * w
        g = rate / (s + rate / 1e5)
        load = 1.0 + 1.0 + s * (1.0 + stray)  # unit resistors of the entry and of the input
        return abs(g / (load + (1.0 + s) * g)) ** 2 * 2.0 / (2.0 * np.pi)

    total = 2.0 * (quad(density, 0.0, 1.0)[0]
                   + quad(lambda x: density(1.0 / x) / x**2, 1e-9, 1.0, limit=400)[0])  # fmt: skip
    law = active_law(program.device)
    found = law.effort_covariance[1, 1] / (program.noise / board.scale.voltage) ** 2
    assert found == pytest.approx(total, rel=1e-6)
    assert abs(found - 1.0) > 0.01  # and it is not the ideal answer


def test_converters() -> None:
    volts = np.array([-2.0, -0.30001, 0.0, 0.2499, 1.9999, 3.0])
    assert np.array_equal(quantise(volts, None, 2.0), volts)
    assert np.allclose(quantise(volts, 3, 2.0), [-2.0, -0.5, 0.0, 0.0, 1.5, 1.5])


def test_books_of_a_solution() -> None:
    """First law path by path; the heat of the steady part agrees with the closed form."""
    a, b = system(2)
    found = th.solve(BOARD, a, b, duration="2 us", settling="1 us", noise=True, paths=8,
                     ideal=("slew", "swing"), books=True, step="2 ns")  # fmt: skip
    books = found.books
    assert books is not None
    assert np.abs(books.residual).max() < 1e-12 * books.exchanged.min()
    assert found.budget.static == pytest.approx(2 * 70e-3 * 3e-6)
    # 2x2 resistor codes, 2 converter codes, 2 readings of 2 numbers, 16 bits each, at 50 Gbit/s
    assert found.budget.transfer == pytest.approx((4 + 2 + 4) * 16 / 50e9)
    assert found.budget.converters == pytest.approx(6 * 621e-12)
    assert "settles to" in str(found) and "supplies at rest" in str(found)


def test_trajectory_relaxes_as_the_matrix_says() -> None:
    """Mean path of the ideal board: (1 - exp(-A s/a)) A^-1 b."""
    from scipy.linalg import expm

    a, b = system(3)
    found = th.solve(BOARD, a, b, duration="10 us", settling="10 us", ideal=True, paths=1)
    s = found.times / BOARD.scale.time / np.abs(a).max()
    exact = np.array([(np.eye(3) - expm(-a * t)) @ np.linalg.solve(a, b) for t in s])
    assert np.allclose(found.trajectory, exact, atol=1e-12)


@pytest.mark.parametrize(
    ("matrix", "vector", "says"),
    [
        ([[1.0, 2.0], [2.0, 1.0]], [0, 0], "not positive definite: smallest eigenvalue -1"),
        ([[1.0, 1.0], [1.0, 1.0]], [0, 0], "not positive definite: smallest eigenvalue"),
        ([[1e300, 0.0], [0.0, 1.0]], [0, 0], "smallest eigenvalue 1 of up to 1e+300"),
        ([[1.0, 0.5], [0.0, 1.0]], [0, 0], "not symmetric"),
        ([[1.0, 0.5]], [0], "square matrix"),
        ([[1.0, np.nan], [np.nan, 1.0]], [0, 0], "finite"),
        (np.eye(2), [0, 0, 0], "expected 2 finite numbers"),
        (np.eye(9), np.ones(9), "9 rows, but opamp-solver has 8 integrators"),
        ([["x"]], [0], "expected a matrix"),
    ],
)
def test_bad_systems(matrix: object, vector: object, says: str) -> None:
    with pytest.raises(InputError) as caught:
        th.solve(BOARD, matrix, vector, duration="1 us")
    assert says in str(caught.value)


def test_bad_settings() -> None:
    a, b = system(2)
    with pytest.raises(InputError, match="unknown imperfection 'gian'"):
        th.solve(BOARD, a, b, duration="1 us", ideal=("gian",))
    with pytest.raises(InputError, match="read from noise"):
        th.invert(BOARD, a, duration="1 us", noise=False)
    with pytest.raises(InputError, match="is no linear solver"):
        th.solve(th.load_device("rc1"), a, b, duration="1 us")  # pyright: ignore
    with pytest.raises(InputError, match="runs with th.Evolve.*th.solve and th.invert"):
        th.relaxation(BOARD)  # pyright: ignore
    with pytest.raises(InputError, match="positive time"):
        th.solve(BOARD, a, b, duration="-1 us")


def test_what_would_be_clipped_is_refused() -> None:
    """A clipped board settles to another answer, with a standard error of zero beside it."""
    a, b = np.array([[2.0, -1.0], [-1.0, 2.0]]), np.array([1.0, 0.0])  # x = (2/3, 1/3)
    # 2 V of full scale hold x up to 3 V per unit, 4 V of swing up to 6 V.
    assert BOARD.program(a, b, volts=2.9).volts == 2.9
    with pytest.raises(InputError, match="at most 3 V fit"):
        BOARD.program(a, b, volts=3.1)
    with pytest.raises(InputError, match="at most 6 V fit"):
        BOARD.program(a, b, volts=6.1, ideal=("converters",))
    assert BOARD.program(a, b, volts=60.0, ideal=("converters", "bandwidth")).volts == 60.0
    for volts in (0.0, -1.0, float("nan")):
        with pytest.raises(InputError, match="expected a positive voltage"):
            BOARD.program(a, b, volts=volts)
    # The slowest mode has sqrt(2) times a unit integrator's rms: four of them pass 2 V at 0.354 V.
    assert BOARD.program(a, noise=0.35).noise == 0.35
    with pytest.raises(InputError, match="would clip"):
        BOARD.program(a, noise=0.36)
    with pytest.raises(InputError, match="rms voltage in volt"):
        BOARD.program(a, noise="50 mV")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("options", "says"),
    [({"paths": 2.5}, "paths"), ({"paths": 0}, "paths"), ({"seed": -1}, "seed"),
     ({"mismatch": -1}, "mismatch")],
)  # fmt: skip
def test_bad_counts(options: dict, says: str) -> None:
    with pytest.raises(InputError, match=says):
        th.solve(BOARD, np.eye(2), np.ones(2), duration="1 us", **options)
