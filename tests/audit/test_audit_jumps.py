"""The audit of electrons that jump: right runs hold, wrong ones are called; files and resumes."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
import pytest

import thermohw as th
from thermohw.books import ExponentialMean
from thermohw.errors import InputError
from thermohw.jumps import exact
from thermohw.pipeline import load_spec, read_spec, run_spec
from thermohw.store import RunReader

DIODE = """
format = "thermohw-device/1"
[[node]]
name = "a"
capacitance = "0.2 fF"
[[supply]]
name = "high"
voltage = "60 mV"
[[junction]]
name = "up"
between = ["high", "a"]
resistance = "1 Mohm"
temperature = "300 K"
[[junction]]
name = "down"
between = ["a", "gnd"]
resistance = "2 Mohm"
temperature = "360 K"
"""


@pytest.fixture
def device(tmp_path):
    path = tmp_path / "pair.toml"
    path.write_text(DIODE)
    return th.load_device(str(path))


def audited(tmp_path, device, paths=4000, **settings):
    usual = {"duration": "200 ps", "start": "stationary"}
    run = th.simulate(th.Jumps(device, **{**usual, **settings}), paths=paths, seed=2,
                      store=tmp_path / "run.h5")  # fmt: skip
    return run.audit()


def statuses(found):
    return {check.name: check.status for check in found.checks}


def test_right_runs_hold(tmp_path, device):
    """Two temperatures and a supply: heats and works of the stationary law; the theorem where the
    production is small enough for its average to be carried."""
    found = audited(tmp_path, device)
    assert found.holds
    live = {name for name, status in statuses(found).items() if status != "not-applicable"}
    assert live >= {"first_law", "medium_entropy", "bath_heat", "supply_work", "second_law"}
    for bath in ("up", "down"):  # each heat by itself, to four standard errors
        got = found.quantities[f"heat.{bath}.kT"]
        assert abs(got.value - found.quantities[f"expected.heat.{bath}.kT"].value) < 4 * got.stderr
    assert found.quantities["production.total"].value > 0.0


def test_the_theorem_is_live_near_equilibrium(tmp_path):
    """5 mV, and 310 K against 300 K: ln p(N_0) - ln p(N_end) takes away nearly all that the heats
    bring. With its sign turned round, or a heat a tenth too large, the average is another."""
    path = tmp_path / "near.toml"
    path.write_text(DIODE.replace('"60 mV"', '"5 mV"').replace('"360 K"', '"310 K"'))
    found = audited(tmp_path, th.load_device(str(path)), paths=10_000, duration="100 ps")
    check = found.check("integral_theorem")
    assert check.status == "holds", check.detail
    assert check.power is not None and check.power < 0.1
    assert 0.0 < found.quantities["production.total"].value < 0.5


def test_events_that_come_too_often_are_called(tmp_path, monkeypatch):
    """All rates a fifth higher: heats and works of electrons that jump to and fro hardly move."""
    bit, settings = th.load_device("cmos-bit"), {"duration": "5 ns", "paths": 4000}
    assert statuses(audited(tmp_path, bit, **settings))["event_rates"] == "holds"
    (tmp_path / "run.h5").unlink()
    from dataclasses import replace

    from thermohw.jumps import run as runs

    right = exact.play_exact

    def often(task):
        return right(replace(task, duration=1.2 * task.duration))

    monkeypatch.setattr(runs, "play_exact", often)
    found = statuses(audited(tmp_path, bit, **settings))
    assert found["event_rates"] == "violated"


@pytest.mark.parametrize("duration", ["2 ns", "5 ns", "20 ns"])
def test_electrons_that_jump_back_too_seldom_convict_nobody(duration):
    """The shipped bit: one path in a hundred and more weighs fifty and is missing from many a small
    sample, whose other weights hardly differ. Before, up to a fifth of right runs were called.
    Exponents of Gaussian law that are a fifth too large are called all the same."""
    bit = th.load_device("cmos-bit")
    law = th.master_equation(bit)
    run = th.simulate_jumps(bit, duration, paths=8000, seed=9, start=law)
    sigma = run.books.medium + law.log_probability(run.start) - law.log_probability(run.end)
    for size in (125, 500, 2000):
        found = [ExponentialMean.of(part, own_reverse=True).judge_against()
                 for part in sigma.reshape(-1, size)]  # fmt: skip
        assert "violated" not in found and "explained" not in found
    rng = np.random.default_rng(0)
    called = [ExponentialMean.of(1.2 * rng.normal(0.2, 0.4**0.5, 10_000), own_reverse=True)
              .judge_against() for _ in range(40)]  # fmt: skip
    assert called.count("violated") >= 30


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"start": "uncharged"}, "did not start from the stationary law"),
        ({"start": {"a": "20 mV"}}, "did not start from the stationary law"),
        ({"stop": ({"a": 1.0}, "-40 mV")}, "not all of one length"),
        ({"method": "tau-leap", "step": "20 ps", "approximate": True}, "is an approximation"),
    ],
)
def test_other_starts_and_methods_say_why(tmp_path, device, settings, words):
    found = audited(tmp_path, device, paths=200, **settings)
    for name in ("bath_heat", "supply_work", "integral_theorem", "second_law"):
        assert found.check(name).status == "not-applicable" and words in found.check(name).detail
    if settings.get("method") is None:
        assert statuses(found)["first_law"] == "holds"


def test_paths_in_which_nothing_happened_are_no_copies(tmp_path, device):
    """5 ps: hardly an electron jumps, and paths without one agree in everything. A path with one
    has a time average of its own; a real copy is called."""
    found = audited(tmp_path, device, duration="5 ps", start="uncharged", paths=500)
    assert found.holds and statuses(found)["distinct_paths"] == "holds"
    quiet = int(found.check("distinct_paths").detail.split(" of ")[1].split()[0])
    assert 0 < quiet < 500
    from store.toy import unsealed

    path = tmp_path / "run.h5"
    unsealed(path)
    with h5py.File(path, "r+") as opened:
        file: Any = opened
        busy = np.flatnonzero(file["ledger/events"][...].sum(1) > 0)
        for channel in file["ledger"].values():
            channel[busy[1]] = channel[busy[0]]
    assert statuses(th.audit(path))["distinct_paths"] == "violated"


@pytest.fixture(scope="module")
def played():
    """(first path, duration) -> what was played: books go wrong after the electrons jumped."""
    return {}


@pytest.mark.parametrize("wrong", ["heat x 1.001", "a bath dropped", "baths swapped", "slow"])
def test_wrong_books_are_called(tmp_path, device, monkeypatch, played, wrong):
    from dataclasses import replace

    from thermohw.jumps import run as runs

    right = exact.play_exact

    def play(task):
        task = replace(task, duration=0.8 * task.duration) if wrong == "slow" else task
        key = (task.head, task.duration)
        if key not in played:
            played[key] = right(task)
        raw = played[key]
        heat = raw.heat.copy()
        if wrong == "heat x 1.001":
            heat *= 1.001
        elif wrong == "a bath dropped":
            heat[:, 0] = 0.0
        elif wrong == "baths swapped":
            heat = heat[:, ::-1]
        return replace(raw, heat=heat)

    monkeypatch.setattr(runs, "play_exact", play)
    found = statuses(audited(tmp_path, device, paths=20_000, duration="2 ns"))
    called = "bath_heat" if wrong in ("baths swapped", "slow") else "first_law"
    assert found[called] == "violated"


def test_a_file_is_what_the_call_gives_and_resumes(tmp_path, device, monkeypatch):
    """Three tiles; stopped before the last and continued, every channel is the same."""
    jumps = th.Jumps(device, "100 ps", samples=3, start="stationary")
    whole = th.simulate(jumps, paths=9000, seed=4, store=tmp_path / "whole.h5")
    called = th.simulate_jumps(device, "100 ps", paths=9000, seed=4, samples=3,
                               start=th.master_equation(device))  # fmt: skip
    assert np.array_equal(whole.books["heat.up"], called.books["heat.up"])
    assert np.array_equal(whole.frames["voltage"].transpose(1, 0, 2), called.voltages)
    from thermohw.worlds.jumps import JumpsTile

    right = JumpsTile.advance

    def stop(self, frames):
        if self.tile.first > 4096:
            raise KeyboardInterrupt
        right(self, frames)

    cut = tmp_path / "cut.h5"
    with monkeypatch.context() as before:
        before.setattr(JumpsTile, "advance", stop)
        with pytest.raises(KeyboardInterrupt):
            th.simulate(jumps, paths=9000, seed=4, store=cut)
    th.simulate(jumps, paths=9000, seed=4, store=cut, resume=True)
    with RunReader.open(tmp_path / "whole.h5") as a, RunReader.open(cut) as b:
        for name in a.ledger_names:
            assert np.array_equal(a.ledger(name), b.ledger(name)), name


def test_the_shipped_spec(tmp_path):
    run = run_spec(load_spec("bit_jumps", ["simulate.paths=300"]), tmp_path / "run.h5",
                   progress=False)  # fmt: skip
    assert run.audit().holds and run.facts["kind"] == "jumps"
    page = run.report().read_text(encoding="utf-8")
    for words in ("watched", "electrons jump", "work of vdd", "heat into na", "supplies"):
        assert words in page, words
    again = th.Run.open(run.path)
    assert again.ledger.rows == run.ledger.rows


TEXT = 'format = "thermohw-run/1"\n[device]\nname = "cmos-bit"\n[jumps]\nduration = "1 ns"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TEXT + "[program]\nduration = '1 ns'\n", r"\[program\] and \[jumps\] describe runs"),
        (TEXT.replace("cmos-bit", "rc1"), r"\[protocol\] or \[program\] can"),
        (TEXT + "[process]\nkind = 'ou'\n", r"\[process\] belongs to \[protocol\]"),
        (TEXT.replace("1 ns", "-1 ns"), "positive time"),
        (TEXT + "start = 'somewhere'\n", "jumps.start"),
        (TEXT + "method = 'tau-leap'\n", "approximate=True|approximat"),
        (TEXT + "start = {z = '1 mV'}\n", "z"),
        (TEXT + "[jumps.stop]\nnodes = {q = 1.0}\n", "q"),
        (TEXT.replace("1 ns", "1 us") + "most = 5\n", "raise `most`"),
    ],
)
def test_bad_specs_are_one_line(tmp_path, text, message):
    out = tmp_path / "run.h5"
    with pytest.raises(InputError, match=message) as caught:
        run_spec(read_spec(text, where="x.toml"), out, progress=False)
    assert "\n" not in str(caught.value) and not out.exists()
