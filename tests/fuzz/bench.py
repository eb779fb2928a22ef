"""The valid inputs that are mutated: one of every kind of file, small enough to be played at once.

They are made once a session by thermohw itself.
"""

from __future__ import annotations

import contextlib
import copy
import shutil
from functools import cached_property
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from fuzz.court import ask
from fuzz.mutate import toml

from thermohw.pipeline import load_spec, run_spec
from thermohw.pipeline.build import build_setting
from thermohw.score.weights import save_score

__all__ = ["DIMS", "NETLIST", "SHEETS", "SPECS", "STUDY", "Bench", "spec"]

_BASE: dict[str, Any] = {
    "format": "thermohw-run/1",
    "device": {"name": "rc1"},
    "target": {
        "kind": "gaussian_mixture", "means": [[-1.0], [1.0]], "stds": 0.63, "weights": [0.5, 0.5]
    },
    "process": {"kind": "ou", "duration": 3.0, "t_min": 0.0},
    "score": {"kind": "exact"},
    "protocol": {"wiring": "emf", "control": "clocked", "ticks": 16},
    "simulate": {"paths": 32, "seed": 0, "start": "marginal", "dtype": "float64"},
    "likelihood": {"test": 0},
    "store": {"every": 4},
    "audit": {"twins": False},
}  # fmt: skip


def spec(**tables: dict[str, Any]) -> dict[str, Any]:
    """The smallest SPEC with other entries; a table with "kind" replaces, others are added."""
    made = copy.deepcopy(_BASE)
    for name, table in tables.items():
        made[name] = table if "kind" in table else made[name] | table
    return made


def program(**table: Any) -> dict[str, Any]:
    """The smallest SPEC of a circuit without a score."""
    shared = {name: copy.deepcopy(_BASE[name]) for name in ("format", "device", "store")}
    return shared | {"program": table, "simulate": {"paths": 32, "seed": 0}}


SPECS: dict[str, dict[str, Any]] = {
    "clocked": spec(),
    "continuous": spec(protocol={"control": "continuous", "stepper": "euler"}),
    "judged": spec(likelihood={"test": 8, "tolerance": 1e-4}, audit={"twins": True}),
    "converters": spec(
        protocol={
            "adc_bits": 6, "adc_range": ["-1 mV", "1 mV"], "dac_bits": 6, "latency": "5 ns",
            "reading_noise": "20 uV", "filter": "kalman", "sense_offset": "2 uV",
            "control_gain": 1.02, "node_temperature": 1.03, "amplifier_swing": "2 mV",
            "hold_droop": "1 kHz", "dac_inl": 0.1, "score_noise": 0.01,
        }
    ),
    "vp": spec(
        process={"kind": "vp", "beta_min": 0.1, "beta_max": 10.0, "t_min": 0.01},
        protocol={"grid": "log-snr", "ticks": 64},
        simulate={"start": "prior"},
    ),
    "ve": spec(process={"kind": "ve", "sigma": 5.0, "t_min": 0.001}, protocol={"grid": "log-snr"}),
    "langevin": spec(
        device={"name": "rlc1"},
        process={"kind": "langevin", "duration": 6.0},
        target={"kind": "gaussian", "mean": [1.0], "std": [0.5]},
        protocol={"ticks": 32},
    ),
    "pixels": spec(
        device={"name": "spu8"},
        target={"kind": "gaussian", "mean": [0.0] * 8, "std": [1.0] * 8},
        process={"kind": "relaxation", "duration": 3.0},
    ),
    "program": program(
        schedule={"n0.capacitance": [["0 s", "1 pF"], ["2 us", "400 fF"]],
                  "r0.temperature": [["0 s", "300 K"], ["1 us", "400 K"], ["1 us", "350 K"]]},
        ticks=24, start="equilibrium", path_ratio=True,
    ),
    "free": program(duration="1 us", ticks=16, start="steady", stepper="midpoint"),
    "jumps": {name: _BASE[name] for name in ("format", "store")} | {
        "device": {"name": "cmos-bit"}, "simulate": {"paths": 32, "seed": 0},
        "jumps": {"duration": "1 ns", "start": {"a": "20 mV", "b": "0 V"}, "samples": 3,
                  "stop": {"nodes": {"a": 1.0}, "level": "-50 mV"}, "most": 10000},
    },
    "evolve": {name: _BASE[name] for name in ("format", "store")} | {
        "device": {"name": "rlc1-cooled"}, "simulate": {"paths": 32, "seed": 0},
        "evolve": {"duration": "1 us", "step": "40 ns", "samples": 4, "start": "steady",
                   "sources": {"r0": "20 uV"}},
    },
    "solve": {name: _BASE[name] for name in ("format", "store")} | {
        "device": {"name": "opamp-solver"}, "simulate": {"paths": 32, "seed": 0},
        "evolve": {"duration": "2 us", "samples": 2, "solve": {
            "matrix": [[1.0, 0.3], [0.3, 0.8]], "rhs": [1.0, -0.5], "ideal": ["bandwidth"],
            "settling": "1 us", "every": "500 ns", "volts": "0.4 V", "mismatch": 1}},
    },
    "invert": {name: _BASE[name] for name in ("format", "store")} | {
        "device": {"name": "opamp-solver"}, "simulate": {"paths": 32, "seed": 0},
        "evolve": {"duration": "2 us", "samples": 2, "invert": {
            "matrix": [[1.0, 0.3], [0.3, 0.8]], "settling": "1 us", "ideal": ["bandwidth"],
            "noise": "20 mV"}},
    },
}  # fmt: skip

