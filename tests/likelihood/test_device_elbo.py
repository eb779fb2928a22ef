"""The device evidence bound: values of closed forms, chains by quadrature, what must not change."""

from __future__ import annotations

import itertools
import math
from importlib.resources import files
from typing import Any

import numpy as np
import pytest
import torch
from scipy.linalg import expm

import thermohw as th
from thermohw.circuit import build_device
from thermohw.control import make_plan
from thermohw.datasheet.read import read_datasheet
from thermohw.errors import InputError
from thermohw.estimate import Estimate
from thermohw.likelihood.device import DeviceBound, device_elbo
from thermohw.target import lift


def critical() -> Any:
    """A critically damped cell: friction 2 and frequency 1 in halves of R C."""
    text = files("thermohw").joinpath("devices", "rlc1.toml").read_text(encoding="utf-8")
    return build_device(read_datasheet(text.replace('"40 mH"', '"4 H"'), "rlc1-critical"))


def plan_of(device: Any, process: Any, target: Any, ticks: int, **keys: Any) -> Any:
    keys = {"wiring": "emf", "control": "clocked", "grid": "uniform", "allow_ringing": True} | keys
    score = lift(target, process).score(process)
    return make_plan(th.Protocol(device, process, score, ticks=ticks, **keys))


def over_gaussian(plan: Any, target: Any, **keys: Any) -> tuple[DeviceBound, np.ndarray]:
    """The bound at the nodes of a Gauss-Hermite rule over a Gaussian target, and their weights:
    exact for what is quadratic in the end, which all is for ideal control and its own reference.
    """
    process, data = plan.protocol.process, lift(target, plan.protocol.process)
    nodes, weights = np.polynomial.hermite_e.hermegauss(3)
    axes = np.meshgrid(*data.dim * [nodes], indexing="ij")
    grid = np.stack([axis.ravel() for axis in axes], 1)
    share = np.prod([w.ravel() for w in np.meshgrid(*data.dim * [weights], indexing="ij")], 0)
    ends = torch.tensor(data.mean + grid @ np.linalg.cholesky(data.covariance).T)
    prior = process.prior("matched", data.mean, data.covariance)
    found = device_elbo(
        plan, ends, prior, generator=torch.Generator().manual_seed(0),
        moments=(data.mean, data.covariance), **keys,
    )  # fmt: skip
    return found, share / share.sum()


def entropy(target: Any, process: Any) -> float:
    """S0 of a Gaussian, with the momenta's."""
    return 0.5 * float(
        np.linalg.slogdet(2.0 * math.pi * math.e * lift(target, process).covariance)[1]
    )


LINE = {
    "0.25": (0.25, {64: 0.035778, 256: 0.009332, 1024: 0.002356}),
    "0.04": (0.04, {64: 0.332776, 256: 0.109820, 1024: 0.029678}),
}


@pytest.mark.parametrize("wiring", ["emf", "current"])
@pytest.mark.parametrize("law", LINE)
def test_values_of_a_gaussian(law: str, wiring: str) -> None:
    """physics.md 6: U - S0 of OU over 3, exact score and p_T, to the printed digits."""
    variance, wanted = LINE[law]
    target, process = th.targets.gaussian(mean=[0.0], std=[variance**0.5]), th.OU(duration=3.0)
    for ticks, value in wanted.items():
        plan = plan_of(th.load_device("rc1"), process, target, ticks, wiring=wiring)
        found, share = over_gaussian(plan, target)
        excess = share @ found.total.numpy() - entropy(target, process)
        assert excess == pytest.approx(value, abs=0.6e-6), ticks
        assert found.method == "exact readings" and found.draws == 1


