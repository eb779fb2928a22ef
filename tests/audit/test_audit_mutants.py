"""Wrong physics in the simulation itself shows in the audit of its file."""

from __future__ import annotations

import pytest

from thermohw.audit import audit
from thermohw.control import Controller
from thermohw.integrate.continuous import _Continuous
from thermohw.integrate.held_nodes import HeldNodes
from thermohw.integrate.terminals import Terminals
from thermohw.pipeline import load_spec, run_spec

pytestmark = pytest.mark.usefixtures("readable")  # what tests break, runs must play

COMMON = ["protocol.ticks=256", "simulate.paths=8192", "store.every=0", "likelihood.test=0"]


def violated(path, overrides=()):
    run_spec(load_spec("mixture_rc", [*COMMON, *overrides]), path, progress=False)
    return {check.name for check in audit(path).checks if check.status == "violated"}


def test_missing_root_two(tmp_path, monkeypatch):
    """Johnson noise of half the power: samples too narrow, path ratios not those of the kernel."""
    right = _Continuous.__init__

    def quiet(self, *args, **options):
        right(self, *args, **options)
        self.terminals.noise = self.terminals.noise / 2**0.5

    monkeypatch.setattr(_Continuous, "__init__", quiet)
    found = violated(tmp_path / "run.h5")
    assert {"fluctuation_even", "fluctuation_odd", "sample_law"} <= found


@pytest.mark.parametrize("point", [0, 1])
def test_source_booked_at_one_end(tmp_path, monkeypatch, point):
    """Ito (or the right point) for Stratonovich, in heat and work alike: the first law still
    closes.
    """
    right = _Continuous._books

    def books(self, piece, state, end, control, following, **options):
        step = right(self, piece, state, end, control, following, **options)
        emf = self.terminals.emf((control, following)[point])
        assert step.emf is not None
        return step._replace(force=step.force + step.emf - emf, emf=emf)

    monkeypatch.setattr(_Continuous, "_books", books)
    assert violated(tmp_path / "run.h5") == {"second_law"}


def test_sources_of_the_wrong_sign(tmp_path, monkeypatch):
    """Noising instead of generation: the control pushes away from the data."""
    right = Controller.act

    def act(self, *args, **options):
        control = right(self, *args, **options)
        return control._replace(source=-control.source)

    monkeypatch.setattr(Controller, "act", act)
    assert "sample_law" in violated(tmp_path / "run.h5")


def test_reading_noise_that_is_not_the_stated_one(tmp_path, monkeypatch):
    """A fifth more noise than the filter knows of: the pathwise information does not average to the
    transfer entropy.

    Each i_k loses (1.44 - 1)/2 (1 - R/(P + R)) nats or so, 256 of them against a standard error of
    0.05.
    """
    right = Controller.act

    def act(self, voltage, tick, *, noise=None, **options):
        return right(self, voltage, tick, noise=None if noise is None else 1.2 * noise, **options)

    monkeypatch.setattr(Controller, "act", act)
    noisy = ["protocol.control=clocked", "protocol.stepper=auto", "protocol.reading_noise=60 uV"]
    assert "information" in violated(tmp_path / "run.h5", noisy)


def test_held_source_booked_as_if_it_followed(tmp_path, monkeypatch):
    """Clocked emf with the mean of two ticks' sources in heat and work alike: the first law closes
    and no second law can be stated for exact readings, but 0.18 nats of pumping are missing.
    """
    right = HeldNodes.step

    def step(self, *args, **options):
        one = right(self, *args, **options)
        if one.next_control is None or one.emf is None:
            return one
        emf = 0.5 * (one.emf + one.next_control.source)
        return one._replace(force=one.force + one.emf - emf, emf=emf)

    clocked = ["protocol.control=clocked", "protocol.stepper=auto", "protocol.ticks=512"]
    assert violated(tmp_path / "right.h5", clocked) == set()
    monkeypatch.setattr(HeldNodes, "step", step)
    assert violated(tmp_path / "run.h5", clocked) == {"second_law", "bath_heat"}


@pytest.mark.parametrize(
    "change",
    [
        ["protocol.wiring=current"],
        ["protocol.wiring=current", "protocol.control=clocked", "protocol.stepper=auto"],
        ["protocol.control=clocked", "protocol.stepper=auto"],
    ],
)
def test_voltages_far_above_thermal_are_no_violation(tmp_path, change):
    """V0 = 5 thermal voltages: sources mostly work against the leak, and first-order errors of the
    books are of its size; Q = 24 int (v - 1/25) ds to first order, none of it wrong.
    """
    wide = ["protocol.volts_per_unit=320 uV", "protocol.ticks=2048", "simulate.paths=2048"]
    assert violated(tmp_path / "run.h5", [*wide, *change]) == set()


def test_one_cold_bath_of_eight(tmp_path, monkeypatch):
    """Noise of 300 K from the resistor at 600 K: one node of eight is a fifth too narrow. Clouds
    of samples hardly differ; their mean log density does.
    """
    right = Terminals.__init__

    def cold(self, *args, **options):
        right(self, *args, **options)
        self.noise = self.noise.clone()
        self.noise[0] = self.noise[1]

    chain = [
        "device.name=rc8-chain",
        "process={kind='relaxation', duration=3.0}",
        "target={kind='gaussian', mean=[0,0,0,0,0,0,0,0], std=[1,1,1,1,1,1,1,1]}",
    ]
    assert violated(tmp_path / "right.h5", chain) == set()
    monkeypatch.setattr(Terminals, "__init__", cold)
    run_spec(load_spec("mixture_rc", [*COMMON, *chain]), tmp_path / "run.h5", progress=False)
    check = audit(tmp_path / "run.h5").check("sample_law")
    assert check.status != "holds" and "-E ln p differs" in check.detail
