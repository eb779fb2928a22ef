"""Datasheets of nonlinear conductors: what is read, and one line for what is wrong."""

from __future__ import annotations

import jump_circuits as circuits
import pytest

import thermohw as th
from thermohw.circuit import JumpDevice
from thermohw.cli.tables import device_page
from thermohw.datasheet import load_datasheet, read_datasheet
from thermohw.errors import InputError
from thermohw.jumps import simulate_jumps

NODE = circuits.node("x", "1 fF")
SUPPLY = circuits.supply("v", "50 mV")
DIODE = circuits.junction("d", "v", "x", saturation_current="1 pA")


@pytest.mark.parametrize(
    "parts, words",
    [
        ((NODE, SUPPLY), "a supply feeds a"),
        ((NODE, circuits.junction("d", "x", "gnd")), "d: give either resistance"),
        ((NODE, circuits.junction("d", "x", "y", resistance="1 ohm")), "d.between: no terminal"),
        ((NODE, circuits.junction("d", "x", "x", resistance="1 ohm")), "joins 'x' to itself"),
        (
            (NODE, circuits.junction("d", "x", "gnd", resistance="1 ohm", ideality=2.0)),
            "d.ideality: belongs to a saturation_current",
        ),
        ((NODE, circuits.node("y", "1 fF"), SUPPLY, DIODE), "y: no chain of conductors"),
        ((NODE, SUPPLY, circuits.transistor("m", "n", "g", "x", "gnd")), "m.gate: no terminal 'g'"),
        ((NODE, circuits.transistor("m", "n", "x", "x", "gnd", slope=0.9)), "m.slope: 0.9"),
        ((NODE, circuits.transistor("m", "pnp", "x", "x", "gnd")), "m.kind"),
        ((NODE, SUPPLY, DIODE, circuits.node("v", "1 fF")), "v: this name is taken twice"),
        (
            (NODE, SUPPLY, DIODE, circuits.table("resistor", name="r", between=("x", "gnd"),
                                                 resistance="1 kohm", temperature="300 K")),
            r"r: a resistor is a linear element .* \[\[junction\]\]",
        ),
        (
            (NODE, SUPPLY, DIODE, circuits.table("inductor", name="l", between=("x", "gnd"),
                                                 inductance="1 nH")),
            "inductor: does not stand beside",
        ),
        ((NODE, SUPPLY, DIODE, '[array]\ncell = "x"\nshape = [2]\n'), "array: does not stand"),
        ((NODE, SUPPLY, DIODE, circuits.table("capacitor", between=("v", "gnd"),
                                              capacitance="1 fF")), "does nothing"),
    ],
)  # fmt: skip
def test_refused_sheets(parts: tuple[str, ...], words: str) -> None:
    with pytest.raises(InputError, match=words):
        circuits.build(*parts)


def test_gaussian_noise_must_be_asked_for_twice() -> None:
    gaussian = {"saturation_current": "1 pA", "noise": "gaussian"}
    with pytest.raises(InputError, match=r"d.noise: .* inconsistent .* approximate = true"):
        circuits.build(NODE, circuits.junction("d", "x", "gnd", **gaussian))
    with pytest.raises(InputError, match="d.approximate: Poisson jumps are exact"):
        circuits.build(NODE, circuits.junction("d", "x", "gnd", resistance="1 ohm",
                                               approximate=True))  # fmt: skip
    marked = circuits.junction("d", "x", "gnd", **gaussian, approximate=True)
    with pytest.raises(InputError, match="one kind of noise"):
        circuits.build(NODE, marked, circuits.junction("e", "x", "gnd", resistance="1 Gohm"))
    device = circuits.build(NODE, marked)
    assert device.approximate
    with pytest.raises(InputError, match="length of a step"):
        simulate_jumps(device, "1 us", paths=1)


def test_linear_rooms_refuse_it() -> None:
    bit = th.load_device("cmos-bit")
    assert isinstance(bit, JumpDevice)
    process = th.OU(duration=3.0)
    with pytest.raises(InputError, match=r"cmos-bit is no passive linear .* th.simulate_jumps"):
        score = th.targets.gaussian(0.0, 1.0).score(process)
        th.Protocol(bit, process, score, wiring="emf", control="clocked", ticks=8)  # type: ignore
    sheet = load_datasheet("cmos-bit")
    assert list(sheet.baths) == ["na", "pa", "nb", "pb"]
    assert sheet.entries()["vdd.voltage"] == sheet.conductors.supplies[0].voltage
    assert sheet.content_hash != load_datasheet("cmos-bit", {"vdd.voltage": "51 mV"}).content_hash


def test_overrides_and_a_supply_at_zero() -> None:
    device = th.load_device("cmos-bit", {"vdd.voltage": "0 V", "na.slope": 1.2})
    assert isinstance(device, JumpDevice) and device.supply_voltages[0] == 0.0
    with pytest.raises(InputError, match="no entry 'voltag'"):
        th.load_device("cmos-bit", {"vdd.voltag": "0 V"})


def test_old_hashes_stand() -> None:
    """A sheet without conductors says nothing about them."""
    assert not {"supplies", "transistors", "junctions"} & set(load_datasheet("rc1").content())
    text = circuits.HEAD + NODE + SUPPLY + DIODE
    assert "transistors" not in read_datasheet(text, "d").content()


def test_pages() -> None:
    page = device_page("cmos-bit")
    assert "4 transistors" in page and "stable state 2" in page and "unstable rest point" in page
    assert "a 49.44 mV, b -49.44 mV" in page
    assert "6.436 mV rms on 100 aF" in page  # sqrt(4.142e-21/1e-16)
    assert (
        "42.73 pA and 932.4 fA" in page
    )  # 100 nA exp((V_GS - 300 mV)/V_T), V_GS 99.44 and 0.56 mV
    assert "4.02 electrons" in page
    page = device_page("neat-trn")
    assert "560.1 K to 1.188 kK" in page and "placeholder, 26 of" in page


def test_transistors_are_below_threshold() -> None:
    """Beyond it the exponential law would promise kilowatts; 10 V is 10 mV mistyped."""
    assert circuits.inverter("1 fF", "0.29 V").elements == ("n", "p")
    for bias in ("0.31 V", "10 V"):
        with pytest.raises(
            InputError, match="n: the supplies drive V_GS up to .* threshold of 300"
        ):
            circuits.inverter("1 fF", bias)
    with pytest.raises(InputError, match="na: the supplies drive V_GS up to 320 mV"):
        th.load_device("cmos-bit", {"vdd.voltage": "160 mV", "vss.voltage": "-160 mV"})
    with pytest.raises(InputError, match="p: the supplies drive V_SG up to 400 mV"):
        circuits.build(
            circuits.node("x", "1 fF"),
            circuits.supply("high", "400 mV"),
            circuits.transistor("p", "p", "x", "x", "high"),
        )
