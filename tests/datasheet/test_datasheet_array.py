"""Arrays and overrides: what is copied, what is shared, what is replaced."""

from __future__ import annotations

import tomllib
from itertools import pairwise

import numpy as np
import pytest

from thermohw.circuit import load_device
from thermohw.datasheet import load_datasheet, read_datasheet
from thermohw.datasheet.override import apply_overrides
from thermohw.errors import InputError

CELL = """format = "thermohw-device/1"
[[node]]
name = "a"
capacitance = "1 pF"
[[node]]
name = "b"
capacitance = "2 pF"
[[node]]
name = "rail"
capacitance = "3 pF"
[[resistor]]
name = "ra"
between = ["a", "rail"]
resistance = "1 Mohm"
temperature = "300 K"
[[resistor]]
name = "rab"
between = ["a", "b"]
resistance = "2 Mohm"
temperature = "400 K"
[[resistor]]
name = "rr"
between = ["rail", "gnd"]
resistance = "3 Mohm"
temperature = "500 K"
[[capacitor]]
between = ["b", "rail"]
capacitance = "0.1 pF"
[array]
cell = ["a", "b"]
shape = [2, 3]
"""
COUPLING = """[[array.coupling]]
name = "cc"
between = ["a", "b"]
capacitance = "0.25 pF"
"""


def test_the_cell_is_copied_and_the_rest_is_shared() -> None:
    sheet = read_datasheet(CELL, "array")
    tails = [f"[{i},{j}]" for i in range(2) for j in range(3)]
    assert [n.name for n in sheet.nodes] == ["rail", *(c + t for t in tails for c in "ab")]
    assert [(r.name, r.between) for r in sheet.resistors] == [
        ("rr", ("rail", "gnd")),
        *(
            element
            for t in tails
            for element in [("ra" + t, ("a" + t, "rail")), ("rab" + t, ("a" + t, "b" + t))]
        ),
    ]
    assert [(c.name, c.between) for c in sheet.capacitors] == [
        ("c0" + t, ("b" + t, "rail")) for t in tails
    ]
    assert sheet.shape == (2, 3)


def test_an_array_equals_the_circuit_written_out() -> None:
    """The chain, drawn as an array with couplings and one temperature, is the chain."""
    text = """format = "thermohw-device/1"
[[node]]
name = "n"
capacitance = "1 pF"
[[resistor]]
name = "r"
between = ["n", "gnd"]
resistance = "1 Mohm"
temperature = "300 K"
source = true
[array]
cell = "n"
shape = [8]
[[array.coupling]]
name = "rc"
between = ["n", "n"]
resistance = "2 Mohm"
temperature = "300 K"
[[array.coupling]]
name = "cc"
between = ["n", "n"]
capacitance = "0.25 pF"
"""
    drawn = read_datasheet(text, "drawn")
    written = load_datasheet("rc8-chain", {"r0.temperature": "300 K"})

    def numbers(sheet: object, kind: str, *entries: str) -> list[tuple[float, ...]]:
        return [tuple(getattr(x, e).value for e in entries) for x in getattr(sheet, kind)]

    for kind, entries in [
        ("nodes", ["capacitance"]),
        ("resistors", ["resistance", "temperature"]),
        ("capacitors", ["capacitance"]),
    ]:
        assert numbers(drawn, kind, *entries) == numbers(written, kind, *entries)
    joints = [f"n[{i}]" for i in range(8)]
    assert [r.between for r in drawn.resistors[8:]] == list(pairwise(joints))
    assert [c.between for c in drawn.capacitors] == list(pairwise(joints))
    assert drawn.capacitors[2].name == "cc[2|3]"


def test_couplings_join_each_pair_of_neighbours_once() -> None:
    sheet = read_datasheet(CELL + COUPLING, "array")
    names = [c.name for c in sheet.capacitors if c.name.startswith("cc")]
    # A 2x3 grid has 2*2 joints along the second axis and 3 along the first.
    assert len(names) == len(set(names)) == 7 and "cc[0,1|0,2]" in names and "cc[0,1|1,1]" in names
    one = read_datasheet(CELL + COUPLING + "axis = 1\n", "array")
    ends = [c.between for c in one.capacitors if c.name.startswith("cc")]
    assert ends == [(f"a[{i},{j}]", f"b[{i},{j + 1}]") for i in range(2) for j in range(2)]


RING = """format = "thermohw-device/1"
[[node]]
name = "n0"
capacitance = "1 pF"
[[resistor]]
name = "r0"
between = ["n0", "gnd"]
resistance = "1 Mohm"
temperature = "300 K"
source = true
[array]
cell = "n0"
shape = [5]
[[array.coupling]]
name = "cc"
between = ["n0", "n0"]
capacitance = "0.25 pF"
ring = true
"""


def test_a_ring_closes(tmp_path) -> None:
    """C_M is a circulant: its eigenvalues are C + Cc (2 - 2 cos(2 pi k/5)), k = 0 ... 4."""
    path = tmp_path / "ring.toml"
    path.write_text(RING)
    device = load_device(str(path))
    values = np.linalg.eigvalsh(device.capacitance) * device.scale.capacitance
    wanted = 1e-12 + 0.25e-12 * (2.0 - 2.0 * np.cos(2.0 * np.pi * np.arange(5) / 5))
    assert np.allclose(values, np.sort(wanted), rtol=1e-12)
    assert read_datasheet(RING, "ring").capacitors[-1].name == "cc[4|0]"


