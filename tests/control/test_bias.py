"""The derived bias of a grid against the engine, and what is refused for it.

A loop on a Gaussian law is affine in its start and in every normal it draws. `asked` therefore gets
the engine's own mean and covariance without sampling: from unit start states, and from one path for
every normal of the run in which that one alone is 1.
"""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from problems import F64, make, mixture_score, rc1, simulate, unequal_nodes
from rlc import cell
from scipy.linalg import sqrtm
from scipy.special import ndtr
from scipy.stats import norm

import thermohw.control.bias as bias_module
import thermohw.control.plan as plan_module
from thermohw.audit.distance import line_distance
from thermohw.circuit import LinearDevice, Scale, langevin, load_device, relaxation
from thermohw.control import Protocol, make_plan
from thermohw.control.bias import CAP, narrow_loop
from thermohw.control.line import line_bias
from thermohw.control.loop import Loop
from thermohw.errors import InputError
from thermohw.integrate import Tile
from thermohw.process import OU, VE, VP, Langevin, Process
from thermohw.score import Score
from thermohw.target import Target, gaussian, gaussian_mixture, lift

sys.path.insert(0, str(Path(__file__).parents[1] / "golden"))
from runs import KINDS  # type: ignore[import-not-found]  # noqa: E402

THERMAL = rc1().scale.voltage
FULL = gaussian([1.0, 0.0, -1.0], covariance=[[1.0, 0.3, 0.0], [0.3, 0.5, 0.1], [0.0, 0.1, 0.8]])
ONE = gaussian([1.3], 0.6)
STEPPERS = {
    "held": {"control": "clocked"},
    "splitting": {"control": "continuous", "stepper": "splitting"},
    "euler": {"control": "continuous", "stepper": "euler"},
    "heun": {"control": "continuous", "stepper": "heun"},
}


def protocol(device: LinearDevice, process: Process, target: Target, **settings: Any) -> Protocol:
    score = lift(target, process).score(process)
    usual = {"wiring": "emf", "control": "clocked", "ticks": 12, "allow_ringing": True}
    return Protocol(device, process, score, **{**usual, **settings})


class Pulses:
    """A unit pulse for every normal of a run, each on a path of its own behind `lead` others; on a
    single path it only counts them.
    """

    def __init__(self, lead: int = 0, paths: int = 1) -> None:
        self.lead, self.paths, self.drawn = lead, paths, 0

    def normals(self, width: int, tick: int) -> torch.Tensor:
        rows = torch.zeros(self.paths, width, dtype=F64)
        if self.paths > 1:
            first = self.lead + self.drawn
            rows[first : first + width] = torch.eye(width, dtype=F64)
        self.drawn += width
        return rows


