"""Distance and work of one ensemble, with per-path spreads."""

from __future__ import annotations

import numpy as np

from thermohw.experiments.sensitivity.plain_numpy import simulate_row
from thermohw.experiments.sensitivity.published import BY_NAME, ROWS, protocol
from thermohw.experiments.shared.problems import two_humps
from thermohw.study import Cell, Row, Tools
from thermohw.tolerance import measure
from thermohw.tolerance.measure import line_quality


def compute(cell: Cell, tools: Tools) -> Row:
    """Distance and work of one ensemble, with per-path spreads."""
    row, paths = BY_NAME[cell["row"]], cell["paths"]
    if cell["route"] == "numpy":
        rng = np.random.default_rng([cell["seed"], ROWS.index(row), 1])
        x, series, shunt = simulate_row(row, paths, rng)
        quality = line_quality(x, two_humps())
        return {
            "w1": quality.value, "w1_error": quality.stderr, "floor": quality.floor,
            "emf": series.mean(), "emf_spread": series.std(ddof=1),
            "current": shunt.mean(), "current_spread": shunt.std(ddof=1),
        }  # fmt: skip
    wiring = cell["route"]
    seed = 1000 * cell["seed"] + 100 * cell["repeat"] + ROWS.index(row)
    found = measure(protocol(row, wiring), paths=paths, seed=seed)
    work = found.paths[f"work.{wiring}"]
    quality = found.quality
    return {
        "w1": quality.value, "w1_error": quality.stderr, "floor": quality.floor,
        wiring: work.mean(), f"{wiring}_spread": work.std(ddof=1),
    }  # fmt: skip
