"""SPICE netlists as datasheets: dialects, numbers, formulas, and the line of every mistake."""

import re
import warnings

import numpy as np
import pytest

import thermohw as th
from thermohw.circuit import build_device
from thermohw.datasheet import load_datasheet, parse_netlist
from thermohw.datasheet.netlist.numbers import doubtful, number
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
CELL = "t\nC1 a 0 1p\nR1 a 0 1k\n"


def read(cards: str, **more):
    return parse_netlist(f"t\n{cards}\n", "t", where="t.cir", **more)


@pytest.mark.parametrize(
    ("text", "value"),
    [("1k", 1e3), ("10p", 1e-11), ("10pF", 1e-11), ("1M", 1e-3), ("1meg", 1e6), ("1MEGohm", 1e6),
     ("2.5u", 2.5e-6), ("1F", 1e-15), ("1e-3k", 1.0), ("-.5n", -5e-10), ("3mil", 76.2e-6),
     ("1t", 1e12), ("1g", 1e9), ("7", 7.0), ("1ohm", 1.0), ("0.5p", 5e-13), ("10kOhm", 1e4),
     ("10V", 10.0), ("1uF", 1e-6), ("4k7", 4700.0), ("2R5", 2.5), ("R47", 0.47), ("4Meg7", 4.7e6),
     ("1u2", 1.2e-6)],
)  # fmt: skip
def test_suffixes(text, value):
    assert number(text) == pytest.approx(value, rel=1e-15)


def test_no_numbers():
    none = ("", "k", "1 k", "1..2", "x1", "{rv}", "2A", "1e", "k1", "+R1")
    assert [number(text) for text in none] == [None] * len(none)


def test_what_simulators_read_differently_is_said_or_refused():
    assert "2e-18 in ngspice and 2 in LTspice" in doubtful("2A")
    with pytest.raises(InputError, match=r"t\.cir, line 4: .*write 2 or 2e-18"):
        read("C1 a 0 1p\nR1 a 0 1k\nI1 0 a 2A")
    found = read("C1 a 0 1p\nR1 a 0 4k7")
    assert found.datasheet.resistors[0].resistance.value == 4700.0
    assert any("line 3: '4k7' is read as 4700" in note for note in found.notes)
    found = read("C1 a 0 1F\nC2 a 0 1\u00b5F\nR1 a 0 1k")
    assert found.notes == ("t.cir, line 2: '1F' is 1e-15 F: F is femto in every SPICE",)


OHMS = {
    "tabs": ("R1\ta\t0\t2k", 2e3),
    "blanks that do not break": ("R1\u00a0a\u00a00\u00a02k", 2e3),
    "the sign of the ohm": ("R1 a 0 2k\u03a9", 2e3),
    "a backslash continues": ("R1 a 0 \\\\\n2k", 2e3),
    "tc of two values": ("R1 a 0 1k tc=10m,1m temp=37", 1.2e3),
    "tc of formulas": ("R1 a 0 1k tc = {10m} {1m} temp=37", 1.2e3),
    "noiseless": ("R1 a 0 1k noiseless\nR2 a 0 2k", 2e3),
    "Xyce": (".global_param rv=2k\nR1 a 0 {rv*(1+temp/100)/1.27}", 2e3),
    "limit": ("R1 a 0 {limit(5k,1k,2k)}", 2e3),
    "table": ("R1 a 0 {table(1.5,0,0,1,1k,2,3k,9,0)}", 2e3),
    "table, beyond": ("R1 a 0 {table(12,0,0,1,2k)}", 2e3),
    "rounding": ("R1 a 0 {round(1999.6)+buf(1)-inv(0)+sign(2,-3)+2}", 2e3),
    "one &": (".param n=2\nR1 a 0 {if(n>1 & n<3, 2k, 1k)}", 2e3),
    "a model's length": (".model m r rsh=100 l=98u w=9u dw=.5u dlr=4u\nR1 a 0 m l=168u", 2e3),
    "PSpice": (".model Rb RES R=1 TC1=0 DEV=5% LOT=1%\nR_R1 a 0 Rb 2k", 2e3),
    "m of a copy": ("X1 a s m=2\n.subckt s p\nX1 p t m=0.5\n.ends\n.subckt t p\n"
                    "R1 p 0 4k m=2\n.ends", 2e3),
    "HSPICE's next deck": ("R1 a 0 2k\n.alter\nR1 a 0 1k\n.temp 90", 2e3),
    "rows of data": ("R1 a 0 2k\n.data d rv\n1k\n2k\n.enddata", 2e3),
    "PSpice's aliases": ("R1 a 0 2k\n.aliases\nR1 R1(1=a 2=0 )\n.endaliases\n.probe/csd", 2e3),
}  # fmt: skip


