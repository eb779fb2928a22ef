"""The delay: the whole control, reading and its model time, is applied a latency l later.

    c(s) = c_n   for s_n + l <= s < s_{n+1} + l,   c_n = law(r(s_n), t_n);   at rest before s_0 + l

A held value is on average half a tick old besides, so that l + h/2 is the effective delay of the
loop. The timeline cuts ticks where values arrive (`thermohw.control.timeline`).
"""

from __future__ import annotations

from dataclasses import dataclass

from thermohw.control.chain.stage import Stage

__all__ = ["Delay"]


@dataclass(frozen=True)
class Delay(Stage):
    """A pure delay.

    Attributes:
        latency: l, from reading to source.
    """

    latency: float = 0.0
