"""What a netlist's structure becomes: sub-circuits, includes, sources, nodes without a state."""

import os
import time

import numpy as np
import pytest
from pace import pieces

import thermohw as th
from thermohw.circuit import build_device
from thermohw.circuit.active_law import ActiveLaw
from thermohw.datasheet import parse_netlist, read_netlist
from thermohw.errors import InputError
from thermohw.spice import make_netlist
from thermohw.units import K_B

KT = K_B * 300.15


def read(cards: str, **more):
    return parse_netlist(f"t\n{cards}\n", "t", where="t.cir", **more)


def covariance(found) -> dict:
    """Steady <v v> and <i i>, SI."""
    device = build_device(found.datasheet)
    size = device.effort_scale
    matrix = device.effort_covariance * np.outer(size, size)
    return {n: dict(zip(device.coordinates, row, strict=True))
            for n, row in zip(device.coordinates, matrix, strict=True)}  # fmt: skip


def test_sub_circuits_parameters_and_scopes():
    found = read("""X1 in out outer r=2k
X2 out2 in inner params: c=3p
Rin in 0 {double(rr)}
.global vdd
Vdd vdd 0 1
.subckt outer a b r=1k
.param half={r/2}
X9 a b inner r={half} c='twice(1p)'
.func twice(x) {2*x}
C1 a 0 1p
.ends
.subckt inner a b r=7k c=1p
R1 a n {r}
R2 n b r
C1 n 0 {c}
R3 n vdd 1meg
Cb b 0 1p
.ends outer
.param rr=k+1k k=1k
.func double(x)={2*x}
.if (rr > 1.5k)
C2 out2 0 5p
.else
C2 out2 0 50p
.endif
Rout out 0 1k
Rout2 out2 0 1k""")
    values = {r.name: r.resistance.value for r in found.datasheet.resistors}
    assert values["x1_x9_r1"] == values["x1_x9_r2"] == 1e3
    assert values["x2_r1"] == 7e3 and values["rin"] == 4e3
    farads = {n.name: n.capacitance.value for n in found.datasheet.nodes}
    assert farads["x1_x9_n"] == 2e-12 and farads["x2_n"] == 3e-12 and farads["out2"] == 5e-12
    assert farads["out"] == 1e-12 and farads["in"] == 2e-12
    r3 = next(r for r in found.datasheet.resistors if r.name == "x2_r3")
    assert r3.source and r3.between == ("x2_n", "gnd")  # vdd is one node, held by a source
    assert found.places["x1.x9.n"] == ("x1_x9_n", {})


def test_what_lies_beside_the_deck_is_included_and_nothing_else(tmp_path):
    inner = tmp_path / "deck" / "parts"
    inner.mkdir(parents=True)
    (tmp_path / "secret.inc").write_text("R9 a 0 1k\n")
    (inner / "a.inc").write_text("R1 a 0 1k\n.include b.inc\n")
    (inner / "b.inc").write_text("R2 a 0 2k\n")
    (tmp_path / "deck" / "some.lib").write_text(
        ".lib TT\nR3 a 0 3k\n.endl\n.lib FF\nR3 a 0 9k\n.endl\n"
    )
    deck = tmp_path / "deck" / "deck.cir"
    head = "t\nC1 a 0 1p\n"
    deck.write_text(head + '.include "parts/a.inc"\n.lib some.lib tt\n')
    values = [r.resistance.value for r in read_netlist(deck).datasheet.resistors]
    assert values == [1e3, 2e3, 3e3]
    (inner / "link.inc").symlink_to(tmp_path / "secret.inc")
    (inner / "loop.inc").write_text(".include loop.inc\n")
    (inner / "bad.inc").write_text("R1 a 0 1k\nQ1 a b c\n")
    os.mkfifo(inner / "pipe.inc")
    for name, says in {
        "../secret.inc": "only files beside the deck", str(tmp_path / "secret.inc"): "only files",
        "parts/link.inc": "a link out", "parts/loop.inc": "levels deep", "parts": "is a folder",
        "C:\\parts\\a.inc": "only files beside", "none.inc": "is not beside the deck",
        "parts/pipe.inc": "a device or a pipe", "~/x.inc": "only files beside",
    }.items():  # fmt: skip
        deck.write_text(f"{head}R1 a 0 1k\n.include {name}\n")
        with pytest.raises(InputError, match=says) as caught:
            read_netlist(deck)
        assert ", line " in str(caught.value)
    deck.write_text(head + ".include parts/bad.inc\n")
    with pytest.raises(InputError, match=r"parts/bad.inc, line 2: 'Q1'"):
        read_netlist(deck)


