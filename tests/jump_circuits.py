"""Small circuits of nonlinear conductors that tests share, written as datasheets."""

from __future__ import annotations

from typing import Any

from thermohw.circuit import JumpDevice, build_device
from thermohw.datasheet import read_datasheet

HEAD = 'format = "thermohw-device/1"\n'


def table(family: str, **entries: Any) -> str:
    """One [[family]] table."""
    lines = [f"[[{family}]]"]
    for key, value in entries.items():
        text = value if not isinstance(value, str | tuple) else None
        if isinstance(value, bool):
            text = str(value).lower()
        elif isinstance(value, str):
            text = f'"{value}"'
        elif isinstance(value, tuple):
            text = "[" + ", ".join(f'"{end}"' for end in value) + "]"
        lines.append(f"{key} = {text}")
    return "\n".join(lines) + "\n"


def node(name: str, capacitance: str) -> str:
    return table("node", name=name, capacitance=capacitance)


def supply(name: str, voltage: str) -> str:
    return table("supply", name=name, voltage=voltage)


def transistor(
    name: str,
    kind: str,
    gate: str,
    drain: str,
    source: str,
    *,
    current: str = "100 nA",
    threshold: str = "300 mV",
    slope: float = 1.0,
    **more: Any,
) -> str:
    entries = {
        "name": name, "kind": kind, "gate": gate, "drain": drain, "source": source,
        "current": current, "threshold": threshold, "slope": slope, "temperature": "300 K",
    }  # fmt: skip
    return table("transistor", **entries, **more)


def junction(name: str, a: str, b: str, **entries: Any) -> str:
    return table("junction", name=name, between=(a, b), **{"temperature": "300 K", **entries})


def build(*parts: str) -> JumpDevice:
    device: Any = build_device(read_datasheet(HEAD + "".join(parts), "test"))
    assert isinstance(device, JumpDevice)
    return device


def inverter(capacitance: str, bias: str, *, entry: str = "gnd") -> JumpDevice:
    """One CMOS inverter between +bias and -bias whose gates are held."""
    return build(
        node("out", capacitance),
        supply("vdd", bias),
        supply("vss", f"-{bias}"),
        transistor("n", "n", entry, "out", "vss"),
        transistor("p", "p", entry, "out", "vdd"),
    )


def motley(high: str = "0 V", low: str = "0 V", *, cold: str = "300 K") -> JumpDevice:
    """Every kind of conductor on two nodes, a dozen electrons each: what detailed balance is for.

    The gate of the transistor is a node that its own jumps pull along, the diode is not ideal, two
    capacitors couple nodes with each other and with a supply.
    """
    return build(
        node("a", "0.03 fF"),
        node("b", "0.05 fF"),
        table("capacitor", name="ab", between=("a", "b"), capacitance="0.02 fF"),
        table("capacitor", name="bh", between=("b", "high"), capacitance="0.01 fF"),
        supply("high", high),
        supply("low", low),
        transistor("mos", "n", "b", "a", "low", slope=1.3),
        transistor("pmos", "p", "a", "b", "high", bulk="high", slope=1.2, current="200 nA"),
        junction("tunnel", "a", "b", resistance="20 Gohm"),
        junction("diode", "high", "a", saturation_current="0.7 pA", ideality=1.7,
                 temperature=cold),
        junction("leak", "b", "gnd", resistance="50 Gohm"),
    )  # fmt: skip
