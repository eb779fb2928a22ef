"""bath_heat: every bath's heat has a second route, so no bath can hide behind the sum."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

import thermohw as th

TWO = """
format = "thermohw-device/1"
[[node]]
name = "a"
capacitance = "1 pF"
[[node]]
name = "b"
capacitance = "0.4 pF"
[[resistor]]
name = "cold"
between = ["a", "gnd"]
resistance = "1 Mohm"
temperature = "300 K"
source = true
[[resistor]]
name = "hot"
between = ["b", "gnd"]
resistance = "3 Mohm"
temperature = "450 K"
source = true
"""
VARIANTS = {
    "emf": {"wiring": "emf"},
    "current": {"wiring": "current"},
    "coarse": {"wiring": "emf", "dac_bits": 5, "latency": "400 ns"},
    "noisy": {"wiring": "current", "reading_noise": "20 uV"},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("balance")


def run_file(folder: Path, name: str, dtype: str) -> Path:
    """8192 samples of a correlated Gaussian on two unequal nodes at two temperatures."""
    path = folder / f"{name}-{dtype}.h5"
    if not path.exists():
        (folder / "two.toml").write_text(TWO)
        device = th.load_device(folder / "two.toml")
        process = th.relaxation(device, 3.0)
        score = th.targets.gaussian([0.5, -0.5], covariance=[[0.5, 0.2], [0.2, 0.4]]).score(process)
        protocol = th.Protocol(
            device, process, score, control="clocked", ticks=48, **VARIANTS[name]
        )
        th.simulate(protocol, paths=8192, dtype=dtype, store=path, every=0, test=0, progress=False)
    return path


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", VARIANTS)
def test_right_heats_hold(folder: Path, name: str, dtype: str) -> None:
    check = th.audit(run_file(folder, name, dtype)).check("bath_heat")
    assert check.status == "holds", check.detail
    assert check.stderr is not None and 0.0 < check.stderr < 0.05  # and the test has power


def tampered(path: Path, change: dict[str, object]) -> str:
    copy = path.with_name("tampered.h5")
    shutil.copyfile(path, copy)
    with h5py.File(copy, "r+") as file:
        for name, values in change.items():
            file[f"ledger/{name}"].write_direct(np.asarray(values))  # pyright: ignore[reportAttributeAccessIssue]
    return th.audit(copy).check("bath_heat").status


@pytest.mark.parametrize("name", ["emf", "current"])
def test_swapped_or_shifted_heats_are_violations(folder: Path, name: str) -> None:
    """Both keep the sum, so the first law does not notice."""
    path = run_file(folder, name, "float64")
    with h5py.File(path) as file:
        cold, hot = (np.array(file[f"ledger/heat.{bath}"]) for bath in ("cold", "hot"))
        kt = float(np.array(file["parameters/units/energy"]))
    assert tampered(path, {"heat.cold": hot, "heat.hot": cold}) == "violated"
    assert tampered(path, {"heat.cold": cold + 0.1 * kt, "heat.hot": hot - 0.1 * kt}) == "violated"


def test_continuous_control_has_no_conditional_mean(folder: Path) -> None:
    target = th.targets.gaussian(0.0, 0.7)
    score = target.score(th.OU(duration=2.0))
    protocol = th.Protocol(
        th.load_device("rc1"), score.process, score, wiring="emf", control="continuous", ticks=64
    )
    path = folder / "continuous.h5"
    th.simulate(protocol, paths=64, store=path, every=0, test=0, progress=False)
    check = th.audit(path).check("bath_heat")
    assert check.status == "not-applicable" and "continuously" in check.detail
