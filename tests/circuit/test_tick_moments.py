"""Exact moments of a held tick against Lyapunov, Van Loan, closed forms and series."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from problems import chain, device_from, rc1, unequal_nodes
from scipy.linalg import expm, solve_continuous_lyapunov

from thermohw.circuit import LinearDevice, load_device, node_moments, tick_moments
from thermohw.circuit.tick import augmented_system, square_root_covariance

NON_NORMAL = np.array([[1.0, 2.0], [0.0, 1.5]])
RINGING = np.array([[0.05, -5.0], [5.0, 0.1]])


def non_normal(*, gyrating: bool) -> LinearDevice:
    """dz = -[[1, 2], [0, 1.5]] z dt + dW with unit noise, realised in two ways.

    With C = 1 the skew part of A must come from J; or A = G C^-1 with G and C both symmetric
    positive definite, which exists because the eigenvalues of A are real and positive.
    """
    if gyrating:
        return _with_unit_noise(NON_NORMAL, np.eye(2), 0.5 * (NON_NORMAL.T - NON_NORMAL))
    _, vectors = np.linalg.eig(NON_NORMAL)
    capacitance = vectors @ vectors.T
    return _with_unit_noise(NON_NORMAL @ capacitance, capacitance, np.zeros((2, 2)))


def _with_unit_noise(flow: np.ndarray, capacitance: np.ndarray, j: np.ndarray) -> LinearDevice:
    conductance = 0.5 * (flow + flow.T)
    values = np.linalg.eigvalsh(conductance)
    return device_from(conductance, capacitance, 0.5 / values, structure=j)


def ringing() -> LinearDevice:
    return _with_unit_noise(RINGING, np.eye(2), 0.5 * (RINGING.T - RINGING))


def precise(f: np.ndarray, m: np.ndarray, h: float) -> tuple[np.ndarray, np.ndarray]:
    """e^{Fh} and int (e^{Fs} M)(e^{Fs} M)^T ds by Van Loan's block exponential.

    Its blocks grow as e^{|F| h} and cancel, so that much is added to 60 digits.
    """
    n = len(f)
    with mpmath.workdps(60 + int(np.linalg.norm(f, 2) * h)):
        block = mpmath.zeros(2 * n)
        noise = mpmath.matrix(m.tolist()) * mpmath.matrix(m.T.tolist())
        for i in range(n):
            for j in range(n):
                block[i, j] = -mpmath.mpf(f[i, j]) * h
                block[i, n + j] = noise[i, j] * h
                block[n + i, n + j] = mpmath.mpf(f[j, i]) * h
        e = mpmath.expm(block)
        phi = e[n:, n:].T
        covariance = phi * e[:n, n:]
        return tuple(np.array(x.tolist(), dtype=float).reshape(n, n) for x in (phi, covariance))  # type: ignore[return-value]


@pytest.mark.parametrize("gyrating", [False, True])
def test_non_normal_transition_covariance(gyrating: bool) -> None:
    """The published example, its Lyapunov formula and its 60-digit value, to 1e-12."""
    device = non_normal(gyrating=gyrating)
    np.testing.assert_allclose(device.drift_matrix, NON_NORMAL, rtol=0, atol=1e-14)
    np.testing.assert_allclose(device.noise_matrix @ device.noise_matrix.T, np.eye(2), atol=1e-14)
    found = tick_moments(device, 1.0).end_covariance
    np.testing.assert_allclose(found, [[0.66814, -0.20171], [-0.20171, 0.31674]], atol=5e-6)
    decay = expm(-NON_NORMAL)
    steady = solve_continuous_lyapunov(NON_NORMAL, np.eye(2))
    np.testing.assert_allclose(found, steady - decay @ steady @ decay.T, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found, precise(-NON_NORMAL, np.eye(2), 1.0)[1], rtol=1e-12)
    np.testing.assert_allclose(tick_moments(device, 1.0).propagator, decay, rtol=0, atol=1e-14)


def test_symmetric_part_shortcut_is_wrong() -> None:
    """What the formula for normal A would give, to know that the test above can tell."""
    s = 0.5 * (NON_NORMAL + NON_NORMAL.T)
    shortcut = np.linalg.inv(2 * s) @ (np.eye(2) - expm(-2 * s))
    found = tick_moments(non_normal(gyrating=False), 1.0).end_covariance
    assert np.abs(shortcut / found - 1.0).max() > 0.1


CASES = {
    "chain": lambda: chain(hot=True),
    "non-normal": lambda: non_normal(gyrating=False),
    "gyrating": lambda: non_normal(gyrating=True),
    "ringing": ringing,
    "stiff": lambda: device_from(np.array([[1e2, 0.1], [0.1, 1e-2]]), np.eye(2), [0.3, 2.0]),
    "rc1": rc1,
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("h", [1e-6, 1e-3, 0.1, 1.0, 10.0])
def test_end_covariance_equals_lyapunov(name: str, h: float) -> None:
    """P - e^{-Ah} P e^{-A'h}, taken in 60 digits where the difference cancels."""
    device = CASES[name]()
    found = tick_moments(device, h).end_covariance
    if name == "chain":  # 16 x 16 in 60 digits takes long; the semigroup needs no cancellation
        half = tick_moments(device, 0.5 * h)
        exact = half.end_covariance + half.propagator @ half.end_covariance @ half.propagator.T
    else:
        _, exact = precise(-device.drift_matrix, device.noise_matrix, h)
    size = np.sqrt(np.outer(np.diag(exact), np.diag(exact)))
    assert (np.abs(found - exact) <= 1e-12 * size).all()
    if h >= 0.1:
        decay, steady = expm(-device.drift_matrix * h), device.stationary_covariance
        difference = steady - decay @ steady @ decay.T
        assert np.abs(found - difference).max() <= 1e-12 * np.abs(steady).max()


@pytest.mark.parametrize("name", ["non-normal", "stiff", "rc1", "ringing"])
@pytest.mark.parametrize("h", [1e-6, 1e-3, 0.3, 5.0])
def test_joint_law_of_charges_and_integrals(name: str, h: float) -> None:
    """Means and covariance of (y, int v dt) against the 60-digit block exponential."""
    device = CASES[name]()
    f, g, m = augmented_system(device)
    n, k = device.dim, len(device.elements)
    phi, covariance = precise(f, m, h)
    moments = tick_moments(device, h)
    found = moments.factor @ moments.factor.T
    size = np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))[n:, n:]
    assert (np.abs(found - covariance[n:, n:]) <= 1e-12 * size).all()
    assert (np.diag(moments.factor) > 0).all()
    scale = np.abs(phi[n:, :n]).max()
    np.testing.assert_allclose(moments.flow_state, phi[n:, :n], rtol=0, atol=1e-13 * scale)
    # Response to inputs: int_0^h e^{Fs} G ds = the same block exponential with G for M M^T.
    block = np.zeros((len(f) + g.shape[1],) * 2)
    block[: len(f), : len(f)], block[: len(f), len(f) :] = f, g
    with mpmath.workdps(60):
        response = mpmath.expm(mpmath.matrix((block * h).tolist()))
        exact = np.array(response.tolist(), dtype=float).reshape(block.shape)[: len(f), len(f) :]
    np.testing.assert_allclose(moments.input, exact[:n], rtol=1e-12, atol=1e-13 * abs(exact).max())
    np.testing.assert_allclose(moments.flow_input, exact[n:], rtol=1e-11,
                               atol=1e-13 * abs(exact[n:]).max())  # fmt: skip
    assert k + n == len(moments.factor)