def test_a_ring_along_one_axis_only() -> None:
    grid = RING.replace("[5]", "[2, 3]")
    with pytest.raises(InputError, match="cc.ring: axis 0 has 2 cells, and a ring has at least 3"):
        read_datasheet(grid, "ring")
    sheet = read_datasheet(grid + "axis = 1\n", "ring")
    names = [c.name for c in sheet.capacitors]
    assert len(names) == 6 and {"cc[0,2|0,0]", "cc[1,2|1,0]"} < set(names)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('["a", "b"]\nshape', '["a", "x"]\nshape', "array.cell: no node 'x'"),
        ('["a", "b"]\nshape', "[]\nshape", "array.cell: "),
        ("[2, 3]", "[2, 0]", "array.shape.1: input should be greater than or equal to 1: 0"),
        ("[2, 3]", "[2.5]", "array.shape.0: input should be a valid integer"),
        ("[2, 3]", "[8000, 8000]", "array.shape: [8000, 8000] makes more than 65536 nodes"),
        ("[2, 3]", "[1, 1, 1, 1]", "array.shape: "),
        ('["a", "b"]\ncap', '["a", "rail"]\ncap', "cc.between: 'rail' is not in the cell"),
        ('capacitance = "0.25 pF"', "axis = 2", "cc.axis: 2, but array.shape has 2 axes"),
        ('capacitance = "0.25 pF"', "", "cc: give either resistance and temperature, or"),
        ('capacitance = "0.25 pF"', 'resistance = "1 ohm"', "cc: give either resistance and"),
        ('capacitance = "0.25 pF"', 'capacitence = "1 F"', "cc.capacitence: unknown key"),
        ('name = "cc"', 'name = "c0"', "c0: this name is taken twice"),
    ],
)
def test_array_refusals(old: str, new: str, says: str) -> None:
    text = CELL + COUPLING
    assert text.count(old) == 1
    with pytest.raises(InputError) as caught:
        read_datasheet(text.replace(old, new), "array")
    assert says in str(caught.value)


def test_overrides_reach_every_kind_of_entry() -> None:
    sheet = read_datasheet(
        CELL + COUPLING,
        "array",
        {
            "ra.resistance": {"value": "5 Mohm", "evidence": "measured"},
            "rab": {"temperature": "77 K", "source": True},  # as TOML nests a dotted key
            "c0.capacitance": "7 pF",
            "cc.capacitance": "9 pF",
            "array.shape": [1, 2],
            "limits.rail": "2 V",
            "cost": {"mac": "1 pJ"},
        },
    )
    quantities = {k: q.value for k, q in sheet.entries().items() if q is not None}
    assert quantities["ra[0,1].resistance"] == 5e6
    assert quantities["rab[0,0].temperature"] == 77.0
    assert sheet.resistors[2].source and not sheet.resistors[1].source
    assert quantities["c0[0,0].capacitance"] == 7e-12
    assert quantities["cc[0,0|0,1].capacitance"] == 9e-12
    assert quantities["limits.rail"] == 2.0 and quantities["cost.mac"] == 1e-12
    assert sheet.shape == (1, 2)
    assert sheet.overrides["rab.temperature"] == "77 K" and sheet.text == CELL + COUPLING


def test_overriding_leaves_the_parsed_file_alone() -> None:
    raw = tomllib.loads(CELL)
    assert apply_overrides(raw, {"ra.resistance": "5 ohm", "limits.rail": "1 V"}, "x") != raw
    assert raw == tomllib.loads(CELL)


def test_overrides_change_the_hash_and_drop_the_pedigree() -> None:
    plain = load_datasheet("rc1")
    same = load_datasheet("rc1", {"r0.temperature": "300 K"})
    assert same.content_hash == plain.content_hash
    assert same.resistors[0].temperature.evidence is None
    other = load_datasheet("rc1", {"r0.temperature": "301 K"})
    assert other.content_hash != plain.content_hash
    again = read_datasheet(other.text, other.name, other.overrides)
    assert again == other  # a stored run rebuilds its device from text and overrides


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("r1.resistance", "1 ohm", "override 'r1.resistance': no element 'r1'; known: n0, r0,"),
        ("r0.resistence", "1 ohm", "no entry 'resistence'; did you mean 'resistance'?"),
        ("r0", "1 ohm", "override 'r0': expected element and entry, such as"),
        ("r0.name", "r7", "no entry 'name'"),
        ("array.shape", [2], "no element 'array'"),
        ("limits.rial", "1 V", "no entry 'rial'; did you mean 'rail'?"),
        ("r0.resistance", "-2 Mohm", "r0.resistance: must be positive: '-2 Mohm'"),
        ("r0.resistance", "2", "r0.resistance: value without unit"),
        ("r0.between", ["n0", "n7"], "r0.between: no node 'n7'"),
    ],
)
def test_override_refusals(key: str, value: object, says: str) -> None:
    with pytest.raises(InputError) as caught:
        load_datasheet("rc1", {key: value})
    assert says in str(caught.value) and str(caught.value).startswith("rc1: ")
