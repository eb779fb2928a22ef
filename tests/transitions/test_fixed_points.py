"""Fixed points and critical times against closed forms, and where there are none."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from thermohw.errors import InputError
from thermohw.process import OU, VE, VP, Relaxation
from thermohw.score.exact import exact_score
from thermohw.score.network import NetworkScore
from thermohw.score.network.design import design
from thermohw.target import gaussian, gaussian_mixture
from thermohw.transitions import (
    CurieWeiss,
    FrozenDrift,
    IsingChain,
    Patterns,
    Sphere,
    critical_time,
    critical_times,
    follow,
    negative_conductance,
    newton,
    ordered,
    source_of,
    two_deltas,
)


def humps(mu: float, variance: float, weights=None, process=None):
    target = gaussian_mixture([-mu, mu], math.sqrt(variance), weights)
    return exact_score(target, process or OU())


def speciation(mu: float, variance: float) -> float:
    """e^{2t} = mu^2 + sqrt(mu^4 + (variance - 1)^2) (Yu & Huang)."""
    return 0.5 * math.log(mu**2 + math.sqrt(mu**4 + (variance - 1.0) ** 2))


@pytest.mark.parametrize(
    ("process", "printed"),
    [
        (OU(), (".346574", ".440687", None)),
        (VP(), (".258960", ".292642", None)),
        (VE(10.0), (".374294", ".374294", ".374294")),
        (VE(25.0), (".311688", ".311688", ".311688")),
    ],
    ids=lambda v: getattr(v, "kind", ""),
)
def test_two_deltas_by_three_definitions(process, printed) -> None:
    """theory.md A-8, to its digits, and in closed form by decay^2 = 1/2 and sqrt 2 - 1."""
    found = critical_times(two_deltas(), process=process)
    for (name, critical), text in zip(found.items(), printed, strict=True):
        assert critical.definition == name and critical.criterion.startswith("zero of the ")
        assert critical.criterion in critical.reason
        if text is None:
            assert critical.time is None and "unstable" in critical.reason
        else:
            assert critical.time is not None
            assert f"{critical.time:.6f}"[1:] == text
    score, sde, _ = (c.time for c in found.values())
    assert score is not None and sde is not None
    if isinstance(process, VE):
        assert score == pytest.approx(process.time_at_log_snr(0.0), rel=1e-12)
    else:
        for t, square in ((score, 0.5), (sde, math.sqrt(2.0) - 1.0)):
            assert process.transition(t)[0] ** 2 == pytest.approx(square, rel=1e-12)


@pytest.mark.parametrize(
    ("mu", "variance", "printed"),
    [(1, 1, ".346574"), (1, 0.64, ".362039"), (1, 0.4, ".386485"), (1, 0.1, ".426220"),
     (2, 1, "1.039721"), (4, 2.25, "1.733629")],
)  # fmt: skip
def test_critical_times_of_the_circuit(mu: float, variance: float, printed: str) -> None:
    """Reverse SDE, where the held loop's conductance crosses zero; score zeros by
    decay^2 (1 + mu^2 - variance) = 1; no finite time by the flow."""
    score = humps(mu, variance)
    found = critical_times(score)
    t = found["sde"].time
    assert t is not None and f"{t:.6f}".lstrip("0") == printed
    assert t == pytest.approx(speciation(mu, variance), rel=1e-12)
    assert abs(negative_conductance(score, t)) < 1e-12
    assert negative_conductance(score, t - 0.01) < 0.0 < negative_conductance(score, t + 0.01)
    modes = 0.5 * math.log(1.0 + mu**2 - variance)
    if variance < mu**2:
        assert found["score"].time == pytest.approx(modes, rel=1e-12)
    assert found["flow"].time is None and "unstable" in found["flow"].reason


def test_negative_conductance_to_the_digits_of_the_contract() -> None:
    score = humps(1.0, 0.4)
    assert f"{negative_conductance(score, 0.2):.4f}" == "-1.4058"
    assert f"{negative_conductance(score, 1.0):.5f}" == "0.85613"
    h = 1e-4  # numerical slope of the score itself; third derivative of order 10
    s = score(torch.tensor([[h], [-h]], dtype=torch.float64), 0.2)
    assert -1.0 - float(s[0] - s[1]) / h == pytest.approx(
        negative_conductance(score, 0.2), abs=1e-6
    )
    # a bare node: prior N(0, 1), s = -x
    bare = exact_score(gaussian(0.0, 1.0), OU())
    assert negative_conductance(bare, 0.7, at=3.0) == pytest.approx(1.0, rel=1e-14)


@pytest.mark.parametrize(
    ("law", "variance"),
    [
        (two_deltas(1.7), 1.7**2),
        (Sphere(3, 2.0), 4.0 / 3.0),
        (Sphere(100), 0.01),
        (CurieWeiss(100, 0.5), 1.9617),
        (IsingChain(64, 0.5), 2.7087),
        (Patterns([[1, 2, 0.0], [-1, -2, 0], [2, 0, 1], [-2, 0, -1]]), None),
    ],
)
def test_noise_variance_at_the_transition_is_the_top_eigenvalue(law, variance) -> None:
    """theory.md A-5. For patterns of different lengths the eigenvalue is that at the fixed point,
    and iterating v -> lambda_max(C at v) finds it too."""
    process = VE(25.0)
    critical = critical_time(law, "score", process=process, points=33)
    assert critical.time is not None
    v = process.transition(critical.time)[1]
    if variance is None:
        expected = 1.0
        for _ in range(200):
            covariance = law.state(np.zeros(law.dim), 1.0 / expected).covariance
            expected = float(np.linalg.eigvalsh(covariance)[-1])
        assert v == pytest.approx(expected, rel=1e-10)
    else:
        assert v == pytest.approx(variance, rel=3e-5)  # half a unit in the fourth decimal


def test_ordered_states_solve_the_equation_of_state() -> None:
    process = VE(25.0)
    drift = FrozenDrift(source_of(two_deltas(), process), "score")
    zero, up = np.zeros(1), np.ones(1)
    for eps, printed in ((0.01, "0.172511"), (0.1, "0.525430"), (0.2, "0.710412"),
                         (0.5, "0.957504")):  # fmt: skip
        t = process.time_at_log_snr(-math.log(1.0 - eps))
        found = ordered(drift, t, zero, up)
        assert found is not None and found.stable
        assert f"{found.x[0]:.6f}" == printed
        assert found.x[0] == pytest.approx(math.tanh(found.x[0] / (1.0 - eps)), abs=1e-14)
        assert not newton(drift, t, zero).stable  # pyright: ignore[reportOptionalMemberAccess]
    # at the critical time, under a probe: m = x - h, h = atanh(m) - m
    h, t = 1e-4, process.time_at_log_snr(0.0)
    found = ordered(drift, t, zero, up, force=h)
    assert found is not None
    m = found.x[0] - h
    assert f"{m:.7f}" == "0.0668833"
    assert math.atanh(m) - m == pytest.approx(h, rel=1e-9)


def test_manifolds_have_marginal_directions_only_when_ordered() -> None:
    process = VE(25.0)
    drift = FrozenDrift(source_of(Sphere(4), process), "score")
    t = process.time_at_log_snr(-math.log(0.25 * 0.8))
    unit = np.array([0.5, 0.5, 0.5, -0.5])
    found = ordered(drift, t, np.zeros(4), unit)
    assert found is not None and found.stable and found.marginal == 3
    length = np.linalg.norm(found.x)
    assert length == pytest.approx(Sphere(4).order_parameter(4 / 0.8), rel=1e-12)
    centre = newton(drift, t, np.zeros(4))
    assert centre is not None and not centre.stable and centre.marginal == 0


def test_branches_of_data_without_symmetry_stay_stable() -> None:
    """One mode takes the symmetric point over: no critical time, and no centre to be had."""
    score = humps(1.0, 0.1, [0.4, 0.6])
    for name in ("score", "sde"):
        critical = critical_time(score, name)
        assert critical.time is None and "stays stable" in critical.reason
    with pytest.raises(InputError, match="no symmetry"):
        critical_time(score, "sde", centre=0.0)
    assert critical_time(humps(1.0, 0.1), "sde", centre=0.0).time is not None
    drift = FrozenDrift(source_of(score), "score")
    branch = follow(drift, np.linspace(3.0, 0.01, 60), [0.0])
    assert len(branch) == 60 and branch[-1].x[0] == pytest.approx(math.exp(-0.01), abs=0.01)


def test_random_data_have_no_critical_time() -> None:
    """Generic points have no symmetric state: branches stay stable or end in folds, from which
    Newton's method leaps; the sign of an eigenvalue that changes in a leap is no crossing."""
    rng, leaps = np.random.default_rng(1), 0
    for _ in range(14):
        points = rng.normal(size=(rng.integers(2, 9), rng.integers(1, 4)))
        data = Patterns(points - points.mean(0), rng.uniform(0.5, 1.5, len(points)))
        critical = critical_time(data, "sde", process=OU(4.0), points=33)
        assert critical.time is None and critical.reason.startswith("none: ")
        leaps += "no symmetry" in critical.reason
    assert leaps


