"""What operations cost: counted exactly, priced by name, and never zero where nobody knows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import thermohw as th
from thermohw.bill import PARTS, Bill, BillLine, Tariff, make_bill, operations_of
from thermohw.bill.erasure import Told, erasure_line, foretold
from thermohw.control import make_plan
from thermohw.datasheet.rated import RatedValue
from thermohw.datasheet.sheet import Cost
from thermohw.errors import InputError
from thermohw.prices import Prices, read_prices
from thermohw.score.network.counts import Counts

COUNTS = Counts(macs=1000, weights=500)
HEAT = BillLine("heat.total", 1e-18, 1e-18, 1e-18, "", "", "simulated", "")


def plan_of(device: str = "rc1", **settings: Any) -> Any:
    given: Any = {"wiring": "emf", "control": "clocked", "ticks": 16, "allow_ringing": True}
    process, circuit = th.OU(duration=2.0), th.load_device(device)
    n = len(circuit.nodes)
    target = th.targets.gaussian(mean=[0.0] * n, std=[0.5] * n)
    return make_plan(th.Protocol(circuit, process, target.score(process), **(given | settings)))


def bill_of(plan: Any, counts: Counts | None = COUNTS, prices: str | None = None,
            cost: Cost | None = None, samples: int | None = 10) -> Bill:  # fmt: skip
    sheet = plan.protocol.device.datasheet
    sheet = sheet if cost is None else replace(sheet, cost=cost)
    tariff = Tariff(sheet, None if prices is None else read_prices(prices))
    told = foretold(plan, plan.protocol.score.target, None, "schedule")
    return make_bill(operations_of(plan, counts, exact=counts is None), tariff, heat=HEAT,
                     erasure=erasure_line(plan, told), samples=samples)  # fmt: skip


def test_counts_and_prices() -> None:
    """Operations times the datasheet's price, line by line."""
    plan = plan_of("rc64")
    bill, cost = bill_of(plan), plan.protocol.device.datasheet.cost
    assert bill["cost.adc"].value == 16 * 64 * cost.adc.value
    assert bill["cost.dac"].value == 16 * 64 * cost.dac.value
    assert bill["cost.score"].value == 16 * 1000 * cost.mac.value
    assert bill["cost.memory"].value == 16 * 500 * 8 * cost.memory.value
    watts = 64 * cost.driver.value
    assert bill["cost.driver"].value == pytest.approx(watts * 2e-6, rel=1e-9, abs=0.0)
    for part in ("adc", "dac", "score"):
        rated = getattr(cost, {"score": "mac"}.get(part, part))
        line = bill[f"cost.{part}"]
        assert line.source == rated.source and line.evidence == rated.evidence
        assert line.low is not None and line.high is not None and line.value is not None
        assert line.low / line.value == pytest.approx(rated.low / rated.value, rel=1e-12)
        assert line.high / line.value == pytest.approx(rated.high / rated.value, rel=1e-12)


def test_totals_are_sums_and_as_weak_as_their_weakest_line() -> None:
    bill = bill_of(plan_of("rc64"))
    electronics = [bill[f"cost.{part}"] for part in ("adc", "dac", "score")]
    for end in ("value", "low", "high"):
        added = sum(getattr(line, end) for line in electronics)
        assert getattr(bill.electronics, end) == pytest.approx(added, rel=1e-12, abs=0.0)
    assert bill.electronics.evidence == "projected"
    assert bill.electronics.note == "without erasure"
    known = [line.value for line in (bill.heat, *bill.lines) if line.value is not None]
    assert bill.priced.value == pytest.approx(sum(known), rel=1e-12, abs=0.0)
    assert "static, programming" in bill.priced.note and bill.sample.value is None
    assert bill.sample.note == "unknown, as static, programming are"


@pytest.mark.parametrize("missing", ["adc", "dac", "mac", "memory", "driver"])
def test_what_is_unpriced_is_never_zero(missing: str) -> None:
    """A price taken out makes its line and every total it belongs to None."""
    plan = plan_of("rc64")
    cost = plan.protocol.device.datasheet.cost
    bill = bill_of(plan, cost=replace(cost, **{missing: None}))
    part = {"mac": "score"}.get(missing, missing)
    line = bill[f"cost.{part}"]
    assert line.value is None and line.low is None and line.note.startswith("unpriced: ")
    assert part in bill.sample.note and bill.sample.value is None
    assert part in bill.priced.note
    assert (bill.electronics.value is None) == (part in ("adc", "dac", "score"))
    if bill.electronics.value is None:
        assert bill.electronics.note == f"unknown, as {part} is"


