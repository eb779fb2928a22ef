"""How z-scores are judged, and that what leaves an audit is JSON without NaN."""

import json
import math

import pytest

from thermohw.audit.record import Audit
from thermohw.audit.verdict import Check, Quantity, not_applicable, together
from thermohw.estimate import Estimate, judge, worst


@pytest.mark.parametrize(
    ("z", "relation", "status"),
    [
        (2.9, "=", "holds"),
        (-3.1, "=", "explained"),
        (4.1, "=", "violated"),
        (40.0, ">=", "holds"),
        (-2.9, ">=", "holds"),
        (-3.5, ">=", "explained"),
        (-4.1, ">=", "violated"),
        (5.0, "<=", "violated"),
        (-5.0, "<=", "holds"),
        (math.nan, "=", "violated"),
        (math.nan, ">=", "violated"),
        (math.inf, "=", "violated"),
    ],
)
def test_judgement(z, relation, status):
    assert judge(z, relation=relation) == status


def test_measured():
    assert Estimate(1.0, 0.5).z(2.0) == -2.0
    assert Estimate(1.0, 0.0).z(1.0) == 0.0 and Estimate(1.0, 0.0).z(2.0) == -math.inf
    assert worst("holds", "not-applicable", "explained") == "explained"
    assert worst("violated", "explained") == "violated"


def test_json_has_null_for_what_is_not_finite():
    checks = (Check("a", "holds", math.inf, 1.0, None, "words"),)
    quantities = {
        "x.y": Quantity(math.nan, math.nan, "J"),
        "z": Quantity(1.0, 0.0, "nat", "remark", method="how"),
    }
    text = Audit(
        checks, quantities, {"seed": 1, "odd": {"nan": math.nan, "list": [math.inf, "a"]}}
    ).to_json()
    again = json.loads(text, parse_constant=pytest.fail)
    assert again["checks"] == [
        {
            "name": "a",
            "status": "holds",
            "value": None,
            "expected": 1.0,
            "stderr": None,
            "power": None,
            "relation": "=",
            "beyond": False,
            "detail": "words",
        }
    ]
    assert again["quantities"]["x.y"] == {"value": None, "stderr": None, "unit": "J"}
    assert again["quantities"]["z"] == {
        "value": 1.0, "stderr": 0.0, "unit": "nat", "note": "remark", "method": "how"
    }  # fmt: skip
    assert again["run"] == {"seed": 1, "odd": {"nan": None, "list": [None, "a"]}}


def test_only_a_violation_breaks_it():
    def of(*statuses):
        checks = tuple(Check(s, s, None, None, None, "") for s in statuses)
        return Audit(checks, {}, {}).holds

    assert of("holds", "explained", "not-applicable") and not of("holds", "violated")


def test_checks_without_a_verdict_share_a_row_where_they_share_the_reason() -> None:
    """What comes after the reason is kept once; verdicts keep rows of their own."""
    checks = [
        not_applicable("one", "unknown law; S0 is not known"),
        Check("two", "holds", 1.0, 1.0, 0.1, "unknown law"),
        not_applicable("three", "unknown law; S0 is not known; NLL 3"),
        not_applicable("four", "no readings"),
    ]
    rows = together(checks)
    assert [tuple(one.name for one in some) for some, _ in rows] == [
        ("one", "three"),
        ("two",),
        ("four",),
    ]
    assert rows[0][1].detail == "unknown law; S0 is not known; NLL 3"
