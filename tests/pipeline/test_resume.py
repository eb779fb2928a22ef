"""A killed run, resumed, is the run that was never killed: bit for bit, whatever the moment."""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest

from thermohw.errors import StoreError
from thermohw.pipeline import load_spec, run_spec
from thermohw.store import RunReader, verify

# Small tiles' worth of work many times over: 3 path groups, several time blocks each.
COMMON = [
    "protocol.ticks=192",
    "simulate.dtype=float32",
    "simulate.paths=70000",
    "likelihood.test=0",
    "store.every=2",
]
CLOCKED = ["protocol.control=clocked", "protocol.stepper=auto"]
VARIANTS = {
    "continuous": [],
    "noisy readings": [*CLOCKED, "protocol.reading_noise=20 uV", "protocol.filter=kalman"],
    "latency": [*CLOCKED, "protocol.latency=37 ns", "protocol.dac_bits=8"],
    "current": ["protocol.wiring=current"],
}


_APART = ("provenance/", "checksums/manifest", "checksums/skeleton", "run/slot")


def datasets(path):
    """Every dataset a reader sees, except when the file was made, what hashes that, and slots."""
    found = {}
    with h5py.File(path) as file:

        def visit(name, item):
            if isinstance(item, h5py.Dataset) and not name.startswith(_APART):
                found[name] = item[()]

        file.visititems(visit)
    return found


def assert_same(first, second):
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert np.array_equal(np.asarray(value), np.asarray(second[name])), name


FORK = multiprocessing.get_context("fork")


def command(path, overrides, *, resume=False):
    words = [sys.executable, "-m", "thermohw", "run", "mixture_rc", "--out", str(path)]
    for override in overrides:
        words += ["--set", override]
    return words + (["--resume"] if resume else [])


class Forked:
    """A run in a child of this process, which starts at once where a shell imports for seconds."""

    start = 0.0

    def __init__(self, path, overrides, *, resume):
        options = {"resume": resume, "progress": False}
        args = (load_spec("mixture_rc", overrides), path)
        self.process = FORK.Process(target=run_spec, args=args, kwargs=options)
        self.process.start()

    def alive(self):
        return self.process.is_alive()

    def kill(self):
        self.process.kill()

    def wait(self):
        self.process.join()


class Shell:
    """The same as a command."""

    start = 1.5  # seconds of the interpreter's own that a resumed run begins with

    def __init__(self, path, overrides, *, resume):
        self.process = subprocess.Popen(
            command(path, overrides, resume=resume),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    def alive(self):
        return self.process.poll() is None

    def kill(self):
        self.process.kill()

    def wait(self):
        self.process.wait()


@pytest.mark.parametrize("name", VARIANTS)
def test_killed_and_resumed_equals_uninterrupted(name, tmp_path):
    """One variant as commands of a shell, the others without an interpreter's start a kill."""
    overrides, play = COMMON + VARIANTS[name], Shell if name == "continuous" else Forked
    whole, broken = tmp_path / "whole.h5", tmp_path / "broken.h5"
    began = time.monotonic()
    run_spec(load_spec("mixture_rc", overrides), whole, progress=False)
    duration = time.monotonic() - began
    moments = random.Random(name)
    kills = 0
    for attempt in range(3):
        process = play(broken, overrides, resume=attempt > 0)
        while not broken.exists() and process.alive():
            time.sleep(0.01)
        # After a resume the interpreter's start comes first; count from the file's appearance.
        time.sleep((play.start if attempt else 0.0) + moments.uniform(0.0, 0.6 * duration))
        if process.alive():
            process.kill()
            kills += 1
        process.wait()
    assert kills > 0, "no kill hit a running process: lengthen the run"
    spec = load_spec("mixture_rc", overrides)
    try:
        run_spec(spec, broken, resume=True, progress=False)
    except StoreError as error:
        assert "complete" in str(error)  # the last attempt got to the end
    assert_same(datasets(whole), datasets(broken))


@pytest.mark.long
@pytest.mark.parametrize("name", ["continuous", "noisy readings"])
def test_thirty_kills_lose_nothing(name, tmp_path):
    """What is committed stays; a new file is begun whenever one is complete."""
    spec = load_spec("mixture_rc", [*COMMON, *VARIANTS[name]])
    whole = tmp_path / "whole.h5"
    began = time.monotonic()
    run_spec(spec, whole, progress=False)
    duration, reference = time.monotonic() - began, datasets(whole)
    moments, kills, files, before, finished = random.Random(name), 0, 0, 0, False
    while kills < 30 or not finished:
        broken, options = tmp_path / f"broken_{files}.h5", {"resume": True, "progress": False}
        process = FORK.Process(target=run_spec, args=(spec, broken), kwargs=options)
        process.start()
        process.join(moments.uniform(0.0, 0.7 * duration) if kills < 30 else None)
        process.kill()
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL)
        kills += process.exitcode != 0
        committed, finished = 0, False
        if broken.exists():
            with RunReader.open(broken, partial=True) as run:
                committed, finished = run.committed, run.finished
        assert committed >= before
        before = committed
        if finished:
            assert_same(reference, datasets(broken))
            assert verify(broken) == []
            files, before = files + 1, 0
    assert not list(tmp_path.glob(".thermohw-*.tmp"))


def test_resume_of_another_spec_is_refused(tmp_path):
    out = tmp_path / "run.h5"
    small = ["simulate.paths=100", "protocol.ticks=64", "likelihood.test=0"]
    run_spec(load_spec("mixture_rc", small), out, progress=False)
    with pytest.raises(StoreError, match=r"another spec \(simulate.seed differ\)"):
        run_spec(load_spec("mixture_rc", [*small, "simulate.seed=1"]), out, resume=True)
    with pytest.raises(StoreError, match="complete"):
        run_spec(load_spec("mixture_rc", small), out, resume=True)
    with pytest.raises(StoreError, match="--resume"):
        run_spec(load_spec("mixture_rc", small), out)


def test_ctrl_c_leaves_a_resumable_file(tmp_path):
    """SIGINT: exit status 130, one line, and what was committed stays readable."""
    out = tmp_path / "run.h5"
    overrides = [*COMMON, "simulate.paths=400000"]
    process = subprocess.Popen(
        command(out, overrides), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while not out.exists():
        assert process.poll() is None
        time.sleep(0.01)
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    _, complaint = process.communicate(timeout=60)
    assert process.returncode == 130, complaint
    lines = [line for line in complaint.strip().splitlines() if "simulating takes" not in line]
    assert len(lines) == 1 and "--resume" in lines[0]
    shown = subprocess.run(
        [sys.executable, "-m", "thermohw", "inspect", str(out)], capture_output=True, text=True
    )
    assert shown.returncode == 0 and "unfinished" in shown.stdout