def test_work_and_energy_of_noised_pairs() -> None:
    """The same runs' work and energy, and what the split adds up to."""
    target, process = th.targets.gaussian(mean=[0.0], std=[0.5]), th.OU(duration=3.0)
    for ticks, work in {64: 1.77550, 256: 1.95600, 1024: 2.00433}.items():
        found, share = over_gaussian(plan_of(th.load_device("rc1"), process, target, ticks), target)
        terms = found.terms
        assert share @ terms["work"].numpy() == pytest.approx(work, abs=0.6e-5)
        # E_0 is 1/2 but for e^-6 of the data's energy
        start = 0.5 * (1.0 + math.exp(-6.0) * (0.25 - 1.0))
        assert share @ terms["energy"].numpy() == pytest.approx(0.125 - start, abs=1e-9)
        rest = found.total - terms["prior"] - terms["energy"] - terms["direct"]
        assert float(rest.abs().max()) < 1e-9


def test_values_of_other_processes() -> None:
    """VE on a node that relaxes, and a critically damped cell, whose kernel is the mirror image."""
    wide, variance = th.targets.gaussian(mean=[0.0], std=[1.0]), 3.0
    sigma = _root(lambda s: (s * s - 1.0) / (2.0 * math.log(s)) - variance, 1.01, 10.0)
    narrow, cell = th.targets.gaussian(mean=[0.0], std=[0.5]), critical()
    cases: list[tuple[Any, Any, Any, dict[int, float]]] = [
        (th.load_device("rc1"), th.VE(sigma=sigma), wide, {64: 0.00433, 256: 0.00109}),
        (cell, th.langevin(cell, 12.0), narrow, {64: 0.02262, 256: 0.00529}),
    ]
    for device, process, target, wanted in cases:
        for ticks, value in wanted.items():
            found, share = over_gaussian(plan_of(device, process, target, ticks), target)
            excess = share @ found.total.numpy() - entropy(target, process)
            assert excess == pytest.approx(value, abs=0.6e-5), (process.kind, ticks)


@pytest.mark.parametrize("realisation", ["resistance", "temperature"])
def test_rates_realised_otherwise(realisation: str) -> None:
    """VP with 40-fold rates, by R(t) or T(t) in place of the clock: U - S0 of kernels at their own
    temperature is positive, and of first order in the tick.
    """
    target, process = th.targets.gaussian(mean=[0.0], std=[0.5]), th.VP(beta_min=0.1, beta_max=4.0)
    excess = []
    for ticks in (64, 128, 256):
        plan = plan_of(th.load_device("rc1"), process, target, ticks, realisation=realisation)
        found, share = over_gaussian(plan, target)
        excess.append(share @ found.total.numpy() - entropy(target, process))
    assert all(value > 0.0 for value in excess) and excess[-1] < 0.0025
    for coarse, fine in itertools.pairwise(excess):
        assert coarse / fine == pytest.approx(2.0, abs=0.05)


def _root(function: Any, low: float, high: float) -> float:
    from scipy.optimize import brentq

    found: Any = brentq(function, low, high)
    return float(found)


def test_noisy_readings() -> None:
    """30 uV on 1 pF: integrated out, the bound falls as draws do their part; kept, it stays."""
    target, process = th.targets.gaussian(mean=[0.0], std=[0.5]), th.OU(duration=3.0)
    for ticks, integrated, kept in ((64, 0.0575, 0.1708), (256, 0.0172, 0.1735)):
        plan = plan_of(th.load_device("rc1"), process, target, ticks, reading_noise="30 uV")
        generator = torch.Generator().manual_seed(1)
        ends = 0.5 * torch.randn(2000, 1, dtype=torch.float64, generator=generator)
        surprise = (0.5 * math.log(0.5 * math.pi) + 2.0 * ends[:, 0] ** 2).numpy()
        prior = process.prior("matched", target.mean, target.covariance)
        found = device_elbo(
            plan, ends, prior, generator=generator, moments=(target.mean, target.covariance)
        )
        excess = Estimate.from_paths(found.total.numpy() - surprise)
        assert found.method == "integrated"
        assert abs(excess.z(integrated)) < 4.0, (ticks, excess)
        readings = plan_of(th.load_device("rc1"), process, target, ticks, reading_noise="30 uV",
                           latency="1e-6 ns")  # fmt: skip
        # One draw of readings that are remembered is the augmented chain.
        one = device_elbo(readings, ends, prior, generator=generator, draws=1,
                          moments=(target.mean, target.covariance))  # fmt: skip
        excess = Estimate.from_paths(one.total.numpy() - surprise)
        assert abs(excess.z(kept)) < 4.0, (ticks, excess)