def test_nothing_priced_at_all() -> None:
    bill = bill_of(plan_of("rc64"), cost=Cost())
    assert [line.name for line in bill.lines if line.value is not None] == ["cost.noise"]
    assert bill.sample.value is None and bill.electronics.value is None
    assert bill.priced.value == HEAT.value


def test_noise_of_the_resistors_is_a_true_zero() -> None:
    line = bill_of(plan_of())["cost.noise"]
    assert line.value == 0.0 and "no supply does" in line.source
    injected = plan_of("rc1", realisation="injected", injected_bandwidth="1 GHz")
    line = bill_of(injected, cost=Cost())["cost.noise"]
    assert line.value is None and line.note == "unpriced: 16 numbers"
    slow = replace(injected.protocol, adc_bits=8, dac_bits=8)
    free = bill_of(make_plan(slow), prices="chip-7nm")["cost.noise"]
    assert free.value is None and "thermal noise is free" in free.note
    digital = Cost(noise=RatedValue(41e-12, "J"))
    priced = bill_of(injected, cost=digital)["cost.noise"].value
    assert priced == pytest.approx(16 * 41e-12, rel=1e-12, abs=0.0)


def test_an_analog_controller_has_no_price_and_none_is_made_up() -> None:
    bill = bill_of(plan_of(control="continuous", stepper="auto"))
    for part in ("adc", "dac", "score", "memory", "erasure"):
        assert bill[f"cost.{part}"].value is None, part
    assert bill.electronics.value is None and bill["cost.driver"].value is not None


@pytest.mark.parametrize("counts", [None, COUNTS])
def test_arithmetic_that_nobody_counted(counts: Counts | None) -> None:
    plan = plan_of()
    tariff = Tariff(plan.protocol.device.datasheet)
    found = make_bill(operations_of(plan, counts, exact=False), tariff, heat=HEAT,
                      erasure=erasure_line(plan, None))  # fmt: skip
    line = found["cost.score"]
    assert (line.value is None) == (counts is None)
    if counts is None:
        assert "give it an attribute multiply_accumulates" in line.note


def test_erasure() -> None:
    """k T a nat: exact of noisy readings, a bound behind a converter, none of exact ones."""
    noisy = plan_of(reading_noise="20 uV")
    told = foretold(noisy, noisy.protocol.score.target, None, "schedule")
    assert told is not None and told.exact
    line = erasure_line(noisy, told)
    kt = noisy.protocol.device.scale.energy
    assert line.value == told.most * kt and line.note.startswith("at least k T")
    bits = plan_of(reading_noise="20 uV", adc_bits=3)
    bound = foretold(bits, bits.protocol.score.target, None, "schedule")
    assert bound is not None and not bound.exact and bound.most <= told.most
    assert erasure_line(bits, bound).note.startswith("at most k T")
    assert erasure_line(bits, bound).low == 0.0 and line.low == line.value
    exact = plan_of()
    line = erasure_line(exact, foretold(exact, exact.protocol.score.target, None, "schedule"))
    assert line.value is None and not line.applies and "infinite" in line.note
    assert erasure_line(exact, None).applies and erasure_line(exact, None).value is None
    assert erasure_line(exact, Told(1.0, True, "")).value == kt


def test_programming_is_shared_by_the_samples_between() -> None:
    cost = Cost(programming=RatedValue(2e-12, "J"))
    line = bill_of(plan_of(), cost=cost, samples=10)["cost.programming"]
    assert line.value == pytest.approx(500 * 2e-12 / 10, rel=1e-12, abs=0.0)
    unknown = bill_of(plan_of(), cost=cost, samples=None)["cost.programming"]
    assert unknown.value is None and "how many samples" in unknown.note
    assert bill_of(plan_of(), None, cost=cost)["cost.programming"].value is None


def test_watts_that_are_always_on() -> None:
    cost = Cost(static=RatedValue(1.5, "W"))
    line = bill_of(plan_of(), cost=cost)["cost.static"]
    assert line.value == pytest.approx(1.5 * 2e-6, rel=1e-9, abs=0.0)


def test_a_rate_beyond_the_part_is_refused() -> None:
    """A part quoted at 1 MHz does not read a node every 125 ns."""
    with pytest.raises(InputError, match="1 MHz"):
        bill_of(plan_of("rc1", adc_bits=12), prices="board")


def test_bits_are_asked_of_the_model() -> None:
    with pytest.raises(InputError, match="protocol.adc_bits gives them some"):
        bill_of(plan_of("rc1"), prices="chip-7nm")
    eight, nine = (
        bill_of(plan_of("rc1", adc_bits=bits, dac_bits=8), prices="frontier")["cost.adc"].value
        for bits in (8, 9)
    )
    assert eight is not None and nine is not None
    assert nine / eight == pytest.approx(
        (0.267e-12 + 0.1446e-18 * 4**9) / (0.267e-12 + 0.1446e-18 * 4**8), rel=1e-12
    )