def ends(p: Protocol) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of the data coordinates at the end of a run from p_T, by the engine."""
    engine, n = make(p), p.device.dim

    def run(noise: Pulses) -> np.ndarray:
        model = torch.zeros(noise.paths, n, dtype=F64)
        if noise.paths > 1:
            model[1 : 1 + n] = torch.eye(n, dtype=F64)
        state = p.to_thermal(model) @ torch.as_tensor(p.board.capacitance)
        tile = engine.open(Tile(0, noise.paths), noise=noise, state=state)
        tile.advance(engine.plan.schedule.ticks)
        return p.to_model(p.device.efforts(tile.state)).numpy()

    count = Pulses()
    run(count)
    end = run(Pulses(1 + n, 1 + n + count.drawn))
    gain, kicks = (end[1 : 1 + n] - end[0]).T, (end[1 + n :] - end[0]).T
    target: Any = p.score.target
    mean, spread = p.process.propagate(target.mean, target.covariance, p.process.duration)
    x = data_places(p)
    whole = gain @ spread @ gain.T + kicks @ kicks.T
    return (gain @ mean + end[0])[x], whole[np.ix_(x, x)]


def data_places(p: Protocol) -> list[int]:
    return (
        list(p.process.positions) if isinstance(p.process, Langevin) else list(range(p.device.dim))
    )


def asked(p: Protocol) -> tuple[float, float, float]:
    """(mean, spread, deviation) of `Bias` for one Gaussian."""
    mean, spread = ends(p)
    target: Any = p.score.target
    wanted, right = p.process.propagate(target.mean, target.covariance, p.process.t_min)
    x = data_places(p)
    wanted, right = wanted[x], right[np.ix_(x, x)]
    scale = np.linalg.inv(np.real(sqrtm(right)))
    change = np.linalg.eigvalsh(np.real(sqrtm(scale @ spread @ scale)) - np.eye(len(x)))
    return (
        float(np.linalg.norm(scale @ (mean - wanted))),
        float(change[np.argmax(np.abs(change))]),
        float(np.linalg.eigvalsh(right)[0] ** 0.5),
    )


def agree(p: Protocol, tolerance: float = 1e-10) -> bool:
    """Whether derivation and engine give the same numbers; both are good to about 1e-14."""
    derived = make_plan(p).bias
    known = np.array(asked(p))
    own = np.array([derived.mean, derived.spread, derived.deviation])
    return bool(np.abs(own - known).max() < tolerance * (1.0 + np.abs(known).max()))


# ----------------------------------------------------------------------------- the derivation


@pytest.mark.parametrize("stepper", STEPPERS)
@pytest.mark.parametrize("wiring", ["emf", "current"])
@pytest.mark.parametrize("volts", [1.0, 5.0, 20.0])
def test_one_node(stepper: str, wiring: str, volts: float) -> None:
    settings = {"wiring": wiring, "volts_per_unit": volts * THERMAL, "ticks": int(12 * volts)}
    assert agree(protocol(rc1(), OU(3.0), ONE, **settings, **STEPPERS[stepper]))


def equal_noise() -> LinearDevice:
    """Uncoupled nodes of different rates whose voltages diffuse alike: isotropic processes fit."""
    rates = np.array([1.0, 0.5, 3.0])
    return LinearDevice(
        name="equal noise", scale=Scale(1e-12, 1e6, 300.0), nodes=("a", "b", "c"),
        elements=("ra", "rb", "rc"), hessian=np.diag(1.0 / rates), structure=np.zeros((3, 3)),
        directions=np.eye(3), coefficients=rates**2, temperatures=np.ones(3),
        controlled=(0, 1, 2),
    )  # fmt: skip


def three_cells() -> LinearDevice:
    return load_device("rlc64", {"array.shape": [1, 3]})


def cases() -> dict[str, tuple[LinearDevice, Process, Target, dict[str, Any]]]:
    vp, far = VP(0.1, 20.0, t_min=1e-3), {"volts_per_unit": 3.0 * THERMAL}
    chain, node, unequal, cells = load_device("rc8-chain"), rc1(), unequal_nodes(), three_cells()
    eight = gaussian([1.0, *[0.0] * 6, -1.0], [0.5, *[1.0] * 6, 0.7])
    injected = {"realisation": "injected", "injected_bandwidth": "1 GHz", "ticks": 80}
    return {
        "ve": (node, VE(5.0, t_min=1e-2), ONE, {"ticks": 30}),
        "log-snr to zero": (node, VP(0.1, 20.0), ONE, {"grid": "log-snr"}),
        "resistance": (node, vp, ONE, {"realisation": "resistance", "ticks": 50}),
        "temperature": (node, vp, ONE, {"realisation": "temperature", "ticks": 50}),
        "injected": (node, vp, ONE, injected),
        "rates, own axes": (equal_noise(), OU(2.0), gaussian([1.0, 0.0, -1.0], [0.5, 0.7, 1]), far),
        "rates, other axes": (equal_noise(), OU(2.0), FULL, far),
        "unequal nodes": (unequal, relaxation(unequal, 2.0), FULL, {}),
        "hot chain": (chain, relaxation(chain, 2.5), eight, {}),
        "rlc cells": (cells, langevin(cells, 5.0, t_min=0.02), FULL, {}),
        "critical cell": (cell(0.5), langevin(cell(0.5), 6.0), ONE, {"ticks": 20}),
    }


CASES = cases()


@pytest.mark.parametrize("stepper", STEPPERS)
@pytest.mark.parametrize("name", CASES)
def test_other_circuits_and_processes(name: str, stepper: str) -> None:
    device, process, target, settings = CASES[name]
    if name == "log-snr to zero" and stepper == "euler":
        settings = {**settings, "ticks": 40}  # with 12 it runs away to 1e3 deviations
    assert agree(protocol(device, process, target, **settings, **STEPPERS[stepper]))


@pytest.mark.parametrize("name", ["one node", "unequal nodes", "rlc cells"])
@pytest.mark.parametrize("wrong", ["no leak", "sign of the leak", "sign of the score", "no shift"])
def test_a_wrong_recursion_is_seen(wrong: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every term of u = (G + T K) x - P (x - D mu) matters to the numbers above."""
    right = Loop.sources

    def sources(self: Loop, decay: Any, noise: Any, heat: Any) -> tuple[Any, Any]:
        gain, shift = right(self, decay, noise, heat)
        if wrong == "no leak":
            return gain - self.friction, shift
        if wrong == "sign of the leak":
            return gain - 2.0 * self.friction, shift
        if wrong == "no shift":
            return gain, 0.0 * shift
        return 2.0 * (self.friction + self.lean) - gain, -shift

    settings = {"volts_per_unit": 5.0 * THERMAL, "ticks": 60}
    device, process, target, settings = CASES.get(name, (rc1(), OU(3.0), ONE, settings))
    p = protocol(device, process, target, **settings)
    assert agree(p)
    monkeypatch.setattr(Loop, "sources", sources)
    assert not agree(p, tolerance=1e-3)


