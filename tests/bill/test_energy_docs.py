"""The script of docs/energy.md runs as printed, on runs of several kinds."""

from __future__ import annotations

import ast
import csv
import re
from pathlib import Path
from typing import Any

from thermohw.pipeline import load_spec, run_spec

PAGE = Path(__file__).parents[2] / "docs" / "energy.md"
NETWORK = ["score={kind='network', steps=20, seed=0}", "protocol.control=clocked",
           "protocol.stepper=auto", "protocol.ticks=32", "protocol.allow_ringing=true",
           "simulate.paths=128", "likelihood.test=0", "audit.twins=false"]  # fmt: skip


def test_a_budget_of_many_runs(tmp_path: Any, monkeypatch: Any) -> None:
    folder = tmp_path / "runs"
    folder.mkdir()
    for name, given in (("mixture_rc", NETWORK), ("trap_free", ["simulate.paths=64"]),
                        ("bit_jumps", ["simulate.paths=64"])):  # fmt: skip
        run_spec(load_spec(name, given), folder / f"{name}.h5", progress=False)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "svg")
    exec(code, {})
    rows = {row["run"]: row for row in csv.DictReader((tmp_path / "bill.csv").open())}
    assert set(rows) == {"mixture_rc", "trap_free", "bit_jumps"}
    assert all(float(row["heat.total.J"]) for row in rows.values())
    assert float(rows["mixture_rc"]["cost.score"]) > 0.0
    assert rows["trap_free"]["cost.adc"] == rows["trap_free"]["quality.w1"] == ""
    assert (tmp_path / "bill.svg").stat().st_size > 1000
    statements = [part for part in ast.parse(code).body if not isinstance(part, ast.Import)]
    assert len(statements) == 9
