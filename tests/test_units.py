"""Units: known sizes, exact round trips, and refusals that say what was expected."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import constants

from thermohw import units
from thermohw.errors import InputError
from thermohw.units import ELEMENTARY_CHARGE, K_B, engineering, in_kt, parse, thermal_energy

UNITS = ["ohm", "F", "K", "V", "A", "s", "Hz", "J", "V/s", "V/sqrt(Hz)"]


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        ("10 kohm", "ohm", 10e3),
        ("1 Mohm", "ohm", 1e6),
        ("1Mohm", "ohm", 1e6),
        ("4.7 kΩ", "ohm", 4700.0),
        ("100 fF", "F", 100e-15),
        ("2 MHz", "Hz", 2e6),
        ("300 K", "K", 300.0),
        ("25 degC", "K", 298.15),
        ("-40 °C", "K", 233.15),
        ("64 uV", "V", 64e-6),
        ("64 µV", "V", 64e-6),
        ("-1 mV", "V", -1e-3),
        ("0.3 pJ", "J", 0.3e-12),
        ("1 eV", "J", 1.602176634e-19),
        ("5 ns", "s", 5e-9),
        ("3 nV/sqrt(Hz)", "V/sqrt(Hz)", 3e-9),
        ("3 nV/√Hz", "V/sqrt(Hz)", 3e-9),
        ("1 V/us", "V/s", 1e6),
        ("5 %", "", 0.05),
        (0.05, "", 0.05),
        ("1e-3 V", "V", 1e-3),
    ],
)
def test_known_sizes_are_the_nearest_floats(text: str, unit: str, expected: float) -> None:
    assert parse(text, unit) == expected


def test_boltzmann() -> None:
    """k_B and e are exact in the 2019 SI and what scipy has; products, to the digits quoted."""
    assert K_B == constants.Boltzmann and constants.elementary_charge == ELEMENTARY_CHARGE
    assert f"{thermal_energy(300.0):.6e}" == "4.141947e-21"
    assert f"{thermal_energy(300.0) * math.log(2.0):.6e}" == "2.870979e-21"
    assert in_kt(thermal_energy(300.0), 300.0) == 1.0
    assert engineering(math.sqrt(thermal_energy(300.0) / parse("1 pF", "F")), "V") == "64.36 uV"


@pytest.mark.parametrize(
    ("text", "unit", "says"),
    [
        ("10", "ohm", "value without unit: '10'; expected something like '10 kohm'"),
        (10, "ohm", "value without unit: 10; expected something like '10 kohm'"),
        ("300", "K", "value without unit: '300'; expected something like '300 K'"),
        ("5 V", "ohm", "unit 'V' does not measure a resistance"),
        ("300 k", "K", "unit 'k' does not measure a temperature"),
        ("1 rad/s", "Hz", "unit 'rad/s' does not measure a frequency"),
        ("60 rpm", "Hz", "unit 'rpm' does not measure a frequency"),
        ("77 degF", "K", "give kelvin or degC"),
        ("1 meg", "ohm", "SI prefixes: 'Mohm', not 'meg'"),
        ("1 furl", "V", "unknown unit 'furl'"),
        ("1 V/", "V", "unknown unit 'V/'"),
        ("nan ohm", "ohm", "not a finite number with a unit"),
        ("inf K", "K", "not a finite number with a unit"),
        ("1e999 V", "V", "value is not finite"),
        ("1e5000000000 V", "V", "value is not finite"),
        ("many V", "V", "not a finite number with a unit: 'many V'"),
        ("", "V", "not a finite number"),
        (None, "V", "not a finite number"),
        (True, "V", "not a finite number"),
        (["1 V"], "V", "not a finite number"),
        (float("nan"), "", "not a finite number"),
        ("5 V", "", "expected something like '5 %'"),
    ],
)
def test_refusals_name_place_value_and_expectation(text: object, unit: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(text, unit, where="x.toml: r0.resistance")
    message = str(caught.value)
    assert message.startswith("x.toml: r0.resistance: ") and says in message
    assert "expected something like" in message and "\n" not in message


def test_a_long_value_does_not_flood_the_message() -> None:
    with pytest.raises(InputError) as caught:
        parse("x" * 10_000, "V")
    assert len(str(caught.value)) < 200


@given(
    value=st.floats(1e-28, 1e32) | st.floats(-1e32, -1e-28) | st.just(0.0),
    unit=st.sampled_from(UNITS),
)
def test_what_engineering_writes_parse_reads(value: float, unit: str) -> None:
    """17 digits identify a float; the unit's factor is exact, so nothing is lost."""
    assert parse(engineering(value, unit, 17), unit) == value


@given(value=st.floats(1e-28, 1e28), unit=st.sampled_from(UNITS), digits=st.integers(2, 8))
def test_rounding_to_digits(value: float, unit: str, digits: int) -> None:
    """Half a unit in the last digit kept, and a last bit for the decimal's own conversion."""
    back = parse(engineering(value, unit, digits), unit)
    assert abs(back - value) <= 0.5 * 10.0 ** (1 - digits) * abs(value) * (1.0 + 1e-9)


@given(mantissa=st.integers(1, 999_999), prefix=st.sampled_from("munpfa"))
def test_equal_quantities_are_equal_floats(mantissa: int, prefix: str) -> None:
    """0.001 of a unit, and 1 of the next smaller prefix, must be the same bits."""
    smaller = {"m": "u", "u": "n", "n": "p", "p": "f", "f": "a", "a": "z"}[prefix]
    assert parse(f"{mantissa} {smaller}F", "F") == parse(f"{mantissa}e-3 {prefix}F", "F")


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (4.141947e-21, "J", "4.142 zJ"),
        (-4.141947e-22, "J", "-0.4142 zJ"),
        (1e-24, "J", "0.001 zJ"),
        (4.141947e-25, "J", "4.142e-25 J"),
        (1e27, "Hz", "1e+27 Hz"),
        (999.96, "V", "1 kV"),
        (999.94, "V", "999.9 V"),
        (1e4, "ohm", "10 kohm"),
        (-2.5e-7, "A", "-250 nA"),
        (7.24e8, "K", "724 MK"),
        (0.0, "V", "0 V"),
        (12.5, "kT", "12.5 kT"),
        (0.25, "", "0.25"),
        (1e40, "J", "1e+40 J"),
        (math.inf, "V", "inf V"),
    ],
)
def test_engineering_text(value: float, unit: str, text: str) -> None:
    assert engineering(value, unit) == text


def test_pint_is_loaded_by_the_first_unusual_unit_only() -> None:
    code = (
        "import sys, thermohw.units as u; assert 'scipy' not in sys.modules; "
        "u.parse('1 mV', 'V'); assert 'pint' not in sys.modules; "
        "u.parse('1 mW/mA', 'V'); assert 'pint' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_table_of_usual_units_says_what_pint_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes and refusals, of every usual unit where any kind of quantity is asked for."""

    def answers() -> dict[tuple[str, str], str]:
        found = {}
        for name in usual:
            for unit in (*units._KINDS, "S", "W", "bit/s"):
                try:
                    found[name, unit] = str(units._factor.__wrapped__(name, unit).normalize())
                except ValueError as error:
                    found[name, unit] = str(error)
        return found

    usual = dict(units._USUAL)
    by_table = answers()
    monkeypatch.setattr(units, "_USUAL", {})
    assert len(usual) > 100 and by_table == answers()