def test_pieces_of_a_long_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ticks worked on a few at a time are the same ticks."""
    p = protocol(rc1(), OU(3.0), ONE, ticks=37)
    whole = make_plan(p).bias
    monkeypatch.setattr(bias_module, "_NUMBERS", 5)
    parts = make_plan(p).bias
    assert parts.mean == pytest.approx(whole.mean, rel=1e-10)
    assert parts.spread == pytest.approx(whole.spread, rel=1e-10)


@pytest.mark.parametrize(
    ("stepper", "wiring", "volts", "ticks"),
    [
        ("held", "emf", 1.0, 16),
        ("held", "current", 5.0, 40),
        ("held", "emf", 20.0, 60),
        ("splitting", "emf", 5.0, 40),
        ("euler", "current", 1.0, 16),
        ("heun", "emf", 1.0, 16),
    ],
)
def test_an_ensemble(stepper: str, wiring: str, volts: float, ticks: int) -> None:
    """20,480 sampled paths: their mean and standard deviation are those derived, |z| <= 4."""
    settings = {"wiring": wiring, "volts_per_unit": volts * THERMAL, "ticks": ticks}
    p = protocol(rc1(), OU(3.0), ONE, **settings, **STEPPERS[stepper])
    derived, n = make_plan(p).bias, 20480
    x = p.to_model(simulate(make(p), n).end).numpy()[:, 0]
    deviation = derived.deviation * (1.0 + derived.spread)
    away = abs(float(x.mean()) - 1.3) / derived.deviation
    assert abs(away - derived.mean) < 4.0 * deviation / derived.deviation / n**0.5
    assert abs(float(x.std()) - deviation) < 4.0 * deviation / (2.0 * n) ** 0.5


# ---------------------------------------------------------------------------- mixtures and data

APART = gaussian_mixture([[-3.0], [3.0]], 0.6, [0.3, 0.7])
CLOSE = gaussian_mixture([[-1.0], [1.0]], 0.4**0.5)


def played(p: Protocol, paths: int) -> np.ndarray:
    return p.to_model(simulate(make(p), paths).end).numpy()[:, 0]


@pytest.mark.parametrize(
    ("wiring", "volts", "ticks"), [("current", 1e-3, 300), ("emf", 1e-2, 300), ("emf", None, 12)]
)
def test_samples_of_another_law_are_not_played(
    wiring: str, volts: float | None, ticks: int
) -> None:
    """Runs that do not ring, with modes .6 to 3.6 deviations off: the derived displacement of the
    worst is the sampled one, to four standard errors of both.
    """
    settings = {"wiring": wiring, "ticks": ticks, "volts_per_unit": volts}
    p = protocol(rc1(), OU(3.0), APART, **settings)
    derived, measured, error = make_plan(p).bias, *modes(p, 8192)
    assert measured[0].max() > 0.5
    assert abs(derived.mean - measured[0].max()) < error
    if volts != 1e-2:  # there the search for enough ticks takes seconds
        with pytest.raises(InputError, match="ticks bias the samples by"):
            make_plan(replace(p, allow_ringing=None))


def modes(p: Protocol, paths: int) -> tuple[np.ndarray, float]:
    """|mean| and spread of every mode of a mixture as sampled, with responsibilities by scipy,
    shape (2, K), narrowest deviations; and four standard errors of them, the points' own included.
    """
    target: Any = p.score.target
    decay, noise = (float(part) for part in p.process.transition(p.process.t_min))
    means, variances = decay * target.law.means[:, 0], target.law.covariances[:, 0, 0]
    deviations = np.sqrt(decay**2 * variances + noise)
    x = played(p, paths)[:, None]
    shares = target.law.weights * norm.pdf(x, means, deviations)
    shares /= shares.sum(1, keepdims=True)
    size = shares.sum(0)
    mean = (shares * (x - means)).sum(0) / size
    spread = np.sqrt((shares * (x - means) ** 2).sum(0) / size) - deviations
    few = min(size.min(), 4096 * target.law.weights.min())  # iid points would have as many
    error = 4.0 * float((deviations + np.abs(spread)).max() / deviations.min()) / few**0.5
    return np.abs([mean, spread]) / deviations.min(), error


UNEQUAL = gaussian_mixture([[-1.0], [1.0]], [[1.0], [0.2]])
FAR = gaussian_mixture([[-3.0], [3.0]], 0.3)


@pytest.mark.parametrize("stepper", STEPPERS)
def test_modes_of_unequal_width(stepper: str) -> None:
    """Two Gaussians in place of the mixture gave .25 where the wide mode is .94 off."""
    vp = VP(0.1, 20.0, t_min=1e-3)
    p = protocol(rc1(), vp, UNEQUAL, ticks=24, grid="log-snr", **STEPPERS[stepper])
    derived, measured, error = make_plan(p).bias, *modes(p, 16384)
    assert abs(derived.mean - measured[0].max()) < error
    assert abs(abs(derived.spread) - measured[1].max()) < error
    if stepper == "held":
        assert derived.mean > 0.9
        with pytest.raises(InputError, match="mean of a mode"):
            make_plan(replace(p, allow_ringing=None))


def test_modes_far_apart_are_not_refused_for_nothing() -> None:
    """192 log-SNR ticks move modes at +-3 by .03 deviations; two Gaussians said .36."""
    vp = VP(0.1, 20.0, t_min=1e-3)
    p = protocol(rc1(), vp, FAR, ticks=192, grid="log-snr", allow_ringing=None)
    assert make_plan(p).bias.worst < 0.05


@pytest.mark.parametrize("stepper", STEPPERS)
@pytest.mark.parametrize("process", [OU(3.0), VE(5.0, t_min=1e-2), VP(0.1, 20.0, t_min=1e-3)])
@pytest.mark.parametrize("realisation", ["clock", "temperature"])
def test_points_on_a_line_are_the_closed_form(
    process: Process, stepper: str, realisation: str
) -> None:
    """One Gaussian, carried as a mixture: nowhere farther off than 4096 random points would be, and
    W1 and nats are those of the derived Gaussian.
    """
    settings = {"ticks": 40, "realisation": realisation, **STEPPERS[stepper]}
    p = protocol(rc1(), process, ONE, **settings)
    plan = make_plan(p)
    known, loop = plan.bias, narrow_loop(p, plan.drive, plan.stepper)
    found = line_bias(loop, plan_module._arrays(p, plan.schedule, plan.stepper), ONE.law)
    error = 1.0 / 4096**0.5
    assert found.deviation == pytest.approx(known.deviation, rel=1e-12)
    for name in ("mean", "spread", "width", "nats"):
        assert abs(getattr(found, name) - getattr(known, name)) < error, name


def test_a_grid_that_is_played_may_not_pass() -> None:
    """.29 deviations are less than the cap of a plan, and W1 more than a tenth of the width: the
    plan says so, and its W1 and nats are those of the engine's own mean and covariance.
    """
    p = protocol(rc1(), OU(3.0), gaussian([2.0], 0.3), ticks=96)
    found = make_plan(replace(p, allow_ringing=None)).bias
    mean, spread = ends(p)
    away, grown = (float(mean[0]) - 2.0) / 0.3, float(spread[0, 0]) / 0.09
    assert found.nats == pytest.approx(0.5 * (grown - 1.0 + away**2), rel=1e-9)
    x = np.random.default_rng(0).normal(away, grown**0.5, 2**20)
    law = np.sort(np.random.default_rng(1).normal(size=2**20))
    assert found.width == pytest.approx(np.abs(np.sort(x) - law).mean(), abs=4e-3)
    assert 0.1 < found.width < found.worst < CAP
    assert found.remark is not None and "W1 is" in found.remark
    assert make_plan(protocol(rc1(), OU(3.0), gaussian([2.0], 0.3), ticks=500)).bias.remark is None


POINTS = [(volts, ticks) for volts in (0.3, 1.0, 3.0) for ticks in (8, 12, 24, 48, 128)]


@pytest.mark.parametrize("target", [APART, CLOSE], ids=["apart", "close"])
def test_what_is_played_is_the_law(target: Any) -> None:
    """Whatever V0 and ticks: refused, or W1 is below .3 of a mode's deviation and what right
    samples have.
    """
    law, narrow, allowed = target.law, target.narrowest**0.5, 0
    deviations = np.sqrt(law.covariances[:, 0, 0])
    for volts, ticks in POINTS:
        settings = {"volts_per_unit": volts * THERMAL, "ticks": ticks, "allow_ringing": None}
        p = protocol(rc1(), OU(3.0), target, **settings)
        try:
            make_plan(p)
        except InputError:
            continue
        found = line_distance(
            played(p, 4096),
            lambda x: ndtr((x[:, None] - law.means[:, 0]) / deviations) @ law.weights,
        )
        allowed += 1
        assert found.value < 0.3 * narrow + found.floor + 4.0 * found.spread, (volts, ticks)
    assert 4 <= allowed <= 13  # the rule refuses some and not all


class Learned(Score):
    """A score that knows its data's moments at most."""

    def __init__(self, process: Process, dim: int, narrowest: float, target: Any = None) -> None:
        self.process, self.dim, self.narrowest, self.target = process, dim, narrowest, target

    def at(self, t: float) -> Any:
        raise NotImplementedError