def test_resistive_nodes_are_taken_out_exactly():
    # A bridge with two inner nodes: against the same with capacitors a million times smaller.
    cards = """C1 a 0 1p
C2 b 0 2p
R1 a x 1k
R2 x y 2k
R3 y b 3k
R4 x 0 4k
R5 y in 5k
R6 x b 6k
V1 in 0 1
I1 0 x 1m"""
    found = read(cards)
    assert [n.name for n in found.datasheet.nodes] == ["a", "b"]
    small = read(cards + "\nCx x 0 1e-18\nCy y 0 1e-18")
    ours, theirs = covariance(found), covariance(small)
    for one in "ab":
        for other in "ab":
            assert ours[one][other] == pytest.approx(theirs[one][other], rel=1e-5, abs=1e-14)
    devices = [build_device(f.datasheet) for f in (found, small)]
    rates = [np.sort(np.real(device.rates / device.scale.time)) for device in devices]
    assert rates[0] == pytest.approx(rates[1][:2], rel=1e-4)
    # Kirchhoff by hand for the drive of a source and of a current.
    g = np.array([[1 + 0.5 + 0.25 + 1 / 6, -0.5], [-0.5, 0.5 + 1 / 3 + 0.2]]) * 1e-3
    to = -np.array([[1e-3, 1e-3 / 6], [0, 1e-3 / 3]])
    wanted = -to.T @ np.linalg.solve(g, [1e-3 * 0, 0.2e-3])
    assert [found.sources["v1"].acts[n] for n in "ab"] == pytest.approx(wanted)
    wanted = -to.T @ np.linalg.solve(g, [1.0, 0.0])
    assert [found.sources["i1"].acts[n] for n in "ab"] == pytest.approx(wanted)


def test_a_resistive_node_of_two_temperatures_needs_a_capacitance():
    cards = "C1 a 0 1p\nR1 a x 1k\nR2 x 0 1k temp=100"
    with pytest.raises(InputError, match=r"t.cir, line 4: 'r2'.*exchange of heat.*C_x x 0 10f"):
        read(cards)
    found = read(cards, parasitic="10 fF")
    assert [n.name for n in found.datasheet.nodes] == ["a", "x"]
    assert found.datasheet.nodes[1].capacitance.evidence == "placeholder"
    same = parse_netlist(f't\n*! parasitic = "10 fF"\n{cards}\n', "t")
    assert same.datasheet.content() == found.datasheet.content()
    assert parse_netlist(f"t\n{cards}\n", "t", {"parasitic": "10 fF"}).datasheet.content() == (
        found.datasheet.content()
    )


def test_ideal_sources_get_a_resistance_on_request():
    cards = "V1 a 0 2\nR1 a 0 1k"
    with pytest.raises(InputError, match="sources hold them all"):
        read(cards, parasitic="1 pF")
    found = read(f'*! source_resistance = "50 ohm"\n{cards}', parasitic="1 pF")
    values = {r.name: (r.resistance.value, r.source) for r in found.datasheet.resistors}
    assert values == {"r1": (1e3, False), "v1_source": (50.0, True)}
    assert found.datasheet.resistors[1].resistance.evidence == "placeholder"
    with pytest.raises(InputError, match="parasitic: .*positive"):
        read(cards, parasitic=-1.0)


