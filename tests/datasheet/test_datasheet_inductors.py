"""Inductors and mutual inductances in datasheets: what is read, copied, hashed and refused."""

from __future__ import annotations

import pytest

from thermohw.datasheet import Inductor, Mutual, RatedValue, load_datasheet, read_datasheet
from thermohw.errors import InputError

TANKS = """format = "thermohw-device/1"
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
[[inductor]]
name = "la"
between = ["a", "gnd"]
inductance = { value = "40 mH", tolerance = "5 %", source = "a sheet", evidence = "measured" }
[[inductor]]
name = "lb"
between = ["b", "gnd"]
inductance = "0.1 H"
series_resistance = "20 kohm"
temperature = "400 K"
source = true
[[mutual]]
between = ["la", "lb"]
k = "-0.3"
"""
ARRAY = """[array]
cell = ["a", "b"]
shape = [3]
[[array.coupling]]
name = "link"
between = ["b", "b"]
inductance = "1 H"
[[array.coupling]]
name = "stray"
between = ["lb", "lb"]
k = "0.01"
"""


def _refusal(text: str) -> str:
    with pytest.raises(InputError) as caught:
        read_datasheet(text, "device", where="x.toml")
    message = str(caught.value)
    assert message.startswith("x.toml: ") and "\n" not in message
    return message


def test_entries_come_out_in_si_with_their_pedigree() -> None:
    sheet = read_datasheet(TANKS, "tanks")
    measured = RatedValue(0.04, "H", 0.05, "a sheet", "measured")
    losses = RatedValue(2e4, "ohm"), RatedValue(400.0, "K")
    assert sheet.inductors == (
        Inductor("la", ("a", "gnd"), measured),
        Inductor("lb", ("b", "gnd"), RatedValue(0.1, "H"), *losses, source=True),
    )
    assert sheet.mutuals == (Mutual("k0", ("la", "lb"), RatedValue(-0.3, "")),)
    assert sheet.baths == {"ra": RatedValue(300.0, "K"), "lb": RatedValue(400.0, "K")}
    quantities = sheet.entries()
    assert quantities["la.inductance"] == measured and "la.temperature" not in quantities
    assert quantities["lb.series_resistance"] == losses[0]
    assert quantities["k0.k"] == RatedValue(-0.3, "")


def test_arrays_copy_windings_and_their_couplings() -> None:
    sheet = read_datasheet(TANKS + ARRAY, "tanks")
    cells = [f"[{i}]" for i in range(3)]
    assert [x.name for x in sheet.inductors] == [
        *(name + tail for tail in cells for name in ("la", "lb")), "link[0|1]", "link[1|2]",
    ]  # fmt: skip
    assert sheet.inductors[-1].between == ("b[1]", "b[2]")
    assert [(m.name, m.between) for m in sheet.mutuals] == [
        *(("k0" + tail, ("la" + tail, "lb" + tail)) for tail in cells),
        ("stray[0|1]", ("lb[0]", "lb[1]")), ("stray[1|2]", ("lb[1]", "lb[2]")),
    ]  # fmt: skip
    lossy = ARRAY.replace('"1 H"', '"1 H"\nseries_resistance = "1 ohm"\ntemperature = "77 K"')
    link = read_datasheet(TANKS + lossy, "tanks").inductors[-1]
    assert link.series_resistance is not None and link.temperature == RatedValue(77.0, "K")


def test_overrides_and_hash() -> None:
    plain = read_datasheet(TANKS, "tanks")
    changes = {"la.inductance": "1 H", "k0.k": "0.5", "lb": {"temperature": "77 K"}}
    other = read_datasheet(TANKS, "tanks", changes)
    assert other.inductors[0].inductance.value == 1.0 and other.mutuals[0].k.value == 0.5
    assert other.baths["lb"].value == 77.0
    hashes = {plain.content_hash, other.content_hash}
    for old, new in [("0.1 H", "0.2 H"), ("20 kohm", "21 kohm"), ('"-0.3"', '"0.3"')]:
        hashes.add(read_datasheet(TANKS.replace(old, new), "tanks").content_hash)
    assert len(hashes) == 5
    same = TANKS.replace('"0.1 H"', '"100 mH"')
    assert read_datasheet(same, "tanks").content_hash == plain.content_hash


