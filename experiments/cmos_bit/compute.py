"""One bias of the bit, exactly or by paths; or one junction held at x kT/q."""

from __future__ import annotations

from typing import Any

import numpy as np

from thermohw.circuit import JumpDevice, build_device, load_device, stable_points
from thermohw.circuit.jump import ELEMENTARY_CHARGE
from thermohw.datasheet import read_datasheet
from thermohw.estimate import Estimate
from thermohw.experiments.cmos_bit.gaussian_limit import gaussian_passage
from thermohw.jumps import master_equation, simulate_jumps
from thermohw.study import Cell, Row, Tools
from thermohw.units import K_B

_JUNCTION = """
format = "thermohw-device/1"
[[node]]
name = "idle"
capacitance = "1 aF"
[[supply]]
name = "v"
voltage = "{volts} V"
[[junction]]
name = "wire"
between = ["v", "gnd"]
resistance = "1 Gohm"
temperature = "300 K"
{noise}
[[junction]]
name = "hold"
between = ["idle", "gnd"]
resistance = "1000 Gohm"
temperature = "300 K"
{noise}
"""


def bit(bias: float, capacitance: str) -> JumpDevice:
    """The shipped bit at +-bias (millivolt)."""
    changes = {"vdd.voltage": f"{bias} mV", "vss.voltage": f"-{bias} mV"}
    changes |= {f"{name}.capacitance": capacitance for name in ("a", "b")}
    device: Any = load_device("cmos-bit", changes)
    return device


def compute(cell: Cell, tools: Tools) -> Row:
    """One bias, or one junction."""
    if cell["kind"] == "theorem":
        return _theorem(cell)
    device = bit(cell["bias"], cell["capacitance"])
    if cell["kind"] == "law":
        law = master_equation(device)
        chart = np.log(np.maximum(law.stationary, 1e-300)).reshape(law.shape)
        return {"low": law.low * _volts_per_charge(device), "chart": chart}
    rest = stable_points(device)[-1]
    start = np.rint(device.charges(rest.voltages / device.voltage_unit))
    # A whole number of charges, so that jumps of every size meet the level itself.
    level = -float(np.rint(0.5 * (start[0] - start[1])) * _volts_per_charge(device))
    weights = {"a": 1.0, "b": -1.0}
    if cell["kind"] == "exact":
        law = master_equation(device)
        times = law.passage_times(weights, level)
        fixed = device.drawn @ device.supply_voltages * device.voltage_unit
        still = (rest.current * (fixed - device.jumps @ rest.voltages)).sum()
        return {
            "time": times[law.index(start)], "heat": law.heat_rates.sum(), "power": law.power.sum(),
            "still": still, "relaxation": rest.time_constants.max(), "electrons": start[0],
        }  # fmt: skip
    if cell["kind"] == "gaussian":
        spread = np.sqrt(np.diag(np.linalg.inv(device.hessian)))
        time = gaussian_passage(
            device, (2, 4), form=np.array([1.0, -1.0]), level=level / device.voltage_unit,
            start=start, reach=np.ceil(np.abs(start) + 7.0 * spread),
        )  # fmt: skip
        return {"time": time}
    limits: dict[str, Any] = {"start": start, "stop": (weights, level), "most": 20_000_000}
    if cell["kind"] == "langevin":
        limits |= {"method": "langevin", "approximate": True}
        limits["step"] = float(rest.time_constants.min() / 60.0)
    run = simulate_jumps(device, 1.0, paths=cell["paths"], seed=cell["seed"], **limits)
    assert run.stopped.all()
    time, time_error = Estimate.from_paths(run.times)
    found = {
        "time": time,
        "time_error": time_error,
        "residual": (np.abs(run.residual) / run.exchanged).max(),
    }
    if cell["kind"] == "langevin":
        return found
    law, span = master_equation(device), 20.0 * float(rest.time_constants.max())
    steady = simulate_jumps(device, span, paths=cell["paths"], seed=cell["seed"], start=law)
    heat, heat_error = Estimate.from_paths(steady.heat.sum(1) / span)
    return found | {"heat": heat, "heat_error": heat_error}


def _volts_per_charge(device: JumpDevice) -> float:
    return float(device.hessian[0, 0] * device.voltage_unit)


def _theorem(cell: Cell) -> Row:
    """<exp(-Sigma)> of a junction held at x kT/q, by jumps and by a Gaussian."""
    x = float(cell["x"])
    volts = x * K_B * 300.0 / ELEMENTARY_CHARGE
    found: Row = {}
    for name, noise in (("jumps", ""), ("gaussian", 'noise = "gaussian"\napproximate = true')):
        sheet = read_datasheet(_JUNCTION.format(volts=volts, noise=noise), name)
        device: Any = build_device(sheet)
        forward, backward = device.event_rates(np.zeros(1))[[0, 2]]
        # Few enough events that exp(-Sigma) has a variance that paths can average.
        events = 4.0 / (4.0 + x**2)
        span = float(events / (forward + backward))
        step: dict[str, Any] = {} if name == "jumps" else {"step": span}
        run = simulate_jumps(device, span, paths=40 * cell["paths"], seed=cell["seed"], **step)
        weight, error = Estimate.from_paths(np.exp(-x * run.transferred[:, 0]))
        found |= {name: weight, f"{name}_error": error, "events": events}
    return found
