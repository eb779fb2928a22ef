"""Peak memory is set by the tile: flat in paths, and in ticks but for one control law each."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap

SCRIPT = textwrap.dedent("""
    import gc, json, resource, torch
    torch.set_num_threads(1)
    from thermohw.circuit import load_device
    from thermohw.control import Protocol
    from thermohw.integrate import make_engine, tiles
    from thermohw.process import OU
    from thermohw.target import gaussian_mixture
    from thermohw.books import Ledger, Pumping

    device = load_device("rc1")
    score = gaussian_mixture([[-1.0], [1.0]], 0.6).score(OU(3.0))

    def run(ticks, paths):
        protocol = Protocol(device, score.process, score, wiring="emf", control="clocked",
                            ticks=ticks)
        watch = [Ledger(device, "emf"), Pumping()]
        engine = make_engine(protocol, watch, divergence=True)
        for tile in tiles(paths, 16384):
            one = engine.open(tile)
            one.advance(ticks)
        gc.collect()
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    run(32, 16384)
    print(json.dumps([run(64, 16384), run(2048, 16384), run(64, 262144)]))
""")


def test_peak_memory_is_flat() -> None:
    """2048 ticks instead of 64, then 16 tiles instead of 1.

    Keeping one float32 per path and tick would add 16384 x 1984 x 4 B = 124 MB; the laws, one of a
    few kilobytes a tick, add about 10; further tiles nothing but the allocator's slack.
    """
    out = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    few, many, wide = json.loads(out.stdout)
    assert many - few < 25.0, (few, many)
    assert wide - many < 10.0, (many, wide)
