"""Five per cent of temperature, noise, capacitance or gain, declared or not, in an audit of ten
thousand paths.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import pytest
import torch
from golden.runs import KINDS
from store.toy import unsealed

from thermohw.audit import audit
from thermohw.audit.gain import gain
from thermohw.audit.gather import gather
from thermohw.audit.residuals import drift_deviations, noise_deviations, noise_temperature
from thermohw.control import Controller
from thermohw.errors import InputError
from thermohw.integrate.continuous import Splitting, _Continuous
from thermohw.integrate.held_nodes import HeldNodes
from thermohw.integrate.terminals import Terminals
from thermohw.pipeline import load_spec, run_spec

pytestmark = pytest.mark.usefixtures("readable")  # what tests break, runs must play

HELD = ["protocol.control=clocked", "protocol.stepper=auto"]
SPLITTING = ["protocol.stepper=splitting"]
HEUN = ["protocol.stepper=heun"]
# A law with 11 nats of production: 5 % of its push are 14 standard errors.
WIDE = ["target.means=[[-3.0], [3.0]]", "target.stds=0.6", "protocol.ticks=128"]
GOLDEN = Path(__file__).parents[1] / "data" / "golden_0.1.0"
BOTH = ("noise_temperature", "gain")


def run(path, *overrides, paths=10000):
    common = ["protocol.ticks=64", f"simulate.paths={paths}", "store.every=0", "likelihood.test=0"]
    spec = load_spec("mixture_rc", [*common, "audit.twins=false", *overrides])
    run_spec(spec, path, progress=False)
    return path


def verdict(path, name):
    """Status and value of a check that gives one, with a power that fits its verdict."""
    check = audit(path).check(name)
    assert check.value is not None and check.power is not None and check.power > 0.0
    assert (abs(check.value) >= 0.9 * check.power) == (check.status == "violated"), check
    return check.status, check.value


def hide(path, key, edits: dict[str, float] | None = None):
    """Take a key out of a finished file's protocol, and scale some of its numbers."""
    with h5py.File(unsealed(path), "r+") as file:
        place: Any = file["parameters/protocol"]
        place[...] = json.dumps(json.loads(place[()]) | {key: None})
        for name, factor in (edits or {}).items():
            data: Any = file[name]
            data[...] = factor * data[()]
    return path


def patch(monkeypatch, owner, name, change):
    right = getattr(owner, name)
    monkeypatch.setattr(owner, name, lambda *args, **options: change(right, *args, **options))


def hot_moments(right, self, h, temperature=1.0):
    return right(self, h, 1.05 * temperature)


def hot_kicks(right, self, *args, **options):
    right(self, *args, **options)
    self.terminals.noise = self.terminals.noise * 1.05**0.5


def hot_halves(right, self, h):
    mean, spread = right(self, h)
    return mean, spread * 1.05**0.5


@pytest.mark.parametrize(
    ("owner", "name", "change", "kind"),
    [
        (HeldNodes, "_moments", hot_moments, HELD),
        (_Continuous, "__init__", hot_kicks, []),
        (_Continuous, "__init__", hot_kicks, HEUN),
        (Splitting, "_free", hot_halves, SPLITTING),
    ],
)
def test_noise_of_a_hotter_bath(tmp_path, monkeypatch, owner, name, change, kind):
    """5 % more noise power; its standard error is sqrt(2/640000) = 0.18 %."""
    patch(monkeypatch, owner, name, change)
    status, value = verdict(run(tmp_path / "run.h5", *kind), "noise_temperature")
    assert status == "violated" and abs(value - 0.05) < 5 * 1.05 * (2 / 640000) ** 0.5


def test_spread_five_per_cent_wrong(tmp_path, monkeypatch):
    patch(
        monkeypatch,
        HeldNodes,
        "_moments",
        lambda right, *args: (m := right(*args))._replace(spread=1.05 * m.spread),
    )
    assert verdict(run(tmp_path / "run.h5", *HELD), "noise_temperature")[0] == "violated"


