"""Exit codes: 1 is physics, 2 a mistake or a file not to be trusted; every help page says so."""

import json
import os
import shutil
import subprocess
import sys
from typing import Any

import h5py
import pytest
from store.toy import produce, toy_layout, toy_parameters, unsealed

from thermohw.store import RunWriter

COMMANDS = {
    "devices": 0, "run": 0, "report": 0, "inspect": 0, "sensitivity": 0, "experiment list": 0,
    "audit": 1, "spice": 1, "yield": 1, "experiment run": 1,
}  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_page_tells_how_the_command_leaves(shell, command):
    status, out, _ = shell(*command.split(), "--help")
    words = " ".join(out.split())
    assert status == 0 and "Exit codes: 0 done;" in words and "70 something unforeseen" in words
    assert (" 1 " in words.split("Exit codes:")[1]) == bool(COMMANDS[command])


def test_an_unsound_file_is_bad_input(shell, tmp_path):
    path = tmp_path / "run.h5"
    layout = toy_layout()
    with RunWriter.create(path, layout, toy_parameters()) as run:
        produce(run)
    assert shell("inspect", path, "--verify")[0] == 0
    broken = shutil.copy(path, tmp_path / "broken.h5")
    with h5py.File(unsealed(broken), "r+") as file:
        ledger: Any = file["ledger"]
        ledger[next(iter(ledger))][0] = float("nan")
    status, out, err = shell("inspect", broken, "--verify")
    assert status == 2 and "problem: " in out
    assert len(err.splitlines()) == 1 and "broken.h5: is not sound" in err


def test_outputs_that_cannot_be_are_refused_before_the_work(shell, tmp_path):
    (tmp_path / "file").write_text("x")
    commands = [
        ["sensitivity", "mixture_rc"],
        ["yield", "mixture_rc", "--require", "quality.w1 < 1"],
        ["spice", "mixture_rc"],
    ]
    places = {"no/x": "does not exist", "file/x": "not a folder", ".": "is a folder"}
    for words in commands:
        for place, reason in places.items():
            status, _, err = shell(*words, "--out", tmp_path / place)
            assert status == 2 and reason in err and len(err.splitlines()) == 1, (words, err)
        status, _, err = shell(*words, "--out", "/dev/null")
        assert status == 2 and len(err.splitlines()) == 1
    assert os.listdir(tmp_path) == ["file"]
    assert not os.path.isfile("/dev/null")


EVIL = "\x1b]0;owned\x07\x1b[2J \u202egnp.exe [bold]x[/bold] :smile:"


def test_what_a_file_says_moves_no_cursor(shell, tmp_path):
    """Escape sequences and marks of direction are shown, and no markup is obeyed."""
    path = tmp_path / "run.h5"
    with RunWriter.create(path, toy_layout(), toy_parameters()) as run:
        produce(run)
    with h5py.File(unsealed(path), "r+") as file:
        place: Any = file["provenance/torch"]
        place[()] = EVIL
        ledger: Any = file["ledger"]
        ledger[next(iter(ledger))].attrs["unit"] = EVIL
    for words in (["inspect", path], ["inspect", path, "--verify"]):
        _, out, err = shell(*words)
        assert all(c.isprintable() or c == "\n" for c in out + err)
        assert out.count("\\x1b]0;owned\\x07") >= 1 and "[bold]x[/bold] :smile:" in out
        assert len(err.splitlines()) <= 1


def test_a_name_that_is_no_text_is_shown(shell, tmp_path):
    """What a system's bytes become (surrogate escapes) can be printed, after the work as before."""
    out = os.fsdecode(os.fsencode(str(tmp_path)) + b"/\xff.h5")
    words = ["protocol.ticks=256", "simulate.paths=8", "likelihood.test=0", "audit.twins=false"]
    sets = [word for entry in words for word in ("--set", entry)]
    status, said, _ = shell("run", "mixture_rc", *sets, "--out", out)
    assert status == 0 and "written to " in said and "\\udcff.h5" in said
    assert shell("audit", out)[0] in (0, 1) and shell("inspect", out)[0] == 0


LISTENERS = [  # of stdout, of stderr, words, exit code, lines on stderr
    ("left", "kept", "--help", 0, 0),  # `| head`: the reader has left
    ("left", "kept", "devices", 0, 0),
    ("full", "kept", "--help", 2, 1),
    ("kept", "full", "audit missing.h5", 2, 0),
    ("kept", "left", "audit missing.h5", 2, 0),
    ("full", "full", "--help", 2, 0),
]
LAST = """
import json, os, sys
from thermohw.cli import app

read, write = os.pipe()
os.close(read)
places = {"left": write, "full": os.open("/dev/full", os.O_WRONLY)}
for out, err, words, *_ in json.loads(sys.argv[1]):
    said, told = os.pipe()
    child = os.fork()
    if not child:
        os.dup2(places.get(out, 1), 1)
        os.dup2(places.get(err, told), 2)
        os.close(told)
        sys.argv = ["thermohw", *words.split()]
        app.main()
    os.close(told)
    text = open(said).read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print("left", code, text.count("\\n"), "Traceback" in text, file=sys.stderr)
"""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no such device")
def test_1_means_physics_whoever_listens(tmp_path):
    """A reader that left, a full disk behind either stream: neither is a law that is violated."""
    command = [sys.executable, "-c", LAST, json.dumps(LISTENERS)]
    # Nothing that makes a short page longer or unbuffered, which hid what is left in the buffer.
    bare = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "PYTHONPATH")}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=bare)
    said = [line for line in done.stderr.splitlines() if line.startswith("left")]
    assert said == [f"left {code} {lines} False" for *_, code, lines in LISTENERS], done.stderr
