"""SPICE netlists as datasheets: what hangs together, numbers, and the line of every mistake."""

import numpy as np
import pytest

import thermohw as th
from thermohw.circuit import build_device
from thermohw.datasheet import load_datasheet, parse_netlist
from thermohw.datasheet.netlist_cards import number
from thermohw.errors import InputError

BOARD = """two nodes, everything a board has
.param rv=1meg cv=1p
.temp 27
C1 1 0 {cv} ic=1m      ; tolerance=0.01
C2 1 0 0.5p
Cb b gnd 2pF
Cab 1 b 500f
R1 1 in {rv} temp=76.85
V1 in 0 PWL(0 0 1u 1m
+ 2u -1m)              $ its controlled source
Rb b 0 2k
L1 1 x 10u ic=2u
R_loss x b 3 temp=26.85
Iloss x b 0
L2 b 0 40u
K12 L1 L2 -0.25
Iin 0 1 DC 1n
.ic v(b)=-2m
.tran 1n 1u
.control
run
this is not read
.endc
.end
neither is this
"""


@pytest.mark.parametrize(
    ("text", "value"),
    [("1k", 1e3), ("10p", 1e-11), ("10pF", 1e-11), ("1M", 1e-3), ("1meg", 1e6), ("1MEGohm", 1e6),
     ("2.5u", 2.5e-6), ("1F", 1e-15), ("1e-3k", 1.0), ("-.5n", -5e-10), ("3mil", 76.2e-6),
     ("1t", 1e12), ("1g", 1e9), ("7", 7.0), ("1ohm", 1.0), ("0.5p", 5e-13)],
)  # fmt: skip
def test_suffixes(text, value):
    assert number(text) == pytest.approx(value, rel=1e-15)


def test_no_numbers():
    assert [number(text) for text in ("", "k", "1 k", "1..2", "x1", "{rv}")] == [None] * 6


def test_board():
    found = parse_netlist(BOARD, "board")
    sheet = found.datasheet
    assert [node.name for node in sheet.nodes] == ["n1", "b"]  # a number is no name: n1
    assert [node.capacitance.value for node in sheet.nodes] == pytest.approx([1.5e-12, 2e-12])
    r1, rb = sheet.resistors
    assert (r1.name, r1.between, r1.source, r1.temperature.value) == (
        "r1",
        ("n1", "gnd"),
        True,
        350,
    )
    assert (rb.name, rb.between, rb.source) == ("rb", ("b", "gnd"), False)
    assert rb.temperature.value == 300.15 and rb.resistance.value == 2000.0
    l1, l2 = sheet.inductors
    assert l1.series_resistance and l1.temperature
    assert l1.between == ("n1", "b") and l1.series_resistance.value == 3.0 and l1.source
    assert l1.temperature.value == 300.0 and l2.series_resistance is None
    assert sheet.mutuals[0].between == ("l1", "l2") and sheet.mutuals[0].k.value == -0.25
    assert sheet.capacitors[0].between == ("n1", "b")
    assert found.start == {"n1": 1e-3, "l1": 2e-6, "b": -2e-3}
    v1, iin = found.sources["v1"], found.sources["iin"]
    assert v1.inner and not iin.inner and iin.value == 1e-9 and iin.between == ("0", "1")
    assert v1.at([0.5e-6, 1.5e-6, 9e-6]) == pytest.approx([0.5e-3, 0.0, -1e-3], abs=1e-12)
    assert "iin" in sheet.description  # what the device leaves out is said
    assert "board, lines 4, 5" in found.toml and "board, line 16" in found.toml
    assert sheet.nodes[0].capacitance.tolerance is None


def test_matrices_of_a_board():
    # Maxwell matrix and Kirchhoff's laws by hand, not by our own assembly.
    device = build_device(parse_netlist(BOARD, "board").datasheet)
    scale = device.scale
    inverse = np.linalg.inv(np.array([[2.0, -0.5], [-0.5, 2.5]]) * 1e-12)
    assert device.hessian[:2, :2] / scale.capacitance == pytest.approx(inverse, rel=1e-12)
    mutual = -0.25 * np.sqrt(10e-6 * 40e-6)
    inverse = np.linalg.inv(np.array([[10e-6, mutual], [mutual, 40e-6]]))
    assert device.hessian[2:, 2:] / scale.inductance == pytest.approx(inverse, rel=1e-12)


