"""thermohw energy: the whole bill before a run, in Python and in the shell."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from typer.testing import CliRunner

import thermohw as th
from thermohw.cli.app import app
from thermohw.errors import InputError
from thermohw.pipeline.energy import energy
from thermohw.pipeline.spec import load_spec

IMAGES = ["device.name=rc784", "target={kind='uniform_pixels', side=28}", "likelihood.twin=0",
          "process={kind='ve', sigma=25.0, t_min=1e-3}", "protocol.ticks=500",
          "protocol.allow_ringing=true"]  # fmt: skip
SMALL = ["score={kind='network', steps=20, seed=0}", "protocol.control=clocked",
         "protocol.stepper=auto", "protocol.ticks=64", "protocol.allow_ringing=true"]  # fmt: skip


def test_500_updates_of_784_nodes() -> None:
    """1.8e-7 J of conversions at the shipped prices, N_MAC x 500 x .2 pJ of arithmetic."""
    found = energy("digits_rc", overrides=IMAGES)
    bill = found.bill
    converted = (bill["cost.adc"].value or 0.0) + (bill["cost.dac"].value or 0.0)
    assert converted == pytest.approx(784 * 500 * 0.46e-12, rel=1e-12, abs=0.0)
    assert round(converted * 1e7, 1) == 1.8
    count = bill["cost.score"].count
    assert count is not None
    assert bill["cost.score"].value == pytest.approx(count * 0.2e-12, rel=1e-12, abs=0.0)
    assert count % 500 == 0
    assert bill["cost.memory"].value is not None and bill["cost.score"].source
    assert found.notes and "not trained yet" in found.notes[0]
    assert "moments: a Gaussian" in found.quantities["heat.total.kT"].note
    heat = bill.heat  # of another law than the network's: no digit of it is exact
    assert heat.low is None and heat.high is None and heat.evidence == "projected"
    assert "exact" not in str(found).split("heat.total")[1].split("\n")[0]
    assert bill.priced.low is not None and "spread of heat.total not stated" in bill.priced.note


@pytest.fixture(scope="module")
def trained(tmp_path_factory: Any) -> Any:
    from thermohw.pipeline import run_spec

    path = tmp_path_factory.mktemp("energy") / "run.h5"
    extra = ["simulate.paths=512", "likelihood.test=0", "audit.twins=false", "store.every=0"]
    run_spec(load_spec("mixture_rc", [*SMALL, *extra]), path, progress=False)
    return path


def test_a_bill_before_and_after(trained: Any) -> None:
    """Counts and prices are those of the audit; the pilot's heat is the run's within errors."""
    before = energy("mixture_rc", overrides=[*SMALL, "simulate.paths=512"])
    known = energy("mixture_rc", overrides=[*SMALL, "simulate.paths=512"], weights=trained)
    after = th.audit(trained).quantities
    names = [name for name in after if name.startswith("cost.")]
    assert names
    for name in names:
        if name.startswith(("cost.priced", "cost.sample")):  # the heat is in them
            continue
        for found in (before.quantities[name], known.quantities[name]):
            assert found.value == after[name].value, name
    heat, run = known.quantities["heat.total.kT"], after["heat.total.kT"]
    assert heat.value is not None and run.value is not None
    assert heat.stderr is not None and run.stderr is not None
    assert abs(heat.value - run.value) < 4.0 * (heat.stderr**2 + run.stderr**2) ** 0.5
    assert "pilot run of 64 paths" in heat.note
    guess = before.quantities["heat.total.kT"]
    assert guess.value != heat.value and "Gaussian" in guess.note


def test_ratios_and_help(trained: Any) -> None:
    found = energy("mixture_rc", overrides=SMALL, weights=trained, utilisation=0.5)
    ratios, basis = found.ratios, found.basis
    assert basis.name == "cost.priced" and basis.value is not None
    assert ratios["total.kT"] == pytest.approx(basis.value / found.kt, rel=1e-12)
    share, times = ratios["gpu.break_even_utilisation"], ratios["gpu.times"]
    assert share is not None and times is not None
    assert times == pytest.approx(share / 0.5, rel=1e-12)
    other = energy("mixture_rc", overrides=SMALL, weights=trained, utilisation=1.0)
    assert other.ratios["gpu.break_even_utilisation"] == pytest.approx(share, rel=1e-12)
    helps = {one.change: one.saves for one in found.helps}
    ticks, width = helps["half as many ticks"], helps["half the width of the network"]
    assert ticks is not None and 0.4 < ticks <= 0.5
    assert width is not None and 0.0 < width < 0.8
    driver = found.bill["cost.driver"].value or 0.0
    per_tick = sum(found.bill[f"cost.{p}"].value or 0.0 for p in ("adc", "dac", "score", "memory"))
    assert ticks == pytest.approx(0.5 * per_tick / basis.value, rel=1e-12)
    assert driver + per_tick + (found.bill.heat.value or 0.0) == pytest.approx(
        basis.value, rel=1e-12, abs=0.0
    )


def test_bits_help_where_the_price_depends_on_them() -> None:
    bits = ["protocol.adc_bits=10", "protocol.dac_bits=10", "protocol.grid=uniform"]
    found = energy("mixture_rc", overrides=[*SMALL, *bits], prices="chip-7nm")
    helps = {one.change: one.saves for one in found.helps}
    assert (helps["a bit less in the ADC"] or 0.0) > 0.0
    assert (helps["a bit less in the DAC"] or 0.0) > 0.0
    flat = {one.change: one.saves for one in energy("mixture_rc", overrides=[*SMALL, *bits]).helps}
    assert flat["a bit less in the ADC"] is None
    # 64 ticks of equal noise ratio end in one of 49 ps, which no converter of the sheet manages.
    with pytest.raises(InputError, match="rate: 20.39 GHz is beyond the model"):
        energy("mixture_rc", overrides=[*SMALL, *bits[:2]], prices="chip-7nm")
    assert any("20.39 GHz" in note for note in energy("mixture_rc", overrides=SMALL).notes)


def test_a_protocol() -> None:
    device, process = th.load_device("rc1"), th.OU(duration=3.0)
    target = th.targets.gaussian_mixture(means=[[-1.0], [1.0]], stds=0.6, weights=[0.5, 0.5])
    protocol = th.Protocol(device, process, target.score(process), wiring="emf",
                           control="clocked", ticks=64, allow_ringing=True)  # fmt: skip
    found = th.energy(protocol)
    assert "own law" in found.quantities["heat.total.kT"].note
    assert found.bill["cost.score"].value is None
    assert "exact formula" in found.bill["cost.score"].note
    text = str(found)
    assert "cost.priced" in text and "what would help" in text


def test_the_shell(tmp_path: Any) -> None:
    runner = CliRunner()
    result = runner.invoke(app, ["energy", "mixture_rc", "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.output)
    assert found["quantities"]["heat.total.kT"]["value"] == pytest.approx(0.017577, abs=1e-6)
    assert found["lines"]["cost.adc"]["value"] is None
    assert set(found) == {"quantities", "lines", "ratios", "helps", "notes", "run"}
    text = runner.invoke(app, ["energy", "mixture_rc"])
    assert text.exit_code == 0 and "heat.total" in text.output


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"prices": "nowhere.toml"}, "nowhere.toml"),
        ({"prices": "chip-9nm"}, "chip-9nm"),
        ({"utilisation": 0.0}, "share of the peak"),
        ({"samples": 0}, "samples"),
        ({"weights": "nothing.safetensors", "overrides": SMALL}, "nothing.safetensors"),
        ({"weights": "nothing.h5", "overrides": SMALL}, "nothing.h5"),
        ({"weights": "x.safetensors"}, "an exact score has no weights"),
        ({"overrides": ["protocol.tikcs=4"]}, "tikcs"),
    ],
)
def test_bad_input(given: dict[str, Any], word: str) -> None:
    with pytest.raises(InputError, match=word):
        energy("mixture_rc", **given)


def test_other_kinds_of_runs_are_sent_elsewhere() -> None:
    with pytest.raises(InputError, match="plays no score"):
        energy("trap_free")


def test_another_runs_network_is_refused(trained: Any) -> None:
    with pytest.raises(InputError, match="another process or dimension"):
        energy("mixture_rc", overrides=[*SMALL, "process.duration=2.0"], weights=trained)


def test_flat_prices_do_not_say_what_they_do_not_know(trained: Any) -> None:
    """A watt that was worked out for one R C is no price of half of it; models follow."""
    flat = {one.change: one for one in energy("mixture_rc").helps}
    for change in ("half the R C", "half the source voltages (V0)"):
        assert flat[change].saves is None and "flat prices do not follow" in flat[change].note
    model = {one.change: one.saves for one in energy("mixture_rc", prices="chip-7nm").helps}
    assert abs(model["half the R C"] or 0.0) < 1e-6  # twice the watts for half the time
    assert model["half the source voltages (V0)"] == 0.0
    analog = [*SMALL[:1], "protocol.ticks=64"]
    width = energy("mixture_rc", overrides=analog).helps[-1]
    assert width.change == "half the width of the network"
    assert width.saves is None and "unpriced" in width.note
    text = str(energy("mixture_rc", overrides=analog))
    assert "saves nothing" not in text


def test_a_gpu_is_compared_with_what_has_a_price(trained: Any) -> None:
    """Its joules move weights too: where that is unpriced here there is no ratio."""
    found = energy("mixture_rc", overrides=SMALL, weights=trained)
    assert found.ratios["gpu.times"] is not None
    assert "times what is priced" in str(found).replace("\n", " ")
    lines = tuple(
        replace(line, value=None, low=None, high=None) if line.name == "cost.memory" else line
        for line in found.bill.lines
    )
    without = replace(found, bill=replace(found.bill, lines=lines))
    assert without.ratios["gpu.times"] is None and without.ratios["gpu.J"] is not None


def test_work_of_injected_noise_is_told() -> None:
    extra = ["protocol.realisation=injected", "protocol.injected_bandwidth=100 MHz"]
    notes = energy("mixture_rc", overrides=[*extra, "protocol.ticks=16"]).notes
    assert any("work.injected" in note for note in notes)