@pytest.mark.parametrize("name", ["chain", "non-normal", "rc1"])
@pytest.mark.parametrize("h", [1e-6, 0.1, 10.0])
def test_charge_is_conserved(name: str, h: float) -> None:
    """z' = z - sum_k b_k y_k + B i h holds for the mean responses, term by term."""
    device = CASES[name]()
    m, k = tick_moments(device, h), len(device.elements)
    into = -device.directions.T
    np.testing.assert_allclose(
        np.eye(device.dim) + into @ m.flow_state[:k], m.propagator, rtol=0, atol=1e-13
    )
    ports = np.concatenate([np.zeros((device.dim, k)), h * device.port_matrix], axis=1)
    np.testing.assert_allclose(into @ m.flow_input[:k] + ports, m.input, rtol=0, atol=1e-12 * h)


H = [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0]


@pytest.mark.parametrize("h", H)
def test_bridge_variance(h: float) -> None:
    """Var(int dW | ends) of one node to full relative accuracy.

    int v dt given both ends has twice the variance h - 2 tanh(h/2) = h^3/12 - h^5/120 + ...; as a
    difference it would have lost every digit below h = 1e-5.
    """
    with mpmath.workdps(50):
        exact = float(2 * (mpmath.mpf(h) - 2 * mpmath.tanh(mpmath.mpf(h) / 2)))
    if h <= 1e-2:
        series = 2 * (h**3 / 12 - h**5 / 120 + 17 * h**7 / 20160)
        assert exact == pytest.approx(series, rel=1e-12 + h**6)
    assert node_moments(rc1(), h).rest ** 2 == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("h", H)
