"""Reading datasheets: what ships, what is refused, and what two files share."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from thermohw.datasheet import (
    EVIDENCE,
    RatedValue,
    device_names,
    load_datasheet,
    read_datasheet,
    weakest,
)
from thermohw.errors import InputError

RC1 = """format = "thermohw-device/1"
[[node]]
name = "n0"
capacitance = "1 pF"
[[resistor]]
name = "r0"
between = ["n0", "gnd"]
resistance = { value = "1 Mohm", tolerance = "3 %", source = "a sheet", evidence = "measured" }
temperature = "300 K"
source = true
[limits]
rail = "1 V"
[cost]
adc = "0.3 pJ"
"""

# Kinds of prices that not every device has, for want of a published figure.
UNPRICED = {f"cost.{kind}" for kind in ("memory", "driver", "static", "noise", "programming")}


def _refusal(text: str) -> str:
    with pytest.raises(InputError) as caught:
        read_datasheet(text, "device", where="x.toml")
    message = str(caught.value)
    assert message.startswith("x.toml: ") and "\n" not in message
    return message


def test_numbers_come_out_in_si_with_their_pedigree() -> None:
    sheet = read_datasheet(RC1, "mine")
    assert sheet.name == "mine" and sheet.text == RC1 and sheet.shape == ()
    assert sheet.nodes[0].capacitance == RatedValue(1e-12, "F")
    resistor = sheet.resistors[0]
    assert resistor.between == ("n0", "gnd") and resistor.source
    assert resistor.resistance == RatedValue(1e6, "ohm", 0.03, "a sheet", "measured")
    assert str(resistor.resistance) == "1 Mohm"
    assert sheet.cost.adc is not None and sheet.cost.adc.value == 0.3e-12
    assert sheet.entries()["r0.temperature"] == RatedValue(300.0, "K")


def test_unpriced_is_none_never_zero() -> None:
    sheet = read_datasheet(RC1, "mine")
    assert sheet.cost.dac is None and sheet.cost.mac is None and sheet.limits.slew is None
    assert sheet.entries()["cost.dac"] is None
    assert sheet.cost.values() == {"adc": 0.3e-12} and sheet.limits.values() == {"rail": 1.0}
    assert "must be positive" in _refusal(RC1.replace("0.3 pJ", "0 pJ"))


def test_records_are_frozen() -> None:
    sheet = read_datasheet(RC1, "mine")
    with pytest.raises(FrozenInstanceError):
        sheet.nodes[0].capacitance.value = 2e-12  # type: ignore[misc]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"1 Mohm"', '"-1 Mohm"', "r0.resistance: must be positive: '-1 Mohm'"),
        ('"1 Mohm"', '"0 ohm"', "r0.resistance: must be positive"),
        ('"1 pF"', '"-1 pF"', "n0.capacitance: must be positive"),
        ('"1 pF"', "1e-12", "n0.capacitance: value without unit: 1e-12"),
        ('"300 K"', '"300"', "r0.temperature: value without unit: '300'"),
        ('"300 K"', '"-300 degC"', "r0.temperature: must be positive"),
        ('"1 V"', '"1 A"', "limits.rail: unit 'A' does not measure a voltage"),
        ("resistance =", "resistence =", "r0.resistence: unknown key; did you mean 'resistance'?"),
        ("rail", "rial", "limits.rial: unknown key; did you mean 'rail'?"),
        ("[limits]", "[limit]", "limit: unknown key; did you mean 'limits'?"),
        ("tolerance", "tolerence", "r0.resistance: unknown key 'tolerence'"),
        ('"3 %"', '"300 %"', "r0.resistance: tolerance must lie in [0, 1): '300 %'"),
        ('"measured"', '"guessed"', f"must be one of {', '.join(EVIDENCE)}: 'guessed'"),
        ('"gnd"]', '"ground"]', "r0.between: no node 'ground'; did you mean 'gnd'?"),
        ('"n0", "gnd"]', '"n1", "gnd"]', "r0.between: no node 'n1'; known: n0, gnd"),
        ('"n0", "gnd"]', '"n0", "n0"]', "r0.between: joins 'n0' to itself"),
        ('"n0", "gnd"]', '"gnd", "gnd"]', "r0.between: joins 'gnd' to itself"),
        ('["n0", "gnd"]', '["n0"]', "two node names are needed"),
        ('name = "r0"', 'name = "n0"', "n0: this name is taken twice"),
        ('name = "n0"', 'name = "gnd"', "gnd: a reserved word"),
        ('name = "r0"', 'name = "r.0"', "resistor[0].name: 'r.0': a name has letters"),
        ('name = "r0"\n', "", "resistor[0].name: missing"),
        ('temperature = "300 K"\n', "", "r0.temperature: missing"),
        ("source = true", 'source = "yes"', "r0.source: input should be a valid boolean: 'yes'"),
        ("[[node]]", "[node]", "write double brackets"),
        ("device/1", "run/1", "format: 'thermohw-run/1' is not a device datasheet"),
        ("[cost]", "[cost", "not valid TOML: "),
    ],
)
def test_refusals_name_key_value_and_expectation(old: str, new: str, says: str) -> None:
    assert old in RC1
    assert says in _refusal(RC1.replace(old, new))


def test_a_circuit_needs_a_node_a_resistor_and_a_way_to_ground() -> None:
    head, _, rest = RC1.partition("[[resistor]]")
    assert "at least one [[resistor]] is needed" in _refusal(head)
    assert "at least one [[node]] is needed" in _refusal(RC1[: RC1.index("[[node]]")])
    second = '[[node]]\nname = "n1"\ncapacitance = "1 pF"\n'
    message = _refusal(head + second + "[[resistor]]" + rest)
    assert message == "x.toml: n1: no chain of resistors joins this node to gnd; add a resistor"
    headless = RC1[RC1.index("[[node]]") :]
    assert _refusal(headless) == "x.toml: format: missing; expected 'thermohw-device/1'"


def test_the_hash_sees_numbers_and_nothing_else() -> None:
    sheet = read_datasheet(RC1, "mine")
    same = RC1.replace('"1 Mohm"', '"1000 kohm"').replace("a sheet", "another").replace(
        "measured", "metered"
    )  # fmt: skip
    assert read_datasheet(same + "# a remark\n", "yours").content_hash == sheet.content_hash
    others = [
        RC1.replace('"1 Mohm"', '"1.0000000000000002 Mohm"'),
        RC1.replace('"3 %"', '"4 %"'),
        RC1.replace("source = true", "source = false"),
        RC1.replace('adc = "0.3 pJ"', ""),
        RC1.replace("adc =", "dac ="),
    ]
    hashes = {read_datasheet(text, "mine").content_hash for text in others}
    assert len(hashes) == len(others) and sheet.content_hash not in hashes
    assert len(sheet.content_hash) == 64


def test_prices_have_a_spread_and_later_kinds() -> None:
    entry = '{ value = "0.3 pJ", low = "270 fJ", high = "42 pJ" }'
    spread = RC1.replace('adc = "0.3 pJ"', f"adc = {entry}")
    sheet = read_datasheet(spread, "mine")
    assert sheet.cost.adc == RatedValue(0.3e-12, "J", low=0.27e-12, high=42e-12)
    assert sheet.content_hash == read_datasheet(RC1, "mine").content_hash
    more = spread + 'driver = "5 uW"\nstatic = "1 mW"\nmemory = "0.2 pJ"\n'
    priced = read_datasheet(more, "mine")
    assert priced.cost.driver == RatedValue(5e-6, "W") and priced.cost.noise is None
    assert priced.cost.values() == {
        "adc": 0.3e-12, "memory": 0.2e-12, "driver": 5e-6, "static": 1e-3
    }  # fmt: skip
    assert priced.content_hash != sheet.content_hash
    assert "low <= value <= high" in _refusal(spread.replace("270 fJ", "0.31 pJ"))
    assert "low <= value <= high" in _refusal(spread.replace("42 pJ", "0.29 pJ"))
    assert "low: unit 'V'" in _refusal(spread.replace("270 fJ", "270 fV").replace("fV", "V"))
    assert "low: must not be negative" in _refusal(spread.replace("270 fJ", "-270 fJ"))
    assert "does not measure a power" in _refusal(more.replace("5 uW", "5 uJ"))


def test_weakest_evidence() -> None:
    metered, projected = (RatedValue(1.0, "V", evidence=e) for e in ("metered", "projected"))
    assert weakest(metered, projected) == "projected"
    assert weakest(metered, metered) == "metered"
    assert weakest(metered, RatedValue(1.0, "V")) is None and weakest(metered, None) is None
    assert weakest() is None


def test_shipped_devices() -> None:
    assert set(device_names()) >= {"rc1", "rc64", "rc784", "rc8-chain", "rlc1", "rlc64", "spu8"}
    for name in device_names():
        sheet = load_datasheet(name)
        assert sheet.name == name and sheet.description
        for key, quantity in sheet.entries().items():
            if key in UNPRICED and quantity is None:
                continue
            assert quantity is not None, f"{name}: {key} is absent"
            assert quantity.evidence and quantity.source, f"{name}: {key} has no pedigree"
    assert len(load_datasheet("rc64").nodes) == 64
    cell, array = load_datasheet("rc1"), load_datasheet("rc64")
    assert {r.resistance for r in array.resistors} == {cell.resistors[0].resistance}


def test_the_chain() -> None:
    sheet = load_datasheet("rc8-chain")
    grounded = [r for r in sheet.resistors if "gnd" in r.between]
    assert [r.between for r in grounded] == [(f"n{i}", "gnd") for i in range(8)]
    assert all(r.source for r in grounded)
    assert [r.temperature.value for r in grounded] == [600.0] + [300.0] * 7
    for couplings in ([r for r in sheet.resistors if "gnd" not in r.between], sheet.capacitors):
        assert [c.between for c in couplings] == [(f"n{i}", f"n{i + 1}") for i in range(7)]
    assert {c.capacitance.value for c in sheet.capacitors} == {0.25e-12}
    level = load_datasheet("rc8-chain", {"r0.temperature": "300 K"})
    assert {r.temperature.value for r in level.resistors} == {300.0}


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("rc2", "unknown device 'rc2'; did you mean 'rc1'?"),
        ("toaster", "unknown device 'toaster'; known: " + ", ".join(device_names())),
        ("absent.toml", "absent.toml: no such datasheet"),
        ("a\0b.toml", "cannot be read"),
    ],
)
def test_unknown_devices(name: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        load_datasheet(name)
    assert says in str(caught.value)


def test_paths(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(RC1)
    assert load_datasheet(path).name == load_datasheet(str(path)).name == "mine"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read"):
        load_datasheet(path)
    with pytest.raises(InputError, match="is a folder"):
        load_datasheet(f"{tmp_path}/")
