"""A finished run extended to more paths is the run of so many in one go, whenever it is killed."""

import multiprocessing
import os
import shutil
import signal
from typing import Any

import h5py
import numpy as np
import pytest

import thermohw as th
from thermohw.errors import InputError, StoreError
from thermohw.pipeline import load_spec, run_spec
from thermohw.store import RunWriter, verify

FORK = multiprocessing.get_context("fork")
TERMS = ["protocol.ticks=24", "store.every=4", "likelihood.test=64"]
PLAYED = ["protocol.ticks=24", "store.every=4", "likelihood.test=0", "audit.twins=false"]
CLOCKED = [*PLAYED, "protocol.control=clocked", "protocol.stepper=auto"]
# SPEC, overrides, paths of the first run and of the longer one; tiles are of 32768 paths (a score
# on one node), 4096 (on several), 16384 (a program), 4096 (jumps) and 1024
# (amplifiers).
KINDS = {
    "played, whole tiles": ("mixture_rc", TERMS, 32768, 40000),
    "played, a part of a tile": ("mixture_rc", PLAYED, 33000, 66000),
    "played, less than a tile": ("mixture_rc", TERMS, 500, 33000),
    "played, kalman": (
        "mixture_rc",
        [*CLOCKED, "protocol.reading_noise=20 uV", "protocol.filter=kalman"],
        33000,
        40000,
    ),
    "played, converters": (
        "mixture_rc",
        [*CLOCKED, "protocol.adc_bits=6", "protocol.latency=37 ns"],
        33000,
        40000,
    ),
    "program": ("capacitor_program", ["program.ticks=20"], 17000, 40000),
    "jumps, stationary": ("bit_jumps", ["jumps.duration=200 ps"], 5000, 9000),
    "jumps": ("bit_jumps", ["jumps.duration=200 ps", "jumps.start=uncharged"], 5000, 9000),
    "evolve": ("resonator_evolve", ["evolve.duration=1 us"], 1100, 2100),
    "evolve, a board": ("board_invert", ["evolve.duration=50 us"], 1100, 2100),
}


def asked(kind, paths=None, *more):
    spec, overrides, _, longer = KINDS[kind]
    return load_spec(
        spec, [*overrides, f"simulate.paths={longer if paths is None else paths}", *more]
    )


def content(path):
    """Every dataset but when it was made, what hashes that, and the slots."""
    found = {}
    with h5py.File(path) as file:

        def visit(name, item):
            apart = ("provenance/", "checksums/manifest", "checksums/skeleton", "run/slot")
            if isinstance(item, h5py.Dataset) and not name.startswith(apart):
                found[name] = item[()]

        file.visititems(visit)
    return found


def assert_same(first, second):
    first, second = content(first), content(second)
    assert first.keys() == second.keys()
    for name, value in first.items():
        one, other = np.asarray(value), np.asarray(second[name])
        numbers = one.dtype.kind != "O" and one.shape == other.shape
        assert one.tobytes() == other.tobytes() if numbers else np.array_equal(one, other), name


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """(kind, paths) -> a finished run, which is copied and never touched."""
    folder, made = tmp_path_factory.mktemp("played"), {}

    def play(kind, paths):
        if (kind, paths) not in made:
            made[kind, paths] = folder / f"{len(made)}.h5"
            run_spec(asked(kind, paths), made[kind, paths], progress=False)
        return made[kind, paths]

    return play


@pytest.mark.parametrize("kind", KINDS)
def test_extended_equals_one_go(kind, played, tmp_path):
    _, _, few, many = KINDS[kind]
    whole, grown = tmp_path / "whole.h5", tmp_path / "grown.h5"
    shutil.copy(played(kind, many), whole)
    shutil.copy(played(kind, few), grown)
    run = run_spec(asked(kind), grown, resume=True, progress=False)
    assert run.ledger.paths == many and run.path == grown
    assert_same(whole, grown)
    assert verify(grown) == [] and sorted(os.listdir(tmp_path)) == ["grown.h5", "whole.h5"]
    with pytest.raises(StoreError, match="is complete"):
        run_spec(asked(kind), grown, resume=True)
    with pytest.raises(StoreError, match=f"holds {many} paths, more than the {few}"):
        run_spec(asked(kind, few), grown, resume=True)


def killed(spec, path, commit):
    """The run in a child that kill -9 meets in this commit, or where it would take its place."""
    put, rename, count = RunWriter.commit, os.replace, 0

    def committing(writer, state=None):
        nonlocal count
        count += 1
        if count == commit:
            os.kill(os.getpid(), signal.SIGKILL)
        put(writer, state)

    def placing(source, target):
        if str(source).endswith(".extended"):
            os.kill(os.getpid(), signal.SIGKILL)
        rename(source, target)

    def child():
        setattr(RunWriter, "commit", committing)  # noqa: B010
        os.replace = placing
        run_spec(spec, path, resume=True, progress=False)

    process = FORK.Process(target=child)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


