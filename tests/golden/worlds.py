"""Seeded outputs of every kind of run that is kept in memory, as numbers to compare with.

A net for rebuilding: whatever the rooms are called, these seeds give these numbers. Kept are the
first eight rows of every array of a record and the sum of all; tests/data/noise_2/worlds.npz holds
them as they were when noise became version 2. Stored runs have files of their own, `runs.py`.

    python tests/golden/worlds.py FILE.npz     writes them anew, for another noise
"""

from __future__ import annotations

import dataclasses
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

import thermohw as th

__all__ = ["WORLDS", "flat"]

ROWS = 8


def played(device: str = "rc1", *, dtype: str = "float32", **settings: Any) -> Any:
    """A score-driven run of a mixture on one node, or of a Gaussian on a board."""
    loaded = th.load_device(device)
    if device == "rc1":
        process: Any = th.OU(3.0)
        target = th.targets.gaussian_mixture([[-1.0], [1.0]], 0.4**0.5)
    else:
        process = th.relaxation(loaded, 3.0)
        target = th.targets.gaussian([0.5] + [0.0] * 7, [0.6] + [1.0] * 7)
    usual = {"wiring": "emf", "control": "clocked", "ticks": 48}
    protocol = th.Protocol(loaded, process, target.score(process), **{**usual, **settings})
    return th.simulate(protocol, paths=300, seed=7, dtype=dtype)


def continuous(stepper: str, wiring: str) -> Any:
    return played(control="continuous", stepper=stepper, wiring=wiring, dtype="float64")


def cell() -> Any:
    device = th.load_device("rlc1")
    process = th.langevin(device, 6.0)
    score = th.targets.gaussian([1.0], [0.5]).score(process)
    settings = {"wiring": "emf", "control": "clocked", "ticks": 48}
    return th.simulate(th.Protocol(device, process, score, **settings), paths=300, seed=7)


def cooled() -> Any:
    """C(t) doubled: work of a parameter."""
    program = th.Program({"n0.capacitance": [("0 us", "1 pF"), ("3 us", "2 pF")]})
    return th.drive(th.load_device("rc1"), program, paths=300, ticks=60, seed=7, frames=2)


INVERTER = """
format = "thermohw-device/1"
[[node]]
name = "a"
capacitance = "1 pF"
[[node]]
name = "s"
capacitance = "0.5 pF"
[[node]]
name = "o"
capacitance = "1 pF"
[[capacitor]]
name = "cf"
between = ["s", "o"]
capacitance = "4 pF"
[[resistor]]
name = "ra"
between = ["a", "gnd"]
resistance = "1 Mohm"
temperature = "600 K"
[[resistor]]
name = "rs"
between = ["s", "a"]
resistance = "1 Mohm"
temperature = "300 K"
[[resistor]]
name = "rf"
between = ["s", "o"]
resistance = "1 Mohm"
temperature = "300 K"
[[amplifier]]
name = "amp"
minus = "s"
output = "o"
gain = 1000
gbw = "1 MHz"
"""


def inverter() -> Any:
    """Two temperatures and an amplifier with one pole."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "inverter.toml"
        path.write_text(INVERTER)
        return th.evolve(th.load_device(str(path)), "20 us", paths=8, seed=7)


def solver(call: Callable[..., Any], *more: Any) -> Any:
    matrix = [[1.0, 0.3], [0.3, 0.8]]
    device = th.load_device("opamp-solver")
    return call(device, matrix, *more, duration="40 us", paths=4, seed=7, noise=True)


WORLDS: dict[str, Callable[[], Any]] = {
    "clocked emf": played,
    "clocked current": lambda: played(wiring="current"),
    "noisy, filtered": lambda: played(reading_noise="60 uV", filter="kalman"),
    "converters, late": lambda: played(adc_bits=6, dac_bits=6, latency="5 ns"),
    "euler": lambda: continuous("euler", "emf"),
    "heun": lambda: continuous("heun", "current"),
    "splitting": lambda: continuous("splitting", "emf"),
    "board": lambda: played("rc8-chain"),
    "cell": cell,
    "free run": lambda: th.free_run(
        th.load_device("rc8-chain"), duration="20 us", paths=200, seed=7, start="zero"
    ),
    "driven": cooled,
    "driven, quartic": lambda: th.drive(
        th.load_device("quartic-langevin"), duration="5 us", paths=100, ticks=50, seed=7
    ),
    "jumps": lambda: th.simulate_jumps(
        th.load_device("cmos-bit"), "1 us", paths=8, seed=7, samples=4
    ),
    "evolve": inverter,
    "solve": lambda: solver(th.solve, [1.0, -0.5]),
    "invert": lambda: solver(th.invert),
}


def flat(record: Any, place: str = "") -> Iterator[tuple[str, np.ndarray]]:
    """Numbers of a record by dotted name: the first rows of an array, and behind them its sum."""
    if isinstance(record, torch.Tensor):
        record = record.numpy()
    if isinstance(record, bool | str | bytes) or record is None:
        return
    if isinstance(record, int | float | np.number | np.ndarray):
        values = np.asarray(record)
        if values.dtype.kind in "fiub" and values.size:
            values = np.atleast_1d(values).astype(np.float64)
            rows = values[:ROWS].reshape(-1)[: 64 * ROWS]
            yield place, np.append(rows, values.sum())
        return
    if isinstance(record, Mapping):
        pairs: Any = record.items()
    elif dataclasses.is_dataclass(record) and place.count(".") <= 3:
        names = (f.name for f in dataclasses.fields(record) if not f.name.startswith("_"))
        pairs = ((name, getattr(record, name)) for name in names if name not in _CONTEXT)
    else:
        return
    for name, value in pairs:
        yield from flat(value, f"{place}.{name}" if place else str(name))


# What a run was given, not what it gave.
_CONTEXT = {
    "setting",
    "settings",
    "plan",
    "device",
    "program",
    "protocol",
    "datasheet",
    "path",
    "board",
}


def main(path: str) -> None:
    """Write all of them."""
    table = {
        f"{world}/{name}": values for world, make in WORLDS.items() for name, values in flat(make())
    }
    np.savez_compressed(path, **table)  # type: ignore[arg-type]
    print(f"{len(table)} arrays of {len(WORLDS)} worlds")


if __name__ == "__main__":
    main(sys.argv[1])
