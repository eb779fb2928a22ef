"""The audit of circuits with amplifiers: right runs hold, wrong ones are called."""

from __future__ import annotations

import numpy as np
import pytest

import thermohw as th
from thermohw.circuit import build_device
from thermohw.datasheet import read_datasheet
from thermohw.solver.expected import end_moments, mean_accounts
from thermohw.solver.stepper import ActiveStepper

INVERTER = """
format = "thermohw-device/1"
[[node]]
name = "s"
capacitance = "1 pF"
[[node]]
name = "o"
capacitance = "1 pF"
[[resistor]]
name = "in"
between = ["s", "gnd"]
resistance = "1 Mohm"
temperature = "600 K"
source = true
[[resistor]]
name = "back"
between = ["s", "o"]
resistance = "2 Mohm"
temperature = "300 K"
[[amplifier]]
name = "amp"
minus = "s"
output = "o"
gain = 1000
gbw = "1 MHz"
noise = "10 nV/sqrt(Hz)"
offset = "3 uV"
"""
LIMITS = INVERTER + 'slew = "20 V/s"\nswing = "1 mV"\n'
RESONATOR = """
format = "thermohw-device/1"
[[node]]
name = "a"
capacitance = "1 pF"
[[inductor]]
name = "l"
between = ["a", "gnd"]
inductance = "40 mH"
series_resistance = "30 kohm"
temperature = "500 K"
[[resistor]]
name = "r"
between = ["a", "gnd"]
resistance = "1 Mohm"
temperature = "300 K"
[[transconductor]]
name = "g"
between = ["a", "gnd"]
control = ["a", "gnd"]
conductance = "2 uS"
"""
BOARD = {"matrix": [[1.0, 0.3], [0.3, 0.8]], "rhs": [1.0, -0.5], "ideal": ["bandwidth"]}


def device(text):
    return build_device(read_datasheet(text, "test"))


def audited(tmp_path, text, duration="8 us", paths=2000, **settings):
    asked = th.Evolve(device(text), duration, samples=4, **settings)
    path = tmp_path / "run.h5"
    path.unlink(missing_ok=True)
    return th.simulate(asked, paths=paths, seed=2, store=path).audit()


def statuses(found):
    return {check.name: check.status for check in found.checks}


@pytest.mark.parametrize(("text", "settings"), [
    (INVERTER, {}),
    (INVERTER, {"start": "steady"}),
    (INVERTER, {"sources": {"in": "50 uV"}}),
    (LIMITS, {"sources": {"in": "50 uV"}}),
    (RESONATOR, {}),
    (RESONATOR, {"start": "steady", "step": "40 ns"}),
])  # fmt: skip
def test_right_runs_hold(tmp_path, text, settings):
    """Two temperatures, sources, offsets, inductors, limits: what can be judged holds."""
    found = audited(tmp_path, text, **settings)
    assert found.holds, [c for c in found.checks if c.status == "violated"]
    live = {name for name, status in statuses(found).items() if status != "not-applicable"}
    wanted = {"first_law", "medium_entropy", "bath_heat", "source_work"}
    assert live >= (wanted if text is LIMITS else wanted | {"end_law"})
    for bath in device(text).elements:  # each heat by itself, to four standard errors
        got, law = (found.quantities[f"{p}heat.{bath}.kT"] for p in ("", "expected."))
        assert abs(got.value - law.value) < 4 * np.hypot(got.stderr, law.stderr)


def test_limits_matter_and_are_measured(tmp_path):
    """A slew rate that binds: the linear law alone would convict the run."""
    sources = {"in": "50 uV"}
    found = audited(tmp_path, LIMITS, sources=sources)
    linear = mean_accounts(th.Evolve(device(LIMITS), "8 us", sources=sources).prepare())
    kept = found.quantities["heat.back.kT"]
    assert abs(kept.value - linear["heat.back"]) > 8 * kept.stderr
    assert found.quantities["expected.heat.back.kT"].stderr > 0.0


@pytest.mark.parametrize("text", [INVERTER, RESONATOR])
@pytest.mark.parametrize("wrong", ["heat x 1.001", "a bath dropped", "baths swapped", "noise"])
def test_wrong_books_are_called(tmp_path, monkeypatch, text, wrong):
    """Heats are the first accounts of a step; noise 5 % too strong leaves their books right."""
    right = ActiveStepper.step

    def step(self, state, normals):
        taken = right(self, state, normals * (1.05 if wrong == "noise" else 1.0))
        assert taken.accounts is not None
        accounts = taken.accounts.copy()
        if wrong == "heat x 1.001":
            accounts[..., 0] *= 1.001
        elif wrong == "a bath dropped":
            accounts[..., 0] = 0.0
        elif wrong == "baths swapped":
            accounts[..., :2] = accounts[..., 1::-1]
        return taken._replace(accounts=accounts)

    monkeypatch.setattr(ActiveStepper, "step", step)
    found = statuses(audited(tmp_path, text, duration="20 us", paths=8000))
    called = {"baths swapped": "bath_heat", "noise": "end_law"}.get(wrong, "first_law")
    assert found[called] == "violated"


