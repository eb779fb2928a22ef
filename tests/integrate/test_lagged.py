"""Sources with a memory in steps: staircases, books that close, control through a pole."""

from __future__ import annotations

from math import exp, pi
from typing import Any

import numpy as np
import pytest
import torch
from problems import mixture_protocol, rc1, unequal_nodes
from scipy.integrate import solve_ivp

from thermohw import simulate
from thermohw.circuit import LinearDevice, load_device
from thermohw.control import Control, Piece, Protocol
from thermohw.control.chain import Lag
from thermohw.errors import InputError
from thermohw.integrate import Tile, make_engine, tiles
from thermohw.integrate.held_network import HeldNetwork
from thermohw.integrate.held_nodes import HeldNodes
from thermohw.integrate.lag_moments import lag_moments
from thermohw.integrate.lagged import LaggedNodes
from thermohw.integrate.staircase import Staircase
from thermohw.noise import Recording
from thermohw.process import OU
from thermohw.target import gaussian, gaussian_mixture

F64 = torch.float64


def _piece(h: float) -> Piece:
    return Piece(0, 0.0, h, True, 0, True)


@pytest.mark.parametrize("wiring", ["emf", "current"])
def test_staircase_converges_to_the_exact_tick(wiring: str) -> None:
    """Without noise: end state and work differ by a second-order amount, and a network agrees."""
    device, h = unequal_nodes(), 0.5
    state = torch.tensor([[0.3, -0.8, 1.1]], dtype=F64)
    source = torch.tensor([[1.0, 0.5, -2.0]], dtype=F64)
    start = torch.stack([source, torch.zeros_like(source)], 1)
    control = Control(0, source, lag=start)

    def run(stepper: Any) -> tuple[torch.Tensor, torch.Tensor]:
        quiet = Recording(torch.zeros(5000, 1, stepper.normals, dtype=F64))
        step = stepper.step(_piece(h), state, control, noise=quiet, act=None)
        work = step.work_correction.clone()
        work += -step.emf * step.charge if wiring == "emf" else step.current * step.flux
        np.testing.assert_allclose(step.lag[:, -1], source * (1.0 - exp(-h * 4.0)), rtol=1e-12)
        return step.end, work

    lag = Lag(rates=(4.0,))
    exact = run(LaggedNodes(device, wiring, dtype=F64, lag=lag))
    errors = []
    for short in (0.4, 0.1):
        stairs = Staircase(HeldNodes(device, wiring, dtype=F64), lag)
        stairs.parts = lambda length, short=short: round(length * 4.0 / short)  # type: ignore[method-assign]
        found = run(stairs)
        errors.append([float((a - b).abs().max()) for a, b in zip(found, exact, strict=True)])
    ratio = np.array(errors[0]) / np.array(errors[1])
    assert (abs(ratio - 16.0) < 1.0).all(), ratio


def test_slew_limit_is_a_ramp() -> None:
    """A source asked for 1 at 2 per tau arrives at half a tau: closed form of the node."""
    device, lag = rc1(), Lag(slew=2.0)
    stairs = Staircase(HeldNodes(device, "emf", dtype=F64), lag)
    one = torch.ones(1, 1, dtype=F64)
    begin = torch.stack([one, torch.zeros_like(one)], 1)
    quiet = Recording(torch.zeros(64, 1, 1, dtype=F64))
    step = stairs.step(_piece(0.5), 0.0 * one, Control(0, one, lag=begin), noise=quiet, act=None)
    assert step.lag is not None and float(step.lag[0, -1, 0]) == pytest.approx(1.0)
    want = 2.0 * (0.5 - (1.0 - exp(-0.5)))  # int_0^h e^{-(h-s)} 2 s ds
    # sixteen midpoint steps of 1/32: (1/32)^2/12 relative to the curvature of the ramp's response
    assert float(step.end) == pytest.approx(want, abs=2.0 * (1 / 32) ** 2 / 12)


