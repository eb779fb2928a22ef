"""Price models: published points within their bands, ranges that refuse, and what a zero is."""

from __future__ import annotations

import json
import subprocess
import sys
from math import log, pi
from typing import Any

import pytest

from thermohw.datasheet import EVIDENCE, RatedValue, weakest
from thermohw.errors import InputError
from thermohw.prices import CONDITIONS, MODELS, Price, model, points, published_totals
from thermohw.prices.published import PricePoint, dtm_step, z1_sweep, z1t_ratio


def near(value: Any, rel: float = 1e-9) -> Any:
    """Relative alone: pytest adds an absolute 1e-12, which would pass any picojoule."""
    return pytest.approx(value, rel=rel, abs=0.0)


ALL = [(kind, name) for kind, known in MODELS.items() for name in known]
# Formulas of charge and current alone: nobody publishes them as such, and an assumption.
NO_POINTS = {("driver", "class-a"), ("driver", "switched"), ("driver", "ota"),
             ("noise", "thermal"), ("mac", "fpga")}  # fmt: skip
# What a model needs to have a price at all.
SETTINGS = {
    "adc": {"bits": 11, "rate": 100e6}, "dac": {"bits": 10, "rate": 100e6},
    "mac": {}, "memory": {}, "noise": {}, "analog": {}, "programming": {},
    "driver": {"supply": 1.0, "bandwidth": 10e6, "capacitance": 1e-12, "resistance": 1e6,
               "voltage": 1e-3, "swing": 64e-6},
}  # fmt: skip
OWN = {
    ("adc", "board"): {"bits": 12, "rate": 1e6}, ("dac", "board"): {"bits": 16, "rate": 1e6},
    ("mac", "bare"): {"node": "7 nm"}, ("mac", "chip"): {"node": "7 nm"},
    ("memory", "sram"): {"node": "7 nm", "size": "1 MB"},
}  # fmt: skip


def settings(kind: str, name: str) -> dict[str, object]:
    return OWN.get((kind, name), SETTINGS[kind])  # type: ignore[return-value]


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_points_lie_within_the_band(kind: str, name: str) -> None:
    held = [point for point in points(kind, name) if not point.outside]
    for point in held:
        assert point.agrees, f"{point.name}: {point.ratio} of {point.price()}"
        assert point.source and point.evidence in EVIDENCE
    assert len(held) >= 3 or (kind, name) in NO_POINTS


def test_what_lies_outside_is_listed_with_a_reason_and_does_lie_outside() -> None:
    outside = [point for point in points() if point.outside]
    assert len(outside) > 15 and all(not point.agrees for point in outside)


def test_a_band_can_be_missed() -> None:
    """The widest band spans a factor 125: no point moved by 150 lies in any."""
    for kind, name in ALL:
        held = [p for p in points(kind, name) if not p.outside and p.price() is not None]
        for factor in (1 / 150, 150):
            assert not any(
                PricePoint(**{**vars(p), "value": p.value * factor}).agrees for p in held
            ), (kind, name)


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_a_price_has_unit_formula_source_and_evidence(kind: str, name: str) -> None:
    price = model(kind, name, **settings(kind, name)).price()
    known = MODELS[kind][name]
    assert price.unit == known.unit and price.formula and price.evidence == known.evidence
    assert price.source.startswith(known.source) and known.law and known.range
    assert known.evidence in EVIDENCE and kind in CONDITIONS
    assert price.low is None or price.low <= price.value
    assert price.high is None or price.high >= price.value


def test_only_thermal_noise_is_free() -> None:
    """A true zero is a price; what nobody has priced is None, and no price at all."""
    free = [key for key in ALL if model(*key, **settings(*key)).price().value == 0.0]
    assert free == [("noise", "thermal")]
    thermal = model("noise", "thermal").price()
    assert (thermal.low, thermal.value, thermal.high) == (0.0, 0.0, 0.0)
    assert thermal is not None and thermal.source
    for value in (float("nan"), float("inf"), -1e-12, None):
        with pytest.raises((InputError, TypeError)):
            Price(value, None, None, "J", "", "", None)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="swing: must be positive"):
        model("driver", "switched", supply="1 V").price(capacitance=1e-12, swing=0.0)


