"""What no feature may break: the rate of `simulate()` per path, node and tick over the normal rate,
for every kind of exact score, wiring, converters, latency and reading noise, on 1 and 64 nodes.

Continuous control plays by another stepper and is shown beside; nothing is asked of it. Where
compiled ticks do not play, the row says why.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import thermohw as th
from benchmarks.clock import Row, alternate, row
from benchmarks.jobs import MILLION, normals, play, single
from thermohw.integrate.fused.choice import not_compiled
from thermohw.run.setting import Setting
from thermohw.worlds.played import build_engine

__all__ = ["every_feature"]

SIZES = {1: (65536, 100), 64: (4096, 50)}
SCORES = {1: "Gaussian", 2: "2 modes", 8: "8 modes"}
FEATURES: dict[str, dict[str, Any]] = {
    "8 bits": {"adc_bits": 8, "dac_bits": 8},
    "latency": {"latency": "5 ns"},
    "reading noise": {"reading_noise": "10 uV"},
}


def every_feature() -> list[Row]:
    """One row for each combination."""
    rows = []
    for dim, modes, wiring in product(SIZES, SCORES, ("emf", "current")):
        for flags in product((False, True), repeat=len(FEATURES)):
            chosen = [name for name, on in zip(FEATURES, flags, strict=True) if on]
            keys = {key: value for name in chosen for key, value in FEATURES[name].items()}
            rows.append(_cell(dim, modes, wiring, chosen or ["ideal"], keys, ">= 0.3"))
        rows.append(_cell(dim, modes, wiring, ["continuous"], {"control": "continuous"}, ""))
    return rows


def _cell(
    dim: int, modes: int, wiring: str, chosen: list[str], keys: dict[str, Any], asked: str
) -> Row:
    paths, ticks = SIZES[dim]
    keys = keys | {"wiring": wiring, "ticks": ticks, "dim": dim}

    def protocol() -> th.Protocol:
        return single(modes, device=th.load_device("rc1" if dim == 1 else "rc64"), **keys)

    count = paths * ticks * dim
    pairs = alternate(lambda made: play(made, paths), lambda: normals(count),
                      prepare=protocol, repeat=2, work=(float(count), float(count)))  # fmt: skip
    engine = build_engine(Setting(protocol(), None), seed=0, start="marginal", prior="schedule",
                          dtype="float32", every=0)  # fmt: skip
    why = not_compiled(engine)
    detail = pairs.told("million path-node-ticks", MILLION) + (
        f"; not compiled: {why}" if why else ""
    )
    name = f"{dim} node{'s' if dim > 1 else ''}, {SCORES[modes]}, {wiring}, {', '.join(chosen)}"
    return row(f"simulate(): {name}, {paths} x {ticks}", "normal rate per path-node-tick",
               pairs.ratios(), asked, detail)  # fmt: skip
