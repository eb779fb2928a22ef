"""Programs and free runs as files: the numbers of `th.drive`, resumed, opened, refused."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

import thermohw as th
from thermohw.errors import InputError, StoreError
from thermohw.pipeline import load_spec, read_spec, run_spec
from thermohw.store import RunReader

SPEC = "capacitor_program"


def test_a_file_holds_what_the_call_gives(tmp_path):
    """Books, end states and snapshots bit for bit, over two tiles."""
    program = th.Program({"n0.capacitance": [("0 s", "1 pF"), ("3 us", "2 pF")]})
    device = th.load_device("rc1")
    stored = th.simulate(th.Drive(device, program, ticks=20), paths=20_000, seed=5,
                         store=tmp_path / "run.h5", every=10)  # fmt: skip
    called = th.drive(device, program, paths=20_000, ticks=20, seed=5, frames=2)
    for name in called.books:
        assert np.array_equal(stored.books[name], called.books[name]), name
    assert np.array_equal(stored.frames["voltage"].transpose(1, 0, 2), called.series)
    assert np.allclose(stored.frames.times, called.times)
    again = th.Run.open(tmp_path / "run.h5")
    assert again.ledger.rows == stored.ledger.rows and "heat.r0" in str(again.ledger)
    assert again.facts["kind"] == "program" and again.audit().holds
    memory = th.simulate(th.Drive(device, program, ticks=20), paths=20_000, seed=5)
    assert np.array_equal(memory.books["heat.r0"], stored.books["heat.r0"])
    with pytest.raises(InputError, match="not stored"):
        memory.audit()


README = Path(__file__).parents[2] / "README.md"


def test_a_budget_in_ten_lines_works_on_every_kind(tmp_path, monkeypatch, capsys):
    """The README's script as printed, and the sums that it shows."""
    script = next(code for code in re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
                  if "th.Run.open" in code)  # fmt: skip
    overrides = ["simulate.paths=200", "protocol.ticks=100", "likelihood.test=0"]
    monkeypatch.chdir(tmp_path)
    short = ["simulate.paths=200", "jumps.duration=2 ns"]
    paths = short[:1]
    for spec, left in (
        # float32 states of the played run: 1e-5 of the energies exchanged, some kT
        (load_spec("mixture_rc", overrides), 1e-4),
        (load_spec(SPEC, paths), 1e-12),
        (load_spec("bit_jumps", short), 1e-12),
        (load_spec("trap_free", paths), 1e-12),
        (load_spec("board_solve", ["simulate.paths=200", "evolve.duration=10 us"]), 1e-12),
        (load_spec("resonator_evolve", paths), 1e-13),
    ):
        run_spec(spec, "run.h5", progress=False)
        exec(script, {})
        printed = capsys.readouterr().out
        assert "True 200 paths" in printed and "heat." in printed and "work." in printed
        assert "nan" not in printed
        run = th.Run.open("run.h5")
        residuals = run.books.mean("first_law.residual"), run.ledger.rows["first_law.residual"]
        assert max(abs(r.value) for r in residuals) < left * run.books.exchanged.mean()
        assert run.ledger.rows["heat.total"].value == pytest.approx(run.books.mean("heat.").value)
        Path("run.h5").unlink()


PROGRAM = ["program.ticks=400", "store.every=0", "simulate.paths=40000"]
JUMPS = ["jumps.duration=500 ps", "jumps.start=uncharged", "simulate.paths=9000"]
FREE = ["program.duration=1 us", "store.every=0", "simulate.paths=36000"]
BOARD = ["evolve.duration=600 us", "evolve.samples=20"]
RESONATOR = ["evolve.duration=20 us", "simulate.paths=2500"]


@pytest.mark.parametrize(
    ("name", "overrides", "wait"),
    [(SPEC, PROGRAM, 0.0), (SPEC, PROGRAM, 0.4), ("trap_free", FREE, 0.2),
     ("bit_jumps", JUMPS, 0.2), ("resonator_evolve", RESONATOR, 0.3),
     ("board_invert", BOARD, 0.3)],
)  # fmt: skip
def test_killed_and_resumed_equals_uninterrupted(tmp_path, name, overrides, wait):
    """kill -9 once the file is there, or a moment later; every dataset is the same afterwards."""
    whole, cut = tmp_path / "whole.h5", tmp_path / "cut.h5"
    spec = load_spec(name, overrides)
    run_spec(spec, whole, progress=False)
    options = [word for override in overrides for word in ("--set", override)]
    command = [sys.executable, "-m", "thermohw", "run", name, *options, "--out", str(cut)]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not cut.exists() and child.poll() is None:
        time.sleep(0.01)
    time.sleep(wait)
    child.send_signal(signal.SIGKILL)
    child.wait()
    with RunReader.open(cut, partial=True) as run:
        finished = run.finished  # a fast machine may have been done
    if not finished:
        with pytest.raises(StoreError, match="--resume"):
            th.audit(cut)
        run_spec(spec, cut, resume=True, progress=False)
    with RunReader.open(whole) as a, RunReader.open(cut) as b:
        for channel in a.ledger_names:
            assert np.array_equal(a.ledger(channel), b.ledger(channel)), channel
        for series in a.series_names:
            assert np.array_equal(a.series(series).read(), b.series(series).read()), series
    assert th.audit(cut).check("first_law").status == "holds"
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".thermohw")]


