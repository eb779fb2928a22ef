"""Storing: what writing every eighth step costs a run."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.clock import Row, alternate, rate
from thermohw.circuit import load_device
from thermohw.control import Protocol
from thermohw.pipeline import simulate
from thermohw.process import OU
from thermohw.target import gaussian_mixture

__all__ = ["overhead"]

PATHS, TICKS = 98304, 400


def overhead() -> list[Row]:
    """Rate of a stored run (every eighth step) over the same run unstored."""
    target = gaussian_mixture(means=[[-1.0], [1.0]], stds=0.4**0.5)
    device, score = load_device("rc1"), target.score(OU(duration=3.0))
    protocol = Protocol(device, score.process, score, wiring="emf", control="clocked", ticks=TICKS)
    work = float(PATHS * TICKS)

    def stored() -> None:
        with tempfile.TemporaryDirectory() as folder:
            simulate(
                protocol,
                paths=PATHS,
                store=Path(folder) / "run.h5",
                every=8,
                test=0,
                progress=False,
            )

    ratio, low, high, ours, theirs = alternate(
        lambda: rate(work, stored),
        lambda: rate(work, lambda: simulate(protocol, paths=PATHS, progress=False)),
        repeat=5,
    )
    detail = f"{ours / 1e6:.0f} against {theirs / 1e6:.0f} million path-ticks/s"
    return [Row("stored every 8th step / unstored", ratio, low, high, ">= 0.83", detail)]