def test_unknown_data_have_one_root_mean_square() -> None:
    """Without moments a mode sits at 1 and the whole law has variance 1. OU noise is as large as
    such a mode is far away at t = ln(2)/2: it is followed from the boundary before, 6 ticks of 1/16
    from the end.
    """
    process, usual = OU(3.0), {"wiring": "emf", "control": "clocked", "ticks": 48}
    score = Learned(process, 1, 0.04)
    own = Protocol(rc1(), process, score, grid="uniform", allow_ringing=True, **usual)  # type: ignore[arg-type]
    mode = make_plan(protocol(rc1(), OU(0.375), gaussian([1.0], 0.2), ticks=6)).bias
    whole = make_plan(protocol(rc1(), process, gaussian([0.0], 1.0), ticks=48)).bias
    assert mode.worst > whole.worst
    found = make_plan(own).bias
    assert (found.mean, found.spread) == pytest.approx((mode.mean, mode.spread), rel=1e-9)
    assert found.mode == "narrowest" and found.deviation == pytest.approx(0.2, rel=1e-12)


def test_modes_that_have_not_parted_are_no_modes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ringing cell, long first ticks, modes 17 deviations apart: a run displaces them by .05, .21
    is derived, and .50 would be for a mode followed from p_T on.
    """
    device, n = cell(5.0), 8192
    process = langevin(device, 18.0, t_min=0.02)
    target = gaussian_mixture([[-1.0], [1.0]], 0.066)
    p = protocol(device, process, target, ticks=96, grid="log-snr")
    x = p.to_model(p.device.efforts(simulate(make(p), n).end)).numpy()[:, process.positions[0]]
    derived, there = make_plan(p).bias, process.transition(process.t_min)[0]
    centre = float(there[process.positions[0], process.positions[0]])
    off = abs(float(x[x > 0.0].mean()) - centre) / derived.deviation
    error = 4.0 * float(x[x > 0.0].std()) / derived.deviation / (n / 2) ** 0.5
    assert derived.worst < CAP and off < derived.mean + error
    monkeypatch.setattr(bias_module, "_parting", lambda *_: np.inf)
    assert make_plan(p).bias.worst > 2.0 * max(derived.worst, off)


# ----------------------------------------------------------------------------------- the rule


def number(message: str) -> int:
    found = re.search(r"about (\d+) ticks are enough", message)
    assert found, message
    return int(found.group(1))


def refusal(**settings: Any) -> str:
    with pytest.raises(InputError) as caught:
        make_plan(protocol(rc1(), OU(3.0), ONE, allow_ringing=None, **settings))
    assert caught.value.where == "protocol.ticks"
    return caught.value.problem


def test_the_refusal_says_what_is_wrong_and_what_would_do() -> None:
    """V0 is at fault where the thermal voltage would do with as many ticks, else the ticks are."""
    problem = refusal(ticks=24, volts_per_unit=20.0 * THERMAL)
    bias = make_plan(protocol(rc1(), OU(3.0), ONE, ticks=24, volts_per_unit=20.0 * THERMAL)).bias
    assert f"{bias.worst:.3g} of the narrowest mode's standard deviation" in problem
    assert "more than 0.3" in problem and "20 times its default, is at fault" in problem
    few, enough = 24, number(problem)
    for ticks in (few, int(0.97 * enough)):
        refusal(ticks=ticks, volts_per_unit=20.0 * THERMAL)
    make_plan(protocol(rc1(), OU(3.0), ONE, ticks=enough, volts_per_unit=20.0 * THERMAL))
    alone = refusal(ticks=8)
    assert "too few ticks" in alone and "volts_per_unit" not in alone
    both = refusal(ticks=8, volts_per_unit=20.0 * THERMAL)
    assert "too few ticks" in both


@pytest.mark.parametrize("kind", ["relaxation", "langevin"])
def test_the_circuits_own_process_at_a_large_unit(kind: str) -> None:
    """Its matrices are those of the same circuit at the thermal voltage, scaled."""
    volts, make_process = 20.0 * THERMAL, {"relaxation": relaxation, "langevin": langevin}[kind]
    device = rc1() if kind == "relaxation" else cell(2.0)
    process = make_process(device, 3.0, volts_per_unit=volts)
    p = protocol(device, process, gaussian([3.0], 0.7), ticks=24, volts_per_unit=volts)
    with pytest.raises(InputError, match="20 times its default, is at fault"):
        make_plan(replace(p, allow_ringing=None))


def test_no_grid_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log-SNR grid to zero ends with one tick that is long in RC, however many come before."""
    monkeypatch.setattr(plan_module, "MOST_TICKS", 5000)
    problem = refusal(ticks=400, volts_per_unit=2000.0 * THERMAL, grid="log-snr")
    assert "no grid of up to 5000 ticks is enough" in problem


