"""Numbers as text, the clock of a figure, bars and their places."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report.report_runs import kept_audit

from thermohw.process import OU, VE, VP
from thermohw.report.clock import Clock
from thermohw.report.costs import costs
from thermohw.report.energy import ledger
from thermohw.report.facts import read_facts
from thermohw.report.figures.canvas import name_lines, new_figure
from thermohw.report.numerals import joules, measured, plain, quantity, rounded, time_unit
from thermohw.report.verdicts import Verdicts, typeset
from thermohw.store import RunReader

_DIGITS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹−", "-0123456789-")


def back(text: str) -> float:
    """A printed number as a float."""
    mantissa, _, power = text.partition(" × 10")
    if not power and mantissa.startswith("10") and not mantissa[2:3].isascii():
        return 10.0 ** int(mantissa[2:].translate(_DIGITS))
    return float(mantissa.translate(_DIGITS)) * 10.0 ** int(power.translate(_DIGITS) or 0)


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (0.017577, 0.0055, "0.0176 ± 0.0055"),
        (-0.16435, 0.004, "−0.1643 ± 0.0040"),
        (1234.567, 12.3, "1235 ± 12"),
        (9.999, 0.0996, "10.00 ± 0.10"),
        (1e-18, 2e-19, "(1.00 ± 0.20) × 10⁻¹⁸"),
        (-0.00001, 0.1, "0.00 ± 0.10"),
        (1.51040, 0.0, "1.5104"),
        (1.5104, 1e-7, "1.5104"),  # an error that no reader misses
        (None, None, "unknown"),
    ],
)
def test_numbers_have_the_digits_of_their_error(
    value: float | None, error: float | None, text: str
) -> None:
    assert measured(value, error) == text


@given(st.floats(1e-30, 1e30), st.floats(1.1e-6, 0.5), st.booleans())
def test_a_printed_number_is_within_half_its_last_digit(
    size: float, relative: float, negative: bool
) -> None:
    value, error = -size if negative else size, relative * size
    energy, spread = rounded(value, error)
    # two digits of the error are kept: at worst half of a tenth of its leading digit
    assert back(energy.removesuffix(" J")) == pytest.approx(value, abs=0.0501 * error)
    assert back(spread.removesuffix(" J")) == pytest.approx(error, rel=0.051)
    assert back(plain(value)) == pytest.approx(value, rel=0.51e-4)
    assert back(joules(value).removesuffix(" J")) == pytest.approx(value, rel=0.51e-2)


def test_units_are_those_people_use() -> None:
    assert quantity(6.4358e-5, "V", 4) == "64.36 µV" and quantity(1e6, "ohm") == "1 MΩ"
    assert time_unit(3e-6) == (1e-6, "µs") and time_unit(0.5e-6) == (1e-9, "ns")
    assert plain(math.inf) == "∞" and plain(1e-10) == "10⁻¹⁰" and plain(0.0) == "0"


def clock_of(process: OU | VP | VE, theta: float, ticks: np.ndarray, linear: bool) -> Clock:
    """A clock over given model times, R C = 1 us."""
    start = process.diffusion_time(process.duration)
    seconds = np.array([(start - process.diffusion_time(float(t))) / theta for t in ticks]) * 1e-6
    return Clock(seconds, ticks, linear, 1e-6 if linear else 1.0, "", "")


@pytest.mark.parametrize("linear", [True, False])
@pytest.mark.parametrize(
    ("process", "theta"), [(OU(3.0), 1.0), (VP(0.1, 20.0, t_min=1e-3), 2.0), (VE(5.0), 4.0)]
)
def test_the_area_under_a_rate_is_its_integral(
    process: OU | VP | VE, theta: float, linear: bool
) -> None:
    # Any smooth rate per model time; its integral over model time is known by fine quadrature.
    ticks = np.linspace(process.duration, process.t_min, 4097)
    t = np.linspace(process.duration, process.t_min, 4001)
    rate = 1.0 + np.cos(2.0 * t) + t
    clock = clock_of(process, theta, ticks, linear)
    units = {"time": 1e-6, "theta": theta}
    heights = clock.rates(rate, t, process, units)
    area = np.trapezoid(heights, clock.at_model_times(t))
    exact = -np.trapezoid(rate, t)
    # Both sums are trapezoids of second order in 1/4000 over factors that vary by e^10 at most;
    # positions interpolated between ticks are as good: a few 1e-5, against O(1) for a wrong clock.
    assert area == pytest.approx(exact, rel=3e-4)


def test_bars_share_one_scale_and_contain_zero(noisy: Path) -> None:
    with RunReader.open(noisy) as run:
        facts = read_facts(run)
    audit = kept_audit(noisy)
    audit["quantities"]["energy.change.J"]["value"] = -2.5 * facts.units["energy"]
    bars, zero = ledger(Verdicts.of(audit), facts)
    assert [bar.name for bar in bars] == ["work.current.kT", "heat.r0.kT", "energy.change.kT"]
    assert 0.0 <= zero <= 100.0
    lengths = {bar.width / abs(bar.value) for bar in bars if bar.value}
    assert max(lengths) == pytest.approx(min(lengths), rel=1e-12)
    for bar in bars:
        assert bar.value is not None
        edge = bar.left if bar.value > 0 else bar.left + bar.width
        assert edge == pytest.approx(zero, abs=1e-9)
        assert bar.left >= -1e-9 and bar.left + bar.width <= 100.0 + 1e-9


def test_decades_are_equally_long(noisy: Path) -> None:
    with RunReader.open(noisy) as run:
        facts = read_facts(run)
    audit = kept_audit(noisy)
    audit["quantities"]["cost.dac"] = {"value": 3e-13, "stderr": 0.0, "unit": "J"}
    bars, scale = costs(Verdicts.of(audit), facts)
    assert scale is not None
    width = {bar.name: bar.width for bar in bars}
    step = (width["cost.adc"] - width["cost.dac"]) / 3.0  # 3e-10 against 3e-13: three decades
    assert step == pytest.approx(100.0 / (scale.high - scale.low))
    score = next(bar for bar in bars if bar.name == "cost.score")
    assert score.value is None and score.width == 0.0 and score.main == "unpriced"


def test_names_of_lines_do_not_cover_each_other() -> None:
    figure = new_figure()
    axes = figure.add_axes((0.1, 0.1, 0.6, 0.8))
    x = np.linspace(0.0, 1.0, 50)
    axes.set_ylim(0.0, 1.0)
    lines = {name: (x * end, "#000000") for name, end in (("a", 0.5), ("b", 0.51), ("c", 0.98))}
    name_lines(axes, x, lines)
    heights = sorted(text.xy[1] for text in axes.texts)  # type: ignore[attr-defined]
    pixels = 0.8 * 250
    assert np.diff(heights).min() * pixels >= 13.0 - 1e-9
    assert heights[-1] * pixels <= pixels + 5.0


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("residual -6.7e-16 +- 2.5e-09", "residual −6.7\u00a0×\u00a010⁻¹⁶ ± 2.5\u00a0×\u00a010⁻⁹"),
        ("error 0.000e+00 of 6.59e+03, 1e-10", "error 0 of 6.59\u00a0×\u00a010³, 10⁻¹⁰"),
        ("z = -0.49, 2-d, t-1, 3-4, (-1)", "z = −0.49, 2-d, t-1, 3-4, (−1)"),
        ("cells/1e-3f0 at v1e-05 >= 0", "cells/1e-3f0 at v1e-05 ≥ 0"),
    ],
)
def test_details_are_typeset_and_no_number_breaks_over_lines(words: str, shown: str) -> None:
    assert typeset(words) == shown


@pytest.mark.parametrize(
    ("power", "shown"),
    [(0.0219, "would have called 0.022"), (0.0, "would have called any deviation"),
     (1e-10, "would have called 10⁻¹⁰"), (None, "")],
)  # fmt: skip
def test_a_check_says_what_it_would_have_called(power: float | None, shown: str) -> None:
    check = {"name": "n", "status": "holds", "value": 1.0, "expected": 1.0, "stderr": 0.01,
             "detail": "said"}  # fmt: skip
    assert Verdicts.of({"checks": [check | {"power": power}]}).checks[0].power == shown
    assert Verdicts.of({"checks": [check]}).checks[0].power == ""  # audits kept from before


@pytest.mark.parametrize(
    ("said", "shown"), [({"relation": "="}, "= 1"), ({"relation": ">="}, "≥ 1"), ({}, "≥ 1")]
)
def test_the_relation_is_the_audits_own(said: dict[str, str], shown: str) -> None:
    """Where the data's law is unknown "evidence" is an equation; audits of before do not say."""
    check = {"name": "evidence", "status": "holds", "value": 1.0, "expected": 1.0, "stderr": None,
             "detail": "said", "power": 0.5, "beyond": True}  # fmt: skip
    row = Verdicts.of({"checks": [check | said]}).checks[0]
    assert row.expected == shown and row.power == "would have called 0.5 on the wrong side"
