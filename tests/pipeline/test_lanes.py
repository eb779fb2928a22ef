"""Lanes: the same numbers for any number of threads; what goes wrong, and who stops."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from problems import mixture_protocol

import thermohw as th
from thermohw.errors import InputError
from thermohw.integrate import Tile
from thermohw.pipeline import load_spec, run_spec
from thermohw.run import lanes
from thermohw.run.lanes import LanedWorld, Workers, wanted_workers
from thermohw.store import RunReader
from thermohw.worlds.played.world import PlayedTile


def numbers(path: Path) -> dict[str, np.ndarray]:
    """Every array of a file but for its provenance."""
    found = {}

    def keep(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and item.dtype.kind in "fiu":
            found[name] = np.asarray(item[()])

    with h5py.File(path) as file:
        for group in ("ledger", "results", "observables"):
            part = file.get(group)
            if isinstance(part, h5py.Group):
                part.visititems(lambda n, i, g=group: keep(f"{g}/{n}", i))
    return found


@pytest.fixture(autouse=True)
def four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads are threads, however many cores there are."""
    monkeypatch.setattr(lanes, "usable_cores", lambda: 4)


SPECS = {
    "mixture_rc": ("simulate.paths=33000", "protocol.ticks=130", "likelihood.test=0"),
    "capacitor_program": ("simulate.paths=9000",),
    "trap_free": ("simulate.paths=5000",),
    "bit_jumps": ("simulate.paths=2500",),
    "resonator_evolve": ("simulate.paths=600",),
}


@pytest.mark.parametrize("name", SPECS)
def test_any_number_of_workers(name: str, tmp_path: Path) -> None:
    """One, two and three threads write the same bits, for every kind of run."""
    spec = load_spec(name, SPECS[name])
    first = None
    for workers in (1, 2, 3):
        path = tmp_path / f"{workers}.h5"
        run_spec(spec, path, progress=False, workers=workers)
        found = numbers(path)
        assert found
        first = found if first is None else first
        assert found.keys() == first.keys()
        for key, values in found.items():
            assert np.array_equal(values, first[key], equal_nan=True), key


def test_in_memory_as_in_one_lane() -> None:
    """Channels of a run in lanes are those of its paths alone."""
    protocol = mixture_protocol("emf", "clocked", 60)
    many = th.simulate(protocol, paths=40000, seed=3, workers=3, progress=False)
    few = th.simulate(protocol, paths=17, seed=3, workers=1, progress=False)
    for name in ("heat.r0", "work.emf", "voltage.end"):
        assert np.array_equal(many.channels[name][:17], few.channels[name]), name


def test_threads_really_play(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than one thread is at work at a time: the counter-check of the equalities above."""
    seen = set()

    class World:
        kind, group, lane, ticks, largest = "x", 8, 2, 1, frozenset()

        def open(self, tile, progress):
            return self

        def advance(self, frames):
            barrier.wait(timeout=20.0)
            seen.add(threading.get_ident())

    barrier = threading.Barrier(4)
    with Workers(4).running() as team:
        LanedWorld(World(), team).open(Tile(0, 8), lambda _: None).advance(None)  # type: ignore[arg-type]
    assert len(seen) == 4


def test_first_trouble_is_told() -> None:
    """A lane that fails stops the others; the error is that of the first lane in trouble."""
    protocol = mixture_protocol("emf", "clocked", 200, allow_ringing=True)
    score = protocol.score.scaled(-60.0)
    wild = th.Protocol(protocol.device, protocol.process, score, wiring="emf", control="clocked",
                       ticks=400, allow_ringing=True)  # fmt: skip
    for workers in (1, 3):
        with pytest.raises(InputError, match=r"path \d+ is not finite at tick"):
            th.simulate(wild, paths=40000, workers=workers, progress=False)


def test_workers_that_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no number of threads is refused; too many are told of and cut."""
    said: list[str] = []
    assert wanted_workers(None, said.append) == 4 or os.environ.get("THERMOHW_WORKERS")
    assert wanted_workers(9, said.append) == 4
    assert said == ["9 workers asked for, 4 cores here: 4"]
    for wrong in (0, -1, 1.5, True, "2"):
        with pytest.raises(InputError, match="workers: expected a whole number >= 1"):
            wanted_workers(wrong, said.append)  # type: ignore[arg-type]
    monkeypatch.setenv("THERMOHW_WORKERS", "two")
    with pytest.raises(InputError, match="THERMOHW_WORKERS: .*got 'two'"):
        wanted_workers(None, said.append)
    monkeypatch.setenv("THERMOHW_WORKERS", " 3 ")
    assert wanted_workers(None, said.append) == 3
    assert wanted_workers(np.int64(2), said.append) == 2  # type: ignore[arg-type]
    monkeypatch.setenv("THERMOHW_WORKERS", "")  # as good as unset
    assert wanted_workers(None, said.append) == 4


def test_stopped_with_threads_at_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped in the middle of a lane, after a commit, with others at work: resumed by another
    number of threads, the file is that of a run in one go. (Kills of processes: test_resume.)
    """
    spec = load_spec(
        "mixture_rc",
        ["simulate.paths=90000", "protocol.ticks=130", "likelihood.test=0", "store.every=10"],
    )
    whole, cut = tmp_path / "whole.h5", tmp_path / "cut.h5"
    right = PlayedTile.advance

    def stop(self: PlayedTile, frames: int | None) -> None:
        right(self, frames)
        if self.tile.first >= 65536 + 16384 and frames is not None and frames > 4:
            raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(PlayedTile, "advance", stop)
        with pytest.raises(KeyboardInterrupt):
            run_spec(spec, cut, progress=False, workers=3)
    with RunReader.open(cut, partial=True) as found:
        assert not found.finished
    run_spec(spec, cut, progress=False, workers=2, resume=True)
    run_spec(spec, whole, progress=False, workers=1)
    one, other = numbers(whole), numbers(cut)
    assert one.keys() == other.keys()
    for key, values in one.items():
        assert np.array_equal(values, other[key], equal_nan=True), key


def test_trouble_stops_lanes_that_never_report() -> None:
    """A lane in trouble is heard of at once, and one that would go on for minutes is stopped."""

    def fails() -> None:
        raise InputError("trouble")

    def endless() -> None:
        while time.monotonic() < begun + 300.0:
            time.sleep(0.01)

    begun = time.monotonic()
    with pytest.raises(InputError, match="trouble"), Workers(2).running() as team:
        team.each([endless, fails])
    assert time.monotonic() - begun < 150.0
