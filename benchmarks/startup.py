"""How long commands take that simulate nothing, and a run of one path and one tick.

Each is a process of its own, caches warm. Commands are set against `import torch`; the run against
a process that imports the very modules that the run has imported when it ends.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.clock import Row, Spent, alternate, row

__all__ = ["against_imports"]

_TINY = """
import thermohw as th
score = th.targets.gaussian(mean=[0.0], std=[0.5]).score(th.OU(duration=0.1))
protocol = th.Protocol(th.load_device("rc1"), score.process, score, wiring="emf",
                       control="clocked", ticks=1)
th.simulate(protocol, paths=1)
"""
_IMPORTS = """
import importlib, json, sys
for name in json.load(open(sys.argv[1])):
    try:
        importlib.import_module(name)
    except Exception:
        pass
"""
_SPEC = """
format = "thermohw-run/1"
[device]
nmae = "rc1"
[target]
kind = "gaussian"
mean = [0.0]
std = [0.5]
[process]
kind = "ou"
duration = 3.0
[protocol]
wiring = "emf"
control = "clocked"
ticks = 200
[simulate]
paths = 100
"""


def against_imports() -> list[Row]:
    """Three commands, then the smallest run."""
    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder) / "misspelt.toml"
        spec.write_text(_SPEC)
        commands = {
            "--version": (["--version"], 0),
            "devices": (["devices"], 0),
            "run SPEC with a misspelt key": (["run", str(spec), "--out", f"{folder}/x.h5"], 2),
        }
        rows = [
            _command(name, [sys.executable, "-m", "thermohw", *words], code)
            for name, (words, code) in commands.items()
        ]
        return [*rows, _smallest(Path(folder))]


def _command(name: str, words: list[str], code: int) -> Row:
    torch = [sys.executable, "-c", "import torch"]
    pairs = alternate(lambda: _run(words, code), lambda: _run(torch), repeat=5, clock=_children)
    return row(f"thermohw {name}; time", "import torch", [1.0 / r for r in pairs.ratios()],
               "<= 0.5", pairs.told())  # fmt: skip


def _smallest(folder: Path) -> Row:
    """Seconds beyond those of the imports: of the processor, since reading so many files makes wall
    time wander."""
    listed, code = folder / "modules.json", _TINY
    names = subprocess.run(
        [sys.executable, "-c",
         code + "import json, sys; print(json.dumps([n for n in sys.modules if n != '__main__']))"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    listed.write_text(names)
    pairs = alternate(
        lambda: _run([sys.executable, "-c", code]),
        lambda: _run([sys.executable, "-c", _IMPORTS, str(listed)]),
        repeat=5,
        clock=_children,
    )
    extra = [a.cpu - b.cpu for a, b in zip(pairs.ours, pairs.theirs, strict=True)]
    return row("simulate() of 1 path and 1 tick, in memory; seconds beyond",
               f"the imports it needs ({len(json.loads(names))} modules)", extra, "<= 0.1",
               pairs.told())  # fmt: skip


def _run(words: list[str], code: int = 0) -> None:
    done = subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                          env=os.environ)  # fmt: skip
    if done.returncode != code:
        raise RuntimeError(f"{' '.join(words)} left {done.returncode}: {done.stderr[-300:]}")


def _children(call: object) -> Spent:
    """Seconds of a call that only waits for another process."""
    assert callable(call)
    before, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    call()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Spent(cpu, time.perf_counter() - wall)
