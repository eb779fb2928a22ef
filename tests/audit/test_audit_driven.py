"""The audit of programs and free runs: right ones hold, wrong ones of every kind are called."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import thermohw as th
from thermohw.program import stepper

RAMP = {"n0.capacitance": [("0 s", "1 pF"), ("5 us", "250 fF")]}
WARM = RAMP | {"r0.temperature": [("0 s", "300 K"), ("2.5 us", "600 K"), ("5 us", "300 K")]}
CHAIN = {"n0.capacitance": [("0 s", "1 pF"), ("5 us", "0.4 pF")]}


def audited(tmp_path, device="rc1", schedule=RAMP, paths=4000, **settings):
    program = None if schedule is None else th.Program(schedule)
    drive = th.Drive(th.load_device(device), program, **{"ticks": 60, **settings})
    run = th.simulate(drive, paths=paths, seed=3, store=tmp_path / "run.h5", every=30)
    return run.audit()


def statuses(found):
    return {check.name: check.status for check in found.checks}


LIVE = ("finite_values", "distinct_paths", "first_law", "medium_entropy", "bath_heat")
THEOREM = ("parameter_work", "integral_theorem", "second_law")


@pytest.mark.parametrize(
    ("settings", "live"),
    [
        ({}, (*LIVE, *THEOREM, "limits")),
        ({"schedule": WARM}, (*LIVE, *THEOREM)),
        ({"device": "rc8-chain", "schedule": CHAIN, "start": "steady"}, (*LIVE, "parameter_work")),
        ({"schedule": None, "duration": "5 us", "start": "zero"}, LIVE),
        ({"device": "rlc1", "schedule": None, "duration": "2 us", "start": "zero"}, LIVE),
        ({"device": "quartic-langevin", "schedule": None, "duration": "2 us", "paths": 500},
         LIVE[:4]),
    ],
    ids=["ramp", "warm", "chain", "free", "cell", "quartic"],
)  # fmt: skip
def test_right_runs_hold(tmp_path, settings, live):
    """Live checks hold or are chance (|z| <= 4); the rest says why it does not apply."""
    found = audited(tmp_path, **settings)
    assert found.holds
    random = settings.get("start") != "zero" and settings.get("device") != "quartic-langevin"
    live = (*live, "start_law") if random else live  # a Gaussian start
    for check in found.checks:
        applies = check.status in ("holds", "explained")
        assert applies == (check.name in live) or check.name == "limits", check
        assert check.power is not None or not applies
    assert f"program {'left alone' if settings.get('schedule', 1) is None else ''}" in str(found)


def test_closed_form_of_a_slow_ramp(tmp_path):
    """C to C/4 in 1000 R C at one temperature: work ln 2 kT, heat as much, to the delay 1/1000."""
    slow = {"n0.capacitance": [("0 s", "1 pF"), ("1 ms", "250 fF")]}
    found = audited(tmp_path, schedule=slow, ticks=4000, paths=1000)
    for name in ("work.parameters.kT", "heat.total.kT"):
        got = found.quantities[name]
        assert abs(got.value - np.log(2.0)) < 4.0 * got.stderr + 0.01


def wrong(name):
    """A stepper that books or moves something wrong."""
    right = stepper.STEPPERS

    def changed(which):
        def step(device, piece, z, normals):
            if name == "hot noise":
                normals = normals * 1.05
            elif name == "slow":
                piece = piece._replace(duration=0.9 * piece.duration)
            done = right[which](device, piece, z, normals)
            force, charge = done.force.clone(), done.charge
            if name == "heat x 1.001":
                force *= 1.001
            elif name == "a bath dropped":
                force[:, 0] = 0.0
            elif name == "baths swapped":
                force, charge = force.flip(1), charge.flip(1)
            return done._replace(force=force, charge=charge)

        return step

    return {which: changed(which) for which in right}


FREE = {"schedule": None, "start": "zero", "paths": 40_000}


@pytest.mark.parametrize(
    ("name", "check", "settings"),
    [
        ("heat x 1.001", "first_law", {}),
        ("a bath dropped", "first_law", {"device": "rc8-chain", "schedule": CHAIN}),
        ("baths swapped", "bath_heat", {"device": "rc8-chain", "schedule": CHAIN, "paths": 20_000}),
        ("hot noise", "integral_theorem", {"paths": 20_000}),
        ("hot noise", "bath_heat", FREE | {"duration": "3 us"}),
        ("slow", "bath_heat", FREE | {"duration": "400 ns", "ticks": 20}),
    ],
)
def test_wrong_books_are_called(tmp_path, monkeypatch, name, check, settings):
    """Of the last two the mean heat moves by .05 and .03 kT, of which the standard error is .003;
    jumps of the theorem's weights need more paths."""
    from thermohw.program import play

    monkeypatch.setattr(play, "STEPPERS", wrong(name))
    found = audited(tmp_path, **settings)
    assert statuses(found)[check] == "violated", found.check(check)


def test_work_booked_at_the_wrong_state(tmp_path, monkeypatch):
    """Work of a jump at the state after the tick: first law off, and the mean work too."""
    from thermohw.program.play import Play

    right = Play._jump

    def off(self, z, *rest):
        return right(self, z * 1.02, *rest)

    monkeypatch.setattr(Play, "_jump", off)
    found = statuses(audited(tmp_path))
    assert found["first_law"] == "violated"


def test_a_naive_exponent_fails(tmp_path, monkeypatch):
    """With T(t) the work over one temperature is no exponent: ignoring H d(beta) is called."""
    from thermohw.program.play import Play

    right = Play._jump

    def naive(self, z, device, following, jumps, exponent):
        work = right(self, z, device, following, jumps, torch.zeros_like(exponent))
        exponent += 0.0 if work is None else work.sum(1)
        return work

    monkeypatch.setattr(Play, "_jump", naive)
    found = statuses(audited(tmp_path, schedule=WARM, paths=20_000))
    assert found["integral_theorem"] == "violated" and found["first_law"] == "holds"


@pytest.mark.parametrize("paths", [1, 2, 29])
def test_few_paths_earn_no_mean(tmp_path, paths):
    found = audited(tmp_path, paths=paths)
    assert found.holds and statuses(found)["bath_heat"] == "not-applicable"
    assert statuses(found)["first_law"] == "holds"
