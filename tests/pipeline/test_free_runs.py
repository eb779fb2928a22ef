"""Circuits left to their noise sources as files: the numbers of `th.free_run`, resumed, audited."""

from __future__ import annotations

import numpy as np
import pytest

import thermohw as th
from thermohw.errors import InputError
from thermohw.pipeline import load_spec, read_spec, run_spec
from thermohw.store import RunReader

WEAK = {"trap.amplitude": "15 pA"}
NOISES = {
    "telegraph": 'at = "n0"\nkind = "telegraph"\namplitude = "50 pA"\ncapture = "2 us"\n'
    'emission = "1 us"',
    "poles": 'series = "r0"\nkind = "white"\nrms = "50 uV"\nbandwidth = "200 kHz"',
    "fast poles": 'at = "n0"\nkind = "white"\nrms = "1 nA"\nbandwidth = "30 MHz"',
    "staircase": 'at = "n0"\nkind = "white"\nrms = "60 pA"\nbandwidth = "1 MHz"\n'
    'shape = "staircase"',
    "interpolated": 'at = "n3"\nkind = "white"\nrms = "60 pA"\nbandwidth = "1 MHz"\n'
    'shape = "interpolated"',
    "flicker": 'at = "n0"\nkind = "flicker"\ndensity = "100 fA/sqrt(Hz)"\ncorner = "1 kHz"\n'
    'lowest = "10 kHz"\nbandwidth = "10 MHz"',
}


def noisy(tmp_path, kind):
    """One of the sources on rc1; the interpolated one on a chain of two temperatures."""
    base = th.load_device("rc8-chain" if kind == "interpolated" else "rc1")
    path = tmp_path / "noisy.toml"
    path.write_text(base.datasheet.text + f'\n[[noise]]\nname = "hiss"\n{NOISES[kind]}\n')
    return th.load_device(str(path))


def stored(tmp_path, device, paths=3000, duration="8 us", **settings):
    path = tmp_path / "run.h5"
    path.unlink(missing_ok=True)
    return th.simulate(th.Drive(device, duration=duration, **settings), paths=paths, seed=3,
                       store=path, every=20)  # fmt: skip


def statuses(found):
    return {check.name: check.status for check in found.checks}


def test_a_file_holds_what_the_call_gives(tmp_path):
    """Books and end states bit for bit, over two tiles; snapshots at the right times."""
    device = th.load_device("rc1-trap")
    run = stored(tmp_path, device, paths=5000, duration="4 us")
    called = th.free_run(device, duration="4 us", paths=5000, seed=3)
    for name in called.books:
        assert np.array_equal(run.books[name], called.books[name]), name
    assert np.array_equal(run.frames["voltage"][-1], called.efforts)
    assert run.frames.times[-1] == pytest.approx(called.seconds)
    assert th.Run.open(tmp_path / "run.h5").facts["kind"] == "program"


@pytest.mark.parametrize("start", ["auto", "zero"])
@pytest.mark.parametrize("kind", NOISES)
def test_right_runs_hold(tmp_path, kind, start):
    found = stored(tmp_path, noisy(tmp_path, kind), start=start).audit()
    assert found.holds, [c for c in found.checks if c.status == "violated"]
    live = {name for name, status in statuses(found).items() if status != "not-applicable"}
    assert live >= {"first_law", "medium_entropy", "bath_heat", "source_work", "end_law"}
    # two temperatures, or a start from zero, have no theorem of works
    assert ("second_law" in live) == (start == "auto" and kind != "interpolated")


def test_the_theorem_is_live_for_a_weak_source(tmp_path, monkeypatch):
    """<exp(-W/kT)> = 1 with W = 0.1 kT; works a fifth too large break it."""
    from thermohw.integrate import free

    device = th.load_device("rc1-trap", WEAK)
    found = stored(tmp_path, device, paths=20_000, duration="10 us").audit()
    check = found.check("integral_theorem")
    assert check.status == "holds" and check.power < 0.02, check.detail
    right = free.PreparedFree.group

    def group(self, seed, first, paths):
        table = right(self, seed, first, paths)
        return table | {"work": -table["work"]}

    monkeypatch.setattr(free.PreparedFree, "group", group)
    found = stored(tmp_path, device, paths=20_000, duration="10 us").audit()
    assert statuses(found)["integral_theorem"] == statuses(found)["second_law"] == "violated"