@pytest.mark.parametrize("kind", [[], HELD])
def test_a_hot_run_whose_file_hides_it(tmp_path, kind):
    """Declared it is right, hidden it is not, with voltages and energies of the ledger scaled to
    300 K or as they were.
    """
    path = run(tmp_path / "run.h5", "protocol.node_temperature=1.05", *kind)
    assert verdict(path, "noise_temperature")[0] == "holds"
    baths = {"parameters/baths/energy": 1.0 / 1.05}  # or the audit refuses the file
    assert verdict(hide(path, "node_temperature", baths), "noise_temperature")[0] == "violated"
    volts = {f"ledger/voltage.{end}": 1.05**-0.5 for end in ("start", "end")}
    joules = {
        f"ledger/{n}": 1 / 1.05 for n in ("energy.start", "energy.end", "heat.r0", "work.emf")
    }
    hide(path, "node_temperature", volts | joules)
    assert verdict(path, "noise_temperature")[0] == "violated"


def test_squares_scaled_to_fit_leave_the_sums_behind(tmp_path):
    """Squares in SI changed by 5 %, a mean square of the run's own that is not."""
    path = run(tmp_path / "run.h5", *HELD)
    hide(path, "node_temperature", {"results/residual.power": 1.05})
    assert verdict(path, "noise_temperature")[0] == "violated"


@pytest.mark.parametrize("kind", [[], HELD])
def test_a_capacitor_that_the_file_hides(tmp_path, kind):
    """2 k T/(R C^2): 5 % of C are 9 % of the noise."""
    path = run(tmp_path / "run.h5", "protocol.node_capacitance=1.05", *kind)
    assert {verdict(path, name)[0] for name in BOTH} == {"holds"}
    status, value = verdict(hide(path, "node_capacitance"), "noise_temperature")
    assert status == "violated" and abs(value + 0.093) < 0.01


def test_a_capacitor_that_the_stepper_has_wrong(tmp_path, monkeypatch):
    """The noise of a charge, 2 k T/R, does not depend on C, but its decay does: the pull is 4.8 %
    too weak.
    """

    def moments(right, self, h, temperature=1.0):
        other = HeldNodes.__new__(HeldNodes)
        other.device = replace(self.device, hessian=self.device.hessian / 1.05)
        other.dtype = self.dtype
        return right(other, h, temperature)

    patch(monkeypatch, HeldNodes, "_moments", moments)
    status, value = verdict(run(tmp_path / "run.h5", *WIDE, *HELD), "gain")
    assert status == "violated" and value < -0.02


def strong_act(right, *args, **options):
    control = right(*args, **options)
    return control._replace(source=1.05 * control.source)


def strong_emf(right, self, control):
    emf = right(self, control)
    return None if emf is None else 1.05 * emf


def strong_moments(right, *args):
    moments = right(*args)
    return moments._replace(from_source=1.05 * moments.from_source)


@pytest.mark.parametrize(
    ("owner", "name", "change", "kind"),
    [
        (Controller, "act", strong_act, []),
        (Controller, "act", strong_act, HELD),
        (Controller, "act", strong_act, [*HELD, "protocol.reading_noise=60 uV"]),
        (HeldNodes, "_moments", strong_moments, HELD),
        (Terminals, "emf", strong_emf, HELD),
        (Terminals, "emf", strong_emf, []),
        (Terminals, "emf", strong_emf, HEUN),
        (Terminals, "emf", strong_emf, SPLITTING),
    ],
)
def test_a_gain_five_per_cent_too_large(tmp_path, monkeypatch, owner, name, change, kind):
    patch(monkeypatch, owner, name, change)
    path = run(tmp_path / "run.h5", *WIDE, *kind)
    found = audit(path)
    status, value = found.check("gain").status, found.check("gain").value
    # Exact against the law; else a standard error of 0.36 %, and in a continuous step a bias of
    # the order of the step times the loop's rate, h/v = 3/128/0.36 = 6.5 % of the 5 %.
    assert status == "violated" and value is not None
    assert abs(value - 0.05) < 5 * 0.0037 + 0.065 * 0.05
    assert found.check("noise_temperature").status == "holds"


