"""python -m benchmarks [NAME]...: measure and print the table. Peers that are not installed are
left out and named.
"""

from __future__ import annotations

import sys

import torch

from benchmarks import engine, likelihood, storage, words

GROUPS = {
    "noise": engine.against_noise,
    "words": words.against_randomgen,
    "torchsde": engine.against_torchsde,
    "memory": engine.memory,
    "store": storage.overhead,
    "likelihood": likelihood.against_scipy,
}


def main() -> None:
    """Run the groups named on the command line, or all."""
    torch.set_num_threads(1)
    names = sys.argv[1:] or list(GROUPS)
    unknown = set(names) - set(GROUPS)
    if unknown:
        sys.exit(f"unknown benchmark {', '.join(unknown)}; choose from {', '.join(GROUPS)}")
    print(f"{'workload':<66}{'median':>8}{'range':>16}  target; figures")
    for name in names:
        rows = GROUPS[name]()
        if not rows:
            print(f"{name}: its peer is not installed, left out")
        for row in rows:
            span = f"{row.low:.2f}-{row.high:.2f}"
            print(f"{row.workload:<66}{row.ratio:>8.2f}{span:>16}  {row.target}; {row.detail}")


if __name__ == "__main__":
    main()
