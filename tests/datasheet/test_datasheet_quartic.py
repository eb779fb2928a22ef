"""Quartic units and bilinear couplings: what a file may say, and what it may not."""

from __future__ import annotations

import pytest

from thermohw.datasheet import load_datasheet, read_datasheet
from thermohw.errors import InputError

PAIR = """
format = "thermohw-device/1"
[[node]]
name = "a"
capacitance = "1 pF"
[[node]]
name = "b"
capacitance = "1 pF"
[[resistor]]
name = "ra"
between = ["a", "gnd"]
resistance = "1 Mohm"
temperature = "300 K"
[[resistor]]
name = "rb"
between = ["b", "gnd"]
resistance = "1 Mohm"
temperature = "300 K"
[[quartic]]
name = "ua"
node = "a"
volts_per_unit = "200 uV"
j2 = "-20 zJ"
j4 = "40 zJ"
[[quartic]]
name = "ub"
node = "b"
volts_per_unit = "200 uV"
j2 = "20 zJ"
bias = "-3 zJ"
[[bilinear]]
between = ["a", "b"]
strength = "10 zJ"
"""


def test_units_in_the_order_of_the_nodes() -> None:
    sheet = read_datasheet(PAIR, "pair")
    a, b = sheet.landscape.quartics
    assert (a.node, b.node) == ("a", "b") and a.j2 is not None and a.j2.value == -20e-21
    assert b.j4 is None and b.bias is not None and b.bias.value == -3e-21
    assert sheet.landscape.bilinears[0].name == "j0"
    assert sheet.entries()["j0.strength"] is not None
    changed = read_datasheet(PAIR, "pair", {"ua.j4": "41 zJ", "j0.strength": "9 zJ"})
    assert changed.landscape.bilinears[0].strength.value == 9e-21
    assert changed.content_hash != sheet.content_hash


def test_absent_families_leave_hashes_alone() -> None:
    content = load_datasheet("rc1").content()
    assert "quartics" not in content and "bilinears" not in content


def test_an_array_copies_its_unit() -> None:
    text = PAIR.split('[[node]]\nname = "b"')[0] + PAIR[PAIR.index("[[resistor]]") :]
    text = text.split('[[resistor]]\nname = "rb"')[0] + text[text.index("[[quartic]]") :]
    text = text.split('[[quartic]]\nname = "ub"')[0] + (
        '[[bilinear]]\nbetween = ["a[0]", "a[2]"]\nstrength = "1 zJ"\n'
        '[array]\ncell = "a"\nshape = [3]\n'
    )
    sheet = read_datasheet(text, "row")
    assert [unit.name for unit in sheet.landscape.quartics] == ["ua[0]", "ua[1]", "ua[2]"]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('node = "b"', 'node = "c"', "ub.node: no node 'c'"),
        ('node = "b"', 'node = "a"', "'a' has the unit ua already"),
        ('j2 = "20 zJ"\nbias = "-3 zJ"', 'bias = "-3 zJ"', "ub: give j2, j4 or both"),
        ('j2 = "20 zJ"', 'j2 = "-20 zJ"', "no floor along ub"),
        (
            'between = ["a", "b"]\nstrength',
            'between = ["a", "a"]\nstrength',
            "couples 'a' to itself",
        ),
        ('between = ["a", "b"]\nstrength', 'between = ["a", "x"]\nstrength', "no node 'x'"),
        ('j4 = "40 zJ"', 'j4 = "-40 zJ"', "ua.j4: must be positive"),
        ('j4 = "40 zJ"', 'j5 = "40 zJ"', "ua.j5: unknown key"),
        ('strength = "10 zJ"', 'strength = "10 mV"', "does not measure an energy"),
        (
            "[[bilinear]]",
            '[[capacitor]]\nbetween = ["a", "b"]\ncapacitance = "1 pF"\n[[bilinear]]',
            "capacitor: not beside [[quartic]] units",
        ),
    ],
)
def test_bad_files(old: str, new: str, says: str) -> None:
    assert PAIR.count(old) == 1
    with pytest.raises(InputError) as caught:
        read_datasheet(PAIR.replace(old, new), "pair")
    assert says in str(caught.value)


def test_indefinite_couplings_are_refused_with_their_number() -> None:
    """Without j4 the form [[2 j2, J], [J, 2 j2]] must be positive: J = 50 > 40 gives -10/90."""
    text = PAIR.replace('j2 = "-20 zJ"\nj4 = "40 zJ"', 'j2 = "20 zJ"').replace("10 zJ", "50 zJ")
    with pytest.raises(InputError, match=r"smallest eigenvalue .* is -0\.111 of its largest"):
        read_datasheet(text, "pair")
    with pytest.raises(InputError, match="every node of a quartic circuit"):
        read_datasheet(PAIR[: PAIR.index('[[quartic]]\nname = "ub"')], "pair")
