"""The table on a terminal and as JSON."""

from __future__ import annotations

import json
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.clock import Row
from thermohw.run.lanes import usable_cores

__all__ = ["HEAD", "lines", "write"]

_WORDS = {True: "met", False: "not met", None: ""}
_LIBRARIES = ("thermohw", "torch", "numpy", "scipy", "numba", "h5py", "torchsde", "diffrax", "jax",
              "jaxlib", "thermox", "sdeint", "randomgen")  # fmt: skip
HEAD = (f"{'figure':>9} {'range':>17}  {'asked':<8} {'':<8} {'unit':<5} "
        "workload / yardstick; seconds and rates")  # fmt: skip


def lines(rows: list[Row]) -> list[str]:
    """Two lines a row."""
    found = []
    for row in rows:
        span = f"{_short(row.low)}-{_short(row.high)}" if row.repeats > 1 else ""
        found.append(f"{_short(row.ratio):>9} {span:>17}  {row.asked:<8} {_WORDS[row.met]:<8} "
                     f"{row.unit:<5} {row.workload} / {row.against}")  # fmt: skip
        found.append(f"{'':>53}{row.detail}")
    return found


def write(path: Path, table: dict[str, list[Row]]) -> None:
    """Groups of rows, the machine and the versions."""
    groups = {name: [row._asdict() | {"met": row.met} for row in rows]
              for name, rows in table.items()}  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"machine": _machine(), "versions": _versions(), "groups": groups},
                               indent=1) + "\n")  # fmt: skip


def _short(number: float) -> str:
    return f"{number:.4g}" if abs(number) >= 100 else f"{number:.2f}"


def _machine() -> dict[str, Any]:
    name, information = platform.processor(), Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                name = line.split(":", 1)[1].strip()
                break
    return {"processor": name, "cores": usable_cores(), "system": platform.system(),
            "python": platform.python_version()}  # fmt: skip


def _versions() -> dict[str, str]:
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