def test_formulas() -> None:
    """Values worked out by hand from the published constants."""

    def value(kind: str, name: str, **settings: object) -> float:
        return model(kind, name, **settings).price().value

    assert value("adc", "frontier", bits=8) == near(0.267e-12 + 0.1446e-18 * 65536)
    assert value("adc", "chip", bits=10) == near(10.57e-12, rel=1e-3)
    low = model("adc", "chip-fast", bits=8, rate="100 MHz").price()
    assert (low.low, low.value, low.high) == near((1.684e-12, 5.665e-12, 41.88e-12), 1e-3)
    assert value("adc", "board", bits=16) == near(10.09e-9, rel=1e-3)
    assert value("dac", "array", bits=10) == near(0.64e-12)
    assert value("dac", "board", rate="100 kHz") == near(3.0 * 120e-6 * 10e-6)
    assert value("dac", "board", rate="1 MHz") == near(360e-12)
    assert value("dac", "steering", rate="100 MHz") == near(1.9 * 3.3 * 0.02 / 1e8)
    # 28 nm: 0.10 pJ (28/7)^(ln 3/ln(45/7)), the exponent 0.59 of the tables
    assert value("mac", "bare", node="28 nm") == near(
        0.1e-12 * 4 ** (log(3) / log(45 / 7)), rel=1e-12
    )
    # the multiplier's ratio, 1.31 of 3.7 pJ, for the whole of fp32
    assert value("mac", "bare", type="fp32", node="7 nm") == near(1.6286e-12, rel=1e-4)
    assert value("mac", "gpu", part="H100", utilisation=0.5) == near(4 * 700 / 989.4e12)
    assert value("memory", "sram", node="7 nm", size="1 MB") == near(0.219e-12, rel=2e-3)
    assert value("driver", "op-amp", supply="5 V", bandwidth="16 MHz") == near(4e-3)
    drive = {"supply": "1 V", "voltage": 16 * 64.36e-6, "resistance": "1 Mohm"}
    # over 5 R C: 5.15e-15 J a node, as published
    assert value("driver", "class-a", **drive) * 5e-6 == near(5.149e-15, rel=1e-3)
    charge = {"supply": "1 V", "capacitance": "1 pF", "swing": "64 uV"}
    assert value("driver", "switched", **charge) == near(6.4e-17)
    ota = {"supply": "1 V", "bandwidth": "100 MHz", "capacitance": "1 pF"}
    assert value("driver", "ota", **ota) == near(2 * pi * 1e8 * 1e-12 / 15)
    assert value("noise", "digital") == 41e-12
    assert value("programming", "z1") == 153.6e-12


@pytest.mark.parametrize(
    ("kind", "name", "low", "high"),
    [
        ("adc", "frontier", 0.6, None),
        ("adc", "board", 1 / 2.2, 2.2),
        ("dac", "array", 0.2, 8.0),
        ("dac", "steering", 1 / 1.9, 2.5 / 1.9),
        ("dac", "board", 0.5, 2.0),
        ("mac", "bare", 1 / 1.5, 1.5),
        ("mac", "chip", 2.4 / 6.0, 13.0 / 6.0),
        ("mac", "gpu", 0.4, 4.0),
        ("mac", "fpga", None, None),
        ("memory", "sram", 1 / 1.5, 1.5),
        ("memory", "ddr", 9 / 20, 41 / 20),
        ("memory", "hbm", 3.4 / 3.9, 450 / 64 / 3.9),
        ("driver", "op-amp", 0.25, 4.0),
        ("driver", "ota", 15 / 25, 15 / 5),
        ("driver", "class-a", 1.0, None),
        ("noise", "digital", 10 / 41, 200 / 41),
        ("analog", "in-memory", 10 / 40, 10 / 2.48),
        ("programming", "z1", None, None),
    ],
)
def test_spreads(kind: str, name: str, low: float | None, high: float | None) -> None:
    price = model(kind, name, **settings(kind, name)).price()
    for end, share in ((price.low, low), (price.high, high)):
        assert (end is None) == (share is None)
        assert end is None or end / price.value == near(share)


