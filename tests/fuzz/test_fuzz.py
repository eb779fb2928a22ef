"""Mutated inputs of nine kinds: none ends in a traceback, hangs, leaves half a file or nonsense.

Each input is a valid one with one or two mutations; a third goes on into the work and is audited.
A fixed tenth runs always, all of them with --long. Where one fails, hypothesis shrinks it to the
smallest such input and prints the bytes that make it; `hunt.py` looks with other seeds.
"""

from __future__ import annotations

import pytest
import torch
from fuzz.bench import Bench
from fuzz.court import SECONDS, Court
from fuzz.hunt import CHECKS, DRAWS, play
from fuzz.kinds import KINDS
from hypothesis import Phase, given, settings

from thermohw.audit import audit
from thermohw.pipeline import load_spec, run_spec

EACH, LONG = 23, 230
HANG = 60.0
"""Seconds of processor time that nothing takes on any machine; five are asked of a quiet one."""

LEAST = 0.2
"""Of the inputs, how many must be accepted and judged."""


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    words = {"score": "{kind='network', steps=2}", "simulate.paths": "32", "protocol.ticks": "64"}
    words |= {"likelihood.test": "8"}
    spec = load_spec("mixture_rc", [f"{key}={value}" for key, value in words.items()])
    run_spec(
        spec, folder / "warm.h5", progress=False
    )  # libraries are loaded once, before the clock
    audit(folder / "warm.h5")
    return Bench(folder)


def look(kind: str, count: int, bench: Bench, court: Court) -> None:
    """So many inputs of a kind, the same every time."""

    @settings(max_examples=count, derandomize=True, database=None, deadline=None,
              suppress_health_check=CHECKS, phases=[Phase.generate, Phase.shrink])  # fmt: skip
    @given(DRAWS)
    def one(data: bytes) -> None:
        play(kind, bench, court, data)

    torch.set_num_threads(1)
    one()


def judge(count: int, bench: Bench, seconds: float) -> Court:
    court = Court(seconds=seconds)
    for kind in KINDS:
        look(kind, count, bench, court)
    print(court.table())
    assert court.share() >= LEAST
    return court


def test_two_hundred_mutated_inputs(bench):
    court = judge(EACH, bench, HANG)
    assert court.inputs >= 9 * EACH * 0.9
    assert {kind for kind, _ in court.counts} == {*KINDS}


@pytest.mark.long
def test_two_thousand_mutated_inputs(bench):
    assert judge(LONG, bench, SECONDS).inputs >= 2000
