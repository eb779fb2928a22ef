"""An audit as text says what every check could have seen."""

import math

import pytest

from thermohw.audit.record import Audit
from thermohw.audit.table import power_words
from thermohw.audit.verdict import Check, Quantity
from thermohw.estimate import Estimate

RUN: dict[str, str] = dict.fromkeys(
    "file target device process wiring control score paths ticks grid dtype seed start".split(), "x"
)


def test_the_power_ends_the_detail() -> None:
    """Four standard errors of 0.003; a check of before there were powers says nothing."""
    judged = Check.of("judged", Estimate(1.001, 0.003), 1.0, "near one")
    old = Check("old", "holds", 1.0, 1.0, None, "as it was")
    lines = [line.strip() for line in Audit((judged, old), {}, RUN).text().splitlines()]
    assert "near one; a deviation of 0.012 would have been called" in lines
    assert "as it was" in lines


@pytest.mark.parametrize(
    ("power", "words"),
    [(None, ""), (math.inf, ""), (math.nan, ""), (0.0, "; any deviation would have been called")],
)
def test_nothing_is_promised_that_is_not_known(power: float | None, words: str) -> None:
    assert power_words(power) == words


def test_the_power_of_an_inequality_counts_from_its_bound() -> None:
    """113 >= 0 is not called at 106, as "a deviation of 7.1" would have it, but at -7.1."""
    check = Check("law", "holds", 113.0, 0.0, 1.6, "so", ">=", 7.1, beyond=True)
    assert (
        "so; a value 7.1 on the wrong side would have been called"
        in Audit((check,), {}, RUN).text()
    )


@pytest.mark.parametrize("stderr", [-0.5, -0.0, math.nan, math.inf])
def test_an_error_that_is_none_is_left_out(stderr: float) -> None:
    table = {"nll.ode": Quantity(1.25, stderr, "nat"), "heat.total.J": Quantity(1.5, stderr, "J")}
    page = Audit((), table, RUN).text()
    assert "1.25" in page and "1.5 J" in page and f"{stderr:g}" not in page