@pytest.mark.parametrize("c, r, t", [(1.0, 1.0, 1.0), (2.0, 0.25, 1.7)])
def test_node_moments_closed_form(h: float, c: float, r: float, t: float) -> None:
    """One RC node with its own C, R and T: every coefficient written with expm1."""
    device = device_from(np.array([[1 / r]]), np.array([[c]]), t)
    m, s = node_moments(device, h), h / (r * c)
    lost = -np.expm1(-s)
    assert m.decay == pytest.approx(np.exp(-s), rel=1e-14)
    assert m.from_source == pytest.approx(c * lost, rel=1e-13)
    assert m.from_current == pytest.approx(r * c * lost, rel=1e-13)
    assert m.spread**2 == pytest.approx(-t * c * np.expm1(-2 * s), rel=1e-13)
    assert m.sum_state == pytest.approx(r * lost, rel=1e-13)  # int v dt of a decaying charge
    late = float(mpmath.mpf(s) - 1 + mpmath.exp(-mpmath.mpf(s))) if s > 0.1 else (
        s**2 / 2 - s**3 / 6 + s**4 / 24 - s**5 / 120 + s**6 / 720 - s**7 / 5040
    )  # fmt: skip
    assert m.sum_source == pytest.approx(r * c * late, rel=2e-9 if s > 0.01 else 1e-12)
    assert m.sum_current == pytest.approx(r * r * c * late, rel=2e-9 if s > 0.01 else 1e-12)
    # Cov(z', int v dt) = 2 T tau (1 - e^{-s})^2 / 2, hence follow.
    assert m.follow * m.spread == pytest.approx(t * r * c * lost**2, rel=1e-12)
    bridge = 2 * t * r * float(mpmath.mpf(s) - 2 * mpmath.tanh(mpmath.mpf(s) / 2)) * r * c
    if s > 0.1:
        assert m.rest**2 == pytest.approx(bridge, rel=1e-10)


def test_nodes_that_differ_get_rows() -> None:
    """Rows over nodes, each what the general routine says of the whole device."""
    device, h = unequal_nodes(), 0.2
    m, whole = node_moments(device, h), tick_moments(device, h)
    n = device.dim
    assert m.decay.shape == (n,)
    np.testing.assert_allclose(np.diag(m.decay), whole.propagator, rtol=1e-13, atol=0)
    np.testing.assert_allclose(np.diag(m.from_source), whole.input[:, :n], rtol=1e-13, atol=0)
    np.testing.assert_allclose(np.diag(m.from_current), whole.input[:, n:], rtol=1e-13, atol=0)
    np.testing.assert_allclose(np.diag(m.spread**2), whole.end_covariance, rtol=1e-12, atol=1e-17)
    np.testing.assert_allclose(np.diag(m.sum_state), whole.flow_state[n:], rtol=1e-13, atol=0)
    np.testing.assert_allclose(m.rest, np.diag(whole.factor)[n:], rtol=1e-12)
    assert isinstance(node_moments(load_device("rc64"), h).decay, float)


@pytest.mark.parametrize("name", ["chain", "non-normal"])
def test_two_ticks_are_one(name: str) -> None:
    """The law of (y, I) over 2h follows from two ticks of h: a semigroup, to round-off."""
    device = CASES[name]()
    one, two = tick_moments(device, 0.4), tick_moments(device, 0.8)
    n, k = device.dim, len(device.elements)
    noise = one.factor @ one.factor.T
    end = one.end_noise @ noise  # Cov(z', flows) of the first tick
    later = one.flow_state
    total = (
        noise + noise + later @ (one.end_noise @ noise @ one.end_noise.T) @ later.T
        + later @ end + (later @ end).T
    )  # fmt: skip
    np.testing.assert_allclose(two.factor @ two.factor.T, total, rtol=0, atol=1e-13)
    np.testing.assert_allclose(two.flow_state, later + later @ one.propagator, atol=1e-13)
    assert n + k == len(total)


def test_long_ringing_is_resolved() -> None:
    """Panels that double would step over the oscillation of an underdamped circuit."""
    for h in (10.0, 100.0, 1000.0):
        half = square_root_covariance(-RINGING, np.eye(2), h)
        exact = solve_continuous_lyapunov(RINGING, np.eye(2))
        decay = expm(-RINGING * h)
        exact = exact - decay @ exact @ decay.T
        assert np.abs(half @ half.T - exact).max() <= 1e-12 * np.abs(exact).max()
