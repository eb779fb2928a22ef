"""Runs that vary R or T instead of the clock hold every law, in the units that belong to them.

VP data of two Gaussians, 512 steps, 4096 paths. The second law counts heat per T(t); path ratios
(even and odd theorem) use the tick's own noise; calorimetric heat is booked apart.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from problems import rc1

from thermohw.audit import audit
from thermohw.control import Protocol
from thermohw.control.realisation import POWER_FACTOR
from thermohw.pipeline import simulate
from thermohw.process import OU, VP
from thermohw.target import gaussian_mixture
from thermohw.units import K_B

CASES = [
    ("resistance", "clocked", "current"),
    ("temperature", "continuous", "emf"),
    ("temperature", "clocked", "emf"),
    ("injected", "continuous", "current"),
    ("injected", "clocked", "emf"),
]


@pytest.mark.parametrize("realisation, control, wiring", CASES)
def test_every_law_holds(realisation: str, control: str, wiring: str, tmp_path: Path) -> None:
    target = gaussian_mixture(means=[[-1.0], [1.0]], stds=0.4**0.5, weights=[0.5, 0.5])
    score = target.score(VP(t_min=0.0))
    extra: dict[str, Any] = {}
    if realisation == "injected":
        extra = {"injected_bandwidth": "1 GHz", "injected_shape": "one-pole"}
    if control == "continuous" and wiring == "emf":
        extra["stepper"] = "euler"  # a Gaussian kernel: the theorems apply
    protocol = Protocol(rc1(), score.process, score, wiring=wiring, control=control, ticks=512,
                        grid="uniform", realisation=realisation, **extra)  # fmt: skip
    path = tmp_path / "run.h5"
    simulate(protocol, paths=4096, seed=2, store=path, dtype="float64", every=0, test=0,
             progress=False)  # fmt: skip
    found = audit(path)
    assert found.holds, [c for c in found.checks if c.status == "violated"]
    checks = {check.name: check for check in found.checks}
    for name in ("first_law", "sample_law", "protocol_limits"):
        assert checks[name].status == "holds", checks[name]
    law = checks["second_law"]
    assert law.status == "holds" or "exact readings carry infinite" in law.detail
    if realisation == "resistance":
        assert "protocol.noise_temperature" not in found.quantities
        return
    assert realisation in checks["protocol_limits"].detail
    assert "kT(t)" in found.quantities["entropy.medium"].note
    if realisation == "injected":
        _calorimetric(found.quantities, protocol)


def test_rounding_of_hot_ticks_is_no_violation(tmp_path: Path) -> None:
    """VP begins at 200 T_ref: a tick's works are of that size and cancel, while a path starts, ends
    and exchanges less. Float32 rounds them all the same.
    """
    target = gaussian_mixture(means=[[1.5], [-1.9], [0.9]], stds=0.6, weights=[0.2, 0.5, 0.3])
    score = target.score(VP(t_min=0.0))
    protocol = Protocol(rc1(), score.process, score, wiring="emf", control="continuous", ticks=300,
                        realisation="injected", injected_bandwidth="1 GHz")  # fmt: skip
    path = tmp_path / "run.h5"
    simulate(protocol, paths=2048, seed=2, store=path, every=0, test=0, twins=False,
             progress=False)  # fmt: skip
    check = audit(path).check("first_law")
    assert check.status == "holds", check.detail


def _calorimetric(quantities: Any, protocol: Protocol) -> None:
    """heat.calorimetric = heat.total + work.injected, the latter from S = 4 k (T - T_0) R."""
    total, extra, sum_of = (
        quantities[f"{name}.J"].value
        for name in ("heat.total", "work.injected", "heat.calorimetric")
    )
    assert sum_of == pytest.approx(total + extra, rel=1e-12)
    process, scale = protocol.process, protocol.device.scale
    # VP: beta from 0.1 to 20, the coldest moment is the bath's: mean of T/T_0 - 1 over the run
    excess = (0.5 * (0.1 + 20.0) / 0.1 - 1.0) * scale.temperature
    seconds = 0.5 * 0.1 * process.duration * scale.time
    variance = POWER_FACTOR["one-pole"] * 4.0 * K_B * excess * scale.resistance * 1e9
    power = variance / scale.resistance - K_B * excess / scale.time
    assert extra == pytest.approx(power * seconds, rel=1e-6)


@pytest.mark.parametrize(
    "settings, check, words",
    [
        ({"control": "continuous", "amplifier_pole": "2 MHz"}, "second_law", "is not booked"),
        ({"control": "continuous", "wiring": "current", "sense_offset": "20 uV"}, "second_law",
         "control that is not ideal"),
        ({"sense_gain": 2.0, "reading_noise": "60 uV"}, "information_identity", "a gain"),
        ({"amplifier_pole": "2 MHz", "reading_noise": "60 uV"}, "information_identity", "a memory"),
    ],
)  # fmt: skip
def test_accounts_that_imperfections_leave_without_a_verdict(
    settings: dict[str, Any], check: str, words: str, tmp_path: Path
) -> None:
    """Not applicable, with the reason that applies."""
    target = gaussian_mixture(means=[[-1.0], [1.0]], stds=0.4**0.5, weights=[0.5, 0.5])
    score = target.score(OU(duration=3.0))
    chosen = {"wiring": "emf", "control": "clocked", "ticks": 64} | settings
    path = tmp_path / "run.h5"
    simulate(Protocol(rc1(), score.process, score, **chosen), paths=256, seed=2, store=path,
             every=0, test=0, progress=False)  # fmt: skip
    found = {c.name: c for c in audit(path).checks}[check]
    assert found.status == "not-applicable" and words in found.detail, found