def test_format_2_is_refused_by_readers_of_1(tmp_path):
    path = tmp_path / "run.h5"
    run_spec(load_spec(SPEC, ["simulate.paths=40"]), path, progress=False)
    with h5py.File(path, "r+") as file:
        module = file["h5md/modules/thermohw"]
        assert np.array_equal(np.asarray(module.attrs["version"]), [2, 0])
        del file["parameters/program"]
    with pytest.raises(StoreError):
        th.audit(path)


def test_xarray_opens_it(tmp_path):
    path = tmp_path / "run.h5"
    run = run_spec(load_spec(SPEC, ["simulate.paths=40"]), path, progress=False)
    with run.to_xarray() as tree:
        assert tree["ledger/heat.r0"].dims == ("path",)
        assert tree["observables/voltage/value"].dims[:2] == ("time", "path")


TEXT = """
format = "thermohw-run/1"
[device]
name = "DEVICE"
[program]
duration = "1 us"
"""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TEXT + "[protocol]\nwiring = 'emf'\n", r"\[protocol\] and \[program\] describe runs"),
        (TEXT + "[target]\nkind = 'digits'\n", r"\[target\] belongs to \[protocol\]"),
        (TEXT + "[score]\nscale = 0.9\n", r"\[score\] belongs to \[protocol\]"),
        (TEXT + "[simulate]\ndtype = 'float32'\n", "is float64"),
        (TEXT + "[simulate]\nstart = 'prior'\n", "is program.start"),
        (TEXT.replace("duration", "durations"), "did you mean duration"),
        (TEXT.replace('"1 us"', '"1 kg"'), "1 kg"),
        (TEXT + "[program.schedule]\nn9.capacitance = [['0 s', '1 pF'], ['1 us', '2 pF']]\n",
         "duration|n9"),
        (TEXT.replace("[program]\n", ""), r"one of the tables \[protocol\], \[program\]"),
    ],
)  # fmt: skip
def test_bad_specs_are_one_line(tmp_path, text, message):
    out = tmp_path / "run.h5"
    with pytest.raises(InputError, match=message) as caught:
        run_spec(read_spec(text.replace("DEVICE", "rc1"), where="x.toml"), out, progress=False)
    assert "\n" not in str(caught.value) and not out.exists()


@pytest.mark.parametrize(
    ("device", "door"), [("cmos-bit", "jumps|Jumps"), ("opamp-solver", "th.solve")]
)
def test_a_device_of_another_kind_names_its_door(tmp_path, device, door):
    with pytest.raises(InputError, match=door):
        run_spec(read_spec(TEXT.replace("DEVICE", device)), tmp_path / "run.h5", progress=False)
    with pytest.raises(InputError, match=door):
        th.simulate(th.load_device(device), paths=10)


def test_a_run_that_runs_away_leaves_no_file(tmp_path, monkeypatch):
    """In its second tile: it would do so again however often it is resumed."""
    from thermohw.worlds.driven import DrivenTile

    right = DrivenTile.advance

    def away(self, frames):
        if self.tile.first > 0:
            raise InputError("path 1 ran away within 3 ticks")
        right(self, frames)

    monkeypatch.setattr(DrivenTile, "advance", away)
    out = tmp_path / "run.h5"
    with pytest.raises(InputError, match="ran away"):
        run_spec(load_spec(SPEC, ["program.ticks=5"]), out, progress=False)
    assert not os.listdir(tmp_path)


def test_start_states_given_as_numbers_are_not_stored(tmp_path):
    drive = th.Drive(th.load_device("rc1"), duration="1 us", start=[1e-4])
    with pytest.raises(InputError, match="not kept in a file"):
        th.simulate(drive, paths=10, store=tmp_path / "run.h5")
    assert np.ptp(th.simulate(drive, paths=10).books["energy.start"]) == 0.0


def test_what_is_no_stored_run_says_how_to_make_one(tmp_path):
    """Our own objects handed to the wrong door: one line, never an AttributeError."""
    device = th.load_device("rc1")
    drive = th.Drive(device, duration="1 us", ticks=4)
    memory = th.simulate(drive, paths=30)
    for given, words in (
        (memory, "store='run.h5'"),
        (th.drive(device, duration="1 us", paths=3), "th.Drive"),
        (drive, "th.simulate"),
        (load_spec(SPEC), "th.run_spec"),
        (device, "path of a file"),
        (3, "an int is no stored run"),
    ):
        for door in (th.audit, th.report):
            with pytest.raises(InputError, match=words):
                door(given)
    for given in (3, "run.h5", memory, load_spec(SPEC)):
        with pytest.raises(InputError, match="cannot be simulated"):
            th.simulate(given, paths=3)
    kept = th.simulate(drive, paths=30, store=tmp_path / "run.h5")
    assert th.audit(kept).holds and th.report(kept).is_file()
