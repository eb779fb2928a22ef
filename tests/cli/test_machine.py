"""Machines that are full, read-only or exhausted: one line, nothing half, nothing lost."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from thermohw.pipeline import load_spec, run_spec

ROOT = Path(__file__).parents[2]
TOY = ROOT / "tests" / "study" / "toy_averages.py"
SMALL = ["simulate.paths=64", "protocol.ticks=64", "likelihood.test=0", "store.every=0"]
SET = [word for entry in SMALL for word in ("--set", entry)]


@pytest.fixture(scope="module")
def run_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("machine") / "run.h5"
    run_spec(load_spec("mixture_rc", SMALL), path, progress=False)
    return path


@pytest.fixture
def disk(tmp_path):
    """A disk of 2 MiB, and a way to mount it read-only."""
    place = tmp_path / "disk"
    place.mkdir()

    def mount(options):
        words = ["mount", "-t", "tmpfs", "-o", f"size=2m{options}", "tmpfs", str(place)]
        return subprocess.run(words, capture_output=True).returncode

    if os.geteuid() != 0 or shutil.which("mount") is None or mount(""):
        pytest.skip("mounting a small tmpfs needs root")
    yield place, lambda: mount(",remount,ro")
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("state", ["full", "read-only"])
def test_a_disk_that_takes_nothing(shell, disk, run_file, state):
    place, freeze = disk
    (place / "kept.html").write_text("kept")
    shutil.copy(run_file, place / "run.h5")
    if state == "read-only":
        assert freeze() == 0
    else:
        with pytest.raises(OSError), open(place / "filler", "wb", 0) as filler:
            while filler.write(bytes(4096)):
                pass
    before = {path.name: path.stat().st_size for path in place.iterdir()}
    study = ["--quick", "--workers", 1, "--set", "sizes=16"]
    for words in (
        ["run", "mixture_rc", *SET, "--out", place / "new.h5"],
        ["report", run_file, "--out", place / "kept.html"],
        ["report", place / "run.h5"],
        ["spice", "mixture_rc", *SET, "--out", place / "path.cir"],
        ["experiment", "run", TOY, *study, "--out", place / "study"],
    ):
        status, _, err = shell(*words)
        lines = [line for line in err.splitlines() if not line.startswith("averages")]
        assert status == 2 and len(lines) == 1, (words, err)
        shutil.rmtree(place / "study", ignore_errors=True)
    assert {path.name: path.stat().st_size for path in place.iterdir()} == before
    assert (place / "kept.html").read_text() == "kept"
    assert shell("audit", place / "run.h5")[0] == 0  # reading needs no room


EXHAUSTED = """
import json, os, resource, sys
import numpy, torch
from pathlib import Path
import h5py
from thermohw.cli import main
from thermohw.pipeline import load_spec, run_spec

folder, small = Path(sys.argv[1]), json.loads(sys.argv[2])
torch.set_num_threads(1)

def call(*words):
    sys.argv = ["thermohw", *map(str, words)]
    try:
        main()
    except SystemExit as left:
        return left.code or 0

def limited(kind, value, *words):
    before = resource.getrlimit(kind)
    resource.setrlimit(kind, (value, before[1]))
    status = call(*words)
    resource.setrlimit(kind, before)
    sys.stdout.flush()
    print("status", status, file=sys.stderr, flush=True)

sets = [word for entry in small for word in ("--set", entry)]
large = [*sets, "--set", "simulate.paths=40000", "--set", "store.every=2"]
run, page, new = folder / "run.h5", folder / "run.html", folder / "new.h5"
assert call("run", "mixture_rc", *sets, "--out", run) == 0 == call("report", run)
page.unlink()
commands = [["report", run], ["audit", run], ["inspect", run, "--verify"]]
commands.append(["run", "mixture_rc", *sets, "--out", new])
print("begin", file=sys.stderr, flush=True)
free = os.open(os.devnull, os.O_RDONLY)
os.close(free)
for words in commands:
    limited(resource.RLIMIT_NOFILE, free, *words)
    assert not page.exists() and not new.exists()
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
limited(resource.RLIMIT_AS, used + 2**20, "run", "mixture_rc", *large, "--out", new)
print("end", file=sys.stderr, flush=True)
names = sorted(path.name for path in folder.iterdir())
assert set(names) <= {"run.h5", "whole.h5", "new.h5"}, names
# Only now: what it frees would be memory enough for the one that has to fail.
assert call("run", "mixture_rc", *large, "--out", folder / "whole.h5") == 0
assert call("run", "mixture_rc", *large, "--resume", "--out", new) == 0
with h5py.File(new) as one, h5py.File(folder / "whole.h5") as two:
    for name in one["ledger"]:
        assert numpy.array_equal(one["ledger"][name][()], two["ledger"][name][()])
"""


def test_no_memory_and_no_descriptors(tmp_path):
    """Everything is loaded first, so that what fails is ours and not an import."""
    done = subprocess.run(
        [sys.executable, "-c", EXHAUSTED, str(tmp_path), json.dumps(SMALL)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    told = done.stderr.partition("begin\n")[2].partition("end\n")[0].splitlines()
    assert told[1::2] == ["status 2"] * 5, told
    assert all("Too many open files" in line for line in told[0:8:2]), told
    assert told[8] == "thermohw: out of memory: fewer paths, saved frames or dimensions need less"


def test_what_the_plotting_library_is_told_elsewhere(tmp_path, run_file):
    """A window system that is none, and no folder for its fonts: a page needs neither."""
    foreign = {"MPLBACKEND": "nonsense", "MPLCONFIGDIR": "/dev/null", "HOME": "/dev/null"}
    words = [sys.executable, "-m", "thermohw", "report", str(run_file), "--out", "page.html"]
    done = subprocess.run(
        words, cwd=tmp_path, env=os.environ | foreign, capture_output=True, text=True
    )
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert (tmp_path / "page.html").exists()


def test_a_working_directory_that_is_gone(tmp_path):
    gone = f"mkdir gone && cd gone && rmdir ../gone && exec {sys.executable} -m thermohw run x"
    where = {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        gone, shell=True, cwd=tmp_path, env=os.environ | where, capture_output=True, text=True
    )
    assert done.returncode == 2 and done.stderr.startswith("thermohw: the working directory: it")
    assert len(done.stderr.splitlines()) == 1
