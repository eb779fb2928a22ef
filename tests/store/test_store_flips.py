"""A flipped bit anywhere in a run file is found, or changes nothing that is said of the run."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest
from store.flip import chosen

from thermohw.pipeline import load_spec, run_spec

ROOT = Path(__file__).parents[2]
FLIP = Path(__file__).with_name("flip.py")
SPEC = ["simulate.paths=32", "protocol.ticks=16", "store.every=4", "likelihood.test=0"]
SILENT = 60  # seconds after which a process that says nothing has been led astray


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("flips") / "run.h5"
    run_spec(load_spec("mixture_rc", SPEC), path)
    return path


def start(path: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, str(FLIP), str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


def answers(path: Path, flips: list[tuple[str, int, int]], workers: int) -> list[str]:
    """What is said of every flip; "crashed" or "silent" where a process did not live to say it."""
    todo: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(len(flips)):
        todo.put(number)
    said = ["never asked"] * len(flips)

    def work() -> None:
        process = start(path)
        while True:
            try:
                number = todo.get_nowait()
            except queue.Empty:
                break
            assert process.stdin is not None and process.stdout is not None
            _, place, bit = flips[number]
            process.stdin.write(f"{place} {bit}\n")
            process.stdin.flush()
            watch = threading.Timer(SILENT, process.kill)
            watch.start()
            line = process.stdout.readline().strip()
            watch.cancel()
            said[number] = line or ("silent" if process.wait() == -9 else "crashed")
            if not line:
                process = start(path)
        process.communicate()

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return said


def judge(path: Path, count: int, seed: int, workers: int) -> Counter[tuple[str, str]]:
    flips = chosen(path, count, seed)
    said = answers(path, flips, workers)
    wrong = [(*flip, word) for flip, word in zip(flips, said, strict=True)
             if word not in ("found", "same", "crashed")]  # fmt: skip
    assert not wrong, wrong[:10]
    found = Counter((kind, word) for (kind, *_), word in zip(flips, said, strict=True))
    print(*sorted(found.items()), sep="\n")
    # HDF5 itself may fall over damaged metadata; then nobody was told anything wrong.
    assert sum(n for (_, word), n in found.items() if word == "crashed") <= count / 50
    # Numbers are found without exception, wherever there is nothing but numbers.
    for kind in ("ledger", "results", "observables"):
        assert found[kind, "same"] == 0
    return found


def test_a_hundred_flips(run):
    judge(run, 100, 0, 1)


@pytest.mark.long
def test_a_thousand_flips(run):
    judge(run, 1000, 1, 2)
