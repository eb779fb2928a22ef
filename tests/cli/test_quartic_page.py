"""What `thermohw devices NAME` says of quartic units, against numbers worked out by hand."""

from __future__ import annotations

from pathlib import Path

from thermohw.cli.tables import device_page
from thermohw.datasheet import load_datasheet


def row(page: str, title: str) -> str:
    lines = [line for line in page.splitlines() if line.startswith(title)]
    assert len(lines) == 1, (title, page)
    return lines[0].removeprefix(title).strip()


def test_the_shipped_unit() -> None:
    """J / k T = 10; C V_s = 1 pF 203.5 uV; <x^2> = 0.0408781 by quadrature, 3.16 sqrt(kTC) of it
    in charge: 0.2022 203.5 aC / 1.602e-19 C = 256.8 electrons.
    """
    page = device_page("quartic-langevin")
    assert "(10 x^2 + 10 x^4) k T" in row(page, "energy of u0")
    assert row(page, "k T / (C V_s^2)") == "0.1"
    assert row(page, "at rest, rms of x about it") == "0.2022"
    assert row(page, "charge") == "256.8 electrons rms on a node"
    assert row(page, "weakest evidence").startswith("placeholder, 2 of 13")


def test_a_small_unit_is_warned_of(tmp_path: Path) -> None:
    """A thousandth of the capacitor at the same volts: C V_s is 1.27 electrons."""
    text = load_datasheet("quartic-langevin").text.replace('"1 pF"', '"1 fF"')
    path = tmp_path / "small.toml"
    path.write_text(text)
    page = device_page(str(path))
    assert row(page, "warning").startswith("0.257 electrons rms on node n0")
