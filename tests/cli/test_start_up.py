"""What simulates nothing imports nothing that simulates: no clock, only what has been imported."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from thermohw.errors import InputError
from thermohw.pipeline import load_spec

GOLDEN = Path(__file__).parents[1] / "data" / "golden_v1.h5"
HEAVY = {"torch", "matplotlib", "sklearn", "sdeint", "numba"}
SETTLED = """
import contextlib, io, json, os, sys
from thermohw.cli import main
for command in json.load(sys.stdin):
    said, status = io.StringIO(), 0
    sys.argv = ["thermohw", *command]
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            main()
        except SystemExit as left:
            status = left.code or 0
    heavy = sorted(HEAVY & set(sys.modules))
    print(json.dumps([status, heavy, said.getvalue(), sorted(os.listdir())]))
"""

PAGES = [
    "--version", "--help", "run --help", "experiment --help", "devices", "devices rc1",
    "devices cmos-bit", "devices opamp-solver", "devices quartic-langevin", "devices spu8",
    f"inspect {GOLDEN}", "experiment list",
]  # fmt: skip

REFUSALS = {
    "run mixture_rc --on gpu": "--on",
    "run nosuch": "no such file",
    "run mixture_rc --out taken.h5": "taken.h5",
    "run mixture_rc --out no/run.h5": "does not exist",
    "run mixture_rc --set nonsense": "expected key=value",
    "run mixture_rc --set protocol.tick=3": "did you mean ticks",
    "run mixture_rc --set simulate.paths=0": "simulate.paths = 0",
    "run mixture_rc --set device.name=rc2": "unknown device 'rc2'",
    "run mixture_rc --set device.r0.resistance='5 V'": "unit 'V' does not measure a resistance",
    "run mixture_rc --set device.r0.resistance='5 furl'": "unknown unit 'furl'",
    "run mixture_rc --set device.r9.resistance='1 Mohm'": "r9",
    "run mixture_rc --set target.kind=cats": "'cats' is not a target",
    "run mixture_rc --set target.mean=3": "target.mean: unknown key",
    "run mixture_rc --set target.stds=-1": "must be positive",
    "run mixture_rc --set process.kind=cosine": "'cosine' is not a process",
    "run mixture_rc --set process.prior=flat": "process.prior: 'flat'",
    "run mixture_rc --set score.steps=10": "only a network score is trained",
    "run mixture_rc --set score.kind=file --set score.path=no.safetensors": "no such weights file",
    "run mixture_rc --set protocol.wiring=norton": "expected one of emf, current",
    "run mixture_rc --set protocol.volts_per_unit='5 s'": "unit 's' does not measure a voltage",
    "run mixture_rc --set protocol.node_leakage='5 s'": "unit 's' does not measure a resistance",
    "run mixture_rc --set protocol.run_time='1 us'": "protocol.run_time",
    "run mixture_rc --set protocol.ticks=100000000": "more than 1000000 ticks",
    "run mixture_rc --set device.name=rc64": "has 64 nodes",
    "run digits_rc --set protocol.volts_per_unit='5 s'": "unit 's' does not measure a voltage",
    "run trap_free --set program.duration='5 V'": "unit 'V' does not measure a time",
    "run capacitor_program --set program.duration='5 us'": "a program brings its own",
    "run bit_jumps --set jumps.duration='5 V'": "unit 'V' does not measure a time",
    "run bit_jumps --set jumps.method=guess": "method: 'guess'",
    "run bit_jumps --set device.name=rc1": "[jumps] cannot play it",
    "run resonator_evolve --set evolve.step='5 V'": "unit 'V' does not measure a time",
    "run board_solve --set evolve.duration='5 V'": "unit 'V' does not measure a time",
    "run board_invert --set evolve.duration='5 V'": "unit 'V' does not measure a time",
    "run bound_sweep": "is a study",
    "devices rc9": "unknown device 'rc9'",
    "devices no.toml": "no such datasheet",
    "audit no.h5": "no.h5",
    "report no.h5": "no.h5",
    "inspect no.h5": "no.h5",
    "spice nosuch": "no such file",
    "spice mixture_rc --noise pink": "--noise",
    "spice mixture_rc --set protocol.tick=3": "did you mean ticks",
    "spice mixture_rc --out no/x.cir": "does not exist",
    "sensitivity mixture_rc --set protocol.tick=3": "did you mean ticks",
    "sensitivity mixture_rc --row nonsense": "--row",
    "yield mixture_rc --require nonsense": "nonsense",
    "yield mixture_rc --require 'quality.w1 < 1' --offset '5 s'": "--offset",
    "experiment run nosuch": "no study of that name",
    "experiment run bound_sweep --set nope=1": "unknown parameter 'nope'",
    "experiment run bound_sweep --set seeds=many": "--set seeds",
}


def words(command: str) -> list[str]:
    import shlex

    return shlex.split(command)


class Answer(NamedTuple):
    """How a command left: status, heavy modules imported by then, what it said, what lies there."""

    status: int
    heavy: list[str]
    said: str
    files: list[str]


def settled(commands: Sequence[str], folder: Path) -> dict[str, Answer]:
    """Answers to commands given one after another in one fresh process.

    Its start is what costs. What a command imports is seen all the same as long as none before it
    has imported anything heavy, and where one has, the first of them in the order is the culprit.
    """
    done = subprocess.run(
        [sys.executable, "-c", SETTLED.replace("HEAVY", repr(HEAVY))],
        input=json.dumps([shlex.split(command) for command in commands]),
        cwd=folder, capture_output=True, text=True, timeout=120,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answers = [Answer(*json.loads(line)) for line in done.stdout.splitlines()]
    return dict(zip(commands, answers, strict=True))


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Answer]:
    folder = tmp_path_factory.mktemp("start_up")
    (folder / "taken.h5").write_text("x")
    found = settled([*PAGES, *REFUSALS], folder)
    assert (folder / "taken.h5").read_text() == "x"
    return found


@pytest.mark.parametrize("command", PAGES)
def test_a_page_imports_nothing_that_simulates(answers, command):
    answer = answers[command]
    assert (answer.status, answer.heavy, answer.files) == (0, [], ["taken.h5"]), answer.said


@pytest.mark.parametrize("command", REFUSALS)
def test_a_refusal_imports_nothing_that_simulates(answers, command):
    answer = answers[command]
    assert (answer.status, answer.heavy, answer.files) == (2, [], ["taken.h5"]), answer.said
    assert REFUSALS[command] in answer.said


def test_what_simulates_is_seen(tmp_path):
    """The tests above can fail: a run imports torch and leaves a file, and they would see it."""
    refused, run = "run nosuch", "run mixture_rc --paths 8 --set protocol.ticks=8"
    found = settled([refused, run], tmp_path)
    assert (found[refused].status, found[refused].heavy, found[refused].files) == (2, [], [])
    assert found[run].status == 0 and "torch" in found[run].heavy and found[run].files


MISSPELT = {
    "mixture_rc": ["protocol.tick", "score.kinds", "simulate.path", "likelihood.tests",
                   "store.evry", "audit.twin", "protocl.ticks"],
    "capacitor_program": ["program.tick", "program.schedules", "simulate.path"],
    "trap_free": ["program.durations"],
    "bit_jumps": ["jumps.sample", "store.evry"],
    "resonator_evolve": ["evolve.sorces", "evolve.sample"],
    "board_solve": ["evolve.solve.rhss", "evolve.solve.matrx", "evolve.steps"],
    "board_invert": ["evolve.invert.setling", "evolve.invert.rhs"],
}  # fmt: skip


@pytest.mark.parametrize(("name", "key"), [(n, k) for n, keys in MISSPELT.items() for k in keys])
def test_a_misspelt_key_of_every_kind_of_spec_is_named(shell, name, key):
    """By the command in the words of `load_spec`."""
    with pytest.raises(InputError, match="unknown key") as caught:
        load_spec(name, [f"{key}=1"])
    assert key in str(caught.value) or key.partition(".")[0] in str(caught.value)
    status, _, err = shell("run", name, "--set", f"{key}=1")
    assert status == 2 and err == f"thermohw: {caught.value}\n"
