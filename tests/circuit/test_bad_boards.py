"""Boards that cannot be: one line says which element, why, and what would help; nothing is lost.

Every message is held to the letter, since it is all that a person sees. Values that are merely far
apart must either keep their physics (covariance kT C^-1, its invariance under an exact tick) or be
refused; the bound in between follows from round-off: rates are known to 1e-16 of the fastest.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from thermohw.circuit import LinearDevice, load_device, steady_heat, tick_moments
from thermohw.cli.tables import device_page
from thermohw.errors import InputError
from thermohw.pipeline import load_spec, run_spec

HEAD = 'format = "thermohw-device/1"\n'


def table(kind: str, **entries: object) -> str:
    lines = [f"[[{kind}]]", *(f"{key} = {_toml(value)}" for key, value in entries.items())]
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    if isinstance(value, tuple):
        return f'["{value[0]}", "{value[1]}"]'
    return "true" if value is True else f'"{value}"'


def node(name: str, capacitance: str = "1 pF") -> str:
    return table("node", name=name, capacitance=capacitance)


def resistor(name: str, a: str, b: str, r: str = "1 Mohm", t: str = "300 K") -> str:
    return table("resistor", name=name, between=(a, b), resistance=r, temperature=t, source=True)


def capacitor(name: str, a: str, b: str, c: str) -> str:
    return table("capacitor", name=name, between=(a, b), capacitance=c)


def inductor(name: str, a: str, b: str, size: str = "1 mH") -> str:
    return table("inductor", name=name, between=(a, b), inductance=size)


PAIR = node("a") + node("b")
GROUNDED = resistor("ra", "a", "gnd")
SLOW = (
    "the motion of {} is more than 1e10 times slower than the fastest one it is coupled to, too "
    "much for double precision: bring the values closer together, or leave out what is so fast"
)
NEGATIVE = "; a negative resistance needs an active element: a [[transconductor]] of negative g"

BAD = {
    "floating node": (PAIR + GROUNDED,
        "board.toml: b: no chain of resistors joins this node to gnd; add a resistor"),
    "floating pair": (PAIR + node("c") + GROUNDED + resistor("rb", "b", "c"),
        "board.toml: b: no chain of resistors joins this node to gnd; add a resistor"),
    "floating but for a capacitor": (PAIR + GROUNDED + capacitor("c", "a", "b", "1 pF"),
        "board.toml: b: no chain of resistors joins this node to gnd; add a resistor"),
    "floating but for inductors": (
        PAIR + node("c") + GROUNDED + inductor("l", "b", "c"),
        "board.toml: b: no chain of resistors or inductors joins this node to gnd; add a resistor"),
    "singular capacitance": (
        node("a", "1e-14 fF") + node("b", "1e-14 fF") + GROUNDED + resistor("rb", "b", "gnd")
        + capacitor("c", "a", "b", "1 pF"),
        "board: the capacitance matrix is singular: the capacitors of a, b to ground vanish beside "
        "those between them; give every node its own capacitance"),
    "no capacitance": (node("a", "0 pF") + GROUNDED,
        "board.toml: a.capacitance: must be positive: '0 pF'"),
    "negative capacitance": (node("a", "-1 pF") + GROUNDED,
        "board.toml: a.capacitance: must be positive: '-1 pF'"),
    "inductor loop": (node("a") + GROUNDED + inductor("l", "a", "gnd") + inductor("m", "gnd", "a"),
        "board.toml: m: closes a loop of inductors without resistance, whose flux never relaxes; "
        "give one of them a series_resistance"),
    "undamped tank": (PAIR + GROUNDED + inductor("l", "b", "gnd"),
        "board: no resistor damps the motion of b, l, which never comes to rest: add a resistor, "
        "or a series_resistance"),
    "undamped balance": (
        PAIR + node("c") + resistor("rc", "c", "gnd") + inductor("l", "b", "c")
        + inductor("m", "a", "c"),
        "board: no resistor damps the motion of a, b, l, m, which never comes to rest: add a "
        "resistor, or a series_resistance"),
    "negative resistance": (node("a") + resistor("ra", "a", "gnd", "-1 Mohm"),
        "board.toml: ra.resistance: must be positive: '-1 Mohm'" + NEGATIVE),
    "name twice": (node("a") + node("a") + GROUNDED, "board.toml: a: this name is taken twice"),
    "name of a node for a resistor": (node("a") + resistor("a", "a", "gnd"),
        "board.toml: a: this name is taken twice"),
    "unknown unit": (node("a") + resistor("ra", "a", "gnd", "1 parsnip"),
        "board.toml: ra.resistance: unknown unit 'parsnip': '1 parsnip'; expected something like "
        "'10 kohm'"),
    "SPICE unit": (node("a") + resistor("ra", "a", "gnd", "1 meg"),
        "board.toml: ra.resistance: unknown unit 'meg' (SI prefixes: 'Mohm', not 'meg'): '1 meg'; "
        "expected something like '10 kohm'"),
    "another unit": (node("a") + resistor("ra", "a", "gnd", "1 pF"),
        "board.toml: ra.resistance: unit 'pF' does not measure a resistance: '1 pF'; expected "
        "something like '10 kohm'"),
    "not a number": (node("a", "nan pF") + GROUNDED,
        "board.toml: a.capacitance: not a finite number with a unit: 'nan pF'; expected something "
        "like '100 fF'"),
    "infinite": (node("a") + resistor("ra", "a", "gnd", "1 Mohm", "inf K"),
        "board.toml: ra.temperature: not a finite number with a unit: 'inf K'; expected something "
        "like '300 K'"),
    "too large for a double": (node("a", "1e400 F") + GROUNDED,
        "board.toml: a.capacitance: value is not finite: '1e400 F'; expected something like "
        "'100 fF'"),
    "too small for a double": (node("a", "1e-400 F") + GROUNDED,
        "board.toml: a.capacitance: must be positive: '1e-400 F'"),
    "products overflow": (node("a", "1e300 F") + resistor("ra", "a", "gnd", "1e300 ohm"),
        "board: no circuit has 1e+300 F, 1e+300 ohm and 300 K: its thermal units leave the range "
        "of a double"),
    "products vanish": (node("a", "1e-310 F") + GROUNDED,
        "board: no circuit has 1e-310 F, 1 Mohm and 300 K: its thermal units leave the range of a "
        "double"),
    "a farad through a resistor": (
        node("a") + node("b", "1 F") + GROUNDED + resistor("rab", "a", "b"),
        "board: " + SLOW.format("b")),
    "a whiff of a ground": (
        PAIR + resistor("ra", "a", "gnd", "1 Tohm") + resistor("rab", "a", "b", "1 mohm"),
        "board: " + SLOW.format("a, b")),
}  # fmt: skip


def saved(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "board.toml"
    path.write_text(HEAD + text)
    return path


@pytest.mark.parametrize("case", BAD)
def test_one_line_says_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    text, message = BAD[case]
    saved(tmp_path, text)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        load_device("board.toml")
    assert str(caught.value) == message


def test_a_run_on_a_bad_board_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a new file nor a trace in one that was there."""
    saved(tmp_path, PAIR + GROUNDED)
    monkeypatch.chdir(tmp_path)
    text = (Path(__file__).parents[2] / "experiments" / "mixture_rc.toml").read_text()
    Path("spec.toml").write_text(text.replace('"rc1"', '"board.toml"'))
    Path("kept.h5").write_bytes(b"another run")
    before = sorted(path.name for path in tmp_path.iterdir())
    spec = load_spec("spec.toml", {})
    with pytest.raises(InputError, match="b: no chain of resistors joins this node to gnd"):
        run_spec(spec, Path("new.h5"), resume=False)
    with pytest.raises(InputError):
        run_spec(spec, Path("kept.h5"), resume=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert Path("kept.h5").read_bytes() == b"another run"


FAR_APART = {
    "a picofarad and a microfarad": (
        node("a") + node("b", "1 uF") + GROUNDED + resistor("rb", "b", "gnd")
        + resistor("rab", "a", "b")),
    "a farad by itself": node("a") + node("b", "1 F") + GROUNDED + resistor("rb", "b", "gnd"),
    "milliohms and teraohms": (
        PAIR + resistor("ra", "a", "gnd", "1 ohm") + resistor("rb", "b", "gnd", "1 Tohm")
        + resistor("rab", "a", "b")),
    "a large coil": node("a") + GROUNDED + inductor("l", "a", "gnd", "1e6 H"),
    "Q of a thousand": node("a") + GROUNDED + inductor("l", "a", "gnd", "1 uH"),
    "a little beside a farad": (
        node("a") + node("b", "1 mF") + GROUNDED + resistor("rb", "b", "gnd", "1 mohm")
        + capacitor("c", "a", "b", "1 pF")),
}  # fmt: skip


@pytest.mark.parametrize("case", FAR_APART)
def test_values_far_apart_keep_their_physics(tmp_path: Path, case: str) -> None:
    """kT C^-1 to round-off, invariant under a tick of a fast and of the reference time, no heat.

    Rates spread by a factor s leave 1e-16 s of a slow motion's tick: s below 1e10 is 1e-6.
    """
    device = load_device(saved(tmp_path, FAR_APART[case]))
    p = device.stationary_covariance
    size = np.sqrt(np.diag(p))
    outer = size * size[:, None]
    np.testing.assert_allclose(p / outer, device.capacitance / outer, rtol=0, atol=1e-13)
    slow, fast = device.time_constants[0], 1.0 / np.abs(device.rates).max()
    for h in (fast, 1.0):
        m = tick_moments(device, float(h))
        after = m.propagator @ p @ m.propagator.T + m.end_covariance
        allowed = 1e-14 * max(1.0, slow / fast, 1.0 / fast)
        np.testing.assert_allclose((after - p) / outer, 0.0, atol=allowed + 1e-13)
    rate = np.abs(device.coefficients).max()
    assert np.abs(steady_heat(device)).max() < 1e-13 * rate


def test_the_page_warns_of_slow_beside_fast(tmp_path: Path) -> None:
    path = saved(tmp_path, FAR_APART["milliohms and teraohms"])
    assert isinstance(load_device(path), LinearDevice)
    assert device_page(str(path)).endswith(
        "warning: time constants differ by a factor of 1e+06; a grid that resolves the fastest "
        "takes as many ticks to see the slowest\n"
    )
