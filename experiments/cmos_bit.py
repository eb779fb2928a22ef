r"""How long does a CMOS bit remember, what does it burn meanwhile, and may its noise be Gaussian?

Two cross-coupled inverters below threshold, biased by +-V: four transistors that pass electrons one
at a time, each event with its exact heat (Freitas, Delvenne and Esposito, arXiv:2008.10578; with
Proesmans, arXiv:2103.01184). Above V = ln 2 kT/q there are two states; the error time is the mean
time from one of them until the bit has gone half way into the other.

    exact      the master equation: error time by elimination without subtractions, heat per second
    jumps      Gillespie paths of the same circuit
    gaussian   the chemical Langevin equation of the same rates, as a limit of smaller charges
    langevin   its paths, Euler's method
    theorem    one junction held at x kT/q: <exp(-Sigma)> of jumps is 1; of a Gaussian with the
               same mean and variance it is exp((I+ + I-)(t/q)[x^2/2 - x tanh(x/2)])

The last line is why Gaussian noise on a nonlinear conductor is refused unless marked approximate:
shot noise is (x/2) coth(x/2) times larger than a Gaussian that obeys the fluctuation theorem may be
(Wyatt and Coram 1999; Delvenne and Van Brandt, arXiv:2404.00422).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.circuit import JumpDevice, build_device, load_device, stable_points
from thermohw.circuit.jump import ELEMENTARY_CHARGE
from thermohw.datasheet import read_datasheet
from thermohw.estimate import Estimate
from thermohw.experiments._cmos_figures import conclude
from thermohw.experiments._cmos_gaussian import gaussian_passage
from thermohw.jumps import master_equation, simulate_jumps
from thermohw.study import Cell, Study
from thermohw.units import K_B

if TYPE_CHECKING:
    from thermohw.study import Tools

__all__ = ["STUDY"]

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


def cells(p: Mapping[str, Any]) -> list[Cell]:
    """Every bias exactly; low ones, where errors are frequent, by paths too; every x."""
    size, seed = {"capacitance": p["capacitance"]}, {"seed": p["seed"], "paths": p["paths"]}
    return [
        *({"kind": "exact", "bias": bias, **size} for bias in p["biases"]),
        *({"kind": "gaussian", "bias": bias, **size} for bias in p["biases"]),
        *({"kind": "jumps", "bias": bias, **size, **seed} for bias in p["played"]),
        *({"kind": "langevin", "bias": bias, **size, **seed} for bias in p["played"][:2]),
        *({"kind": "law", "bias": bias, **size} for bias in p["laws"]),
        *({"kind": "theorem", "x": x, **seed} for x in p["drives"]),
    ]


def bit(bias: float, capacitance: str) -> JumpDevice:
    """The shipped bit at +-bias (millivolt)."""
    changes = {"vdd.voltage": f"{bias} mV", "vss.voltage": f"-{bias} mV"}
    changes |= {f"{name}.capacitance": capacitance for name in ("a", "b")}
    device: Any = load_device("cmos-bit", changes)
    return device


def compute(cell: Cell, tools: Tools) -> dict[str, Any]:
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
        still = (rest.current * _across(device, rest.voltages)).sum()
        return {
            "time": times[law.index(start)],
            "heat": law.heat_rates.sum(),
            "power": law.power.sum(),
            "still": still,
            "relaxation": rest.time_constants.max(),
            "electrons": start[0],
        }
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


def _across(device: JumpDevice, voltages: np.ndarray) -> np.ndarray:
    fixed = device.drawn @ device.supply_voltages * device.voltage_unit
    return fixed - device.jumps @ voltages


def _theorem(cell: Cell) -> dict[str, Any]:
    """<exp(-Sigma)> of a junction held at x kT/q, by jumps and by a Gaussian."""
    x = float(cell["x"])
    volts = x * K_B * 300.0 / ELEMENTARY_CHARGE
    found: dict[str, Any] = {}
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


STUDY = Study(
    title="A bit of four transistors, electron by electron",
    question="How does the error time of a CMOS bit grow with its bias, at what heat, and what "
    "does Gaussian noise get wrong?",
    parameters={
        "biases": [22.0, 26.0, 30.0, 34.0, 38.0, 42.0, 46.0, 50.0, 54.0, 58.0, 62.0],
        "played": [22.0, 26.0, 30.0],
        "laws": [14.0, 30.0, 54.0],
        "drives": [0.5, 1.0, 1.5, 2.0, 2.5, 3.0],
        "capacitance": "0.05 fF",
        "paths": 1024,
        "seed": 0,
    },
    quick={
        "biases": [22.0, 30.0, 38.0, 46.0, 54.0],
        "played": [22.0],
        "drives": [1.0, 2.0],
        "paths": 256,
    },
    cells=cells,
    compute=compute,
    conclude=conclude,
)