IMPERFECT = {
    "dac": {"dac_bits": 3, "dac_range": ["-150 uV", "150 uV"]},
    "late": {"latency": "300 ns", "dac_bits": 3, "dac_range": ["-150 uV", "150 uV"]},
    "offset": {"sense_offset": "20 uV", "sense_gain": 0.9, "control_gain": 1.1},
    "settling": {"dac_settling": "200 ns"},
}


class Chain:
    """A chain of one node on a grid, by nothing but the exact tick: phi = e^-h, held emfs."""

    def __init__(self, plan: Any) -> None:
        self.plan, self.z = plan, np.linspace(-7.0, 7.0, 701)
        self.late = plan.latency
        self.settle = plan.chain.dac.settling
        self.h = plan.schedule.duration / plan.schedule.ticks

    def source(self, z: np.ndarray, tick: int) -> np.ndarray:
        """What the controller makes of a voltage, stage by stage."""
        plan, chain = self.plan, self.plan.chain
        x = torch.tensor(np.asarray(z))[:, None]
        seen = x * chain.sense.gain + chain.sense.offset
        score = plan.protocol.score.at(float(plan.schedule.model_time[tick]))(seen)
        wanted = 2.0 * (seen + score) * chain.score.gain
        return (wanted if plan.dac is None else plan.dac(wanted))[:, 0].numpy()

    def mean(self, z: np.ndarray, before: np.ndarray, now: np.ndarray, held: Any = 0.0) -> Any:
        """Mean at the end of a tick, and what a settling source is at then."""
        if self.settle:  # d' = (c - d)/tau, z' = d - z
            tau = self.settle
            fade, phi = math.exp(-self.h / tau), math.exp(-self.h)
            lag = (phi - fade) / (1.0 / tau - 1.0)
            end = phi * z + (1.0 - phi) * now + (held - now) * lag
            return end, now + (held - now) * fade
        first, second = math.exp(-self.late), math.exp(-(self.h - self.late))
        middle = first * z + (1.0 - first) * before
        return second * middle + (1.0 - second) * now, now

    @property
    def spread(self) -> float:
        return 1.0 - math.exp(-2.0 * self.h)


def _normal(x: np.ndarray, variance: float) -> np.ndarray:
    return np.exp(-0.5 * x**2 / variance) / math.sqrt(2.0 * math.pi * variance)


@pytest.mark.parametrize("name", IMPERFECT)
def test_two_ticks_by_quadrature(name: str) -> None:
    """Every control of the path so far: U of two ticks is a double integral over z_0 and z_1."""
    target, process = th.targets.gaussian(mean=[0.3], std=[0.5]), th.OU(duration=1.5)
    plan = plan_of(th.load_device("rc1"), process, target, 2, **IMPERFECT[name])
    prior = process.prior("schedule", target.mean, target.covariance)
    chain, z, h = Chain(plan), np.linspace(-6.0, 6.0, 301), 0.75
    end = 0.7
    d, s = math.exp(-h), 1.0 - math.exp(-2.0 * h)
    one = _normal(z - d * end, s)  # z_1 given the end
    both = one[None, :] * _normal(z[:, None] - d * z[None, :], s)  # and z_0: rows
    u0, u1 = chain.source(z, 0), chain.source(z, 1)
    mean, held = chain.mean(z, 0.0 * z, u0)
    last, _ = chain.mean(z[None, :], u0[:, None], u1[None, :], np.asarray(held)[:, None])
    step = np.log(_normal(z[None, :] - mean[:, None], chain.spread))
    final = np.log(_normal(end - last, chain.spread))
    begin = prior.log_prob(torch.tensor(z)[:, None]).numpy()
    value = np.log(np.maximum(both, 1e-300)) - begin[:, None] - step - final
    wanted = float((both * value).sum()) * (z[1] - z[0]) ** 2
    ends = torch.full((40000, 1), end, dtype=torch.float64)
    found = device_elbo(
        plan, ends, prior, generator=torch.Generator().manual_seed(3),
        moments=(target.mean, target.covariance),
    )  # fmt: skip
    estimate = Estimate.from_paths(found.total.numpy())
    assert estimate.stderr < 0.02
    # The grid cuts a source's steps to its spacing: 1e-3.
    assert abs(estimate.value - wanted) < 4.0 * math.hypot(estimate.stderr, 1e-3), estimate