@pytest.mark.parametrize("wiring", ["emf", "current"])
@pytest.mark.parametrize(
    "keys",
    [
        {"amplifier_pole": "3 MHz"},
        {"amplifier_pole": "3 MHz", "dac_settling": "20 ns", "hold_droop": "2 us"},
        {"amplifier_slew": 100.0, "latency": "15 ns"},
    ],
    ids=["pole", "three", "slew"],
)
def test_first_law_and_resume(wiring: str, keys: dict[str, Any]) -> None:
    """The books close to round-off, and a run goes on from a checkpoint bit for bit."""
    if wiring == "current" and "amplifier_slew" in keys:
        keys = {**keys, "amplifier_slew": 1e-4}
    protocol = mixture_protocol(wiring, "clocked", 48, **keys)
    run = simulate(protocol, paths=100, dtype="float64")
    scale = np.abs(run.channels["energy.start"]).max()
    assert np.abs(run.channels["first_law.residual"]).max() < 1e-12 * scale
    engine = make_engine(protocol, dtype=F64)
    tile = tiles(50)[0]
    whole, half, rest = (engine.open(tile) for _ in range(3))
    whole.advance(48)
    half.advance(20)
    rest.restore(half.checkpoint())
    rest.advance(48)
    assert torch.equal(whole.state, rest.state)


def test_first_law_of_a_network_with_a_pole() -> None:
    device = load_device("rc8-chain")
    lag = Lag(rates=(3.0,))
    stairs = Staircase(HeldNetwork(device, "emf", dtype=F64), lag)
    generator = torch.Generator().manual_seed(0)
    state = torch.randn(40, 8, dtype=F64, generator=generator)
    sources = torch.randn(40, len(device.controlled), dtype=F64, generator=generator)
    begin = torch.stack([sources, torch.zeros_like(sources)], 1)
    noise = Recording(torch.randn(64, 40, stairs.normals, dtype=F64, generator=generator))
    step = stairs.step(_piece(0.2), state, Control(0, sources, lag=begin), noise=noise, act=None)
    assert (
        step.heat_correction is not None
        and step.work_correction is not None
        and step.emf is not None
    )
    heat = (step.force * step.charge + step.heat_correction).sum(1)
    work = (step.work_correction - step.emf * step.charge).sum(1)
    change = device.energy(step.end) - device.energy(state)
    torch.testing.assert_close(change, work - heat, rtol=0, atol=1e-11)


def _following(pole: float, duration: float) -> np.ndarray:
    """Covariance of (v, e) and mean work of a Gaussian's control through a pole, by its ODE.

    dv = (e - v) ds + sqrt(2) dW, de = p (k(s) v - e) ds, work rate E e (e - v).
    """

    def slope(s: float, y: np.ndarray) -> np.ndarray:
        t = duration - s
        k = 2.0 - 2.0 / (0.25 * exp(-2.0 * t) + 1.0 - exp(-2.0 * t))
        a = np.array([[-1.0, 1.0], [pole * k, -pole]])
        cov = y[:4].reshape(2, 2)
        rate = a @ cov + cov @ a.T + np.diag([2.0, 0.0])
        return np.append(rate.ravel(), cov[1, 1] - cov[0, 1])

    start = np.zeros(5)
    start[0] = 0.25 * exp(-2.0 * duration) + 1.0 - exp(-2.0 * duration)
    return solve_ivp(slope, (0.0, duration), start, rtol=1e-10, atol=1e-12).y[:, -1]


def _gaussian_run(control: str, ticks: int, pole: float, paths: int) -> tuple[float, float, float]:
    """End variance, mean work and its standard error, kT."""
    process, device = OU(duration=2.0), rc1()
    protocol = Protocol(
        device, process, gaussian([0.0], 0.5).score(process), wiring="emf", control=control,
        ticks=ticks, amplifier_pole=pole / (2.0 * pi * device.scale.time),
    )  # fmt: skip
    run = simulate(protocol, paths=paths, seed=11, dtype="float64").channels
    work = run["work.emf"] / device.scale.energy
    x = run["voltage.end"][:, 0] / device.scale.voltage
    return float(x.var()), float(work.mean()), float(work.std() / len(work) ** 0.5)


def test_continuous_control_through_a_pole_is_the_joint_linear_process() -> None:
    """Augmented covariance and work against the ODE; steps of 1/64 tau err by (p h)^2 at most."""
    want, paths = _following(8.0, 2.0), 40_000
    variance, work, error = _gaussian_run("continuous", 128, 8.0, paths)
    assert abs(variance / want[0] - 1.0) < 4.0 * (2.0 / paths) ** 0.5
    assert abs(work - want[4]) < 4.0 * error