@pytest.mark.parametrize("kind", OHMS)
def test_ways_of_writing(kind):
    cards, ohm = OHMS[kind]
    (resistor,) = read(f"C1 a 0 1p\n{cards}").datasheet.resistors
    assert resistor.resistance.value == pytest.approx(ohm, rel=1e-12)
    assert re.fullmatch(r"(x1_)*r\d", resistor.name)  # and nothing of the card behind it


@pytest.mark.parametrize(
    ("cards", "note"),
    [
        ("R1 a 0 1k\nC2 a 0 1e-9F", "line 4: '1e-9F' is 1e-24 F: F is femto in every SPICE"),
        ("R1 a 0 1M", "line 3: '1M' is 0.001 ohm: M is milli in every SPICE"),
        (".param r={2^2}\nR1 a 0 {r}", "line 3: '^' is a power, as in ngspice; LTspice takes it"),
        ("R1 a 0 1k\n.alter\n.temp 90", ".alter and all below it (line 4)"),
        ("R1 a 0 1k\n.control\nrun\nC2 a 0 1", ".control without .endc, with all below it, (line"),
        ("R1 a 0 1k\n.lib tt\nC2 a 0 1\n.endl", ".lib tt: a section that nobody asks for"),
        ("R1 a 0 1k\nC2 a nc 1p", "line 4: 'c2' has an open end and carries no current"),
        ("R1 a 0 1k\nV1 b 0 SIN(0 1)\nR2 b a 1k", "SIN without a frequency"),
        ("X1 a s m=2\n.subckt s p\nR1 p 0 1k m=3\n.ends", "its m= and that of its copy multiply"),
        ("X1 a s m=2\n.subckt s p\nR1 p 0 1k\n.ends", "line 3: 'X1': 2 copies in parallel"),
        (
            "X1 a s m=2\n.subckt s p\nL1 p q 1u\nR1 q 0 1\nL2 p t 1u\nR2 t 0 1\nK1 L1 L2 .5\n.ends",
            "line 9: 'x1.k1' couples inductors with m=: k is that of what they are together",
        ),
        (".model m r dev=5%\nR1 a 0 m 1k", "line 3: dev= of a model (a tolerance) not used"),
        ("R1 a 0 1k\n.end\n* no\nC2 a 0 1\n\nR2 a 0 1", ".end and 2 lines below it, no part of"),
    ],
)
def test_notes(cards, note):
    found = read(f"C1 a 0 1p\n{cards}")
    assert any(note in one for one in found.notes), found.notes


@pytest.mark.parametrize("title", [".param r=1", "R1 a 0 {r}", "V1 a 0 DC 5", "C1 a 0 1n"])
def test_a_first_line_that_is_lost_is_said(title):
    found = parse_netlist(f"{title}\nC1 a 0 1p\nR1 a 0 1k\n", "t")
    assert "line 1 is the title" in found.notes[0]


def test_scripts_of_included_files_are_listed(tmp_path):
    (tmp_path / "more.inc").write_text(".control\nset temp=90\n.endc\nC1 a 0 1p\n")
    (tmp_path / "deck.cir").write_text("t\n.include more.inc\nR1 a 0 1k\n")
    assert ".control (line 1)" in th.read_netlist(tmp_path / "deck.cir").notes[0]


def test_entries_of_included_files_are_refused(tmp_path):
    (tmp_path / "more.inc").write_text('C1 a 0 1p\n*! parasitic = "1 pF"\n')
    (tmp_path / "deck.cir").write_text("t\n.include more.inc\nR1 a 0 1k\n")
    with pytest.raises(
        InputError, match=r"more.inc, line 2: '\*!' lines.*write them into the deck"
    ):
        th.read_netlist(tmp_path / "deck.cir")


