"""The two circuits of clock_speed at one lambda: moments in time, books of the program."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from thermohw.circuit import build_device, load_device
from thermohw.datasheet import read_datasheet
from thermohw.program import Program, drive, jarzynski
from thermohw.program.clock import clocked, clocked_program
from thermohw.study import Cell, Row, Tools

MATRIX = np.array(
    [[4.0, 1.0, 0.5, 0.0], [1.0, 3.0, -1.0, 0.5], [0.5, -1.0, 2.5, 0.8], [0.0, 0.5, 0.8, 2.0]]
)
"""What the four units invert; eigenvalues 1.0 to 4.7."""
KT = 4.141947e-21  # k T at 300 K: the unit of the inverter's couplings, joule
_UNIT = 4.141947e-20  # 10 k T: the unit of quartic-langevin's energy, joule


def inverter() -> Any:
    """Four units with H = k T x.A x / 2, 1 Mohm and 1 pF each: mobility 1 per k T and 1 us."""
    text = ['format = "thermohw-device/1"', 'name = "inverter4"']
    for i in range(4):
        text += [
            f'[[node]]\nname = "n{i}"\ncapacitance = "1 pF"',
            f'[[resistor]]\nname = "r{i}"\nbetween = ["n{i}", "gnd"]',
            'resistance = "1 Mohm"\ntemperature = "300 K"',
            f'[[quartic]]\nname = "u{i}"\nnode = "n{i}"\nvolts_per_unit = "64.3579597 uV"',
            f'j2 = "{0.5 * KT * MATRIX[i, i]!r} J"',
        ]
        for j in range(i):
            if MATRIX[i, j]:
                strength = float(KT * MATRIX[i, j])
                text.append(
                    f'[[bilinear]]\nname = "j{j}{i}"\nbetween = ["n{j}", "n{i}"]\n'
                    f'strength = "{strength!r} J"'
                )
    lines = "\n".join(text).replace("np.float64(", "").replace(")", "")
    return build_device(read_datasheet(lines, "inverter4"))


def tipping(duration: str) -> Program:
    """One well becomes two, tipped to the left, while the run lasts."""
    return Program.ramp(
        duration, u0__j2=(f"{_UNIT!r} J", f"{-_UNIT!r} J"), u0__bias=("0 J", f"{0.4 * _UNIT!r} J")
    )


def compute(cell: Cell, tools: Tools) -> Row:
    """One run: moments in time, books of the program."""
    factor, paths = float(cell["factor"]), cell["paths"]
    seed = int(torch.randint(2**62, (1,), generator=tools.generator()))
    base = inverter() if cell["kind"] == "inversion" else load_device("quartic-langevin")
    device = clocked(base, factor)
    if cell["kind"] == "program":
        program = clocked_program(tipping("2 us"), factor)
        return _program(drive(device, program, paths=paths, ticks=250, seed=seed))
    length = {"relaxation": 1.5e-6, "inversion": 5e-6}[cell["kind"]] / factor
    ticks = {"relaxation": 8, "inversion": 10}[cell["kind"]] * cell["frames"]
    run = drive(
        device, duration=f"{length!r} s", paths=paths, seed=seed, start="zero",
        frames=cell["frames"], ticks=ticks,
    )  # fmt: skip
    assert run.series is not None and run.times is not None
    heat = run.kt(run.heat.sum(1)) * run.energy_unit
    shared = {"time": run.times, "heat": heat.mean(), "heat.stderr": _error(heat)}
    if cell["kind"] == "relaxation":
        x = run.series[:, :, 0]
        law = device.equilibrium()
        exact = {"rest.x2": float(law.covariance[0, 0]), "rest.x4": float(law.fourth[0])}
        return shared | exact | {
            "x2": (x**2).mean(0), "x2.stderr": _error(x**2),
            "x4": (x**4).mean(0), "x4.stderr": _error(x**4),
        }  # fmt: skip
    inverse = np.linalg.inv(MATRIX)
    found = np.einsum("pti,ptj->tij", run.series, run.series) / paths
    error = np.linalg.norm(found - inverse, axis=(1, 2)) / np.linalg.norm(inverse)
    last = np.einsum("pi,pj->pij", run.end, run.end).reshape(paths, -1)
    return shared | {
        "error": error,
        "covariance": last.mean(0),
        "covariance.stderr": _error(last),
        # of a Gaussian sample: E|S - P|^2 = (tr(P)^2 + tr(P^2)) / paths
        "floor": np.sqrt((np.trace(inverse) ** 2 + np.trace(inverse @ inverse)) / paths)
        / np.linalg.norm(inverse),
    }


def _program(run: Any) -> Row:
    theorem = jarzynski(run)
    x, heat, work = run.end[:, 0], run.heat[:, 0], run.work.sum(1)
    return {
        "duration": run.duration,
        "heat": heat.mean(), "heat.stderr": _error(heat),
        "work": work.mean(), "work.stderr": _error(work),
        "entropy": run.medium_entropy.mean(), "entropy.stderr": _error(run.medium_entropy),
        "left": (x < 0.0).mean(), "left.stderr": _error((x < 0.0).astype(float)),
        "end.x2": (x**2).mean(), "end.x2.stderr": _error(x**2),
        "dissipated": theorem.dissipated.value, "dissipated.stderr": theorem.dissipated.stderr,
        "jarzynski": theorem.mean.average.value,
        "jarzynski.stderr": theorem.mean.average.stderr,
        "ratio": theorem.expected, "effective": theorem.mean.effective,
        "trusted": float(theorem.mean.trusted),
    }  # fmt: skip


def _error(values: np.ndarray) -> Any:
    return values.std(0, ddof=1) / np.sqrt(len(values))
