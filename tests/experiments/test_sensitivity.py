"""The study of the published table: its rows, and the package against plain numpy."""

from __future__ import annotations

import numpy as np
import pytest

from thermohw.control import make_plan
from thermohw.experiments.sensitivity import STUDY
from thermohw.experiments.sensitivity.plain_numpy import simulate_row
from thermohw.experiments.sensitivity.published import ROWS, protocol
from thermohw.experiments.shared.problems import two_humps
from thermohw.study import run_study
from thermohw.tolerance import measure


def test_rows_say_what_they_change() -> None:
    assert len(ROWS) == 27 and len({row.name for row in ROWS}) == 27
    for row in ROWS:
        for wiring in ("emf", "current"):
            plan = make_plan(protocol(row, wiring))
            assert plan.schedule.duration == pytest.approx(5.0)
    adc = next(r for r in ROWS if r.name.startswith("ADC 3"))
    assert make_plan(protocol(adc, "emf")).adc.lsb == pytest.approx(1.0)  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["hold 0.2 tau", "latency 0.1 tau", "DAC 4 bit over +-40"])
def test_package_and_numpy_agree(name: str) -> None:
    row, paths = next(r for r in ROWS if r.name == name), 8000
    x, series, shunt = simulate_row(row, paths, np.random.default_rng(0))
    for wiring, other in (("emf", series), ("current", shunt)):
        work = measure(protocol(row, wiring), paths=paths, seed=1).paths[f"work.{wiring}"]
        error = ((work.var() + other.var()) / paths) ** 0.5
        assert abs(work.mean() - other.mean()) < 4.0 * error, wiring
    assert two_humps().dim == 1 and len(x) == paths


def test_a_few_rows_end_to_end(tmp_path) -> None:
    changes = {
        "rows": ["hold 0.05 tau", "latency 0.1 tau"],
        "paths": 20000,
        "repeats": 1,
        "numpy": False,
    }
    done = run_study("sensitivity", changes, out=tmp_path / "out", workers=1)
    checks = {c["name"]: c["status"] for c in done.sheet.checks}
    assert checks == {"the published table is reproduced": "holds"}
    assert STUDY.quick["rows"]