def test_names_and_slashes_of_other_dialects(tmp_path):
    """PSpice's global nodes and its / before a sub-circuit, names that follow without a blank."""
    (tmp_path / "s.inc").write_text(".subckt s in out\nR1 in out 1k\nC1 out $G_VCC 1p\n.ends\n")
    for card in ('.include"s.inc"', ".inc's.inc'", '.lib"s.inc"'):
        (tmp_path / "deck.cir").write_text(
            f"t\n{card}\nX1 a b / s $ a remark\nC1 a 0 2p $no node\nR1 a 0 1k\nR2 $G_VCC 0 5k\n"
            "C2 $G_VCC 0 3p\n.ic v(x1:out)=1m\n"
        )
        found = th.read_netlist(tmp_path / "deck.cir")
        assert len(found.datasheet.nodes) == 3 and len(found.datasheet.capacitors) == 1
        assert found.start == {"b": 1e-3}


def test_a_port_inside_a_copy_inside_another_has_a_start():
    found = read(
        "X1 a b o\nC1 a 0 1p\nR1 a 0 1k\n.subckt s in out\nR1 in out 1k\nC1 out 0 1p\n.ends\n"
        ".subckt o in out\nX2 in out s\n.ends\n.ic v(x1.x2.out)=2 v(X1:in)=3"
    )
    assert found.start == {"a": 3.0, "b": 2.0}


def test_zero_bytes_and_large_circuits_are_refused():
    with pytest.raises(InputError, match="zero bytes, as UTF-16 without its mark"):
        parse_netlist("t\nR\0001\0 a 0 1k", "t")
    cards = "".join(f"R{i} n{i} 0 1k\nC{i} n{i} 0 1n\n" for i in range(15_000))
    with pytest.raises(InputError, match=r"its datasheet would have 4\.. MiB, at most 4 are read"):
        parse_netlist(f"t\n{cards}", "t")


def test_start_values_with_commas_and_quoted_sections(tmp_path):
    found = read("C1 a 0 1p\nR1 a b 1k\nC2 b 0 1p\nR2 b 0 1k\n.ic v(a)=1, v(b)={1+1} , v(0)=0")
    assert found.start == {"a": 1.0, "b": 2.0}
    (tmp_path / "c.lib").write_text(".lib tt\nC1 a 0 1p\n.endl\n")
    for name in ("c.lib 'tt'", "'c.lib' 'TT'", '"c.lib" tt'):
        (tmp_path / "deck.cir").write_text(f"t\n.lib {name}\nR1 a 0 1k\n")
        assert len(th.read_netlist(tmp_path / "deck.cir").datasheet.nodes) == 1


def test_waveforms_of_ngspice_and_ltspice():
    found = read("""C1 a 0 1p
R1 a 0 1k
I1 0 a 1m m=3
I2 0 a PWL(0 0 1u 1m 2u 0) r=1u td=3u
I3 0 a SINE(1 2 1k 1m 0 0 2)
X1 a s m=2
.subckt s p
I1 0 p 1m
.ends""")
    sources = found.sources
    assert sources["i1"].acts == {"a": 3.0} and sources["x1.i1"].acts == {"a": 2.0}
    times = np.array([2.0, 3.5, 4.0, 4.5, 5.25, 6.25]) * 1e-6  # from 4 us on it repeats itself
    assert sources["i2"].at(times) == pytest.approx(
        [0.0, 0.5e-3, 1e-3, 0.5e-3, 0.75e-3, 0.75e-3], abs=1e-12
    )
    expected = [1.0, 3.0, 3.0, 1.0, 1.0]
    times = [0.5e-3, 1.25e-3, 2.25e-3, 3.0e-3, 3.25e-3]
    assert sources["i3"].at(times) == pytest.approx(expected, abs=1e-9)


def test_names_of_xyce():
    found = read("""X1 a s
R9 a 0 1k
C9 a 0 1n
.subckt s p
C1 q 0 1n
R1 p q 1k
L1 p t 1u
R2 t 0 1
L2 q u 1u
R3 u 0 1
.ends
K1 X1:L1 X1:L2 0.5
.ic V(X1:q )=0.5 I(X1:L1)=1m""")
    assert found.start == {"x1_q": 0.5, "x1_l1": 1e-3} and len(found.datasheet.mutuals) == 1