def test_fewer_ticks_and_faster_circuits() -> None:
    do = operations_of(plan_of("rc64"), COUNTS, exact=False)
    half, fast = do.coarser(), do.faster()
    assert (half.ticks, half.readings, half.settings) == (8, 8 * 64, 8 * 64)
    assert half.rate == do.rate / 2 and half.seconds == do.seconds
    assert fast.seconds == do.seconds / 2 and fast.rate == 2 * do.rate
    assert fast.readings == do.readings
    assert {f"cost.{part}" for part in PARTS} == {line.name for line in bill_of(plan_of()).lines}


def test_a_staircase_draws_at_its_own_rate() -> None:
    """1 GHz of it are 1000 numbers a microsecond, however few ticks there are."""
    extra: Any = {"realisation": "injected", "injected_bandwidth": "1 GHz"}
    plan = plan_of("rc1", injected_shape="staircase", **extra)
    do = operations_of(plan, None, exact=True)
    assert abs(do.numbers - 1e9 * do.seconds) <= 1.0 and do.numbers > 16
    pole = operations_of(plan_of("rc1", **extra), None, exact=True)
    assert pole.numbers == 16


def own(tmp_path: Path, text: str) -> Prices:
    path = tmp_path / "mine.toml"
    path.write_text(f'format = "thermohw-prices/1"\n{text}')
    return read_prices(path)


def test_joules_of_an_update_price_no_analog_controller(tmp_path: Path) -> None:
    mine = own(tmp_path, '[driver]\nvalue = "1 pJ"\nsource = "me"\nevidence = "projected"\n')
    for control in ("clocked", "continuous"):
        plan = plan_of(control=control, stepper="auto")
        tariff = Tariff(plan.protocol.device.datasheet, mine)
        bill = make_bill(operations_of(plan, COUNTS, exact=False), tariff, heat=HEAT,
                         erasure=erasure_line(plan, None))  # fmt: skip
        line = bill["cost.driver"]
        if control == "clocked":
            assert line.value == pytest.approx(16 * 1e-12, rel=1e-12, abs=0.0)
        else:
            assert line.value is None and "driver" in bill.priced.note


def test_an_analog_score_of_ones_own_stands_before_the_datasheets_arithmetic(
    tmp_path: Path,
) -> None:
    mine = own(tmp_path, '[analog]\nvalue = "0.1 pJ"\nsource = "me"\nevidence = "projected"\n')
    plan = plan_of("rc64")
    tariff = Tariff(plan.protocol.device.datasheet, mine)
    bill = make_bill(operations_of(plan, COUNTS, exact=False), tariff, heat=HEAT,
                     erasure=erasure_line(plan, None))  # fmt: skip
    assert bill["cost.score"].value == pytest.approx(16 * 2000 * 0.1e-12, rel=1e-12, abs=0.0)
    memory = bill["cost.memory"]
    assert memory.value is None and not memory.applies and "stay put" in memory.note


def test_a_spread_that_is_not_stated_is_left_out_only_where_it_cannot_be_seen() -> None:
    plan = plan_of("rc64")
    small, large = (replace(HEAT, value=value, low=None, high=None) for value in (1e-21, 1.0))
    for heat in (small, large):
        tariff = Tariff(plan.protocol.device.datasheet)
        bill = make_bill(operations_of(plan, COUNTS, exact=False), tariff, heat=heat,
                         erasure=erasure_line(plan, None))  # fmt: skip
        assert (bill.priced.low is None) == (heat is large)
        assert "spread of heat.total not stated" in bill.priced.note


@pytest.mark.parametrize(
    ("value", "source", "word"),
    [("1e307 J", "me", "more joules"), ("1 pJ", "  ", "needs it")],
)
def test_prices_that_are_slips(tmp_path: Path, value: str, source: str, word: str) -> None:
    text = f'[mac]\nvalue = "{value}"\nsource = "{source}"\nevidence = "projected"\n'
    plan = plan_of()
    with pytest.raises(InputError, match=word):
        tariff = Tariff(plan.protocol.device.datasheet, own(tmp_path, text))
        make_bill(operations_of(plan, COUNTS, exact=False), tariff, heat=HEAT,
                  erasure=erasure_line(plan, None))  # fmt: skip


def test_weights_that_nobody_counted() -> None:
    """Arithmetic is priced, moving and writing the weights is not."""
    rated = RatedValue(1e-12, "J")
    cost = Cost(mac=rated, memory=rated, programming=rated)
    bill = bill_of(plan_of(), Counts(1000, None), cost=cost)
    assert bill["cost.score"].value is not None
    for part in ("memory", "programming"):
        assert bill[f"cost.{part}"].value is None and part in bill.sample.note
