"""Makes tests/data/golden_v1.h5, the file of format 1.0 that every later version must read.

Its numbers follow from formulas, never from a generator whose stream may change. Run once per
released format, `python tests/store/golden.py tests/data/golden_v1.h5`; a released golden file is
never made anew.
"""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import numpy as np

from thermohw.store import Channel, Layout, Result, RunWriter, state_bytes

LAYOUT = Layout(
    paths=10,
    steps=(0, 8, 16, 24, 32),
    times=(0.0, 1e-9, 2e-9, 4e-9, 8e-9),
    axes={"node": ("n0", "n1"), "bath": ("r0", "r1", "hot")},
    series=(
        Channel("voltage", "V", "node", "float32", "node voltages"),
        Channel("control", "A", dtype="float64"),
    ),
    ledger=(
        Channel("energy.change", "J"),
        Channel("heat", "J", "bath", description="into each bath"),
    ),
    results=(
        Result("model_time", (3,), dims=("model_time",)),
        Result("entropy_rate", (3, 3), "s-1", dims=("model_time", "bath"), attrs={"law": "second"}),
        Result("unknown", (), nan_ok=True),
        Result("clipped", (10,), "1", "int64", dims=("path",)),
    ),
    group=4,
    block=2,
    state_size=state_bytes({"x": np.zeros(4)}),
)
PARAMETERS = {
    "spec": 'format = "thermohw-run/1"\n[simulate]\npaths = 10 # zehn für alle\n',
    "datasheet": 'format = "thermohw-device/1"\n',
    "seed": 2**70,
    "weights": bytes(range(0, 256, 5)),
    "target": {"means": np.array([[-1.5], [1.5]]), "scale": 0.25, "exact": True, "n": -3},
}


def series(name: str) -> np.ndarray:
    """Exact values of a series, (time, path[, node])."""
    time, path, node = np.ogrid[:5, :10, :2]
    if name == "voltage":
        return ((time - 2) * 1e-6 + path * 2.0**-20 - node * 2.0**-30).astype(np.float32)
    return 1e-9 * (time + 10.0 * path)[:, :, 0]


def ledger(name: str) -> np.ndarray:
    """Exact values of a ledger channel, (path[, bath])."""
    path, bath = np.ogrid[:10, :3]
    return 4e-21 * (path - 3.0 * bath) if name == "heat" else 4e-21 * path[:, 0] ** 2


RESULTS = {
    "model_time": np.array([0.0, 0.5, 3.0]),
    "entropy_rate": np.arange(9.0).reshape(3, 3) / 7,
    "unknown": np.array(np.nan),
    "clipped": np.arange(10) % 3,
}


def make(path: str | Path) -> None:
    """Writes the golden run."""
    with RunWriter.create(path, LAYOUT, PARAMETERS, author="The thermohw authors") as run:
        for paths, frames in LAYOUT.all_units():
            for channel in LAYOUT.series:
                values = series(channel.name)[frames, paths]
                run.write_series(channel.name, frames, paths, values)
            for channel in LAYOUT.ledger:
                run.write_ledger(channel.name, paths, ledger(channel.name)[paths])
            run.commit({"x": np.arange(4.0) + run.committed})
        for name, values in RESULTS.items():
            run.write_result(name, values)
        run.finish()


if __name__ == "__main__":
    platform.platform = lambda *_, **__: "any"  # the file is about the format, not about a machine
    make(sys.argv[1])
