"""clock_speed: its circuit, its cells, and what its conclusion catches."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
import torch

from thermohw.errors import InputError
from thermohw.experiments.clock_speed import STUDY, compute
from thermohw.study import Results
from thermohw.study.figures import study_style
from thermohw.study.sheet import Sheet


class Streams:
    """A stream of its own for every cell, as the study's tools give it."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def generator(self, stream: str = "") -> torch.Generator:
        return torch.Generator().manual_seed(self.seed)


def test_the_inverter_inverts() -> None:
    """Its equilibrium has covariance A^-1, at a mobility of 1 per k T and microsecond."""
    device = compute.inverter()
    np.testing.assert_allclose(
        device.equilibrium().covariance, np.linalg.inv(compute.MATRIX), rtol=1e-12
    )
    np.testing.assert_allclose(device.mobility, np.eye(4), rtol=0, atol=1e-8)


def test_factors_are_checked() -> None:
    p = dict(STUDY.parameters) | {"factors": [2.0, 4.0]}
    with pytest.raises(InputError, match="1 among them"):
        STUDY.work(p)


def test_conclusion_holds_and_can_fail() -> None:
    p = dict(STUDY.parameters) | {"factors": [1.0, 4.0], "paths": 1500, "frames": 5}
    rows = []
    for i, cell in enumerate(STUDY.work(p)):
        rows.append(cell | compute.compute(cell, cast(Any, Streams(40 + i))))
    sheet = Sheet()
    with study_style():
        STUDY.conclude(p, Results(rows), sheet)
    assert sheet.holds and len(sheet.tables) == 2 and len(sheet.drawn) == 2
    assert "not included" in str(sheet.tables[1])
    # heat that did not follow lambda, statistics that did
    broken = [dict(row) for row in rows]
    worst = next(r for r in broken if r["kind"] == "program" and r["factor"] == 4.0)
    worst["heat"] = worst["heat"] / 4.0
    worst["entropy"] = worst["entropy"] + 1.0
    sheet = Sheet()
    with study_style():
        STUDY.conclude(p, Results(broken), sheet)
    status = {check["name"]: check["status"] for check in sheet.checks}
    assert status["joules grow as lambda, nats stay"] == "violated"
    assert status["the same statistics at every lambda"] == "holds"


@pytest.mark.parametrize(("trusted", "status"), [(1.0, "holds"), (0.0, "not-applicable")])
def test_an_average_is_judged_where_the_one_rule_trusts_it(trusted: float, status: str) -> None:
    """However many effective paths there are: a tail of weights may be too heavy."""
    p = dict(STUDY.parameters) | {"factors": [1.0, 4.0], "paths": 200, "frames": 2}
    rows = [cell | compute.compute(cell, cast(Any, Streams(7))) for cell in STUDY.work(p)]
    theorem = {"effective": 500.0, "trusted": trusted, "jarzynski": 1.0, "ratio": 1.0}
    sheet = Sheet()
    with study_style():
        STUDY.conclude(p, Results(row | theorem for row in rows), sheet)
    found = {check["name"]: check["status"] for check in sheet.checks}
    assert found["<exp(-A)> = Z1/Z0 of the program"] == status