HIDDEN_FORCE = 0.05  # thermal voltages


@pytest.mark.parametrize("kind", [HELD, [*HELD, "simulate.dtype=float32"], []])
def test_a_constant_force_that_nothing_records(tmp_path, monkeypatch, kind):
    """Every tick is shifted by c (1 - phi), c = .05 V_th, charge and work booked as those of the
    shifted source: a tick of h = 3/96 moves by c tanh(h/2)^(1/2) = c (h/2)^(1/2) of its noise, and
    1e4 paths know the mean to 1e-3.
    """
    kind = [*kind, "protocol.ticks=96"]
    right = audit(run(tmp_path / "right.h5", *kind))
    assert right.check("noise_temperature").status == "holds"
    assert "seen if it moved a step by 0.4" in right.check("noise_temperature").detail

    def pushed(right, self, control):
        emf = right(self, control)
        return None if emf is None else emf + HIDDEN_FORCE

    patch(monkeypatch, Terminals, "emf", pushed)
    found = audit(run(tmp_path / "wrong.h5", *kind))
    assert found.check("first_law").status == "holds"
    check = found.check("noise_temperature")
    assert check.status == "violated" and "mean residual of all" in check.detail
    assert check.value is not None and check.power is not None
    assert abs(check.value - HIDDEN_FORCE * (3 / 96 / 2) ** 0.5) < 5 * 960000**-0.5
    assert check.value > check.power


def test_a_force_on_one_node_of_a_joined_circuit(tmp_path, monkeypatch):
    """It is one of eight, and the others say nothing."""
    kind = [*KINDS["chain-clocked"], "likelihood.test=0"]
    path = run(tmp_path / "right.h5", *kind, paths=1000)
    assert audit(path).check("noise_temperature").status == "holds"

    def pushed(right, self, control):
        emf = right(self, control)
        force = 0.3 * (torch.arange(emf.shape[1]) == 0)
        return emf + force.to(emf.dtype)

    patch(monkeypatch, Terminals, "emf", pushed)
    check = audit(run(tmp_path / "run.h5", *kind, paths=1000)).check("noise_temperature")
    assert check.status == "violated" and "mean residual of n0" in check.detail


def test_files_that_have_no_mean_residuals(tmp_path):
    """Nine columns instead of ten: judged as they were."""
    path = run(tmp_path / "run.h5", *HELD, paths=64)
    evidence = gather(path)
    assert "no record mentions" in noise_temperature(evidence).detail
    before = noise_deviations(evidence)
    evidence.residuals["sums"] = evidence.residuals["sums"][:, :-1]
    check = noise_temperature(evidence)
    assert check.status == "holds" and "no record mentions" not in check.detail
    assert noise_deviations(evidence) == before and drift_deviations(evidence) == []
    assert gain(evidence).status != "violated"


def test_a_gain_that_the_file_hides(tmp_path):
    """The law in the file is asked at the recorded states: no noise hides 5 % of a small law."""
    path = run(tmp_path / "run.h5", "protocol.control_gain=1.05", *HELD, paths=64)
    assert audit(path).check("gain").status != "violated"
    check = audit(hide(path, "control_gain")).check("gain")
    assert check.status == "violated" and check.value == pytest.approx(0.05, rel=1e-9)


@pytest.mark.parametrize("kind", [[], HELD, HEUN, SPLITTING])
def test_right_runs_hold_with_a_stated_power(tmp_path, kind):
    path = run(tmp_path / "run.h5", *WIDE, *kind)
    found = audit(path)
    for name, most in (("noise_temperature", 0.006), ("gain", 0.016)):
        check = found.check(name)
        assert check.status == "holds" and check.power is not None and check.power < most


def test_a_law_that_hardly_drives_says_so(tmp_path):
    """0.1 nats of production: with 1000 paths 5 % of the gain are 0.7 standard errors."""
    check = audit(run(tmp_path / "run.h5", *HELD, paths=1000)).check("gain")
    assert check.status == "holds" and check.power is not None and 0.2 < check.power < 0.5
    check = audit(run(tmp_path / "few.h5", *HELD, paths=40)).check("gain")
    assert check.status == "not-applicable" and "gain of 0 would not show" in check.detail


