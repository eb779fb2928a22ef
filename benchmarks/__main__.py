"""python -m benchmarks [GROUP]... [--json FILE]: measure and print the table.

Each group runs in a process of its own, on one thread. Rows are calls that a user makes, set
against a yardstick in turn; those marked "part" time a part of one. Groups whose peer is not
installed are left out and named. The table also goes to FILE, out/bench.json unless said, with the
machine and the versions.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from benchmarks.clock import Row
from benchmarks.groups import GROUPS, measure
from benchmarks.table import HEAD, lines, write

LATER = {"a sweep of 64 points on 2 workers": "comes with sweeps"}


def main() -> None:
    """Run the groups named on the command line, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("groups", nargs="*", help=f"any of {', '.join(GROUPS)}; default all")
    parser.add_argument("--json", type=Path, default=Path("out/bench.json"), metavar="FILE")
    given = parser.parse_args()
    names = given.groups or list(GROUPS)
    if unknown := set(names) - set(GROUPS):
        parser.error(f"unknown group {', '.join(sorted(unknown))}; choose from {', '.join(GROUPS)}")
    table: dict[str, list[Row]] = {}
    failed: list[str] = []
    print(HEAD, flush=True)
    for name in names:
        begun = time.perf_counter()
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as alone:
            try:
                table[name] = alone.submit(measure, name).result()
            except Exception as error:  # the other groups are measured all the same
                failed.append(name)
                print(f"-- {name} failed: {type(error).__name__}: {error}", flush=True)
                continue
        print(f"-- {name}, {time.perf_counter() - begun:.0f} s")
        if not table[name]:
            print("   left out: its peer is not installed, or there is one core only")
        for line in lines(table[name]):
            print(line, flush=True)
        write(given.json, table)
    if not given.groups:
        for workload, why in LATER.items():
            print(f"-- {workload}: {why}")
    print(f"-- {given.json}")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