_SHEET: dict[str, Any] = {
    "format": "thermohw-device/1",
    "name": "board",
    "node": [{"name": "n0", "capacitance": {"value": "100 fF", "tolerance": "1 %",
                                            "source": "a sheet", "evidence": "measured"}}],
    "resistor": [{"name": "r0", "between": ["n0", "gnd"], "resistance": "10 kohm",
                  "temperature": "300 K", "source": True}],
    "limits": {"rail": "1.2 V", "slew": "100 V/us", "current": "1 mA", "dac_full_scale": "1 V"},
    "cost": {"adc": "1 pJ", "dac": "1 pJ", "mac": "100 fJ"},
}  # fmt: skip
SHEETS: dict[str, dict[str, Any]] = {
    "one": _SHEET,
    "two": _SHEET | {
        "node": [{"name": "n0", "capacitance": "100 fF"}, {"name": "n1", "capacitance": "80 fF"}],
        "resistor": [
            {"name": f"r{k}", "between": [f"n{k}", "gnd"], "resistance": "10 kohm",
             "temperature": "27 degC", "source": True} for k in (0, 1)
        ],
        "capacitor": [{"name": "c", "between": ["n0", "n1"], "capacitance": "5 fF"}],
    },
    "array": _SHEET | {
        "array": {"cell": ["n0"], "shape": [2],
                  "coupling": [{"name": "c", "between": ["n0", "n0"], "capacitance": "2 fF"}]},
    },
    "coil": _SHEET | {
        "inductor": [{"name": "l0", "between": ["n0", "gnd"], "inductance": "1 uH",
                      "series_resistance": "1 kohm", "temperature": "300 K", "source": True}],
    },
}  # fmt: skip
"""Boards."""
DIMS = {"one": 1, "two": 2, "array": 2, "coil": 1}
"""Coordinates of the data on each."""

NETLIST = """one node of a board
.param rv=10k cv=100f
.temp 27
C1 1 0 {cv} ic=1m      ; tolerance=0.01
R1 1 in {rv} temp=26.85
V1 in 0 PWL(0 0 1u 1m
+ 2u -1m)              $ its controlled source
Cb 1 gnd 2fF
.ic v(1)=0
.tran 1n 1u
.end
"""

