"""Peak memory of whole runs, each in a process of its own: the resident set at its largest, all
imports included.
"""

from __future__ import annotations

import subprocess
import sys
from typing import NamedTuple

from benchmarks.clock import Row

__all__ = ["largest", "usual"]

_CODE = """
import resource, sys, tempfile
from benchmarks.jobs import play, single
run = None
with tempfile.TemporaryDirectory() as folder:
    if {paths}:
        run = play(single(ticks={ticks}), {paths}, workers={workers}, keep={keep!r}{stored})
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


class _Run(NamedTuple):
    paths: int = 2**20
    ticks: int = 100
    keep: str = "moments"
    stored: bool = False
    workers: int = 1

    @property
    def peak(self) -> float:
        """MB."""
        into = ", store=folder + '/run.h5', every=0, test=0" if self.stored else ""
        code = _CODE.format(paths=self.paths, ticks=self.ticks, keep=self.keep, stored=into,
                            workers=self.workers)  # fmt: skip
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr.strip().splitlines()[-1])
        return float(done.stdout)

    @property
    def told(self) -> str:
        """What is run."""
        place = "stored" if self.stored else "in memory"
        return f"{self.paths:.4g} paths x {self.ticks}, keep = {self.keep}, {place}"


def usual() -> list[Row]:
    """A million paths kept and in moments; growth with paths and with ticks, which is 1 where
    memory is flat."""
    imports = _Run(paths=0).peak
    rows = []
    for keep, stored in (("paths", False), ("paths", True), ("moments", False), ("moments", True)):
        run = _Run(keep=keep, stored=stored)
        peak = run.peak
        detail = f"imports {imports:.0f} MB; {(peak - imports) * 2**20 / run.paths:.0f} B a path"
        rows.append(_row(run.told, "MB, peak", peak, "<= 2000", detail))
    for stored in (False, True):
        small = _Run(stored=stored)
        for larger in (small._replace(paths=4 * small.paths), small._replace(ticks=800)):
            here, there = larger.peak, small.peak
            against = f"peak of {small.paths:.4g} x {small.ticks}"
            told = f"{here:.0f} against {there:.0f} MB"
            rows.append(_row(larger.told, against, here / there, "<= 1.1", told))
    return rows


def largest() -> list[Row]:
    """1e7 paths x 1000 ticks, about a minute each."""
    runs = [_Run(10**7, 1000, stored=stored, workers=2) for stored in (False, True)]
    return [_row(run.told, "MB, peak", run.peak, "<= 2000", "two workers") for run in runs]


def _row(workload: str, against: str, figure: float, asked: str, detail: str) -> Row:
    return Row(workload, against, figure, figure, figure, asked, "call", detail)
