"""python -m benchmarks.dieharder [--seed N] [TEST]...: dieharder on our words, as a table.

The words go through a pipe into `dieharder -g 200`, in the two orders that runs use: neighbouring
paths of one tick ("paths"), and successive ticks of one path beside another ("ticks"). Every test
has a seed of its own, N (1000) plus its number. What it looks for is a p-value below 1e-6 or
beyond 1 - 1e-6 ("FAILED"); of a hundred right ones one is called WEAK (.005 at either end).

It takes a quarter of an hour and the program, and is no part of the test suite.
"""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Iterator

import numpy as np

from thermohw.noise import Stream, compiled
from thermohw.noise.philox import key_of

# Of Diehard, the NIST, Brown and Bauer; without those that dieharder itself calls bad or suspect
TESTS = [0, 1, 2, 3, 8, 10, 11, 12, 13, 15, 16, 17, 100, 101, 102, 204, 208, 209]
ORDERS = ("paths", "ticks")
PATHS, GROUPS = 256, 1024  # of a part


def stream(order: str, seed: int) -> Iterator[bytes]:
    """Words without end, little endian."""
    low, high = (np.uint32(word) for word in key_of(seed, Stream.TICKS))
    out = np.empty((GROUPS, 4, PATHS), np.uint32)
    for number in range(2**32):
        for group in range(GROUPS):
            compiled.single_words(
                np.uint32(group), np.uint32(0), number * PATHS, PATHS, low, high, out[group]
            )
        turned = (0, 2, 1) if order == "paths" else (2, 0, 1)
        yield out.transpose(turned).tobytes()


def run(test: int, order: str, seed: int) -> list[list[str]]:
    """Rows of dieharder's table: name, n-tuple, samples, p-values, p, verdict."""
    command = ["dieharder", "-g", "200", "-d", str(test), "-D", "test_name", "-D", "ntuple",
               "-D", "tsamples", "-D", "psamples", "-D", "pvalues", "-D", "assessment"]  # fmt: skip
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as battery:
        assert battery.stdin is not None
        assert battery.stdout is not None
        try:
            for part in stream(order, seed + test):
                battery.stdin.write(part)
                if battery.poll() is not None:
                    break
        except BrokenPipeError:  # it has what it needs
            pass
        try:
            battery.stdin.close()
        except BrokenPipeError:
            pass
        said = battery.stdout.read().decode()
    rows = [[cell.strip() for cell in line.split("|")] for line in said.splitlines()]
    return [row for row in rows if len(row) == 6]


def main() -> None:
    """Tests named on the command line by their number, or all; a row as soon as it is there."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--seed", type=int, default=1000)
    asked.add_argument("tests", type=int, nargs="*", default=TESTS)
    given = asked.parse_args()
    print("| order | test | n-tuple | words or games | p-values | p | dieharder says |")
    print("|---|---|---|---|---|---|---|")
    for order in ORDERS:
        for test in given.tests:
            for row in run(test, order, given.seed):
                print(f"| {order} | {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
