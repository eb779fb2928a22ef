"""How long a call takes, in units of what the same machine takes for a fixed piece of Python.

A limit in seconds says more about the machine than about the program. What a test wants to know is
that a call does no more than its work: a loop over a thousand million units, or a search that grows
with the square of a deck's length, is a hundred times too much on every machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable


def _piece() -> None:
    """Strings, a dictionary, a sort: some 50 ms of an ordinary core in 2026."""
    names = {f"n{(i * 7919) % 100_003}": i for i in range(60_000)}
    assert len(sorted(names)) == 60_000


def _seconds(call: Callable[[], object]) -> float:
    begun = time.process_time()
    call()
    return time.process_time() - begun


def pieces(call: Callable[[], object]) -> float:
    """Processor time of the call over that of one piece, taken before and after it."""
    before = _seconds(_piece)
    taken = _seconds(call)
    return taken / (0.5 * (before + _seconds(_piece)))