def test_board():
    found = parse_netlist(BOARD, "board")
    sheet = found.datasheet
    assert [node.name for node in sheet.nodes] == ["n1", "b"]  # a number is no name: n1
    assert [node.capacitance.value for node in sheet.nodes] == pytest.approx(
        [1.5e-12, 2e-12], abs=0.0
    )
    r1, rb = sheet.resistors
    assert (r1.name, r1.between, r1.source) == ("r1", ("n1", "gnd"), True)
    assert r1.temperature.value == 350
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
    assert v1.inner and found.sources["iloss"].inner and not iin.inner
    assert iin.value == 1e-9 and iin.between == ("0", "1")
    assert v1.at([0.5e-6, 1.5e-6, 9e-6]) == pytest.approx([0.5e-3, 0.0, -1e-3], abs=1e-12)
    assert v1.acts == {"n1": 1e-6} and iin.acts == {"n1": 1.0}  # ampere per unit
    assert "iin" in sheet.description  # what the device leaves out is said
    below = ".end and 1 line below it, no part of the deck (line 24)"
    said = f"left to the simulator: .control (line 20), {below}, .tran (line 19)"
    assert found.notes[-1] == said
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
R2 a 0 1k tol=1% pwr=0.1
"""
    found = parse_netlist(text, "x")
    sheet = found.datasheet
    assert sheet.nodes[0].capacitance.tolerance == 0.01
    assert [r.resistance.tolerance for r in sheet.resistors] == [0.05, 0.01]
    assert sheet.resistors[0].temperature.tolerance == 0.002
    assert sheet.limits.rail and sheet.cost.adc
    assert sheet.limits.rail.value == 1.0 and sheet.cost.adc.evidence == "derived"
    assert "pwr= (ratings) not used" in found.notes[0]


def test_names_that_collide_stay_apart():
    sheet = parse_netlist("t\nC1 r1 0 1p\nR1 r1 0 1k\nR_limits r1 0 1k\n", "t").datasheet
    names = [sheet.nodes[0].name, *(r.name for r in sheet.resistors)]
    assert len(set(names)) == 3 and "limits" not in names


@pytest.mark.parametrize(
    ("data", "ohm", "farad"),
    [
        # LTspice on Windows: cp1252, CRLF, a star in the title, .backanno.
        (b"* C:\\x\\a.asc\r\nVin in 0 AC 1\r\nR1 in out {R1}\r\nC1 out 0 10\xb5\r\n"
         b".step param R1 list 1k 10k\r\n.backanno\r\n.end\r\n", 1e3, 1e-5),
        ("\ufefft\nV1 in 0 sin(0 1 1k)\nR1 in out 100 ; \u2126\nC1 out 0 10\u00b5F\n".encode(),
         100.0, 1e-5),
        ("t\nV1 in 0 1\nR1 in out 100\nC1 out 0 10\u03bc\n".encode("utf-16"), 100.0, 1e-5),
        # A KiCad export and an ngspice deck.
        (b".title KiCad schematic\nV1 /in 0 dc 1 ac 1\nR1 /in /out 4.7k\nC1 /out GND 100n\n.end\n",
         4700.0, 1e-7),
        (b"t\n.param r = 'a + 1k' a = {2*500}\nv1 in 0 dc 1 pulse(0 1 0 1n 1n 1u 2u)\n"
         b"r1 in out r='r' tc1=1m // said\n# no\nc1 out 0 c=1n m=2\n.options temp=47 tnom=27\n",
         2040.0, 2e-9),
        # ahkab.
        (b"t\nv1 in 0 type=vdc vdc=1 type=sin 0 1 60\nr1 in out 1k\nc1 out 0 1u ic=0\n.op\n",
         1e3, 1e-6),
    ],
    ids=["ltspice", "utf-8", "utf-16", "kicad", "ngspice", "ahkab"],
)  # fmt: skip
def test_dialects(tmp_path, data, ohm, farad):
    path = tmp_path / "deck.cir"
    path.write_bytes(data)
    found = th.read_netlist(path)
    (node,), (resistor,) = found.datasheet.nodes, found.datasheet.resistors
    assert node.capacitance.value == pytest.approx(farad, rel=1e-12, abs=0.0)
    assert resistor.resistance.value == pytest.approx(ohm, rel=1e-12) and resistor.source


def test_a_kicad_title_and_a_first_line_that_looks_like_a_card():
    found = parse_netlist(".title KiCad\nC1 a 0 1p\nR1 a 0 1k\n", "t")
    assert found.title == "KiCad"
    found = parse_netlist("R9 a 0 1k\nC1 a 0 1p\nR1 a 0 1k\n", "t")
    assert len(found.datasheet.resistors) == 1 and "line 1 is the title" in found.notes[0]


def test_temperatures():
    cards = """C1 a 0 1p