def test_energy_grows_with_bits_nodes_and_sizes() -> None:
    for name in ("frontier", "chip", "chip-fast", "board"):
        least, most = MODELS["adc"][name].span  # type: ignore[attr-defined]
        prices = [model("adc", name, rate=1e8 if "fast" in name else 1e6, bits=b).price()
                  for b in range(least, most + 1)]  # fmt: skip
        for end in ("low", "value", "high"):
            ends = [getattr(price, end) for price in prices]
            assert ends[0] is None or all(a < b for a, b in zip(ends, ends[1:], strict=False))
    for kind in ("int8", "fp16", "fp32"):
        nodes = [model("mac", "chip", type=kind, node=f"{n} nm").price() for n in (7, 16, 28, 45)]
        assert all(a.value < b.value for a, b in zip(nodes, nodes[1:], strict=False))
        bare = model("mac", "bare", type=kind, node="28 nm").price()
        assert bare.value < nodes[2].low  # type: ignore[operator]
    for node in ("7 nm", "20 nm", "45 nm"):
        sizes = [model("memory", "sram", node=node, size=s).price().value
                 for s in ("8 KB", "32 KB", "256 KB", "1 MB")]  # fmt: skip
        assert all(a < b for a, b in zip(sizes, sizes[1:], strict=False))
    used = [model("mac", "gpu", utilisation=u).price().value for u in (1.0, 0.5, 0.1)]
    assert used == near([used[0], 2 * used[0], 10 * used[0]])


