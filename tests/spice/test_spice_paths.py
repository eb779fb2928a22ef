"""Path by path against ngspice, and that wrong physics is seen."""

from dataclasses import replace

import numpy as np
import pytest
import rlc
import torch

import thermohw as th
import thermohw.spice.check as check_module
from thermohw.circuit import langevin, relaxation
from thermohw.integrate.held_nodes import HeldNodes
from thermohw.spice import check_free, check_path, chosen_path, linear_response, path_deck, run_deck
from thermohw.spice.check import CONTROLLED, ENERGY, LINEAR
from thermohw.target import target_from_dict

pytestmark = pytest.mark.spice

ONE = target_from_dict({"kind": "gaussian_mixture", "means": [[-2.0], [1.5]],
                        "stds": [0.3, 0.4], "weights": [0.3, 0.7]})  # fmt: skip
TWO = target_from_dict({"kind": "gaussian_mixture", "means": [[1.5, 1.0], [-1.5, 1.0], [0, -1.8]],
                        "stds": [0.3, 0.3, 0.3], "weights": [0.5, 0.3, 0.2]})  # fmt: skip
GROUNDED = [("a", "gnd", 1.0, 1.0), ("b", "gnd", 1.0, 1.0)]
PAIR_C = rlc.network({"a": 1.0, "b": 1.0}, GROUNDED, capacitors=[("a", "b", 0.5)])
PAIR_R = rlc.network({"a": 1.0, "b": 1.0}, [*GROUNDED, ("a", "b", 2.0, 1.5)])
SERIES = rlc.network({"a": 1.0}, [("a", "gnd", 1.0, 1.0)], [("a", "gnd", 0.1, 0.2, 1.0)])


def played(device, process, target, **settings):
    return th.Protocol(device, process, target.score(process), **settings)


def assert_agrees(found, tolerance):
    assert found.tolerance == tolerance and found.deviation <= tolerance, str(found)
    assert found.own_error <= tolerance and found.energy <= ENERGY, str(found)
    assert found.holds and "agrees" in str(found)


@pytest.mark.parametrize(
    "device",
    [th.load_device("rc1"), rlc.cell(), rlc.cell(0.5), PAIR_C, PAIR_R, SERIES, rlc.tangle()],
    ids=["rc", "rlc Q 5", "rlc Q 0.5", "C-coupled", "R-coupled", "lossy inductor", "all at once"],
)
@pytest.mark.parametrize("shape", ["staircase", "interpolated"])
def test_circuits_under_johnson_noise(device, shape, seed):
    found = check_free(device, duration=3.0, interval=0.1, seed=seed, shape=shape)
    assert_agrees(found, LINEAR)
    assert np.abs(found.heat).max() > 0.1  # there was something to compare


@pytest.mark.parametrize("wiring", ["emf", "current"])
@pytest.mark.parametrize(
    ("device", "process", "target"),
    [
        (th.load_device("rc1"), th.OU(5.0), ONE),
        (th.load_device("rc1"), th.VE(5.0), ONE),
        (rlc.network({"a": 1.0, "b": 1.0}, GROUNDED), th.OU(3.0), TWO),
        (PAIR_C, relaxation(PAIR_C, 1.0), TWO),
        (PAIR_R, relaxation(PAIR_R, 1.0), TWO),
        (rlc.cell(), langevin(rlc.cell(), 1.0), ONE),
    ],
    ids=["rc", "rc ve", "2-D", "C-coupled", "R-coupled", "rlc"],
)
def test_control_computed_by_the_deck(device, process, target, wiring):
    ticks = 80 if process.isotropic else 40
    protocol = played(device, process, target, wiring=wiring, control="continuous", ticks=ticks)
    found = check_path(protocol, 1, target=target, refine=8)
    assert "computed by the deck" in found.label
    assert_agrees(found, CONTROLLED)
    assert np.abs(found.work).max() > 0.02


