"""One writer at a time, whatever HDF5_USE_FILE_LOCKING says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from store.toy import SPEC, produce, toy_layout, toy_parameters

from thermohw.errors import StoreError
from thermohw.store import RunWriter, content_hash, verify

ROOT = Path(__file__).parents[2]

CONTENDER = """
import sys
from store.toy import *
try:
    RunWriter.resume(sys.argv[1], content_hash(SPEC))
    print("it opened")
except Exception as error:
    print(type(error).__name__, error)
"""

WRITER = """
import os, subprocess, sys
import numpy as np
from pathlib import Path
from store.toy import *
from thermohw.store import RunReader, verify
from thermohw.store.results import StudyResults, read_results, write_results

path, contender = Path(sys.argv[1]), sys.argv[2]
units = []

def other():
    done = subprocess.run([sys.executable, "-c", contender, path], capture_output=True, text=True)
    return done.stdout.strip()

class Stop(Exception):
    pass

def after(what):
    units.append(what)
    if units.count("commit") == 4:
        raise Stop

run = RunWriter.create(path, toy_layout(), toy_parameters())
try:
    produce(run, after=after)
except Stop:
    print(other())
run.close()
with RunWriter.resume(path, content_hash(SPEC)) as run:
    assert run.committed == 4
    produce(run)
assert verify(path) == []
with RunReader.open(path) as run:
    assert run.finished
made = StudyResults("s", "T", "Q", {}, [{"x": 1}], {}, np.ones(1), np.ones(1), {})
assert read_results(write_results(path.with_name("results.h5"), made)).checked
print(*sorted(os.listdir(path.parent)))
"""


@pytest.mark.parametrize("setting", ["TRUE", "FALSE", "BEST_EFFORT", None])
def test_two_writers(tmp_path, setting):
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    environment.pop("HDF5_USE_FILE_LOCKING", None)
    if setting is not None:
        environment["HDF5_USE_FILE_LOCKING"] = setting
    path = tmp_path / "run.h5"
    words = [sys.executable, "-c", WRITER, str(path), CONTENDER]
    done = subprocess.run(words, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    refused, files = done.stdout.splitlines()
    assert refused.startswith(f"StoreError {path}: is in use by another process"), refused
    assert files == "results.h5 run.h5"


class Stop(Exception):
    pass


def test_two_writers_of_one_process(tmp_path):
    """HDF5 shares what a process has open, lock included; another name changes nothing."""
    path, alias = tmp_path / "run.h5", tmp_path / "alias.h5"
    units = []

    def after(what):
        units.append(what)
        if units.count("commit") == 3:
            raise Stop

    run = RunWriter.create(path, toy_layout(), toy_parameters())
    os.link(path, alias)
    with pytest.raises(Stop):
        produce(run, after=after)
    for name in (path, alias):
        with pytest.raises(StoreError, match="is being written by this process already"):
            RunWriter.resume(name, content_hash(SPEC))
    run.close()
    with RunWriter.resume(alias, content_hash(SPEC)) as run:
        with pytest.raises(StoreError, match="is being written by this process already"):
            RunWriter.resume(path, content_hash(SPEC))
        produce(run)
    assert verify(path) == []
