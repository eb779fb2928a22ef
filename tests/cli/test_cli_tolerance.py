"""thermohw sensitivity and thermohw yield in the shell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from thermohw.cli.app import app
from thermohw.errors import InputError

FAST = [
    *("--set", "protocol.control=clocked", "--set", "protocol.stepper=auto"),
    *("--set", "protocol.ticks=32", "--paths", "256"),
]


def run(*arguments: str) -> tuple[int, str]:
    found = CliRunner().invoke(app, list(arguments), standalone_mode=False)
    if isinstance(found.exception, InputError):
        raise found.exception
    code = found.return_value if isinstance(found.return_value, int) else found.exit_code
    if isinstance(found.exception, typer.Exit):
        code = found.exception.exit_code
    return code, found.output


def test_rows_of_ones_own(tmp_path: Path) -> None:
    out = tmp_path / "table.json"
    code, text = run("sensitivity", "mixture_rc", *FAST, "--row", "control_gain=0.9,sense_gain=1.1",
                     "--row", 'latency="20 ns"', "--out", str(out))  # fmt: skip
    assert code == 0 and "control_gain=0.9" in text
    rows = json.loads(out.read_text())["rows"]
    assert rows[1]["changes"] == {"control_gain": 0.9, "sense_gain": 1.1}
    with pytest.raises(InputError, match="exists"):
        run("sensitivity", "mixture_rc", *FAST, "--out", str(out))


def test_yield_speaks_by_its_exit_status() -> None:
    common = ("yield", "mixture_rc", *FAST, "--boards", "2", "--offset", "5 uV")
    code, text = run(*common, "--require", "quality.w1 < 100", "--at-least", "0.9")
    assert code == 0 and "yield 2 of 2" in text
    code, text = run(*common, "--require", "quality.w1 < 1e-9", "--at-least", "0.9", "--json")
    assert code == 1 and json.loads(text)["yield"]["passed"] == 0


def test_bad_input() -> None:
    with pytest.raises(InputError, match="expected a name"):
        run("yield", "mixture_rc", *FAST, "--require", "good")
    with pytest.raises(InputError, match="corners"):
        run("yield", "mixture_rc", *FAST, "--require", "quality.w1 < 1", "--corners", "hot")
    with pytest.raises(InputError, match="KEY=VALUE"):
        run("sensitivity", "mixture_rc", *FAST, "--row", "gain")