STUDY = '''"""A study that costs nothing."""
from thermohw.study import Study

def cells(p):
    assert p["repeats"] < 100
    return [{"n": n, "repeat": r} for n in p["sizes"] for r in range(p["repeats"])]

def compute(cell, tools):
    return {"mean": 1.5 * cell["n"], "row": [1.0, 2.0 * cell["repeat"]], "name": f"n{cell['n']}"}

def conclude(p, results, sheet):
    mean = float(results.column("mean").mean())
    sheet.number("mean", mean, 0.1 * mean, unit="V", published=2.0)
    sheet.table("all", ["n", "mean"], [(n, (mean, 0.1)) for n in p["sizes"]], caption="All")
    sheet.check("small", "holds" if mean < p["most"] else "violated", f"mean {mean:.3g}")
    sheet.finding(f"It is {mean:.3g} ({p['label']}).")

STUDY = Study(
    title="Averages",
    question="How far do averages lie from zero?",
    parameters={"sizes": [4, 8], "repeats": 1, "most": 50.0, "seed": 0, "label": "toy"},
    quick={"repeats": 1},
    units={"mean": "V"},
    cells=cells,
    compute=compute,
    conclude=conclude,
)
'''


class Bench:
    """Valid files in one folder, made when first asked for.

    Args:
        folder: an empty one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows = np.random.default_rng(7).normal(0.5, 2.0, (40, 1))
        np.save(folder / "rows.npy", self.rows)

    @property
    def learned(self) -> dict[str, Any]:
        """A SPEC whose score is trained, in next to no time."""
        return spec(
            target={"kind": "array", "path": str(self.folder / "rows.npy")},
            process={"kind": "vp", "beta_min": 0.1, "beta_max": 10.0, "t_min": 0.01},
            score={"kind": "network", "steps": 4, "seed": 0,
                   "architecture": {"head": "plain", "width": 4, "depth": 1, "bumps": 4}},
            protocol={"grid": "log-snr", "ticks": 64},
            simulate={"start": "prior"},
        )  # fmt: skip

    @cached_property
    def weights(self) -> Path:
        """A score of the learned SPEC."""
        setting = build_setting(load_spec(self.write("learned.toml", self.learned)), progress=False)
        return save_score(setting.score, self.folder / "score.safetensors")

    @cached_property
    def checkpoint(self) -> Path:
        """What an interrupted training of the learned SPEC leaves."""
        path = self.folder / "kept.training"
        build_setting(
            load_spec(self.write("learned.toml", self.learned)), checkpoint=path, progress=False
        )
        return path

    @cached_property
    def runs(self) -> dict[str, Path]:
        """Run files: a whole one, one that was not finished, one of a learned score."""
        made = {}
        for name, tables in {
            "whole": SPECS["judged"],
            "continuous": SPECS["continuous"],
            "learned": self.learned | {"likelihood": {"test": 4}},
            "program": SPECS["program"],
            "jumps": SPECS["jumps"],
            "evolve": SPECS["evolve"],
            "invert": SPECS["invert"],
        }.items():
            made[name] = self.folder / f"{name}.h5"
            run_spec(load_spec(self.write(f"{name}.toml", tables)), made[name], progress=False)
        made["unfinished"] = self.folder / "unfinished.h5"
        with (
            mock.patch("thermohw.store.writer.RunWriter.finish", side_effect=_Stop),
            contextlib.suppress(_Stop),
        ):
            self.write("unfinished.toml", SPECS["clocked"])
            run_spec(load_spec(self.folder / "unfinished.toml"), made["unfinished"], progress=False)
        return made

    @cached_property
    def accounts(self) -> dict[str, str]:
        """What the audit says of the finished runs."""
        return {name: ask("audit", path, "--json").out for name, path in self.runs.items()}

    @cached_property
    def study(self) -> Path:
        """The folder of a finished study."""
        source = self.folder / "averages.py"
        source.write_text(STUDY)
        assert ask("experiment", "run", source, "--out", self.folder / "study", "--workers", 1)
        return self.folder / "study"

    def write(self, name: str, tables: dict[str, Any]) -> Path:
        """A SPEC as a file."""
        path = self.folder / name
        path.write_text(toml(tables))
        return path

    def copy(self, path: Path, folder: Path) -> Path:
        """A file or a folder of the bench, to be spoiled."""
        copy_ = shutil.copytree if path.is_dir() else shutil.copy
        return Path(copy_(path, folder / path.name))


class _Stop(Exception):
    """Instead of a kill."""