class _Leaps:
    """s = -k (x - c): k falls to 0 as a square root, as before a fold; then another state, c = 3,
    k = -1. The eigenvalue changes sign, and no state goes through."""

    process, dim = VE(25.0), 1

    def score(self, x: np.ndarray, t: float) -> np.ndarray:
        return self.jacobian(x, t)[0] * (x - (0.0 if self.over(t) > 0.0 else 3.0))

    def jacobian(self, x: np.ndarray, t: float) -> np.ndarray:
        return np.array([[-math.sqrt(self.over(t)) if self.over(t) > 0.0 else 1.0]])

    def over(self, t: float) -> float:
        return self.process.transition(t)[1] - 1.0

    def guess(self) -> np.ndarray:
        return np.zeros(1)


def test_a_sign_that_changes_in_a_leap_is_no_crossing() -> None:
    critical = critical_time(_Leaps(), "score")
    assert critical.time is None and "leaves for another state" in critical.reason


def test_no_transition_is_told() -> None:
    weak = critical_time(humps(0.4, 1.0), "sde")  # e^{2t} = .32 (Yu & Huang's phase "none")
    assert weak.time is None and "stays stable" in weak.reason and weak.point is None
    one = critical_times(exact_score(gaussian(0.3, 0.8), OU()))
    assert [c.time for c in one.values()] == [None] * 3
    level = critical_time(exact_score(gaussian(0.0, 1.0), OU()), "flow")  # x + s = 0 everywhere
    assert level.time is None and "vanishes" in level.reason
    early = critical_time(two_deltas(), "score", process=OU(), window=(0.4, 3.0))
    assert early.time is None and early.window == (0.4, 3.0)