def test_particles_by_quadrature() -> None:
    """Noisy readings that are remembered: the source of the first still acts when the second is
    read, so that U of two ticks has the logarithm of an integral over both. M particles are above
    it by a share 1/M, which 16 and 64 of them take out. Particles that are not chosen anew by their
    weights after the first tick fail by nine standard errors.
    """
    target, process = th.targets.gaussian(mean=[0.3], std=[0.3]), th.OU(duration=0.6)
    plan = plan_of(th.load_device("rc1"), process, target, 2, latency="200 ns",
                   reading_noise="120 uV")  # fmt: skip
    prior = process.prior("schedule", target.mean, target.covariance)
    chain, z, h, end = Chain(plan), np.linspace(-6.0, 6.0, 241), 0.3, 0.7
    d, s = math.exp(-h), 1.0 - math.exp(-2.0 * h)
    both = _normal(z - d * end, s)[None, :] * _normal(z[:, None] - d * z[None, :], s)
    nodes, weights = np.polynomial.hermite_e.hermegauss(16)
    weights, density = weights / weights.sum(), np.zeros_like(both)
    for y0, w0 in zip(nodes * plan.reading_noise, weights, strict=True):
        u0 = chain.source(z + y0, 0)
        first = _normal(z[None, :] - chain.mean(z, 0.0 * z, u0)[0][:, None], chain.spread)
        for y1, w1 in zip(nodes * plan.reading_noise, weights, strict=True):
            u1 = chain.source(z + y1, 1)
            last = chain.mean(z[None, :], u0[:, None], u1[None, :])[0]
            density += w0 * w1 * first * _normal(end - last, chain.spread)
    begin = prior.log_prob(torch.tensor(z)[:, None]).numpy()
    value = np.log(np.maximum(both, 1e-300)) - begin[:, None] - np.log(density)
    wanted = float((both * value).sum()) * (z[1] - z[0]) ** 2
    ends, found = torch.full((40000, 1), end, dtype=torch.float64), {}
    for many in (16, 64):
        made = device_elbo(
            plan, ends, prior, generator=torch.Generator().manual_seed(many), draws=many,
            moments=(target.mean, target.covariance),
        )  # fmt: skip
        assert made.method == "integrated" and made.draws == many
        found[many] = Estimate.from_paths(made.total.numpy())
    limit = (found[64] * 4.0 - found[16]) * (1.0 / 3.0)
    assert abs(limit.z(wanted)) < 4.0, (found, wanted)


