"""The hold: a value stays until the next one arrives, or leaks away meanwhile.

    c(s) = c_n e^{-(s - s_n)/tau_d}

The transfer function of the ideal hold is (1 - e^{-i w h})/(i w): half a tick of delay.
"""

from __future__ import annotations

from dataclasses import dataclass

from thermohw.control.chain.stage import Stage

__all__ = ["Hold"]


@dataclass(frozen=True)
class Hold(Stage):
    """A sample-and-hold.

    Attributes:
        droop: 1/tau_d, the rate at which a held value decays.
    """

    droop: float = 0.0
