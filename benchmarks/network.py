"""A run driven by a network against the bare forward passes that it asks for.

Handwritten digits on 64 nodes, the default network; what its weights are does not matter, so it is
hardly trained. The yardstick evaluates the same score at the same times on one batch of the same
size, states in single precision, and throws the values away.
"""

from __future__ import annotations

import torch

import thermohw as th
from benchmarks.clock import Row, alternate, row
from benchmarks.jobs import play
from thermohw.control import make_plan

__all__ = ["against_forward_passes"]

PATHS, TICKS = 4096, 32


def against_forward_passes() -> list[Row]:
    """One row."""
    target, process = th.targets.digits(), th.VP(beta_min=0.1, beta_max=20.0, t_min=4e-4)
    score = th.fit_score(target, process, seed=0, steps=20, progress=False)

    def protocol() -> th.Protocol:
        return th.Protocol(
            th.load_device("rc64"), process, score, wiring="emf", control="clocked", ticks=TICKS
        )

    times = make_plan(protocol()).schedule.model_time[:TICKS]
    states = torch.randn(PATHS, 64)

    @torch.no_grad()
    def bare() -> None:
        for time in times:
            score.at(float(time))(states)

    pairs = alternate(lambda made: play(made, PATHS), bare, prepare=protocol, repeat=5)
    slower = [1.0 / ratio for ratio in pairs.ratios()]
    return [
        row(
            f"simulate(): rc64, digits, default network, {PATHS} x {TICKS}; time",
            f"{TICKS} bare forward passes of {PATHS} states",
            slower,
            "<= 1.10",
            pairs.told(),
        )  # fmt: skip
    ]