def test_wrong_starts_and_frames_are_called(tmp_path, monkeypatch):
    """A start a tenth too wide, in the voltages alone; kept states that belong to another path."""
    from thermohw.solver.prepared import PreparedEvolve
    from thermohw.worlds.active import EvolveTile

    with monkeypatch.context() as hot:
        right = PreparedEvolve.spread.fget
        assert right is not None
        hot.setattr(PreparedEvolve, "spread", property(lambda self: 1.1 * right(self)))
        found = statuses(audited(tmp_path, INVERTER, paths=4000, start="steady"))
        assert found["start_law"] == "violated"
    drain = EvolveTile.drain
    monkeypatch.setattr(EvolveTile, "drain",
                        lambda self: {n: v[:, ::-1] for n, v in drain(self).items()})  # fmt: skip
    found = statuses(audited(tmp_path, INVERTER, paths=100))
    assert found["kept_states"] == "violated" and found["first_law"] == "holds"


def test_a_wrong_answer_is_called(tmp_path, monkeypatch):
    """A converter a tenth of a per cent off; the books do not know of it."""
    from thermohw.circuit import MappedSystem

    right = MappedSystem.read
    board, path = th.load_device("opamp-solver"), tmp_path / "run.h5"
    asked = th.Evolve(board, "40 us", samples=4, solve=BOARD)
    assert th.simulate(asked, paths=40, store=path).audit().holds
    path.unlink()
    monkeypatch.setattr(MappedSystem, "read", lambda self, e: 1.001 * right(self, e))
    found = statuses(th.simulate(asked, paths=40, store=path).audit())
    assert found["answer"] == "violated" and found["first_law"] == "holds"


def test_states_of_other_paths_are_the_number_that_is_shown(tmp_path, monkeypatch):
    from thermohw.worlds.active import EvolveTile

    right = EvolveTile.results

    def results(self):
        channels, rest = right(self)
        return channels | {"voltage.end": np.roll(channels["voltage.end"], 1, 0)}, rest

    monkeypatch.setattr(EvolveTile, "results", results)
    check = audited(tmp_path, INVERTER, paths=40).check("first_law")
    assert check.status == "violated" and check.value > check.expected


def test_noiseless_resistors_have_no_entropy(tmp_path):
    """Baths at 0 K: the medium is what the others took up, and every number is finite."""
    board = th.load_device("opamp-solver")
    asked = th.Evolve(board, "20 us", samples=4, solve={**BOARD, "ideal": True})
    run = th.simulate(asked, paths=40, store=tmp_path / "run.h5")
    assert not run.books.medium.any() and run.books.heat.any()
    found = run.audit()
    assert found.holds and statuses(found)["bath_heat"] == "holds"
    assert statuses(found)["distinct_paths"] == "not-applicable"
    assert run.report().is_file() and "first_law" in str(found)


@pytest.mark.parametrize("start", ["rest", "steady"])
@pytest.mark.parametrize("text", [INVERTER, RESONATOR])
def test_expected_means_are_sums_step_by_step(text, start):
    """Doubled sums against the plain recursion of mean and covariance, to round-off."""
    made = th.Evolve(device(text), "3 us", start=start).prepare()
    stepper = made.stepper
    law, d = stepper.law, stepper.states
    phi, shift, noise = stepper.free[:, :d].T, stepper.shift[:d], stepper.noise[:, :d].T
    steady = start == "steady"
    mean = law.mean(made.sources) if steady else np.zeros(d)
    p = law.covariance if steady else np.zeros((d, d))
    for _ in range(made.steps):
        mean, p = phi @ mean + shift, phi @ p @ phi.T + noise @ noise.T
    seen, covariance = end_moments(made)
    assert seen == pytest.approx(law.reading @ mean + made.device.efforts.constant, rel=1e-9)
    assert covariance == pytest.approx(law.reading @ p @ law.reading.T, rel=1e-9, abs=1e-12)
    table, signs = mean_accounts(made), {"heat": -1.0, "work": 1.0, "rotation": 1.0}
    change = sum(signs[name.split(".")[0]] * value for name, value in table.items())
    storage = made.device.storage

    def energy(mean, covariance):
        efforts = law.reading @ mean + made.device.efforts.constant
        spread = law.reading @ covariance @ law.reading.T
        return 0.5 * (efforts @ storage @ efforts + np.trace(storage @ spread))

    begin = (law.mean(made.sources), law.covariance) if steady else (0 * mean, 0 * p)
    gained = energy(mean, p) - energy(*begin)
    size = max(map(abs, table.values()))
    assert change == pytest.approx(gained, abs=1e-9 * size)
    if steady:  # heats tend to those of the rates with the square of the step
        rates, time = law.steady_rates(made.sources), made.seconds / made.device.scale.time
        coarse, fine = (
            mean_accounts(th.Evolve(device(text), "3 us", start=start, step=h).prepare())
            for h in ("20 ns", "10 ns")
        )
        for bath in made.device.elements:
            name = f"heat.{bath}"
            change, exact = fine[name] - coarse[name], rates[name] * time
            # what is left beyond the second order is a share of it that falls with the step
            assert abs(fine[name] + change / 3.0 - exact) <= 0.1 * abs(change) + 1e-9 * size
            assert abs(fine[name] - exact) > 1e-7 * size  # and there was something to take out