@pytest.mark.parametrize("name", ["dac", "late", "offset"])
@pytest.mark.parametrize("ticks", [2, 8])
def test_bounds_the_chain(name: str, ticks: int) -> None:
    """Above the exact density of what the device generates, by transfer of (z, last source)."""
    target, process = th.targets.gaussian(mean=[0.3], std=[0.5]), th.OU(duration=1.5)
    keys = IMPERFECT[name] | ({"latency": "100 ns"} if name == "late" else {})
    plan = plan_of(th.load_device("rc1"), process, target, ticks, **keys)
    prior = process.prior("schedule", target.mean, target.covariance)
    chain = Chain(plan)
    z = chain.z
    weight = np.exp(prior.log_prob(torch.tensor(z)[:, None]).numpy())[:, None]  # by last source
    values = np.zeros(1)
    for tick in range(ticks):
        now, after = chain.source(z, tick), np.zeros_like(z)
        states, place = np.unique(now, return_inverse=True)
        new = np.zeros((len(z), len(states))) if chain.late else np.zeros((len(z), 1))
        for k, before in enumerate(values):
            mean, _ = chain.mean(z, before + 0.0 * z, now)
            kernel = _normal(z[:, None] - np.asarray(mean)[None, :], chain.spread)
            flow = kernel * weight[None, :, k] * (z[1] - z[0])
            if chain.late:
                for code in range(len(states)):
                    new[:, code] += flow[:, place == code].sum(1)
            else:
                new[:, 0] += flow.sum(1)
        weight, values = new, states if chain.late else np.zeros(1)
        del after
    density = weight.sum(1)
    assert density.sum() * (z[1] - z[0]) == pytest.approx(1.0, abs=1e-6)
    generator = torch.Generator().manual_seed(5)
    ends = 0.3 + 0.5 * torch.randn(4000, 1, dtype=torch.float64, generator=generator)
    exact = -np.interp(ends[:, 0].numpy(), z, np.log(density))
    found = device_elbo(
        plan, ends, prior, generator=generator, moments=(target.mean, target.covariance)
    )
    slack = Estimate.from_paths(found.total.numpy() - exact)
    assert slack.z(0.0) > 3.0 and slack.value < 0.6, slack


def plainly(plan: Any, target: Any) -> float:
    """U of ideal control with the score of a Gaussian, as it is defined: by second moments of
    neighbouring states, and matrix exponentials of the efforts' drift.
    """
    process, device, n = plan.protocol.process, plan.protocol.board, plan.protocol.board.dim
    times, root = plan.schedule.model_time, plan.protocol.theta**0.5
    mean, covariance = (np.asarray(x) for x in (target.mean, target.covariance))

    def moments(t: float) -> tuple[np.ndarray, np.ndarray]:
        found = process.propagate(mean, covariance, t)
        return found[0] / root, found[1] / root**2

    first, spread = moments(times[0])
    prior = process.prior("matched", mean, covariance)
    assert np.allclose(prior.mean / root, first)
    whole = 0.5 * (n + np.linalg.slogdet(2.0 * math.pi * spread)[1])
    for tick, (early, late) in enumerate(zip(times[:-1], times[1:], strict=True)):
        decay, noise = process.transition(early, late)
        noise = noise / root**2
        h = float(plan.schedule.durations[tick])
        block = np.zeros((2 * n, 2 * n))  # Van Loan
        a, d = device.effort_drift, device.effort_diffusion
        block[:n, :n], block[:n, n:], block[n:, n:] = a, d, -a.T
        power = expm(block * h)
        phi = power[n:, n:].T
        sigma = phi @ power[:n, n:]
        gamma = np.linalg.solve(a, np.eye(n) - phi)  # of what sources push by
        ahead, behind = moments(late), moments(early)
        # reverse drift A v + 2 D grad ln p, relaxation -A v: the sources push by the difference
        slope = -np.linalg.inv(behind[1])
        gain, push = phi + gamma @ (2.0 * a + d @ slope), -gamma @ d @ slope @ behind[0]
        both = decay @ ahead[1]  # Cov(z_n, z_{n+1})
        off = ahead[0] - gain @ behind[0] - push
        second = ahead[1] - gain @ both - both.T @ gain.T + gain @ behind[1] @ gain.T
        second += np.outer(off, off)
        whole -= 0.5 * (n + np.linalg.slogdet(2.0 * math.pi * noise)[1])
        whole += 0.5 * np.linalg.slogdet(2.0 * math.pi * sigma)[1]
        whole += 0.5 * np.trace(np.linalg.solve(sigma, second))
    return float(whole) + n * math.log(root)


