"""rc_vs_rlc: arrays over one range of snr, closed forms of work, what a state is read as."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch

from thermohw import Protocol, targets
from thermohw.experiments.rc_vs_rlc import compute
from thermohw.experiments.rc_vs_rlc.compute import closed_work
from thermohw.process import Langevin, Observed
from thermohw.score import ExactScore


@pytest.mark.parametrize("quality", [0.5, 5.0])
def test_arrays_share_the_range_of_snr(quality: float) -> None:
    """Both ends to round-off; the cell has the quality asked for."""
    device, process = compute.circuit(quality)
    assert isinstance(process, Langevin)
    seen = Observed(process)
    for t, other in ((process.t_min, compute.RC.t_min), (process.duration, 1.0)):
        assert abs(seen.log_snr(t) - compute.RC.log_snr(other)) < 1e-9
    cell = process.cells[0][0]
    assert len(device.nodes) == 64 and abs(abs(cell.A[0, 1]) - quality) < 1e-9


def test_both_arrays_have_one_closed_form() -> None:
    """dE and dS differ only by what is left of the data at T, e^-10, and of noise at t_min."""
    found = []
    for quality in (0.0, 5.0):
        _, process = compute.circuit(quality)
        score = compute.make_target("gaussian").score(process)
        assert isinstance(score, ExactScore)
        found.append(compute.closed_form(score, process))
    for name, value in found[0].items():
        assert abs(found[1][name] - value) < 0.05
    row = found[0] | {"wiring": "emf", "control": "clocked"}
    free = 2.0 * (row["closed.energy"] - row["closed.entropy"])
    assert closed_work(cast(Any, row)) == pytest.approx(free - 2.0 * row["closed.entropy"])
    assert closed_work(cast(Any, row | {"control": "continuous"})) == pytest.approx(free)


def test_samples_are_read_from_voltage_and_current() -> None:
    """States laid out for known data come back as these data, through SI units."""
    device, process = compute.circuit(5.0)
    assert isinstance(process, Langevin)
    score = targets.gaussian(np.zeros(64), covariance=np.eye(64)).score(process)
    protocol = Protocol(device, process, score, wiring="emf", control="clocked", ticks=4000)
    y = torch.linspace(-1.0, 1.0, 128, dtype=torch.float64).reshape(2, 64)
    w = process.lay(y, process.t_min, torch.Generator().manual_seed(0))
    thermal = protocol.to_thermal(w).numpy()
    volts, amperes = thermal[:, :64] * device.scale.voltage, thermal[:, 64:] * device.scale.current
    run = SimpleNamespace(channels={"voltage.end": volts, "inductor_current.end": amperes})
    assert np.abs(compute.samples(run, protocol) - y.numpy()).max() < 1e-9