def test_a_resistor_without_noise_is_a_transconductor():
    found = read("C1 a 0 1p\nR1 a 0 1k\nR2 a in 3k noisy=0\nV1 in 0 2")
    (active,) = found.datasheet.transconductors
    assert "line 4: 'r2' has no noise, hence no bath" in found.notes[0]
    assert active.conductance.value == pytest.approx(1 / 3e3)
    assert [bath for bath in found.datasheet.baths] == ["r1"]
    device = build_device(found.datasheet)
    law = ActiveLaw(device)  # pyright: ignore[reportArgumentType]
    variance = law.effort_covariance[0, 0] * device.scale.voltage**2
    assert variance == pytest.approx(0.75 * KT / 1e-12, rel=1e-9)
    assert found.sources["v1"].acts == {"a": pytest.approx(1 / 3e3)}
    with pytest.raises(InputError, match="different noise"):
        read("C1 a 0 1p\nR1 a x 1k\nR2 x 0 3k noise=0")


def test_coupling_capacitors_alone_hold_a_node():
    found = read("C1 a b 1p\nC2 b 0 2p\nR1 a 0 1k\nR2 b 0 2k")
    assert [(n.name, n.capacitance.value) for n in found.datasheet.nodes] == [
        ("b", 2e-12),
        ("a", 0),
    ]
    table = covariance(found)
    inverse = np.linalg.inv(np.array([[1.0, -1.0], [-1.0, 3.0]]) * 1e-12)
    assert table["a"]["a"] == pytest.approx(KT * inverse[0, 0])
    assert table["a"]["b"] == pytest.approx(KT * inverse[0, 1])
    again = parse_netlist(make_netlist(build_device(found.datasheet)), "t")
    assert again.datasheet.content() == found.datasheet.content()


def test_chains_of_elements_in_series():
    # V - L - C - R: the capacitor floats, its voltage and the current are the states.
    found = read("V1 1 0 1\nL1 1 2 1u\nC1 2 3 1n ic=0.5\nR1 3 0 10")
    assert found.meaning == {"c1": {"2": 1.0, "3": -1.0}} or found.meaning["c1"] == {
        "3": 1,
        "2": -1,
    }
    table = covariance(found)
    assert table["c1"]["c1"] == pytest.approx(KT / 1e-9)
    assert table["l1"]["l1"] == pytest.approx(KT / 1e-6)
    sign = found.meaning["c1"]["2"]
    assert found.start == {"c1": 0.5 * sign}
    # Inductors in series with coupling, and to a third.
    found = read("""C1 a 0 1n
L1 a x 1u
L2 y x 4u
R1 y b 5
C2 b 0 1n
R2 b 0 1k
L3 b 0 9u
K1 L1 L2 0.5
K2 L2 L3 0.25""")
    whole, other = found.datasheet.inductors
    # L2 runs against L1: M12 = 0.5 sqrt(4) counts negative.
    assert whole.inductance.value == pytest.approx(5e-6 - 2e-6)
    assert (
        whole.series_resistance
        and whole.series_resistance.value == 5.0
        and whole.between == ("a", "b")
    )
    (mutual,) = found.datasheet.mutuals
    assert mutual.k.value == pytest.approx(-0.25 * 6 / np.sqrt(3 * 9))
    # Closed loops of an inductor and a resistor have currents and no node.
    found = read("V1 in 0 1\nR1 in x 10\nL1 x 0 1m\nL2 y 0 1m\nR2 y 0 50\nK1 L1 L2 0.5")
    assert not found.datasheet.nodes
    assert covariance(found)["l1"]["l2"] == pytest.approx(-KT / 1e-3 * 0.5 / 0.75)


def test_what_cannot_be_joined_exactly_says_the_remedy():
    cards = "C1 a 0 1p\nR0 a 0 1k\nL1 a x 1u\nR1 x 0 1k\nR2 x b 1k\nC2 b 0 1p"
    with pytest.raises(InputError, match=r"line 5: node 'x' between r1, r2, l1.*C_x x 0 10f"):
        read(cards)
    assert len(read(cards, parasitic=1e-15).datasheet.nodes) == 3
    cards = "C1 a 0 1p\nR1 a 0 1k\nL1 a b 1u\nI1 0 b 1"
    with pytest.raises(InputError, match="forces the current of inductor 'l1'.*rpar=1meg"):
        read(cards)