@pytest.mark.parametrize(
    ("kind", "name", "given", "says"),
    [
        ("adc", "frontier", {"bits": 3.9}, "bits: 3.9 is beyond the model, which holds from 4 to"),
        ("adc", "frontier", {"bits": 18}, "bits: 18"),
        ("adc", "frontier", {"bits": float("nan")}, "must be positive|finite"),
        ("adc", "frontier", {"bits": 8, "rate": "200 GHz"}, "rate: 200 GHz is beyond"),
        (
            "adc",
            "frontier",
            {},
            "bits: not known .ideal readings have no bits; protocol.adc_bits "
            "gives them some.; set bits in .adc.",
        ),
        ("adc", "chip", {"bits": 8, "rate": "10 Hz"}, "rate: 10 Hz"),
        ("adc", "chip-fast", {"bits": 8, "rate": "10 MHz"}, "from 100 MHz to 100 GHz"),
        ("adc", "chip-fast", {"bits": 8}, "rate: not known"),
        ("adc", "chip-fast", {"bits": 13, "rate": "1 GHz"}, "from 4 to 12"),
        ("adc", "board", {"bits": 8}, "from 11 to 17"),
        ("adc", "board", {"bits": 12, "rate": "100 MHz"}, "to 25 MHz"),
        ("dac", "array", {"bits": 7}, "from 8 to 13"),
        ("dac", "array", {"bits": 8, "rate": "1 GHz"}, "to 250 MHz"),
        ("dac", "steering", {"rate": "1 MHz"}, "from 50 MHz to 3 GHz"),
        ("dac", "steering", {"rate": "1 GHz", "current": "1 A"}, "current: 1 A"),
        ("dac", "board", {"rate": "2 MHz"}, "rate: 2 MHz"),
        ("dac", "board", {}, "rate: not known"),
        ("mac", "bare", {"node": "5 nm"}, "node: 5 nm is beyond the model, which holds from 7 nm"),
        ("mac", "chip", {"node": "65 nm"}, "node: 65 nm"),
        ("mac", "chip", {}, "node: not known; set node in .mac."),
        ("mac", "gpu", {"utilisation": 1.5}, "a share of the peak in .0, 1."),
        ("mac", "gpu", {"part": "TPU v4", "type": "int8"}, "no rating of TPU v4 in int8"),
        ("memory", "sram", {"node": "7 nm", "size": "2 MB"}, "size: 2048 KB is beyond"),
        ("memory", "sram", {"node": "7 nm"}, "size: not known .no weights are counted."),
        ("driver", "op-amp", {"supply": "5 V", "bandwidth": "1 GHz"}, "bandwidth: 1 GHz"),
        ("driver", "op-amp", {"bandwidth": "1 MHz"}, "supply: not known"),
    ],
)
def test_ranges_refuse(kind: str, name: str, given: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        model(kind, name, **given).price()
    assert "\n" not in str(caught.value) and name in str(caught.value)


def test_settings_win_over_conditions() -> None:
    fixed = model("adc", "chip", bits=8)
    assert fixed.price(bits=16.0) == fixed.price()
    assert model("adc", "chip").price(bits=16.0).value > 100 * fixed.price().value
    memory = model("memory", "sram", node="7 nm")
    assert memory.price(bits=8.0) == memory.price(bits=8 * 8192.0)  # the smallest it knows
    assert memory.price(bits=8e6).value > memory.price(bits=8.0).value
    with pytest.raises(InputError, match="set size to that of one bank"):
        memory.price(bits=1e9)
    # 5 us in 500 ticks is 100 MS/s but for rounding
    rate = 1.0 / (5e-6 / 500 * (1 + 1e-15))
    assert model("adc", "chip-fast").price(bits=8.0, rate=rate).value > 0.0
    assert "nearest is 2.9 times" in model("adc", "frontier").price(bits=8.0, rate=1e8).source


@pytest.mark.parametrize(
    ("kind", "name", "given", "says"),
    [
        ("ads", "chip", {}, "no models of 'ads'; did you mean 'adc'"),
        ("static", "chip", {}, "no models of 'static'"),
        ("adc", "chips", {}, "no model 'chips' of adc; did you mean 'chip'"),
        ("adc", "chip", {"bit": 8}, "bit: model 'chip' has no such setting; did you mean 'bits'"),
        ("noise", "digital", {"bits": 8}, "it has none"),
        ("mac", "bare", {"type": "int4"}, "expected one of int8, fp16, fp32"),
        ("mac", "bare", {"node": "7 nF"}, "does not measure a length"),
        ("memory", "sram", {"size": "7 nm"}, "expected a size of memory such as '1 MB'"),
        ("adc", "chip", {"bits": -8}, "must be positive"),
        ("adc", "chip", {"bits": True}, "expected a number"),
        ("driver", "class-a", {"resistance": 0.0}, "must be positive"),
    ],
)
def test_bad_settings(kind: str, name: str, given: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        model(kind, name, **given)


def test_published_totals() -> None:
    """What has a formula comes out as printed, to the digits printed; what has none says why."""
    totals = {total.system: total for total in published_totals()}
    assert z1_sweep() == near(1.91124e-9, rel=1e-5)
    assert totals["Z1, power"].value == near(95.562e-3, rel=1e-5)
    assert dtm_step(2e-15) == near(2.45e-9) and dtm_step(1.3e-15) == 1.5925e-9
    assert z1t_ratio(40.9e-6) == near(138.87, rel=1e-5)
    assert z1t_ratio(40.9e-6, 0.0) == near(143.12, rel=3e-5)
    assert totals["KV260, update"].value == near(10.85e-12, rel=5e-4)
    for total in totals.values():
        if total.value is None:
            assert total.note
        else:  # half a unit of the second printed digit
            assert total.value == near(total.published, rel=6e-3)


def test_prices_of_a_datasheet() -> None:
    rated = RatedValue(0.3e-12, "J", None, "a sheet", "measured", 0.2e-12, 40e-12)
    price = Price.of(rated)
    assert (price.low, price.value, price.high) == (0.2e-12, 0.3e-12, 40e-12)
    assert price.source == "a sheet" and price.unit == "J" and "300 fJ" in price.formula
    assert str(price) == "300 fJ (200 fJ to 40 pJ), measured"
    assert Price.of(RatedValue(1.0, "W")).evidence is None
    assert weakest(price, model("mac", "fpga").price()) == "projected"
    with pytest.raises(InputError, match="in J or in W"):
        Price.of(RatedValue(1.0, "V"))
    with pytest.raises(InputError, match="between its low and its high"):
        Price(1.0, 2.0, 3.0, "J", "", "", None)


def test_prices_import_nothing_heavy() -> None:
    code = (
        "import json, sys; from thermohw.prices import read_prices; "
        "read_prices('board').get('adc').price(); "
        "print(json.dumps(sorted({'torch', 'scipy', 'pint', 'matplotlib'} & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
