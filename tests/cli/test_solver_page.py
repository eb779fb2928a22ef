"""Pages of a board of integrators and of an active circuit."""

from __future__ import annotations

from pathlib import Path

from thermohw.cli.tables import device_list, device_page

ACTIVE = """
format = "thermohw-device/1"
description = "a node whose conductance is halved by an active element"
[[node]]
name = "n"
capacitance = "1 pF"
[[resistor]]
name = "r"
between = ["n", "gnd"]
resistance = "1 Mohm"
temperature = "300 K"
[[transconductor]]
name = "g"
between = ["n", "gnd"]
control = ["n", "gnd"]
conductance = "-0.5 uS"
"""


def test_board() -> None:
    page = device_page("opamp-solver")
    for text in (
        "a linear solver of 8 op-amp integrators",
        "1 us = 1 kohm x 1 nF",
        "gbw 100 MHz",
        "16 bits, steps of 61.04 uV",
        "23.04 ns for a matrix of 8 x 8",  # (64 + 8) * 16 bits at 50 Gbit/s
        "560 mW at rest",
        "placeholder",
    ):
        assert text in page, text
    assert "opamp-solver" in device_list()


def test_active_circuit(tmp_path: Path) -> None:
    path = tmp_path / "half.toml"
    path.write_text(ACTIVE)
    page = device_page(str(path))
    assert "1 transconductors" in page and "th.evolve" in page
    assert "91.02 uV" in page  # sqrt(2 k T/C)
    assert "4.142 fW into the circuit" in page  # g E v^2 = k T/(R C)
