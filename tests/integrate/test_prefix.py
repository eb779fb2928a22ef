"""The first paths of a run do not depend on how many follow: every bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from thermohw.pipeline import load_spec
from thermohw.pipeline.build import build_setting
from thermohw.pipeline.simulate import simulate

CLOCKED = ["protocol.control=clocked", "protocol.stepper=auto"]
GRID = ["device.name=rc64", "device.array.shape=[2,4]", "simulate.dtype=float32", *CLOCKED]
KINDS = {
    "mixture": CLOCKED,
    "float32": [*CLOCKED, "simulate.dtype=float32"],
    "splitting": ["protocol.stepper=splitting", "simulate.dtype=float32"],
    "noisy": [*CLOCKED, "protocol.reading_noise=20 uV"],
    "coupled": [*CLOCKED, "device.name=rc8-chain", "process={kind='relaxation', duration=3.0}",
                "target={kind='gaussian', mean=[1,0,0,0,0,0,0,-1], std=[0.5,1,1,1,1,1,1,0.7]}"],
    "many modes": [*GRID, "target={kind='gaussian_mixture', means=[[1,0,0,0,0,0,0,-1],"
                   "[0,1,1,0,0,0,0,-1]], stds=0.6, weights=[0.5,0.5]}"],
    "network": [*GRID, "target={kind='gaussian', mean=[1,0,0,0,0,0,0,-1], std=0.7}",
                "process={kind='vp', t_min=1e-3}", "score={kind='network', steps=5}",
                "simulate.start=prior"],
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_bit_of_the_first_paths(kind):
    """An exponential rounds differently in the rest of a vector than in its middle, a product of
    matrices with the number of rows: 500 of 9000 paths used to differ in their last bits."""
    setting = build_setting(load_spec("mixture_rc", ["protocol.ticks=48", *KINDS[kind],
                            "protocol.allow_ringing=true"]), progress=False)  # fmt: skip
    options: dict[str, Any] = {"start": "prior"} if kind == "network" else {}
    dtype = "float32" if kind not in ("mixture", "noisy", "coupled") else "float64"

    def channels(paths):
        return simulate(setting.protocol, paths=paths, target=setting.target, dtype=dtype,
                        progress=False, **options).channels  # fmt: skip

    many = channels(4700)
    for paths in (1, 7, 500, 4097):
        few = channels(paths)
        assert few.keys() == many.keys()
        for name, values in few.items():
            assert len(values) == paths
            assert np.array_equal(values, many[name][:paths]), (paths, name)