@pytest.mark.parametrize("wiring", ["emf", "current"])
@pytest.mark.parametrize(
    ("device", "process", "target", "extra"),
    [
        (th.load_device("rc1"), th.OU(5.0), ONE, {}),
        (th.load_device("rc1"), th.OU(5.0), ONE,
         {"adc_bits": 6, "dac_bits": 8, "latency": "0.03 us", "reading_noise": "5 uV"}),
        (PAIR_R, relaxation(PAIR_R, 2.0), TWO, {}),
        (rlc.cell(), langevin(rlc.cell(), 2.0), ONE, {}),
        (SERIES, langevin(SERIES, 2.0, data="flux"), ONE, {}),
    ],
    ids=["rc", "rc with converters", "R-coupled", "rlc", "lossy inductor"],
)  # fmt: skip
def test_clocked_control_is_replayed(device, process, target, extra, wiring):
    protocol = played(device, process, target, wiring=wiring, control="clocked", ticks=120, **extra)
    found = check_path(protocol, 2, target=target)
    assert "replayed" in found.label
    assert_agrees(found, LINEAR)
    assert found.recorded is not None and found.recorded <= LINEAR  # the stored path itself


def test_the_deck_s_ramps_are_not_the_run_s(monkeypatch):
    # Short last ticks make sources jump far; half of every ramp comes before the tick's end. The
    # stored run steps, so what the ramps do is taken out of the comparison with it, and it matters.
    protocol = played(th.load_device("rc1"), th.VP(0.1, 20.0, t_min=1e-6), ONE, wiring="emf",
                      control="clocked", ticks=64, grid="log-snr")  # fmt: skip
    found = check_path(protocol, 0, target=ONE)
    assert_agrees(found, LINEAR)
    monkeypatch.setattr(check_module, "_ramps", lambda device, path: 0.0)
    raw = check_path(protocol, 0, target=ONE)
    assert found.recorded is not None and raw.recorded is not None
    assert found.recorded <= 1.1 * found.deviation  # what is left is the simulator's own error
    assert raw.recorded > 3.0 * found.recorded


def test_a_network_as_sources_and_as_a_recording():
    from thermohw.score.training import fit_score

    rc, ou = th.load_device("rc1"), th.OU(3.0, t_min=0.02)
    score = fit_score(ONE, ou, steps=30, architecture={"width": 6}, progress=False)
    settings = {"wiring": "emf", "control": "continuous", "ticks": 40, "grid": "uniform"}
    protocol = th.Protocol(rc, ou, score.scaled(0.9), **settings)
    computed = check_path(protocol, 0, target=ONE, refine=8)
    assert "computed by the deck" in computed.label
    assert_agrees(computed, CONTROLLED)
    assert_agrees(check_path(protocol, 0, target=ONE, refine=8, replay=True), CONTROLLED)


def test_a_plain_network_in_two_dimensions():
    from thermohw.score.training import fit_score

    ou, device = th.OU(2.0, t_min=0.1), rlc.network({"a": 1.0, "b": 1.0}, GROUNDED)
    score = fit_score(TWO, ou, steps=30, architecture={"width": 5, "head": "plain"}, progress=False)
    protocol = th.Protocol(
        device, ou, score, wiring="current", control="continuous", ticks=40, grid="uniform"
    )
    found = check_path(protocol, 0, target=TWO, refine=8)
    assert "computed by the deck" in found.label
    assert_agrees(found, CONTROLLED)


def test_a_large_network_on_an_array_is_replayed():
    from thermohw.score.training import fit_score

    ou, device = th.OU(2.0, t_min=0.1), th.load_device("rc64")
    target = target_from_dict({"kind": "gaussian", "mean": [0.5] * 64, "std": 0.7})
    score = fit_score(target, ou, steps=2, progress=False)
    protocol = th.Protocol(device, ou, score, wiring="emf", control="clocked", ticks=12)
    found = check_path(protocol, 3, target=target)
    assert "replayed" in found.label and len(found.heat) == 64
    assert_agrees(found, LINEAR)


def _one_percent(device):
    return replace(device, coefficients=device.coefficients * 1.01)


def _turned(device):
    return replace(device, structure=-device.structure)


def _uncoupled(device):
    return replace(device, hessian=np.diag(np.diag(device.hessian)))