def test_any_score_goes_by_automatic_differentiation() -> None:
    """A scaled score is no mixture: t_c moves by 1e-9 over the eigenvalue's slope, of order 1."""
    law = humps(1.0, 0.4)
    other = law.scaled(1.0 + 1e-9)
    for name in ("score", "sde"):
        exact, learned = critical_time(law, name).time, critical_time(other, name, points=33).time
        assert learned == pytest.approx(exact, abs=1e-8)
    assert negative_conductance(other, 0.2) == pytest.approx(
        negative_conductance(law, 0.2), abs=1e-7
    )


def test_networks_have_fixed_points_and_their_jacobian() -> None:
    """Random weights in two dimensions: no symmetry, no closed form; derivatives by differences."""
    target, process = gaussian([0.3, -0.2], [0.8, 0.1]), OU(3.0)
    head = design(target, process, {"width": 24, "bumps": 6})
    generator = torch.Generator().manual_seed(2)
    weights = head.trunk.initial(generator)
    last = weights["weight_3"].shape
    weights["weight_3"] = 0.1 * torch.randn(last, generator=generator)
    source = source_of(NetworkScore(head, weights))
    t, h = 0.5, 1e-4
    branch = follow(FrozenDrift(source, "sde"), np.linspace(3.0, t, 20), target.mean)
    assert len(branch) == 20
    point = branch[-1].x
    drift = FrozenDrift(source, "sde")
    assert np.linalg.norm(drift.value(point, t)) < 1e-12 * drift.scale(point, t)
    steps = np.eye(2) * h
    slope = np.array([(drift.value(point + e, t) - drift.value(point - e, t)) / (2 * h)
                      for e in steps]).T  # fmt: skip
    size = np.abs(slope).max()
    # h^2/6 times third derivatives, of order 100 at a width of .1
    np.testing.assert_allclose(drift.jacobian(point, t), slope, atol=1e-6 * size)
    direct = np.sort(np.linalg.eigvals(slope).real)[::-1]
    np.testing.assert_allclose(branch[-1].eigenvalues, direct, atol=1e-6 * size)
    assert branch[-1].stable == bool(direct[0] < 0.0)


def test_bad_input_is_told() -> None:
    line = Relaxation(np.array([[1.0, 0.2], [0.2, 1.0]]), np.eye(2))
    for call in (
        lambda: critical_time(two_deltas(), "score"),
        lambda: critical_time(two_deltas(), "mode", process=OU()),
        lambda: critical_time(humps(1.0, 0.4), "score", process=VP()),
        lambda: critical_time(exact_score(gaussian([0.0, 0.0], 1.0), line), "sde"),
        lambda: critical_time(two_deltas(), "score", process=OU(), window=(0.0, 1.0)),
        lambda: critical_time(two_deltas(), "score", process=OU(), window=(1.0, 9.0)),
        lambda: critical_time(two_deltas(), "score", process=OU(), points=2),
        lambda: critical_time("digits", "score"),
        lambda: negative_conductance(humps(1.0, 0.4), 0.0),
        lambda: negative_conductance(humps(1.0, 0.4), 0.2, at=[0.0, 0.0]),
    ):
        with pytest.raises(InputError):
            call()
