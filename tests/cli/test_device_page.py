"""What `thermohw devices NAME` says of a circuit, against numbers worked out by hand."""

from __future__ import annotations

import re
from pathlib import Path

from thermohw.cli.tables import device_list, device_page

SMALL = """format = "thermohw-device/1"
[[node]]
name = "a"
capacitance = "1 pF"
[[node]]
name = "b"
capacitance = "4 fF"
[[resistor]]
name = "ra"
between = ["a", "gnd"]
resistance = "1 kohm"
temperature = "300 K"
[[inductor]]
name = "l"
between = ["a", "b"]
inductance = "1 uH"
series_resistance = "100 ohm"
temperature = "300 K"
"""


def row(page: str, title: str) -> str:
    lines = [line for line in page.splitlines() if line.startswith(title)]
    assert len(lines) == 1, (title, page)
    return lines[0].removeprefix(title).strip()


def test_a_ringing_cell() -> None:
    """sqrt(kT/L) = sqrt(4.14195e-21/0.04) = 321.8 pA; 1/(2 pi sqrt(LC)) = 795.8 kHz; Q = 5."""
    page = device_page("rlc1")
    assert row(page, "device") == "rlc1: 1 nodes, 1 resistors, 1 inductors"
    assert row(page, "k T / C") == "64.36 uV rms on 1 pF"
    assert row(page, "k T / L") == "321.8 pA rms in 40 mH"
    assert row(page, "steady rms of the inductors") == "321.8 pA"
    assert row(page, "rings at") == "795.8 kHz, Q 5"
    assert row(page, "time constants") == "2 us"  # amplitude, 2 R C
    assert row(page, "Johnson noise") == "128.7 nV/sqrt(Hz) or 128.7 fA/sqrt(Hz) of 1 Mohm"
    assert row(page, "charge").startswith("401.7 electrons")  # 64.36 uV on 1 pF over 1.602e-19 C
    assert row(page, "weakest evidence") == "placeholder, 1 of 13 entries"
    assert "warning" not in page


def test_a_board() -> None:
    page = device_page("spu8")
    assert row(page, "k T / C") == "2.035 uV rms on 1 nF"
    assert row(page, "Johnson noise") == "4.07 nV/sqrt(Hz) or 4.07 pA/sqrt(Hz) of 1 kohm"
    # Common motion: each cell alone, 1.592 MHz, Q 10. Others feel 8 C_c more, 1.8 nF: Q 13.4.
    assert row(page, "rings at") == "1.186 MHz to 1.592 MHz, Q 10 to 13.42"
    assert row(page, "weakest evidence") == "placeholder, 64 of 69 entries"


def test_few_electrons_are_warned_of(tmp_path: Path) -> None:
    """sqrt(kT C)/e = sqrt(4.142e-21 * 4e-15)/1.602e-19 = 25.4 electrons, on the smallest node."""
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    page = device_page(str(path))
    assert "warning: 25.4 electrons rms on node b; a diffusion is a poor picture below 30" in page
    # sqrt(4 kT R) of both resistors, and sqrt(4 kT/R).
    assert "1.287 nV/sqrt(Hz) to 4.07 nV/sqrt(Hz) or 4.07 pA/sqrt(Hz) to 12.87 pA" in page
    assert row(page, "weakest evidence") == "unstated, 7 of 7 entries"


def test_every_shipped_device_has_a_page() -> None:
    listed = device_list()
    for name in ("rc1", "rc64", "rc784", "rc8-chain", "rlc1", "rlc64", "spu8"):
        assert name in listed
    assert "warning" not in device_page("rc784") and "rings" not in device_page("rc784")


def test_what_binds_first_and_where_heat_flows(tmp_path: Path) -> None:
    """1 uA through 1 Mohm is 1 V, as the rail; 100 mV of the converter bind before both.

    100 mV / 64.358 uV = 1554. The heat out of the chain's hot end, 935 aW, is steady_heat's.
    """
    page = device_page("rc8-chain")
    assert row(page, "limit: dac_full_scale") == "100 mV, 1.55e+03 sqrt(k T / C)"
    assert row(page, "limit: current").startswith("1 uA, 1.55e+04 sqrt(k T / C)")
    assert row(page, "binds first") == "dac_full_scale, at 100 mV of a source"
    assert row(page, "heat flow at rest").startswith("935 aW out of r0, most into r01")
    assert row(page, "entries by evidence") == "49 projected, 4 derived, 1 simulated"
    weak = tmp_path / "weak.toml"
    sheet = SMALL.replace('"300 K"\n[[inductor]]', '"300 K"\nsource = true\n[[inductor]]')
    weak.write_text(sheet + '[limits]\nrail = "1 V"\ncurrent = "1 nA"\n')
    assert row(device_page(str(weak)), "binds first") == "current, at 1 uV of a source"


def test_the_board_of_the_manual(tmp_path: Path) -> None:
    """docs/boards.md shows a datasheet; it loads and has the page that the text describes."""
    text = (Path(__file__).parents[2] / "docs" / "boards.md").read_text()
    path = tmp_path / "tanks.toml"
    path.write_text(text.split("```toml\n")[1].split("```")[0])
    page = device_page(str(path))
    assert row(page, "device") == "tanks: 2 nodes, 3 resistors, 2 inductors"
    assert row(page, "binds first").startswith("rail")
    for title in re.findall(r"^\| `([\w /:]+)`", text, re.MULTILINE):
        if title not in ("rc64", "ladder64", "limit"):
            assert title in page, title