@pytest.mark.parametrize(
    ("device", "wrong"),
    [(PAIR_R, _one_percent), (rlc.cell(), _turned), (PAIR_C, _uncoupled)],
    ids=["conductances 1 % off", "inductors the wrong way", "coupling capacitor forgotten"],
)
def test_a_wrong_circuit_is_seen(device, wrong, monkeypatch):
    def mistaken(device, noise, **settings):
        return linear_response(wrong(device), noise, **settings)

    monkeypatch.setattr(check_module, "linear_response", mistaken)
    found = check_free(device, duration=3.0, interval=0.1)
    assert not found.holds and found.deviation > 10.0 * LINEAR and "DIFFERS" in str(found)


def test_a_wrong_account_is_seen(monkeypatch):
    # A work and a heat that a twentieth of kT is missing from, on the right path.
    def mistaken(device, noise, **settings):
        answer = linear_response(device, noise, **settings)
        return replace(answer, work=answer.work - 0.05, heat=answer.heat - 0.05)

    protocol = played(th.load_device("rc1"), th.OU(3.0), ONE, wiring="emf", control="clocked",
                      ticks=50, allow_ringing=True)  # fmt: skip
    monkeypatch.setattr(check_module, "linear_response", mistaken)
    found = check_path(protocol, 0, target=ONE)
    assert found.deviation <= LINEAR and not found.holds


@pytest.mark.parametrize("wiring", ["emf", "current"])
def test_wrong_books_of_a_held_run_are_seen(wiring, monkeypatch):
    # The run's own ledger, not only the response of its matrices, is held against the simulator:
    # right paths with a heat twice as large, and works of a wrong sign or size.
    step = HeldNodes.step

    def mistaken(self, *args, **settings):
        found = step(self, *args, **settings)
        emf = None if found.emf is None else -found.emf
        flux = None if found.flux is None else 2.0 * found.flux
        return found._replace(force=2.0 * found.force, emf=emf, flux=flux)

    protocol = played(th.load_device("rc1"), th.OU(3.0), ONE, wiring=wiring, control="clocked",
                      ticks=96)  # fmt: skip
    monkeypatch.setattr(HeldNodes, "step", mistaken)
    found = check_path(protocol, 1, target=ONE)
    assert found.deviation <= LINEAR and not found.holds and found.energy > 5.0 * ENERGY


def test_a_deck_of_the_wrong_wiring_is_seen():
    # Both wirings give the same path; only the books tell them apart.
    protocol = played(th.load_device("rc1"), th.OU(3.0), ONE, wiring="emf", control="continuous",
                      ticks=60)  # fmt: skip
    deck, *_ = path_deck(protocol, 0, target=ONE, refine=4)
    other, *_ = path_deck(replace(protocol, wiring="current"), 0, target=ONE, refine=4)
    one, two = _run(deck), _run(other)
    assert one[0] == pytest.approx(two[0], abs=CONTROLLED)
    assert abs(one[1] - two[1]) > 0.1


def _run(deck):
    run = run_deck(deck)
    efforts, work, *_ = run.split(run.values[-1, 0])
    return float(efforts[0]) / 6.4358e-5, float(work[0])


def test_the_path_is_that_of_the_run(seed):
    # No simulator: the chosen path's record against the run's own end states, to float32's digits.
    protocol = played(th.load_device("rc1"), th.OU(3.0), ONE, wiring="emf", control="clocked",
                      ticks=96)  # fmt: skip
    run = th.simulate(protocol, paths=12, seed=seed, progress=False)
    path = chosen_path(protocol, 7, seed=seed, dtype=torch.float32, target=ONE)
    assert path.recorded is not None and path.work is not None
    volts = path.recorded[-1, 0] * protocol.device.scale.voltage
    assert volts == pytest.approx(run.channels["voltage.end"][7, 0], rel=1e-6)
    work = path.work.sum() * protocol.device.scale.energy
    assert work == pytest.approx(run.channels["work.emf"][7], rel=1e-6)
    assert path.heat is not None
    heat = path.heat.sum() * protocol.device.scale.energy
    assert heat == pytest.approx(run.channels["heat.r0"][7], rel=1e-5)