@pytest.mark.parametrize("heat", ["300 K", "600 K"])
@pytest.mark.parametrize("wiring", ["emf", "current"])
def test_of_a_network(wiring: str, heat: str) -> None:
    """Coupled nodes in matrix form, at one temperature and at several, against the definition; the
    split where there is an equilibrium.
    """
    device = th.load_device("rc8-chain", {"r0.temperature": heat})
    process = th.relaxation(device, 1.0)
    rng = np.random.default_rng(0)
    factor = 0.4 * np.eye(device.dim) + 0.05 * rng.standard_normal((device.dim,) * 2)
    target = th.targets.gaussian(mean=[0.2] * device.dim, covariance=factor @ factor.T)
    plan = plan_of(device, process, target, 16, wiring=wiring)
    axes = math.sqrt(device.dim) * np.linalg.cholesky(target.covariance).T
    ends = torch.tensor(target.mean + np.concatenate([axes, -axes]))  # exact for quadratic forms
    prior = process.prior("matched", target.mean, target.covariance)
    found = device_elbo(
        plan, ends, prior, generator=torch.Generator().manual_seed(0),
        moments=(target.mean, target.covariance),
    )  # fmt: skip
    assert float(found.total.mean()) == pytest.approx(plainly(plan, target), abs=1e-6)
    assert ("energy" in found.terms) == (heat == "300 K")
    if heat == "300 K":
        terms = found.terms
        rest = found.total - terms["prior"] - terms["energy"] - terms["direct"]
        assert float(rest.abs().max()) < 1e-9


def test_refusals() -> None:
    target, process = th.targets.gaussian(mean=[0.0], std=[0.5]), th.OU(duration=1.5)
    prior = process.prior("schedule", target.mean, target.covariance)
    generator, ends = torch.Generator().manual_seed(0), torch.zeros(4, 1, dtype=torch.float64)
    plan = plan_of(th.load_device("rc1"), process, target, 8, control="continuous")
    with pytest.raises(InputError, match="use control = 'clocked'"):
        device_elbo(plan, ends, prior, generator=generator)
    plan = plan_of(th.load_device("rc1"), process, target, 8)
    with pytest.raises(InputError, match="likelihood.draws: expected a whole number >= 1"):
        device_elbo(plan, ends, prior, generator=generator, draws=0)


@pytest.mark.parametrize(
    ("ends", "draws", "word"),
    [
        (torch.zeros(8), 1, "expected a torch tensor of shape (paths, 1)"),
        (torch.zeros(8, 2), 1, "expected a torch tensor of shape (paths, 1)"),
        (torch.zeros(0, 1), 1, "expected a torch tensor of shape (paths, 1)"),
        (np.zeros((8, 1)), 1, "ndarray of shape (8, 1)"),
        (torch.full((8, 1), float("nan")), 1, "finite"),
        (torch.zeros(8, 1), "x", "likelihood.draws"),
        (torch.zeros(8, 1), 0, "likelihood.draws"),
    ],
)
def test_bad_ends(ends: Any, draws: Any, word: str) -> None:
    process = th.OU(duration=1.0)
    target = th.targets.gaussian(mean=[0.0], std=[0.5])
    protocol = th.Protocol(th.load_device("rc1"), process, target.score(process), wiring="emf",
                           control="clocked", ticks=8, allow_ringing=True)  # fmt: skip
    prior = process.prior("schedule", target.mean, target.covariance)
    with pytest.raises(InputError) as caught:
        device_elbo(make_plan(protocol), ends, prior, generator=torch.Generator(), draws=draws)
    assert word in str(caught.value)