R1 a 0 1k
R2 a 0 1k temp=-73.15 dtemp=5
R3 a 0 1k dtemp=10 tc1=1m tc2=1e-5
.temp 50 70
.options temp=99 tnom=30 gmin=1e-15"""
    found = read(cards)
    kelvin = [r.temperature.value for r in found.datasheet.resistors]
    assert kelvin == pytest.approx([323.15, 200.0, 333.15])
    assert found.datasheet.resistors[2].resistance.value == pytest.approx(1e3 * 1.039)
    told = " ".join(found.notes)
    assert "first of 2 temperatures" in told and "dtemp= does not count" in told
    assert "options gmin" in told


def test_files(tmp_path):
    path = tmp_path / "board.cir"
    path.write_text(BOARD)
    assert th.read_netlist(path).datasheet.name == "board"
    with pytest.warns(UserWarning, match="left to the simulator"):
        device = th.load_device(path, {"rb.resistance": "4 kohm"})
    assert device.datasheet.resistors[1].resistance.value == 4000.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert load_datasheet(str(path)).content() == th.read_netlist(path).datasheet.content()
    with pytest.raises(InputError, match=r"nowhere\.cir.*cannot be read"):
        th.load_device(tmp_path / "nowhere.cir")


@pytest.mark.parametrize(
    ("card", "says"),
    [
        ("D1 a 0 dio", "this kind of card is not understood"),
        ("X1 a cell", "no sub-circuit 'cell'"),
        (".fancy 1", "'.fancy': this card is not understood"),
        (".include more.cir", "a text without a file includes none"),
        ("R2 a 0 {missing}", "'{missing}' is not a number"),
        ("R2 a 0 {1/0}", "divides by zero"),
        ("R2 a 0 {1 +}", "ends too early"),
        ("R2 a 0 {agauss(1k,1,3)}", "is random, and a board is not"),
        ("R2 a 0 {v(a)*1k}", "there is no function 'v'"),
        ("R2 a 0", "two nodes and a value are needed"),
        ("R2 a 0 -1k", "must be positive; a negative resistance would need an active element"),
        ("L2 a 0 0", "must be positive"),
        ("R1 a 0 1k", "this name is taken twice"),
        ("C2 b c 1p", "node 'b' between c2 has no capacitor to ground"),
        ("R2 a 0 '1k", "a quote or a brace is not closed"),
        ("R2 a 0 1k fc=1", "'fc=1' is not understood"),
        ("R2 a 0 1k 2k", "'2k' is not understood"),
        ("R2 a 0 1k ac=2k", "has two values, 1000 and ac=2k"),
        ("R2 a 0 1k temp=-300", "below absolute zero"),
        ("V2 a 0 1\nV3 a 0 2", "closes a loop of voltage sources"),
        ("I2 a 0 PWL(0 1 0 2)", "PWL needs pairs of a time and a value, in order"),
        ("I2 a 0 PWL(0 1 2)", "PWL needs pairs"),
        ("I2 a 0 SIN(0)", "SIN needs vo, va, freq"),
        ("I2 a 0 1 2", "'2' is not understood"),
        ("I2 a 0 1 depth=2", "'depth=' of a source is not understood"),
        ("K1 L1 L2 0.5", "no inductor 'l1'"),
        ("K1 L1 L2 1.5", "couplings lie between -1 and 1"),
        ("K1 L1 L2 1", "what leaks between two coils has energy of its own; write it, 0.999"),
        ("R2 a 0 2x", "'2x' is 2e6 in HSPICE and Xyce and 2 in ngspice; write 2meg or 2"),
        ("R2 a 0 R=1k*(1+0.01*(temp-27))", "write R={1k*(1+0.01*(temp-27))}"),
        ("C2 a 0 Q=1n*x", "write Q={1n*x}"),
        ("R2 a ground 1k", "node 'ground' is ground in HSPICE and any node in ngspice: write 0"),
        ("V2 gnd! 0 1", "node 'gnd!' is ground in HSPICE"),
        ("I2 a 0 R=1k", "'r=' of a source is not understood"),
        ("I2 a 0 PWL(0 0 1 1) r=0.5", "it repeats from one of its times before the last"),
        ("I2 a 0 SIN(0 1 1k 0 0 90 2)", "begin with a phase: leave them out"),
        ("V2 b 0 1 m=2", "m= of a voltage source says nothing"),
        ("X1 a s m=2\n.subckt s p params: m=1\nR9 p 0 1\n.ends", "in Xyce and is a parameter of"),
        ("X1 a s m=0\n.subckt s p\nR9 p 0 1\n.ends", "m = 0 must be positive"),
        ("I2 x 0 1m", "'i2' drives node 'x', from which no current can leave"),
        (".options cshunt=1p", "cshunt= adds an element at every node; write them out"),
        (".temp", "'.temp' needs a temperature"),
        (".if (temper > 50)\n.endif", "there is no parameter 'temper'"),
        (".ic w(a)=1", "expected v(node)=value"),
        (".ic v(nowhere)=1", "no node 'nowhere' in the deck"),
        (".param temp=50", "write .temp"),
        (".param x", "needs name=value"),
        (".if (1)", "'.if' without .endif"),
        (".ends", "none is open"),
        (".subckt s a", "has no .ends"),
        (".model m r r=1k kf=1\nR2 a 0 m", "flicker noise"),
        (".model m r r=2\nR2 a 0 1k m", "a factor in PSpice and Xyce, not used beside a value"),
        (".options scale=2", "not understood"),
    ],
)
def test_mistakes_name_the_line(card, says):
    with pytest.raises(InputError) as caught:
        parse_netlist(f"{CELL}{card}\n", "t", where="t.cir")
    line = 5 if "\nR2" in card or "\nV3" in card else 4
    assert f"t.cir, line {line}: " in str(caught.value).replace("line 4: kf", "line 5: kf")
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_the_first_line_of_a_continued_card_counts():
    with pytest.raises(InputError, match="line 3: 'Q1'"):
        parse_netlist("t\nC1 a 0 1p\nQ1 a\n* between\n+ b c\n", "t")
    with pytest.raises(InputError, match="line 2.*none above"):
        parse_netlist("t\n+ 1 2\n", "t")


@pytest.mark.parametrize(
    ("cards", "says"),
    [
        ("C1 a 0 1p\nC2 b 0 1p\nR1 a 0 1k", "joins this node to gnd"),
        ("C1 a 0 1p", "resistor"),
        ("C1 a 0 1p\nR1 a 0 1k\nL1 a 0 1u\nL2 a 0 1u", "closes a loop of inductors"),
        ("R1 a 0 1k", r"line 2: no node of this deck has a state.*parasitic = \"10 fF\""),
        ("V1 a 0 1\nR1 a 0 1k", "sources hold them all.*source_resistance = .50 ohm"),
        ("V1 a 0 1", "sources alone"),
        ("", "no R, C or L card"),
    ],
)
def test_circuits_without_an_equilibrium_are_refused(cards, says):
    with pytest.raises(InputError, match=says):
        build_device(read(cards).datasheet)


def test_netlists_of_qucs_are_named():
    with pytest.raises(InputError, match="a netlist of Qucs itself: save it as a SPICE netlist"):
        parse_netlist('# Qucs 0.0.19  /x.sch\nR:R1 a gnd R="50 Ohm"\n', "t")


def test_contradicting_couplings_are_refused():
    text = "t\nC1 a 0 1p\nR1 a 0 1k\n"
    text += "".join(f"L{i} a x{i} 1u\nR_{i} x{i} 0 1\n" for i in range(3))
    text += "K1 L0 L1 0.9\nK2 L1 L2 0.9\nK3 L0 L2 -0.9\n"
    with pytest.raises(InputError, match="not positive definite"):
        build_device(parse_netlist(text, "t").datasheet)


def test_start_values_that_cannot_count_are_said():
    found = read("""C1 a 0 1p ic=1
C2 a b 1p ic=0.25
C3 c d 1p ic=5
Cc c 0 1p
Cd d 0 1p
V1 h 0 2
Rh h a 1k
R1 a 0 1k
R2 b 0 1k
R3 c 0 1k
R4 d 0 1k
.ic v(h)=3""")
    assert found.start == {"a": 1.0, "b": 0.75}
    told = " ".join(found.notes)
    assert "'c3': its ic= fixes a difference only" in told and "node 'h' has no state" in told