def test_parasitics_of_a_card_are_real_elements():
    found = read(
        "C1 a 0 1p rser=2 cpar=3p\nL1 a 0 1u rser=5 rpar=1k\nV1 in 0 1 rser=50\nR1 in a 50"
    )
    sheet = found.datasheet
    coil = sheet.inductors[0]
    assert coil.series_resistance and coil.series_resistance.value == 5.0
    values = {r.name: (r.resistance.value, r.between) for r in sheet.resistors}
    assert values["l1_rpar"] == (1e3, ("a", "gnd"))
    assert values["v1_rser_r1"][0] == pytest.approx(100.0) or values["r1_v1_rser"][0] == 100.0
    assert {n.name: n.capacitance.value for n in sheet.nodes} == {"a": 3e-12, "c1_rser": 1e-12}


def test_waveforms():
    found = read("""C1 a 0 1p
R1 a 0 1k
I1 0 a dc 3 sin(1 2 1k 1u 100 90)
I2 0 a pulse(0 1 1u 1u 2u 3u 10u 2)
I3 0 a exp(1 2 1u 2u 5u 3u)
I4 0 a sffm(1 2 10k 5 1k)
I5 0 a am(2 3 1k 10k 1u)
I6 0 a PWL(0 0 1u {2*x} +1u 1m) ac 1
.param x=1
I7 0 a
I8 0 a trnoise(1 1n 0 0)""")
    t = np.array([0.0, 0.5e-6, 1.5e-6, 3.3e-6, 7.9e-6, 11.5e-6, 13e-6, 21.5e-6, 1e-3])
    s, late = np.maximum(t - 1e-6, 0), np.maximum(t - 5e-6, 0)
    at = {name: source.at(t) for name, source in found.sources.items()}
    assert at["i1"] == pytest.approx(1 + 2 * np.exp(-100 * s) * np.cos(2e3 * np.pi * s))
    assert at["i2"] == pytest.approx([0, 0, 0.5, 1, 0, 0.5, 1, 0, 0])
    wanted = 1 + (1 - np.exp(-s / 2e-6)) - (1 - np.exp(-late / 3e-6))
    assert at["i3"] == pytest.approx(wanted)
    wanted = 1 + 2 * np.sin(2e4 * np.pi * t + 5 * np.sin(2e3 * np.pi * t))
    assert at["i4"] == pytest.approx(wanted)
    assert at["i5"] == pytest.approx(2 * (3 + np.sin(2e3 * np.pi * s)) * np.sin(2e4 * np.pi * s))
    assert at["i6"][:3] == pytest.approx([0, 1, 2 - 0.5 * 1.999])
    assert found.sources["i1"].value == 3.0 and found.sources["i3"].value == 1.0
    assert at["i7"].tolist() == [0.0] * 9 and at["i8"].tolist() == [0.0] * 9
    told = " ".join(found.notes)
    assert "'i1' (sin) is kept beside the circuit" in told and "TRNOISE" in told


def test_an_ammeter_and_a_floating_source_are_no_nodes():
    found = read("C1 a 0 1p\nV1 a b 0\nR1 b c 1k\nV2 c d 2\nR2 d 0 1k\nC2 e 0 1p\nV3 e a 1")
    assert [n.name for n in found.datasheet.nodes] == ["a"]
    assert found.datasheet.nodes[0].capacitance.value == 2e-12
    assert found.places["b"] == ("a", {"v1": -1.0})
    assert found.places["e"] == ("a", {"v3": 1.0})
    assert found.datasheet.resistors[0].resistance.value == 2e3