def test_shipped_specs_and_golden_kinds_are_played() -> None:
    """Digits by their moments alone: the network's own law is no part of the bias."""
    from thermohw.pipeline import load_spec
    from thermohw.pipeline.build import build_setting
    from thermohw.pipeline.demo import _QUICK
    from thermohw.target import digits

    quick = ["protocol.ticks=64", "simulate.paths=256", "store.every=0", "likelihood.test=32"]
    overrides = [(), _QUICK["mixture_rc"], *(
        [*quick, *more] for name, more in KINDS.items() if name != "network")]  # fmt: skip
    for over in overrides:
        make_plan(build_setting(load_spec("mixture_rc", list(over))).protocol)
    data, rc, rlc = digits(), load_device("rc64"), load_device("rlc64")
    vp, own = VP(0.1, 20.0, t_min=4e-4), langevin(rlc, 9.955, t_min=0.0136, data="flux")
    ladder = load_device("ladder64")
    for device, process, ticks in (
        (rc, vp, 256), (ladder, relaxation(ladder, 4.0, t_min=4e-4), 512), (rlc, own, 512),
    ):  # fmt: skip
        target = lift(data, process)
        score = Learned(process, target.dim, target.narrowest, target)
        usual = {"wiring": "emf", "control": "clocked", "ticks": ticks, "grid": "log-snr"}
        assert make_plan(Protocol(device, process, score, **usual)).bias.worst < 0.2  # type: ignore[arg-type]
    score = mixture_score(VP(0.1, 20.0, t_min=1e-3))
    usual = {"wiring": "emf", "control": "clocked", "ticks": 128, "grid": "log-snr"}
    make_plan(Protocol(rc1(), score.process, score, **usual))  # type: ignore[arg-type]


@pytest.mark.parametrize("stepper", STEPPERS)
@pytest.mark.parametrize(
    "target",
    [gaussian([0.0], 0.6), gaussian([1.0], 0.6), gaussian_mixture([[-1.5], [1.5]], 0.6), APART],
    ids=["centred", "off centre", "mixture", "apart"],
)
def test_ninety_ticks_are_played(target: Any, stepper: str) -> None:
    settings = {"ticks": 90, "allow_ringing": None, **STEPPERS[stepper]}
    assert make_plan(protocol(rc1(), OU(2.2), target, **settings)).bias.worst < 0.15
