"""The study by its own path: laws within their errors, floors, the collapse onto k T."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
import torch

from thermohw.experiments.thermodynamic_linear_algebra import STUDY, compute
from thermohw.study import Results
from thermohw.study.figures import study_style
from thermohw.study.sheet import Sheet


class Streams:
    def generator(self, stream: str = "") -> torch.Generator:
        return torch.Generator().manual_seed(1)


def test_systems_have_their_condition() -> None:
    a, b = compute.system(5, 3, 10.0)
    assert np.allclose(a, a.T) and np.linalg.norm(b) == pytest.approx(1.0)
    assert np.linalg.cond(a) == pytest.approx(10.0)


def test_small_study() -> None:
    """Every cell of a very short version, and what is concluded from them."""
    given = {**STUDY.parameters, **STUDY.quick}
    p = given | {"micros": [200.0, 1000.0], "systems": 2, "dimensions": [2, 4], "paths": 32}
    rows = [cell | compute.compute(cell, cast(Any, Streams())) for cell in STUDY.cells(p)]
    sheet = Sheet()
    with study_style():
        STUDY.conclude(p, Results(rows), sheet)
    assert {check["status"] for check in sheet.checks} <= {"holds", "explained"}
    assert sheet.numbers["energy.static_share"]["value"] > 0.9
    floors = {name: [r for r in rows if r.get("part") == name] for name in compute.PARTS}
    assert max(r["invert"] for r in floors["offset 0.5 mV"]) < 1e-9
    # ten times less bandwidth, ten times the error of the inverse; a hundred times less gain
    for near, far, key, factor in (
        ("amplifiers of 100 MHz", "amplifiers of 10 MHz", "invert", 10.0),
        ("gain 100 000", "gain 1000", "solve", 100.0),
    ):
        for one, other in zip(floors[near], floors[far], strict=True):
            assert other[key] / one[key] == pytest.approx(factor, rel=0.1)
