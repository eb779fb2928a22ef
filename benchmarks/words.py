"""Our words against those of randomgen, an implementation of Philox4x32-10 by other hands.

randomgen counts in one number of 128 bits and steps it before it draws, ours is an address of four
words; so a whole run of neighbouring counters is compared for every key: the first word of the
address counts fastest, as successive groups of ticks do.
"""

from __future__ import annotations

import numpy as np

from benchmarks.clock import Row
from thermohw.noise.philox import key_of, words

__all__ = ["against_randomgen"]

COUNTERS = 4096


def against_randomgen() -> list[Row]:
    """Share of words that agree; needs the peers' environment."""
    try:
        from randomgen import Philox
    except ImportError:
        return []
    ends = (0, 1, 2**32 - 2048, 2**63 - 1)
    keys = [(0, 0), (2**32 - 1, 2**32 - 1), *(key_of(seed, stream) for seed in range(6)
                                              for stream in range(8))]  # fmt: skip
    equal = count = 0
    for low, high in keys:
        for channel, path in [(0, 0), (5, 4095), (2**31, 2**32 - 1), *((7, end) for end in ends)]:
            groups = np.arange(COUNTERS, dtype=np.uint64)
            ours = np.stack(words((low, high), groups, channel, path), 1).ravel()
            counter = (channel << 32) + (path << 64)
            peer = Philox(counter=(counter - 1) % 2**128, key=low + (high << 32), number=4,
                          width=32)  # fmt: skip
            equal += int((ours == peer.random_raw(ours.size)).sum())
            count += ours.size
    share = equal / count
    detail = f"{count:,} words of {len(keys)} keys, {equal:,} equal"
    return [Row("share of the words of `thermohw.noise` that are the same",
                "randomgen's Philox(number=4, width=32)", share, share, share, ">= 1", "part",
                detail)]  # fmt: skip
