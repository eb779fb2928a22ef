"""When a held value acts: latency that is no multiple of a tick, longer than one, or none."""

from __future__ import annotations

import numpy as np
import pytest
from problems import mixture_score

from thermohw.control import Piece, make_schedule, make_timeline

TICK = 3.0 / 12


def schedule(grid: str = "uniform") -> object:
    return make_schedule(mixture_score().process, 1.0, 12, grid=grid)


def in_force(pieces: list[Piece], time: float) -> int:
    """Which tick's control acts at a moment, by looking it up."""
    for piece in pieces:
        if piece.start <= time < piece.start + piece.duration:
            return piece.applies
    raise AssertionError(time)


def test_no_latency_is_one_piece_a_tick() -> None:
    pieces = make_timeline(schedule())  # type: ignore[arg-type]
    assert [p.applies for p in pieces] == list(range(12))
    assert all(p.reads and p.ends_tick for p in pieces)
    assert len({p.duration for p in pieces}) == 1


@pytest.mark.parametrize("grid", ["uniform", "log-snr"])
@pytest.mark.parametrize("latency", [0.1 * TICK, 0.5 * TICK, TICK, 1.7 * TICK, 2 * TICK, 5.3 * TICK,
                                     100.0])  # fmt: skip
def test_latency(grid: str, latency: float) -> None:
    """At any moment the newest reading that is at least a latency old acts; before it, nothing."""
    plan = schedule(grid)
    pieces = make_timeline(plan, latency)  # type: ignore[arg-type]
    readings = plan.physical_time[:-1]  # type: ignore[attr-defined]
    for time in np.linspace(0.0, 3.0, 997)[:-1] + 1e-6:
        ripe = np.flatnonzero(readings + latency <= time)
        assert in_force(pieces, time) == (ripe[-1] if len(ripe) else -1)
    assert sum(p.duration for p in pieces) == pytest.approx(3.0, rel=1e-11)
    assert [p.tick for p in pieces if p.reads] == list(range(12))
    assert [p.tick for p in pieces if p.ends_tick] == list(range(12))
    for before, after in zip(pieces[:-1], pieces[1:], strict=True):
        assert before.start + before.duration == pytest.approx(after.start, abs=1e-11)
        assert before.ends_tick == after.reads


def test_latency_of_whole_ticks_cuts_nothing() -> None:
    """An arrival that coincides with a reading is one event, in spite of rounding."""
    for ticks in (1, 2, 5):
        pieces = make_timeline(schedule(), ticks * 3.0 / 12)  # type: ignore[arg-type]
        assert len(pieces) == 12
        assert [p.applies for p in pieces] == [max(-1, k - ticks) for k in range(12)]


def test_pieces_share_moments() -> None:
    """Equal ticks cut by a latency give two lengths, not twelve that differ by rounding."""
    pieces = make_timeline(schedule(), 0.3 * TICK)  # type: ignore[arg-type]
    assert len(pieces) == 24 and len({p.duration for p in pieces}) == 2
