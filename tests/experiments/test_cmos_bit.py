"""cmos_bit: its own limits and closed forms, and a conclusion that notices what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from thermohw.circuit import stable_points
from thermohw.experiments.cmos_bit import STUDY, compute
from thermohw.experiments.cmos_bit.gaussian_limit import divided_passage
from thermohw.jumps import master_equation
from thermohw.study import Results, Tools
from thermohw.study.figures import study_style
from thermohw.study.sheet import Sheet


def row(**cell: Any) -> dict[str, Any]:
    return cell | compute.compute(cell, Tools(cell, 0, Path("nowhere")))


def test_whole_charges_are_the_circuit_itself() -> None:
    """m = 1 is the master equation: two solvers, two state spaces, the same mean time."""
    device = compute.bit(26.0, "0.04 fF")
    law = master_equation(device)
    start = np.rint(device.charges(stable_points(device)[-1].voltages / device.voltage_unit))
    reach = np.ceil(np.abs(start) + 8.0 * np.sqrt(np.diag(np.linalg.inv(device.hessian))))
    form = np.array([1.0, -1.0])
    task: dict[str, Any] = {"form": form, "level": 0.0, "start": start, "reach": reach}
    exact = law.passage_times({"a": 1.0, "b": -1.0})[law.index(start)]
    assert divided_passage(device, fineness=1, **task) == pytest.approx(exact, rel=1e-9)
    # Towards the Gaussian in steps of 1/m^2: from 2 to 4 four times what is left after it.
    two, four, eight = (divided_passage(device, fineness=m, **task) for m in (2, 4, 8))
    assert (two - four) / (four - eight) == pytest.approx(4.0, abs=0.4)


def test_conclusion() -> None:
    p = dict(STUDY.parameters) | {
        "biases": [20.0, 26.0, 32.0],
        "played": [20.0],
        "laws": [26.0],
        "drives": [1.0, 2.0],
        "capacitance": "0.04 fF",
        "paths": 128,
    }
    rows = [row(**cell) for cell in STUDY.work(p)]
    sheet = Sheet()
    with study_style():
        STUDY.conclude(p, Results(rows), sheet)
    assert sheet.holds and len(sheet.checks) == 7 and len(sheet.drawn) == 4
    exact = [r for r in rows if r["kind"] == "exact"]
    assert all(r["heat"] == pytest.approx(r["power"], rel=1e-9) for r in exact)
    for kind, key, factor in (("exact", "heat", 1.001), ("jumps", "time", 2.0)):
        broken = [dict(r) | ({key: factor * r[key]} if r["kind"] == kind else {}) for r in rows]
        sheet = Sheet()
        with study_style():
            STUDY.conclude(p, Results(broken), sheet)
        assert not sheet.holds