def test_tolerance_behind_a_card_and_datasheet_lines():
    text = """x
*! [limits]
*! rail = "1 V"
*! [cost]
*! adc = { value = "0.3 pJ", evidence = "derived" }
C1 a 0 1p ; tolerance=0.01 as the vendor says
R1 a 0 1k ; tolerance=0.05 temperature_tolerance=0.002
"""
    sheet = parse_netlist(text, "x").datasheet
    assert sheet.nodes[0].capacitance.tolerance == 0.01
    assert sheet.resistors[0].resistance.tolerance == 0.05
    assert sheet.resistors[0].temperature.tolerance == 0.002
    assert sheet.limits.rail and sheet.cost.adc
    assert sheet.limits.rail.value == 1.0 and sheet.cost.adc.evidence == "derived"


def test_names_that_collide_stay_apart():
    sheet = parse_netlist("t\nC1 r1 0 1p\nR1 r1 0 1k\nR_limits r1 0 1k\n", "t").datasheet
    names = [sheet.nodes[0].name, *(r.name for r in sheet.resistors)]
    assert len(set(names)) == 3 and "limits" not in names


def test_files(tmp_path):
    path = tmp_path / "board.cir"
    path.write_text(BOARD)
    assert th.read_netlist(path).datasheet.name == "board"
    device = th.load_device(path, {"rb.resistance": "4 kohm"})
    assert device.datasheet.resistors[1].resistance.value == 4000.0
    assert load_datasheet(str(path)).content() == th.read_netlist(path).datasheet.content()
    with pytest.raises(InputError, match=r"nowhere\.cir.*cannot be read"):
        th.load_device(tmp_path / "nowhere.cir")


@pytest.mark.parametrize(
    ("card", "line", "says"),
    [
        ("D1 a 0 dio", 4, "this kind of card is not understood"),
        ("X1 a cell", 4, "not understood"),
        (".model dio d", 4, "'.model': this card is not understood"),
        (".include more.cir", 4, "not understood"),
        ("R2 a 0 {missing}", 4, "'{missing}' is not a number"),
        ("R2 a 0", 4, "two nodes and a value are needed"),
        ("R2 a 0 -1k", 4, "must be positive; a negative resistance would need an active element"),
        ("C2 a 0 0", 4, "must be positive"),
        ("R2 a a 1k", 4, "joins 'a' to itself"),
        ("R1 a 0 1k", 4, "this name is taken twice"),
        ("R2 a b 1k", 4, "node 'b' has no capacitor to ground"),
        ("C2 b c 1p", 4, "node 'b' has no capacitor to ground"),
        ("R2 a 0 1k tc=1", 4, "'tc=1' is not understood"),
        ("V2 a 0 1", 4, "a voltage source must be in series"),
        ("I2 a 0 SIN(0 1 1k)", 4, "a constant or a PWL is understood"),
        ("I2 a 0 PWL(0 1 0 2)", 4, "PWL needs pairs of a time and a value, in order"),
        ("I2 a 0 PWL(0 1 2)", 4, "PWL needs pairs"),
        ("K1 L1 L2 0.5", 4, "no inductor 'l1'"),
        ("K1 L1 L2 1.5", 4, "couplings lie between -1 and 1"),
        (".ic w(a)=1", 4, "expected v(node)=value"),
    ],
)
def test_mistakes_name_the_line(card, line, says):
    with pytest.raises(InputError) as caught:
        parse_netlist(f"t\nC1 a 0 1p\nR1 a 0 1k\n{card}\n", "t", where="t.cir")
    assert f"t.cir, line {line}: " in str(caught.value) and says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_first_line_of_a_continued_card_counts():
    with pytest.raises(InputError, match="line 3: 'Q1'"):
        parse_netlist("t\nC1 a 0 1p\nQ1 a\n+ b c\n", "t")
    with pytest.raises(InputError, match="line 2.*none above"):
        parse_netlist("t\n+ 1 2\n", "t")


@pytest.mark.parametrize(
    ("cards", "says"),
    [
        ("C1 a 0 1p\nC2 b 0 1p\nR1 a 0 1k", "joins this node to gnd"),
        ("C1 a 0 1p", "resistor"),
        ("C1 a 0 1p\nR1 a 0 1k\nL1 a 0 1u\nL2 a 0 1u", "closes a loop of inductors"),
        ("R1 a 0 1k", "no capacitor to ground"),
        ("", "node"),
    ],
)
def test_circuits_without_an_equilibrium_are_refused(cards, says):
    with pytest.raises(InputError, match=says):
        build_device(parse_netlist(f"t\n{cards}\n", "t", where="t.cir").datasheet)


def test_contradicting_couplings_are_refused():
    text = "t\nC1 a 0 1p\nR1 a 0 1k\n"
    text += "".join(f"L{i} a x{i} 1u\nR_{i} x{i} 0 1\n" for i in range(3))
    text += "K1 L0 L1 0.9\nK2 L1 L2 0.9\nK3 L0 L2 -0.9\n"
    with pytest.raises(InputError, match="not positive definite"):
        build_device(parse_netlist(text, "t").datasheet)