@pytest.mark.parametrize(
    ("wrong", "called"),
    [("heat x 1.001", "first_law"), ("a bath dropped", "first_law"), ("baths swapped", "bath_heat"),
     ("source x 1.1", "source_work"), ("cold", "end_law")],
)  # fmt: skip
def test_wrong_runs_are_called(tmp_path, monkeypatch, wrong, called):
    """A source of another strength, or noise of a bath 10 % too weak, keep every path's books."""
    from thermohw.integrate import free

    if wrong == "source x 1.1":
        right_at = free.Waveforms.at
        monkeypatch.setattr(free.Waveforms, "at", lambda *asked: 1.1 * right_at(*asked))
    if wrong == "cold":
        right_normals = free.TickNoise.normals
        monkeypatch.setattr(free.TickNoise, "normals",
                            lambda *asked: 0.9 * right_normals(*asked))  # fmt: skip
    right = free.PreparedFree.group

    def group(self, seed, first, paths):
        table = right(self, seed, first, paths)
        heat = table["heat"].copy()
        if wrong == "heat x 1.001":
            heat[:, 0] *= 1.001
        elif wrong == "a bath dropped":
            heat[:, 0] = 0.0
        elif wrong == "baths swapped":
            heat = heat[:, ::-1]
        return table | {"heat": heat}

    monkeypatch.setattr(free.PreparedFree, "group", group)
    device = noisy(tmp_path, "interpolated" if wrong == "baths swapped" else "telegraph")
    found = statuses(stored(tmp_path, device, paths=6000, duration="20 us").audit())
    assert found[called] == "violated"


def test_stopped_between_tiles_it_goes_on(tmp_path, monkeypatch):
    from thermohw.worlds.driven import DrivenTile

    drive = th.Drive(th.load_device("rc1-trap"), duration="1 us")
    whole, cut = tmp_path / "whole.h5", tmp_path / "cut.h5"
    th.simulate(drive, paths=20_000, seed=4, store=whole)
    right = DrivenTile.advance

    def stop(self, frames):
        if self.tile.first > 0:
            raise KeyboardInterrupt
        right(self, frames)

    with monkeypatch.context() as before:
        before.setattr(DrivenTile, "advance", stop)
        with pytest.raises(KeyboardInterrupt):
            th.simulate(drive, paths=20_000, seed=4, store=cut)
    th.simulate(drive, paths=20_000, seed=4, store=cut, resume=True)
    with RunReader.open(whole) as a, RunReader.open(cut) as b:
        for name in a.ledger_names:
            assert np.array_equal(a.ledger(name), b.ledger(name)), name


def test_pieces_too_long_for_the_source_say_so(tmp_path):
    """Books and laws of what was played hold at any length; its distance from the source's own law
    is `step.error`: 3.3 kT of work in 5 pieces, 2.3 kT in many.
    """
    device = th.load_device("rc1-trap")
    fine, coarse = (
        stored(tmp_path, device, paths=60, duration="20 us", ticks=ticks).audit().quantities
        for ticks in (400, 5)
    )
    works = [found["expected.work.trap.kT"].value for found in (fine, coarse)]
    assert fine["step.error"].value < 0.02
    assert coarse["step.error"].value == pytest.approx(works[1] / works[0] - 1.0, rel=0.1)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"seed": -1}, "seed: expected a whole number >= 0"),
        ({"seed": "1"}, "seed: expected a whole number >= 0"),
        ({"every": -1}, "every: expected a whole number >= 0"),
        ({"ticks": 0}, "ticks: expected a whole number >= 1"),
        ({"ticks": 2.5}, "ticks: expected a whole number >= 1"),
        ({"duration": [1]}, "duration: .* expected a number with a unit"),
    ],
)
def test_numbers_that_are_none_are_refused(asked, message):
    drive = {"duration": "1 us"} | {k: v for k, v in asked.items() if k not in ("seed", "every")}
    run = {k: v for k, v in asked.items() if k not in drive}
    device = th.load_device("rc1-trap")
    with pytest.raises(InputError, match=message):
        th.simulate(th.Drive(device, **drive), paths=2, **run)
    if "every" not in asked and "ticks" not in asked:
        with pytest.raises(InputError, match=message):
            th.free_run(device, paths=2, **{"duration": "1 us"} | asked)


def test_the_shipped_spec(tmp_path):
    run = run_spec(load_spec("trap_free", ["simulate.paths=300"]), tmp_path / "run.h5",
                   progress=False)  # fmt: skip
    assert run.audit().holds
    page = run.report().read_text(encoding="utf-8")
    for words in ("left to its noise sources", "work of trap", "heat into r0"):
        assert words in page, words


TEXT = """
format = "thermohw-run/1"
[device]
name = "rc1-trap"
[program]
"""


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("ticks = 10\n", "needs a duration"),
        ("duration = '1 us'\nstepper = 'euler'\n", "noise source trap"),
        ("duration = '1 us'\npath_ratio = true\n", "noise source trap"),
        ("[program.schedule]\nn0.capacitance = [['0 s', '1 pF'], ['1 us', '2 pF']]\n",
         "noise source trap: a program has the noise of resistors only"),
        ("duration = '1 s'\n", "pieces of"),
    ],
)  # fmt: skip
def test_bad_specs_are_one_line(tmp_path, more, message):
    out = tmp_path / "run.h5"
    with pytest.raises(InputError, match=message) as caught:
        run_spec(read_spec(TEXT + more, where="x.toml"), out, progress=False)
    assert "\n" not in str(caught.value) and not out.exists()