HOSTILE = {
    "recursion": ".subckt s a\nX1 a s\n.ends\nX1 a s\n",
    "copies": "".join(f".subckt s{i} a\nX1 a s{i + 1}\nX2 a s{i + 1}\n.ends\n" for i in range(30))
    + ".subckt s30 a\nR1 a 0 1\n.ends\nX1 a s0\n",
    "brackets": "R1 a 0 {" + "(" * 4000 + "1" + ")" * 4000 + "}\n",
    "signs": "R1 a 0 {" + "-" * 60_000 + "1}\n",
    "tower": "R1 a 0 {9**9**9**9}\n",
    "parameters": "".join(f".param p{i}={{p{i + 1}+p{i + 1}}}\n" for i in range(5000))
    + "R1 a 0 {p0}\n",
    "functions": "".join(f".func f{i}(x)={{f{i + 1}(x)+f{i + 1}(x)}}\n" for i in range(40))
    + "R1 a 0 {f0(1)}\n",
    "itself": ".param a={b} b={a}\nR1 a 0 {a}\n",
    "lines": "R1 a 0 1\n" * 1_500_000,
    "names": "".join(f"R{i} a 0 1k\n" for i in range(120_000)),
    "one line": "R1 a 0 " + "1 " * 8_000_000 + "\n",
    "waveform": "I1 0 a PWL(" + "1n 1 " * 1_000_000 + ")\n",
    "digits": "R1 a 0 " + "9" * 100_000 + "\n",
    "mesh": "C1 a 0 1p\n" + "".join(f"R{i} n{i} n{i + 1} 1\nRg{i} n{i} 0 1\n" for i in range(3000))
    + "Rx n0 a 1\n",
    "sources": "C1 n0 0 1p\n" + "".join(f"V{i} n{i} n{i + 1} 1\n" for i in range(30_000)),
    "islands": "".join(f"R{i} a{i} 0 1\nS{i} a{i} 0 1\n".replace("S", "Rx") for i in range(8_000)),
    "one key": ".param " + "a" * 60_000 + "\nC1 a 0 1p\n",
    "remarks": "C1 a 0 1p\n" + "".join(f"R{i} b b 1k\n" for i in range(30_000)),
    "names alike": "C1 a 0 1p\n" + "".join(f"R{chr(0x4E00 + i)} a 0 -1\n" for i in range(5000)),
    "comment": "R1 a 0 {" + "'" * 30_000 + "}\n",
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_decks_are_refused_at_once(name):
    """The dearest takes 50 pieces; what grew with a square of these lengths took thousands."""
    text, said = "t\n" + HOSTILE[name], []

    def read_it():
        with pytest.raises(InputError) as caught:
            parse_netlist(text, "t", where="t.cir")
        said.append(str(caught.value))

    assert pieces(read_it) < 150.0
    assert "t.cir" in said[0] and len(said[0]) < 1200


def test_a_deck_of_the_largest_size_is_answered_at_once(tmp_path):
    """Within twenty times what looking at its lines once takes; it takes seven."""
    path, deck = tmp_path / "long.cir", "t\n" + "* no card at all\n" * (64 * 2**20 // 17 - 2)
    path.write_text(deck)
    begun = time.process_time()
    assert sum(1 for line in deck.splitlines() if line.strip())
    looked = time.process_time()
    with pytest.raises(InputError):
        read_netlist(path)
    assert time.process_time() - looked < 20.0 * (looked - begun)


def test_long_chains_are_taken_out_in_linear_time():
    def taken(length):
        chain = "".join(f"L{i} n{i} n{i + 1} 1\n" for i in range(length))
        begun = time.process_time()
        found = read(f"C1 n0 0 1p\n{chain}R1 n{length} 0 1")
        assert found.datasheet.inductors[0].inductance.value == pytest.approx(length)
        return time.process_time() - begun

    assert taken(8_000) < 10.0 * taken(2_000)  # squares would take sixteen times


def test_long_waveforms_are_read_fast():
    text = "C1 a 0 1p\nR1 a 0 1k\nI1 0 a PWL(\n" + "".join(
        f"+ {i}e-9 {i % 7}\n" for i in range(100_000)) + "+ )"  # fmt: skip
    found = read(text)
    assert found.sources["i1"].points is not None
    assert found.sources["i1"].points.shape == (100_000, 2)


def test_a_device_of_a_netlist_runs():
    found = read("V1 in 0 1\nR1 in x 10k\nR2 x out 10k\nC1 out 0 1p\nC2 out y 1p\nR3 y 0 1k")
    device = build_device(found.datasheet)
    run = th.free_run(device, duration="5 ns", paths=8, seed=1)
    assert np.abs(run.books["first_law.residual"]).max() < 1e-9 * device.scale.energy
