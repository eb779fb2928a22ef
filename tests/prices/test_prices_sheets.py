"""Price sheets: what ships, what a sheet of one's own says, and one line for whatever is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from thermohw.datasheet import device_names, load_datasheet
from thermohw.errors import InputError
from thermohw.prices import CONDITIONS, MODELS, Price, price_sheet_names, read_prices


def near(value: Any, rel: float = 1e-9) -> Any:
    """Relative alone: pytest adds an absolute 1e-12, which would pass any picojoule."""
    return pytest.approx(value, rel=rel, abs=0.0)


MINE = """format = "thermohw-prices/1"
description = "a board on my desk"

[adc]
value = "1.10 nJ"
low = "1.05 nJ"
high = "2.36 nJ"
bits = 12
rate = "1 MHz"
source = "AD7091, Rev A"
evidence = "measured"

[mac]
model = "chip"
node = "7 nm"

[driver]
model = "op-amp"
supply = "5 V"

[static]
value = "1.5 W"
source = "my meter"
evidence = "metered"
"""


def sheet(tmp_path: Path, text: str = MINE) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return path


def test_a_sheet_of_ones_own(tmp_path: Path) -> None:
    prices = read_prices(sheet(tmp_path))
    assert prices.name == "mine" and prices.description == "a board on my desk"
    assert prices.text == MINE and set(prices.entries) == {"adc", "mac", "driver", "static"}
    adc, mac, driver, static = (prices.get(kind) for kind in ("adc", "mac", "driver", "static"))
    assert adc and mac and driver and static
    part = adc.price(bits=12, rate=1e6)
    assert (part.low, part.value, part.high) == (1.05e-9, 1.1e-9, 2.36e-9)
    assert part.source == "AD7091, Rev A" and part.evidence == "measured"
    assert adc.price(bits=None, rate=None) == adc.price(bits=8, rate=10.0) == part
    assert mac.price().value == near(0.6e-12)
    assert driver.price(bandwidth=16e6, capacitance=1e-12).value == near(4e-3)
    assert static.price().unit == "W" and static.price().value == 1.5
    with pytest.raises(TypeError, match="no condition of mac: bits"):
        mac.price(bits=8)


def test_what_is_unpriced_is_none_and_never_zero(tmp_path: Path) -> None:
    prices = read_prices(sheet(tmp_path))
    for kind in ("dac", "memory", "noise", "analog", "programming"):
        assert prices.get(kind) is None
    with pytest.raises(InputError, match="no kind of price 'ads'; did you mean 'adc'"):
        prices.get("ads")
    for value in ("0 J", "0 pJ", "-1 nJ"):
        with pytest.raises(InputError, match="adc: must be positive"):
            read_prices(sheet(tmp_path, MINE.replace('"1.10 nJ"', f'"{value}"')))
    for name in price_sheet_names():
        for kind, entry in read_prices(name).entries.items():
            told = dict.fromkeys(CONDITIONS[kind])
            try:
                price = entry.price(**told)
            except InputError:
                continue
            free = kind == "noise" and entry.model is not None and entry.model.name == "thermal"
            assert (price.value == 0.0) == free


def test_more_than_a_part_was_quoted_at_is_refused(tmp_path: Path) -> None:
    path = sheet(tmp_path)
    adc = read_prices(path).get("adc")
    assert adc is not None
    for asked, says in [
        ({"bits": 8, "rate": 100e6}, "rate: 1.1 nJ is quoted at 1 MHz; 100 MHz asked"),
        ({"bits": 14, "rate": 1e6}, "bits: 1.1 nJ is quoted at 12 bits; 14 bits asked"),
    ]:
        with pytest.raises(InputError) as caught:
            adc.price(**asked)
        assert str(caught.value) == f"{path}: adc: {says}"


def test_a_model_says_which_key_to_set(tmp_path: Path) -> None:
    text = MINE.replace(MINE[MINE.index("[adc]") : MINE.index("[mac]")], '[adc]\nmodel = "chip"\n')
    path = sheet(tmp_path, text)
    adc = read_prices(path).get("adc")
    assert adc is not None
    with pytest.raises(InputError) as caught:
        adc.price(bits=None, rate=1e6)
    ideal = "ideal readings have no bits; protocol.adc_bits gives them some"
    said = f"bits: not known ({ideal}); set bits in [adc]"
    assert str(caught.value) == f"{path}: adc: model 'chip': {said}"
    with pytest.raises(InputError, match="adc: model 'chip': bits: 20 is beyond the model"):
        adc.price(bits=20, rate=1e6)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            '"thermohw-prices/1"',
            '"thermohw-run/1"',
            "'thermohw-run/1' is not a price sheet",
        ),
        ('format = "thermohw-prices/1"\n', "", "format: missing; expected 'thermohw-prices/1'"),
        ('"a board on my desk"', "3", "description: expected text, got 3"),
        ("[static]", "[statics]", "statics: unknown table; did you mean 'static'?"),
        ("[static]", "[adc.x]", "adc.x: unknown key"),
        ('"1.10 nJ"', "1.1e-9", "adc: value without unit: 1.1e-09"),
        ('"1.10 nJ"', '"1.10"', "adc: value without unit: '1.10'"),
        ('"1.10 nJ"', '"1.10 nV"', "adc: unit 'nV' does not measure an energy"),
        ('"1.5 W"', '"1.5 J"', "static: unit 'J' does not measure a power"),
        ('source = "AD7091, Rev A"\n', "", "adc.source: missing"),
        ('"AD7091, Rev A"', '""', "adc.source: missing"),
        ('evidence = "measured"\n', "", "adc.evidence: missing"),
        ('"measured"', '"guessed"', "adc: evidence must be one of placeholder, projected"),
        ('rate = "1 MHz"\n', "", "adc.rate: missing"),
        ("bits = 12\n", "", "adc.bits: missing"),
        ('"1 MHz"', '"0 Hz"', "adc.rate: must be positive"),
        ('"1 MHz"', '"1 us"', "adc.rate: unit 'us' does not measure a frequency"),
        ("bits = 12", 'bits = "many"', "adc.bits: expected a number, got 'many'"),
        ('"1.05 nJ"', '"1.2 nJ"', "adc: low: '1.2 nJ': expected low <= value <= high"),
        ("low = ", "lo = ", "adc.lo: unknown key; did you mean 'low'?"),
        ('value = "1.5 W"\n', "", 'static: expected model = "..." or value = "..."'),
        ('value = "1.5 W"', 'value = "1.5 W"\nrate = "1 Hz"', "static.rate: unknown key"),
        ('value = "1.5 W"', 'model = "chip"', "static.model: there are no models of it"),
        ('model = "chip"', 'model = "chip"\nvalue = "1 pJ"', "mac: has a model and a value"),
        ('model = "chip"', 'model = "cip"', "mac: model: no model 'cip' of mac; did you mean"),
        ('model = "chip"', "model = 3", "mac: model: no model 3 of mac"),
        ('node = "7 nm"', 'nodes = "7 nm"', "mac: nodes: model 'chip' has no such setting"),
        ('node = "7 nm"', "node = 7e-9", "mac.node: value without unit"),
        ('node = "7 nm"', 'node = "7 nm"\ntype = "int9"', "mac.type: 'int9': expected one of int8"),
        ("[static]", "[static", "not valid TOML"),
        (MINE[MINE.index("[static]") :], "static = 3\n", "driver.static|model 'op-amp' has no"),
    ],
)
def test_bad_sheets_get_one_line(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in MINE
    path = sheet(tmp_path, MINE.replace(old, new))
    with pytest.raises(InputError) as caught:
        read_prices(path)
    message = str(caught.value)
    assert message.startswith(str(path)) and "\n" not in message
    assert any(part in message for part in says.split("|")), message


def test_unknown_sheets(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown price sheet 'bord'; did you mean 'board'"):
        read_prices("bord")
    with pytest.raises(InputError, match="no such price sheet.*board, chip-45nm, chip-7nm"):
        read_prices(tmp_path / "none.toml")


def test_shipped_sheets_price_a_run() -> None:
    """A run of 8-bit converters at 1 MS/s (12 on the board) whose weights take 1 Mbit."""
    assert price_sheet_names() == ["board", "chip-45nm", "chip-7nm", "frontier"]
    totals = {}
    for name in price_sheet_names():
        prices = read_prices(name)
        assert prices.description and prices.name == name
        bits = 12 if name == "board" else 8
        told = {
            "bits": bits, "rate": 1e6, "bandwidth": 16e6, "capacitance": 1e-12,
            "resistance": 1e6, "voltage": 1e-3, "swing": 64e-6,
        }  # fmt: skip
        found = {}
        for kind, entry in prices.entries.items():
            conditions = {key: told[key] for key in CONDITIONS[kind]}
            if kind == "memory":
                conditions = {"bits": 1e6}
            found[kind] = entry.price(**conditions)
            assert isinstance(found[kind], Price) and found[kind].source
            assert entry.model is None or entry.model.name in MODELS[kind]
        assert {"adc", "dac", "mac", "memory", "driver", "noise"} <= set(found)
        totals[name] = found
    for kind in ("adc", "dac", "mac", "memory", "driver"):
        low, chip, board = (totals[n][kind].value for n in ("frontier", "chip-7nm", "board"))
        assert low <= chip < board


def test_shipped_devices_state_prices_with_a_spread() -> None:
    """rc784 with 500 updates converts for 1.8e-7 J, and what is unpriced stays None."""
    cost = load_datasheet("rc784").cost
    assert cost.adc and cost.dac and cost.static is None and cost.noise is None
    assert 784 * 500 * (cost.adc.value + cost.dac.value) == near(1.8032e-7)
    for name in device_names():
        sheet = load_datasheet(name)
        for kind in ("adc", "dac", "mac"):
            entry = getattr(sheet.cost, kind)
            assert entry.low <= entry.value <= entry.high, (name, kind)
        for entry in vars(sheet.cost).values():
            if entry is not None:
                price = Price.of(entry)
                assert price.value > 0.0 and price.source and price.evidence


def test_the_documents_list_every_model() -> None:
    page = (Path(__file__).parents[2] / "docs" / "energy.md").read_text(encoding="utf-8")
    table = page[page.index("## Price models") : page.index("## Price sheets")]
    rows = {tuple(cell.strip(" `") for cell in line.split("|")[1:3])
            for line in table.splitlines() if line.startswith("| `")}  # fmt: skip
    assert rows == {(kind, name) for kind, known in MODELS.items() for name in known}
    for name in price_sheet_names():
        assert f"`{name}`" in page