def test_circuits_without_inductors_keep_their_hash() -> None:
    """Stored runs name their device by its hash; these were in use before there were inductors."""
    # nor are kinds of prices that came later, where they are taken out; spreads never are
    bare = {"cost.memory": "none", "cost.driver": "none"}
    assert load_datasheet("rc1", bare).content_hash.startswith("c55bf918abd088f2")
    assert load_datasheet("rc64", bare).content_hash.startswith("3f001bdec67bdb1c")
    assert load_datasheet("rc8-chain", bare).content_hash.startswith("da490731e5912011")
    assert not load_datasheet("rc1").content_hash.startswith("c55bf918abd088f2")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"0.1 H"', '"0.1 F"', "lb.inductance: unit 'F' does not measure an inductance"),
        ('"0.1 H"', '"-0.1 H"', "lb.inductance: must be positive"),
        ('"0.1 H"', '"0.1"', "lb.inductance: value without unit: '0.1'; expected something like"),
        ("series_resistance", "series_resistence", "did you mean 'series_resistance'?"),
        ('"20 kohm"', '"-20 kohm"', "lb.series_resistance: must be positive: '-20 kohm'; a nega"),
        ('"1 Mohm"', '"-1 Mohm"', "ra.resistance: must be positive: '-1 Mohm'; a negative resis"),
        ('temperature = "400 K"\n', "", "lb: series_resistance and temperature go together"),
        ('series_resistance = "20 kohm"\ntemperature = "400 K"\n', "", "lb.source: a controlled"),
        ('["la", "lb"]', '["la", "lc"]', "k0.between: no inductor 'lc'; known: la, lb"),
        ('["la", "lb"]', '["la", "la"]', "k0.between: joins 'la' to itself"),
        ('["la", "lb"]', '["la"]', "k0.between.1: two inductor names are needed"),
        ('"-0.3"', '"-1"', "k0.k: -1; the inductance matrix is positive definite for -1 < k < 1"),
        ('"-0.3"', '"0"', "k0.k: must not be zero"),
        ('"-0.3"', '"0.3 H"', "k0.k: unit 'H' does not measure a plain ratio"),
        ("k =", "kk =", "k0.kk: unknown key"),
        ("[[mutual]]", '[[mutual]]\nk = "0.1"\nbetween = ["lb", "la"]\n[[mutual]]', "k0 c"),
        ('["b", "gnd"]', '["b", "c"]', "lb.between: no node 'c'; known: a, b, gnd"),
        ('["b", "gnd"]', '["b", "b"]', "lb.between: joins 'b' to itself"),
        ('name = "lb"', 'name = "la"', "la: this name is taken twice"),
    ],
)  # fmt: skip
def test_refusals(old: str, new: str, says: str) -> None:
    assert TANKS.count(old) == 1
    assert says in _refusal(TANKS.replace(old, new))


def test_what_never_relaxes_is_refused_by_name() -> None:
    loop = '[[inductor]]\nname = "l2"\nbetween = ["gnd", "a"]\ninductance = "1 H"\n'
    assert _refusal(TANKS + loop).startswith("x.toml: l2: closes a loop of inductors without res")
    lossy = loop + 'series_resistance = "1 ohm"\ntemperature = "4 K"\n'
    assert len(read_datasheet(TANKS + lossy, "tanks").inductors) == 3
    ring = "".join(
        f'[[inductor]]\nname = "l{i}"\nbetween = ["{a}", "{b}"]\ninductance = "1 H"\n'
        for i, (a, b) in enumerate([("a", "b"), ("b", "gnd")])
    )
    assert "l1: closes a loop of inductors without resistance" in _refusal(TANKS + ring)
    apart = TANKS.replace('["b", "gnd"]', '["b", "a"]').replace('["a", "gnd"]', '["a", "b"]')
    assert "a: no chain of resistors or inductors joins this node to gnd" in _refusal(apart)


def test_a_bath_may_be_a_series_resistance() -> None:
    """A series RLC circuit has no [[resistor]] at all; one without any resistance is refused."""
    head, _, rest = TANKS.partition("[[resistor]]")
    bare = head + rest[rest.index("[[inductor]]") :]
    assert [*read_datasheet(bare, "series").baths] == ["lb"]
    ideal = bare[: bare.rindex("[[inductor]]")].replace('[[node]]\nname = "b"\n', "", 1)
    assert "at least one [[resistor]] is needed" in _refusal(
        ideal.replace('capacitance = "1 pF"\ncapacitance', "capacitance")
    )


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('["lb", "lb"]', '["lb", "a"]', "stray.between: 'a' is not in the cell; did you mean"),
        ('["b", "b"]', '["b", "la"]', "link.between: 'la' is not in the cell"),
        ('"1 H"', '"1 H"\nseries_resistance = "1 ohm"', "link: give either resistance and"),
        ('"1 H"', '"1 H"\nk = "0.1"', "link: give either"),
        ('inductance = "1 H"', 'series_resistance = "1 ohm"\ntemperature = "1 K"', "link: give"),
        ('"1 H"', '"1 H"\nsource = true', "link[0|1].source: a controlled current needs"),
        ('"0.01"', '"1.5"', "stray[0|1].k: 1.5; the inductance matrix"),
    ],
)  # fmt: skip
def test_array_refusals(old: str, new: str, says: str) -> None:
    assert ARRAY.count(old) == 1
    assert says in _refusal(TANKS + ARRAY.replace(old, new))