@pytest.mark.parametrize("kind", ["played, a part of a tile", "program", "jumps"])
def test_killed_extension_loses_nothing(kind, played, tmp_path):
    """In the first copy, behind it, and between the last commit and the new name."""
    _, _, few, many = KINDS[kind]
    whole, grown = tmp_path / "whole.h5", tmp_path / "grown.h5"
    shutil.copy(played(kind, many), whole)
    shutil.copy(played(kind, few), grown)
    first = grown.read_bytes()
    for commit in (1, 2, 2):
        killed(asked(kind), grown, commit)
        assert grown.read_bytes() == first
    assert th.Run.open(grown).ledger.paths == few
    with pytest.raises(StoreError, match="interrupted extension to"):
        run_spec(asked(kind, 3 * KINDS[kind][3]), grown, resume=True)
    killed(asked(kind), grown, 10**6)
    assert grown.read_bytes() == first
    with pytest.raises(StoreError, match="is complete"):
        run_spec(asked(kind), grown, resume=True)
    assert_same(whole, grown)
    assert sorted(os.listdir(tmp_path)) == ["grown.h5", "whole.h5"]


def test_a_call_extends_too(tmp_path):
    """th.simulate, without a SPEC, likelihood terms kept; another score of the same kind is not
    taken for the one that ran.
    """
    device, process = th.load_device("rc1"), th.OU(3.0)

    def protocol(mean):
        score = th.targets.gaussian([mean], [0.5]).score(process)
        return th.Protocol(device, process, score, wiring="emf", control="clocked", ticks=24)

    whole, grown = tmp_path / "whole.h5", tmp_path / "grown.h5"
    th.simulate(protocol(0.5), paths=33000, store=whole, test=64, progress=False)
    th.simulate(protocol(0.5), paths=800, store=grown, test=64, progress=False)
    with pytest.raises(InputError, match=r"another target.definition.mean"):
        th.simulate(protocol(0.4), paths=33000, store=grown, resume=True)
    th.simulate(protocol(0.5), paths=33000, store=grown, resume=True, progress=False)
    assert_same(whole, grown)
    drive = th.Drive(device, duration="1 us", ticks=4)
    th.simulate(drive, paths=30, store=tmp_path / "free.h5")
    run = th.simulate(drive, paths=60, store=tmp_path / "free.h5", resume=True)
    assert run.ledger.rows == th.simulate(drive, paths=60).ledger.rows


def test_a_trained_score_comes_from_the_file(tmp_path, monkeypatch):
    kind = "played, less than a tile"
    network = ["score.kind=network", "score.steps=20", "likelihood.test=0", "audit.twins=false"]
    whole, grown = tmp_path / "whole.h5", tmp_path / "grown.h5"
    run_spec(asked(kind, 700, *network), whole, progress=False)
    run_spec(asked(kind, 500, *network), grown, progress=False)
    monkeypatch.setattr("thermohw.pipeline.build.build_setting", None)
    run_spec(asked(kind, 700, *network), grown, resume=True, progress=False)
    assert_same(whole, grown)


def test_what_cannot_be_extended_is_said(played, tmp_path, monkeypatch):
    """Another spec, an unfinished run, a run that diverges: the file stays what it was."""
    kind, path = "jumps", tmp_path / "run.h5"
    shutil.copy(played(kind, 5000), path)
    first = path.read_bytes()
    with pytest.raises(StoreError, match=r"another spec \(simulate.paths, simulate.seed differ"):
        run_spec(asked(kind, None, "simulate.seed=1"), path, resume=True)

    def away(*_):
        raise InputError("path 1 ran away")

    with monkeypatch.context() as patched:
        patched.setattr("thermohw.worlds.jumps.JumpsTile.advance", away)
        with pytest.raises(InputError, match="ran away"):
            run_spec(asked(kind), path, resume=True, progress=False)
    assert os.listdir(tmp_path) == ["run.h5"] and path.read_bytes() == first
    broken = tmp_path / "broken.h5"
    killed(asked(kind), broken, 2)
    with pytest.raises(StoreError, match="unfinished run of 9000 paths: finish it with --paths"):
        run_spec(asked(kind, 15000), broken, resume=True)


def test_a_damaged_run_is_not_copied(played, tmp_path):
    kind, path = "jumps", tmp_path / "run.h5"
    shutil.copy(played(kind, 5000), path)
    with h5py.File(path, "r+") as file:
        data: Any = file["ledger/energy.end"]
        data[3] += 1e-22
    with pytest.raises(StoreError, match=r"path group 0 of /ledger/energy.end differs"):
        run_spec(asked(kind), path, resume=True, progress=False)
