"""devices/README.md knows every key of every table, every evidence class and every shipped file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from thermohw.datasheet import EVIDENCE, device_names
from thermohw.datasheet.schema import TABLES

README = (Path(__file__).parents[2] / "devices" / "README.md").read_text(encoding="utf-8")
SINGLE = ("solver", "array", "limits", "cost")


def sections() -> dict[str, str]:
    """Text of every table's section: from where a line starts with its brackets to the next."""
    starts = [*re.finditer(r"^`\[{1,2}([\w.]+)\]{1,2}`", README, re.MULTILINE)]
    ends = [*(match.start() for match in starts[1:]), README.index("## Overrides")]
    return {m.group(1): README[m.start() : end] for m, end in zip(starts, ends, strict=True)}


def keys(section: str) -> set[str]:
    """Names in backquotes in the first column of its tables."""
    rows = re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE)
    return {key for row in rows for key in re.findall(r"`(\w+)`", row)}


@pytest.mark.parametrize("table", [name for name in TABLES if name])
def test_every_key_is_documented_and_nothing_else(table: str) -> None:
    found = sections()
    assert table in found, f"no section for {table}"
    assert keys(found[table]) == {*TABLES[table]}
    brackets = f"[{table}]" if table in SINGLE else f"[[{table}]]"
    assert found[table].startswith(f"`{brackets}`")


def test_the_top_of_a_file() -> None:
    """Prose keys are in the table at the top; families have sections of their own."""
    top = README[README.index("At the top:") : README.index("`[[node]]`, one")]
    assert keys(top) == {"format", "name", "description"}
    assert {*TABLES[""]} == keys(top) | {t for t in TABLES if t and "." not in t}


def test_values_classes_and_files() -> None:
    values = README[README.index("## Values") : README.index("## Keys")]
    assert {"value", "tolerance", "source", "evidence"} <= keys(values)
    assert re.findall(r"^\| `(\w+)` \| \w[^|]* \|$", values, re.MULTILINE) == list(EVIDENCE)
    listed = re.findall(r"^\| `([\w-]+)\.toml`", README, re.MULTILINE)
    assert sorted(listed) == device_names()


@pytest.mark.parametrize("table", [name for name in TABLES if name])
def test_required_keys_say_so(table: str) -> None:
    """A key that a file cannot leave out has a row that says "required", or whose column of
    defaults is empty because it is one of several.
    """
    section = sections()[table]
    rows = re.findall(r"^\| `.*$", section, re.MULTILINE)
    given = ("capacitor", "mutual", "bilinear")  # named where the file gives no name
    for name, required in TABLES[table].items():
        if required and not (name == "name" and table in given):
            said = [row for row in rows if f"`{name}`" in row.split("|")[1]]
            assert any("required" in row or row.endswith("| |") for row in said), (table, name)