def test_following_is_of_second_order() -> None:
    """Exact moments of the scheme's own map, from unit vectors: no sampling."""
    want = _following(8.0, 2.0)
    errors = [abs(_scheme_moments(8.0, n) - want[:4:3]).max() for n in (32, 64)]
    assert errors[0] / errors[1] > 3.0, errors


def _scheme_moments(pole: float, ticks: int) -> np.ndarray:
    """Var v and var e at the end of a run of FollowingNodes, by propagating square roots."""
    process, device = OU(duration=2.0), rc1()
    protocol = Protocol(
        device, process, gaussian([0.0], 0.5).score(process), wiring="emf", control="continuous",
        ticks=ticks, amplifier_pole=pole / (2.0 * pi * device.scale.time),
    )  # fmt: skip
    engine = make_engine(protocol, dtype=F64)
    width = engine.stepper.normals
    t = exp(-4.0)
    root = torch.diag(torch.tensor([(0.25 * t + 1.0 - t) ** 0.5, 0.0], dtype=F64))
    columns = [root[0], root[1]]  # coefficients of v and e on the independent normals so far
    for tick in range(ticks):
        count = len(columns[0])
        v = torch.cat([columns[0], torch.zeros(width, dtype=F64)])[:, None]
        e = torch.cat([columns[1], torch.zeros(width, dtype=F64)])[:, None]
        kicks = torch.zeros(1, count + width, width, dtype=F64)
        kicks[0, count:] = torch.eye(width, dtype=F64)
        run = engine.open(Tile(0, count + width), noise=Recording(kicks), state=v)
        run.position, run.lag = tick, torch.stack([torch.zeros_like(e), e], 1)
        run.advance(tick + 1)
        assert run.lag is not None
        columns = [run.state[:, 0], run.lag[:, -1, 0]]
        if len(columns[0]) > 64:  # an equivalent square root
            both = torch.stack(columns)
            both = torch.linalg.qr(both.T, mode="r")[1].T
            columns = [both[0], both[1]]
    return np.array([float(c.square().sum()) for c in columns])


def test_held_control_through_a_pole_against_a_recursion() -> None:
    """Exact covariance of (v, e) from tick to tick for held linear control."""
    pole, ticks, paths = 12.0, 100, 40_000
    h, state = 2.0 / ticks, np.diag([0.25 * exp(-4.0) + 1.0 - exp(-4.0), 0.0])
    m = lag_moments(Lag(rates=(pole,)).matrix, h, emf=True, stiffness=1.0, conductance=1.0,
                    temperature=1.0)  # fmt: skip
    for n in range(ticks):
        t = 2.0 - n * h
        k = 2.0 - 2.0 / (0.25 * exp(-2.0 * t) + 1.0 - exp(-2.0 * t))
        # closed forms of one pole: v' = phi v + c-share k v + e-share e
        own = (exp(-pole * h) - exp(-h)) / (1.0 - pole)
        step = np.array([[exp(-h) + k * (1.0 - exp(-h) - own), own],
                         [k * (1.0 - exp(-pole * h)), exp(-pole * h)]])  # fmt: skip
        state = step @ state @ step.T + np.diag([1.0 - exp(-2.0 * h), 0.0])
    assert m.shift[1] == pytest.approx(own, rel=1e-12)
    variance, *_ = _gaussian_run("clocked", ticks, pole, paths)
    assert abs(variance / state[0, 0] - 1.0) < 4.0 * (2.0 / paths) ** 0.5


def test_a_pole_wants_auto() -> None:
    with pytest.raises(InputError, match="auto"):
        make_engine(mixture_protocol("emf", "continuous", 64, stepper="euler",
                                     amplifier_pole="1 MHz"))  # fmt: skip


def test_cells_of_equal_nodes_share_moments() -> None:
    """64 equal nodes behave as 64 copies of one."""
    device: LinearDevice = load_device("rc64")
    process = OU(duration=1.0)
    target = gaussian_mixture([[0.5] * 64, [-0.5] * 64], 0.6, [0.5, 0.5])
    protocol = Protocol(device, process, target.score(process), wiring="emf", control="clocked",
                        ticks=24, amplifier_pole="2 MHz")  # fmt: skip
    run = simulate(protocol, paths=20, dtype="float64").channels
    assert np.abs(run["first_law.residual"]).max() < 1e-11 * run["energy.start"].max()