@pytest.mark.parametrize(
    "name",
    ["converters", "latency", "imperfections", "amplifier-pole", "resistance", "temperature",
     "chain-clocked", "langevin", "kalman", "splitting-float32"],
)  # fmt: skip
def test_right_runs_of_other_kinds(tmp_path, name):
    found = audit(run(tmp_path / "run.h5", *KINDS[name], "likelihood.test=0", paths=256))
    assert {found.check(n).status for n in BOTH} == {"holds"}
    assert found.check("filter").status == ("holds" if name == "kalman" else "not-applicable")
    several = name in ("chain-clocked", "langevin")
    assert found.check("noise_correlation").status == ("holds" if several else "not-applicable")


def test_reasons(tmp_path):
    """Few paths, an old file, and sources that are no linear system."""
    found = audit(run(tmp_path / "few.h5", *HELD, paths=20))
    assert all("20 paths" in found.check(n).detail for n in BOTH)
    (tmp_path / "old.h5").write_bytes(gzip.decompress((GOLDEN / "clocked-emf.h5.gz").read_bytes()))
    found = audit(tmp_path / "old.h5")
    assert all("recorded no residuals" in found.check(n).detail for n in BOTH)
    found = audit(run(tmp_path / "slew.h5", *HELD, "protocol.amplifier_slew=1 V/us", paths=40))
    assert all("slew" in found.check(n).detail for n in BOTH)
    for check in (found.check(n) for n in BOTH):
        assert check.status == "not-applicable" and check.power is None


def test_sums_of_another_run_are_refused(tmp_path):
    path = run(tmp_path / "run.h5", *HELD, paths=64)
    with h5py.File(unsealed(path), "r+") as file:
        data: Any = file["results/residual.sums"]
        data[:, 0] += 1.0
    with pytest.raises(InputError, match="changed after the run"):
        audit(path)


def test_a_score_with_noise_behind_a_converter_is_the_reason(tmp_path):
    """What it saw is kept; asked again it would say something else."""
    noisy = ["protocol.score_noise=0.1", "protocol.dac_bits=8"]
    check = gain(gather(run(tmp_path / "run.h5", *HELD, *noisy, paths=64)))
    assert check.status == "not-applicable" and "score has noise of its own" in check.detail


FAINT = ["protocol.score_noise=0.02"]


@pytest.mark.parametrize(
    "kind",
    [
        [],
        ["protocol.reading_noise=60 uV", "protocol.control_gain=0.9"],
        ["simulate.dtype=float32", "protocol.amplifier_gain=50"],
        ["protocol.latency=20 ns", "protocol.wiring=current"],
    ],
)
@pytest.mark.parametrize("factor", [1.0, 1.5])
def test_noise_of_the_score(tmp_path, kind, factor):
    """Half as large again as the file says is called, whatever stands behind it."""
    path = run(tmp_path / "run.h5", *HELD, *kind, f"protocol.score_noise={0.2 * factor}", paths=64)
    with h5py.File(unsealed(path), "r+") as file:
        place: Any = file["parameters/protocol"]
        place[...] = json.dumps(json.loads(place[()]) | {"score_noise": 0.2})
    check = gain(gather(path))
    if factor == 1.0:
        assert check.status in ("holds", "not-applicable"), check
        assert "noise 20% larger" in check.detail and "the score's own noise" in check.detail
    else:
        assert check.status == "violated" and "noise power of the score" in check.detail, check
        assert check.value is not None and abs(check.value + 1.0 - factor**2) < 0.5 * factor**2


def test_a_law_behind_noise(tmp_path, monkeypatch):
    """A gain of the controller that is in the recorded sources, too."""
    patch(monkeypatch, Controller, "act", strong_act)
    check = gain(gather(run(tmp_path / "run.h5", *WIDE, *HELD, *FAINT, paths=64)))
    assert check.status == "violated" and "on the declared law" in check.detail, check
